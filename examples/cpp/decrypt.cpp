// SPDX-License-Identifier: Apache-2.0
// Encrypts a line to a key in a database and decrypts it again. usage: decrypt DATABASE
#include <jwekms/jwekms.hpp>

#include <cstdio>
#include <string>
#include <vector>

int main(int argc, char** argv) try {
  if (argc != 2) return 2;
  jwekms::Options options;
  options.database.path = argv[1];
  const jwekms::Kms kms = jwekms::open(options).value();
  const std::string kid = kms.create_key({}).value().uid;

  const std::string text = "attack at dawn";
  const std::vector<std::uint8_t> plaintext(text.begin(), text.end());
  std::string token(kms.encrypt_bound(plaintext.size(), {.key = kid}), '\0');
  token.resize(kms.encrypt(plaintext, token, {.key = kid}).value());
  std::printf("token: %.60s...\n", token.c_str());

  std::vector<std::uint8_t> out(kms.decrypt_bound(token).value());
  out.resize(kms.decrypt(token, out).value());
  std::printf("plaintext: %.*s\n", static_cast<int>(out.size()),
              reinterpret_cast<const char*>(out.data()));
} catch (const jwekms::BadResult& failure) {
  std::fprintf(stderr, "failed: %s\n", failure.what());
  return 1;
}
