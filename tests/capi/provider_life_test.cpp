// SPDX-License-Identifier: Apache-2.0
// Key providers of a program's own: who calls them, from where, and how long they live.
#include <unistd.h>

#include <chrono>
#include <thread>

#include "../core/processes.hpp"
#include "vault.hpp"

namespace {

using Call = Vault::Call;
using support::in_child;

/// For children, where no assertion of Catch reaches anybody.
jwekms_status status_of(const jwekms_ctx* ctx, const std::string& token) {
  std::array<std::uint8_t, 100> out;
  std::size_t size = out.size();
  return jwekms_decrypt(ctx, token.data(), token.size(), nullptr, out.data(), &size, nullptr);
}

void run_threads(int count, const std::function<void(int)>& body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back(body, i);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace

TEST_CASE("a provider is destroyed once, when the last context over it is closed",
          "[capi][provider]") {
  Vault vault;
  const jwekms_provider table = vault.table();
  Ctx host = open_with(table);
  jwekms_ctx* acting = nullptr;
  REQUIRE(jwekms_on_behalf_of(host.get(), "ada", 3, &acting, nullptr) == JWEKMS_OK);
  Ctx ada{acting};
  SECTION("host first") {
    host.reset();
    CHECK(vault.destroyed == 0);
    CHECK(jwekms_describe_key(ada.get(), "vault::rsa", 10, nullptr, nullptr) == JWEKMS_FORBIDDEN);
    ada.reset();
  }
  SECTION("host last") {
    ada.reset();
    CHECK(vault.destroyed == 0);
    host.reset();
  }
  CHECK(vault.destroyed == 1);
  CHECK(vault.all_released());

  // Two contexts over one table are two that destroy it.
  Ctx first = open_with(table), second = open_with(table);
  first.reset();
  second.reset();
  CHECK(vault.destroyed == 3);
  CHECK(vault.forked == 0);
}

TEST_CASE("a provider is still the caller's when opening fails", "[capi][provider]") {
  const TemporaryFolder folder;
  Vault vault, other;
  const jwekms_provider good = vault.table();
  jwekms_provider bad = other.table();
  Ctx ctx;
  CHECK(try_open({&good, &bad}, ctx) == JWEKMS_BAD_REQUEST);  // one prefix
  bad.resolve = nullptr;
  CHECK(try_open({&good, &bad}, ctx) == JWEKMS_BAD_REQUEST);
  CHECK(try_open({&good}, ctx, folder.file("no/such/folder")) == JWEKMS_UNAVAILABLE);
  jwekms_open_options options = JWEKMS_OPEN_OPTIONS_INIT;
  const jwekms_provider* const providers[] = {&good};
  options.providers = providers;
  options.provider_count = 1;
  CHECK(jwekms_open(&options, nullptr, nullptr) == JWEKMS_BAD_REQUEST);
  // Of no use to it, and not taken over.
  CHECK(jwekms_rewrap_database(&options, "hsm::softhsm2::0::k", 19, nullptr) == JWEKMS_BAD_REQUEST);
  CHECK(vault.destroyed == 0);
  CHECK(other.destroyed == 0);
}

TEST_CASE("a provider's table need not outlive the opening", "[capi][provider]") {
  Vault vault;
  Ctx ctx;
  {
    auto table = std::make_unique<jwekms_provider>(vault.table());
    auto prefix = std::make_unique<std::string>("vault::");
    auto admin = std::make_unique<std::string>("vera");
    const char* admins[] = {admin->data()};
    std::size_t admin_lens[] = {admin->size()};
    table->prefix = prefix->data();
    table->admins = admins;
    table->admin_lens = admin_lens;
    table->admin_count = 1;
    ctx = open_with(*table);
  }
  jwekms_ctx* acting = nullptr;
  REQUIRE(jwekms_on_behalf_of(ctx.get(), "vera", 4, &acting, nullptr) == JWEKMS_OK);
  const Ctx vera{acting};
  CHECK(decrypt(vera.get(), encrypt(vera, "x", encrypt_to("vault::rsa"))).plaintext == "x");
}

TEST_CASE("a callback may call the library, with the same context too", "[capi][provider]") {
  const TemporaryFolder folder;
  Vault vault;
  const jwekms_provider table = vault.table();
  const Ctx ctx = open_with(table, folder.file("keys.db"));
  create(ctx, "db");
  const std::string secret = encrypt(ctx, "a password of the vault's", encrypt_to("db"));
  const std::string token = encrypt(ctx, "content", encrypt_to("vault::rsa"));
  const std::string inner = encrypt(ctx, "inner", encrypt_to("vault::aes", "dir"));
  bool within = false;
  std::set<Vault::Call> seen;
  vault.on_call = [&](Vault::Call call) {
    if (std::exchange(within, true)) return;
    seen.insert(call);
    CHECK(decrypt(ctx.get(), secret).plaintext == "a password of the vault's");
    CHECK(decrypt(ctx.get(), inner).plaintext == "inner");
    const Ctx another = open_ctx(open_options(folder.file("another.db")));
    CHECK(decrypt(another.get(), secret).status == JWEKMS_NOT_FOUND);
    within = false;
  };
  CHECK(decrypt(ctx.get(), token).plaintext == "content");
  // While the database is at work on a key that the provider unwraps.
  CHECK(jwekms_unwrap_key(ctx.get(), token.data(), token.size(), nullptr, nullptr, nullptr) ==
        JWEKMS_OK);
  const std::string rsa = encrypt(ctx, "wrapped", encrypt_to("vault::rsa"));
  CHECK(decrypt(ctx.get(), rsa).plaintext == "wrapped");
  const std::string dir = encrypt(ctx, "sealed", encrypt_to("vault::aes", "dir"));
  CHECK(decrypt(ctx.get(), dir).plaintext == "sealed");
  std::size_t size = 0;
  CHECK(jwekms_public_jwk(ctx.get(), "vault::rsa", 10, nullptr, &size, nullptr) == JWEKMS_OK);
  CHECK(seen.size() == 7);  // all but after_fork and destroy
  CHECK(vault.all_released());
}

TEST_CASE("thirty-two threads on one provider", "[capi][provider]") {
  const TemporaryFolder folder;
  Vault vault;
  const jwekms_provider table = vault.table();
  Ctx ctx = open_with(table, folder.file("keys.db"));
  const std::string wrapped = encrypt(ctx, "content", encrypt_to("vault::rsa"));
  const std::string direct = encrypt(ctx, "content", encrypt_to("vault::aes", "dir"));
  std::atomic<int> wrong = 0;
  run_threads(32, [&](int i) {
    for (int round = 0; round < 20; ++round) {
      if (status_of(ctx.get(), i % 2 != 0 ? wrapped : direct) != JWEKMS_OK) ++wrong;
      const Encrypted made = try_encrypt(ctx.get(), "x", i % 2 != 0 ? "vault::rsa" : "vault::aes",
                                         i % 2 != 0 ? "RSA-OAEP-256" : "dir");
      if (made.status != JWEKMS_OK || status_of(ctx.get(), made.token) != JWEKMS_OK) ++wrong;
    }
  });
  CHECK(wrong == 0);
  CHECK(vault.resolved >= 32 * 20 * 3);
  CHECK(vault.all_released());
  ctx.reset();
  CHECK(vault.destroyed == 1);
}

TEST_CASE("after_fork comes once for each context that has the provider", "[capi][provider]") {
  Vault vault;
  const jwekms_provider table = vault.table();
  const Ctx one = open_with(table), other = open_with(table);
  const std::string token = encrypt(one, "content", encrypt_to("vault::rsa"));
  CHECK(in_child([&] {
          for (const Ctx* each : {&one, &other, &one, &other})
            if (status_of(each->get(), token) != JWEKMS_OK) return 1;
          return vault.forked == 2 ? 0 : 2;
        }) == 0);
}

TEST_CASE("in a forked child, after_fork comes before all else, once", "[capi][provider]") {
  Vault vault;
  const jwekms_provider table = vault.table();
  const Ctx ctx = open_with(table);
  const std::string token = encrypt(ctx, "content", encrypt_to("vault::rsa"));
  const auto grandchild = [&] {
    if (status_of(ctx.get(), token) != JWEKMS_OK) return 1;
    return vault.forked == 2 ? 0 : 2;
  };
  const int child = in_child([&] {
    std::atomic<int> wrong = 0;
    vault.on_resolve = [&](jwekms_provided_key&) {
      if (vault.forked != 1) ++wrong;
    };
    vault.on_after_fork = [] { std::this_thread::sleep_for(std::chrono::milliseconds(50)); };
    run_threads(8, [&](int) {
      if (status_of(ctx.get(), token) != JWEKMS_OK) ++wrong;
    });
    vault.on_resolve = nullptr;
    if (wrong != 0 || vault.forked != 1) return 1;
    return in_child(grandchild) == 0 ? 0 : 2;
  });
  CHECK(child == 0);
  CHECK(status_of(ctx.get(), token) == JWEKMS_OK);
  CHECK(vault.forked == 0);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// A sanitizer's allocator has locks of its own that a child inherits as they are.
TEST_CASE("a child forked while calls are under way", "[capi][provider]") {
  Vault vault;
  const jwekms_provider table = vault.table();
  const Ctx ctx = open_with(table);
  const std::string token = encrypt(ctx, "content", encrypt_to("vault::aes", "dir"));
  std::atomic<bool> stop = false;
  std::vector<std::thread> busy;
  for (int i = 0; i < 4; ++i)
    busy.emplace_back([&] {
      while (!stop) (void)status_of(ctx.get(), token);
    });
  for (int i = 0; i < 10; ++i)
    CHECK(in_child([&] {
            alarm(60);
            return status_of(ctx.get(), token) == JWEKMS_OK && vault.forked == 1 ? 0 : 1;
          }) == 0);
  stop = true;
  for (std::thread& thread : busy) thread.join();
  CHECK(vault.all_released());
}
#endif

TEST_CASE("an after_fork that fails is tried again", "[capi][provider]") {
  Vault vault;
  const jwekms_provider table = vault.table();
  Ctx ctx = open_with(table);
  const std::string token = encrypt(ctx, "content", encrypt_to("vault::rsa"));
  const int child = in_child([&] {
    const int resolved = vault.resolved;
    vault.answers = {{Call::after_fork, JWEKMS_UNAVAILABLE}};
    if (status_of(ctx.get(), token) != JWEKMS_UNAVAILABLE) return 1;
    vault.answers = {{Call::after_fork, JWEKMS_DECRYPTION_FAILED}};
    if (status_of(ctx.get(), token) != JWEKMS_INTERNAL_ERROR) return 2;
    if (vault.resolved != resolved) return 3;
    vault.answers.clear();
    if (status_of(ctx.get(), token) != JWEKMS_OK) return 4;
    return vault.forked == 3 ? 0 : 5;
  });
  CHECK(child == 0);
}

TEST_CASE("a forked child destroys what it was made fit for", "[capi][provider]") {
  Vault vault;
  jwekms_provider table = vault.table();
  Ctx ctx = open_with(table);
  // Closing is the child's first use: after_fork comes before destroy, too.
  CHECK(in_child([&] {
          ctx.reset();
          return vault.forked == 1 && vault.destroyed == 1 ? 0 : 1;
        }) == 0);
  CHECK(in_child([&] {
          vault.answers = {{Call::after_fork, JWEKMS_UNAVAILABLE}};
          ctx.reset();
          return vault.forked == 1 && vault.destroyed == 0 ? 0 : 1;
        }) == 0);
  ctx.reset();
  CHECK(vault.forked == 0);
  CHECK(vault.destroyed == 1);

  table.after_fork = nullptr;
  ctx = open_with(table);
  const std::string token = encrypt(ctx, "content", encrypt_to("vault::rsa"));
  CHECK(in_child([&] {
          const jwekms_status status = status_of(ctx.get(), token);
          ctx.reset();
          return status == JWEKMS_OK && vault.destroyed == 2 ? 0 : 1;
        }) == 0);
}
