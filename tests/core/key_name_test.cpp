// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "fake_provider.hpp"
#include "jwekms/json.hpp"
#include "kms_support.hpp"

using namespace jwekms;
using namespace support;

namespace {

/// The `kid` of a compact token, its escapes resolved.
std::string kid_of(const std::string& token) {
  const std::string header = text(from_b64(token.substr(0, token.find('.'))));
  const json::String kid = json::read(header).value().find("kid")->as_string();
  std::string resolved(kid.resolved_size(), '\0');
  (void)kid.copy_to(resolved);
  return resolved;
}

}  // namespace

TEST_CASE("any text can be a key's name and comes back as it was", "[key_name]") {
  std::string controls, ascii;
  for (char c = 1; c < 0x20; ++c) controls += c;
  for (char c = 0x20; c < 0x7F; ++c) ascii += c;
  const std::string names[] = {
      "simple",
      "with \"quotes\" and \\backslashes\\",
      "'; DROP TABLE keys; --",
      "../../etc/passwd",
      "[\"tag\"]",
      "%n%s",
      "a/b</script>",
      controls,
      ascii,
      "\x7F",
      "schl\xC3\xBCssel",
      "\xE9\x8D\xB5 \xF0\x9F\x94\x91",  // a character of three bytes, one of four
      "\xEF\xBB\xBF starts with a BOM",
      "\xE2\x80\xA8 line separator",
      std::string(256, 'x'),
      std::string(256, '\x01'),  // the longest header: each byte becomes six
      std::string(256, '"'),
  };
  const Database db;
  for (const std::string& name : names) {
    INFO(name);
    import_rsa(db.kms, name, *rsa_key());
    for (const Serialization serialization : {Serialization::compact, Serialization::flattened}) {
      const auto token = encrypt(db.kms, bytes("x"), {.key = name, .serialization = serialization});
      REQUIRE(code_of(token) == "ok");
      CHECK(decrypt(db.kms, *token).text() == "x");
      if (serialization == Serialization::compact) CHECK(kid_of(*token) == name);
    }
  }
}

TEST_CASE("a name that cannot stand in JSON cannot be a kid", "[key_name]") {
  for (const char* name : {"\xFF", "\xC3", "a\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80"}) {
    const auto provider = std::make_shared<FakeProvider>();
    provider->add_rsa(name, rsa_key());
    CHECK(code_of(encrypt(kms_over(provider), bytes("x"), {.key = name})) == "bad_request");
    CHECK(provider->calls().wrap == 0);
  }
}

TEST_CASE("names that no key can have are bad requests", "[key_name]") {
  const Database db;
  for (const std::string& name : {std::string(257, 'x'), std::string("a\0b", 3),
                                  std::string(1, '\0'), std::string(5000, 'x')})
    CHECK(code_of(encrypt(db.kms, bytes("x"), {.key = name})) == "bad_request");
  CHECK(code_of(encrypt(db.kms, bytes("x"), {})) == "bad_request");
}

TEST_CASE("names are opaque: case and normal forms make a difference", "[key_name]") {
  const Database db;
  import_rsa(db.kms, "Key \xC3\xA9", *rsa_key());
  for (const char* other : {"key \xC3\xA9", "Key e\xCC\x81", "Key \xC3\xA9 ", "Key %C3%A9"})
    CHECK(code_of(encrypt(db.kms, {}, {.key = other})) == "not_found");
  CHECK(code_of(encrypt(db.kms, {}, {.key = "Key \xC3\xA9"})) == "ok");
}
