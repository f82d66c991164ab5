// SPDX-License-Identifier: Apache-2.0
#include "jwekms/service.hpp"

#include <array>

#include "service/call.hpp"
#include "service/reply.hpp"
#include "service/target.hpp"

namespace jwekms {

namespace {

using namespace service;

constexpr std::string_view keys_path = "/v1/crypto/keys";
/// Stands for one more segment below keys_path: a `kid`, percent-encoded.
constexpr std::string_view key_path = "/v1/crypto/keys/{kid}";

struct Route {
  std::string_view method;
  std::string_view path;
  std::string_view name;
  Operation run;
};

constexpr std::array<Route, 11> routes{{
    // clang-format off
    {"POST",   "/v1/crypto/decrypt",     "decrypt",      decrypt},
    {"POST",   "/v1/crypto/encrypt",     "encrypt",      encrypt},
    {"POST",   "/v1/crypto/reencrypt",   "reencrypt",    reencrypt},
    {"POST",   "/v1/crypto/keys/unwrap", "unwrap_key",   unwrap_key},
    {"POST",   keys_path,                "add_key",      add_key},
    {"GET",    keys_path,                "list_keys",    list_keys},
    {"GET",    key_path,                 "describe_key", describe_key},
    {"PATCH",  key_path,                 "change_key",   change_key},
    {"DELETE", key_path,                 "destroy_key",  destroy_key},
    {"GET",    "/.well-known/jwks.json", "public_jwks",  public_jwks},
    {"POST",   "/kmip/2_1",              "kmip",         kmip},
    // clang-format on
}};

/// The part of a path that stands where key_path has `{kid}`; empty when it has no such part.
[[nodiscard]] std::string_view kid_segment(std::string_view path) noexcept {
  if (!path.starts_with(keys_path) || path.size() < keys_path.size() + 2) return {};
  path.remove_prefix(keys_path.size());
  if (path[0] != '/' || path.find('/', 1) != path.npos) return {};
  return path.substr(1);
}

[[nodiscard]] bool matches(const Route& route, std::string_view path) noexcept {
  return route.path == key_path ? !kid_segment(path).empty() : route.path == path;
}

[[nodiscard]] ServiceResponse failure(int status, std::string_view code, const Error& error) {
  ServiceResponse response;
  response.status = status;
  response.content_type = json_type;
  response.error = error.code;
  response.body = concat({R"({"error":")", code, R"(","description":)", quoted(error.text), "}"});
  return response;
}

[[nodiscard]] ServiceResponse failure(const Error& error) {
  return failure(http_status(error.code), name(error.code), error);
}

/// Nothing has this path, or nothing takes this method on it.
[[nodiscard]] ServiceResponse no_route(std::string_view path) {
  std::string allow;
  for (const Route& route : routes)
    if (matches(route, path)) allow.append(allow.empty() ? "" : ", ").append(route.method);
  if (allow.empty()) return failure({Errc::not_found, 0, "there is nothing at this path"});
  ServiceResponse response = failure(405, "method_not_allowed",
                                     {Errc::bad_request, 0, "the path does not take this method"});
  response.allow = std::move(allow);
  return response;
}

[[nodiscard]] Result<Answer> run(const Route& route, const ServiceRequest& request,
                                 const Target& target, Call& call) {
  if (route.method != "POST" && route.method != "PATCH" && !request.body.empty())
    return Error{Errc::bad_request, 0, "the method takes no body"};
  if (route.run != list_keys && !target.query.empty())
    return Error{Errc::bad_request, 0, "the path takes no query"};
  if (route.path == key_path) {
    Result<std::string> kid = decode_segment(kid_segment(target.path));
    if (!kid) return kid.error();
    call.name = *std::move(kid);
    if (call.name.size() <= max_uid_bytes) call.kid = call.name;
  }
  return route.run(call);
}

}  // namespace

ServiceResponse handle(const Kms& kms, const ServiceRequest& request) {
  const Target target = split_target(request.target);
  for (const Route& route : routes) {
    if (route.method != request.method || !matches(route, target.path)) continue;
    Call call{.kms = kms, .body = request.body, .query = target.query, .name = {}, .kid = {}};
    Result<Answer> answer = run(route, request, target, call);
    ServiceResponse response;
    if (answer) {
      response.status = answer->status;
      response.content_type = answer->content_type;
      response.body = std::move(answer->body);
      response.error = answer->error;
    } else {
      response = failure(answer.error());
    }
    response.operation = route.name;
    response.kid = std::move(call.kid);
    return response;
  }
  return no_route(target.path);
}

}  // namespace jwekms
