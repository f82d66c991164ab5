// SPDX-License-Identifier: Apache-2.0
#include "jwekms/json.hpp"

#include <cjson/cJSON.h>
#include <catch2/catch.hpp>

#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace json = jwekms::json;
using jwekms::Errc;
using namespace std::string_literals;

namespace {

/// A text in a heap buffer of its exact size, so that AddressSanitizer sees a byte too many.
class Exact {
 public:
  explicit Exact(std::string_view text) : bytes_(text.begin(), text.end()) {}
  std::string_view view() const { return {bytes_.data(), bytes_.size()}; }

 private:
  std::vector<char> bytes_;
};

bool accepts(std::string_view text, json::Limits limits = {}) {
  return !json::check(Exact(text).view(), limits);
}

/// Why a text is refused; "" when it is not.
std::string refusal(std::string_view text, json::Limits limits = {}) {
  const auto error = json::check(Exact(text).view(), limits);
  return error ? error->text : "";
}

std::size_t refused_at(std::string_view text) { return json::check(text).value().position; }

void all_good(const std::vector<std::string>& texts) {
  for (const auto& text : texts) {
    CAPTURE(text);
    CHECK(refusal(text) == "");
  }
}

void all_bad(const std::vector<std::string>& texts) {
  for (const auto& text : texts) {
    CAPTURE(text);
    CHECK_FALSE(accepts(text));
  }
}

std::string quoted(std::string_view s) { return '"' + std::string(s) + '"'; }

json::Value parsed(std::string_view text) { return json::read(text).value(); }

std::string resolved(const json::String& s) {
  std::string out(s.resolved_size(), '\0');
  REQUIRE(s.copy_to(out) == out.size());
  return out;
}

/// `{"n0":0,"n1":0,...}`
std::string object_of(std::size_t members) {
  std::string text = "{";
  for (std::size_t i = 0; i < members; ++i)
    text += (i == 0 ? "\"n" : ",\"n") + std::to_string(i) + "\":0";
  return text + "}";
}

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

}  // namespace

// ---- RFC 8259 grammar -------------------------------------------------------------------------

TEST_CASE("json: any value may stand alone") {
  all_good({"null", "true", "false", "0", "\"\"", "[]", "{}"});
}

TEST_CASE("json: literals are spelled out, in lower case") {
  all_bad({"nul", "nulll", "True", "TRUE", "fals", "falsee", "t", "undefined", "NaN", "Infinity",
           "-Infinity", "truefalse", "true false"});
}

TEST_CASE("json: a text is not empty") { all_bad({"", " ", "\n\t\r ", "\0"s}); }

TEST_CASE("json: whitespace is space, tab, LF and CR, between tokens") {
  all_good({" null ", "\t[\n1\r,\n 2 ]\t", " { \"a\" : 1 , \"b\" : [ ] } \n"});
  all_bad({"\v1", "\f1", "1\xC2\xA0", "[1,\v2]", "\xE2\x80\x83[]", "1\b", "tr ue", "1 2"});
}

TEST_CASE("json: nothing follows the value") {
  all_bad({"{}{}", "[]]", "{}}", "1,", "{}x", "[] []", "\"a\"\"b\"", "null\0"s, "{}\0"s, "{} #",
           "{}//", "{}/**/", "1 /"});
  CHECK(refusal("{} x") == "text after the JSON value"s);
  CHECK(refused_at("{} x") == 3);
}

TEST_CASE("json: objects") {
  all_good({R"({"a":1})", R"({"a":1,"b":2})", R"({"":0})", R"({"a":{"b":{}}})"});
  all_bad({"{",
           "}",
           R"({"a")",
           R"({"a":)",
           R"({"a":1)",
           R"({"a":1,)",
           R"({"a":1,})",
           R"({,})",
           R"({,"a":1})",
           R"({"a" 1})",
           R"({"a"::1})",
           R"({"a":1 "b":2})",
           R"({"a":1,,"b":2})",
           R"({a:1})",
           R"({'a':1})",
           R"({1:1})",
           R"({null:1})",
           R"({"a":1])",
           R"({"a":})",
           R"({[]:1})",
           R"({"a"})",
           R"({"a","b"})"});
}

