// SPDX-License-Identifier: Apache-2.0
#include "jwekms/service.hpp"

#include <string_view>

#include "convert.hpp"
#include "handles.hpp"
#include "jwekms.h"

using namespace jwekms;
using namespace jwekms::capi;

namespace {

/// @param member  of a response: NUL-terminated where it is not empty.
const char* give(const jwekms_response* response,
                 std::string_view (*member)(const ServiceResponse&), size_t* len) noexcept {
  const std::string_view text = response != nullptr ? member(response->response) : "";
  if (len != nullptr) *len = text.size();
  if (response == nullptr) return nullptr;
  return text.empty() ? "" : text.data();
}

}  // namespace

jwekms_status jwekms_service_call(const jwekms_ctx* ctx, const char* method, size_t method_len,
                                  const char* target, size_t target_len, const char* body,
                                  size_t body_len, jwekms_response** response,
                                  jwekms_error* error) {
  return guarded(error, [&]() -> Result<void> {
    const NewHandle out{response};
    if (!out.is_wanted()) bad_argument("response is NULL");
    const Kms& kms = kms_of(ctx);
    const ServiceRequest request{text(method, method_len), text(target, target_len),
                                 text(body, body_len)};
    // Made first: for want of memory, a key that was made must not be reported as a failure.
    auto handle = std::make_unique<jwekms_response>();
    handle->response = jwekms::handle(kms, request);
    out.give(std::move(handle));
    return {};
  });
}

int32_t jwekms_response_http_status(const jwekms_response* response) {
  return response != nullptr ? response->response.status : 0;
}

const char* jwekms_response_content_type(const jwekms_response* response, size_t* len) {
  return give(
      response, [](const ServiceResponse& r) { return r.content_type; }, len);
}

const char* jwekms_response_body(const jwekms_response* response, size_t* len) {
  return give(
      response, [](const ServiceResponse& r) { return r.body.view(); }, len);
}

const char* jwekms_response_allow(const jwekms_response* response, size_t* len) {
  return give(
      response, [](const ServiceResponse& r) { return std::string_view(r.allow); }, len);
}

jwekms_status jwekms_response_error(const jwekms_response* response) {
  if (response == nullptr || !response->response.error) return JWEKMS_OK;
  return static_cast<jwekms_status>(*response->response.error);
}

const char* jwekms_response_operation(const jwekms_response* response, size_t* len) {
  return give(
      response, [](const ServiceResponse& r) { return r.operation; }, len);
}

const char* jwekms_response_kid(const jwekms_response* response, size_t* len) {
  return give(
      response, [](const ServiceResponse& r) { return std::string_view(r.kid); }, len);
}

void jwekms_response_free(jwekms_response* response) { delete response; }
