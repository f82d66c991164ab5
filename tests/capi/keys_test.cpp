// SPDX-License-Identifier: Apache-2.0
#include <ctime>
#include <string>
#include <vector>

#include "fixture.hpp"

using namespace std::string_view_literals;

namespace {

/// A database of a test's own.
struct Own {
  TemporaryFolder folder;
  std::string path = folder.file("keys.db");
  Ctx ctx = open_ctx(open_options(path));
};

template <class Options>
void set_uid(Options& options, std::string_view uid) {
  options.uid = uid.data();
  options.uid_len = uid.size();
}

Info describe(const Ctx& ctx, std::string_view kid) {
  jwekms_key_info* info = nullptr;
  REQUIRE(jwekms_describe_key(ctx.get(), kid.data(), kid.size(), &info, nullptr) == JWEKMS_OK);
  return Info{info};
}

jwekms_status status_of(const Ctx& ctx, std::string_view kid) {
  return jwekms_describe_key(ctx.get(), kid.data(), kid.size(), nullptr, nullptr);
}

std::string uid_of(const Info& info) { return text_of(jwekms_key_info_uid, info.get()); }

List list(const Ctx& ctx, std::uint32_t limit = 0, std::string_view after = {}) {
  jwekms_list_keys_options options = JWEKMS_LIST_KEYS_OPTIONS_INIT;
  options.limit = limit;
  options.after = after.data();
  options.after_len = after.size();
  jwekms_key_list* list = nullptr;
  REQUIRE(jwekms_list_keys(ctx.get(), &options, &list, nullptr) == JWEKMS_OK);
  return List{list};
}

Info at(const List& list, std::size_t index) {
  jwekms_key_info* info = nullptr;
  REQUIRE(jwekms_key_list_get(list.get(), index, &info, nullptr) == JWEKMS_OK);
  return Info{info};
}

}  // namespace

TEST_CASE("all that is told of a new key", "[capi][keys]") {
  const Own own;
  jwekms_create_key_options options = JWEKMS_CREATE_KEY_OPTIONS_INIT;
  set_uid(options, "key");
  options.bits = 3072;
  options.algs = "RSA-OAEP-256  RSA-OAEP-512 and so on";
  options.algs_len = 27;
  options.owner = "me";
  options.owner_len = 2;
  const char* const aliases[] = {"first", "second alias"};
  const std::size_t alias_lens[] = {5, 6};
  options.aliases = aliases;
  options.alias_lens = alias_lens;
  options.alias_count = 2;
  jwekms_key_info* made = nullptr;
  REQUIRE(jwekms_create_key(own.ctx.get(), &options, &made, nullptr) == JWEKMS_OK);
  const Info created{made};

  for (const Info& info : {describe(own.ctx, "key"), describe(own.ctx, "first")}) {
    const jwekms_key_info* i = info.get();
    CHECK(text_of(jwekms_key_info_uid, i) == "key");
    CHECK(jwekms_key_info_type(i) == JWEKMS_KEY_TYPE_RSA);
    CHECK(jwekms_key_info_bits(i) == 3072);
    CHECK(text_of(jwekms_key_info_algs, i) == "RSA-OAEP-256 RSA-OAEP-512");
    CHECK(text_of(jwekms_key_info_enc, i) == "");
    CHECK(jwekms_key_info_state(i) == JWEKMS_KEY_ACTIVE);
    CHECK(jwekms_key_info_may_decrypt(i) == 1);
    CHECK(jwekms_key_info_may_encrypt(i) == 1);
    CHECK(text_of(jwekms_key_info_parent, i) == "");
    CHECK(text_of(jwekms_key_info_owner, i) == "me");
    CHECK(std::abs(jwekms_key_info_created_at(i) - std::time(nullptr)) < 600);
    CHECK(jwekms_key_info_version(i) == jwekms_key_info_version(created.get()));
    REQUIRE(jwekms_key_info_alias_count(i) == 2);
    std::size_t size = 0;
    CHECK(jwekms_key_info_alias(i, 0, &size) == "first"sv);
    CHECK(jwekms_key_info_alias(i, 1, &size) == "second"sv);
    CHECK(size == 6);
    CHECK(jwekms_key_info_alias(i, 2, &size) == nullptr);
    CHECK(size == 0);
  }
}

