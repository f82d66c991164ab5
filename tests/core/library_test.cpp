// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

#include "processes.hpp"
#include "support.hpp"

// OpenSSL keeps locks in an OSSL_LIB_CTX and knows nothing of forks.

using namespace jwekms;
using namespace support;

TEST_CASE("a forked child, and its child, have an OSSL_LIB_CTX of their own", "[fork]") {
  const OSSL_LIB_CTX* const parents = library()->ctx();
  CHECK(in_child([&] {
          const OSSL_LIB_CTX* const own = library()->ctx();
          if (own == parents || own != library()->ctx()) return 1;
          return in_child([&] { return library()->ctx() == own ? 1 : 0; });
        }) == 0);
  CHECK(library()->ctx() == parents);
}

// Not with a sanitizer's allocator, which has locks of its own that a child may inherit.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

TEST_CASE("a child goes on though other threads used its parent's OSSL_LIB_CTX at the fork",
          "[fork]") {
  const Bytes der = pkcs8(*rsa_key());
  const Cek cek = make_cek(Bytes(16, 1));
  std::atomic<bool> done = false;
  std::atomic<int> inside = 0;
  std::vector<std::thread> threads;
  // Fetches alone: what draws random numbers holds locks of the whole process besides (THREADS.md).
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&] {
      for (bool first = true; !done; first = false) {
        const crypto::MdPtr fetched(EVP_MD_fetch(library()->ctx(), "SHA2-256", nullptr));
        if (first) ++inside;
      }
    });
  while (inside < 3) std::this_thread::yield();
  int well = 0;
  for (int i = 0; i < 100 && well == i; ++i)
    well += in_child([&] {
              alarm(20);  // who waits for ever ends by that
              const auto key =
                  crypto::RsaKey::from_pkcs8(library(), der);  // fetches what a key wants
              return key && (*key)->wrap(row(Alg::RSA_OAEP), cek) ? 0 : 1;
            }) == 0;
  done = true;
  for (std::thread& thread : threads) thread.join();
  CHECK(well == 100);
}

#endif
