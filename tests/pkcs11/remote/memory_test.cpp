// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstring>

#include "../../core/memory_search.hpp"
#include "../fault/faulty.hpp"

// Looks for the CEK in all writable memory of this process, at every call of the module and after
// the decryption. The token lives in another process, and so does who makes the token text: every
// copy that is found came out of the token.

using namespace token;
using faulty::module;
using support::copies_of;

namespace {

constexpr auto access_token = InsecureSecretAccess::token();

/// A token text whose CEK only a child process has ever seen; here it is in pages of its own.
struct HiddenCek {
  support::TempDir folder;
  std::string text;
  crypto::SecretBuffer cek{32};

  HiddenCek(const Kms& kms, const std::string& uid, Alg alg) {
    const auto key = public_key(kms, uid);
    const pid_t child = fork();
    if (child == 0) {
      const Cek made = random_cek(32);
      write("text", support::bytes(compact(uid, row(alg), row(Enc::A256GCM),
                                           key->wrap(row(alg), made).value(), made, "hidden")));
      write("cek", support::raw(made));
      _exit(0);
    }
    int status = -1;
    waitpid(child, &status, 0);
    std::ifstream(folder.file("text")) >> text;
    const int fd = ::open(folder.file("cek").c_str(), O_RDONLY);
    const auto room = bytes();
    if (status != 0 || ::read(fd, room.data(), room.size()) != 32)
      throw std::runtime_error("no secret was made");
    (void)close(fd);
  }
  [[nodiscard]] std::span<std::uint8_t> bytes() { return cek.bytes(access_token).first(32); }

 private:
  void write(const std::string& name, std::span<const std::uint8_t> contents) const {
    std::ofstream(folder.file(name), std::ios::binary)
        .write(reinterpret_cast<const char*>(contents.data()),
               static_cast<std::streamsize>(contents.size()));
  }
};

/// Searches before and after each call of the module for as long as it lives.
class Search {
 public:
  explicit Search(std::span<const std::uint8_t> needle) : needle_(needle) {
    module().watch(
        [](const char*, int, void* self) {
          auto& search = *static_cast<Search*>(self);
          ++search.looks;
          search.found += copies_of(search.needle_);
        },
        this);
  }
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;
  ~Search() { module().watch(nullptr, nullptr); }
  std::size_t looks = 0;
  std::size_t found = 0;

 private:
  const std::span<const std::uint8_t> needle_;
};

std::vector<Alg> algs(CekBoundary boundary) {
  std::vector<Alg> all{Alg::RSA_OAEP};
  if (boundary == CekBoundary::process || expected().boundary_sha256)
    all.push_back(Alg::RSA_OAEP_256);
  return all;
}

}  // namespace

TEST_CASE("within the HSM boundary the CEK is never in the memory of this process") {
  const faulty::Clean clean;
  const Kms kms = open(CekBoundary::hsm);
  const std::string uid = rsa_uid(kms, CekBoundary::hsm);
  for (const Alg alg : algs(CekBoundary::hsm)) {
    HiddenCek secret(kms, uid, alg);
    {
      Search search(secret.bytes());
      CHECK(decrypt(kms, secret.text) == "hidden");
      CHECK(search.looks > 10);
      CHECK(search.found == 0);
    }
    CHECK(copies_of(secret.bytes()) == 0);
  }
}

TEST_CASE("a CEK that is unwrapped to stay in the token is never in the memory of this process") {
  const faulty::Clean clean;
  for (const CekBoundary boundary : {CekBoundary::process, CekBoundary::hsm}) {
    const Kms kms = open(boundary);
    const std::string uid = rsa_uid(kms, boundary);
    for (const Alg alg : algs(CekBoundary::hsm)) {
      HiddenCek secret(kms, uid, alg);
      Search search(secret.bytes());
      const std::string kept = prefix() + "searched";
      CHECK(support::code_of(kms.unwrap_key(secret.text, {.uid = kept})) == "ok");
      (void)kms.set_key_state(kept, KeyState::destroyed).value();
      CHECK(search.looks > 10);
      CHECK(search.found == 0);
    }
  }
}

TEST_CASE("the search finds the CEK in the process boundary, until the call is over") {
  const faulty::Clean clean;
  const Kms kms = open();
  const std::string uid = rsa_uid(kms);
  for (const Alg alg : algs(CekBoundary::process)) {
    HiddenCek secret(kms, uid, alg);
    CHECK(copies_of(secret.bytes()) == 0);
    Search search(secret.bytes());
    CHECK(decrypt(kms, secret.text) == "hidden");
    CHECK(search.found > 0);
    CHECK(copies_of(secret.bytes()) == 0);
  }
}
