// SPDX-License-Identifier: Apache-2.0
// What was published may not move: values, layouts, and the rules for structs of other releases.
#include <array>
#include <cstddef>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "fixture.hpp"
#include "jwekms/error.hpp"
#include "jwekms/hsm.hpp"
#include "jwekms/provider.hpp"
#include "jwekms/version.hpp"
#include "jwekms_provider.h"
#include "struct_size.hpp"

using jwekms::Errc;
using namespace std::string_view_literals;

TEST_CASE("published values never change", "[capi][abi]") {
  CHECK(JWEKMS_ABI_VERSION == 1);
  CHECK(JWEKMS_OK == 0);
  CHECK(JWEKMS_BAD_REQUEST == 1);
  CHECK(JWEKMS_FORBIDDEN == 2);
  CHECK(JWEKMS_NOT_FOUND == 3);
  CHECK(JWEKMS_CONFLICT == 4);
  CHECK(JWEKMS_TOO_LARGE == 5);
  CHECK(JWEKMS_UNSUPPORTED_ALGORITHM == 6);
  CHECK(JWEKMS_DECRYPTION_FAILED == 7);
  CHECK(JWEKMS_CRYPTO_FAILURE == 8);
  CHECK(JWEKMS_UNAVAILABLE == 9);
  CHECK(JWEKMS_INTERNAL_ERROR == 10);
  CHECK(JWEKMS_BUFFER_TOO_SMALL == 11);
  CHECK(JWEKMS_ALLOW_MISSING_KID == 1);
  CHECK(JWEKMS_ALLOW_UNPROTECTED == 2);
  CHECK(JWEKMS_ALLOW_ZIP == 4);
  CHECK(JWEKMS_ALLOW_COMPROMISED == 8);
  CHECK(JWEKMS_COMPACT == 0);
  CHECK(JWEKMS_FLATTENED == 1);
  CHECK(JWEKMS_KEY_TYPE_RSA == 1);
  CHECK(JWEKMS_KEY_TYPE_OCT == 2);
  CHECK(JWEKMS_KEY_ACTIVE == 1);
  CHECK(JWEKMS_KEY_DEACTIVATED == 2);
  CHECK(JWEKMS_KEY_COMPROMISED == 3);
  CHECK(JWEKMS_KEY_DESTROYED == 4);
  CHECK(JWEKMS_KEY_FORMAT_JWK == 1);
  CHECK(JWEKMS_KEY_FORMAT_PEM == 2);
  CHECK(JWEKMS_KEY_FORMAT_DER == 3);
  CHECK(JWEKMS_KEY_FORMAT_RAW == 4);
  CHECK(JWEKMS_MAY_DECRYPT == 1);
  CHECK(JWEKMS_MAY_ENCRYPT == 2);
  CHECK(JWEKMS_MAY_UNWRAP == 4);
  CHECK(JWEKMS_MAY_DESCRIBE == 8);
  CHECK(JWEKMS_MAY_MANAGE == 16);
  CHECK(JWEKMS_MAY_GRANT == 32);
  CHECK(JWEKMS_STORE_IN_HSM == 1);
  CHECK(JWEKMS_HSM_LOGIN_USER == 1);
  CHECK(JWEKMS_HSM_LOGIN_NONE == 2);
  CHECK(JWEKMS_HSM_SLOT_BY_ID == 1);
  CHECK(JWEKMS_HSM_FORBID_WEAK_KEYS == 1);
  CHECK(JWEKMS_CEK_IN_PROCESS == 1);
  CHECK(JWEKMS_CEK_IN_HSM == 2);
  CHECK(JWEKMS_AS_USUAL == 0);
  CHECK(JWEKMS_ON == 1);
  CHECK(JWEKMS_OFF == 2);
  CHECK(JWEKMS_FINDING_FACT == 1);
  CHECK(JWEKMS_FINDING_CAN == 2);
  CHECK(JWEKMS_FINDING_CANNOT == 3);
  CHECK(JWEKMS_FINDING_WARNING == 4);
  CHECK(JWEKMS_PROVIDED_CEK_STAYS == 1);
  CHECK(JWEKMS_PROVIDED_NO_DECRYPT == 2);
  CHECK(JWEKMS_PROVIDED_NO_ENCRYPT == 4);
}

