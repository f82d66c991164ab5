// SPDX-License-Identifier: Apache-2.0
// Any bytes as a token, through decrypt and unwrap_key under the permissive policy, with keys that
// fit, so that mutations of good tokens reach the cryptography.
#include <cstdint>
#include <string>
#include <vector>

#include "kms.hpp"

namespace {

using namespace jwekms;
using namespace fuzz;

/// With an RSA key "rsa" and a symmetric key "oct".
Kms open_with_keys(const Folder& folder) {
  Kms kms = open_kms(folder);
  (void)kms.create_key({.uid = "rsa"}).value();
  (void)kms.create_key({.uid = "oct", .type = KeyType::oct}).value();
  return kms;
}

/// A token that this run's keys open, to make a mutant from.
std::string good_token(const Kms& kms, std::uint8_t choice) {
  const EncryptOptions to{
      .key = (choice & 1) != 0 ? "oct" : "rsa",
      .alg = (choice & 1) != 0 ? Alg::dir : Alg::RSA_OAEP_256,
      .enc = Enc::A256GCM,
      .serialization = (choice & 2) != 0 ? Serialization::flattened : Serialization::compact};
  const std::vector<std::uint8_t> plaintext(choice, choice);
  std::string token(kms.encrypt_bound(plaintext.size(), to), '\0');
  token.resize(kms.encrypt(plaintext, token, to).value());
  return token;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Folder folder;
  static const Kms kms = open_with_keys(folder);
  std::string token(reinterpret_cast<const char*>(data), size);
  // An input that begins with a byte above the letters is a recipe: which good token, and pairs of
  // a position and a byte to put there.
  if (size > 1 && data[0] >= 0x80) {
    token = good_token(kms, data[1] & 0x0F);
    for (std::size_t i = 2; i + 2 < size; i += 3)
      token[(data[i] * 256U + data[i + 1]) % token.size()] = static_cast<char>(data[i + 2]);
  }
  const Result<std::size_t> bound = kms.decrypt_bound(token);
  if (!bound) return 0;
  std::vector<std::uint8_t> out(*bound, 0xA5);
  const Result<std::size_t> opened = kms.decrypt(token, out);
  if (opened) {
    require(*opened <= *bound);
  } else {
    require(opened.error().code != Errc::internal_error &&
            opened.error().code != Errc::buffer_too_small &&
            opened.error().code != Errc::unavailable);
    for (std::uint8_t byte : out) require(byte == 0);
  }
  return 0;
}
