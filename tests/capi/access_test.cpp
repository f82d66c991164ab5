// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <thread>

#include "fixture.hpp"

namespace {

Ctx acting_for(const Ctx& ctx, std::string_view principal) {
  jwekms_ctx* acting = nullptr;
  REQUIRE(jwekms_on_behalf_of(ctx.get(), principal.data(), principal.size(), &acting, nullptr) ==
          JWEKMS_OK);
  return Ctx{acting};
}

jwekms_status grant(const Ctx& ctx, std::string_view uid, std::string_view principal,
                    std::uint32_t permissions) {
  return jwekms_grant(ctx.get(), uid.data(), uid.size(), principal.data(), principal.size(),
                      permissions, nullptr);
}

jwekms_status revoke(const Ctx& ctx, std::string_view uid, std::string_view principal) {
  return jwekms_revoke(ctx.get(), uid.data(), uid.size(), principal.data(), principal.size(),
                       nullptr);
}

struct FreeGrants {
  void operator()(jwekms_grant_list* list) const { jwekms_grant_list_free(list); }
};
using Grants = std::unique_ptr<jwekms_grant_list, FreeGrants>;

Grants list_grants(const Ctx& ctx, std::string_view uid) {
  jwekms_grant_list* list = nullptr;
  REQUIRE(jwekms_list_grants(ctx.get(), uid.data(), uid.size(), &list, nullptr) == JWEKMS_OK);
  return Grants{list};
}

/// "principal:permissions", with spaces between.
std::string shown(const Grants& grants) {
  std::string all;
  for (std::size_t i = 0; i < jwekms_grant_list_count(grants.get()); ++i) {
    std::size_t len = 0;
    const char* principal = jwekms_grant_list_principal(grants.get(), i, &len);
    REQUIRE(std::string_view(principal).size() == len);
    all += (i == 0 ? "" : " ") + std::string(principal) + ':' +
           std::to_string(jwekms_grant_list_permissions(grants.get(), i));
  }
  return all;
}

jwekms_status describe(const Ctx& ctx, std::string_view uid) {
  return jwekms_describe_key(ctx.get(), uid.data(), uid.size(), nullptr, nullptr);
}

}  // namespace

TEST_CASE("a context acts for a principal", "[capi][access]") {
  const TemporaryFolder folder;
  const std::string path = folder.file("keys.db");
  const char* const ada_name = "ada";
  const std::size_t ada_len = 3;
  jwekms_open_options options = open_options(path);
  options.admins = &ada_name;
  options.admin_lens = &ada_len;
  options.admin_count = 1;
  const Ctx host = open_ctx(options);
  const Ctx olga = acting_for(host, "olga"), dora = acting_for(host, "dora"),
            ada = acting_for(host, "ada");
  const Info made = create(olga, "k");
  CHECK(text_of(jwekms_key_info_owner, made.get()) == "olga");
  const std::string token = encrypt(olga, "hello", encrypt_to("k"));
  CHECK(decrypt(olga.get(), token).plaintext == "hello");
  CHECK(decrypt(ada.get(), token).plaintext == "hello");
  CHECK(decrypt(host.get(), token).plaintext == "hello");
  CHECK(decrypt(dora.get(), token).status == JWEKMS_FORBIDDEN);
  CHECK(describe(dora, "k") == JWEKMS_FORBIDDEN);
  CHECK(describe(dora, "none") == JWEKMS_NOT_FOUND);

  CHECK(grant(dora, "k", "dora", JWEKMS_MAY_DECRYPT) == JWEKMS_FORBIDDEN);
  CHECK(grant(olga, "k", "dora", JWEKMS_MAY_DECRYPT) == JWEKMS_OK);
  CHECK(grant(olga, "k", "*", JWEKMS_MAY_DESCRIBE | JWEKMS_MAY_GRANT) == JWEKMS_OK);
  CHECK(decrypt(dora.get(), token).plaintext == "hello");
  CHECK(decrypt(dora.get(), encrypt(olga, "by its public half", encrypt_to("k_pk"))).plaintext ==
        "by its public half");
  CHECK(shown(list_grants(dora, "k")) == "*:40 dora:1");
  CHECK(revoke(olga, "k", "*") == JWEKMS_OK);
  CHECK(revoke(olga, "k", "*") == JWEKMS_NOT_FOUND);
  CHECK(revoke(dora, "k", "dora") == JWEKMS_FORBIDDEN);
  CHECK(revoke(olga, "k", "dora") == JWEKMS_OK);
  CHECK(decrypt(dora.get(), token).status == JWEKMS_FORBIDDEN);
  CHECK(shown(list_grants(host, "k")).empty());
}

TEST_CASE("contexts are closed in any order", "[capi][access]") {
  const TemporaryFolder folder;
  const std::string path = folder.file("keys.db");
  Ctx host = open_ctx(open_options(path));
  Ctx olga = acting_for(host, "olga"), dora = acting_for(host, "dora");
  (void)create(olga, "k");
  host.reset();
  const std::string token = encrypt(olga, "hello", encrypt_to("k"));
  CHECK(decrypt(dora.get(), token).status == JWEKMS_FORBIDDEN);
  Grants grants = list_grants(olga, "k");
  dora.reset();
  CHECK(decrypt(olga.get(), token).plaintext == "hello");
  olga.reset();
  CHECK(jwekms_grant_list_count(grants.get()) == 0);
  // Nothing of it is left that could be in the way.
  CHECK(describe(open_ctx(open_options(path)), "k") == JWEKMS_OK);
}

