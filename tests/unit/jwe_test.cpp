// SPDX-License-Identifier: Apache-2.0
#include "jwekms/jwe.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <new>
#include <string>
#include <vector>

#include "jwekms/jose_header.hpp"
#include "token_text.hpp"

namespace {
std::atomic<std::size_t> allocations = 0;
}

// Counts for the whole test program: what a call allocated is the difference across it. Not
// inlined, as gcc would then see free() beside new and warn.
void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size == 0 ? 1 : size);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

using namespace jwekms;
using token_text::b64;
using token_text::js;

namespace {

const Limits limits;

std::string_view outcome(std::string_view token, const Limits& within = limits) {
  const Result<JweView> view = parse_jwe(token, within);
  return view ? "ok" : name(view.error().code);
}

/// Where a view lies in the text that it must be a view of.
std::size_t offset(std::string_view text, std::string_view part) {
  return static_cast<std::size_t>(part.data() - text.data());
}

std::string with_recipients(std::size_t count) {
  std::string text = R"({"recipients":[{})";
  for (std::size_t i = 1; i < count; ++i) text += ",{}";
  return text + "]}";
}

}  // namespace

TEST_CASE("a compact token is five segments", "[jwe]") {
  const std::string_view token = "aGVhZGVy.a2V5.aXY.Y2lwaGVydGV4dA.dGFn";
  const Result<JweView> view = parse_jwe(token, limits);
  REQUIRE(view);
  CHECK(view->serialization == Serialization::compact);
  CHECK(view->protected_b64 == "aGVhZGVy");
  CHECK(view->recipient.encrypted_key_b64 == "a2V5");
  CHECK(view->iv_b64 == "aXY");
  CHECK(view->ciphertext_b64 == "Y2lwaGVydGV4dA");
  CHECK(view->tag_b64 == "dGFn");
  CHECK(view->has_content);
  CHECK_FALSE(view->aad_b64);
  CHECK_FALSE(view->unprotected);
  CHECK_FALSE(view->recipient.header);
  CHECK_FALSE(view->recipients);
}

TEST_CASE("the parts of a compact token are views of it", "[jwe]") {
  const std::string token = "AA.BB.CC.DD.EE";
  const Result<JweView> view = parse_jwe(token, limits);
  REQUIRE(view);
  CHECK(offset(token, view->protected_b64) == 0);
  CHECK(offset(token, view->recipient.encrypted_key_b64) == 3);
  CHECK(offset(token, view->iv_b64) == 6);
  CHECK(offset(token, view->ciphertext_b64) == 9);
  CHECK(offset(token, view->tag_b64) == 12);
}

TEST_CASE("a compact token with another number of segments is refused", "[jwe]") {
  for (const char* token : {"", ".", "..", "...", "AA", "AA.", "AA.BB", "AA.BB.CC", "AA.BB.CC.DD",
                            "AA.BB.CC.", "AA...", " ", "\"", "[]", "null"})
    CHECK(outcome(token) == "bad_request");
}

TEST_CASE("a sixth segment ends in a part that base64url refuses", "[jwe]") {
  const Result<JweView> view = parse_jwe("AA.BB.CC.DD.EE.FF", limits);
  REQUIRE(view);
  CHECK(view->ciphertext_b64 == "DD.EE");
  std::uint8_t out[8];
  CHECK_FALSE(base64url::decode(view->ciphertext_b64, out));
}

TEST_CASE("only the header of a compact token may not be empty", "[jwe]") {
  CHECK(outcome("AA....") == "ok");
  CHECK(outcome("....") == "bad_request");
  CHECK(outcome(".AA.AA.AA.AA") == "bad_request");
}

TEST_CASE("a compact token is not trimmed", "[jwe]") {
  const Result<JweView> view = parse_jwe(" AA.BB.CC.DD.EE\n", limits);
  REQUIRE(view);
  CHECK(view->protected_b64 == " AA");
  CHECK(view->tag_b64 == "EE\n");
}

