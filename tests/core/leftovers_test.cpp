// SPDX-License-Identifier: Apache-2.0

// Looks for secrets in this process: in each block that is freed during a call, and in all memory
// after it. What is looked for is made in a forked child and comes back through files, into pages
// that the search leaves out: so every copy that is found was made by the library, or by what it
// calls.

#include <fcntl.h>
#include <openssl/rsa.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <functional>

#include "deflate.hpp"
#include "freed_secrets.hpp"
#include "key_file.hpp"
#include "kms_support.hpp"
#include "make_token.hpp"
#include "memory_search.hpp"

using namespace jwekms;
using namespace support;
using crypto::SecretBuffer;

#ifdef JWEKMS_WATCHES_FREE

namespace {

constexpr auto access_token = InsecureSecretAccess::token();

/// The contents of a file, in pages of their own and nowhere else.
SecretBuffer read_secret(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY);
  struct stat status {};
  if (fd < 0 || fstat(fd, &status) != 0) throw std::runtime_error("no such file: " + path);
  SecretBuffer contents(static_cast<std::size_t>(status.st_size));
  const auto room = contents.bytes(access_token);
  const ssize_t got = ::read(fd, room.data(), room.size());
  close(fd);
  if (got != status.st_size) throw std::runtime_error("short read");
  return contents;
}

std::size_t copies_of(const SecretBuffer& secret) {
  return support::copies_of(secret.bytes(access_token));
}

/// Makes secrets in a child process, which writes them to files.
void in_child(const std::function<void()>& make) {
  const pid_t child = fork();
  if (child == 0) {
    make();
    _exit(0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  REQUIRE((WIFEXITED(status) && WEXITSTATUS(status) == 0));
}

void write_file(const std::string& path, std::span<const std::uint8_t> contents) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(contents.data()),
             static_cast<std::streamsize>(contents.size()));
}

/// From the middle: what free() writes into a block and what is alike in all keys is at its ends.
std::span<const std::uint8_t> middle(std::span<const std::uint8_t> bytes) {
  return bytes.subspan(bytes.size() / 2 - 8, 16);
}
/// As a BIGNUM has its words in memory.
Bytes reversed(std::span<const std::uint8_t> bytes) { return {bytes.rbegin(), bytes.rend()}; }

/// An RSA key and a token for it that only a child has ever seen.
struct Secrets {
  TempDir folder;

  Secrets() {
    in_child([&] {
      const auto key = crypto::RsaKey::generate(library(), 2048).value();
      const key_file::PkeyPtr pkey = key_file::pkey(*key);
      write_key(pkey.get());
      write_token(*key, pkey.get());
    });
  }
  [[nodiscard]] SecretBuffer read(std::string_view name) const {
    return read_secret(folder.file(name));
  }
  /// Not secret.
  [[nodiscard]] std::string token() const {
    const SecretBuffer file = read("token");
    return text(file.bytes(access_token));
  }

 private:
  void write(std::string_view name, std::span<const std::uint8_t> contents) const {
    write_file(folder.file(name), contents);
  }

  void write_key(EVP_PKEY* pkey) const {
    const key_file::Jwk jwk = key_file::rsa_jwk(pkey);
    key_file::Jwk bare = jwk;
    for (const char* member : {"p", "q", "dp", "dq", "qi"}) bare.erase(member);
    write("der", key_file::der_pkcs8(pkey));
    write("pkcs1 der", key_file::der_pkcs1(pkey));
    write("pem", key_file::pem_pkcs8(pkey));
    write("pkcs1 pem", key_file::pem_pkcs1(pkey));
    write("encrypted pem", key_file::pem_pkcs8(pkey, "passphrase"));
    write("jwk", key_file::jwk_text(jwk));
    write("bare jwk", key_file::jwk_text(bare));
    const Bytes pem = key_file::pem_pkcs8(pkey);
    write("text of pem", middle(pem));
    for (const char* member : {"d", "p", "q", "dp", "qi"}) {
      const std::string& text = jwk.at(member);
      const Bytes number = from_b64(text.substr(1, text.size() - 2));
      write(std::string(member), middle(number));
      write(std::string(member) + " reversed", reversed(middle(number)));
      write(std::string("text of ") + member, middle(bytes(text)));
    }
  }

