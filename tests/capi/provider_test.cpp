// SPDX-License-Identifier: Apache-2.0
// Key providers of a program's own: what they can do, and that they do it under the same rules as
// all others.
#include "vault.hpp"

using namespace std::string_view_literals;

namespace {

/// A database whose key "db" is the vault's RSA key: what one makes the other must read.
Ctx open_database(const std::string& path) {
  Ctx ctx = open_ctx(open_options(path));
  const support::Bytes der = support::pkcs8(*support::rsa_key());
  jwekms_import_key_options options = JWEKMS_IMPORT_KEY_OPTIONS_INIT;
  options.format = JWEKMS_KEY_FORMAT_DER;
  options.uid = "db";
  options.uid_len = 2;
  REQUIRE(jwekms_import_key(ctx.get(), der.data(), der.size(), &options, nullptr, nullptr) ==
          JWEKMS_OK);
  return ctx;
}

Ctx acting_for(const Ctx& ctx, std::string_view principal) {
  jwekms_ctx* acting = nullptr;
  REQUIRE(jwekms_on_behalf_of(ctx.get(), principal.data(), principal.size(), &acting, nullptr) ==
          JWEKMS_OK);
  return Ctx{acting};
}

Decrypted decrypt_with(const Ctx& ctx, std::string_view token, std::string_view key) {
  jwekms_decrypt_options options = JWEKMS_DECRYPT_OPTIONS_INIT;
  options.key = key.data();
  options.key_len = key.size();
  return decrypt(ctx.get(), token, &options);
}

struct Described {
  jwekms_status status;
  Info info;
};
Described describe(const Ctx& ctx, std::string_view kid) {
  jwekms_key_info* info = nullptr;
  const jwekms_status status =
      jwekms_describe_key(ctx.get(), kid.data(), kid.size(), &info, nullptr);
  return {status, Info{info}};
}

std::string public_jwk(const Ctx& ctx, std::string_view kid) {
  std::string out(20000, '\0');
  std::size_t size = out.size();
  const jwekms_status status =
      jwekms_public_jwk(ctx.get(), kid.data(), kid.size(), out.data(), &size, nullptr);
  if (status != JWEKMS_OK) return jwekms_status_name(status);
  out.resize(size);
  return out;
}

jwekms_status keep_cek(const Ctx& ctx, std::string_view token) {
  return jwekms_unwrap_key(ctx.get(), token.data(), token.size(), nullptr, nullptr, nullptr);
}

}  // namespace

TEST_CASE("keys of a program's own decrypt and encrypt", "[capi][provider]") {
  const std::string_view message = GENERATE(""sv, "a message"sv);
  Vault vault;
  const jwekms_provider table = vault.table();
  const Ctx ctx = open_with(table);
  for (const char* enc : {"A128GCM", "A192GCM", "A256GCM"}) {
    for (const char* key : {"vault::rsa", "vault::stays", "vault::alias"})
      for (const char* alg : {"RSA-OAEP", "RSA-OAEP-256"}) {
        INFO(key << ' ' << alg << ' ' << enc);
        const Encrypted made = try_encrypt(ctx.get(), message, key, alg, enc);
        REQUIRE(made.status == JWEKMS_OK);
        const Decrypted got = decrypt(ctx.get(), made.token);
        CHECK(got.status == JWEKMS_OK);
        CHECK(got.plaintext == message);
      }
  }
  const Encrypted direct = try_encrypt(ctx.get(), message, "vault::aes", "dir");
  REQUIRE(direct.status == JWEKMS_OK);
  CHECK(decrypt(ctx.get(), direct.token).plaintext == message);
  CHECK(try_encrypt(ctx.get(), message, "vault::aes", "dir", "A128GCM").status ==
        JWEKMS_CRYPTO_FAILURE);
  CHECK(try_encrypt(ctx.get(), message, "vault::none").status == JWEKMS_NOT_FOUND);
  CHECK(vault.resolved > 0);
  CHECK(vault.all_released());
}

