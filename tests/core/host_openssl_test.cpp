// SPDX-License-Identifier: Apache-2.0
#include <openssl/err.h>
#include <openssl/evp.h>

#include <catch2/catch.hpp>

#include "key_file.hpp"
#include "kms_support.hpp"
#include "make_token.hpp"

using namespace jwekms;
using namespace support;

namespace {

/// Every error in the thread's queue, oldest first; the queue is empty afterwards.
std::vector<unsigned long> take_errors() {
  std::vector<unsigned long> all;
  while (const unsigned long code = ERR_get_error()) all.push_back(code);
  return all;
}

/// Each kind of call that fails within OpenSSL, and some that do not.
void fail_in_many_ways(const Kms& kms) {
  const std::string token = encrypt(kms, bytes("x"), {.key = "k"}).value();
  CHECK(decrypt(kms, token).text() == "x");
  CHECK(decrypt(kms, with_other_letter(token, token.rfind('.') + 1)).text() == "decryption_failed");
  CHECK(decrypt(kms, with_other_letter(token, token.find('.') + 9)).text() == "decryption_failed");
  CHECK(code_of(kms.unwrap_key(with_other_letter(token, token.find('.') + 9))) ==
        "decryption_failed");
  CHECK(code_of(kms.create_key({.bits = 1})) == "bad_request");
  const Bytes garbage = pattern(500);
  for (const KeyFormat format : {KeyFormat::pem, KeyFormat::der})
    CHECK(code_of(kms.import_key({.format = format, .data = garbage})) == "bad_request");
  const key_file::PkeyPtr key = key_file::pkey(*rsa_key());
  const Bytes locked = key_file::pem_pkcs8(key.get(), "passphrase");
  CHECK(code_of(kms.import_key({.format = KeyFormat::pem, .data = locked})) == "bad_request");
}

/// A default library context in which nothing can be fetched: whatever works nonetheless does
/// not use it.
class BarrenDefaultContext {
 public:
  BarrenDefaultContext() { EVP_set_default_properties(nullptr, "provider=nobody"); }
  ~BarrenDefaultContext() { EVP_set_default_properties(nullptr, ""); }
  [[nodiscard]] static bool is_barren() {
    EVP_MD* const md = EVP_MD_fetch(nullptr, "SHA2-256", nullptr);
    EVP_MD_free(md);
    ERR_clear_error();
    return md == nullptr;
  }
};

}  // namespace

TEST_CASE("the host's OpenSSL errors stay and none is added", "[host]") {
  const Database db;
  import_rsa(db.kms, "k", *rsa_key());
  take_errors();
  fail_in_many_ways(db.kms);
  CHECK(take_errors().empty());

  ERR_raise(ERR_LIB_USER, 1);
  ERR_raise(ERR_LIB_USER, 2);
  fail_in_many_ways(db.kms);
  const std::vector<unsigned long> left = take_errors();
  REQUIRE(left.size() == 2);
  CHECK(ERR_GET_REASON(left[0]) == 1);
  CHECK(ERR_GET_REASON(left[1]) == 2);
}

TEST_CASE("a mark that the host set in the error queue stays", "[host]") {
  const Database db;
  import_rsa(db.kms, "k", *rsa_key());
  take_errors();
  ERR_raise(ERR_LIB_USER, 1);
  ERR_set_mark();
  fail_in_many_ways(db.kms);
  ERR_raise(ERR_LIB_USER, 2);
  CHECK(ERR_pop_to_mark() == 1);
  const std::vector<unsigned long> left = take_errors();
  REQUIRE(left.size() == 1);
  CHECK(ERR_GET_REASON(left[0]) == 1);
}

TEST_CASE("opening fails without a trace in the error queue", "[host]") {
  take_errors();
  Options options;
  options.openssl_properties = "provider=nobody";
  CHECK(code_of(open(options)) == "unavailable");
  options = {};
  options.openssl_config = "/nonexistent/openssl.cnf";
  CHECK(code_of(open(options)) == "unavailable");
  CHECK(take_errors().empty());
}

TEST_CASE("a property query with a slip of the pen is refused, not ignored", "[host][threat]") {
  for (const char* query : {"fips=yes;", "fips==yes", "fips=yes provider=fips", "'fips=yes"}) {
    Options options;
    options.openssl_properties = query;
    INFO(query);
    CHECK(code_of(open(options)) != "ok");
  }
}

TEST_CASE("the default library context is neither used nor changed", "[host]") {
  const key_file::PkeyPtr pkey = key_file::pkey(*other_rsa_key());
  const Bytes pem = key_file::pem_pkcs8(pkey.get());
  const Bytes encrypted_pem = key_file::pem_pkcs8(pkey.get(), "passphrase");
  const Bytes der = key_file::der_pkcs1(pkey.get());
  key_file::Jwk numbers = key_file::rsa_jwk(pkey.get());
  for (const char* member : {"p", "q", "dp", "dq", "qi"}) numbers.erase(member);
  const Bytes jwk = key_file::jwk_text(numbers);

  const BarrenDefaultContext barren;
  REQUIRE(BarrenDefaultContext::is_barren());
  {
    const Database db;
    create_rsa(db.kms, "made");
    create_oct(db.kms, "oct");
    const auto import = [&](KeyFormat format, const Bytes& data, std::string uid) {
      return code_of(db.kms.import_key({.format = format,
                                        .data = data,
                                        .passphrase = bytes("passphrase"),
                                        .uid = std::move(uid)}));
    };
    CHECK(import(KeyFormat::pem, pem, "pem") == "ok");
    CHECK(import(KeyFormat::pem, encrypted_pem, "encrypted pem") == "ok");
    CHECK(import(KeyFormat::der, der, "der") == "ok");
    CHECK(import(KeyFormat::jwk, jwk, "jwk") == "ok");
    for (const char* uid : {"made", "pem", "encrypted pem", "der", "jwk"})
      CHECK(decrypt(db.kms, encrypt(db.kms, bytes("x"), {.key = uid}).value()).text() == "x");
    const EncryptOptions direct{.key = "oct", .alg = Alg::dir};
    CHECK(decrypt(db.kms, encrypt(db.kms, bytes("x"), direct).value()).text() == "x");
    CHECK(code_of(db.kms.unwrap_key(encrypt(db.kms, {}, {.key = "made"}).value())) == "ok");
    CHECK(code_of(db.kms.public_jwks()) == "ok");
  }
  CHECK(BarrenDefaultContext::is_barren());
}

// OpenSSL opens this form ("Proc-Type: 4,ENCRYPTED") with the default context's digest and cipher,
// and offers no other way; PKCS#8 is the form that depends on nothing.
TEST_CASE("a PEM key with a passphrase in OpenSSL's old form asks the default context", "[host]") {
  const key_file::PkeyPtr pkey = key_file::pkey(*other_rsa_key());
  const Bytes pem = key_file::pem_pkcs1(pkey.get(), "passphrase");
  const Database db;
  const BarrenDefaultContext barren;
  CHECK(code_of(db.kms.import_key({.format = KeyFormat::pem,
                                   .data = pem,
                                   .passphrase = bytes("passphrase"),
                                   .uid = "k"})) == "bad_request");
}
