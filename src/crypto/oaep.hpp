// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "crypto/library.hpp"
#include "jwekms/algorithms.hpp"
#include "jwekms/secret.hpp"

// The padding of RSAES-OAEP, taken off what the bare RSA operation gave: OpenSSL 3.0's own
// EVP_PKEY_decrypt with OAEP leaves the padded CEK, which is as good as the CEK, in freed memory.

namespace jwekms::crypto {

inline constexpr std::uint32_t rsa_max_bits = 16384;

/// All ones if a == b, else zero; without a branch.
[[nodiscard]] std::uint32_t equal_mask(std::uint64_t a, std::uint64_t b) noexcept;

/// What came out of an OAEP decryption. `good` and `size` must not be branched on where a failure
/// must stay hidden. Wiped when it dies.
struct OaepOpened {
  std::array<std::uint8_t, rsa_max_bits / 8> bytes;
  std::uint32_t size = 0;
  std::uint32_t good = 0;  ///< All ones, or zero.
  std::size_t used = 0;    ///< Bytes to wipe.
  OaepOpened() noexcept {}
  OaepOpened(const OaepOpened&) = delete;
  OaepOpened& operator=(const OaepOpened&) = delete;
  ~OaepOpened() { wipe(); }
  void wipe() noexcept;
};

/// Takes the padding off (RFC 8017 §7.1.2 step 3; empty label, MGF1 with the same hash), in time
/// that depends on the sizes alone.
/// @param em  what the bare RSA operation gave, as long as the modulus; wiped.
void oaep_unpad(const Library& library, Hash hash, std::span<std::uint8_t> em,
                OaepOpened& opened) noexcept;

/// Gives a number that came without its leading zeros the length of the modulus. Which bytes move
/// shows neither in time nor in addresses: a leading zero is what Manger's attack wants to know of.
/// @param em    as long as the modulus, the number at its front; whatever follows is dropped.
/// @param size  bytes of the number.
void align_right(std::span<std::uint8_t> em, std::size_t size) noexcept;

/// A random CEK of the size that `enc` asks for. Errors: unavailable.
[[nodiscard]] Result<Cek> draw_cek(const Library& library, const EncRow& enc);

/// Implicit rejection (RFC 7516 §11.5). @param cek  random, of the size that `enc` asks for:
/// replaced if `opened` is good and has that size. Takes the same time in any case.
void choose_cek(Cek& cek, const OaepOpened& opened) noexcept;

/// The CEK for keeping, where the caller may learn what is wrong with it.
/// Errors: decryption_failed, crypto_failure (it has not the size that `enc` asks for).
[[nodiscard]] Result<Cek> cek_to_keep(const OaepOpened& opened, const EncRow& enc);

}  // namespace jwekms::crypto
