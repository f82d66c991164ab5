// SPDX-License-Identifier: Apache-2.0
#include <filesystem>
#include <string>
#include <vector>

#include "fixture.hpp"

namespace fs = std::filesystem;

namespace {

jwekms_status open_status(const jwekms_open_options& options) {
  jwekms_ctx* ctx = nullptr;
  const jwekms_status status = jwekms_open(&options, &ctx, nullptr);
  CHECK((ctx != nullptr) == (status == JWEKMS_OK));
  jwekms_close(ctx);
  return status;
}

struct Warnings {
  std::vector<std::string> texts;
  static void receive(void* data, const char* text, std::size_t size) {
    static_cast<Warnings*>(data)->texts.emplace_back(text, size);
  }
};

}  // namespace

TEST_CASE("the database and its key", "[capi][open]") {
  const TemporaryFolder folder;
  const std::string path = folder.file("keys.db");
  create(open_ctx(open_options(path)), "key", JWEKMS_KEY_TYPE_OCT);
  jwekms_open_options options = open_options(path);

  SECTION("opens again") { CHECK(open_status(options) == JWEKMS_OK); }
  SECTION("another key-encryption key does not fit") {
    auto other = test_kek;
    other[0] ^= 1;
    options.kek = other.data();
    CHECK(open_status(options) == JWEKMS_CRYPTO_FAILURE);
  }
  SECTION("a key-encryption key of another length") {
    for (const std::size_t size : {0, 16}) {
      options.kek_len = size;
      CHECK(open_status(options) == JWEKMS_BAD_REQUEST);
    }
    CHECK_FALSE(fs::exists(path + ".kek"));
  }
  SECTION("a folder that is not there") {
    const std::string nowhere = folder.file("nowhere/keys.db");
    CHECK(open_status(open_options(nowhere)) == JWEKMS_UNAVAILABLE);
  }
}

TEST_CASE("text needs no terminator", "[capi][open]") {
  const TemporaryFolder folder;
  const std::string path = folder.file("keys.db");
  jwekms_open_options options = open_options(path);
  options.database_path_len -= 1;
  open_ctx(options);
  CHECK(fs::exists(folder.file("keys.d")));
  CHECK_FALSE(fs::exists(path));
}

TEST_CASE("warnings reach the host", "[capi][open]") {
  const TemporaryFolder folder;
  const std::string path = folder.file("keys.db"), kek_path = folder.file("the.kek");
  jwekms_open_options options = open_options(path);
  options.kek = nullptr;
  options.kek_len = 0;
  options.kek_path = kek_path.data();
  options.kek_path_len = kek_path.size();
  Warnings warnings;
  options.on_warning = Warnings::receive;
  options.on_warning_data = &warnings;

  open_ctx(options);
  CHECK(fs::exists(kek_path));
  CHECK(warnings.texts.size() == 1);
  open_ctx(options);
  CHECK(warnings.texts.size() == 1);
}

TEST_CASE("a policy of the caller's", "[capi][open]") {
  const std::string token = encrypt(keyring().ctx, "text", encrypt_to("rsa"));
  jwekms_open_options options = open_options(keyring().path);

  SECTION("algs") {
    options.policy_algs = "dir RSA-OAEP RSA-OAEP-256";
    options.policy_algs_len = 12;
    CHECK(decrypt(open_ctx(options).get(), token).status == JWEKMS_UNSUPPORTED_ALGORITHM);
    options.policy_algs_len = 25;
    CHECK(decrypt(open_ctx(options).get(), token).status == JWEKMS_OK);
  }
  SECTION("encs") {
    options.policy_encs = "A128GCM";
    options.policy_encs_len = 7;
    CHECK(decrypt(open_ctx(options).get(), token).status == JWEKMS_UNSUPPORTED_ALGORITHM);
  }
  SECTION("names that are unknown") {
    jwekms_ctx* ctx = nullptr;
    jwekms_error error = JWEKMS_ERROR_INIT;
    options.policy_algs = "dir RSA";
    options.policy_algs_len = 7;
    CHECK(jwekms_open(&options, &ctx, &error) == JWEKMS_UNSUPPORTED_ALGORITHM);
    CHECK(error.position == 4);
  }
  SECTION("names that will never be served") {
    options.policy_algs = "RSA1_5";
    options.policy_algs_len = 6;
    CHECK(open_status(options) != JWEKMS_OK);
  }
  SECTION("flags that are unknown") {
    options.policy_flags = 16;
    CHECK(open_status(options) == JWEKMS_BAD_REQUEST);
  }
  SECTION("limits") {
    options.max_token_bytes = token.size();
    CHECK(decrypt(open_ctx(options).get(), token).status == JWEKMS_OK);
    options.max_token_bytes = token.size() - 1;
    CHECK(decrypt(open_ctx(options).get(), token).status == JWEKMS_TOO_LARGE);
  }
  SECTION("RSA sizes") {
    options.rsa_min_bits = 3072;
    CHECK(decrypt(open_ctx(options).get(), token).status == JWEKMS_CRYPTO_FAILURE);
  }
  SECTION("tokens without a kid") {
    std::string without = token;
    // {"alg":"RSA-OAEP-256","enc":"A256GCM"}
    without.replace(0, without.find('.'), "eyJhbGciOiJSU0EtT0FFUC0yNTYiLCJlbmMiOiJBMjU2R0NNIn0");
    jwekms_decrypt_options with_key = JWEKMS_DECRYPT_OPTIONS_INIT;
    with_key.key = "rsa";
    with_key.key_len = 3;
    CHECK(decrypt(open_ctx(options).get(), without, &with_key).status == JWEKMS_BAD_REQUEST);
    options.policy_flags = JWEKMS_ALLOW_MISSING_KID;
    CHECK(decrypt(open_ctx(options).get(), without, &with_key).status == JWEKMS_DECRYPTION_FAILED);
  }
}

