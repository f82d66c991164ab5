// SPDX-License-Identifier: Apache-2.0
// A round trip with the installed library. usage: consumer DATABASE
#include <jwekms/jwekms.hpp>

#include <cstdio>
#include <string>
#include <vector>

int main(int, char** argv) try {
  jwekms::Options options;
  options.database.path = argv[1];
  const jwekms::Kms kms = jwekms::open(options).value();
  const jwekms::KeyInfo key = kms.create_key({}).value();

  const std::string text = "hello";
  const std::vector<std::uint8_t> plaintext(text.begin(), text.end());
  const jwekms::EncryptOptions to{.key = key.uid};
  std::string token(kms.encrypt_bound(plaintext.size(), to), '\0');
  token.resize(kms.encrypt(plaintext, token, to).value());

  std::vector<std::uint8_t> out(kms.decrypt_bound(token).value());
  out.resize(kms.decrypt(token, out).value());
  if (out != plaintext) return 1;
  std::puts("C++ consumer: ok");
} catch (const jwekms::BadResult& failure) {
  std::fprintf(stderr, "%s\n", failure.what());
  return 1;
}