TEST_CASE("arguments of calls about principals", "[capi][access]") {
  const Ctx& ctx = keyring().ctx;
  jwekms_ctx* acting = ctx.get();
  CHECK(jwekms_on_behalf_of(nullptr, "a", 1, &acting, nullptr) == JWEKMS_BAD_REQUEST);
  CHECK(acting == nullptr);
  for (const std::string_view bad : {"", "*", "a\n", "\xFF"}) {
    acting = ctx.get();
    CHECK(jwekms_on_behalf_of(ctx.get(), bad.data(), bad.size(), &acting, nullptr) ==
          JWEKMS_BAD_REQUEST);
    CHECK(acting == nullptr);
  }
  CHECK(jwekms_on_behalf_of(ctx.get(), nullptr, 1, &acting, nullptr) == JWEKMS_BAD_REQUEST);
  CHECK(jwekms_on_behalf_of(ctx.get(), "a", 1, nullptr, nullptr) == JWEKMS_BAD_REQUEST);
  const Ctx olga = acting_for(ctx, "olga");
  CHECK(jwekms_on_behalf_of(olga.get(), "ada", 3, &acting, nullptr) == JWEKMS_FORBIDDEN);

  CHECK(jwekms_grant(nullptr, "rsa", 3, "a", 1, 1, nullptr) == JWEKMS_BAD_REQUEST);
  CHECK(jwekms_revoke(nullptr, "rsa", 3, "a", 1, nullptr) == JWEKMS_BAD_REQUEST);
  CHECK(grant(ctx, "rsa", "a", 0) == JWEKMS_BAD_REQUEST);
  CHECK(grant(ctx, "rsa", "a", 64) == JWEKMS_BAD_REQUEST);
  CHECK(grant(ctx, "rsa", "", 1) == JWEKMS_BAD_REQUEST);
  CHECK(grant(ctx, "none", "a", 1) == JWEKMS_NOT_FOUND);

  jwekms_grant_list* list = nullptr;
  CHECK(jwekms_list_grants(nullptr, "rsa", 3, &list, nullptr) == JWEKMS_BAD_REQUEST);
  CHECK(jwekms_list_grants(ctx.get(), "rsa", 3, nullptr, nullptr) == JWEKMS_BAD_REQUEST);
  CHECK(jwekms_list_grants(olga.get(), "rsa", 3, &list, nullptr) == JWEKMS_FORBIDDEN);
  CHECK(list == nullptr);
  const Grants none = list_grants(ctx, "rsa");
  std::size_t len = 9;
  CHECK(jwekms_grant_list_principal(none.get(), 0, &len) == nullptr);
  CHECK(len == 0);
  CHECK(jwekms_grant_list_permissions(none.get(), 0) == 0);
  CHECK(jwekms_grant_list_count(nullptr) == 0);
  CHECK(jwekms_grant_list_principal(nullptr, 0, nullptr) == nullptr);
  CHECK(jwekms_grant_list_permissions(nullptr, 0) == 0);
  jwekms_grant_list_free(nullptr);

  const TemporaryFolder folder;
  const std::string path = folder.file("keys.db");
  jwekms_open_options options = open_options(path);
  options.admin_count = 1;
  CHECK(jwekms_open(&options, &acting, nullptr) == JWEKMS_BAD_REQUEST);
  const char* control = "\x1B";
  const std::size_t one = 1;
  options.admins = &control;
  options.admin_lens = &one;
  CHECK(jwekms_open(&options, &acting, nullptr) == JWEKMS_BAD_REQUEST);
}

namespace {

struct Heard {
  std::vector<std::string> lines;
  std::thread::id thread;
  static void hear(void* data, const jwekms_audit_event* e) {
    REQUIRE(e->struct_size == sizeof(jwekms_audit_event));
    REQUIRE(e->time_ns > 0);
    REQUIRE(e->reserved == 0);
    auto& self = *static_cast<Heard*>(data);
    self.thread = std::this_thread::get_id();
    std::string line(jwekms_status_name(e->status));
    for (const std::string_view text : {std::string_view(e->principal, e->principal_len),
                                        {e->operation, e->operation_len},
                                        {e->kid, e->kid_len},
                                        {e->uid, e->uid_len},
                                        {e->other, e->other_len}})
      line += '|' + std::string(text);
    self.lines.push_back(line + '|' + std::to_string(e->permissions));
  }
};

}  // namespace

TEST_CASE("calls are reported", "[capi][access]") {
  const TemporaryFolder folder;
  const std::string path = folder.file("keys.db");
  Heard heard;
  jwekms_open_options options = open_options(path);
  options.on_audit = Heard::hear;
  options.on_audit_data = &heard;
  Ctx host = open_ctx(options);
  const Ctx olga = acting_for(host, "olga"), dora = acting_for(host, "dora");
  host.reset();
  (void)create(olga, "k");
  const std::string token = encrypt(olga, "hello", encrypt_to("k_pk"));
  (void)decrypt(dora.get(), token);
  CHECK(grant(olga, "k", "dora", JWEKMS_MAY_DECRYPT) == JWEKMS_OK);
  (void)list_grants(olga, "k");
  CHECK(heard.thread == std::this_thread::get_id());
  CHECK(heard.lines ==
        std::vector<std::string>{"ok|olga|create_key|k|k||0", "ok|olga|encrypt|k_pk|k||0",
                                 "forbidden|dora|decrypt|k_pk|k||0", "ok|olga|grant|k|k|dora|1",
                                 "ok|olga|grants|k|k||0"});
}
