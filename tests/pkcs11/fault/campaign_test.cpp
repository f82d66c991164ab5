// SPDX-License-Identifier: Apache-2.0
#include "campaign.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <iostream>
#include <optional>

#include "../wrapping_key.hpp"
#include "expectation.hpp"
#include "faulty.hpp"
#include "providers/pkcs11/hsm_provider.hpp"

// Every code of the recovery table at every call of every operation: no crash, no hang, no wrong
// answer, nothing leaked, and it works again.
//
// The long form, half an hour for a token:
//   JWEKMS_CAMPAIGN=long ctest --preset release --timeout 20000 -R pkcs11-fault
// Without it, the paths that make many calls get one code of each row of the table, and of the many
// like calls the first few. JWEKMS_CAMPAIGN_TRACE=1 names each run as it begins.

using namespace token;
using fault::Fault;
using fault::Outcome;
using faulty::boundaries;
using faulty::module;

namespace {

using namespace std::chrono_literals;

bool is_long() { return std::getenv("JWEKMS_CAMPAIGN") != nullptr; }

/// An operation of the provider under attack.
struct Attack {
  std::string name;
  std::function<std::string()> operate;  ///< "ok", or the name of an error, or what is wrong
  expectation::Operation expected = {};
  std::function<bool(const std::string& answer)> look = {};  ///< afterwards: is it well done?
  std::function<void()> renew = {};  ///< After the module was loaded again: forget the back-off.
};

void run(const Attack& attack, fault::Options options) {
  std::string answer;
  bool reloaded = !options.before.empty();
  options.afterwards = [&](Outcome outcome) {
    return !attack.look || attack.look(answer) ? outcome : Outcome::wrong;
  };
  options.between = [&] {
    const bool renews = reloaded && attack.renew;
    if (renews) attack.renew();
    reloaded = !options.before.empty();
    return renews;
  };
  const auto started = std::chrono::steady_clock::now();
  const fault::Report report = fault::campaign(
      module(), options,
      [&] {
        answer = attack.operate();
        if (answer == "ok") return Outcome::ok;
        for (const Errc code : {Errc::unavailable, Errc::decryption_failed, Errc::internal_error,
                                Errc::unsupported_algorithm, Errc::forbidden, Errc::crypto_failure})
          if (answer == jwekms::name(code)) return Outcome::clean_error;
        return Outcome::wrong;
      },
      [&](const Fault& fault, Outcome outcome) {
        reloaded |= outcome != Outcome::ok ||
                    expectation::row_of(fault.code) == expectation::Row::device ||
                    expectation::connects(fault.function);
        if (outcome == Outcome::wrong) return "answered " + answer;
        return expectation::wrong_with(fault, answer, attack.expected);
      });
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  std::cout << attack.name << ": " << report.runs << " runs, " << report.ok << " made good, "
            << report.clean_errors << " reported, " << report.missed << " missed, " << took.count()
            << " s" << std::endl;
  INFO(attack.name);
  CHECK(report.runs > 0);
  for (const std::string& failure : report.failures) FAIL_CHECK(failure);
}

/// Few calls: all of them, with every code.
fault::Options thorough() { return {}; }

/// Many calls, which do much the same.
fault::Options quick(unsigned max_nth = 3) {
  fault::Options options;
  if (is_long()) return options;
  options.max_nth = max_nth;
  options.codes = {CKR_SESSION_CLOSED, CKR_OBJECT_HANDLE_INVALID,    CKR_USER_NOT_LOGGED_IN,
                   CKR_DEVICE_ERROR,   CKR_CRYPTOKI_NOT_INITIALIZED, CKR_GENERAL_ERROR,
                   CKR_HOST_MEMORY,    CKR_BUFFER_TOO_SMALL,         CKR_VENDOR_DEFINED + 1};
  return options;
}

std::string without_mark(const std::string& answer) {
  constexpr std::string_view mark = "error: ";
  return answer.starts_with(mark) ? answer.substr(mark.size()) : "answered " + answer;
}
std::string decrypts(const Kms& kms, const std::string& text, const std::string& wanted) {
  const std::string answer = decrypt(kms, text);
  return answer == wanted ? "ok" : without_mark(answer);
}

template <class T>
std::string word(const Result<T>& result) {
  return std::string(support::code_of(result));
}

/// What is sure to come right, once a reload may be done again.
template <class Call>
bool comes_right(Call call) {
  const auto end = std::chrono::steady_clock::now() + 10s;
  while (!call()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(20ms);
  }
  return true;
}

/// One code of each row, for what has been attacked elsewhere with all.
fault::Options brief(unsigned max_nth = 2) {
  fault::Options options;
  if (is_long()) return options;
  options.max_nth = max_nth;
  options.codes = {CKR_SESSION_CLOSED, CKR_USER_NOT_LOGGED_IN, CKR_DEVICE_ERROR, CKR_GENERAL_ERROR,
                   CKR_HOST_MEMORY};
  return options;
}

const char* name_of(CekBoundary boundary) {
  return boundary == CekBoundary::process ? "process" : "hsm";
}

/// A provider that is open and can be opened anew.
struct Hot {
  CekBoundary boundary;
  std::string database = {};
  std::optional<Kms> kms = {};
  std::function<void()> warm = {};
  void renew() {
    kms.reset();
    kms = try_open(options(boundary), database).value();
    if (warm) warm();
  }
};

}  // namespace

