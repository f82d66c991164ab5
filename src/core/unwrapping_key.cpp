// SPDX-License-Identifier: Apache-2.0
#include "core/unwrapping_key.hpp"

namespace jwekms::core {

bool blames_token(Errc code) noexcept {
  return code == Errc::decryption_failed || code == Errc::bad_request || code == Errc::too_large ||
         code == Errc::crypto_failure || code == Errc::buffer_too_small;
}

Result<std::unique_ptr<ContentKey>> UnwrappingKey::unwrap(const WrappedCek& wrapped) const {
  // Drawn before the result is known, so that drawing it tells nothing (RFC 7516 §11.5).
  Result<Cek> cek = crypto::draw_cek(*library_, wrapped.enc);
  if (!cek) return cek.error();
  crypto::OaepOpened opened;
  if (const Result<void> r = open(wrapped, opened); !r) return r.error();
  crypto::choose_cek(*cek, opened);
  return crypto::make_content_key(library_, wrapped.enc, *std::move(cek));
}

Result<Cek> UnwrappingKey::unwrap_to_keep(const WrappedCek& wrapped, InsecureSecretAccess) const {
  crypto::OaepOpened opened;
  if (const Result<void> r = open(wrapped, opened); !r) return r.error();
  return crypto::cek_to_keep(opened, wrapped.enc);
}

Result<NewCek> UnwrappingKey::wrap(const AlgRow& alg, const EncRow& enc) const {
  return wrap_new_cek(library_, enc, [&](const Cek& cek) { return wrap_cek(alg, enc, cek); });
}

}  // namespace jwekms::core
