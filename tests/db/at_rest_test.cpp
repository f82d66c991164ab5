// SPDX-License-Identifier: Apache-2.0
#include <SQLiteCpp/Backup.h>
#include <openssl/core_names.h>
#include <openssl/x509.h>

#include <algorithm>
#include <unordered_set>

#include "check.hpp"
#include "crypto/openssl.hpp"
#include "providers/db/kek.hpp"
#include "providers/db/record.hpp"

using namespace jwekms;
using namespace jwekms::db::test;

namespace {

std::string hex_of(const Bytes& bytes, const char* digits) {
  std::string text;
  for (const std::uint8_t b : bytes) text += {digits[b >> 4], digits[b & 15]};
  return text;
}

std::string base64url_of(const Bytes& bytes) {
  std::string text(base64url::encoded_size(bytes.size()), '\0');
  base64url::encode(bytes, text.data());
  return text;
}

/// Looks for any 16 bytes in a row of any secret: as they are, in hexadecimal, in base64.
class Scanner {
 public:
  static constexpr std::size_t run = 16;

  void add(const Bytes& secret) {
    REQUIRE(secret.size() >= run);
    add_windows({secret.begin(), secret.end()}, run);
    add_windows(hex_of(secret, "0123456789abcdef"), 2 * run);
    add_windows(hex_of(secret, "0123456789ABCDEF"), 2 * run);
    for (std::size_t skip = 0; skip < 3; ++skip) {
      // 16 bytes make 20 whole characters at any of the three alignments.
      std::string text =
          base64url_of({secret.begin() + static_cast<std::ptrdiff_t>(skip), secret.end()});
      text = text.substr(0, (secret.size() - skip) * 8 / 6);
      add_windows(text, 20);
      std::replace(text.begin(), text.end(), '-', '+');
      std::replace(text.begin(), text.end(), '_', '/');
      add_windows(text, 20);
    }
  }

  [[nodiscard]] bool finds_in(const Bytes& bytes) const {
    const std::string_view all(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    for (const std::size_t size : {run, 2 * run, std::size_t{20}})
      for (std::size_t i = 0; i + size <= all.size(); ++i)
        if (windows_.contains(all.substr(i, size))) return true;
    return false;
  }

  /// Every file in a directory but the key-encryption key's.
  [[nodiscard]] std::vector<std::string> files_with_secrets(const std::string& directory) const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
      if (!entry.is_regular_file() || entry.path().extension() == ".kek") continue;
      if (finds_in(read_file(entry.path()))) found.push_back(entry.path().filename());
    }
    return found;
  }

 private:
  void add_windows(const std::string& text, std::size_t size) {
    for (std::size_t i = 0; i + size <= text.size(); ++i) windows_.insert(text.substr(i, size));
  }
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;
  };
  std::unordered_set<std::string, Hash, std::equal_to<>> windows_;
};

/// The private numbers of an RSA key, big-endian.
std::vector<Bytes> rsa_secrets(const Bytes& der) {
  const std::uint8_t* at = der.data();
  const crypto::PkeyPtr pkey(
      d2i_PrivateKey(EVP_PKEY_RSA, nullptr, &at, static_cast<long>(der.size())));
  REQUIRE(pkey);
  std::vector<Bytes> secrets;
  for (const char* name : {OSSL_PKEY_PARAM_RSA_D, OSSL_PKEY_PARAM_RSA_FACTOR1,
                           OSSL_PKEY_PARAM_RSA_FACTOR2, OSSL_PKEY_PARAM_RSA_EXPONENT1,
                           OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1}) {
    BIGNUM* raw_number = nullptr;
    REQUIRE(EVP_PKEY_get_bn_param(pkey.get(), name, &raw_number) == 1);
    const crypto::SecretBnPtr number(raw_number);
    Bytes bytes(static_cast<std::size_t>(BN_num_bytes(number.get())));
    BN_bn2bin(number.get(), bytes.data());
    secrets.push_back(bytes);
  }
  return secrets;
}

Bytes copy_of(std::span<const std::uint8_t> bytes) { return {bytes.begin(), bytes.end()}; }

/// What the database holds under a UID, which nobody can ask the provider for.
Bytes stored_secret(const TempDir& dir, const std::string& uid) {
  const auto store = db::make_store(options_in(dir));
  const db::HeldKek kek = *db::read_kek_file(dir.file("keys.db.kek")).value();
  const auto opened = db::open_record(*library(), kek.kek(), *store->find_key(uid).value()).value();
  return copy_of(opened.secret.bytes(InsecureSecretAccess::token()));
}

void back_up(const TempDir& dir) {
  const std::string name = dir.file("backup");
  std::filesystem::remove(name + ".vacuum");
  std::filesystem::remove(name + ".api");
  SQLite::Database from = raw(dir.file("keys.db"));
  from.exec("VACUUM INTO '" + name + ".vacuum'");
  SQLite::Database to(name + ".api", SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
  SQLite::Backup(to, from).executeStep();
}

}  // namespace

