// SPDX-License-Identifier: Apache-2.0
// RSA_padding_check_PKCS1_OAEP_mgf1 has no successor that takes a padded block.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "crypto/oaep.hpp"

#include <openssl/rsa.h>

#include <algorithm>

namespace jwekms::crypto {

std::uint32_t equal_mask(std::uint64_t a, std::uint64_t b) noexcept {
  std::uint64_t difference = a ^ b;
  __asm__("" : "+r"(difference));  // the optimiser must not learn what it is
  return static_cast<std::uint32_t>((difference | (0 - difference)) >> 63) - 1U;
}

void OaepOpened::wipe() noexcept {
  secure_wipe(bytes.data(), used);
  size = good = 0;
  used = 0;
}

void align_right(std::span<std::uint8_t> em, std::size_t size) noexcept {
  for (std::size_t i = 0; i < em.size(); ++i) {
    const auto beyond = static_cast<std::uint8_t>((size - 1 - i) >> (sizeof(std::size_t) * 8 - 1));
    em[i] &= static_cast<std::uint8_t>(beyond - 1);
  }
  const std::size_t shift = em.size() - size;
  for (std::size_t step = 1; step <= em.size(); step <<= 1) {
    const auto mask = static_cast<std::uint8_t>(~equal_mask(shift & step, 0));
    for (std::size_t i = em.size(); i-- > 0;) {
      const std::uint8_t moved = i >= step ? em[i - step] : std::uint8_t{0};
      em[i] = static_cast<std::uint8_t>((moved & mask) | (em[i] & ~mask));
    }
  }
}

void oaep_unpad(const Library& library, Hash hash, std::span<std::uint8_t> em,
                OaepOpened& opened) noexcept {
  const ErrorQueueGuard guard;
  const EVP_MD* md = library.digest(hash);
  const auto k = static_cast<int>(em.size());
  opened.used = em.size();
  const int result = RSA_padding_check_PKCS1_OAEP_mgf1(opened.bytes.data(), k, em.data(), k, k,
                                                       nullptr, 0, md, md);
  opened.size = static_cast<std::uint32_t>(result);
  opened.good = static_cast<std::uint32_t>(static_cast<std::uint32_t>(result) >> 31) - 1U;
  secure_wipe(em.data(), em.size());
}

Result<Cek> draw_cek(const Library& library, const EncRow& enc) {
  Cek cek;
  const Result<void> drawn = library.random(cek.fill(enc.cek_bytes, InsecureSecretAccess::token()));
  if (!drawn) return drawn.error();
  return cek;
}

void choose_cek(Cek& cek, const OaepOpened& opened) noexcept {
  const auto access = InsecureSecretAccess::token();
  const std::span<std::uint8_t> chosen = cek.fill(cek.size(), access);
  const auto mask = static_cast<std::uint8_t>(opened.good & equal_mask(opened.size, chosen.size()));
  for (std::size_t i = 0; i < chosen.size(); ++i)
    chosen[i] = static_cast<std::uint8_t>((opened.bytes[i] & mask) | (chosen[i] & ~mask));
}

Result<Cek> cek_to_keep(const OaepOpened& opened, const EncRow& enc) {
  if (opened.good == 0) return Error{Errc::decryption_failed, 0, "decryption failed"};
  if (opened.size != enc.cek_bytes)
    return Error{Errc::crypto_failure, 0, "the CEK's size does not fit enc"};
  Cek cek;
  std::copy_n(opened.bytes.begin(), opened.size,
              cek.fill(opened.size, InsecureSecretAccess::token()).begin());
  return cek;
}

}  // namespace jwekms::crypto