TEST_CASE("tokens pass between a program's provider and the database", "[capi][provider]") {
  const TemporaryFolder folder;
  const std::string path = folder.file("keys.db");
  const Ctx database = open_database(path);
  Vault vault;
  const jwekms_provider table = vault.table();
  const Ctx ctx = open_with(table, folder.file("other.db"));
  const std::string to_db = encrypt(database, "from the database", encrypt_to("db"));
  for (const char* key : {"vault::rsa", "vault::stays"}) {
    CHECK(decrypt_with(ctx, to_db, key).plaintext == "from the database");
    const std::string to_vault = encrypt(ctx, "from the vault", encrypt_to(key));
    CHECK(decrypt_with(database, to_vault, "db").plaintext == "from the vault");
  }
  // The callback is told the token's own kid, which is not what the key was looked up by.
  CHECK(vault.last_kid == "db");
  CHECK(vault.all_released());
}

TEST_CASE("a CEK that a program's provider unwraps can be kept", "[capi][provider]") {
  const TemporaryFolder folder;
  Vault vault;
  const jwekms_provider table = vault.table();
  const Ctx ctx = open_with(table, folder.file("keys.db"));
  const std::string token = encrypt(ctx, "x", encrypt_to("vault::rsa"));
  jwekms_unwrap_key_options options = JWEKMS_UNWRAP_KEY_OPTIONS_INIT;
  options.uid = "kept";
  options.uid_len = 4;
  jwekms_key_info* info = nullptr;
  REQUIRE(jwekms_unwrap_key(ctx.get(), token.data(), token.size(), &options, &info, nullptr) ==
          JWEKMS_OK);
  CHECK(text_of(jwekms_key_info_parent, Info{info}.get()) == "vault::rsa");
  const std::string later = encrypt(ctx, "later", encrypt_to("kept", "dir"));
  CHECK(decrypt(ctx.get(), later).plaintext == "later");

  // Here the failure is told: it is the caller's key, and no oracle.
  CHECK(keep_cek(ctx, encrypt(ctx, "x", encrypt_to("vault::stays"))) == JWEKMS_FORBIDDEN);
  vault.answers = {{Vault::Call::unwrap, JWEKMS_DECRYPTION_FAILED}};
  CHECK(keep_cek(ctx, token) == JWEKMS_DECRYPTION_FAILED);
  vault.answers = {{Vault::Call::unwrap, JWEKMS_UNAVAILABLE}};
  CHECK(keep_cek(ctx, token) == JWEKMS_UNAVAILABLE);
  vault.answers.clear();
  vault.on_size = [](std::size_t& size) { --size; };
  CHECK(keep_cek(ctx, token) == JWEKMS_CRYPTO_FAILURE);
  CHECK(vault.all_released());
}

TEST_CASE("what a provider tells of a key is what the library shows", "[capi][provider]") {
  Vault vault;
  vault.on_resolve = [](jwekms_provided_key& key) {
    CHECK(key.struct_size == sizeof key);
    key.flags |= JWEKMS_PROVIDED_NO_ENCRYPT;
    key.state = JWEKMS_KEY_DEACTIVATED;
    key.created_at = 1700000000;
    key.version = 7;
    std::memcpy(key.algs, "RSA-OAEP-256", 12);
    key.algs_len = 12;
  };
  const jwekms_provider table = vault.table();
  const Ctx ctx = open_with(table);
  const Described told = describe(ctx, "vault::alias");
  REQUIRE(told.status == JWEKMS_OK);
  const jwekms_key_info* info = told.info.get();
  CHECK(text_of(jwekms_key_info_uid, info) == "vault::rsa");
  CHECK(jwekms_key_info_type(info) == JWEKMS_KEY_TYPE_RSA);
  CHECK(jwekms_key_info_bits(info) == 2048);
  CHECK(text_of(jwekms_key_info_algs, info) == "RSA-OAEP-256");
  CHECK(jwekms_key_info_state(info) == JWEKMS_KEY_DEACTIVATED);
  CHECK(jwekms_key_info_may_decrypt(info) == 1);
  CHECK(jwekms_key_info_may_encrypt(info) == 0);
  CHECK(jwekms_key_info_created_at(info) == 1700000000);
  CHECK(jwekms_key_info_version(info) == 7);

  vault.on_resolve = nullptr;
  const Described plain = describe(ctx, "vault::rsa");
  CHECK(text_of(jwekms_key_info_algs, plain.info.get()) ==
        "RSA-OAEP RSA-OAEP-256 RSA-OAEP-384 RSA-OAEP-512");
  CHECK(jwekms_key_info_state(plain.info.get()) == JWEKMS_KEY_ACTIVE);
  CHECK(jwekms_key_info_version(plain.info.get()) == 1);
  CHECK(text_of(jwekms_key_info_algs, describe(ctx, "vault::aes").info.get()) == "dir");
}