TEST_CASE("CVE-2025-61920, CVE-2025-27144: a token above the limit is not looked at", "[jwe]") {
  Limits small;
  small.max_token_bytes = 16;
  CHECK(outcome("AAAA.BB.CC.DD.EE", small) == "ok");
  CHECK(outcome("AAAAA.BB.CC.DD.EE", small) == "too_large");
  CHECK(outcome(std::string(17, '.'), small) == "too_large");
  CHECK(outcome(R"({"iv":"AAAAAAAA"})", small) == "too_large");
  CHECK(outcome(std::string(1 << 20, '.')) == "bad_request");
}

TEST_CASE("a flattened token has its members by name", "[jwe]") {
  const std::string token = js(
      "{'protected':'cHJv','unprotected':{'jku':'u'},'header':{'kid':'k'},'encrypted_key':'a2V5',"
      "'aad':'YWFk','iv':'aXY','ciphertext':'Y3Q','tag':'dGFn','extra':[1,{'tag':2}]}");
  const Result<JweView> view = parse_jwe(token, limits);
  REQUIRE(view);
  CHECK(view->serialization == Serialization::flattened);
  CHECK(view->protected_b64 == "cHJv");
  REQUIRE(view->unprotected);
  CHECK(view->unprotected->text() == js("{'jku':'u'}"));
  REQUIRE(view->recipient.header);
  CHECK(view->recipient.header->text() == js("{'kid':'k'}"));
  CHECK(view->recipient.encrypted_key_b64 == "a2V5");
  CHECK(view->aad_b64 == "YWFk");
  CHECK(view->iv_b64 == "aXY");
  CHECK(view->ciphertext_b64 == "Y3Q");
  CHECK(view->tag_b64 == "dGFn");
  CHECK(view->has_content);
  CHECK_FALSE(view->recipients);
  CHECK(offset(token, view->protected_b64) == token.find("cHJv"));
  CHECK(offset(token, view->ciphertext_b64) == token.find("Y3Q"));
}

TEST_CASE("member order, whitespace and escaped names do not matter", "[jwe]") {
  const Result<JweView> view = parse_jwe(
      " \t\r\n{ \"tag\" : \"dGFn\" ,\n\"\\u0069v\":\"aXY\",\"ciphertext\":\"\"} ", limits);
  REQUIRE(view);
  CHECK(view->tag_b64 == "dGFn");
  CHECK(view->iv_b64 == "aXY");
  CHECK(view->has_content);
}

TEST_CASE("names are case-sensitive", "[jwe]") {
  const Result<JweView> view = parse_jwe(js("{'IV':'a','Tag':'b','Ciphertext':'c'}"), limits);
  REQUIRE(view);
  CHECK(view->iv_b64.empty());
  CHECK_FALSE(view->has_content);
}

TEST_CASE("an aad that is empty is told apart from none", "[jwe]") {
  const Result<JweView> none = parse_jwe("{}", limits);
  const Result<JweView> empty = parse_jwe(js("{'aad':''}"), limits);
  REQUIRE(none);
  REQUIRE(empty);
  CHECK_FALSE(none->aad_b64);
  CHECK(empty->aad_b64 == "");
}

TEST_CASE("content is there when iv, ciphertext and tag all are", "[jwe]") {
  const auto has_content = [](std::string_view text) {
    const std::string token = js(text);
    return parse_jwe(token, limits)->has_content;
  };
  CHECK(has_content("{'iv':'','ciphertext':'','tag':''}"));
  CHECK_FALSE(has_content("{'iv':'','ciphertext':''}"));
  CHECK_FALSE(has_content("{'iv':'','tag':''}"));
  CHECK_FALSE(has_content("{'ciphertext':'','tag':''}"));
  CHECK_FALSE(has_content("{'protected':'AA','encrypted_key':'AA'}"));
}

