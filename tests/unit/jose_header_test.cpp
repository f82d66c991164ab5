// SPDX-License-Identifier: Apache-2.0
#include "jwekms/jose_header.hpp"

#include <catch2/catch.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "token_text.hpp"

using namespace jwekms;
using token_text::b64;
using token_text::compact;
using token_text::js;

namespace {

const Policy core;
const Policy permissive = Policy::permissive();
const std::string base = "'alg':'RSA-OAEP','enc':'A128GCM','kid':'k'";

/// What one recipient's headers say, and the memory that it is a view of.
struct Reading {
  Reading(std::string token, const Policy& policy, std::size_t recipient = 0)
      : text(std::move(token)), header(read(policy, recipient)) {}

  Result<JoseHeader> read(const Policy& policy, std::size_t wanted) {
    const Result<JweView> view = parse_jwe(text, policy.limits);
    if (!view) return view.error();
    const auto protected_header =
        decode_protected_header(view->protected_b64, buffer, policy.limits);
    if (!protected_header) return protected_header.error();
    Result<JoseHeader> result = Error{};
    for_each_recipient(*view, [&](const Recipient& r) {
      result = read_header(*view, *protected_header, r, policy);
      return wanted-- > 0;
    });
    return result;
  }

  std::string text;
  HeaderBuffer buffer;
  Result<JoseHeader> header;
};

/// How the headers fare up to the point where a key would be looked up.
std::string_view outcome(const std::string& token, const Policy& policy = core,
                         std::size_t recipient = 0) {
  const Reading reading(token, policy, recipient);
  if (!reading.header) return name(reading.header.error().code);
  const Result<void> checked = check_header(*reading.header, policy);
  return checked ? "ok" : name(checked.error().code);
}

/// A compact token with these members in its header.
std::string with(const std::string& members) { return compact(js("{" + members + "}")); }

/// A flattened token: members of its protected, shared and own header; empty for none.
std::string flattened(const std::string& protected_members, const std::string& unprotected,
                      const std::string& header) {
  std::string text = "'iv':'','ciphertext':'','tag':''";
  if (!protected_members.empty())
    text += ",'protected':'" + b64(js("{" + protected_members + "}")) + "'";
  if (!unprotected.empty()) text += ",'unprotected':{" + unprotected + "}";
  if (!header.empty()) text += ",'header':{" + header + "}";
  return js("{" + text + "}");
}

/// A general token with two recipients that have these header members.
std::string general(const std::string& protected_members, const std::string& unprotected,
                    const std::string& first, const std::string& second) {
  return js("{'protected':'" + b64(js("{" + protected_members + "}")) + "','unprotected':{" +
            unprotected + "},'recipients':[{'header':{" + first + "}},{'header':{" + second +
            "}}]}");
}

}  // namespace

TEST_CASE("a header's alg, enc and kid are read", "[jose_header]") {
  const Reading reading(with(base), core);
  REQUIRE(reading.header);
  REQUIRE(reading.header->alg);
  CHECK(reading.header->alg->id == Alg::RSA_OAEP);
  REQUIRE(reading.header->enc);
  CHECK(reading.header->enc->id == Enc::A128GCM);
  CHECK(reading.header->kid.view() == "k");
  CHECK_FALSE(reading.header->has_zip);
  CHECK(outcome(with(base)) == "ok");
}

TEST_CASE("alg, enc and kid must be there", "[jose_header]") {
  CHECK(outcome(with("'enc':'A128GCM','kid':'k'")) == "bad_request");
  CHECK(outcome(with("'alg':'dir','kid':'k'")) == "bad_request");
  CHECK(outcome(with("'alg':'dir','enc':'A128GCM'")) == "bad_request");
  CHECK(outcome(with("'alg':'dir','enc':'A128GCM'"), permissive) == "ok");  // the caller names it
  CHECK(outcome(with("")) == "bad_request");
}