TEST_CASE("json: arrays") {
  all_good({"[1]", "[1,2]", "[[],[[]]]", "[null,true,\"\",{}]"});
  all_bad({"[", "]", "[1", "[1,", "[1,]", "[,1]", "[,]", "[1,,2]", "[1 2]", "[1:2]", "[1}", "[1;2]",
           "[\"a\":1]", "[[]"});
}

TEST_CASE("json: numbers") {
  all_good({"0", "-0", "1", "10", "-1", "1234567890123456789012345678901234567890", "0.5", "-0.0",
            "1.25", "1e5", "1E5", "1e+5", "1e-05", "0e0", "1.5E-3", "1e999"});
  all_bad({"-",    "+1",  "01",  "-01",  "00",    ".5",          "-.5", "1.",
           "1.e1", "1e",  "1e+", "1E-",  "1e1.5", "0x1",         "1_0", "1a",
           "--1",  "1-1", "- 1", "1 .5", "1e 5",  "\xEF\xBC\x91"});
  all_bad({"[01]", "[1.]", "[-]", "[1e]", "[.1]", R"({"a":-})"});
}

TEST_CASE("json: strings have both quotes") {
  all_good({R"("a")", R"("'")", R"("\"")", R"("\\")", R"("/")", "\"\x7F\""});
  all_bad({"\"", "\"a", R"("\")", R"("a\\\")", "'a'", "a", R"("a""b")", R"(["a)", R"({"a)"});
}

// ---- Strings ----------------------------------------------------------------------------------

TEST_CASE("json: control characters are refused in strings, raw") {
  for (char c = 0; c < 0x20; ++c)
    for (std::size_t before = 0; before < 18; ++before) {
      const std::string text = quoted(std::string(before, 'a') + c + "aaaaaaaaa");
      if (accepts(text)) FAIL("control character " << int(c) << " after " << before);
    }
  CHECK(refused_at("[\"ab\n\"]") == 4);
}

TEST_CASE("json: every byte of a long string is looked at") {
  // Each kind of stop at each place of the eight bytes that are looked at together.
  for (std::size_t at = 0; at < 40; ++at) {
    std::string text(40, 'a');
    for (const char c : {'"', '\\', '\x1F', '\x80', '\xFF', '\0'}) {
      text[at] = c;
      if (accepts(quoted(text))) FAIL("byte " << int(c) << " at " << at);
    }
    for (const char c : {' ', '!', '#', '[', ']', '\x7F'}) {
      text[at] = c;
      if (!accepts(quoted(text))) FAIL("byte " << int(c) << " at " << at);
    }
  }
}

TEST_CASE("json: escapes are those of RFC 8259 §7") {
  CHECK(resolved(parsed(R"("\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC")").as_string()) ==
        "\"\\/\b\f\n\r\tA\xC3\xA9\xE2\x82\xAC");
  for (unsigned c = 0; c < 256; ++c) {
    const bool known = c != 0 && std::string_view("\"\\/bfnrt").find(static_cast<char>(c)) !=
                                     std::string_view::npos;
    if (accepts(quoted("\\"s + static_cast<char>(c))) != known) FAIL("escape of " << c);
  }
  all_bad({R"("\u")", R"("\u1")", R"("\u12")", R"("\u123")", R"("\u123g")", R"("\uG123")",
           R"("\u 123")", R"("\u+123")", R"("\u-123")", R"("\u0x12")", R"("\U0041")", R"("\x41")",
           R"("\u{41}")"});
  all_bad({R"("\)", R"("\u)", R"("\u0)", R"("\u00)", R"("\u004)", R"("\u0041)"});
}

TEST_CASE("json: surrogates come in pairs") {
  CHECK(resolved(parsed(R"("\uD83D\uDE00")").as_string()) == "\xF0\x9F\x98\x80");
  CHECK(resolved(parsed(R"("\ud800\udc00")").as_string()) == "\xF0\x90\x80\x80");
  CHECK(resolved(parsed(R"("\uDBFF\uDFFF")").as_string()) == "\xF4\x8F\xBF\xBF");
  CHECK(resolved(parsed(R"("\uD7FF\uE000")").as_string()) == "\xED\x9F\xBF\xEE\x80\x80");
  all_bad({R"("\uD800")", R"("\uDFFF")", R"("\uDC00\uD800")", R"("\uD800\uD800")",
           R"("\uDC00\uDC00")", R"("\uD800\uDBFF")", R"("\uD800\uE000")", R"("\uD800\u0041")",
           R"("\uD800A")", R"("\uD800\n")", R"("\uD800 \uDC00")", R"("\uD83D\uDE0")",
           R"("\uD83D\uDE0)", R"("\uD83D\u)", R"("\uD83D\)", R"("\uD83D)"});
}

TEST_CASE("json: U+0000 is refused, raw and escaped") {
  all_bad({"\"\0\""s, "\"a\0b\""s, R"("\u0000")", R"({"a\u0000":1})", R"({"alg\u0000x":1})",
           "{\"a\0\":1}"s});
  all_good({R"("\u0001")", R"("\\u0000")"});
}

TEST_CASE("json: strings are UTF-8, every encoding of up to three bytes") {
  // Tries every sequence of a lead byte and two bytes that follow, against the ranges of RFC 3629.
  const auto good = [](unsigned a, unsigned b, unsigned c) {
    const auto tail = [](unsigned x) { return x >= 0x80 && x <= 0xBF; };
    if (a < 0xE0) return a >= 0xC2 && tail(b) && c < 0x80;
    if (a > 0xEF || !tail(b) || !tail(c)) return false;
    const unsigned point = (a & 15) << 12 | (b & 63) << 6 | (c & 63);
    return point >= 0x800 && (point < 0xD800 || point > 0xDFFF);
  };
  std::string text = "\"abc\"";
  for (unsigned a = 0x80; a < 0x100; ++a)
    for (unsigned b = 0x23; b < 0x100; b += b == 0x23 ? 0x5C : 1)  // '#', and from 0x7F
      for (unsigned c = 0x23; c < 0x100; c += c == 0x23 ? 0x5C : 1) {
        text[1] = static_cast<char>(a), text[2] = static_cast<char>(b);
        text[3] = static_cast<char>(c);
        if (!json::check(text) != good(a, b, c)) FAIL(a << ' ' << b << ' ' << c);
      }
}

TEST_CASE("json: strings are UTF-8, four bytes") {
  all_good({quoted("\xF0\x90\x80\x80"), quoted("\xF1\x80\x80\x80"), quoted("\xF4\x8F\xBF\xBF"),
            quoted("\xEF\xBF\xBF"), quoted("a\xF0\x9F\x98\x80z")});
  all_bad({quoted("\xF0\x8F\xBF\xBF"), quoted("\xF4\x90\x80\x80"), quoted("\xF5\x80\x80\x80"),
           quoted("\xF0\x9F\x98"), quoted("\xF0\x9F\x98z"), quoted("\xF0\x9F"), quoted("\xF0"),
           quoted("\xF0\x9F\x98\xC0"), quoted("\xF8\x88\x80\x80\x80"), quoted("\xFF")});
}

TEST_CASE("json: UTF-8 sequences end before the text does") {
  all_bad({"\"\xC3", "\"\xE2\x82", "\"\xE2", "\"\xF0\x9F\x98", "\"\xF0\x9F", "\"\xF0"});
}

TEST_CASE("json: a byte order mark is refused") {
  all_bad({"\xEF\xBB\xBF{}", "\xEF\xBB\xBF", "\xFE\xFF{}", "{\xEF\xBB\xBF}", "{}\xEF\xBB\xBF"});
  all_good({quoted("\xEF\xBB\xBF")});  // U+FEFF is a character like others in a string
}

// ---- Duplicate members ------------------------------------------------------------------------

TEST_CASE("json: a member name stands once in an object, at any level") {
  all_bad({R"({"a":1,"a":1})", R"({"a":1,"b":2,"a":3})", R"({"":1,"":2})", R"([{"a":1,"a":2}])",
           R"({"x":{"a":1,"a":2}})", R"({"x":[{"y":{"a":1,"b":{},"a":2}}]})",
           R"({"a":{"a":{}},"a":1})", R"({"a":{"b":1},"b":{"a":1},"a":1})"});
  CHECK(refusal(R"({"a":1,"a":1})") == "duplicate member name");
  CHECK(refused_at(R"({"a":1,"a":1})") == 7);
}

TEST_CASE("json: a name may return in another object") {
  all_good({R"({"a":{"a":{"a":1}}})", R"([{"a":1},{"a":1}])", R"({"a":{"b":1},"b":{"a":1}})",
            R"({"x":{"a":1},"y":{"a":1},"a":1})"});
}

TEST_CASE("json: member names are compared with their escapes resolved") {
  all_bad({R"({"alg":1,"\u0061lg":1})", R"({"\u0061lg":1,"\u0061\u006cg":1})",
           R"({"a/b":1,"a\/b":2})", R"({"\n":1,"\u000a":2})", R"({"\u000A":1,"\u000a":2})",
           "{\"\xC3\xA9\":1,\"\\u00E9\":2}", "{\"\xF0\x9F\x98\x80\":1,\"\\uD83D\\uDE00\":2}"});
  all_good({R"({"alg":1,"\\u0061lg":1})", R"({"a":1,"A":2})", R"({"a":1,"a ":2,"aa":3})",
            "{\"\xC3\xA9\":1,\"e\\u0301\":2}"});  // no Unicode normalisation: RFC 8259 §8.3
}

TEST_CASE("json: the members that are open at once are bounded") {
  CHECK(accepts(object_of(json::max_open_members)));
  CHECK(refusal(object_of(json::max_open_members + 1)) == "too many JSON members");
  // Those of the outer objects count.
  std::string half = object_of(json::max_open_members / 2);
  half.back() = ',';
  CHECK(accepts(half + "\"x\":" + object_of(json::max_open_members / 2 - 1) + "}"));
  CHECK_FALSE(accepts(half + "\"x\":" + object_of(json::max_open_members / 2) + "}"));
}

TEST_CASE("json: an object's members count no more once it is closed") {
  const std::string full = object_of(json::max_open_members);
  std::string text = "[";
  for (int i = 0; i < 100; ++i) text += full + ",";
  CHECK(accepts(text + "{}]"));
}

TEST_CASE("json: a flood of members is refused where the bound is passed") {
  const std::string text = object_of(100000);
  CHECK(refusal(text) == "too many JSON members");
  CHECK(refused_at(text) == text.find("\"n" + std::to_string(json::max_open_members) + '"'));
}

TEST_CASE("json: names that collide in the hash are refused at the first pair") {
  // A known pair of FNV-1a 64: no comparison follows, so a flood of such names costs nothing.
  const std::string a = "8yn0iYCKYHlIj4-BwPqk", b = "GReLUrM4wMqfg9yzV3KQ";
  CHECK(accepts("{" + quoted(a) + ":1}"));
  CHECK(refusal("{" + quoted(a) + ":1," + quoted(b) + ":2}") == "duplicate member name");
}

TEST_CASE("json: names that are alike do not collide") {
  for (int first = '#'; first < '['; ++first) {
    std::string text = "{\"\":0";
    for (int second = ']'; second < 0x7F; ++second)
      for (const char* tail : {"", "0", "00", "1", "a", "\\u0001"}) {
        text += ",\""s + static_cast<char>(first) + static_cast<char>(second) + tail + "\":0";
      }
    text += "}";
    CHECK(refusal(text) == "");
  }
}

// ---- Limits -----------------------------------------------------------------------------------

TEST_CASE("json: depth is bounded, the outermost container being one") {
  CHECK(accepts(nested(8)));
  CHECK(refusal(nested(9)) == "JSON nested too deeply");
  CHECK(refused_at(nested(9)) == 8);
  CHECK(accepts(R"({"a":{"a":{"a":{"a":{"a":{"a":{"a":{}}}}}}}})"));
  CHECK_FALSE(accepts(R"({"a":{"a":{"a":{"a":{"a":{"a":{"a":{"a":{}}}}}}}}})"));
  CHECK_FALSE(accepts(std::string(1000000, '[')));
}

TEST_CASE("json: depth can be set, up to 32") {
  CHECK(accepts("1", {.max_depth = 0}));
  CHECK_FALSE(accepts("[]", {.max_depth = 0}));
  CHECK(accepts("[[],[]]", {.max_depth = 2}));
  CHECK_FALSE(accepts("[[],[[]]]", {.max_depth = 2}));
  CHECK(accepts(nested(32), {.max_depth = 32}));
  CHECK_FALSE(accepts(nested(33), {.max_depth = 1000}));
}

TEST_CASE("json: size is bounded") {
  CHECK(accepts("[1,2]", {.max_bytes = 5}));
  const auto error = json::check("[1,2]", {.max_bytes = 4});
  REQUIRE(error);
  CHECK(error->code == Errc::too_large);
}

TEST_CASE("json: errors have a code, a position and a text") {
  const auto value = json::read("[1,2,x]");
  REQUIRE_FALSE(value);
  CHECK(value.error().code == Errc::bad_request);
  CHECK(value.error().position == 5);
  CHECK(value.error().text == "malformed JSON value"s);
  CHECK(refused_at("[1") == 2);
  CHECK(refused_at("{\"a\" 1}") == 5);
  CHECK(refused_at("\"abc") == 4);
}

TEST_CASE("json: every prefix of a text is refused, and read within its bounds") {
  const std::string text = R"({"a":[1.5e3,-0,true,null,"\uD83D\uDE00\n"],"b":{"c":"x"}} )";
  for (std::size_t n = 0; n + 1 < text.size(); ++n) {
    CAPTURE(n);
    CHECK_FALSE(accepts(text.substr(0, n)));
  }
  CHECK(accepts(text));
}

// ---- Values -----------------------------------------------------------------------------------

TEST_CASE("json value: kind and text") {
  using json::Kind;
  const auto [text, kind] = GENERATE(table<std::string, Kind>({{"null", Kind::null},
                                                               {"true", Kind::boolean},
                                                               {"false", Kind::boolean},
                                                               {"-1.5e3", Kind::number},
                                                               {"0", Kind::number},
                                                               {R"("a\"b")", Kind::string},
                                                               {R"([1, "]"])", Kind::array},
                                                               {R"({"}": 1})", Kind::object}}));
  const std::string padded = " \n" + text + "\t ";
  CHECK(parsed(padded).kind() == kind);
  CHECK(parsed(padded).text() == text);
}

TEST_CASE("json value: as_bool") {
  CHECK(parsed("true").as_bool() == true);
  CHECK(parsed("false").as_bool() == false);
  for (const char* text : {"null", "1", "\"true\"", "[true]"}) CHECK_FALSE(parsed(text).as_bool());
}

TEST_CASE("json value: as_uint32") {
  CHECK(parsed("0").as_uint32() == 0U);
  CHECK(parsed(" 65537 ").as_uint32() == 65537U);
  CHECK(parsed("4294967295").as_uint32() == 4294967295U);
  for (const char* text : {"4294967296", "99999999999999999999", "-1", "-0", "1.0", "1e2", "0e0",
                           "true", "\"1\"", "[1]", "null"})
    CHECK_FALSE(parsed(text).as_uint32());
}

TEST_CASE("json value: elements, in order") {
  std::vector<std::string> seen;
  const std::string text = R"( [ 1 ,"a,]\"", [2,[3]] , {"x":[4]},null ,"\\"] )";
  for (const json::Value& v : parsed(text).elements()) seen.emplace_back(v.text());
  CHECK(seen ==
        std::vector<std::string>{"1", R"("a,]\"")", "[2,[3]]", R"({"x":[4]})", "null", R"("\\")"});
}