TEST_CASE("a provider's keys are under the policy and their own limits", "[capi][provider]") {
  Vault vault;
  const jwekms_provider table = vault.table();
  const Ctx ctx = open_with(table);
  const std::string token = encrypt(ctx, "x", encrypt_to("vault::rsa"));
  const std::string direct = encrypt(ctx, "x", encrypt_to("vault::aes", "dir"));
  const auto told = [&](auto change, std::string_view of = {}) {
    vault.on_resolve = change;
    return decrypt(ctx.get(), of.empty() ? token : of).status;
  };
  using Key = jwekms_provided_key;
  CHECK(told([](Key& key) { key.state = JWEKMS_KEY_DEACTIVATED; }) == JWEKMS_OK);
  CHECK(told([](Key& key) { key.state = JWEKMS_KEY_COMPROMISED; }) == JWEKMS_FORBIDDEN);
  CHECK(told([](Key& key) { key.state = JWEKMS_KEY_DESTROYED; }) == JWEKMS_NOT_FOUND);
  CHECK(told([](Key& key) { key.flags = JWEKMS_PROVIDED_NO_DECRYPT; }) == JWEKMS_CRYPTO_FAILURE);
  CHECK(told([](Key& key) { key.bits = 1024; }) == JWEKMS_CRYPTO_FAILURE);
  CHECK(told([](Key& key) {
          std::memcpy(key.algs, "RSA-OAEP", 8);
          key.algs_len = 8;
        }) == JWEKMS_CRYPTO_FAILURE);
  const auto bound_to = [](const char* enc, std::uint32_t bits) {
    return [=](Key& key) {
      key.bits = bits;
      key.enc_len = std::strlen(enc);
      std::memcpy(key.enc, enc, key.enc_len);
    };
  };
  CHECK(told(bound_to("A256GCM", 256), direct) == JWEKMS_OK);
  CHECK(told(bound_to("A128CBC-HS256", 256), direct) == JWEKMS_CRYPTO_FAILURE);
  CHECK(told(bound_to("A128GCM", 128), direct) == JWEKMS_CRYPTO_FAILURE);
  vault.on_resolve = [](Key& key) { key.state = JWEKMS_KEY_DEACTIVATED; };
  CHECK(try_encrypt(ctx.get(), "x", "vault::rsa").status == JWEKMS_FORBIDDEN);
  vault.on_resolve = [](Key& key) { key.flags = JWEKMS_PROVIDED_NO_ENCRYPT; };
  CHECK(try_encrypt(ctx.get(), "x", "vault::rsa").status == JWEKMS_CRYPTO_FAILURE);
  CHECK(vault.all_released());
}

TEST_CASE("principals and a provider's keys", "[capi][provider][access]") {
  const TemporaryFolder folder;
  Vault vault;
  jwekms_provider table = vault.table();
  const char* const admin = "vera";
  const std::size_t admin_len = 4;
  table.admins = &admin;
  table.admin_lens = &admin_len;
  table.admin_count = 1;
  const Ctx host = open_with(table, folder.file("keys.db"));
  const Ctx vera = acting_for(host, "vera"), dora = acting_for(host, "dora");
  const std::string token = encrypt(host, "hello", encrypt_to("vault::alias"));
  CHECK(decrypt(vera.get(), token).plaintext == "hello");
  CHECK(decrypt(dora.get(), token).status == JWEKMS_FORBIDDEN);
  CHECK(describe(dora, "vault::rsa").status == JWEKMS_FORBIDDEN);
  CHECK(describe(dora, "vault::none").status == JWEKMS_NOT_FOUND);
  CHECK(public_jwk(dora, "vault::rsa").starts_with('{'));
  // Grants are for the UID, whatever name was used.
  CHECK(jwekms_grant(host.get(), "vault::alias", 12, "dora", 4, JWEKMS_MAY_DECRYPT, nullptr) ==
        JWEKMS_NOT_FOUND);
  REQUIRE(jwekms_grant(host.get(), "vault::rsa", 10, "dora", 4, JWEKMS_MAY_DECRYPT, nullptr) ==
          JWEKMS_OK);
  CHECK(decrypt(dora.get(), token).plaintext == "hello");
  CHECK(try_encrypt(dora.get(), "x", "vault::rsa").status == JWEKMS_FORBIDDEN);
  CHECK(vault.all_released());
}