TEST_CASE("campaign: open and close") {
  run({.name = "open", .operate = [] { return word(try_open(options())); }}, quick());
}

TEST_CASE("campaign: cold describe") {
  std::string uid;
  {
    const Kms kms = open();
    uid = rsa_uid(kms);
  }
  run({.name = "describe, cold",
       .operate =
           [&] {
             const Result<Kms> kms = try_open(options());
             if (!kms) return word(kms);
             const Result<KeyInfo> info = kms->describe_key(uid);
             if (!info) return word(info);
             return std::string(info->may_decrypt && info->bits == 2048 ? "ok" : "half an answer");
           }},
      quick(12));
}

TEST_CASE("campaign: hot decrypt") {
  for (const CekBoundary boundary : boundaries())
    for (const Alg alg : {Alg::RSA_OAEP, Alg::RSA_OAEP_256}) {
      const bool inside = boundary == CekBoundary::hsm;
      if (inside && alg == Alg::RSA_OAEP_256 && !expected().boundary_sha256) continue;
      Hot hot{boundary};
      std::string text;
      hot.warm = [&] {
        const std::string uid = rsa_uid(*hot.kms, boundary);
        if (text.empty()) text = make(*hot.kms, uid, alg, Enc::A192GCM, "campaign");
        (void)decrypt(*hot.kms, text);
      };
      hot.renew();
      run({.name = "decrypt, hot, " + std::string(row(alg).name) + ", " + name_of(boundary),
           .operate = [&] { return decrypts(*hot.kms, text, "campaign"); },
           .expected = {.in_boundary = inside},
           .renew = [&] { hot.renew(); }},
          thorough());
    }
}

TEST_CASE("campaign: a bad token text is refused, or the token is in doubt") {
  for (const CekBoundary boundary : boundaries()) {
    Hot hot{boundary};
    std::string good;
    hot.warm = [&] {
      const std::string uid = rsa_uid(*hot.kms, boundary);
      if (good.empty()) good = make(*hot.kms, uid, Alg::RSA_OAEP, Enc::A192GCM, "campaign");
      (void)decrypt(*hot.kms, good);
    };
    hot.renew();
    const std::size_t in_key = good.find('.') + 9, in_tag = good.size() - 5;
    for (const std::size_t at : {in_key, in_tag}) {
      const std::string bad = support::with_other_letter(good, at);
      run({.name = std::string("decrypt, hot, bad ") + (at == in_key ? "key, " : "tag, ") +
                   name_of(boundary),
           .operate =
               [&] {
                 const std::string answer = decrypt(*hot.kms, bad);
                 return answer == "error: decryption_failed" ? "ok" : without_mark(answer);
               },
           .expected = {.bad_text = true},
           .look =
               [&](const std::string&) {
                 return comes_right([&] { return decrypt(*hot.kms, good) == "campaign"; });
               },
           .renew = [&] { hot.renew(); }},
          thorough());
    }
  }
}