TEST_CASE("alg, enc and kid must be strings", "[jose_header]") {
  for (const std::string value : {"1", "null", "true", "['dir']", "{}"}) {
    CHECK(outcome(with("'enc':'A128GCM','kid':'k','alg':" + value)) == "bad_request");
    CHECK(outcome(with("'alg':'dir','kid':'k','enc':" + value)) == "bad_request");
    CHECK(outcome(with("'alg':'dir','enc':'A128GCM','kid':" + value)) == "bad_request");
  }
}

TEST_CASE("names that no table has are told apart from missing ones", "[jose_header]") {
  for (const std::string value : {"''", "'none'", "'rsa-oaep'", "'RSA-OAEP '", "'DIR'", "'RSA'",
                                  "'RSA-OAEP-2567890123456789012345678901234567890'"})
    CHECK(outcome(with("'enc':'A128GCM','kid':'k','alg':" + value)) == "unsupported_algorithm");
  for (const std::string value : {"''", "'a128gcm'", "'A128'", "'A128GCM\\u0020'"})
    CHECK(outcome(with("'alg':'dir','kid':'k','enc':" + value)) == "unsupported_algorithm");
}

TEST_CASE("names and values may be spelled with escapes", "[jose_header]") {
  CHECK(outcome(with("'\\u0061lg':'RSA-\\u004fAEP','enc':'A128GCM','\\u006bid':'k'")) == "ok");
}

TEST_CASE("a kid is 1 to 256 bytes, counted after escapes are resolved", "[jose_header]") {
  const auto kid = [](const std::string& value) {
    return with("'alg':'dir','enc':'A128GCM','kid':'" + value + "'");
  };
  std::string escapes;
  for (int i = 0; i < 256; ++i) escapes += "\\u006b";
  CHECK(outcome(kid("")) == "bad_request");
  CHECK(outcome(kid(std::string(256, 'k'))) == "ok");
  CHECK(outcome(kid(std::string(257, 'k'))) == "bad_request");
  CHECK(outcome(kid(escapes)) == "ok");
  CHECK(outcome(kid(escapes + "k")) == "bad_request");
  CHECK(outcome(kid(std::string(254, 'k') + "\xC3\xBC")) == "ok");  // UTF-8 of two bytes
  CHECK(outcome(kid(std::string(255, 'k') + "\xC3\xBC")) == "bad_request");
  CHECK(outcome(kid(std::string(255, 'k') + "\\u00fc")) == "bad_request");
  CHECK(outcome(kid("\\u0000")) == "bad_request");
}

TEST_CASE("a kid is opaque: strings made to be spliced come through as they are", "[jose_header]") {
  for (const std::string kid : {"[\"k\"]", "' OR 1=1 --", "../../etc/passwd",
                                "pkcs11:object=x;pin-value=1", "%00", "k\n"}) {
    std::string escaped;
    for (char c : kid) {
      if (c == '"' || c == '\\') escaped += '\\';
      if (c == '\n')
        escaped += "\\n";
      else
        escaped += c;
    }
    const Reading reading(
        compact(js("{'alg':'dir','enc':'A128GCM','kid':") + '"' + escaped + "\"}"), core);
    REQUIRE(reading.header);
    CHECK(reading.header->kid.view() == kid);
  }
}

TEST_CASE("CVE-2025-59420, cjose#188: crit is refused wherever it stands", "[jose_header]") {
  for (const std::string value : {"[]", "['exp']", "['alg']", "['b64']", "null", "'x'", "{}"}) {
    CHECK(outcome(with(base + ",'crit':" + value)) == "bad_request");
    CHECK(outcome(with(base + ",'exp':1,'crit':" + value), permissive) == "bad_request");
    CHECK(outcome(flattened(base, "'crit':" + value, ""), permissive) == "bad_request");
    CHECK(outcome(flattened(base, "", "'crit':" + value), permissive) == "bad_request");
  }
  CHECK(outcome(with(base + ",'\\u0063rit':['x']")) == "bad_request");
  CHECK(outcome(with(base + ",'Crit':['x']")) == "ok");  // another name
}