TEST_CASE("C's values are C++'s", "[capi][abi]") {
  using jwekms::KeyFormat, jwekms::KeyState, jwekms::KeyType;
  CHECK(JWEKMS_KEY_TYPE_RSA == static_cast<int>(KeyType::rsa));
  CHECK(JWEKMS_KEY_TYPE_OCT == static_cast<int>(KeyType::oct));
  CHECK(JWEKMS_KEY_ACTIVE == static_cast<int>(KeyState::active));
  CHECK(JWEKMS_KEY_DEACTIVATED == static_cast<int>(KeyState::deactivated));
  CHECK(JWEKMS_KEY_COMPROMISED == static_cast<int>(KeyState::compromised));
  CHECK(JWEKMS_KEY_DESTROYED == static_cast<int>(KeyState::destroyed));
  CHECK(JWEKMS_KEY_FORMAT_JWK == static_cast<int>(KeyFormat::jwk));
  CHECK(JWEKMS_KEY_FORMAT_PEM == static_cast<int>(KeyFormat::pem));
  CHECK(JWEKMS_KEY_FORMAT_DER == static_cast<int>(KeyFormat::der));
  CHECK(JWEKMS_KEY_FORMAT_RAW == static_cast<int>(KeyFormat::raw));
  using jwekms::CekBoundary, jwekms::HsmLogin;
  CHECK(JWEKMS_CEK_IN_PROCESS == static_cast<int>(CekBoundary::process));
  CHECK(JWEKMS_CEK_IN_HSM == static_cast<int>(CekBoundary::hsm));
  CHECK(JWEKMS_HSM_LOGIN_USER == static_cast<int>(HsmLogin::user));
  CHECK(JWEKMS_HSM_LOGIN_NONE == static_cast<int>(HsmLogin::none));
}

TEST_CASE("each status has C++'s name and HTTP status", "[capi][abi]") {
  for (jwekms_status s = JWEKMS_BAD_REQUEST; s <= JWEKMS_BUFFER_TOO_SMALL; ++s) {
    CHECK(jwekms_status_name(s) == jwekms::name(static_cast<Errc>(s)));
    CHECK(jwekms_status_http(s) == jwekms::http_status(static_cast<Errc>(s)));
  }
  CHECK(jwekms_status_name(JWEKMS_OK) == "ok"sv);
  CHECK(jwekms_status_http(JWEKMS_OK) == 200);
  for (jwekms_status unknown : {-1, 12, INT32_MAX, INT32_MIN}) {
    CHECK(jwekms_status_name(unknown) == "internal_error"sv);
    CHECK(jwekms_status_http(unknown) == 500);
  }
}

TEST_CASE("versions", "[capi][abi]") {
  CHECK(jwekms_abi_version() == JWEKMS_ABI_VERSION);
  CHECK(jwekms_version_string() == std::string(JWEKMS_VERSION_STRING));
  const std::uint32_t n = jwekms_version_number();
  CHECK(std::to_string(n >> 16) + '.' + std::to_string(n >> 8 & 0xFF) + '.' +
            std::to_string(n & 0xFF) ==
        JWEKMS_VERSION_STRING);
}