TEST_CASE("each call on a provider's key is audited", "[capi][provider]") {
  Vault vault;
  const jwekms_provider table = vault.table();
  const jwekms_provider* const providers[] = {&table};
  std::vector<std::string> events;
  jwekms_open_options options = JWEKMS_OPEN_OPTIONS_INIT;
  options.providers = providers;
  options.provider_count = 1;
  options.on_audit_data = &events;
  options.on_audit = [](void* data, const jwekms_audit_event* e) {
    static_cast<std::vector<std::string>*>(data)->push_back(
        std::string(e->operation, e->operation_len) + ' ' + std::string(e->kid, e->kid_len) + ' ' +
        std::string(e->uid, e->uid_len) + ' ' + jwekms_status_name(e->status));
  };
  const Ctx ctx = open_ctx(options);
  const std::string token = encrypt(ctx, "x", encrypt_to("vault::alias"));
  vault.answers = {{Vault::Call::unwrap, JWEKMS_UNAVAILABLE}};
  CHECK(decrypt(ctx.get(), token).status == JWEKMS_UNAVAILABLE);
  CHECK(events == std::vector<std::string>{"encrypt vault::alias vault::rsa ok",
                                           "decrypt vault::alias vault::rsa unavailable"});
}

TEST_CASE("public halves of a provider's keys", "[capi][provider]") {
  Vault vault;
  jwekms_provider table = vault.table();
  const Ctx ctx = open_with(table);
  const std::string jwk = public_jwk(ctx, "vault::alias");
  const auto numbers = support::rsa_key()->public_numbers().value();
  CHECK(jwk ==
        R"({"kty":"RSA","kid":"vault::rsa","use":"enc","key_ops":["wrapKey","encrypt"],"n":")" +
            support::b64(numbers.n) + R"(","e":")" + support::b64(numbers.e) + "\"}");
  CHECK(public_jwk(ctx, "vault::rsa_pk") == jwk);
  CHECK(public_jwk(ctx, "vault::aes") == "crypto_failure");
  // Such a provider lists nothing, and the set does without.
  std::size_t size = 0;
  CHECK(jwekms_public_jwks(ctx.get(), nullptr, &size, nullptr) == JWEKMS_OK);

  // The library wraps with the public half where the provider does not wrap.
  table.wrap = nullptr;
  const Ctx wraps_here = open_with(table);
  const Encrypted made = try_encrypt(wraps_here.get(), "hello", "vault::rsa");
  REQUIRE(made.status == JWEKMS_OK);
  CHECK(decrypt(ctx.get(), made.token).plaintext == "hello");
  CHECK(vault.all_released());
}