TEST_CASE("json value: members, in order") {
  std::vector<std::string> seen;
  const std::string text = R"( { "a" : 1 ,"b:,}\"":"}" , "c":{"d":[{}]},"":null, "\\":"\\" } )";
  for (const json::Member& m : parsed(text).members())
    seen.push_back(std::string(m.name.raw()) + "=" + std::string(m.value.text()));
  CHECK(seen ==
        std::vector<std::string>{"a=1", R"(b:,}\"="}")", R"(c={"d":[{}]})", "=null", R"(\\="\\")"});
}

TEST_CASE("json value: asked for what it is not, it is empty") {
  const auto count = [](auto items) {
    int n = 0;
    for (const auto& item : items) (void)item, ++n;
    return n;
  };
  for (const char* text : {"null", "1", "\"a\"", "[]", "{}", "[ ]", "{ }"}) {
    CHECK(count(parsed(text).elements()) == 0);
    CHECK(count(parsed(text).members()) == 0);
  }
  CHECK(count(parsed("[1]").members()) == 0);
  CHECK(count(parsed(R"({"a":1})").elements()) == 0);
  CHECK(parsed("[\"a\"]").as_string().raw() == "");
}

TEST_CASE("json value: find, by the resolved name, case-sensitively") {
  const json::Value v = parsed(R"({"ALG":1,"\u0061lg":{"alg":2},"enc":3,"a\/b":4})");
  CHECK(v.find("ALG")->text() == "1");
  CHECK(v.find("alg")->text() == R"({"alg":2})");
  CHECK(v.find("enc")->text() == "3");
  CHECK(v.find("a/b")->text() == "4");
  for (const char* name : {"Alg", "al", "algo", "", "\\u0061lg", "a\\/b"})
    CHECK_FALSE(v.find(name));
  CHECK_FALSE(parsed("[\"alg\"]").find("alg"));
}

