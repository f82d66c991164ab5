// SPDX-License-Identifier: Apache-2.0
#include "crypto/library.hpp"

#include <openssl/err.h>
#include <openssl/rand.h>

namespace jwekms::crypto {

namespace {
constexpr Error no_provider{Errc::unavailable, 0,
                            "OpenSSL has no provider for the configured properties"};
}

Result<std::shared_ptr<const Library>> Library::open(const std::string& properties,
                                                     const std::string& config_path) {
  const ErrorQueueGuard guard;
  std::shared_ptr<Library> library(new Library);
  library->properties_ = properties;
  // A new OSSL_LIB_CTX reads no configuration by itself; without one it gets the default provider.
  if (!config_path.empty()) {
    if (OSSL_LIB_CTX_load_config(library->ctx(), config_path.c_str()) != 1)
      return Error{Errc::unavailable, 0, "the OpenSSL configuration cannot be loaded"};
  } else {
    library->default_provider_.reset(OSSL_PROVIDER_load(library->ctx(), "default"));
    if (!library->default_provider_) return no_provider;
  }

  const char* query = library->properties();
  // A fetch ignores a query that it cannot read; setting one as the default does not. Without this
  // a slip such as "fips==yes" would mean no restriction at all.
  if (query != nullptr && EVP_set_default_properties(library->ctx(), query) != 1)
    return Error{Errc::bad_request, 0, "the OpenSSL property query is malformed"};
  constexpr const char* ciphers[] = {"AES-128-GCM", "AES-192-GCM", "AES-256-GCM"};
  constexpr const char* digests[] = {"SHA1", "SHA2-256", "SHA2-384", "SHA2-512"};
  for (std::size_t i = 0; i < std::size(ciphers); ++i) {
    library->gcm_[i].reset(EVP_CIPHER_fetch(library->ctx(), ciphers[i], query));
    if (!library->gcm_[i]) return no_provider;
  }
  for (std::size_t i = 0; i < std::size(digests); ++i) {
    library->md_[i].reset(EVP_MD_fetch(library->ctx(), digests[i], query));
    if (!library->md_[i]) return no_provider;
  }
  return std::shared_ptr<const Library>(std::move(library));
}

const EVP_CIPHER* Library::aes_gcm(std::size_t key_bytes) const noexcept {
  return gcm_[key_bytes / 8 - 2].get();
}

const EVP_MD* Library::digest(Hash hash) const noexcept {
  switch (hash) {
    case Hash::none: return nullptr;
    case Hash::sha1: return md_[0].get();
    case Hash::sha256: return md_[1].get();
    case Hash::sha384: return md_[2].get();
    case Hash::sha512: return md_[3].get();
  }
  return nullptr;
}

Result<void> Library::random(std::span<std::uint8_t> out) const {
  // Not RAND_priv_bytes_ex(): a RAND_METHOD of the host's would answer in this context, too.
  EVP_RAND_CTX* const generator = RAND_get0_private(ctx());
  if (generator == nullptr ||
      EVP_RAND_generate(generator, out.data(), out.size(), 0, 0, nullptr, 0) != 1)
    return Error{Errc::unavailable, 0, "the random generator failed"};
  return {};
}

Error openssl_failure() noexcept { return {Errc::internal_error, 0, "an OpenSSL call failed"}; }

ErrorQueueGuard::ErrorQueueGuard() noexcept { ERR_set_mark(); }
ErrorQueueGuard::~ErrorQueueGuard() { ERR_pop_to_mark(); }

}  // namespace jwekms::crypto