TEST_CASE("CVE-2024-28176, -28180, -28122, -33664, CVE-2025-63811: zip is off by default",
          "[jose_header]") {
  CHECK(outcome(with(base + ",'zip':'DEF'")) == "unsupported_algorithm");
  CHECK(outcome(with(base + ",'zip':'DEF'"), permissive) == "ok");
  CHECK(outcome(with(base + ",'zip':'def'"), permissive) == "unsupported_algorithm");
  CHECK(outcome(with(base + ",'zip':'GZ'"), permissive) == "unsupported_algorithm");
  CHECK(outcome(with(base + ",'zip':''"), permissive) == "unsupported_algorithm");
  for (const std::string value : {"null", "1", "true", "['DEF']"})
    CHECK(outcome(with(base + ",'zip':" + value), permissive) == "bad_request");
}

TEST_CASE("RFC 7516 §4.1.3: zip must be protected", "[jose_header]") {
  CHECK(outcome(flattened(base, "'zip':'DEF'", ""), permissive) == "bad_request");
  CHECK(outcome(flattened(base, "", "'zip':'DEF'"), permissive) == "bad_request");
  CHECK(outcome(flattened(base + ",'zip':'DEF'", "", ""), permissive) == "ok");
}

TEST_CASE("RFC 7516 §7.2.1: a name stands in one header only", "[jose_header]") {
  for (const Policy& policy : {core, permissive}) {
    CHECK(outcome(flattened(base, "'x':1", "'y':2"), policy) == "ok");
    CHECK(outcome(flattened(base + ",'x':1", "'x':1", ""), policy) == "bad_request");
    CHECK(outcome(flattened(base + ",'x':1", "", "'x':1"), policy) == "bad_request");
    CHECK(outcome(flattened(base, "'x':1", "'x':1"), policy) == "bad_request");
    CHECK(outcome(flattened(base, "'kid':'k'", ""), policy) == "bad_request");
    CHECK(outcome(flattened(base, "", "'alg':'RSA-OAEP'"), policy) == "bad_request");
    CHECK(outcome(flattened(base + ",'x':1", "", "'\\u0078':1"), policy) == "bad_request");
    CHECK(outcome(flattened(base + ",'\\u0078':1", "'x':1", ""), policy) == "bad_request");
  }
}

TEST_CASE("a name too long to compare is refused beside another header", "[jose_header]") {
  const std::string fits(512, 'n'), longer(513, 'n');
  CHECK(outcome(flattened(base, "", "'" + fits + "':1")) == "ok");
  CHECK(outcome(flattened(base, "", "'" + longer + "':1")) == "bad_request");
  CHECK(outcome(with(base + ",'" + longer + "':1")) == "ok");
}

TEST_CASE("GHSA-jc38-x7x8-2xc8: unprotected alg, enc and kid do not count by default",
          "[jose_header]") {
  const std::string enc = "'enc':'A128GCM'", alg = "'alg':'RSA-OAEP'", kid = "'kid':'k'";
  for (const auto& [protected_part, outside] :
       {std::pair{enc + "," + kid, alg}, {alg + "," + kid, enc}, {alg + "," + enc, kid}}) {
    CHECK(outcome(flattened(protected_part, outside, "")) == "bad_request");
    CHECK(outcome(flattened(protected_part, "", outside)) == "bad_request");
    CHECK(outcome(flattened(protected_part, outside, ""), permissive) == "ok");
    CHECK(outcome(flattened(protected_part, "", outside), permissive) == "ok");
  }
  CHECK(outcome(flattened("", base, "")) == "bad_request");
  CHECK(outcome(flattened("", base, ""), permissive) == "ok");
}

