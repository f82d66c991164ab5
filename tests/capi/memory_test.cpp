// SPDX-License-Identifier: Apache-2.0
// Each allocation of a call fails in turn: the call says "unavailable", throws nothing into C and
// leaves nothing behind.
#include <cstdlib>
#include <functional>
#include <new>
#include <string>

#include "vault.hpp"

namespace {

/// Allocations that this thread may still make; negative: as many as it likes.
thread_local int allocations_left = -1;

void* allocate(std::size_t size) noexcept {
  if (allocations_left == 0) return nullptr;
  if (allocations_left > 0) --allocations_left;
  return std::malloc(size == 0 ? 1 : size);
}

void* allocate_or_throw(std::size_t size) {
  if (void* memory = allocate(size)) return memory;
  throw std::bad_alloc();
}

}  // namespace

void* operator new(std::size_t size) { return allocate_or_throw(size); }
void* operator new[](std::size_t size) { return allocate_or_throw(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return allocate(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

/// Calls with 0, 1, 2, ... allocations until they suffice.
/// @return how many were too few.
int fail_each_allocation(const std::function<jwekms_status()>& call) {
  for (int granted = 0; granted < 10000; ++granted) {
    allocations_left = granted;
    const jwekms_status status = call();
    allocations_left = -1;
    if (status == JWEKMS_OK) return granted;
    CAPTURE(granted);
    REQUIRE(status == JWEKMS_UNAVAILABLE);
  }
  FAIL("the call never succeeds");
  return 0;
}

}  // namespace

TEST_CASE("memory runs out", "[capi][memory]") {
  const jwekms_ctx* ctx = keyring().ctx.get();
  const std::string token = encrypt(keyring().ctx, "secret", encrypt_to("rsa"));
  REQUIRE(decrypt(ctx, token).status == JWEKMS_OK);  // caches are warm

  SECTION("in decrypt") {
    std::string out(6, 'x');
    fail_each_allocation([&] {
      out.assign(6, 'x');
      std::size_t size = out.size();
      const jwekms_status status =
          jwekms_decrypt(ctx, token.data(), token.size(), nullptr,
                         reinterpret_cast<std::uint8_t*>(out.data()), &size, nullptr);
      if (status != JWEKMS_OK && (size != 0 || out.find_first_not_of('\0') != out.npos))
        return JWEKMS_INTERNAL_ERROR + 1000;
      return status;
    });
    CHECK(out == "secret");
  }
  SECTION("in encrypt") {
    const jwekms_encrypt_options to = encrypt_to("rsa");
    std::string out(8192, 'x');
    CHECK(fail_each_allocation([&] {
            std::size_t size = out.size();
            return jwekms_encrypt(ctx, nullptr, 0, &to, out.data(), &size, nullptr);
          }) > 0);
  }
  SECTION("in describe_key") {
    jwekms_key_info* info = nullptr;
    CHECK(fail_each_allocation([&] {
            const jwekms_status status = jwekms_describe_key(ctx, "rsa", 3, &info, nullptr);
            return status != JWEKMS_OK && info != nullptr ? JWEKMS_INTERNAL_ERROR + 1000 : status;
          }) > 0);
    jwekms_key_info_free(info);
  }
  SECTION("in list_keys and in public_jwks") {
    jwekms_key_list* list = nullptr;
    CHECK(fail_each_allocation([&] { return jwekms_list_keys(ctx, nullptr, &list, nullptr); }) > 0);
    jwekms_key_info* info = nullptr;
    CHECK(fail_each_allocation([&] { return jwekms_key_list_get(list, 0, &info, nullptr); }) > 0);
    jwekms_key_info_free(info);
    jwekms_key_list_free(list);
    std::size_t size = 0;
    CHECK(fail_each_allocation([&] { return jwekms_public_jwks(ctx, nullptr, &size, nullptr); }) >
          0);
  }
  SECTION("in create_key: no key is made by a call that failed") {
    const TemporaryFolder folder;
    const std::string path = folder.file("keys.db");
    const Ctx own = open_ctx(open_options(path));
    jwekms_create_key_options options = JWEKMS_CREATE_KEY_OPTIONS_INIT;
    options.type = JWEKMS_KEY_TYPE_OCT;
    options.uid = "a UID that is too long for a string without an allocation";
    options.uid_len = 57;
    CHECK(fail_each_allocation(
              [&] { return jwekms_create_key(own.get(), &options, nullptr, nullptr); }) > 0);
  }
  SECTION("with a provider of the program's own: no handle is lost, nothing destroyed twice") {
    Vault vault;
    const jwekms_provider table = vault.table();
    const jwekms_provider* const providers[] = {&table};
    jwekms_open_options options = JWEKMS_OPEN_OPTIONS_INIT;
    options.providers = providers;
    options.provider_count = 1;
    jwekms_ctx* opened = nullptr;
    CHECK(fail_each_allocation([&] { return jwekms_open(&options, &opened, nullptr); }) > 0);
    CHECK(vault.destroyed == 0);
    const Ctx own{opened};
    for (const char* alg : {"RSA-OAEP-256", "dir"}) {
      const std::string_view key = alg == std::string_view("dir") ? "vault::aes" : "vault::stays";
      const jwekms_encrypt_options to = encrypt_to(key, alg);
      std::string made(8192, 'x');
      std::array<std::uint8_t, 100> out;
      CHECK(fail_each_allocation([&] {
              std::size_t size = 8192;
              return jwekms_encrypt(own.get(), nullptr, 0, &to, made.data(), &size, nullptr);
            }) > 0);
      const std::string sent = encrypt(own, "secret", to);
      CHECK(fail_each_allocation([&] {
              std::size_t size = out.size();
              return jwekms_decrypt(own.get(), sent.data(), sent.size(), nullptr, out.data(), &size,
                                    nullptr);
            }) > 0);
    }
    CHECK(vault.all_released());
  }
  SECTION("in open") {
    const jwekms_open_options options = open_options(keyring().path);
    jwekms_ctx* opened = nullptr;
    CHECK(fail_each_allocation([&] { return jwekms_open(&options, &opened, nullptr); }) > 0);
    jwekms_close(opened);
  }
}