TEST_CASE("json string: raw, plain and escapes") {
  const json::String plain = parsed("\"caf\xC3\xA9\"").as_string();
  CHECK(plain.raw() == "caf\xC3\xA9");
  CHECK_FALSE(plain.has_escapes());
  CHECK(plain.plain() == "caf\xC3\xA9");
  const json::String escaped = parsed(R"("caf\u00e9")").as_string();
  CHECK(escaped.raw() == R"(caf\u00e9)");
  CHECK(escaped.has_escapes());
  CHECK_FALSE(escaped.plain());
  CHECK(escaped.resolved_size() == plain.resolved_size());
}

TEST_CASE("json string: equals compares the whole resolved string") {
  const json::String s = parsed(R"("a\u0062c\n\uD83D\uDE00")").as_string();
  const std::string full = "abc\n\xF0\x9F\x98\x80";
  CHECK(s.equals(full));
  for (std::size_t n = 0; n < full.size(); ++n) CHECK_FALSE(s.equals(full.substr(0, n)));
  CHECK_FALSE(s.equals(full + "x"));
  CHECK_FALSE(s.equals(s.raw()));
  CHECK(parsed("\"\"").as_string().equals(""));
  CHECK_FALSE(parsed("\"\"").as_string().equals("a"));
}

TEST_CASE("json string: copy_to needs room for the resolved string") {
  const json::String s = parsed(R"("ab\uD83D\uDE00z")").as_string();
  for (std::size_t room = 0; room < 10; ++room) {
    std::vector<char> out(room);
    const auto size = s.copy_to(out);
    CHECK(size.has_value() == (room >= 7));
    if (size) CHECK(std::string(out.data(), *size) == "ab\xF0\x9F\x98\x80z");
  }
  CHECK(parsed("\"\"").as_string().copy_to({}) == 0U);
}

