// SPDX-License-Identifier: Apache-2.0
#include "kept_cek.hpp"

#include <stdexcept>

#include "jwekms/jwe.hpp"
#include "output_buffer.hpp"
#include "providers/db/db_provider.hpp"

namespace vectors {

namespace {

using jwekms::Result;

template <class T>
[[nodiscard]] T require(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().text);
  return *std::move(result);
}

/// Decodes a part that must fill `out`.
[[nodiscard]] std::span<const std::uint8_t> decode(std::string_view text,
                                                   std::span<std::uint8_t> out) {
  if (jwekms::base64url::decoded_size(text.size()) != out.size() ||
      !jwekms::base64url::decode(text, out.data()))
    throw std::runtime_error("iv or tag is malformed");
  return out;
}

}  // namespace

KeptCek::KeptCek(const std::filesystem::path& database) {
  jwekms::DatabaseOptions options;
  options.path = database;
  provider_ =
      require(jwekms::db::open_database(require(jwekms::crypto::Library::open({})),
                                        jwekms::db::make_store(options), options, {}, {}, {}));
}

Answer KeptCek::decrypt(std::string_view token, std::string_view uid, std::string_view enc) const
    try {
  const jwekms::JweView view = require(jwekms::parse_jwe(token, jwekms::Limits{}));
  const jwekms::EncRow* const row = jwekms::find_enc(enc);
  if (row == nullptr) throw std::runtime_error("an unknown enc");
  std::vector<std::uint8_t> iv(row->iv_bytes), tag(row->tag_bytes);
  const jwekms::SealedContent sealed{{decode(view.iv_b64, iv)},
                                     {view.protected_b64, view.aad_b64},
                                     view.ciphertext_b64,
                                     {decode(view.tag_b64, tag)}};
  const std::shared_ptr<const jwekms::Key> key = require(provider_->resolve(uid));
  const std::shared_ptr<const jwekms::ContentKey> cek = require(key->content_key(*row));
  OutputBuffer out(jwekms::base64url::decoded_size(view.ciphertext_b64.size()));
  const Result<std::size_t> size = cek->decrypt(sealed, out.bytes());
  return size ? out.written(*size) : out.failed(jwekms::name(size.error().code));
} catch (const std::runtime_error& problem) {
  return {problem.what(), {}, {}};
}

}  // namespace vectors
