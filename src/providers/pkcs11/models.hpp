// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <string_view>

#include "jwekms/key_uid.hpp"

namespace jwekms::pkcs11 {

/// What is known of an HSM model before it is asked. Everything else is found by probing.
struct Model {
  std::string_view name;
  const char* module_path;
  unsigned long find_batch;  ///< Objects that one C_FindObjects may ask for.
  bool raw_rsa_fallback;     ///< HsmOptions::raw_rsa_fallback when it is left empty.
  bool opens_files;          ///< Of a token's object, whenever it is looked at.
  /// A search beside the making of a key goes wrong: SoftHSM reads files that are half written,
  /// opencryptoki ("other") shows the key twice. Elsewhere a pair that takes seconds keeps nobody
  /// waiting.
  bool makes_keys_alone;
};

inline constexpr std::array<Model, 6> models{{
    // clang-format off
    {"softhsm2",     "/usr/lib/softhsm/libsofthsm2.so",          64, true,  true,  true},
    {"utimaco",      "/lib/libcs_pkcs11_R3.so",                  64, false, false, false},
    {"proteccio",    "/lib/libnethsm.so",                        64, false, false, false},
    {"crypt2pay",    "/lib/libpkcs11c2p.so",                     64, false, false, false},
    {"smartcardhsm", "/usr/local/lib/libsc-hsm-pkcs11.so",       16, false, false, false},
    {"other",        "/lib/libkmshsm.so",                        64, false, false, true},
    // clang-format on
}};

[[nodiscard]] constexpr const Model* find_model(std::string_view name) noexcept {
  for (const Model& model : models)
    if (model.name == name) return &model;
  return nullptr;
}

namespace detail {
constexpr bool models_are_sound() noexcept {
  for (std::size_t i = 0; i < models.size(); ++i)
    if (models[i].name != hsm_models[i]) return false;
  return models.size() == hsm_models.size();
}
static_assert(models_are_sound());
}  // namespace detail

}  // namespace jwekms::pkcs11
