// SPDX-License-Identifier: Apache-2.0
#include "crypto/key_reader.hpp"

#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "key_file.hpp"
#include "support.hpp"

using namespace jwekms;
using namespace support;
using namespace key_file;
using crypto::ReadKey;

namespace {

constexpr AlgSet rsa_algs{Alg::RSA_OAEP, Alg::RSA_OAEP_256, Alg::RSA_OAEP_384, Alg::RSA_OAEP_512};

EVP_PKEY* test_pkey() {
  static const PkeyPtr key = pkey(*rsa_key());
  return key.get();
}

Result<ReadKey> read(KeyFormat format, const Bytes& data, std::string_view passphrase = {}) {
  return crypto::read_key(library(),
                          {.format = format, .data = data, .passphrase = bytes(passphrase)});
}
Result<ReadKey> read(const Jwk& jwk) { return read(KeyFormat::jwk, jwk_text(jwk)); }
Result<ReadKey> read_text(std::string_view jwk) {
  return read(KeyFormat::jwk, {jwk.begin(), jwk.end()});
}

Jwk with(Jwk jwk, const char* member, std::string value) {
  jwk[member] = std::move(value);
  return jwk;
}
Jwk without(Jwk jwk, std::initializer_list<const char*> members) {
  for (const char* member : members) jwk.erase(member);
  return jwk;
}

/// Whether what was read is the test's RSA key, private half and all.
bool is_test_key(const Result<ReadKey>& key) {
  if (!key || !key->rsa || key->oct) return false;
  return pkcs8(*key->rsa) == pkcs8(*rsa_key());
}

/// A member with another letter in its middle.
std::string altered(const std::string& member) {
  return with_other_letter(member, member.size() / 2);
}

}  // namespace

TEST_CASE("RSA keys are read from PKCS#8 and PKCS#1, PEM and DER", "[key_reader]") {
  CHECK(is_test_key(read(KeyFormat::pem, pem_pkcs8(test_pkey()))));
  CHECK(is_test_key(read(KeyFormat::pem, pem_pkcs1(test_pkey()))));
  CHECK(is_test_key(read(KeyFormat::der, der_pkcs8(test_pkey()))));
  CHECK(is_test_key(read(KeyFormat::der, der_pkcs1(test_pkey()))));
  const auto key = read(KeyFormat::pem, pem_pkcs8(test_pkey()));
  CHECK(key->algs == rsa_algs);
  CHECK(key->kid.empty());
  CHECK_FALSE(key->enc.has_value());
  CHECK((key->may_decrypt && key->may_encrypt));
}

TEST_CASE("encrypted PEM is read with its passphrase and no other", "[key_reader]") {
  for (const Bytes& pem :
       {pem_pkcs8(test_pkey(), "pa$$ phrase"), pem_pkcs1(test_pkey(), "pa$$ phrase")}) {
    CHECK(is_test_key(read(KeyFormat::pem, pem, "pa$$ phrase")));
    for (const std::string& wrong : {std::string("pa$$ phras"), std::string("pa$$ phrase "),
                                     std::string("x"), std::string(2000, 'x')})
      CHECK(code_of(read(KeyFormat::pem, pem, wrong)) == "bad_request");
    CHECK(code_of(read(KeyFormat::pem, pem)) == "bad_request");
  }
}

TEST_CASE("a passphrase for a key that has none does no harm", "[key_reader]") {
  CHECK(is_test_key(read(KeyFormat::pem, pem_pkcs8(test_pkey()), "unused")));
}

