// SPDX-License-Identifier: Apache-2.0
// The same with keys in an HSM; SoftHSM stands in for one (run.sh makes its token).
// usage: quickstart-hsm keys PIN_FILE           makes two keys, prints their public halves
//        quickstart-hsm decrypt PIN_FILE TOKENS decrypts what make_hsm_tokens.py made for them
#include <jwekms/json.hpp>
#include <jwekms/jwekms.hpp>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace {

using jwekms::CekBoundary;
using jwekms::Kms;

constexpr auto process_key = "hsm::softhsm2::0::my_rsa_key";
constexpr auto boundary_key = "hsm::softhsm2::0::my_boundary_key";
constexpr auto kept_cek = "hsm::softhsm2::0::session-2026-11";

Kms open(const std::string& pin_file, CekBoundary boundary) {
  jwekms::HsmOptions hsm;
  hsm.model = "softhsm2";
  hsm.slots = {{.number = 0, .token_label = "jwekms", .pin = "file:" + pin_file}};
  hsm.cek_boundary = boundary;
  hsm.forbid_weak_keys = true;
  jwekms::Options options;
  options.hsms = {hsm};
  return jwekms::open(options).value();
}

std::string decrypt(const Kms& kms, std::string_view token) {
  std::vector<std::uint8_t> out(kms.decrypt_bound(token).value());
  const std::size_t size = kms.decrypt(token, out).value();
  return {out.begin(), out.begin() + static_cast<std::ptrdiff_t>(size)};
}

int make_keys(const std::string& pin_file) {
  const Kms process = open(pin_file, CekBoundary::process);
  const Kms boundary = open(pin_file, CekBoundary::hsm);
  (void)process.create_key({.uid = process_key}).value();
  (void)boundary.create_key({.uid = boundary_key}).value();
  std::printf("{\"keys\":[%s,%s]}\n", process.public_jwk(process_key).value().c_str(),
              boundary.public_jwk(boundary_key).value().c_str());
  return 0;
}

int decrypt_all(const std::string& pin_file, const char* tokens_path) {
  std::ifstream in(tokens_path, std::ios::binary);
  const std::string file(std::istreambuf_iterator<char>(in), {});
  const jwekms::json::Value tokens = jwekms::json::read(file).value();
  const auto token = [&](const char* name) {
    return tokens.find(name).value().as_string().plain().value();
  };

  std::puts(
      "9. decrypt a token for the first: the HSM opens the CEK, which is used here and wiped");
  const Kms process = open(pin_file, CekBoundary::process);
  std::printf("   \"%s\"\n", decrypt(process, token("for_process")).c_str());

  std::puts("10. one for the second, with cek_boundary hsm: the CEK never leaves the HSM");
  const Kms boundary = open(pin_file, CekBoundary::hsm);
  std::printf("   \"%s\"\n", decrypt(boundary, token("for_boundary")).c_str());

  std::puts("11. unwrap that token's CEK into the HSM, to stay there");
  const jwekms::KeyInfo kept =
      boundary.unwrap_key(token("for_boundary"), {.uid = kept_cek, .store_in_hsm = true}).value();
  std::printf("   kept as %s\n", kept.uid.c_str());

  std::puts("12. decrypt the sender's next token, which carries no key, with it (\"alg\":\"dir\")");
  std::printf("   \"%s\"\n", decrypt(boundary, token("later")).c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (what == "keys" && argc == 3) return make_keys(argv[2]);
  if (what == "decrypt" && argc == 4) return decrypt_all(argv[2], argv[3]);
  std::fprintf(stderr, "usage: %s keys PIN_FILE | decrypt PIN_FILE TOKENS_JSON\n", argv[0]);
  return 2;
} catch (const jwekms::BadResult& failure) {
  std::fprintf(stderr, "failed: %s (%s)\n", failure.what(),
               std::string(jwekms::name(failure.error().code)).c_str());
  return 1;
} catch (const std::exception& failure) {
  std::fprintf(stderr, "failed: %s\n", failure.what());
  return 1;
}