TEST_CASE("campaign: open while somebody else uses the token") {
  Hot other{CekBoundary::process};
  std::string text;
  other.warm = [&] {
    if (text.empty())
      text = make(*other.kms, rsa_uid(*other.kms), Alg::RSA_OAEP, Enc::A192GCM, "campaign");
    (void)decrypt(*other.kms, text);
  };
  other.renew();
  // The other keeps the module: what is left open is not finalised away.
  run({.name = "open, beside another",
       .operate = [] { return word(try_open(options())); },
       .look =
           [&](const std::string&) {
             return comes_right([&] { return decrypt(*other.kms, text) == "campaign"; });
           },
       .renew = [&] { other.renew(); }},
      brief());
}

TEST_CASE("campaign: a second fault while the first is put right") {
  for (const CekBoundary boundary : boundaries()) {
    Hot hot{boundary};
    std::string text;
    hot.warm = [&] {
      if (text.empty())
        text = make(*hot.kms, rsa_uid(*hot.kms, boundary), Alg::RSA_OAEP, Enc::A192GCM, "campaign");
      (void)decrypt(*hot.kms, text);
    };
    hot.renew();
    const std::string function = boundary == CekBoundary::hsm ? "C_UnwrapKey" : "C_Decrypt";
    for (const CK_RV first : {CKR_SESSION_CLOSED, CKR_USER_NOT_LOGGED_IN, CKR_DEVICE_ERROR}) {
      fault::Options options = brief(first == CKR_DEVICE_ERROR ? 1 : 2);
      options.before = {{function, 1, first}};
      run({.name = "decrypt, hot, " + std::string(name_of(boundary)) + ", after " +
                   pkcs11::name_of(first),
           .operate = [&] { return decrypts(*hot.kms, text, "campaign"); },
           .expected = {.in_boundary = boundary == CekBoundary::hsm, .recovering = true},
           .renew = [&] { hot.renew(); }},
          options);
    }
  }
}

TEST_CASE("campaign: cold decrypt") {
  for (const CekBoundary boundary : boundaries()) {
    std::string text;
    {
      const Kms kms = open(boundary);
      text = make(kms, rsa_uid(kms, boundary), Alg::RSA_OAEP, Enc::A256GCM, "campaign");
    }
    run({.name = std::string("decrypt, cold, ") + name_of(boundary),
         .operate =
             [&] {
               const Result<Kms> kms = try_open(options(boundary));
               return kms ? decrypts(*kms, text, "campaign") : word(kms);
             },
         .expected = {.probing = true, .in_boundary = boundary == CekBoundary::hsm}},
        quick(1));
  }
}

TEST_CASE("campaign: dir") {
  if (!expected().gcm) return;
  const std::string uid = prefix() + "campaign-dir";
  Hot hot{CekBoundary::process};
  hot.renew();
  (void)hot.kms->create_key({.uid = uid, .type = KeyType::oct}).value();
  const std::string text = token::encrypt(*hot.kms, uid, Alg::dir, Enc::A256GCM, "direct");
  hot.warm = [&] { (void)decrypt(*hot.kms, text); };
  run({.name = "dir decrypt, hot",
       .operate = [&] { return decrypts(*hot.kms, text, "direct"); },
       .renew = [&] { hot.renew(); }},
      thorough());
  std::string made;
  run({.name = "dir encrypt, hot",
       .operate =
           [&] {
             made = token::encrypt(*hot.kms, uid, Alg::dir, Enc::A256GCM, "again");
             return made.starts_with("error: ") ? without_mark(made) : "ok";
           },
       .look =
           [&](const std::string& answer) {
             return answer != "ok" ||
                    comes_right([&] { return decrypt(*hot.kms, made) == "again"; });
           },
       .renew = [&] { hot.renew(); }},
      thorough());
  hot.kms.reset();
  run({.name = "dir decrypt, cold",
       .operate =
           [&] {
             const Result<Kms> kms = try_open(options());
             return kms ? decrypts(*kms, text, "direct") : word(kms);
           }},
      quick(2));
  (void)open().set_key_state(uid, KeyState::destroyed).value();
}