TEST_CASE("members of the wrong type are refused", "[jwe]") {
  for (const char* member : {"protected", "encrypted_key", "iv", "ciphertext", "tag", "aad"})
    for (const char* value : {"1", "null", "true", "{}", "[]", "['AA']"})
      CHECK(outcome(js("{'" + std::string(member) + "':" + value + "}")) == "bad_request");
  for (const char* member : {"unprotected", "header"})
    for (const char* value : {"1", "null", "true", "[]", "'e30'"})
      CHECK(outcome(js("{'" + std::string(member) + "':" + value + "}")) == "bad_request");
}

TEST_CASE("an empty protected header is left out, not written", "[jwe]") {
  CHECK(outcome(js("{'protected':''}")) == "bad_request");  // RFC 7516 §7.2.1
  CHECK(outcome(js("{'protected':'e30'}")) == "ok");
}

TEST_CASE("libjwt#284, go-jose#18: a base64url member may not be spelled with escapes", "[jwe]") {
  for (const char* member : {"protected", "encrypted_key", "iv", "ciphertext", "tag", "aad"}) {
    const std::string text = "{\"" + std::string(member) + "\":\"\\u0041A\"}";
    CHECK(outcome(text) == "bad_request");
  }
  CHECK(outcome(R"({"recipients":[{"encrypted_key":"\u0041A"}]})") == "bad_request");
}

TEST_CASE("RFC 7515 §4: duplicate members are refused", "[jwe]") {
  CHECK(outcome(js("{'iv':'AA','iv':'AA'}")) == "bad_request");
  CHECK(outcome(R"({"iv":"AA","\u0069v":"AA"})") == "bad_request");
  CHECK(outcome(js("{'x':1,'x':2}")) == "bad_request");
  CHECK(outcome(js("{'header':{'kid':'a','kid':'a'}}")) == "bad_request");
  CHECK(outcome(js("{'recipients':[{'header':{},'header':{}}]}")) == "bad_request");
}

TEST_CASE("cJSON#996, cJSON#800, CVE-2025-57052, CVE-2019-11834: the JSON reader is strict",
          "[jwe]") {
  CHECK(outcome(R"({"iv":"A\u0000"})") == "bad_request");
  CHECK(outcome(std::string_view("{\"iv\":\"A\0\"}", 11)) == "bad_request");
  CHECK(outcome(std::string_view("{}\0", 3)) == "bad_request");
  CHECK(outcome("{} {}") == "bad_request");
  CHECK(outcome("{},") == "bad_request");
  CHECK(outcome("{\"a\":01}") == "bad_request");
  CHECK(outcome("{\"a\":1,}") == "bad_request");
  CHECK(outcome("{'a':1}") == "bad_request");
  CHECK(outcome("{\"a\":\"\xff\"}") == "bad_request");
  CHECK(outcome("\xef\xbb\xbf{}") == "bad_request");
  CHECK(outcome("{") == "bad_request");
  CHECK(outcome("{\"iv\":\"AA") == "bad_request");
  CHECK(outcome("{\"iv\":\"AA\\") == "bad_request");
  CHECK(outcome("{\"iv\":\"AA\\u00") == "bad_request");
  CHECK(outcome("{\"x\":" + std::string(7, '[') + std::string(7, ']') + "}") == "ok");
  CHECK(outcome("{\"x\":" + std::string(8, '[') + std::string(8, ']') + "}") == "bad_request");
  CHECK(outcome("{\"x\":" + std::string(1 << 20, '[')) == "bad_request");
}

