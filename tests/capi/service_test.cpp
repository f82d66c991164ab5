// SPDX-License-Identifier: Apache-2.0
// The REST service through the C ABI: tests/service has what it does.
#include "fixture.hpp"

namespace {

struct FreeResponse {
  void operator()(jwekms_response* response) const { jwekms_response_free(response); }
};
using Response = std::unique_ptr<jwekms_response, FreeResponse>;

Response call(std::string_view method, std::string_view target, std::string_view body = {}) {
  jwekms_response* response = nullptr;
  REQUIRE(jwekms_service_call(keyring().ctx.get(), method.data(), method.size(), target.data(),
                              target.size(), body.data(), body.size(), &response,
                              nullptr) == JWEKMS_OK);
  REQUIRE(response != nullptr);
  return Response{response};
}

}  // namespace

TEST_CASE("a request is served through C", "[capi][service]") {
  const Response made = call("POST", "/v1/crypto/encrypt",
                             R"({"kid":"oct","alg":"dir","enc":"A256GCM","data":"aGVsbG8"})");
  CHECK(jwekms_response_http_status(made.get()) == 200);
  CHECK(text_of(jwekms_response_content_type, made.get()) == "application/json");
  CHECK(text_of(jwekms_response_operation, made.get()) == "encrypt");
  CHECK(text_of(jwekms_response_kid, made.get()) == "oct");
  CHECK(text_of(jwekms_response_allow, made.get()).empty());
  CHECK(jwekms_response_error(made.get()) == JWEKMS_OK);
  const Response opened =
      call("POST", "/v1/crypto/decrypt", text_of(jwekms_response_body, made.get()));
  CHECK(text_of(jwekms_response_body, opened.get()) == R"({"kid":"oct","data":"aGVsbG8"})");
}

TEST_CASE("what fails is an answer too", "[capi][service]") {
  const Response missing = call("GET", "/v1/crypto/keys/none");
  CHECK(jwekms_response_http_status(missing.get()) == 404);
  CHECK(jwekms_response_error(missing.get()) == JWEKMS_NOT_FOUND);
  const Response method = call("PUT", "/v1/crypto/keys");
  CHECK(jwekms_response_http_status(method.get()) == 405);
  CHECK(text_of(jwekms_response_allow, method.get()) == "POST, GET");
  CHECK(text_of(jwekms_response_operation, method.get()).empty());
  CHECK(jwekms_response_http_status(call("", "").get()) == 404);
}

TEST_CASE("arguments of the service are checked", "[capi][service]") {
  const jwekms_ctx* ctx = keyring().ctx.get();
  jwekms_response* response = reinterpret_cast<jwekms_response*>(1);
  jwekms_error error = JWEKMS_ERROR_INIT;
  CHECK(jwekms_service_call(nullptr, "GET", 3, "/", 1, nullptr, 0, &response, &error) ==
        JWEKMS_BAD_REQUEST);
  CHECK(response == nullptr);
  CHECK(error.code == JWEKMS_BAD_REQUEST);
  CHECK(jwekms_service_call(ctx, "GET", 3, "/", 1, nullptr, 0, nullptr, nullptr) ==
        JWEKMS_BAD_REQUEST);
  CHECK(jwekms_service_call(ctx, "GET", 3, "/", 1, nullptr, 7, &response, nullptr) ==
        JWEKMS_BAD_REQUEST);
  CHECK(jwekms_service_call(ctx, nullptr, 3, "/", 1, nullptr, 0, &response, nullptr) ==
        JWEKMS_BAD_REQUEST);
  jwekms_response_free(nullptr);
  CHECK(jwekms_response_http_status(nullptr) == 0);
  CHECK(jwekms_response_error(nullptr) == JWEKMS_OK);
  std::size_t size = 7;
  CHECK(jwekms_response_body(nullptr, &size) == nullptr);
  CHECK(size == 0);
}