TEST_CASE("campaign: unwrap a CEK to the database") {
  const support::TempDir dir;
  Hot hot{CekBoundary::process, dir.file("keys")};
  hot.renew();
  const std::string parent = rsa_uid(*hot.kms);
  const Cek cek = random_cek(32);
  const EncRow& enc = row(Enc::A256GCM);
  const AlgRow& alg = row(Alg::RSA_OAEP);
  const std::string text =
      compact(parent, alg, enc, public_key(*hot.kms, parent)->wrap(alg, cek).value(), cek, "x");
  hot.warm = [&] { (void)decrypt(*hot.kms, text); };
  hot.warm();
  std::string uid;
  run({.name = "unwrap to the database",
       .operate =
           [&] {
             const Result<KeyInfo> kept = hot.kms->unwrap_key(text, {});
             if (kept) uid = kept->uid;
             return word(kept);
           },
       .look =
           [&](const std::string& answer) {
             if (answer != "ok") return true;
             const std::string kept = compact(uid, row(Alg::dir), enc, {}, cek, "kept");
             return decrypt(*hot.kms, kept) == "kept";
           },
       .renew = [&] { hot.renew(); }},
      thorough());
}

TEST_CASE("campaign: unwrap a CEK to the token") {
  if (!expected().boundary_sha1) return;
  Hot hot{CekBoundary::hsm};
  hot.renew();
  const std::string parent = rsa_uid(*hot.kms, CekBoundary::hsm);
  const Cek cek = random_cek(24);
  const EncRow& enc = row(Enc::A192GCM);
  const AlgRow& alg = row(Alg::RSA_OAEP);
  const std::string text =
      compact(parent, alg, enc, public_key(*hot.kms, parent)->wrap(alg, cek).value(), cek, "x");
  hot.warm = [&] { (void)decrypt(*hot.kms, text); };
  hot.warm();
  const std::string uid = prefix() + "campaign-kept";
  run({.name = "unwrap to the token",
       .operate = [&] { return word(hot.kms->unwrap_key(text, {.uid = uid})); },
       .expected = {.in_boundary = true, .keeps = true},
       .look =
           [&](const std::string& answer) {
             if (answer != "ok") return true;
             const std::string kept = compact(uid, row(Alg::dir), enc, {}, cek, "kept");
             return comes_right([&] { return decrypt(*hot.kms, kept) == "kept"; }) &&
                    hot.kms->set_key_state(uid, KeyState::destroyed);
           },
       .renew = [&] { hot.renew(); }},
      quick(4));
}