TEST_CASE("the scanner finds what is planted", "[db]") {
  Bytes secret(48);
  for (std::size_t i = 0; i < secret.size(); ++i) secret[i] = static_cast<std::uint8_t>(i * 37 + 5);
  Scanner scanner;
  scanner.add(secret);
  const auto text = [](const std::string& s) { return Bytes(s.begin(), s.end()); };
  const auto part = [&](std::size_t from, std::size_t size) {
    return Bytes(secret.begin() + static_cast<std::ptrdiff_t>(from),
                 secret.begin() + static_cast<std::ptrdiff_t>(from + size));
  };
  for (std::size_t from = 0; from + 16 <= secret.size(); ++from) {
    Bytes around(100, 0xEE);
    const Bytes planted = part(from, 16);
    std::copy(planted.begin(), planted.end(), around.begin() + 33);
    CHECK(scanner.finds_in(around));
    around[40] ^= 1;
    CHECK_FALSE(scanner.finds_in(around));
    CHECK(scanner.finds_in(text("k=" + hex_of(planted, "0123456789abcdef") + ";")));
    CHECK(scanner.finds_in(text("k=" + hex_of(planted, "0123456789ABCDEF") + ";")));
    CHECK(scanner.finds_in(text("\"" + base64url_of(part(from, 16)) + "\"")));
  }
  CHECK_FALSE(scanner.finds_in(Bytes(4096, 0)));

  // And in a database, where somebody stored a key as it is.
  const TempDir dir;
  (void)open_db(dir)->create(oct_request("k")).value();
  CHECK(scanner.files_with_secrets(dir.path()).empty());
  SQLite::Database careless = raw(dir.file("keys.db"));
  SQLite::Statement plant(careless, "UPDATE keys SET owner = ?");
  plant.bind(1, secret.data(), 48);
  plant.exec();
  CHECK(scanner.files_with_secrets(dir.path()) == std::vector<std::string>{"keys.db-wal"});
  careless.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  CHECK(scanner.files_with_secrets(dir.path()) == std::vector<std::string>{"keys.db"});
}

TEST_CASE("no secret is in the database, its log or a backup, after any operation", "[db]") {
  const TempDir dir;
  const auto db = open_db(dir);
  Scanner scanner;
  const db::HeldKek kek = *db::read_kek_file(dir.file("keys.db.kek")).value();
  scanner.add(copy_of(kek.kek().bytes(InsecureSecretAccess::token())));
  const auto clean_after = [&](const char* operation) {
    INFO(operation);
    back_up(dir);
    CHECK(scanner.files_with_secrets(dir.path()).empty());
  };
  clean_after("open");

  (void)db->create(oct_request("created")).value();
  scanner.add(stored_secret(dir, "created"));
  clean_after("create oct");

  (void)db
      ->create({.uid = "created rsa",
                .type = KeyType::rsa,
                .bits = 2048,
                .algs = {},
                .enc = {},
                .aliases = {},
                .owner = {}})
      .value();
  for (const Bytes& secret : rsa_secrets(stored_secret(dir, "created rsa"))) scanner.add(secret);
  clean_after("create RSA");

  (void)db->import(rsa_import(rsa_der(), "rsa")).value();
  for (const Bytes& secret : rsa_secrets(rsa_der())) scanner.add(secret);
  clean_after("import RSA");

  Bytes oct(32);
  REQUIRE(library()->random(oct));
  (void)db->import(raw_import(oct, "oct")).value();
  scanner.add(oct);
  CHECK(stored_secret(dir, "oct") == oct);
  clean_after("import oct");

  const auto parent = db->resolve("rsa").value();
  const AlgRow& alg = row(Alg::RSA_OAEP);
  const EncRow& enc = row(Enc::A256GCM);
  const NewCek cek = parent->wrap(alg, enc).value();
  const JoseHeader header{};
  (void)db
      ->import_wrapped(*parent, {alg, enc, header, {cek.encrypted_key}},
                       {.uid = "kept", .aliases = {}, .owner = {}})
      .value();
  scanner.add(stored_secret(dir, "kept"));
  clean_after("import_wrapped");

  for (const char* uid : {"created", "created rsa", "rsa", "oct", "kept"}) {
    CHECK(works(*db, uid));
    clean_after("resolve and use");
    CHECK(db->add_alias(uid, std::string("alias of ") + uid));
    clean_after("add_alias");
    CHECK(db->remove_alias(uid, std::string("alias of ") + uid));
    clean_after("remove_alias");
    (void)db->set_state(uid, KeyState::deactivated).value();
    clean_after("deactivate");
    (void)db->set_state(uid, KeyState::compromised).value();
    clean_after("compromise");
  }
  (void)db->list({}).value();
  clean_after("list");
  for (const char* uid : {"created", "created rsa", "rsa", "oct", "kept"}) {
    (void)db->set_state(uid, KeyState::destroyed).value();
    clean_after("destroy");
  }
}

TEST_CASE("a destroyed key's sealed bytes are gone from the files", "[db]") {
  const TempDir dir;
  const auto db = open_db(dir);
  (void)db->import(rsa_import(rsa_der(), "rsa")).value();
  (void)db->create(oct_request("oct")).value();
  Scanner sealed;
  const auto store = db::make_store(options_in(dir));
  for (const char* uid : {"rsa", "oct"}) sealed.add((*store->find_key(uid).value()).sealed);
  CHECK_FALSE(sealed.files_with_secrets(dir.path()).empty());
  (void)db->set_state("rsa", KeyState::destroyed).value();
  (void)db->set_state("oct", KeyState::destroyed).value();
  CHECK(sealed.files_with_secrets(dir.path()).empty());
  CHECK((*store->find_key("rsa").value()).sealed.empty());
}