TEST_CASE("what a provider does not offer", "[capi][provider]") {
  const TemporaryFolder folder;
  Vault vault;
  const jwekms_provider full = vault.table();
  const Ctx ctx = open_with(full);
  const std::string wrapped = encrypt(ctx, "x", encrypt_to("vault::rsa"));
  const std::string stays = encrypt(ctx, "x", encrypt_to("vault::stays"));
  const std::string direct = encrypt(ctx, "x", encrypt_to("vault::aes", "dir"));

  // Only what must be there.
  jwekms_provider bare = JWEKMS_PROVIDER_INIT;
  bare.prefix = full.prefix;
  bare.prefix_len = full.prefix_len;
  bare.data = full.data;
  bare.resolve = full.resolve;
  bare.release = full.release;
  const Ctx poor = open_with(bare, folder.file("keys.db"));
  CHECK(decrypt(poor.get(), wrapped).status == JWEKMS_UNSUPPORTED_ALGORITHM);
  CHECK(decrypt(poor.get(), stays).status == JWEKMS_UNSUPPORTED_ALGORITHM);
  CHECK(decrypt(poor.get(), direct).status == JWEKMS_UNSUPPORTED_ALGORITHM);
  CHECK(try_encrypt(poor.get(), "x", "vault::rsa").status == JWEKMS_UNSUPPORTED_ALGORITHM);
  CHECK(try_encrypt(poor.get(), "x", "vault::stays").status == JWEKMS_UNSUPPORTED_ALGORITHM);
  CHECK(try_encrypt(poor.get(), "x", "vault::aes", "dir").status == JWEKMS_UNSUPPORTED_ALGORITHM);
  CHECK(public_jwk(poor, "vault::rsa") == "bad_request");
  CHECK(keep_cek(poor, wrapped) == JWEKMS_UNSUPPORTED_ALGORITHM);
  CHECK(describe(poor, "vault::rsa").status == JWEKMS_OK);

  // What the table has no callback for.
  jwekms_create_key_options create = JWEKMS_CREATE_KEY_OPTIONS_INIT;
  create.uid = "vault::new";
  create.uid_len = 10;
  CHECK(jwekms_create_key(ctx.get(), &create, nullptr, nullptr) == JWEKMS_BAD_REQUEST);
  CHECK(jwekms_set_key_state(ctx.get(), "vault::rsa", 10, JWEKMS_KEY_DESTROYED, nullptr, nullptr) ==
        JWEKMS_BAD_REQUEST);
  CHECK(jwekms_add_alias(ctx.get(), "vault::rsa", 10, "vault::b", 8, nullptr) ==
        JWEKMS_BAD_REQUEST);
  jwekms_list_keys_options list = JWEKMS_LIST_KEYS_OPTIONS_INIT;
  list.prefix = "vault::";
  list.prefix_len = 7;
  jwekms_key_list* keys = nullptr;
  CHECK(jwekms_list_keys(ctx.get(), &list, &keys, nullptr) == JWEKMS_BAD_REQUEST);
  CHECK(vault.all_released());

  bare.release = nullptr;
  bare.resolve = [](void*, const char*, std::size_t, jwekms_provided_key* key) {
    key->type = JWEKMS_KEY_TYPE_RSA;
    key->bits = 2048;
    return jwekms_status{JWEKMS_OK};
  };
  CHECK(describe(open_with(bare), "vault::rsa").status == JWEKMS_OK);
}

TEST_CASE("a provider without a prefix takes the names that nobody else takes",
          "[capi][provider]") {
  const TemporaryFolder folder;
  Vault anything, vault;
  anything.prefix = "";
  const jwekms_provider all = anything.table(), prefixed = vault.table();
  Ctx ctx;
  REQUIRE(try_open({&all, &prefixed}, ctx) == JWEKMS_OK);
  const std::string token = encrypt(ctx, "x", encrypt_to("rsa"));
  CHECK(decrypt(ctx.get(), token).plaintext == "x");
  CHECK(vault.resolved == 0);
  CHECK(describe(ctx, "vault::rsa").status == JWEKMS_OK);
  CHECK(vault.resolved == 1);
  // It gets no names of HSMs, and cannot give its keys such names.
  CHECK(describe(ctx, "hsm::softhsm2::0::rsa").status == JWEKMS_NOT_FOUND);
  const auto renamed = [&](std::string_view uid) {
    anything.on_resolve = [=](jwekms_provided_key& key) {
      key.uid_len = uid.copy(key.uid, sizeof key.uid);
    };
    return describe(ctx, "rsa").status;
  };
  CHECK(renamed("rsa-1") == JWEKMS_OK);
  CHECK(renamed("hsm::softhsm2::0::rsa") == JWEKMS_INTERNAL_ERROR);
  // With another's UID it opens nothing to anybody, whatever was granted with that.
  const Ctx dora = acting_for(ctx, "dora");
  CHECK(describe(dora, "rsa").status == JWEKMS_INTERNAL_ERROR);
  CHECK(renamed("vault::rsa") == JWEKMS_OK);
  CHECK(describe(dora, "rsa").status == JWEKMS_INTERNAL_ERROR);
  Ctx with_database;
  CHECK(try_open({&all}, with_database, folder.file("keys.db")) == JWEKMS_BAD_REQUEST);
}