TEST_CASE("what does not count must still be well-formed", "[jose_header]") {
  CHECK(outcome(flattened("'alg':'dir','enc':'A128GCM'", "'kid':1", "")) == "bad_request");
  Policy anonymous;
  anonymous.require_kid = false;
  CHECK(outcome(flattened("'alg':'dir','enc':'A128GCM'", "'kid':'k'", ""), anonymous) == "ok");
  CHECK(outcome(flattened("'alg':'dir','enc':'A128GCM'", "'kid':1", ""), anonymous) ==
        "bad_request");
}

TEST_CASE("an unprotected kid that does not count names no key", "[jose_header]") {
  Policy anonymous;
  anonymous.require_kid = false;
  const std::string token = flattened("'alg':'dir','enc':'A128GCM'", "'kid':'k'", "");
  const Reading ignored(token, anonymous), taken(token, permissive);
  REQUIRE(ignored.header);
  REQUIRE(taken.header);
  CHECK(ignored.header->kid.size == 0);
  CHECK(taken.header->kid.view() == "k");
}

TEST_CASE("each recipient of a general token has its own alg and kid", "[jose_header]") {
  const std::string token =
      general("'enc':'A256GCM'", "", "'alg':'RSA-OAEP','kid':'a'", "'alg':'dir','kid':'b'");
  for (const Policy& policy : {core, permissive}) {
    const Reading first(token, policy, 0), second(token, policy, 1);
    REQUIRE(first.header);
    REQUIRE(second.header);
    CHECK(first.header->alg->id == Alg::RSA_OAEP);
    CHECK(first.header->kid.view() == "a");
    CHECK(first.header->enc->id == Enc::A256GCM);
    CHECK(second.header->alg->id == Alg::dir);
    CHECK(second.header->kid.view() == "b");
    CHECK(second.header->enc->id == Enc::A256GCM);
  }
}

TEST_CASE("a general token's enc stands in the protected header", "[jose_header]") {
  const std::string own = "'alg':'RSA-OAEP','kid':'a'";
  const std::string in_recipient =
      general("'x':1", "", own + ",'enc':'A256GCM'", own + ",'enc':'A256GCM'");
  const std::string in_shared = general("'x':1", "'enc':'A256GCM'", own, own);
  CHECK(outcome(in_recipient) == "bad_request");
  CHECK(outcome(in_shared) == "bad_request");
  CHECK(outcome(in_shared, permissive) == "ok");
}

TEST_CASE("a general token's shared header is unprotected like any other", "[jose_header]") {
  const std::string token =
      general("'enc':'A256GCM'", "'alg':'RSA-OAEP'", "'kid':'a'", "'kid':'b'");
  CHECK(outcome(token) == "bad_request");
  CHECK(outcome(token, permissive) == "ok");
  CHECK(outcome(token, permissive, 1) == "ok");
}

TEST_CASE("a fault in one recipient's header is that recipient's own", "[jose_header]") {
  const std::string token = general("'enc':'A256GCM'", "", "'alg':'RSA-OAEP','kid':'a'",
                                    "'alg':'RSA-OAEP','kid':'b','enc':'A256GCM'");
  CHECK(outcome(token, core, 0) == "ok");
  CHECK(outcome(token, core, 1) == "bad_request");
}

TEST_CASE("headers are bounded", "[jose_header]") {
  const auto protected_of = [](std::size_t size) {
    std::string text = js("{" + base + ",'x':''}");
    text.insert(text.size() - 2, size - text.size(), 'x');
    return compact(text);
  };
  CHECK(outcome(protected_of(max_header_bytes)) == "ok");
  CHECK(outcome(protected_of(max_header_bytes + 1)) == "bad_request");
  CHECK(outcome(protected_of(std::size_t{1} << 20)) == "bad_request");

  Policy small;
  small.limits.max_header_bytes = 100;
  CHECK(outcome(protected_of(100), small) == "ok");
  CHECK(outcome(protected_of(101), small) == "bad_request");
  Policy wide;  // no policy can lift the size of the buffer
  wide.limits.max_header_bytes = std::size_t{1} << 30;
  CHECK(outcome(protected_of(max_header_bytes), wide) == "ok");
  CHECK(outcome(protected_of(max_header_bytes + 1), wide) == "bad_request");

  const std::string filler(60, 'x');
  CHECK(outcome(flattened(base, "'x':'" + filler + "'", ""), small) == "ok");
  CHECK(outcome(flattened(base, "'x':'" + filler + filler + "'", ""), small) == "bad_request");
  CHECK(outcome(flattened(base, "", "'x':'" + filler + filler + "'"), small) == "bad_request");
}

