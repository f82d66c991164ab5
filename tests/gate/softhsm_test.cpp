// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>

#include "../pkcs11/token.hpp"
#include "table.hpp"

using namespace gate;

// The table again, with keys in a real token. Hidden: tests/pkcs11/run.sh makes the tokens first.

namespace {

/// hana's HSM, and henk's beside it.
Options options_with_hsms(const TempDir& folder) {
  HsmOptions hanas = token::options();
  hanas.admins = {"someone", "hana"};
  HsmOptions henks = token::options();
  henks.slots[0].token_label = "spare";
  henks.admins = {"henk"};
  Options options = options_in(folder);
  options.hsms = {hanas, henks};
  return options;
}

class InToken final : public Place {
 public:
  explicit InToken(const Kms& host_kms) : Place(host_kms) { renew(); }
  std::string token(const std::string& kid) const override {
    return ::token::compact(kid, row(Alg::RSA_OAEP), row(Enc::A256GCM), wrapped_, cek_, "content");
  }
  std::string dir_token() const override {
    return encrypt(host, bytes("content"), {.key = oct, .alg = Alg::dir}).value();
  }
  std::string listing() const override { return ::token::instance_prefix(); }
  std::string state() const override {
    std::string all;
    const KeyPage page = host.list_keys({.limit = 1000}, listing()).value();
    for (const KeyInfo& info : page.keys) all += info.uid + '\n';
    const std::vector<Grant> grants = host.grants(rsa).value();
    for (const Grant& grant : grants) all += grant.principal + '\n';
    return all;
  }

 private:
  std::string prefix() const override { return ::token::prefix() + "gate-"; }
  void make_keys() override {
    (void)host.create_key({.uid = rsa}).value();
    (void)host.create_key({.uid = oct, .type = KeyType::oct}).value();
    cek_ = ::token::random_cek(32);
    wrapped_ = ::token::public_key(host, rsa)->wrap(row(Alg::RSA_OAEP), cek_).value();
  }
  Cek cek_;
  Bytes wrapped_;
};

}  // namespace

TEST_CASE("who may do what with keys in a token", "[.softhsm]") {
  const TempDir folder;
  const Kms host = open(options_with_hsms(folder)).value();
  make_own_keys(host);
  InToken place(host);
  // What this provider does not offer.
  const std::set<std::string> not_offered{"create_key for another", "import_key",
                                          "import_key for another", "add_alias",
                                          "remove_alias",           "set_key_state"};
  for (const Row& row : hsm_table)
    check_row(row, place, not_offered.contains(row.operation) ? "bad_request" : "");
  check_row(into_hsm, place);
}

TEST_CASE("a new key under an old label of a token inherits no grants", "[.softhsm]") {
  const TempDir folder;
  const Kms host = open(options_with_hsms(folder)).value();
  const Kms dora = as(host, "dora");
  const std::string label = "old-label", uid = token::prefix() + label;
  const auto forbidden = [&] {
    CHECK(code_of(dora.describe_key(uid)) == "forbidden");
    CHECK(host.grants(uid).value().empty());
  };
  (void)host.create_key({.uid = uid}).value();
  host.grant(uid, "dora", all_permissions).value();
  CHECK(code_of(dora.describe_key(uid)) == "ok");

  // Destroyed here.
  (void)host.set_key_state(uid, KeyState::destroyed).value();
  CHECK(code_of(dora.describe_key(uid)) == "not_found");
  (void)host.create_key({.uid = uid}).value();
  forbidden();

  // Destroyed by somebody else, while it is still remembered here.
  host.grant(uid, "dora", all_permissions).value();
  CHECK(code_of(dora.describe_key(uid)) == "ok");
  {
    const token::Raw raw;
    raw.check(raw.f->C_DestroyObject(raw.session, raw.find(CKO_PRIVATE_KEY, label).at(0)));
    raw.check(raw.f->C_DestroyObject(raw.session, raw.find(CKO_PUBLIC_KEY, label).at(0)));
  }
  (void)host.create_key({.uid = uid}).value();
  forbidden();
  (void)host.set_key_state(uid, KeyState::destroyed).value();
}

TEST_CASE("the name of a public half leads to a key pair in a token", "[.softhsm]") {
  const TempDir folder;
  const Kms host = open(options_with_hsms(folder)).value();
  const std::string uid = token::prefix() + "with-half";
  (void)host.create_key({.uid = uid}).value();
  CHECK(host.describe_key(uid + "_pk").value().uid == uid);
  CHECK(code_of(host.create_key({.uid = uid + "_pk"})) == "conflict");
  (void)host.set_key_state(uid, KeyState::destroyed).value();
  CHECK(code_of(host.describe_key(uid + "_pk")) == "not_found");
}

TEST_CASE("the admins of a token have names", "[.softhsm]") {
  HsmOptions hsm = token::options();
  hsm.admins = {"a\nb"};
  CHECK(code_of(token::try_open(hsm)) == "bad_request");
  hsm.admins = {"*"};
  const Kms host = token::try_open(hsm).value();
  CHECK(code_of(as(host, "anybody").list_keys({}, token::instance_prefix())) == "ok");
}
