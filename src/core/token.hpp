// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "core/call.hpp"
#include "crypto/aes_gcm.hpp"
#include "jwekms/jose_header.hpp"
#include "jwekms/jwe.hpp"
#include "jwekms/kms.hpp"

namespace jwekms::core {

/// A token parsed once: every later step works on this and never reads the text again. Lives on
/// the stack of one call.
class Token {
 public:
  Token() noexcept {}  // the buffers are left as they are
  Token(const Token&) = delete;
  Token& operator=(const Token&) = delete;

  /// Errors: bad_request, too_large.
  [[nodiscard]] Result<void> parse(std::string_view text, const Policy& policy) noexcept;

  /// Finds the recipient that is ours and its key, for an operation that the caller may do with it.
  /// By `kid`, or as the caller names it; never by trial. Errors: bad_request,
  /// unsupported_algorithm, and those of Gate::key().
  [[nodiscard]] Result<void> select(Call& call, const DecryptOptions& options, Operation operation);

  /// Decodes `encrypted_key`. RFC 7516 §5.2 step 10: it is empty for `dir` alone.
  [[nodiscard]] Result<WrappedCek> wrapped_cek() noexcept;

  /// Decodes `iv` and `tag` and holds them to the lengths of the `enc` table.
  [[nodiscard]] Result<SealedContent> sealed_content() noexcept;

  /// Whether every base64url part is well formed. A malformed token is bad_request whatever else
  /// is wrong with it; asked on the way out of a failure, so that a good token is not scanned
  /// twice.
  [[nodiscard]] bool is_base64url() const noexcept;

  /// Bytes that the plaintext can need.
  [[nodiscard]] std::size_t plaintext_bound(const Limits& limits) const noexcept;
  /// Tokens that decrypt want room for a tag behind the plaintext; with a buffer that has it, no
  /// other is needed on the way.
  static constexpr std::size_t tag_room = crypto::gcm_tag_bytes;

  [[nodiscard]] const JweView& view() const noexcept { return view_; }
  /// After select():
  [[nodiscard]] const JoseHeader& header() const noexcept { return header_; }
  [[nodiscard]] const Key& key() const noexcept { return *key_; }

 private:
  [[nodiscard]] Result<void> select_only(Call& call, const DecryptOptions& options,
                                         Operation operation);
  [[nodiscard]] Result<void> select_among(Call& call, const DecryptOptions& options,
                                          Operation operation);
  [[nodiscard]] bool is_name_of_key(std::string_view kid) const;

  JweView view_;
  bool has_zip_ = false;  ///< Of the protected header; known after parse().
  std::optional<json::Value> protected_header_;
  HeaderBuffer header_text_;
  Recipient recipient_;
  JoseHeader header_;
  std::shared_ptr<const Key> key_;
  std::array<std::uint8_t, max_iv_bytes> iv_;
  std::array<std::uint8_t, max_tag_bytes> tag_;
  std::array<std::uint8_t, 2048> encrypted_key_;  ///< An RSA modulus of 16384 bits.
};

}  // namespace jwekms::core