TEST_CASE("a header nested too deeply is refused", "[jose_header]") {
  const auto nested = [](std::size_t depth) {
    return with(base + ",'x':" + std::string(depth, '[') + std::string(depth, ']'));
  };
  CHECK(outcome(nested(7)) == "ok");
  CHECK(outcome(nested(8)) == "bad_request");
  CHECK(outcome(nested(4000)) == "bad_request");
}

TEST_CASE("libjwt#284, go-jose#18: one header has one spelling in base64url", "[jose_header]") {
  const std::string header = b64(js("{" + base + "}"));
  REQUIRE(header.size() % 4 == 3);
  const std::string rest = ".AA.BB.CC.DD";
  CHECK(outcome(header + rest) == "ok");
  CHECK(outcome(header + "=" + rest) == "bad_request");
  CHECK(outcome(header + "\n" + rest) == "bad_request");
  CHECK(outcome(" " + header + rest) == "bad_request");
  CHECK(outcome(header.substr(0, header.size() - 2) + rest) == "bad_request");

  std::string trailing_bits = header;
  REQUIRE(trailing_bits.back() == '0');
  trailing_bits.back() = '1';
  CHECK(outcome(trailing_bits + rest) == "bad_request");

  std::string standard = b64(js("{" + base + ",'x':'\xC3\xBF\xC3\xBF\xC3\xBE'}"));
  REQUIRE(standard.find_first_of("-_") != std::string::npos);
  CHECK(outcome(standard + rest) == "ok");
  for (char& c : standard) c = c == '-' ? '+' : c == '_' ? '/' : c;
  CHECK(outcome(standard + rest) == "bad_request");
}

TEST_CASE("RFC 7515 §4: a header that is not one strict JSON object is refused", "[jose_header]") {
  const std::string good = js("{" + base + "}");
  CHECK(outcome(compact(good)) == "ok");
  CHECK(outcome(compact(" \n" + good + "\t")) == "ok");
  for (const std::string& bad :
       {std::string("[]"), std::string("\"x\""), std::string("null"), std::string("1"),
        "[" + good + "]", good + good, good + "x", good.substr(1), good.substr(0, good.size() - 1),
        "\xEF\xBB\xBF" + good, good + std::string(1, '\0'), js("{" + base + ",}"),
        js("{" + base + ",'x':'\xFF'}"), js("{" + base + ",'x':'\xED\xA0\x80'}"),
        js("{" + base + ",'x':'\\ud800'}"), js("{" + base + ",'x':NaN}")})
    CHECK(outcome(compact(bad)) == "bad_request");
}

TEST_CASE("RFC 7515 §4: duplicate header members are refused, escaped ones too", "[jose_header]") {
  CHECK(outcome(with(base + ",'alg':'dir'")) == "bad_request");
  CHECK(outcome(with(base + ",'\\u0061lg':'dir'")) == "bad_request");
  CHECK(outcome(with(base + ",'x':{'y':1,'y':1}")) == "bad_request");
  CHECK(outcome(with(base + ",'ALG':'dir'")) == "ok");
}

TEST_CASE("CVE-2018-0114: jku, jwk, x5u, x5c and x5t are left alone", "[jose_header]") {
  for (const std::string extra :
       {"'jku':'https://attacker.example/jwks'", "'x5u':'https://attacker.example/x5u'",
        "'jwk':{'kty':'oct','k':'AAAAAAAAAAAAAAAAAAAAAA'}", "'x5c':['MIIB']", "'x5t':'AA'",
        "'jku':1", "'jwk':null"}) {
    const Reading reading(with(base + "," + extra), core);
    REQUIRE(reading.header);
    CHECK(reading.header->kid.view() == "k");
    CHECK(reading.header->alg->id == Alg::RSA_OAEP);
    CHECK(outcome(reading.text) == "ok");
  }
}