TEST_CASE("json string: every code point survives its escape") {
  for (unsigned point = 1; point < 0x10000; ++point) {
    if (point >= 0xD800 && point <= 0xDFFF) continue;
    char text[9];
    std::snprintf(text, sizeof text, "\"\\u%04x\"", point);
    const std::string utf8 = resolved(parsed({text, 8}).as_string());
    // Raw, the same character is accepted (but for those that must be escaped) and is the same.
    if (point < 0x20 || point == '"' || point == '\\') continue;
    if (!accepts(quoted(utf8))) FAIL("code point " << point);
    if (!parsed({text, 8}).as_string().equals(utf8)) FAIL("code point " << point);
  }
}

TEST_CASE("json value: a text that changes after the check is still read within its bounds") {
  // Not allowed to the owner, but a shared buffer must not become a way out of it.
  const std::string text = R"({"a":["x\n","\\",{"b":1}],"c":"\uD83D\uDE00","d":[[1]]})";
  std::mt19937 random(3);
  const auto walk = [](const auto& self, const json::Value& v) -> std::size_t {
    std::size_t n = v.as_string().resolved_size() + v.as_uint32().value_or(0) % 2;
    for (const json::Value& e : v.elements()) n += self(self, e);
    for (const json::Member& m : v.members()) n += m.name.resolved_size() + self(self, m.value);
    return n;
  };
  for (int round = 0; round < 5000; ++round) {
    std::vector<char> bytes(text.begin(), text.end());
    const json::Value value = parsed({bytes.data(), bytes.size()});
    for (unsigned i = 0; i <= random() % 8; ++i)
      bytes[random() % bytes.size()] = "{}[]\"\\,: u1"[random() % 11];
    CHECK(walk(walk, value) < 1000);
  }
}