TEST_CASE("a symmetric key is bound to its enc", "[capi][keys]") {
  const Own own;
  const Info info = create(own.ctx, "oct", JWEKMS_KEY_TYPE_OCT, "A192GCM");
  CHECK(jwekms_key_info_type(info.get()) == JWEKMS_KEY_TYPE_OCT);
  CHECK(jwekms_key_info_bits(info.get()) == 192);
  CHECK(text_of(jwekms_key_info_algs, info.get()) == "dir");
  CHECK(text_of(jwekms_key_info_enc, info.get()) == "A192GCM");
}

TEST_CASE("a key without a UID is given one, once for each call", "[capi][keys]") {
  const Own own;
  jwekms_create_key_options options = JWEKMS_CREATE_KEY_OPTIONS_INIT;
  options.type = JWEKMS_KEY_TYPE_OCT;
  jwekms_key_info* made = nullptr;
  REQUIRE(jwekms_create_key(own.ctx.get(), &options, &made, nullptr) == JWEKMS_OK);
  const Info first{made};
  REQUIRE(jwekms_create_key(own.ctx.get(), &options, nullptr, nullptr) == JWEKMS_OK);
  CHECK(uid_of(first).size() > 8);
  CHECK(jwekms_key_list_count(list(own.ctx).get()) == 2);
}

TEST_CASE("a failed call gives no handle", "[capi][keys]") {
  const auto left = reinterpret_cast<jwekms_key_info*>(8);
  const jwekms_ctx* ctx = keyring().ctx.get();
  jwekms_key_info* info = left;
  jwekms_create_key_options create = JWEKMS_CREATE_KEY_OPTIONS_INIT;
  set_uid(create, "rsa");

  SECTION("create") { CHECK(jwekms_create_key(ctx, &create, &info, nullptr) == JWEKMS_CONFLICT); }
  SECTION("describe") {
    CHECK(jwekms_describe_key(ctx, "nobody", 6, &info, nullptr) == JWEKMS_NOT_FOUND);
  }
  SECTION("import") {
    CHECK(jwekms_import_key(ctx, bytes_of("{}").data(), 2, nullptr, &info, nullptr) ==
          JWEKMS_BAD_REQUEST);
  }
  SECTION("unwrap") {
    CHECK(jwekms_unwrap_key(ctx, "x", 1, nullptr, &info, nullptr) == JWEKMS_BAD_REQUEST);
  }
  SECTION("set_key_state") {
    CHECK(jwekms_set_key_state(ctx, "nobody", 6, JWEKMS_KEY_DEACTIVATED, &info, nullptr) ==
          JWEKMS_NOT_FOUND);
  }
  SECTION("no context") {
    CHECK(jwekms_create_key(nullptr, &create, &info, nullptr) == JWEKMS_BAD_REQUEST);
  }
  CHECK(info == nullptr);
}

TEST_CASE("arguments of key calls that mean nothing", "[capi][keys]") {
  const jwekms_ctx* ctx = keyring().ctx.get();
  const auto creates = [&](auto change) {
    jwekms_create_key_options options = JWEKMS_CREATE_KEY_OPTIONS_INIT;
    change(options);
    return jwekms_create_key(ctx, &options, nullptr, nullptr);
  };
  CHECK(creates([](auto& o) { o.type = 3; }) == JWEKMS_BAD_REQUEST);
  CHECK(creates([](auto& o) { o.type = -1; }) == JWEKMS_BAD_REQUEST);
  CHECK(creates([](auto& o) { o.flags = 1; }) == JWEKMS_BAD_REQUEST);
  CHECK(creates([](auto& o) { o.uid_len = 1; }) == JWEKMS_BAD_REQUEST);
  CHECK(creates([](auto& o) { o.alias_count = 1; }) == JWEKMS_BAD_REQUEST);
  CHECK(creates([](auto& o) {
          o.algs = "RSA-OAEP RSA-OAPE";
          o.algs_len = 17;
        }) == JWEKMS_UNSUPPORTED_ALGORITHM);
  CHECK(creates([](auto& o) {
          o.algs = "  ";
          o.algs_len = 2;
        }) == JWEKMS_BAD_REQUEST);
  for (std::int32_t format : {-1, 5}) {
    jwekms_import_key_options options = JWEKMS_IMPORT_KEY_OPTIONS_INIT;
    options.format = format;
    CHECK(jwekms_import_key(ctx, test_kek.data(), test_kek.size(), &options, nullptr, nullptr) ==
          JWEKMS_BAD_REQUEST);
  }
  for (std::int32_t state : {-1, 0, 5})
    CHECK(jwekms_set_key_state(ctx, "rsa", 3, state, nullptr, nullptr) == JWEKMS_BAD_REQUEST);
  CHECK(jwekms_describe_key(ctx, nullptr, 3, nullptr, nullptr) == JWEKMS_BAD_REQUEST);
  CHECK(jwekms_describe_key(ctx, nullptr, 0, nullptr, nullptr) == JWEKMS_BAD_REQUEST);
  CHECK(jwekms_describe_key(ctx, "a\0b", 3, nullptr, nullptr) == JWEKMS_BAD_REQUEST);
  CHECK(jwekms_list_keys(ctx, nullptr, nullptr, nullptr) == JWEKMS_BAD_REQUEST);
}

