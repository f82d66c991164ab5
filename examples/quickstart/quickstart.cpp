// SPDX-License-Identifier: Apache-2.0
// The main job, step by step, on tokens that another library made (tokens.json).
// usage: quickstart TOKENS_JSON DATABASE
#include <jwekms/json.hpp>
#include <jwekms/jwekms.hpp>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

using jwekms::Kms;

std::string read_file(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::span<const std::uint8_t> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

std::string decrypt(const Kms& kms, std::string_view token) {
  std::vector<std::uint8_t> out(kms.decrypt_bound(token).value());
  const std::size_t size = kms.decrypt(token, out).value();
  return {out.begin(), out.begin() + static_cast<std::ptrdiff_t>(size)};
}

int run(const char* tokens_path, const char* database_path) {
  const std::string file = read_file(tokens_path);
  const jwekms::json::Value tokens = jwekms::json::read(file).value();
  const std::string_view jwk = tokens.find("private_key").value().text();
  const std::string_view first = tokens.find("first").value().as_string().plain().value();
  const std::string_view later = tokens.find("later").value().as_string().plain().value();

  std::puts("1. open a key database (SQLite; its secrets are encrypted at rest)");
  jwekms::Options options;
  options.database.path = database_path;
  const Kms kms = jwekms::open(options).value();

  std::puts("2. create an RSA key; senders get its public half:");
  const jwekms::KeyInfo created = kms.create_key({.uid = "kid_new_key"}).value();
  std::printf("   %.72s...\n", kms.public_jwk(created.uid).value().c_str());

  std::puts(
      "3. import the private key that the sender encrypted for, and decrypt a token made by "
      "jwcrypto");
  jwekms::ImportKey import;
  import.data = bytes_of(jwk);
  const jwekms::KeyInfo imported = kms.import_key(import).value();
  std::printf("   key %s: \"%s\"\n", imported.uid.c_str(), decrypt(kms, first).c_str());

  std::puts("4. unwrap that token's CEK and keep it: we get a name, never the key");
  const jwekms::KeyInfo kept = kms.unwrap_key(first, {.uid = "session-2026-11"}).value();
  std::printf("   kept as %s, %u bits, for %s\n", kept.uid.c_str(), kept.bits,
              std::string(jwekms::row(*kept.enc).name).c_str());

  std::puts("5. decrypt the sender's next token, which carries no key at all (\"alg\":\"dir\")");
  std::printf("   \"%s\"\n", decrypt(kms, later).c_str());

  std::puts("6. re-encrypt it for another key; the plaintext stays inside");
  const jwekms::EncryptOptions to{.key = created.uid};
  std::string again(kms.reencrypt_bound(later, to).value(), '\0');
  again.resize(kms.reencrypt(later, again, {}, to).value());
  std::printf("   %.60s...\n   \"%s\"\n", again.c_str(), decrypt(kms, again).c_str());

  std::puts("7. tamper with a token: refused, and nothing says why");
  std::string tampered(first);
  tampered[tampered.size() - 20] = tampered[tampered.size() - 20] == 'A' ? 'B' : 'A';
  std::vector<std::uint8_t> out(kms.decrypt_bound(tampered).value());
  const auto refused = kms.decrypt(tampered, out);
  if (refused) return 1;
  std::printf("   %s\n", std::string(jwekms::name(refused.error().code)).c_str());
  return refused.error().code == jwekms::Errc::decryption_failed ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 3) {
    std::fprintf(stderr, "usage: %s TOKENS_JSON DATABASE\n", argv[0]);
    return 2;
  }
  return run(argv[1], argv[2]);
} catch (const jwekms::BadResult& failure) {
  std::fprintf(stderr, "failed: %s (%s)\n", failure.what(),
               std::string(jwekms::name(failure.error().code)).c_str());
  return 1;
} catch (const std::exception& failure) {
  std::fprintf(stderr, "failed: %s\n", failure.what());
  return 1;
}