TEST_CASE("campaign: make and destroy keys") {
  Hot hot{CekBoundary::process};
  hot.renew();
  const std::string uid = prefix() + "campaign-made";
  const auto gone_again = [&](const std::string& answer) {
    return answer != "ok" ||
           comes_right([&] { return bool(hot.kms->set_key_state(uid, KeyState::destroyed)); });
  };
  run({.name = "make an AES key",
       .operate = [&] { return word(hot.kms->create_key({.uid = uid, .type = KeyType::oct})); },
       .look = gone_again,
       .renew = [&] { hot.renew(); }},
      quick(6));
  // Prime numbers take their time.
  fault::Options few = quick(1);
  if (!is_long()) few.codes = {CKR_SESSION_CLOSED, CKR_DEVICE_ERROR, CKR_GENERAL_ERROR};
  few.skip = [](const Fault& fault) {
    return !is_long() &&
           !expectation::is_one_of(fault.function, {"C_GenerateKeyPair", "C_GetAttributeValue",
                                                    "C_FindObjects", "C_DestroyObject"});
  };
  run({.name = "make an RSA pair",
       .operate = [&] { return word(hot.kms->create_key({.uid = uid})); },
       .look = gone_again,
       .renew = [&] { hot.renew(); }},
      few);
  fault::Options halves = brief(2);
  halves.skip = [](const Fault& fault) {
    return !is_long() &&
           !expectation::is_one_of(fault.function, {"C_DestroyObject", "C_FindObjects"});
  };
  for (const KeyType type : {KeyType::oct, KeyType::rsa}) {
    const CreateKey request{.uid = uid, .type = type};
    (void)hot.kms->create_key(request).value();
    run({.name = type == KeyType::oct ? "destroy an AES key" : "destroy an RSA pair",
         .operate = [&] { return word(hot.kms->set_key_state(uid, KeyState::destroyed)); },
         .look =
             [&](const std::string& answer) {
               // What was not destroyed is still there.
               return comes_right([&] {
                 return support::code_of(hot.kms->create_key(request)) ==
                        (answer == "ok" ? "ok" : "conflict");
               });
             },
         .renew = [&] { hot.renew(); }},
        type == KeyType::oct ? quick(4) : halves);
    (void)hot.kms->set_key_state(uid, KeyState::destroyed).value();
  }
}

TEST_CASE("campaign: list") {
  Hot hot{CekBoundary::process};
  hot.renew();
  const std::string uid = prefix() + "campaign-listed";
  (void)hot.kms->create_key({.uid = uid, .type = KeyType::oct}).value();
  (void)rsa_uid(*hot.kms);
  const auto count = [&] { return hot.kms->list_keys({}, instance_prefix()); };
  const std::size_t all = count().value().keys.size();
  run({.name = "list",
       .operate =
           [&] {
             const Result<KeyPage> page = count();
             if (!page) return word(page);
             for (const KeyInfo& info : page->keys)
               if (info.uid == uid && !info.may_decrypt) return std::string("half an answer");
             return std::string(page->keys.size() == all ? "ok" : "keys are missing");
           },
       .renew = [&] { hot.renew(); }},
      quick(12));
  (void)hot.kms->set_key_state(uid, KeyState::destroyed).value();
}

TEST_CASE("campaign: wrap and unwrap a database's key") {
  if (!expects("key-encryption key: AES-GCM")) return;
  for (const Use use : {Use::gcm, Use::key_wrap}) {
    const WrappingKey key("campaign-kek", use);
    const auto access = InsecureSecretAccess::token();
    const std::vector<HsmOptions> all{options()};
    std::vector<std::shared_ptr<KeyProvider>> hsms;
    std::shared_ptr<core::KekWrapper> wrapper;
    const auto renew = [&] {
      wrapper.reset();
      hsms.clear();
      hsms = pkcs11::open_hsms(support::library(), all, {}, {}, {}, Policy::permissive()).value();
      wrapper = pkcs11::open_kek_wrapper(support::library(), hsms, key.uid, {}).value();
    };
    renew();
    Kek kek;
    std::ranges::fill(kek.fill(Kek::capacity, access), std::uint8_t{7});
    core::WrappedKek wrapped;
    const std::string way = use == Use::gcm ? "AES-GCM" : "AES key wrap";
    run({.name = "wrap a database's key, " + way,
         .operate =
             [&] {
               Result<core::WrappedKek> made = wrapper->wrap(kek);
               if (made) wrapped = *std::move(made);
               return word(made);
             },
         .look =
             [&](const std::string& answer) {
               return answer != "ok" || comes_right([&] {
                        Kek back;
                        return wrapper->unwrap(wrapped, back) &&
                               std::ranges::equal(back.bytes(access), kek.bytes(access));
                      });
             },
         .renew = renew},
        thorough());
    run({.name = "unwrap a database's key, " + way,
         .operate =
             [&] {
               Kek back;
               const Result<void> done = wrapper->unwrap(wrapped, back);
               if (done && !std::ranges::equal(back.bytes(access), kek.bytes(access)))
                 return std::string("another key");
               return word(done);
             },
         .expected = {.tells_wrong_key = true},
         .renew = renew},
        thorough());
  }
}