TEST_CASE("an unknown name is told by its place", "[capi][keys]") {
  jwekms_create_key_options options = JWEKMS_CREATE_KEY_OPTIONS_INIT;
  options.algs = "RSA-OAEP RSA-OAPE";
  options.algs_len = 17;
  jwekms_error error = JWEKMS_ERROR_INIT;
  CHECK(jwekms_create_key(keyring().ctx.get(), &options, nullptr, &error) ==
        JWEKMS_UNSUPPORTED_ALGORITHM);
  CHECK(error.position == 9);
}

TEST_CASE("imported keys decrypt", "[capi][keys]") {
  const Own own;

  SECTION("raw bytes") {
    jwekms_import_key_options options = JWEKMS_IMPORT_KEY_OPTIONS_INIT;
    options.format = JWEKMS_KEY_FORMAT_RAW;
    set_uid(options, "raw");
    jwekms_key_info* made = nullptr;
    REQUIRE(jwekms_import_key(own.ctx.get(), test_kek.data(), test_kek.size(), &options, &made,
                              nullptr) == JWEKMS_OK);
    const Info info{made};
    CHECK(jwekms_key_info_bits(info.get()) == 256);
    const std::string token = encrypt(own.ctx, "text", encrypt_to("raw", "dir"));
    CHECK(decrypt(own.ctx.get(), token).plaintext == "text");
  }
  SECTION("a JWK, by default, with its kid for a UID") {
    const auto jwk = bytes_of(R"({"kty":"oct","kid":"j","k":"AAECAwQFBgcICQoLDA0ODw"})");
    jwekms_key_info* made = nullptr;
    REQUIRE(jwekms_import_key(own.ctx.get(), jwk.data(), jwk.size(), nullptr, &made, nullptr) ==
            JWEKMS_OK);
    const Info info{made};
    CHECK(uid_of(info) == "j");
    CHECK(jwekms_key_info_bits(info.get()) == 128);
  }
}

TEST_CASE("a CEK is unwrapped, kept and used", "[capi][keys]") {
  const Own own;
  create(own.ctx, "rsa");
  const std::string token = encrypt(own.ctx, "text", encrypt_to("rsa"));
  jwekms_unwrap_key_options options = JWEKMS_UNWRAP_KEY_OPTIONS_INIT;
  set_uid(options, "cek");
  jwekms_key_info* made = nullptr;
  REQUIRE(jwekms_unwrap_key(own.ctx.get(), token.data(), token.size(), &options, &made, nullptr) ==
          JWEKMS_OK);
  const Info info{made};
  CHECK(uid_of(info) == "cek");
  CHECK(jwekms_key_info_type(info.get()) == JWEKMS_KEY_TYPE_OCT);
  CHECK(text_of(jwekms_key_info_enc, info.get()) == "A256GCM");
  CHECK(text_of(jwekms_key_info_parent, info.get()) == "rsa");
  const std::string dir = encrypt(own.ctx, "more text", encrypt_to("cek", "dir"));
  CHECK(decrypt(own.ctx.get(), dir).plaintext == "more text");
  CHECK(jwekms_unwrap_key(own.ctx.get(), dir.data(), dir.size(), nullptr, nullptr, nullptr) ==
        JWEKMS_UNSUPPORTED_ALGORITHM);

  SECTION("with the key that the caller names") {
    options.key = "nobody";
    options.key_len = 6;
    CHECK(jwekms_unwrap_key(own.ctx.get(), token.data(), token.size(), &options, nullptr,
                            nullptr) == JWEKMS_NOT_FOUND);
  }
}