TEST_CASE("OpenSSL's properties are the caller's", "[capi][open]") {
  jwekms_open_options options = open_options(keyring().path);
  options.openssl_properties = "provider=default";
  options.openssl_properties_len = 16;
  CHECK(open_status(options) == JWEKMS_OK);
  options.openssl_properties = "provider=nobody";
  options.openssl_properties_len = 15;
  CHECK(open_status(options) != JWEKMS_OK);
}

TEST_CASE("arguments of open", "[capi][open]") {
  jwekms_error error = JWEKMS_ERROR_INIT;
  const jwekms_open_options options = open_options(keyring().path);
  CHECK(jwekms_open(&options, nullptr, &error) == JWEKMS_BAD_REQUEST);
  CHECK(error.code == JWEKMS_BAD_REQUEST);
  jwekms_open_options broken = JWEKMS_OPEN_OPTIONS_INIT;
  broken.database_path_len = 1;
  CHECK(open_status(broken) == JWEKMS_BAD_REQUEST);
  broken = JWEKMS_OPEN_OPTIONS_INIT;
  broken.kek_len = 32;
  CHECK(open_status(broken) == JWEKMS_BAD_REQUEST);
}

TEST_CASE("without a database there are no keys", "[capi][open]") {
  jwekms_ctx* made = nullptr;
  REQUIRE(jwekms_open(nullptr, &made, nullptr) == JWEKMS_OK);
  const Ctx ctx{made};
  CHECK(jwekms_describe_key(made, "rsa", 3, nullptr, nullptr) == JWEKMS_NOT_FOUND);
}

TEST_CASE("a new key-encryption key", "[capi][open]") {
  const TemporaryFolder folder;
  const std::string path = folder.file("keys.db"), kek_path = folder.file("the.kek");
  jwekms_open_options options = JWEKMS_OPEN_OPTIONS_INIT;
  options.database_path = path.data(), options.database_path_len = path.size();
  options.kek_path = kek_path.data(), options.kek_path_len = kek_path.size();
  options.on_warning = [](void*, const char*, std::size_t) {};
  options.busy_timeout_ms = 50;
  jwekms_error error = JWEKMS_ERROR_INIT;
  CHECK(jwekms_rotate_kek(&options, nullptr, nullptr, &error) == JWEKMS_NOT_FOUND);
  CHECK(error.code == JWEKMS_NOT_FOUND);
  {
    const Ctx ctx = open_ctx(options);
    create(ctx, "one");
    create(ctx, "two", JWEKMS_KEY_TYPE_OCT);
    CHECK(jwekms_rotate_kek(&options, nullptr, nullptr, nullptr) == JWEKMS_UNAVAILABLE);
  }
  struct Progress {
    std::uint64_t done = 0, total = 0;
    static void receive(void* data, std::uint64_t done, std::uint64_t total) {
      *static_cast<Progress*>(data) = {done, total};
    }
  } progress;

  SECTION("with progress") {
    REQUIRE(jwekms_rotate_kek(&options, Progress::receive, &progress, &error) == JWEKMS_OK);
    CHECK((progress.done == 2 && progress.total == 2));
  }
  SECTION("without") {
    REQUIRE(jwekms_rotate_kek(&options, nullptr, nullptr, nullptr) == JWEKMS_OK);
  }
  CHECK(fs::exists(kek_path + ".old"));
  CHECK(jwekms_describe_key(open_ctx(options).get(), "one", 3, nullptr, nullptr) == JWEKMS_OK);
  CHECK(jwekms_rotate_kek(&options, nullptr, nullptr, nullptr) == JWEKMS_CONFLICT);
  fs::rename(kek_path + ".old", kek_path);
  CHECK(open_status(options) == JWEKMS_CRYPTO_FAILURE);
}

TEST_CASE("a key-encryption key of the host's is the host's to replace", "[capi][open]") {
  const TemporaryFolder folder;
  const std::string path = folder.file("keys.db");
  const jwekms_open_options options = open_options(path);
  create(open_ctx(options), "one");
  CHECK(jwekms_rotate_kek(&options, nullptr, nullptr, nullptr) == JWEKMS_BAD_REQUEST);
  CHECK(jwekms_rotate_kek(nullptr, nullptr, nullptr, nullptr) == JWEKMS_BAD_REQUEST);
  CHECK(open_status(options) == JWEKMS_OK);
}