TEST_CASE("campaign: rewrap a database's key") {
  if (!expects("key-encryption key: AES-GCM")) return;
  const support::TempDir dir;
  const std::string path = dir.file("keys");
  const WrappingKey one("campaign-one", Use::gcm), two("campaign-two", Use::gcm);
  const std::string *mine = &one.uid, *other = &two.uid;
  (void)jwekms::open(with_kek(path, *mine)).value();
  run({.name = "rewrap a database's key",
       .operate = [&] { return word(rewrap_database(with_kek(path, *mine), *other)); },
       .expected = {.probing = true, .tells_wrong_key = true},
       .look =
           [&](const std::string& answer) {
             if (answer == "ok") std::swap(mine, other);
             return comes_right([&] { return bool(jwekms::open(with_kek(path, *mine))); });
           }},
      brief(1));
}

TEST_CASE("campaign: reencrypt") {
  for (const CekBoundary boundary : boundaries()) {
    Hot hot{boundary};
    std::string text, made;
    hot.warm = [&] {
      const std::string uid = rsa_uid(*hot.kms, boundary);
      if (text.empty()) text = make(*hot.kms, uid, Alg::RSA_OAEP, Enc::A192GCM, "campaign");
      (void)decrypt(*hot.kms, text);
    };
    hot.renew();
    const std::string uid = rsa_uid(*hot.kms, boundary);
    run({.name = std::string("reencrypt, hot, ") + name_of(boundary),
         .operate =
             [&] {
               const EncryptOptions to{.key = uid, .alg = Alg::RSA_OAEP, .enc = Enc::A192GCM};
               made.assign(hot.kms->reencrypt_bound(text, to).value(), '\0');
               const Result<std::size_t> size = hot.kms->reencrypt(text, made, {}, to);
               made.resize(size ? *size : 0);
               return word(size);
             },
         .expected = {.in_boundary = boundary == CekBoundary::hsm},
         .look =
             [&](const std::string& answer) {
               return answer != "ok" ||
                      comes_right([&] { return decrypt(*hot.kms, made) == "campaign"; });
             },
         .renew = [&] { hot.renew(); }},
        thorough());
  }
}

TEST_CASE("campaign: public halves") {
  std::string uid, jwk;
  {
    const Kms kms = open();
    uid = rsa_uid(kms);
    jwk = kms.public_jwk(uid).value();
  }
  run({.name = "public_jwk, cold",
       .operate =
           [&] {
             const Result<Kms> kms = try_open(options());
             if (!kms) return word(kms);
             const Result<std::string> got = kms->public_jwk(uid);
             return got && *got != jwk ? "another key" : word(got);
           }},
      brief(1));
  run({.name = "public_jwks, cold",
       .operate =
           [&] {
             const Result<Kms> kms = try_open(options());
             if (!kms) return word(kms);
             const Result<std::string> got = kms->public_jwks();
             return got && got->find(jwk.substr(1, 40)) == got->npos ? "a key is missing"
                                                                     : word(got);
           }},
      brief(1));
}

TEST_CASE("campaign: cold encrypt to an RSA key") {
  std::string uid;
  {
    const Kms kms = open();
    uid = rsa_uid(kms);
  }
  std::string made;
  run({.name = "encrypt, cold",
       .operate =
           [&] {
             const Result<Kms> kms = try_open(options());
             if (!kms) return word(kms);
             made = token::encrypt(*kms, uid, Alg::RSA_OAEP, Enc::A128GCM, "sealed");
             return made.starts_with("error: ") ? without_mark(made) : "ok";
           },
       .look =
           [&](const std::string& answer) {
             return answer != "ok" || decrypt(open(), made) == "sealed";
           }},
      quick(1));
}