TEST_CASE("a key's life", "[capi][keys]") {
  const Own own;
  create(own.ctx, "oct", JWEKMS_KEY_TYPE_OCT);
  const std::string token = encrypt(own.ctx, "text", encrypt_to("oct", "dir"));
  const auto set_state = [&](std::int32_t state) {
    jwekms_key_info* info = nullptr;
    REQUIRE(jwekms_set_key_state(own.ctx.get(), "oct", 3, state, &info, nullptr) == JWEKMS_OK);
    return Info{info};
  };
  CHECK(jwekms_key_info_state(set_state(JWEKMS_KEY_DEACTIVATED).get()) == JWEKMS_KEY_DEACTIVATED);
  CHECK(decrypt(own.ctx.get(), token).plaintext == "text");
  set_state(JWEKMS_KEY_COMPROMISED);
  CHECK(decrypt(own.ctx.get(), token).status == JWEKMS_FORBIDDEN);
  CHECK(jwekms_set_key_state(own.ctx.get(), "oct", 3, JWEKMS_KEY_ACTIVE, nullptr, nullptr) ==
        JWEKMS_BAD_REQUEST);
  jwekms_open_options lenient = open_options(own.path);
  lenient.policy_flags = JWEKMS_ALLOW_COMPROMISED;
  CHECK(decrypt(open_ctx(lenient).get(), token).plaintext == "text");
  set_state(JWEKMS_KEY_DESTROYED);
  CHECK(decrypt(own.ctx.get(), token).status == JWEKMS_NOT_FOUND);
}

TEST_CASE("aliases come and go", "[capi][keys]") {
  const Own own;
  create(own.ctx, "a", JWEKMS_KEY_TYPE_OCT);
  create(own.ctx, "b", JWEKMS_KEY_TYPE_OCT);
  const auto add = [&](std::string_view uid, std::string_view alias) {
    return jwekms_add_alias(own.ctx.get(), uid.data(), uid.size(), alias.data(), alias.size(),
                            nullptr);
  };
  const auto remove = [&](std::string_view alias) {
    return jwekms_remove_alias(own.ctx.get(), alias.data(), alias.size(), nullptr);
  };
  CHECK(add("a", "name") == JWEKMS_OK);
  CHECK(uid_of(describe(own.ctx, "name")) == "a");
  CHECK(add("b", "name") == JWEKMS_CONFLICT);
  CHECK(add("nobody", "other") == JWEKMS_NOT_FOUND);
  CHECK(add("a", "") == JWEKMS_BAD_REQUEST);
  CHECK(remove("name") == JWEKMS_OK);
  CHECK(remove("name") == JWEKMS_NOT_FOUND);
  CHECK(status_of(own.ctx, "name") == JWEKMS_NOT_FOUND);
  CHECK(jwekms_add_alias(nullptr, "a", 1, "n", 1, nullptr) == JWEKMS_BAD_REQUEST);
  CHECK(jwekms_remove_alias(nullptr, "n", 1, nullptr) == JWEKMS_BAD_REQUEST);
}

TEST_CASE("public keys", "[capi][keys]") {
  const jwekms_ctx* ctx = keyring().ctx.get();
  std::size_t size = 0;
  REQUIRE(jwekms_public_jwk(ctx, "rsa", 3, nullptr, &size, nullptr) == JWEKMS_OK);
  std::string jwk(size, '\0');

  SECTION("one") {
    REQUIRE(jwekms_public_jwk(ctx, "rsa", 3, jwk.data(), &size, nullptr) == JWEKMS_OK);
    CHECK(size == jwk.size());
    CHECK(jwk.find("\"kty\":\"RSA\"") != jwk.npos);
    CHECK(jwk.find("\"kid\":\"rsa\"") != jwk.npos);
    CHECK(jwk.find("\"d\"") == jwk.npos);
  }
  SECTION("all") {
    REQUIRE(jwekms_public_jwks(ctx, nullptr, &size, nullptr) == JWEKMS_OK);
    std::string jwks(size, '\0');
    REQUIRE(jwekms_public_jwks(ctx, jwks.data(), &size, nullptr) == JWEKMS_OK);
    CHECK(size == jwks.size());
    CHECK(jwks.starts_with("{\"keys\":["));
    CHECK(jwks.find("\"kid\":\"rsa\"") != jwks.npos);
    CHECK(jwks.find("\"kid\":\"oct\"") == jwks.npos);
  }
  SECTION("too little room") {
    const std::size_t needed = size;
    CHECK(jwekms_public_jwk(ctx, "rsa", 3, jwk.data(), &(size = needed - 1), nullptr) ==
          JWEKMS_BUFFER_TOO_SMALL);
    CHECK(size == needed);
    CHECK(jwekms_public_jwks(ctx, jwk.data(), &(size = 1), nullptr) == JWEKMS_BUFFER_TOO_SMALL);
    CHECK(size > needed);
  }
  SECTION("none") {
    CHECK(jwekms_public_jwk(ctx, "oct", 3, nullptr, &size, nullptr) == JWEKMS_CRYPTO_FAILURE);
    CHECK(size == 0);
    CHECK(jwekms_public_jwk(ctx, "nobody", 6, jwk.data(), &(size = jwk.size()), nullptr) ==
          JWEKMS_NOT_FOUND);
    CHECK(size == 0);
    CHECK(jwk == std::string(jwk.size(), '\0'));
    CHECK(jwekms_public_jwk(ctx, "rsa", 3, nullptr, nullptr, nullptr) == JWEKMS_BAD_REQUEST);
    CHECK(jwekms_public_jwks(ctx, nullptr, nullptr, nullptr) == JWEKMS_BAD_REQUEST);
    CHECK(jwekms_public_jwks(nullptr, nullptr, &size, nullptr) == JWEKMS_BAD_REQUEST);
  }
}