TEST_CASE("a general token has recipients", "[jwe]") {
  const std::string token =
      js("{'protected':'cHJv','unprotected':{},'iv':'aXY','ciphertext':'Y3Q','tag':'dGFn',"
         "'recipients':[{'header':{'kid':'a'},'encrypted_key':'QQ'},{'encrypted_key':'Qg'},{},"
         "{'header':{},'extra':1}]}");
  const Result<JweView> view = parse_jwe(token, limits);
  REQUIRE(view);
  CHECK(view->serialization == Serialization::general);
  REQUIRE(view->recipients);

  std::vector<Recipient> recipients;
  for_each_recipient(*view, [&](const Recipient& r) {
    recipients.push_back(r);
    return true;
  });
  REQUIRE(recipients.size() == 4);
  REQUIRE(recipients[0].header);
  CHECK(recipients[0].header->text() == js("{'kid':'a'}"));
  CHECK(recipients[0].encrypted_key_b64 == "QQ");
  CHECK_FALSE(recipients[1].header);
  CHECK(recipients[1].encrypted_key_b64 == "Qg");
  CHECK_FALSE(recipients[2].header);
  CHECK(recipients[2].encrypted_key_b64.empty());
  REQUIRE(recipients[3].header);
  CHECK(recipients[3].header->text() == "{}");
}

TEST_CASE("visiting recipients stops when asked, and takes the only one of other tokens", "[jwe]") {
  const auto visited = [](std::string_view token, int stop_after) {
    int count = 0;
    for_each_recipient(*parse_jwe(token, limits),
                       [&](const Recipient&) { return ++count < stop_after; });
    return count;
  };
  CHECK(visited(with_recipients(5), 2) == 2);
  CHECK(visited(with_recipients(5), 9) == 5);
  CHECK(visited("AA.BB.CC.DD.EE", 9) == 1);
  CHECK(visited("{}", 9) == 1);
}

TEST_CASE("malformed recipients are refused", "[jwe]") {
  for (const char* value : {"1", "null", "'AA'", "{}", "[]", "[1]", "[null]", "['AA']", "[[]]",
                            "[{},1]", "[{'header':1}]", "[{'header':null}]", "[{'header':'e30'}]",
                            "[{'header':[]}]", "[{'encrypted_key':1}]", "[{'encrypted_key':null}]"})
    CHECK(outcome(js("{'recipients':" + std::string(value) + "}")) == "bad_request");
}

TEST_CASE("RFC 7516 §7.2.2: recipients exclude header and encrypted_key", "[jwe]") {
  CHECK(outcome(js("{'recipients':[{}],'header':{}}")) == "bad_request");
  CHECK(outcome(js("{'header':{},'recipients':[{}]}")) == "bad_request");
  CHECK(outcome(js("{'recipients':[{}],'encrypted_key':''}")) == "bad_request");
  CHECK(outcome(js("{'encrypted_key':'AA','recipients':[{}]}")) == "bad_request");
  CHECK(outcome(js("{'recipients':[{}],'unprotected':{}}")) == "ok");
}

TEST_CASE("recipients are bounded", "[jwe]") {
  CHECK(outcome(with_recipients(100)) == "ok");
  CHECK(outcome(with_recipients(101)) == "bad_request");
  CHECK(outcome(with_recipients(100000)) == "bad_request");
}

TEST_CASE("taking a token apart and reading its header allocates nothing", "[jwe]") {
  const std::string header = b64(js("{'alg':'RSA-OAEP','enc':'A128GCM','kid':'\\u006bey'}"));
  const std::vector<std::string> tokens{
      header + ".AA.BB.CC.DD",
      js("{'protected':'" + header + "','encrypted_key':'AA','unprotected':{'x':[1,{'y':2}]}}"),
      js("{'protected':'" + header + "','recipients':[{'encrypted_key':'AA','header':{'x':1}}]}"),
      "{\"broken\"",
  };
  const Policy policy;
  HeaderBuffer buffer;
  for (const std::string& token : tokens) {
    const std::size_t before = allocations;
    const Result<JweView> view = parse_jwe(token, policy.limits);
    bool good = false;
    if (view) {
      const auto protected_header =
          decode_protected_header(view->protected_b64, buffer, policy.limits);
      for_each_recipient(*view, [&](const Recipient& recipient) {
        const auto read = read_header(*view, *protected_header, recipient, policy);
        good = read && check_header(*read, policy);
        return true;
      });
    }
    const std::size_t allocated = allocations - before;
    CHECK(allocated == 0);
    CHECK(good == (token != tokens.back()));
  }
}