TEST_CASE("CVE-2026-28490: RSA1_5 is refused by every policy, before anything else",
          "[jose_header]") {
  Policy all = permissive;
  all.algs = AlgSet::from_bits(0xFFFFFFFF);
  for (const Policy& policy : {core, permissive, all}) {
    CHECK(outcome(with("'alg':'RSA1_5','enc':'A128GCM','kid':'k'"), policy) ==
          "unsupported_algorithm");
    CHECK(outcome(with("'alg':'RSA1_5','enc':'A128GCM'"), policy) == "unsupported_algorithm");
  }
}

TEST_CASE(
    "CVE-2023-50967, -49290, -52428, -51775, CVE-2022-36083: PBES2 is refused whatever p2c is",
    "[jose_header]") {
  for (const std::string alg : {"PBES2-HS256+A128KW", "PBES2-HS384+A192KW", "PBES2-HS512+A256KW"})
    for (const std::string p2c : {"1", "4294967295", "99999999999999999999"})
      CHECK(
          outcome(with("'alg':'" + alg + "','enc':'A128GCM','kid':'k','p2s':'AA','p2c':" + p2c)) ==
          "unsupported_algorithm");
}

TEST_CASE("a policy decides by alg and by enc", "[jose_header]") {
  const auto token = [](std::string_view alg, std::string_view enc) {
    return with("'kid':'k','alg':'" + std::string(alg) + "','enc':'" + std::string(enc) + "'");
  };
  for (const Policy& policy : {core, permissive})
    for (const AlgRow& alg : alg_table)
      for (const EncRow& enc : enc_table) {
        const bool allowed = policy.algs.contains(alg.id) && policy.encs.contains(enc.id);
        CHECK(outcome(token(alg.name, enc.name), policy) ==
              (allowed ? "ok" : "unsupported_algorithm"));
      }
}

TEST_CASE("what is not implemented stays off although a policy names it", "[jose_header]") {
  Policy all = permissive;
  all.algs = AlgSet::from_bits(0xFFFFFFFF);
  all.encs = EncSet::from_bits(0xFFFFFFFF);
  for (const AlgRow& alg : alg_table) {
    const std::string token =
        with("'kid':'k','enc':'A128GCM','alg':'" + std::string(alg.name) + "'");
    CHECK((outcome(token, all) == "ok") == (alg.support == Support::implemented));
  }
}

TEST_CASE("the parameters of key agreement, key wrapping and PBES2 are kept as they stand",
          "[jose_header]") {
  const Reading reading(with(base + ",'epk':{'kty':'EC'},'apu':'QQ','apv':'Qg','iv':'aXY',"
                                    "'tag':'dGFn','p2s':'cw','p2c':1000"),
                        core);
  REQUIRE(reading.header);
  const JoseHeader& h = *reading.header;
  REQUIRE((h.epk && h.apu && h.apv && h.iv && h.tag && h.p2s && h.p2c));
  CHECK(h.epk->text() == js("{'kty':'EC'}"));
  CHECK(h.apu->as_string().equals("QQ"));
  CHECK(h.apv->as_string().equals("Qg"));
  CHECK(h.iv->as_string().equals("aXY"));
  CHECK(h.tag->as_string().equals("dGFn"));
  CHECK(h.p2s->as_string().equals("cw"));
  CHECK(h.p2c->as_uint32() == 1000U);
}

TEST_CASE("no protected header decodes to none", "[jose_header]") {
  HeaderBuffer buffer;
  const auto decoded = decode_protected_header("", buffer, Limits{});
  REQUIRE(decoded);
  CHECK_FALSE(*decoded);
}