TEST_CASE("a missing passphrase is never asked for on the terminal", "[key_reader]") {
  const Bytes pem = GENERATE(pem_pkcs8(test_pkey(), "secret"), pem_pkcs1(test_pkey(), "secret"));
  int terminal = -1;
  const pid_t child = forkpty(&terminal, nullptr, nullptr, nullptr);
  if (child == 0) _exit(code_of(read(KeyFormat::pem, pem)) == "bad_request" ? 0 : 1);
  REQUIRE(child > 0);

  std::string seen;
  char buffer[256];
  pollfd readable{terminal, POLLIN, 0};
  while (poll(&readable, 1, 10000) == 1) {
    const ssize_t n = ::read(terminal, buffer, sizeof buffer);
    if (n <= 0) break;  // the child has gone
    seen.append(buffer, static_cast<std::size_t>(n));
    if (::write(terminal, "secret\n", 7) < 0) break;  // so that a prompt does not hang the test
  }
  int status = -1;
  waitpid(child, &status, 0);
  close(terminal);
  CHECK(seen == "");
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("DER with anything behind the key is refused", "[key_reader]") {
  for (Bytes der : {der_pkcs8(test_pkey()), der_pkcs1(test_pkey())}) {
    for (const std::size_t size : Sizes{0, 1, der.size() / 2, der.size() - 1})
      CHECK(code_of(read(KeyFormat::der, {der.begin(), der.begin() + static_cast<long>(size)})) ==
            "bad_request");
    der.push_back(0);
    CHECK(code_of(read(KeyFormat::der, der)) == "bad_request");
  }
}

TEST_CASE("text around a PEM key is no part of it", "[key_reader]") {
  Bytes pem = pem_pkcs8(test_pkey());
  for (const char c : std::string_view("trailing text\n"))
    pem.push_back(static_cast<std::uint8_t>(c));
  CHECK(is_test_key(read(KeyFormat::pem, pem)));
  const std::string comment = "Bag Attributes\n";
  pem.insert(pem.begin(), comment.begin(), comment.end());
  CHECK(is_test_key(read(KeyFormat::pem, pem)));
}

TEST_CASE("what is no key cannot be read in any format", "[key_reader]") {
  const Bytes pem = pem_pkcs8(test_pkey());
  const Bytes cut(pem.begin(), pem.begin() + static_cast<long>(pem.size() / 2));
  for (const KeyFormat format : {KeyFormat::jwk, KeyFormat::pem, KeyFormat::der}) {
    CHECK(code_of(read(format, {})) == "bad_request");
    CHECK(code_of(read(format, pattern(500))) == "bad_request");
    CHECK(code_of(read(format, Bytes(500, 0))) == "bad_request");
    CHECK(code_of(read(format, cut)) == "bad_request");
    CHECK(code_of(read(format, pem_public(test_pkey()))) == "bad_request");
  }
  CHECK(code_of(read(static_cast<KeyFormat>(9), pem)) == "bad_request");
}

TEST_CASE("a key in another format than the one named cannot be read", "[key_reader]") {
  CHECK(code_of(read(KeyFormat::pem, der_pkcs8(test_pkey()))) == "bad_request");
  CHECK(code_of(read(KeyFormat::der, pem_pkcs8(test_pkey()))) == "bad_request");
  CHECK(code_of(read(KeyFormat::pem, jwk_text(rsa_jwk(test_pkey())))) == "bad_request");
  CHECK(code_of(read(KeyFormat::jwk, der_pkcs8(test_pkey()))) == "bad_request");
}

TEST_CASE("other types of key are unsupported, in every format", "[key_reader]") {
  const PkeyPtr ec = ec_key();
  CHECK(code_of(read(KeyFormat::pem, pem_pkcs8(ec.get()))) == "unsupported_algorithm");
  CHECK(code_of(read(KeyFormat::der, der_pkcs8(ec.get()))) == "unsupported_algorithm");
  CHECK(code_of(read_text(R"({"kty":"EC","crv":"P-256","x":"AA","y":"AA","d":"AA"})")) ==
        "unsupported_algorithm");
  CHECK(code_of(read_text(R"({"kty":"OKP","crv":"X25519","x":"AA","d":"AA"})")) ==
        "unsupported_algorithm");
  const PkeyPtr pss = rsa_pss_key();
  CHECK(code_of(read(KeyFormat::der, der_pkcs8(pss.get()))) == "unsupported_algorithm");
}

TEST_CASE("input above any key file's size is refused unread", "[key_reader]") {
  const Bytes pem = pem_pkcs8(test_pkey());
  Bytes padded = pem;
  padded.resize(65536, '\n');
  CHECK(is_test_key(read(KeyFormat::pem, padded)));
  padded.push_back('\n');
  CHECK(code_of(read(KeyFormat::pem, padded)) == "bad_request");
  for (const KeyFormat format : {KeyFormat::jwk, KeyFormat::der, KeyFormat::raw})
    CHECK(code_of(read(format, Bytes(65537, 'x'))) == "bad_request");
}

TEST_CASE("raw symmetric keys have the size of some CEK", "[key_reader]") {
  for (std::size_t size = 0; size <= 80; ++size) {
    const auto key = read(KeyFormat::raw, pattern(size));
    const bool fits = size == 16 || size == 24 || size == 32 || size == 48 || size == 64;
    INFO(size << " bytes");
    CHECK(code_of(key) == (fits ? "ok" : size == 0 ? "bad_request" : "crypto_failure"));
    if (!key) continue;
    CHECK(std::ranges::equal(key->oct->bytes(InsecureSecretAccess::token()), pattern(size)));
    CHECK(key->algs == AlgSet{Alg::dir});
    CHECK(key->rsa == nullptr);
  }
}

TEST_CASE("RSA JWKs are read, whichever optional numbers they have", "[key_reader][jwk]") {
  const Jwk full = rsa_jwk(test_pkey());
  CHECK(is_test_key(read(full)));
  CHECK(is_test_key(read(without(full, {"dp", "dq", "qi"}))));
  CHECK(is_test_key(read(without(full, {"qi"}))));
  CHECK(is_test_key(read(without(full, {"dp"}))));
}

TEST_CASE("the primes of a JWK with n, e and d alone are recovered", "[key_reader][jwk]") {
  const std::uint32_t bits = GENERATE(2048u, 3072u, 4096u);
  const PkeyPtr original = pkey(*rsa_key(bits));
  const auto key = read(without(rsa_jwk(original.get()), {"p", "q", "dp", "dq", "qi"}));
  REQUIRE(code_of(key) == "ok");
  const Cek cek = make_cek(pattern(32));
  const Bytes encrypted = rsa_key(bits)->wrap(row(Alg::RSA_OAEP_256), cek).value();
  const JoseHeader none{};
  const WrappedCek wrapped{row(Alg::RSA_OAEP_256), row(Enc::A256GCM), none, {encrypted}};
  CHECK(raw(key->rsa->unwrap_to_keep(wrapped).value()) == raw(cek));
  CHECK(pkcs8(*key->rsa).size() == pkcs8(*rsa_key(bits)).size());
}

TEST_CASE("a JWK whose numbers do not belong together is refused", "[key_reader][jwk]") {
  const Jwk full = rsa_jwk(test_pkey());
  const PkeyPtr other = pkey(*other_rsa_key());
  const Jwk foreign = rsa_jwk(other.get());
  for (const char* member : {"n", "d", "p", "q", "dp", "dq", "qi"}) {
    INFO(member);
    CHECK(code_of(read(with(full, member, foreign.at(member)))) == "crypto_failure");
    CHECK(code_of(read(with(full, member, altered(full.at(member))))) == "crypto_failure");
  }
  for (const char* member : {"n", "e", "d", "p", "q", "dp", "dq", "qi"})
    for (const Bytes& value : {Bytes{0}, Bytes{1}, Bytes{2}, Bytes(256, 0xFF)}) {
      INFO(member << " " << int{value[0]});
      CHECK(code_of(read(with(full, member, in_quotes(b64(value))))) == "crypto_failure");
    }
  CHECK(code_of(read(without(full, {"q"}))) == "crypto_failure");
  CHECK(code_of(read(without(full, {"p"}))) == "crypto_failure");
}

TEST_CASE("swapped primes are the same key", "[key_reader][jwk]") {
  Jwk jwk = without(rsa_jwk(test_pkey()), {"qi"});
  std::swap(jwk["p"], jwk["q"]);
  std::swap(jwk["dp"], jwk["dq"]);
  CHECK(code_of(read(jwk)) == "ok");
}

TEST_CASE("a public JWK is told from a broken one", "[key_reader][jwk]") {
  const Jwk full = rsa_jwk(test_pkey());
  CHECK(code_of(read(without(full, {"d", "p", "q", "dp", "dq", "qi"}))) == "crypto_failure");
  CHECK(code_of(read(without(full, {"n"}))) == "bad_request");
  CHECK(code_of(read(without(full, {"e"}))) == "bad_request");
  CHECK(code_of(read(without(full, {"kty"}))) == "bad_request");
  CHECK(code_of(read(with(full, "kty", "1"))) == "bad_request");
  CHECK(code_of(read(with(full, "kty", in_quotes("rsa")))) == "unsupported_algorithm");
  CHECK(code_of(read(with(full, "oth", "[]"))) == "unsupported_algorithm");
}

TEST_CASE("the numbers of a JWK are strict base64url of a bounded size", "[key_reader][jwk]") {
  const Jwk full = rsa_jwk(test_pkey());
  const std::string n = full.at("n").substr(1, full.at("n").size() - 2);
  for (const std::string& bad :
       {in_quotes(n + "="), in_quotes(n + " "), in_quotes("*" + n.substr(1)), in_quotes(""),
        std::string("1"), std::string("null"), std::string("[]"),
        in_quotes("\\u0041" + n.substr(1)), in_quotes(std::string(4000, 'A'))}) {
    INFO(bad.substr(0, 20));
    CHECK(code_of(read(with(full, "n", bad))) == "bad_request");
    CHECK(code_of(read(with(full, "d", bad))) == "bad_request");
  }
}

TEST_CASE("a leading zero byte in a JWK's number is read as others write it", "[key_reader][jwk]") {
  const Jwk full = rsa_jwk(test_pkey());
  Bytes n = from_b64(full.at("n").substr(1, full.at("n").size() - 2));
  n.insert(n.begin(), 0);
  CHECK(is_test_key(read(with(full, "n", in_quotes(b64(n))))));
}

TEST_CASE("JWKs that are no strict JSON object are refused", "[key_reader][jwk]") {
  const std::string key = text(jwk_text(oct_jwk(pattern(32))));
  REQUIRE(code_of(read_text(key)) == "ok");
  const std::string members = key.substr(1, key.size() - 2);
  for (const std::string& bad :
       {"{" + members + ",\"kty\":\"oct\"}", "{" + members + ",\"\\u006b\":\"AAAA\"}",
        "{" + members + ",\"x\":{\"a\":1,\"a\":2}}", "{" + members + ",}", key + key, key + "x",
        "[" + key + "]", std::string("\"oct\""), std::string("null"), "{" + members,
        "{" + members + ",\"x\":\"\xFF\"}", "\xEF\xBB\xBF" + key}) {
    INFO(bad);
    CHECK(code_of(read_text(bad)) == "bad_request");
  }
}

TEST_CASE("symmetric JWKs have the size of some CEK", "[key_reader][jwk]") {
  for (const std::size_t size : Sizes{0, 1, 15, 16, 24, 31, 32, 33, 48, 64, 65}) {
    const auto key = read(oct_jwk(pattern(size)));
    const bool fits = size == 16 || size == 24 || size == 32 || size == 48 || size == 64;
    INFO(size << " bytes");
    CHECK(code_of(key) == (fits ? "ok" : "crypto_failure"));
    if (fits) CHECK(key->oct->size() == size);
  }
  CHECK(code_of(read(without(oct_jwk(pattern(32)), {"k"}))) == "bad_request");
  CHECK(code_of(read(with(oct_jwk(pattern(32)), "k", "32"))) == "bad_request");
}

TEST_CASE("use says what a JWK is for", "[key_reader][jwk]") {
  for (const Jwk& jwk : {rsa_jwk(test_pkey()), oct_jwk(pattern(32))}) {
    CHECK(code_of(read(with(jwk, "use", in_quotes("enc")))) == "ok");
    CHECK(code_of(read(with(jwk, "use", in_quotes("sig")))) == "crypto_failure");
    CHECK(code_of(read(with(jwk, "use", in_quotes("Enc")))) == "crypto_failure");
    CHECK(code_of(read(with(jwk, "use", "1"))) == "bad_request");
  }
}

TEST_CASE("key_ops narrows what a JWK may do", "[key_reader][jwk]") {
  struct Row {
    const char* ops;
    bool decrypt, encrypt;  ///< Of a symmetric key.
  };
  const Jwk oct = oct_jwk(pattern(32)), rsa = rsa_jwk(test_pkey());
  for (const Row& r : {Row{R"(["decrypt"])", true, false}, Row{R"(["encrypt"])", false, true},
                       Row{R"(["unwrapKey"])", true, false}, Row{R"(["wrapKey"])", false, true},
                       Row{R"(["encrypt","decrypt"])", true, true},
                       Row{R"(["sign","decrypt","other"])", true, false}}) {
    INFO(r.ops);
    const auto key = read(with(oct, "key_ops", r.ops));
    REQUIRE(code_of(key) == "ok");
    CHECK(key->may_decrypt == r.decrypt);
    CHECK(key->may_encrypt == r.encrypt);
    // A private key's key_ops says nothing against its public half.
    const auto pair = read(with(rsa, "key_ops", r.ops));
    REQUIRE(code_of(pair) == "ok");
    CHECK(pair->may_decrypt == r.decrypt);
    CHECK(pair->may_encrypt);
  }
  for (const Jwk& jwk : {oct, rsa}) {
    for (const char* none : {"[]", R"(["sign","verify"])", R"(["deriveKey"])"})
      CHECK(code_of(read(with(jwk, "key_ops", none))) == "crypto_failure");
    for (const char* bad : {"1", R"("decrypt")", "[1]", R"(["decrypt",null])", "{}"})
      CHECK(code_of(read(with(jwk, "key_ops", bad))) == "bad_request");
  }
}

TEST_CASE("alg narrows an RSA JWK to one algorithm", "[key_reader][jwk]") {
  const Jwk rsa = rsa_jwk(test_pkey());
  for (const AlgRow& r : alg_table) {
    const auto key = read(with(rsa, "alg", in_quotes(r.name)));
    INFO(r.name);
    if (r.mode == KeyManagement::rsa_oaep) {
      REQUIRE(code_of(key) == "ok");
      CHECK(key->algs == AlgSet{r.id});
    } else {
      CHECK(code_of(key) ==
            (r.support == Support::implemented ? "crypto_failure" : "unsupported_algorithm"));
    }
  }
  for (const char* other : {"RS256", "A256GCM", "rsa-oaep", ""})
    CHECK(code_of(read(with(rsa, "alg", in_quotes(other)))) == "crypto_failure");
  CHECK(code_of(read(with(rsa, "alg", "256"))) == "bad_request");
}

TEST_CASE("alg binds a symmetric JWK to an enc of its size", "[key_reader][jwk]") {
  for (const EncRow& r : enc_table) {
    INFO(r.name);
    const auto key = read(with(oct_jwk(pattern(r.cek_bytes)), "alg", in_quotes(r.name)));
    REQUIRE(code_of(key) == "ok");
    CHECK(key->enc == r.id);
    CHECK(key->algs == AlgSet{Alg::dir});
    const std::size_t other = r.cek_bytes == 32 ? 16 : 32;
    CHECK(code_of(read(with(oct_jwk(pattern(other)), "alg", in_quotes(r.name)))) ==
          "crypto_failure");
  }
  const Jwk oct = oct_jwk(pattern(32));
  const auto direct = read(with(oct, "alg", in_quotes("dir")));
  REQUIRE(code_of(direct) == "ok");
  CHECK_FALSE(direct->enc.has_value());
  CHECK(code_of(read(with(oct, "alg", in_quotes("A256KW")))) == "unsupported_algorithm");
  CHECK(code_of(read(with(oct, "alg", in_quotes("RSA-OAEP")))) == "crypto_failure");
  CHECK(code_of(read(with(oct, "alg", in_quotes("HS256")))) == "crypto_failure");
}

TEST_CASE("kid comes with the key, its escapes resolved", "[key_reader][jwk]") {
  const Jwk oct = oct_jwk(pattern(32));
  CHECK(read(oct)->kid.empty());
  CHECK(read(with(oct, "kid", in_quotes("my key")))->kid == "my key");
  CHECK(read(with(oct, "kid", R"("\u00e9\n\"")"))->kid == "\xC3\xA9\n\"");
  CHECK(code_of(read(with(oct, "kid", "7"))) == "bad_request");
}
