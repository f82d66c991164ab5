// SPDX-License-Identifier: Apache-2.0
#include "core/key_use.hpp"

namespace jwekms::core {

namespace {

[[nodiscard]] bool state_allows(KeyState state, Operation operation, const Policy& policy) {
  switch (state) {
    case KeyState::active: return true;
    case KeyState::deactivated: return operation != Operation::encrypt;
    case KeyState::compromised: return operation != Operation::encrypt && policy.allow_compromised;
    case KeyState::destroyed: return false;
  }
  return false;
}

}  // namespace

bool type_fits(KeyType type, KeyManagement mode) noexcept {
  switch (mode) {
    case KeyManagement::rsa_oaep: return type == KeyType::rsa;
    case KeyManagement::direct:
    case KeyManagement::aes_kw:
    case KeyManagement::aes_gcm_kw:
    case KeyManagement::pbes2: return type == KeyType::oct;
    case KeyManagement::rsa_pkcs1:
    case KeyManagement::ecdh_es:
    case KeyManagement::ecdh_es_aes_kw: return false;
  }
  return false;
}

Result<void> check_use(const KeyInfo& key, Operation operation, const AlgRow& alg,
                       const EncRow& enc, const Policy& policy) {
  const auto wrong_kind = [](const char* text) { return Error{Errc::crypto_failure, 0, text}; };
  if (!state_allows(key.state, operation, policy))
    return Error{Errc::forbidden, 0, "the key's state does not allow this"};
  if (!type_fits(key.type, alg.mode) || !key.algs.contains(alg.id))
    return wrong_kind("the key does not serve this alg");
  if (operation == Operation::encrypt ? !key.may_encrypt : !key.may_decrypt)
    return wrong_kind("the key does not serve this operation");
  if (key.type == KeyType::rsa && key.bits < policy.rsa_min_bits)
    return wrong_kind("the RSA key is smaller than the policy allows");
  if (alg.mode == KeyManagement::direct &&
      (key.bits != enc.cek_bytes * 8U || (key.enc && *key.enc != enc.id)))
    return wrong_kind("the key does not serve this enc");
  return {};
}

}  // namespace jwekms::core