  void write_token(const crypto::RsaKey& key, EVP_PKEY* pkey) const {
    Bytes cek(32), plaintext(5000);
    library()->random(cek).value();
    library()->random(plaintext).value();
    const std::string header = R"({"alg":"RSA-OAEP","enc":"A256GCM","kid":"rsa"})";
    const std::string zipped = R"({"alg":"RSA-OAEP","enc":"A256GCM","kid":"rsa","zip":"DEF"})";
    const Bytes encrypted_key = key.wrap(row(Alg::RSA_OAEP), make_cek(cek)).value();
    const auto sealed = [&](const std::string& json, const Bytes& content) {
      TokenParts parts = seal_token(json, cek, content);
      parts.encrypted_key = b64(encrypted_key);
      return parts.compact();
    };
    write("token", bytes(sealed(header, plaintext)));
    write("zip token", bytes(sealed(zipped, deflate_raw(plaintext))));
    write("cek", std::span(cek).subspan(16));
    write("plaintext", middle(plaintext));
    // The padded CEK, from which anybody can take the CEK: no key is needed for OAEP.
    const crypto::PkeyCtxPtr ctx(EVP_PKEY_CTX_new(pkey, nullptr));
    Bytes em(256);
    std::size_t size = em.size();
    EVP_PKEY_decrypt_init(ctx.get());
    EVP_PKEY_CTX_set_rsa_padding(ctx.get(), RSA_NO_PADDING);
    EVP_PKEY_decrypt(ctx.get(), em.data(), &size, encrypted_key.data(), encrypted_key.size());
    write("oaep", middle(em));
    write("oaep reversed", reversed(middle(em)));
  }
};

/// While it lives, the secrets of these names are looked for; finish() says what was found.
class Watch {
 public:
  Watch(const Secrets& secrets, std::initializer_list<const char*> names) {
    for (const char* name : names) {
      names_.push_back(name);
      secrets_.push_back(secrets.read(name));
      watched_.push_back({secrets_.back().bytes(access_token)});
    }
    freed_secrets::watched = &watched_;
  }
  ~Watch() { freed_secrets::watched = nullptr; }
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  void finish() {
    freed_secrets::watched = nullptr;
    for (std::size_t i = 0; i < names_.size(); ++i) {
      INFO(names_[i]);
      CHECK(watched_[i].freed == 0);
      CHECK(copies_of(secrets_[i]) == 0);
    }
  }

 private:
  std::vector<const char*> names_;
  std::vector<SecretBuffer> secrets_;
  std::vector<freed_secrets::Watched> watched_;
};

void import_file(const Kms& kms, const Secrets& secrets, const char* file, KeyFormat format,
                 std::string uid) {
  const SecretBuffer data = secrets.read(file);
  const auto imported = kms.import_key({.format = format,
                                        .data = data.bytes(access_token),
                                        .passphrase = bytes("passphrase"),
                                        .uid = std::move(uid)});
  REQUIRE(code_of(imported) == "ok");
}

}  // namespace

TEST_CASE("the search finds what was planted", "[leftovers]") {
  const Secrets secrets;
  const SecretBuffer cek = secrets.read("cek");
  std::vector<freed_secrets::Watched> watched{{cek.bytes(access_token)}};
  CHECK(copies_of(cek) == 0);
  auto block = std::make_unique<Bytes>(4096);
  std::ranges::copy(cek.bytes(access_token), block->begin() + 2000);
  CHECK(copies_of(cek) == 1);
  freed_secrets::watched = &watched;
  block.reset();
  freed_secrets::watched = nullptr;
  CHECK(watched[0].freed == 1);
  CHECK(copies_of(cek) == 1);  // freed is not wiped
}

