// SPDX-License-Identifier: Apache-2.0
#include "jwekms/algorithms.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <iomanip>
#include <set>
#include <sstream>
#include <string>

using namespace jwekms;

namespace {

std::string_view text(KeyManagement mode) {
  switch (mode) {
    case KeyManagement::direct: return "direct";
    case KeyManagement::rsa_oaep: return "rsa_oaep";
    case KeyManagement::rsa_pkcs1: return "rsa_pkcs1";
    case KeyManagement::aes_kw: return "aes_kw";
    case KeyManagement::aes_gcm_kw: return "aes_gcm_kw";
    case KeyManagement::ecdh_es: return "ecdh_es";
    case KeyManagement::ecdh_es_aes_kw: return "ecdh_es_aes_kw";
    case KeyManagement::pbes2: return "pbes2";
  }
  return "?";
}

std::string_view text(Hash hash) {
  switch (hash) {
    case Hash::none: return "-";
    case Hash::sha1: return "sha1";
    case Hash::sha256: return "sha256";
    case Hash::sha384: return "sha384";
    case Hash::sha512: return "sha512";
  }
  return "?";
}

std::string_view text(Support support) {
  switch (support) {
    case Support::implemented: return "implemented";
    case Support::not_yet: return "not_yet";
    case Support::never: return "never";
  }
  return "?";
}

std::string print_tables() {
  std::ostringstream out;
  out << std::left;
  const auto cell = [&](auto value, int width) { out << std::setw(width) << value << ' '; };
  out << "alg                 mode            hash    kek_bytes support\n";
  for (const AlgRow& r : alg_table) {
    cell(r.name, 19), cell(text(r.mode), 15), cell(text(r.hash), 7), cell(int{r.kek_bytes}, 9);
    out << text(r.support) << '\n';
  }
  out << "\nenc           hash    cek_bytes iv_bytes tag_bytes support\n";
  for (const EncRow& r : enc_table) {
    cell(r.name, 13), cell(text(r.hash), 7), cell(int{r.cek_bytes}, 9), cell(int{r.iv_bytes}, 8);
    cell(int{r.tag_bytes}, 9);
    out << text(r.support) << '\n';
  }
  return out.str();
}

std::string read(const char* path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace

// A change of a table is a change of this file, which a reviewer can read.
TEST_CASE("the tables are those of the snapshot", "[algorithms]") {
  CHECK(print_tables() == read(JWEKMS_TEST_DATA "/unit/snapshots/algorithms.txt"));
}

TEST_CASE("a row is found by its id and by its exact name", "[algorithms]") {
  for (const AlgRow& r : alg_table) {
    CHECK(&row(r.id) == &r);
    CHECK(find_alg(r.name) == &r);
  }
  for (const EncRow& r : enc_table) {
    CHECK(&row(r.id) == &r);
    CHECK(find_enc(r.name) == &r);
  }
  for (const char* name :
       {"", "none", "RSA-OAEP-", "rsa-oaep", "DIR", "RSA_OAEP", " dir", "A128GCM"})
    CHECK(find_alg(name) == nullptr);
  for (const char* name : {"", "a128gcm", "A128GCM ", "A128", "A128CBC", "dir"})
    CHECK(find_enc(name) == nullptr);
}

TEST_CASE("names are unique", "[algorithms]") {
  std::set<std::string_view> names;
  for (const AlgRow& r : alg_table) names.insert(r.name);
  for (const EncRow& r : enc_table) names.insert(r.name);
  CHECK(names.size() == alg_table.size() + enc_table.size());
}

TEST_CASE("no size is above the constants that buffers are made from", "[algorithms]") {
  for (const EncRow& r : enc_table) {
    CHECK(r.cek_bytes <= max_cek_bytes);
    CHECK(r.iv_bytes <= max_iv_bytes);
    CHECK(r.tag_bytes <= max_tag_bytes);
  }
}

TEST_CASE("a set holds what was put in", "[algorithms]") {
  AlgSet set;
  CHECK(set.empty());
  CHECK(set.bits() == 0);
  set.insert(Alg::dir);
  set.insert(Alg::dir);
  CHECK_FALSE(set.empty());
  CHECK(set.contains(Alg::dir));
  CHECK_FALSE(set.contains(Alg::RSA_OAEP));
  CHECK(set == AlgSet{Alg::dir});
  CHECK(set != AlgSet{});
  set.insert(Alg::PBES2_HS512_A256KW);
  CHECK(AlgSet::from_bits(set.bits()) == set);
  CHECK(EncSet{Enc::A128CBC_HS256}.bits() == 1);
}
