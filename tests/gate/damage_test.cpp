// SPDX-License-Identifier: Apache-2.0
#include <SQLiteCpp/SQLiteCpp.h>

#include <catch2/catch.hpp>

#include "world.hpp"

using namespace gate;

// Somebody who can write to the database grants themselves nothing.

namespace {

const std::string hsm_key = "hsm::softhsm2::0::k";

struct Fixture {
  TempDir folder;
  std::shared_ptr<FullProvider> hsm = std::make_shared<FullProvider>("hsm::softhsm2::");
  Options options = options_in(folder, {hsm});
  Fixture() {
    hsm->put(hsm_key, KeyType::rsa);
    const Kms host = open(options).value();
    const Bytes der = pkcs8(*rsa_key());
    for (const char* uid : {"k", "two"})
      (void)host
          .import_key({.format = KeyFormat::der,
                       .data = der,
                       .uid = uid,
                       .aliases = {std::string(uid) + " alias"},
                       .owner = "olga"})
          .value();
    host.grant("k", "dora", {Permission::encrypt}).value();
    host.grant("k", "emil", {Permission::encrypt}).value();
    host.grant("two", "dora", all_permissions).value();
    host.grant(hsm_key, "*", {Permission::encrypt}).value();
    edit("CREATE TABLE kept AS SELECT * FROM grants");
  }
  void edit(const std::string& sql) const {
    SQLite::Database(folder.file("keys.sqlite"), SQLite::OPEN_READWRITE, 5000).exec(sql);
  }
  void restore() const { edit("DELETE FROM grants; INSERT INTO grants SELECT * FROM kept"); }
  [[nodiscard]] std::string use(const std::string& uid, const std::string& principal) const {
    const Kms host = open(options).value();
    const std::string got(code_of(encrypt(as(host, principal), {}, {.key = uid})));
    const Decrypted decrypted = decrypt(as(host, principal), rsa_token(uid));
    CHECK(decrypted.text() != "content");
    return got;
  }
};

std::string quoted(const std::string& text) { return "CAST('" + text + "' AS BLOB)"; }

}  // namespace

TEST_CASE("an edited grant is damage, whatever was edited", "[gate][threat]") {
  const Fixture f;
  CHECK(f.use("k", "dora") == "ok");
  for (const char* edit :
       {"permissions = 63", "permissions = 1", "permissions = 0", "permissions = -1",
        "permissions = permissions + 4294967296", "permissions = permissions + 64",
        "version = version + 1", "version = 0", "version = 9223372036854775807",
        "iv = zeroblob(12)", "iv = x''", "iv = substr(iv, 2)", "tag = zeroblob(16)", "tag = x''",
        "tag = substr(tag, 1, 15)", "tag = substr(tag, 1, 12)"}) {
    INFO(edit);
    f.edit("UPDATE grants SET " + std::string(edit) + " WHERE uid = " + quoted("k") +
           " AND principal = " + quoted("dora"));
    CHECK(f.use("k", "dora") == "internal_error");
    const Kms host = open(f.options).value();
    CHECK(code_of(host.grants("k")) == "internal_error");
    CHECK(code_of(host.grant("k", "dora", {Permission::encrypt})) == "internal_error");
    CHECK(code_of(as(host, "olga").describe_key("k")) == "ok");
    CHECK(f.use("k", "emil") == "ok");
    // The way out.
    CHECK(code_of(host.revoke("k", "dora")) == "ok");
    CHECK(code_of(host.grant("k", "dora", {Permission::encrypt})) == "ok");
    CHECK(f.use("k", "dora") == "ok");
    f.restore();
  }
}

TEST_CASE("a grant stands for one key and one principal", "[gate][threat]") {
  const Fixture f;
  const auto damaged_after = [&](const std::string& sql, const std::string& uid,
                                 const std::string& principal) {
    INFO(sql);
    f.edit(sql);
    CHECK(f.use(uid, principal) == "internal_error");
    CHECK(code_of(open(f.options).value().grants(uid)) == "internal_error");
    f.restore();
    CHECK(f.use("k", "dora") == "ok");
  };
  const std::string row_of_dora = " WHERE principal = " + quoted("dora") + " AND uid = ";
  // Renamed: for another principal, for all, for another key, for one in the HSM.
  for (const char* to : {"nora", "*", "dor"})
    damaged_after("UPDATE grants SET principal = " + quoted(to) + row_of_dora + quoted("k"), "k",
                  to == std::string("*") ? "nora" : to);
  damaged_after("UPDATE grants SET uid = " + quoted(hsm_key) + row_of_dora + quoted("two"), hsm_key,
                "dora");
  // Swapped and replayed: what makes the row good, from another one.
  for (const char* columns : {"iv, tag", "tag", "permissions, version, iv, tag"})
    damaged_after("UPDATE grants SET (" + std::string(columns) + ") = (SELECT " + columns +
                      " FROM kept" + row_of_dora + quoted("two") + ")" + row_of_dora + quoted("k"),
                  "k", "dora");
  damaged_after(
      "UPDATE grants SET (permissions, version, iv, tag) = (SELECT permissions, version,"
      " iv, tag FROM kept" +
          row_of_dora + quoted("two") + ") WHERE principal = " + quoted("emil"),
      "k", "emil");
  damaged_after("INSERT INTO grants SELECT " + quoted("k") + ", " + quoted("nora") +
                    ", permissions, version, iv, tag FROM kept" + row_of_dora + quoted("two"),
                "k", "nora");
  // One byte over the border between two fields.
  damaged_after("UPDATE grants SET uid = " + quoted("twod") + ", principal = " + quoted("ora") +
                    row_of_dora + quoted("two") + "; UPDATE grants SET uid = " + quoted("k") +
                    " WHERE uid = " + quoted("twod"),
                "k", "ora");
  // The good rows of other kinds.
  damaged_after("UPDATE grants SET (iv, tag) = (SELECT iv, tag FROM aliases WHERE uid = " +
                    quoted("k") + ")" + row_of_dora + quoted("k"),
                "k", "dora");
  damaged_after("UPDATE grants SET (iv, tag) = (SELECT iv, tag FROM keys WHERE uid = " +
                    quoted("k") + ")" + row_of_dora + quoted("k"),
                "k", "dora");
}

TEST_CASE("an owner cannot be written into a row", "[gate][threat]") {
  const Fixture f;
  f.edit("UPDATE keys SET owner = " + quoted("nora"));
  CHECK(f.use("k", "nora") == "internal_error");
  CHECK(f.use("k", "olga") == "internal_error");
}

TEST_CASE("no damaged key is passed over in the JWK Set", "[gate]") {
  const Fixture f;
  CHECK(code_of(open(f.options).value().public_jwks()) == "ok");
  f.edit("UPDATE keys SET sealed = zeroblob(length(sealed)) WHERE uid = " + quoted("two"));
  CHECK(code_of(open(f.options).value().public_jwks()) == "internal_error");
}
