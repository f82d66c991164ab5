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
  Result<OpenedPtr> opened = open_here(properties, config_path);
  if (!opened) return opened.error();
  return std::shared_ptr<const Library>(new Library(*std::move(opened), properties, config_path));
}

Library::Library(OpenedPtr opened, const std::string& properties, const std::string& config_path)
    : properties_(properties), opened_([=](OpenedPtr* inherited, const auto&) {
        if (inherited == nullptr) return std::make_unique<OpenedPtr>(opened);
        const Result<OpenedPtr> own = open_here(properties, config_path);
        // The configuration file may have gone: what was read of it serves on.
        return std::make_unique<OpenedPtr>(own ? *own : *inherited);
      }) {}

Result<Library::OpenedPtr> Library::open_here(const std::string& properties,
                                              const std::string& config_path) {
  const ErrorQueueGuard guard;
  const auto opened = std::make_shared<Opened>();
  OSSL_LIB_CTX* const ctx = opened->ctx.get();
  // A new OSSL_LIB_CTX reads no configuration by itself; without one it gets the default provider.
  if (!config_path.empty()) {
    if (OSSL_LIB_CTX_load_config(ctx, config_path.c_str()) != 1)
      return Error{Errc::unavailable, 0, "the OpenSSL configuration cannot be loaded"};
  } else {
    opened->default_provider.reset(OSSL_PROVIDER_load(ctx, "default"));
    if (!opened->default_provider) return no_provider;
  }

  const char* query = properties.empty() ? nullptr : properties.c_str();
  // A fetch ignores a query that it cannot read; setting one as the default does not. Without this
  // a slip such as "fips==yes" would mean no restriction at all.
  if (query != nullptr && EVP_set_default_properties(ctx, query) != 1)
    return Error{Errc::bad_request, 0, "the OpenSSL property query is malformed"};
  constexpr const char* ciphers[] = {"AES-128-GCM", "AES-192-GCM", "AES-256-GCM"};
  constexpr const char* digests[] = {"SHA1", "SHA2-256", "SHA2-384", "SHA2-512"};
  for (std::size_t i = 0; i < std::size(ciphers); ++i) {
    opened->gcm[i].reset(EVP_CIPHER_fetch(ctx, ciphers[i], query));
    if (!opened->gcm[i]) return no_provider;
  }
  for (std::size_t i = 0; i < std::size(digests); ++i) {
    opened->md[i].reset(EVP_MD_fetch(ctx, digests[i], query));
    if (!opened->md[i]) return no_provider;
  }
  return OpenedPtr(opened);
}

const EVP_CIPHER* Library::aes_gcm(std::size_t key_bytes) const {
  return opened().gcm[key_bytes / 8 - 2].get();
}

const EVP_MD* Library::digest(Hash hash) const {
  switch (hash) {
    case Hash::none: return nullptr;
    case Hash::sha1: return opened().md[0].get();
    case Hash::sha256: return opened().md[1].get();
    case Hash::sha384: return opened().md[2].get();
    case Hash::sha512: return opened().md[3].get();
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
