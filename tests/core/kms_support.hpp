// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "jwekms/kms.hpp"
#include "jwekms/open.hpp"
#include "support.hpp"

/// Calls of a Kms with buffers of exactly the size that it asks for, so that AddressSanitizer sees
/// a byte too many.
namespace support {

/// A Kms over a new database in a folder of its own.
struct Database {
  explicit Database(const Policy& policy = Policy::permissive(),
                    std::vector<std::shared_ptr<KeyProvider>> more = {})
      : kms(opened(policy, std::move(more))) {}

  TempDir folder;
  Kms kms;

  /// Opens the same database again.
  [[nodiscard]] Kms opened(const Policy& policy,
                           std::vector<std::shared_ptr<KeyProvider>> more = {}) const {
    Options options;
    options.database.path = folder.file("keys.sqlite");
    options.policy = policy;
    options.providers = std::move(more);
    options.on_warning = [](std::string_view) {};
    return open(options).value();
  }
};

inline Policy policy_with(void (*change)(Policy&)) {
  Policy policy = Policy::permissive();
  change(policy);
  return policy;
}

inline KeyInfo create_rsa(const Kms& kms, std::string uid, std::vector<std::string> aliases = {}) {
  return kms.create_key({.uid = std::move(uid), .aliases = std::move(aliases)}).value();
}

inline KeyInfo create_oct(const Kms& kms, std::string uid, Enc enc = Enc::A256GCM) {
  return kms.create_key({.uid = std::move(uid), .type = KeyType::oct, .enc = enc}).value();
}

/// Imports a key that the test holds too.
inline KeyInfo import_rsa(const Kms& kms, std::string uid, const crypto::RsaKey& key) {
  return kms.import_key({.format = KeyFormat::der, .data = pkcs8(key), .uid = std::move(uid)})
      .value();
}

inline Result<std::string> encrypt(const Kms& kms, std::span<const std::uint8_t> plaintext,
                                   const EncryptOptions& options) {
  const std::unique_ptr<char[]> out(new char[kms.encrypt_bound(plaintext.size(), options)]);
  const Result<std::size_t> size =
      kms.encrypt(plaintext, {out.get(), kms.encrypt_bound(plaintext.size(), options)}, options);
  if (!size) return size.error();
  return std::string(out.get(), *size);
}

/// What came out of a decryption into a buffer that was full of ones.
struct Decrypted {
  Result<std::size_t> result;
  Bytes out;

  [[nodiscard]] std::string_view code() const noexcept { return code_of(result); }
  /// A failure must leave zeros alone.
  [[nodiscard]] bool clean() const noexcept { return result || all_zero(out); }
  [[nodiscard]] std::string text() const {
    return result ? support::text(std::span(out).first(*result)) : std::string(code());
  }
};

/// Into a buffer without the room for a tag that decrypt_bound() has, and that none but tokens use.
/// @param extra  bytes more than that.
inline Decrypted decrypt(const Kms& kms, std::string_view token, const DecryptOptions& options = {},
                         std::size_t extra = 0) {
  const Result<std::size_t> bound = kms.decrypt_bound(token);
  Bytes out((bound ? *bound - 16 : 16) + extra, 0xFF);
  const std::string exact(token);
  Result<std::size_t> result = kms.decrypt(exact, out, options);
  return {result, std::move(out)};
}

inline Result<std::string> reencrypt(const Kms& kms, std::string_view token,
                                     const DecryptOptions& from, const EncryptOptions& to) {
  const Result<std::size_t> bound = kms.reencrypt_bound(token, to);
  std::string out(bound ? *bound : 16, '\0');
  const Result<std::size_t> size = kms.reencrypt(token, out, from, to);
  if (!size) return size.error();
  out.resize(*size);
  return out;
}

}  // namespace support
