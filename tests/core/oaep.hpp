// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <openssl/bn.h>
#include <openssl/evp.h>

#include <optional>

#include "support.hpp"

/// RSAES-OAEP by hand (RFC 8017 §7.1.1), to make what no library makes: faulty encodings.
namespace oaep {

using support::Bytes;

/// How an encoded message departs from the rules.
struct Fault {
  std::uint8_t leading = 0;    ///< The byte that Manger's attack asks about.
  std::string_view label{};    ///< Changes lHash.
  std::uint8_t padding = 0;    ///< Of PS.
  std::uint8_t separator = 1;  ///< Between PS and the message.
};

inline Bytes digest(jwekms::Hash hash, std::span<const std::uint8_t> data) {
  Bytes out(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  EVP_Digest(data.data(), data.size(), out.data(), &size, support::library()->digest(hash),
             nullptr);
  out.resize(size);
  return out;
}

/// XORs MGF1(seed) onto `onto`; RFC 8017 §B.2.1.
inline void mask(jwekms::Hash hash, std::span<const std::uint8_t> seed,
                 std::span<std::uint8_t> onto) {
  std::uint8_t counter = 0;
  for (std::size_t at = 0; at < onto.size(); ++counter) {
    Bytes input(seed.begin(), seed.end());
    for (const std::uint8_t byte : {std::uint8_t{0}, std::uint8_t{0}, std::uint8_t{0}, counter})
      input.push_back(byte);
    for (const std::uint8_t byte : digest(hash, input))
      if (at < onto.size()) onto[at++] ^= byte;
  }
}

/// EM of `size` bytes for a message.
inline Bytes encode(jwekms::Hash hash, std::span<const std::uint8_t> message, std::size_t size,
                    const Fault& fault = {}) {
  const Bytes lhash = digest(hash, support::bytes(fault.label));
  Bytes em(size, fault.padding);
  const std::span<std::uint8_t> seed = std::span(em).subspan(1, lhash.size());
  const std::span<std::uint8_t> db = std::span(em).subspan(1 + lhash.size());
  std::copy(lhash.begin(), lhash.end(), db.begin());
  db[db.size() - message.size() - 1] = fault.separator;
  std::copy(message.begin(), message.end(), db.end() - static_cast<long>(message.size()));
  support::library()->random(seed).value();
  mask(hash, seed, db);
  mask(hash, db, seed);
  em[0] = fault.leading;
  return em;
}

/// em^e mod n.
inline Bytes encrypt_raw(const jwekms::crypto::RsaKey& key, std::span<const std::uint8_t> em) {
  using namespace jwekms::crypto;
  const RsaKey::Public numbers = key.public_numbers().value();
  const auto number = [](std::span<const std::uint8_t> raw) {
    return BnPtr(BN_bin2bn(raw.data(), static_cast<int>(raw.size()), nullptr));
  };
  const BnPtr n = number(numbers.n), e = number(numbers.e), m = number(em), c(BN_new());
  const BnCtxPtr ctx(BN_CTX_new());
  Bytes out(numbers.n.size());
  if (BN_mod_exp(c.get(), m.get(), e.get(), n.get(), ctx.get()) != 1 ||
      BN_bn2binpad(c.get(), out.data(), static_cast<int>(out.size())) < 0)
    throw std::runtime_error("BN_mod_exp failed");
  return out;
}

inline Bytes encrypt(const jwekms::crypto::RsaKey& key, jwekms::Hash hash,
                     std::span<const std::uint8_t> message, const Fault& fault = {}) {
  return encrypt_raw(key, encode(hash, message, key.bits() / 8, fault));
}

}  // namespace oaep