TEST_CASE("keys are listed in pages", "[capi][keys]") {
  const Own own;
  for (std::string_view uid : {"a", "b", "c"}) create(own.ctx, uid, JWEKMS_KEY_TYPE_OCT);

  const List first = list(own.ctx, 2);
  REQUIRE(jwekms_key_list_count(first.get()) == 2);
  CHECK(jwekms_key_list_more(first.get()) == 1);
  CHECK(uid_of(at(first, 0)) == "a");
  const List second = list(own.ctx, 2, uid_of(at(first, 1)));
  REQUIRE(jwekms_key_list_count(second.get()) == 1);
  CHECK(jwekms_key_list_more(second.get()) == 0);
  CHECK(uid_of(at(second, 0)) == "c");

  jwekms_key_info* info = nullptr;
  CHECK(jwekms_key_list_get(second.get(), 1, &info, nullptr) == JWEKMS_BAD_REQUEST);
  jwekms_list_keys_options options = JWEKMS_LIST_KEYS_OPTIONS_INIT;
  jwekms_key_list* none = nullptr;
  options.limit = 1001;
  CHECK(jwekms_list_keys(own.ctx.get(), &options, &none, nullptr) == JWEKMS_BAD_REQUEST);
  options.limit = 1;
  options.prefix = "hsm::other";
  options.prefix_len = 10;
  CHECK(jwekms_list_keys(own.ctx.get(), &options, &none, nullptr) == JWEKMS_NOT_FOUND);
  CHECK(none == nullptr);
}

TEST_CASE("handles outlive what they came from", "[capi][keys]") {
  Own own;
  Info created = create(own.ctx, "key", JWEKMS_KEY_TYPE_OCT);
  List page = list(own.ctx);
  own.ctx.reset();
  CHECK(uid_of(created) == "key");
  Info listed = at(page, 0);
  page.reset();
  CHECK(uid_of(listed) == "key");
  CHECK(text_of(jwekms_key_info_algs, listed.get()) == "dir");
}

TEST_CASE("NULL handles are empty", "[capi][keys]") {
  jwekms_close(nullptr);
  jwekms_key_info_free(nullptr);
  jwekms_key_list_free(nullptr);
  for (auto get : {jwekms_key_info_uid, jwekms_key_info_algs, jwekms_key_info_enc,
                   jwekms_key_info_parent, jwekms_key_info_owner}) {
    std::size_t size = 1;
    CHECK(get(nullptr, &size) == nullptr);
    CHECK(size == 0);
    CHECK(get(nullptr, nullptr) == nullptr);
  }
  CHECK(jwekms_key_info_type(nullptr) == 0);
  CHECK(jwekms_key_info_bits(nullptr) == 0);
  CHECK(jwekms_key_info_state(nullptr) == 0);
  CHECK(jwekms_key_info_may_decrypt(nullptr) == 0);
  CHECK(jwekms_key_info_may_encrypt(nullptr) == 0);
  CHECK(jwekms_key_info_created_at(nullptr) == 0);
  CHECK(jwekms_key_info_version(nullptr) == 0);
  CHECK(jwekms_key_info_alias_count(nullptr) == 0);
  CHECK(jwekms_key_info_alias(nullptr, 0, nullptr) == nullptr);
  CHECK(jwekms_key_list_count(nullptr) == 0);
  CHECK(jwekms_key_list_more(nullptr) == 0);
  jwekms_key_info* info = nullptr;
  CHECK(jwekms_key_list_get(nullptr, 0, &info, nullptr) == JWEKMS_BAD_REQUEST);
}