// ---- Against cJSON ----------------------------------------------------------------------------

TEST_CASE("json: whatever is accepted, cJSON accepts") {
  const std::vector<std::string> seeds{
      R"({"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"hsm::softhsm2::0::k","crit":["exp"]})",
      R"({"kty":"RSA","n":"sXch","e":"AQAB","oth":[{"r":"a","d":"b","t":"c"}],"key_ops":[]})",
      R"([null,true,false,0,-1.5e+3,"\u00e9\uD83D\uDE00\n\\\"",{"a":{"b":[1,[2,[3]]]}}])",
      "{\"\xC3\xA9\":\"\xF0\x9F\x98\x80\", \"t\" : [ 1 , 2 ]\n}\t"};
  const std::string_view spice = "{}[]\",:\\ue+-.019 \n\t\x7F\x80\xC3\xED\xF0\x1F";
  std::mt19937 random(4);
  std::size_t accepted = 0;
  for (int round = 0; round < 60000; ++round) {
    std::string text = seeds[random() % seeds.size()];
    for (unsigned n = 0; n <= random() % 3; ++n) {
      const std::size_t at = random() % text.size(), size = random() % 6;
      switch (random() % 4) {
        case 0: text[at] = spice[random() % spice.size()]; break;
        case 1: text.erase(at, 1 + size % 2); break;
        case 2: text.insert(at, 1, spice[random() % spice.size()]); break;
        case 3: text.insert(at, text.substr(random() % text.size(), size)); break;
      }
    }
    const Exact exact(text);
    if (json::check(exact.view())) continue;
    ++accepted;
    const char* end = nullptr;
    const std::unique_ptr<cJSON, decltype(&cJSON_Delete)> tree(
        cJSON_ParseWithLengthOpts(exact.view().data(), exact.view().size(), &end, false),
        cJSON_Delete);
    CAPTURE(text);
    REQUIRE(tree);
    const std::string_view rest(end, exact.view().data() + exact.view().size());
    REQUIRE(rest.find_first_not_of(" \t\r\n") == rest.npos);
  }
  CHECK(accepted > 5000);  // the property was put to the test
}