TEST_CASE("an import leaves no copy of the key", "[leftovers][!shouldfail]") {
  struct Row {
    const char* file;
    KeyFormat format;
  };
  const Row r = GENERATE(Row{"der", KeyFormat::der}, Row{"pkcs1 der", KeyFormat::der},
                         Row{"pem", KeyFormat::pem}, Row{"pkcs1 pem", KeyFormat::pem},
                         Row{"encrypted pem", KeyFormat::pem}, Row{"jwk", KeyFormat::jwk},
                         Row{"bare jwk", KeyFormat::jwk});
  const Secrets secrets;
  const Database db;
  INFO(r.file);
  Watch watch(secrets,
              {"d", "d reversed", "p", "p reversed", "q", "q reversed", "dp", "dp reversed", "qi",
               "qi reversed", "text of pem", "text of p", "text of d"});
  import_file(db.kms, secrets, r.file, r.format, "rsa");
  watch.finish();
}

TEST_CASE("a key that is read from the database leaves no copy beside the one in use",
          "[leftovers][!shouldfail]") {
  const Secrets secrets;
  const Database db;
  import_file(db.kms, secrets, "der", KeyFormat::der, "rsa");
  // In use are numbers as OpenSSL holds them, not DER.
  Watch watch(secrets, {"d", "p", "q", "dp", "qi"});
  CHECK(code_of(db.kms.describe_key("rsa")) == "ok");
  watch.finish();
}

TEST_CASE("a decryption leaves no copy of the CEK, padded or not", "[leftovers][threat]") {
  const Secrets secrets;
  const Database db;
  import_file(db.kms, secrets, "der", KeyFormat::der, "rsa");
  Watch watch(secrets, {"cek", "oaep", "oaep reversed"});
  CHECK(decrypt(db.kms, secrets.token()).code() == "ok");
  watch.finish();
}

TEST_CASE("a kept CEK leaves no copy outside the database", "[leftovers]") {
  const Secrets secrets;
  const Database db;
  import_file(db.kms, secrets, "der", KeyFormat::der, "rsa");
  Watch watch(secrets, {"cek", "oaep", "oaep reversed"});
  REQUIRE(code_of(db.kms.unwrap_key(secrets.token())) == "ok");
  watch.finish();
}

TEST_CASE("a reencryption leaves no copy of the plaintext", "[leftovers]") {
  const char* const token_file = GENERATE("token", "zip token");
  const Secrets secrets;
  const Database db;
  import_file(db.kms, secrets, "der", KeyFormat::der, "rsa");
  const SecretBuffer token = secrets.read(token_file);
  Watch watch(secrets, {"plaintext", "cek"});
  REQUIRE(code_of(reencrypt(db.kms, text(token.bytes(access_token)), {}, {.key = "rsa"})) == "ok");
  watch.finish();
}

TEST_CASE("content that is too large to inflate leaves no copy", "[leftovers]") {
  const Secrets secrets;
  const Database db(policy_with([](Policy& p) { p.limits.max_inflated_bytes = 4000; }));
  import_file(db.kms, secrets, "der", KeyFormat::der, "rsa");
  const SecretBuffer token = secrets.read("zip token");
  Watch watch(secrets, {"plaintext"});  // its middle, which comes before the bound
  CHECK(decrypt(db.kms, text(token.bytes(access_token))).code() == "bad_request");
  watch.finish();
}

TEST_CASE("when a Kms goes, so do its keys", "[leftovers]") {
  const Secrets secrets;
  auto db = std::make_unique<Database>();
  import_file(db->kms, secrets, "der", KeyFormat::der, "rsa");
  const KeyInfo kept = db->kms.unwrap_key(secrets.token()).value();
  const EncryptOptions direct{.key = kept.uid, .alg = Alg::dir};
  CHECK(decrypt(db->kms, secrets.token()).code() == "ok");
  CHECK(decrypt(db->kms, encrypt(db->kms, bytes("x"), direct).value()).text() == "x");
  Watch watch(secrets,
              {"cek", "d reversed", "p reversed", "q reversed", "dp reversed", "qi reversed"});
  db.reset();
  watch.finish();
}

#endif
