// SPDX-License-Identifier: Apache-2.0

// A plaintext that went through the service stands in no block that is given back with it.

#include "support.hpp"

#include "../core/freed_secrets.hpp"

using namespace service_test;

#ifdef JWEKMS_WATCHES_FREE

namespace {

/// Blocks that were freed during a request while they held one of the texts.
int freed_with(const Kms& kms, std::string_view target, std::string_view body,
               const std::vector<std::string>& texts) {
  std::vector<freed_secrets::Watched> watched;
  for (const std::string& text : texts) watched.push_back({bytes(text)});
  freed_secrets::watched = &watched;
  {
    const ServiceResponse response = handle(kms, {"POST", target, body});
    if (response.status >= 300) throw std::runtime_error("the request failed");
  }
  freed_secrets::watched = nullptr;
  int count = 0;
  for (const freed_secrets::Watched& w : watched) count += w.freed;
  return count;
}

}  // namespace

TEST_CASE("neither a plaintext nor its base64url is left in freed memory") {
  const Api api;
  const std::string plaintext = "a plaintext that is looked for: 4f7c2b19, and some more of it";
  const std::vector<std::string> texts{plaintext, b64(bytes(plaintext))};
  const std::string decrypt = decrypt_body(token(api, plaintext));
  std::string reencrypt = token(api, plaintext).flattened();
  reencrypt.insert(1, R"("kid":"oct","alg":"dir","enc":"A256GCM",)");
  CHECK(freed_with(api.kms, "/v1/crypto/decrypt", decrypt, texts) == 0);
  CHECK(freed_with(api.kms, "/v1/crypto/encrypt", encrypt_body("oct", "dir", "A256GCM", plaintext),
                   texts) == 0);
  CHECK(freed_with(api.kms, "/v1/crypto/reencrypt", reencrypt, texts) == 0);
}

TEST_CASE("an imported key is not left in freed memory") {
  const Api api;
  const support::Bytes raw = support::pattern(32, 99);
  const std::vector<std::string> texts{support::text(raw), b64(raw)};
  CHECK(freed_with(api.kms, keys, R"({"jwk":{"kty":"oct","k":")" + texts[1] + R"("}})", texts) ==
        0);
}

TEST_CASE("the watch sees a block that is freed with a plaintext in it") {
  const Api api;
  const std::string kid = "a kid, which is no secret, and is copied freely";
  (void)support::create_oct(api.kms, kid);
  CHECK(freed_with(api.kms, "/v1/crypto/encrypt", encrypt_body(kid, "dir", "A256GCM", "v"), {kid}) >
        0);
}

#endif