#define MEMBER(type, member) \
  { #type "." #member, offsetof(type, member) }
#define WHOLE(type) \
  { #type, sizeof(type) }

TEST_CASE("layouts with 64-bit pointers", "[capi][abi]") {
  static_assert(sizeof(void*) == 8);
  struct Row {
    std::string what;
    std::size_t is;
  };
  const std::vector<std::pair<Row, std::size_t>> table{
      {MEMBER(jwekms_error, struct_size), 0},
      {MEMBER(jwekms_error, code), 4},
      {MEMBER(jwekms_error, position), 8},
      {MEMBER(jwekms_error, reserved), 12},
      {MEMBER(jwekms_error, text), 16},
      {WHOLE(jwekms_error), 24},
      {MEMBER(jwekms_open_options, struct_size), 0},
      {MEMBER(jwekms_open_options, policy_flags), 4},
      {MEMBER(jwekms_open_options, database_path), 8},
      {MEMBER(jwekms_open_options, database_path_len), 16},
      {MEMBER(jwekms_open_options, kek_path), 24},
      {MEMBER(jwekms_open_options, kek_path_len), 32},
      {MEMBER(jwekms_open_options, kek), 40},
      {MEMBER(jwekms_open_options, kek_len), 48},
      {MEMBER(jwekms_open_options, policy_algs), 56},
      {MEMBER(jwekms_open_options, policy_algs_len), 64},
      {MEMBER(jwekms_open_options, policy_encs), 72},
      {MEMBER(jwekms_open_options, policy_encs_len), 80},
      {MEMBER(jwekms_open_options, openssl_properties), 88},
      {MEMBER(jwekms_open_options, openssl_properties_len), 96},
      {MEMBER(jwekms_open_options, openssl_config), 104},
      {MEMBER(jwekms_open_options, openssl_config_len), 112},
      {MEMBER(jwekms_open_options, on_warning), 120},
      {MEMBER(jwekms_open_options, on_warning_data), 128},
      {MEMBER(jwekms_open_options, rsa_min_bits), 136},
      {MEMBER(jwekms_open_options, cache_ttl_ms), 140},
      {MEMBER(jwekms_open_options, busy_timeout_ms), 144},
      {MEMBER(jwekms_open_options, cache_entries), 148},
      {MEMBER(jwekms_open_options, max_token_bytes), 152},
      {MEMBER(jwekms_open_options, max_header_bytes), 160},
      {MEMBER(jwekms_open_options, max_recipients), 168},
      {MEMBER(jwekms_open_options, max_inflated_bytes), 176},
      {MEMBER(jwekms_open_options, max_inflated_ratio), 184},
      {MEMBER(jwekms_open_options, hsms), 192},
      {MEMBER(jwekms_open_options, hsm_count), 200},
      {MEMBER(jwekms_open_options, hsm_pools), 208},
      {MEMBER(jwekms_open_options, hsm_pool_lens), 216},
      {MEMBER(jwekms_open_options, hsm_pool_count), 224},
      {MEMBER(jwekms_open_options, key_encryption_key), 232},
      {MEMBER(jwekms_open_options, key_encryption_key_len), 240},
      {MEMBER(jwekms_open_options, admins), 248},
      {MEMBER(jwekms_open_options, admin_lens), 256},
      {MEMBER(jwekms_open_options, admin_count), 264},
      {MEMBER(jwekms_open_options, on_audit), 272},
      {MEMBER(jwekms_open_options, on_audit_data), 280},
      {MEMBER(jwekms_open_options, providers), 288},
      {MEMBER(jwekms_open_options, provider_count), 296},
      {WHOLE(jwekms_open_options), 304},
      {MEMBER(jwekms_audit_event, struct_size), 0},
      {MEMBER(jwekms_audit_event, status), 4},
      {MEMBER(jwekms_audit_event, time_ns), 8},
      {MEMBER(jwekms_audit_event, principal), 16},
      {MEMBER(jwekms_audit_event, principal_len), 24},
      {MEMBER(jwekms_audit_event, operation), 32},
      {MEMBER(jwekms_audit_event, operation_len), 40},
      {MEMBER(jwekms_audit_event, kid), 48},
      {MEMBER(jwekms_audit_event, kid_len), 56},
      {MEMBER(jwekms_audit_event, uid), 64},
      {MEMBER(jwekms_audit_event, uid_len), 72},
      {MEMBER(jwekms_audit_event, other), 80},
      {MEMBER(jwekms_audit_event, other_len), 88},
      {MEMBER(jwekms_audit_event, permissions), 96},
      {MEMBER(jwekms_audit_event, reserved), 100},
      {WHOLE(jwekms_audit_event), 104},
      {MEMBER(jwekms_hsm_slot, struct_size), 0},
      {MEMBER(jwekms_hsm_slot, flags), 4},
      {MEMBER(jwekms_hsm_slot, number), 8},
      {MEMBER(jwekms_hsm_slot, token_label), 16},
      {MEMBER(jwekms_hsm_slot, token_label_len), 24},
      {MEMBER(jwekms_hsm_slot, token_serial), 32},
      {MEMBER(jwekms_hsm_slot, token_serial_len), 40},
      {MEMBER(jwekms_hsm_slot, slot_id), 48},
      {MEMBER(jwekms_hsm_slot, pin), 56},
      {MEMBER(jwekms_hsm_slot, pin_len), 64},
      {MEMBER(jwekms_hsm_slot, login), 72},
      {MEMBER(jwekms_hsm_slot, reserved), 76},
      {WHOLE(jwekms_hsm_slot), 80},
      {MEMBER(jwekms_hsm_options, struct_size), 0},
      {MEMBER(jwekms_hsm_options, flags), 4},
      {MEMBER(jwekms_hsm_options, model), 8},
      {MEMBER(jwekms_hsm_options, model_len), 16},
      {MEMBER(jwekms_hsm_options, module_path), 24},
      {MEMBER(jwekms_hsm_options, module_path_len), 32},
      {MEMBER(jwekms_hsm_options, init_args), 40},
      {MEMBER(jwekms_hsm_options, init_args_len), 48},
      {MEMBER(jwekms_hsm_options, slots), 56},
      {MEMBER(jwekms_hsm_options, slot_count), 64},
      {MEMBER(jwekms_hsm_options, cek_boundary), 72},
      {MEMBER(jwekms_hsm_options, raw_rsa_fallback), 76},
      {MEMBER(jwekms_hsm_options, max_sessions), 80},
      {MEMBER(jwekms_hsm_options, session_timeout_ms), 84},
      {MEMBER(jwekms_hsm_options, admins), 88},
      {MEMBER(jwekms_hsm_options, admin_lens), 96},
      {MEMBER(jwekms_hsm_options, admin_count), 104},
      {WHOLE(jwekms_hsm_options), 112},
      {MEMBER(jwekms_finding, struct_size), 0},
      {MEMBER(jwekms_finding, verdict), 4},
      {MEMBER(jwekms_finding, slot), 8},
      {MEMBER(jwekms_finding, what), 16},
      {MEMBER(jwekms_finding, what_len), 24},
      {MEMBER(jwekms_finding, how), 32},
      {MEMBER(jwekms_finding, how_len), 40},
      {MEMBER(jwekms_finding, means), 48},
      {MEMBER(jwekms_finding, means_len), 56},
      {MEMBER(jwekms_finding, needed), 64},
      {MEMBER(jwekms_finding, reserved), 68},
      {WHOLE(jwekms_finding), 72},
      {MEMBER(jwekms_decrypt_options, struct_size), 0},
      {MEMBER(jwekms_decrypt_options, flags), 4},
      {MEMBER(jwekms_decrypt_options, key), 8},
      {MEMBER(jwekms_decrypt_options, key_len), 16},
      {WHOLE(jwekms_decrypt_options), 24},
      {MEMBER(jwekms_encrypt_options, struct_size), 0},
      {MEMBER(jwekms_encrypt_options, serialization), 4},
      {MEMBER(jwekms_encrypt_options, key), 8},
      {MEMBER(jwekms_encrypt_options, key_len), 16},
      {MEMBER(jwekms_encrypt_options, alg), 24},
      {MEMBER(jwekms_encrypt_options, alg_len), 32},
      {MEMBER(jwekms_encrypt_options, enc), 40},
      {MEMBER(jwekms_encrypt_options, enc_len), 48},
      {MEMBER(jwekms_encrypt_options, aad), 56},
      {MEMBER(jwekms_encrypt_options, aad_len), 64},
      {WHOLE(jwekms_encrypt_options), 72},
      {MEMBER(jwekms_create_key_options, struct_size), 0},
      {MEMBER(jwekms_create_key_options, type), 4},
      {MEMBER(jwekms_create_key_options, bits), 8},
      {MEMBER(jwekms_create_key_options, flags), 12},
      {MEMBER(jwekms_create_key_options, uid), 16},
      {MEMBER(jwekms_create_key_options, uid_len), 24},
      {MEMBER(jwekms_create_key_options, algs), 32},
      {MEMBER(jwekms_create_key_options, algs_len), 40},
      {MEMBER(jwekms_create_key_options, enc), 48},
      {MEMBER(jwekms_create_key_options, enc_len), 56},
      {MEMBER(jwekms_create_key_options, owner), 64},
      {MEMBER(jwekms_create_key_options, owner_len), 72},
      {MEMBER(jwekms_create_key_options, aliases), 80},
      {MEMBER(jwekms_create_key_options, alias_lens), 88},
      {MEMBER(jwekms_create_key_options, alias_count), 96},
      {WHOLE(jwekms_create_key_options), 104},
      {MEMBER(jwekms_import_key_options, struct_size), 0},
      {MEMBER(jwekms_import_key_options, format), 4},
      {MEMBER(jwekms_import_key_options, passphrase), 8},
      {MEMBER(jwekms_import_key_options, passphrase_len), 16},
      {MEMBER(jwekms_import_key_options, uid), 24},
      {MEMBER(jwekms_import_key_options, uid_len), 32},
      {MEMBER(jwekms_import_key_options, algs), 40},
      {MEMBER(jwekms_import_key_options, algs_len), 48},
      {MEMBER(jwekms_import_key_options, enc), 56},
      {MEMBER(jwekms_import_key_options, enc_len), 64},
      {MEMBER(jwekms_import_key_options, owner), 72},
      {MEMBER(jwekms_import_key_options, owner_len), 80},
      {MEMBER(jwekms_import_key_options, aliases), 88},
      {MEMBER(jwekms_import_key_options, alias_lens), 96},
      {MEMBER(jwekms_import_key_options, alias_count), 104},
      {WHOLE(jwekms_import_key_options), 112},
      {MEMBER(jwekms_unwrap_key_options, struct_size), 0},
      {MEMBER(jwekms_unwrap_key_options, flags), 4},
      {MEMBER(jwekms_unwrap_key_options, key), 8},
      {MEMBER(jwekms_unwrap_key_options, key_len), 16},
      {MEMBER(jwekms_unwrap_key_options, uid), 24},
      {MEMBER(jwekms_unwrap_key_options, uid_len), 32},
      {MEMBER(jwekms_unwrap_key_options, owner), 40},
      {MEMBER(jwekms_unwrap_key_options, owner_len), 48},
      {MEMBER(jwekms_unwrap_key_options, aliases), 56},
      {MEMBER(jwekms_unwrap_key_options, alias_lens), 64},
      {MEMBER(jwekms_unwrap_key_options, alias_count), 72},
      {WHOLE(jwekms_unwrap_key_options), 80},
      {MEMBER(jwekms_list_keys_options, struct_size), 0},
      {MEMBER(jwekms_list_keys_options, limit), 4},
      {MEMBER(jwekms_list_keys_options, after), 8},
      {MEMBER(jwekms_list_keys_options, after_len), 16},
      {MEMBER(jwekms_list_keys_options, prefix), 24},
      {MEMBER(jwekms_list_keys_options, prefix_len), 32},
      {WHOLE(jwekms_list_keys_options), 40},
      {MEMBER(jwekms_provided_key, struct_size), 0},
      {MEMBER(jwekms_provided_key, flags), 4},
      {MEMBER(jwekms_provided_key, key), 8},
      {MEMBER(jwekms_provided_key, type), 16},
      {MEMBER(jwekms_provided_key, bits), 20},
      {MEMBER(jwekms_provided_key, state), 24},
      {MEMBER(jwekms_provided_key, reserved), 28},
      {MEMBER(jwekms_provided_key, created_at), 32},
      {MEMBER(jwekms_provided_key, version), 40},
      {MEMBER(jwekms_provided_key, uid), 48},
      {MEMBER(jwekms_provided_key, uid_len), 304},
      {MEMBER(jwekms_provided_key, algs), 312},
      {MEMBER(jwekms_provided_key, algs_len), 824},
      {MEMBER(jwekms_provided_key, enc), 832},
      {MEMBER(jwekms_provided_key, enc_len), 864},
      {WHOLE(jwekms_provided_key), 872},
      {MEMBER(jwekms_provided_cek, struct_size), 0},
      {MEMBER(jwekms_provided_cek, size), 4},
      {MEMBER(jwekms_provided_cek, alg), 8},
      {MEMBER(jwekms_provided_cek, alg_len), 16},
      {MEMBER(jwekms_provided_cek, enc), 24},
      {MEMBER(jwekms_provided_cek, enc_len), 32},
      {MEMBER(jwekms_provided_cek, kid), 40},
      {MEMBER(jwekms_provided_cek, kid_len), 48},
      {MEMBER(jwekms_provided_cek, encrypted_key), 56},
      {MEMBER(jwekms_provided_cek, encrypted_key_len), 64},
      {WHOLE(jwekms_provided_cek), 72},
      {MEMBER(jwekms_sealed_content, struct_size), 0},
      {MEMBER(jwekms_sealed_content, reserved), 4},
      {MEMBER(jwekms_sealed_content, iv), 8},
      {MEMBER(jwekms_sealed_content, iv_len), 16},
      {MEMBER(jwekms_sealed_content, aad), 24},
      {MEMBER(jwekms_sealed_content, aad_len), 32},
      {MEMBER(jwekms_sealed_content, ciphertext), 40},
      {MEMBER(jwekms_sealed_content, ciphertext_len), 48},
      {MEMBER(jwekms_sealed_content, tag), 56},
      {MEMBER(jwekms_sealed_content, tag_len), 64},
      {WHOLE(jwekms_sealed_content), 72},
      {MEMBER(jwekms_sealing, struct_size), 0},
      {MEMBER(jwekms_sealing, reserved), 4},
      {MEMBER(jwekms_sealing, plaintext), 8},
      {MEMBER(jwekms_sealing, plaintext_len), 16},
      {MEMBER(jwekms_sealing, aad), 24},
      {MEMBER(jwekms_sealing, aad_len), 32},
      {MEMBER(jwekms_sealing, iv), 40},
      {MEMBER(jwekms_sealing, iv_len), 48},
      {MEMBER(jwekms_sealing, ciphertext), 56},
      {MEMBER(jwekms_sealing, ciphertext_len), 64},
      {MEMBER(jwekms_sealing, tag), 72},
      {MEMBER(jwekms_sealing, tag_len), 80},
      {WHOLE(jwekms_sealing), 88},
      {MEMBER(jwekms_provider, struct_size), 0},
      {MEMBER(jwekms_provider, flags), 4},
      {MEMBER(jwekms_provider, prefix), 8},
      {MEMBER(jwekms_provider, prefix_len), 16},
      {MEMBER(jwekms_provider, admins), 24},
      {MEMBER(jwekms_provider, admin_lens), 32},
      {MEMBER(jwekms_provider, admin_count), 40},
      {MEMBER(jwekms_provider, data), 48},
      {MEMBER(jwekms_provider, resolve), 56},
      {MEMBER(jwekms_provider, release), 64},
      {MEMBER(jwekms_provider, unwrap), 72},
      {MEMBER(jwekms_provider, wrap), 80},
      {MEMBER(jwekms_provider, decrypt), 88},
      {MEMBER(jwekms_provider, encrypt), 96},
      {MEMBER(jwekms_provider, public_jwk), 104},
      {MEMBER(jwekms_provider, after_fork), 112},
      {MEMBER(jwekms_provider, destroy), 120},
      {WHOLE(jwekms_provider), 128},
  };
  for (const auto& [row, published] : table) {
    CAPTURE(row.what);
    CHECK(row.is == published);
  }
}

namespace {

/// A struct that has grown since its first release.
struct Grown {
  std::uint32_t struct_size;
  std::uint32_t first;
  std::uint64_t second;
};
constexpr std::size_t first_release = JWEKMS_SIZE_THROUGH(Grown, first);

/// The same in a later release still.
struct GrownMore {
  Grown known;
  std::uint64_t third;
};

}  // namespace

TEST_CASE("structs of other releases", "[capi][abi]") {
  using jwekms::capi::read_struct;
  GrownMore callers{{sizeof(Grown), 1, 2}, 0};

  SECTION("none: all defaults") {
    const auto read = read_struct<Grown>(nullptr, {first_release});
    REQUIRE(read);
    CHECK((read->first == 0 && read->second == 0));
  }
  SECTION("the same release") {
    const auto read = read_struct(&callers.known, {first_release});
    REQUIRE(read);
    CHECK((read->first == 1 && read->second == 2));
  }
  SECTION("the first release: what it did not know is zero, whatever lies behind the struct") {
    callers.known.struct_size = first_release;
    const auto read = read_struct(&callers.known, {first_release});
    REQUIRE(read);
    CHECK((read->first == 1 && read->second == 0));
  }
  SECTION("a later release") {
    callers.known.struct_size = sizeof callers;
    CHECK(read_struct(&callers.known, {first_release}));
    callers.third = std::uint64_t{1} << 63;
    CHECK(read_struct(&callers.known, {first_release}).error().code == Errc::bad_request);
  }
  SECTION("sizes that nobody ever had") {
    for (std::uint32_t size : {0U, 1U, 7U, 9U, 12U, 15U, 4097U, UINT32_MAX}) {
      callers.known.struct_size = size;
      CHECK(read_struct(&callers.known, {first_release}).error().code == Errc::bad_request);
    }
  }
}

namespace {

/// Puts a struct of options, with each sort of size, before a call.
/// @param in_0_1  sizeof the struct in release 0.1.
template <class Options>
void check_sizes(std::size_t in_0_1, const Options& options,
                 const std::function<jwekms_status(const Options*)>& call) {
  struct Larger {
    Options known;
    std::array<unsigned char, 16> tail{};
  } larger{options, {}};
  const auto status_with = [&](std::size_t size) {
    larger.known.struct_size = static_cast<std::uint32_t>(size);
    return call(&larger.known);
  };
  const jwekms_status accepted = status_with(sizeof(Options));
  CHECK(accepted != JWEKMS_BAD_REQUEST);
  CHECK(status_with(sizeof larger) == accepted);
  for (std::size_t size = 0; size < sizeof(Options); ++size) {
    CAPTURE(size);
    CHECK(status_with(size) == (size == in_0_1 ? accepted : JWEKMS_BAD_REQUEST));
  }
  CHECK(status_with(in_0_1) == accepted);
  larger.tail[15] = 1;
  CHECK(status_with(sizeof larger) == JWEKMS_BAD_REQUEST);
  CHECK(status_with(sizeof(Options) + 15) == accepted);
}

}  // namespace

TEST_CASE("every call reads its options by their size", "[capi][abi]") {
  const jwekms_ctx* ctx = keyring().ctx.get();
  const std::string token = encrypt(keyring().ctx, "text", encrypt_to("rsa"));
  constexpr std::string_view taken = "rsa";
  std::array<char, 8192> text;
  std::size_t size = 0;

  SECTION("open") {
    const auto open = [&](const jwekms_open_options* o) {
      jwekms_ctx* opened = nullptr;
      const jwekms_status status = jwekms_open(o, &opened, nullptr);
      jwekms_close(opened);
      return status;
    };
    check_sizes<jwekms_open_options>(304, open_options(keyring().path), open);
  }
  SECTION("rotate_kek") {
    jwekms_open_options options = JWEKMS_OPEN_OPTIONS_INIT;
    options.database_path = "/nonexistent", options.database_path_len = 12;
    check_sizes<jwekms_open_options>(304, options, [](const auto* o) {
      return jwekms_rotate_kek(o, nullptr, nullptr, nullptr);
    });
  }
  SECTION("decrypt") {
    check_sizes<jwekms_decrypt_options>(24, JWEKMS_DECRYPT_OPTIONS_INIT, [&](const auto* o) {
      return jwekms_decrypt(ctx, token.data(), token.size(), o, nullptr, &size, nullptr);
    });
  }
  SECTION("encrypt") {
    check_sizes<jwekms_encrypt_options>(72, encrypt_to("rsa"), [&](const auto* o) {
      return jwekms_encrypt(ctx, nullptr, 0, o, text.data(), &(size = text.size()), nullptr);
    });
  }
  SECTION("reencrypt") {
    const jwekms_encrypt_options to = encrypt_to("rsa");
    check_sizes<jwekms_decrypt_options>(24, JWEKMS_DECRYPT_OPTIONS_INIT, [&](const auto* o) {
      return jwekms_reencrypt(ctx, token.data(), token.size(), o, &to, nullptr, &size, nullptr);
    });
    check_sizes<jwekms_encrypt_options>(72, to, [&](const auto* o) {
      return jwekms_reencrypt(ctx, token.data(), token.size(), nullptr, o, nullptr, &size, nullptr);
    });
  }
  SECTION("create_key") {
    jwekms_create_key_options options = JWEKMS_CREATE_KEY_OPTIONS_INIT;
    options.type = JWEKMS_KEY_TYPE_OCT;
    options.uid = taken.data();
    options.uid_len = taken.size();
    check_sizes<jwekms_create_key_options>(
        104, options, [&](const auto* o) { return jwekms_create_key(ctx, o, nullptr, nullptr); });
  }
  SECTION("import_key") {
    jwekms_import_key_options options = JWEKMS_IMPORT_KEY_OPTIONS_INIT;
    options.format = JWEKMS_KEY_FORMAT_RAW;
    options.uid = taken.data();
    options.uid_len = taken.size();
    check_sizes<jwekms_import_key_options>(112, options, [&](const auto* o) {
      return jwekms_import_key(ctx, test_kek.data(), test_kek.size(), o, nullptr, nullptr);
    });
  }
  SECTION("unwrap_key") {
    jwekms_unwrap_key_options options = JWEKMS_UNWRAP_KEY_OPTIONS_INIT;
    options.uid = taken.data();
    options.uid_len = taken.size();
    check_sizes<jwekms_unwrap_key_options>(80, options, [&](const auto* o) {
      return jwekms_unwrap_key(ctx, token.data(), token.size(), o, nullptr, nullptr);
    });
  }
  SECTION("list_keys") {
    check_sizes<jwekms_list_keys_options>(40, JWEKMS_LIST_KEYS_OPTIONS_INIT, [&](const auto* o) {
      jwekms_key_list* list = nullptr;
      const jwekms_status status = jwekms_list_keys(ctx, o, &list, nullptr);
      jwekms_key_list_free(list);
      return status;
    });
  }
}

TEST_CASE("the error struct", "[capi][abi]") {
  const jwekms_ctx* ctx = keyring().ctx.get();
  const auto describe = [&](std::string_view kid, jwekms_error* error) {
    return jwekms_describe_key(ctx, kid.data(), kid.size(), nullptr, error);
  };
  jwekms_error error = JWEKMS_ERROR_INIT;

  SECTION("is filled on failure and cleared on success") {
    CHECK(describe("nobody", &error) == JWEKMS_NOT_FOUND);
    CHECK(error.code == JWEKMS_NOT_FOUND);
    CHECK(error.text != ""sv);
    CHECK(describe("rsa", &error) == JWEKMS_OK);
    CHECK((error.code == 0 && error.position == 0 && error.text == ""sv));
  }
  SECTION("is optional") {
    CHECK(describe("nobody", nullptr) == JWEKMS_NOT_FOUND);
    CHECK(describe("rsa", nullptr) == JWEKMS_OK);
  }
  SECTION("of a later release is filled as far as it is known") {
    struct Larger {
      jwekms_error known = JWEKMS_ERROR_INIT;
      std::uint64_t more = 7;
    } larger;
    larger.known.struct_size = sizeof larger;
    CHECK(describe("nobody", &larger.known) == JWEKMS_NOT_FOUND);
    CHECK((larger.known.code == JWEKMS_NOT_FOUND && larger.more == 7));
  }
  SECTION("of no size is not written to, and nothing is done") {
    for (std::uint32_t size : {0U, 4U, static_cast<std::uint32_t>(sizeof error) - 1}) {
      jwekms_error before = JWEKMS_ERROR_INIT;
      before.struct_size = size;
      error = before;
      CHECK(describe("rsa", &error) == JWEKMS_BAD_REQUEST);
      CHECK(std::memcmp(&error, &before, sizeof error) == 0);
    }
  }
}
