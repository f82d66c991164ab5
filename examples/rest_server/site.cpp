// SPDX-License-Identifier: Apache-2.0
#include "site.hpp"

#include <algorithm>
#include <new>

#include "jwekms/service.hpp"

namespace rest {

namespace {

constexpr std::string_view json_type = "application/json";

[[nodiscard]] std::string_view path_of(std::string_view target) {
  return target.substr(0, target.find('?'));
}

/// The requests that tell whether an `encrypted_key` opens.
[[nodiscard]] bool unwraps(const Head& head) {
  const std::string_view path = path_of(head.target);
  return head.method == "POST" && (path == "/v1/crypto/keys/unwrap" || path == "/kmip/2_1");
}

[[nodiscard]] bool tells_of_padding(std::optional<jwekms::Errc> error) {
  return error == jwekms::Errc::decryption_failed || error == jwekms::Errc::crypto_failure;
}

/// What the core saw of the request that this thread serves: the key that the name led to, and the
/// other one where there are two.
thread_local std::string seen_uid, seen_other;

[[nodiscard]] jwekms::ServiceResponse served(const jwekms::Kms& kms, const std::string& principal,
                                             const jwekms::ServiceRequest& request) try {
  seen_uid.clear();
  seen_other.clear();
  // The one place where a name becomes a Kms that acts for it.
  const jwekms::Result<jwekms::Kms> own = kms.on_behalf_of(principal);
  if (own) return jwekms::handle(*own, request);
  jwekms::ServiceResponse response;
  response.error = own.error().code;
  return response;
} catch (const std::bad_alloc&) {
  jwekms::ServiceResponse response;
  response.error = jwekms::Errc::unavailable;
  response.status = jwekms::http_status(jwekms::Errc::unavailable);
  return response;
}

/// A page may send other types without asking (CORS), and nobody else has a reason to.
[[nodiscard]] bool is_json(std::string_view content_type) {
  content_type = content_type.substr(0, content_type.find(';'));
  while (content_type.ends_with(' ')) content_type.remove_suffix(1);
  return std::ranges::equal(content_type, json_type, [](char a, char b) {
    return (a >= 'A' && a <= 'Z' ? a + ('a' - 'A') : a) == b;
  });
}

[[nodiscard]] Reply too_many(std::uint32_t retry_after_s, std::string_view description) {
  Reply reply = error_reply(429, "too_many_requests", description);
  reply.retry_after_s = retry_after_s;
  return reply;
}

}  // namespace

std::string_view origin_form(std::string_view target) {
  const std::size_t authority = target.find("://");
  if (target.starts_with('/') || authority == target.npos) return target;
  const std::size_t path = target.find('/', authority + 3);
  return path == target.npos ? "/" : target.substr(path);
}

void Site::note(const jwekms::AuditEvent& event) {
  if (!event.uid.empty()) seen_uid = event.uid;
  if (!event.other.empty()) seen_other = event.other;
}

Site::Site(const jwekms::Kms& kms, const jwekms::Config& config,
           std::shared_ptr<const Authenticator> authenticator)
    : kms_(kms),
      health_(kms, config.kms),
      audit_(config.server.audit_path),
      requests_(config.server.limits.requests_per_second, std::chrono::seconds(1)),
      failed_unwraps_(config.server.limits.failed_unwraps_per_minute, std::chrono::minutes(1)),
      authenticator_(std::move(authenticator)) {}

void Site::replace(std::shared_ptr<const Authenticator> authenticator) {
  const std::lock_guard lock(mutex_);
  authenticator_ = std::move(authenticator);
}

Site::Admission Site::admit(const Head& head) {
  if (std::optional<Reply> answer = open_to_all(head)) return {.answer = std::move(answer)};
  std::shared_ptr<const Authenticator> authenticator;
  {
    const std::lock_guard lock(mutex_);
    authenticator = authenticator_;
  }
  Principal principal = authenticator->identify(head.authorization, head.subject);
  if (!principal.known()) {
    refused(head, principal, "unauthorized", 401);
    Reply reply = error_reply(401, "unauthorized", "credentials are missing or not valid");
    reply.challenge = true;
    return {.answer = std::move(reply)};
  }
  if (std::optional<Reply> answer = from_a_page(head, principal))
    return {.answer = std::move(answer)};
  if (std::optional<Reply> answer = over_rate(head, principal))
    return {.answer = std::move(answer)};
  if (head.method == "GET" && path_of(head.target) == "/metrics") return {.answer = metrics_text()};
  if (head.has_body && !is_json(head.content_type)) {
    refused(head, principal, "unsupported_media_type", 415);
    return {.answer = error_reply(415, "unsupported_media_type", "bodies are application/json")};
  }
  return {.principal = std::move(principal)};
}

std::optional<Reply> Site::open_to_all(const Head& head) {
  if (head.method != "GET") return std::nullopt;
  const std::string_view path = path_of(head.target);
  if (path == "/healthz") return text_reply(200, json_type, R"({"status":"ok"})");
  if (path == "/readyz") return ready();
  return std::nullopt;
}

/// Who is known by where they are, or by a certificate that a browser holds, did not mean every
/// page that the browser shows.
std::optional<Reply> Site::from_a_page(const Head& head, const Principal& principal) {
  if (!head.has_origin || principal.method == "token" || principal.method == "jwt")
    return std::nullopt;
  refused(head, principal, "forbidden", 403);
  return error_reply(403, "forbidden", "a web page needs a bearer token");
}

std::optional<Reply> Site::over_rate(const Head& head, const Principal& principal) {
  if (const std::uint32_t wait_s = requests_.take(principal.name)) {
    refused(head, principal, "too_many_requests", 429);
    return too_many(wait_s, "more requests than this principal may send");
  }
  if (!unwraps(head)) return std::nullopt;
  if (const std::uint32_t wait_s = failed_unwraps_.look(principal.name)) {
    refused(head, principal, "too_many_requests", 429);
    return too_many(wait_s, "too many unwraps have failed");
  }
  return std::nullopt;
}

void Site::refused(const Head& head, const Principal& principal, std::string_view result,
                   int status) {
  metrics_.request("refused", status, {});
  audit_.write({.principal = principal.name,
                .method = principal.method,
                .remote = head.remote,
                .result = result,
                .status = status});
}

Reply Site::serve(const Head& head, const Principal& principal, std::string_view body,
                  std::chrono::steady_clock::time_point begin) {
  jwekms::ServiceResponse response =
      served(kms_, principal.name, {.method = head.method, .target = head.target, .body = body});
  if (unwraps(head) && tells_of_padding(response.error)) (void)failed_unwraps_.take(principal.name);

  const auto duration = std::chrono::steady_clock::now() - begin;
  const std::string_view operation = response.operation.empty() ? "none" : response.operation;
  metrics_.request(operation, response.status, duration);
  audit_.write({.principal = principal.name,
                .method = principal.method,
                .remote = head.remote,
                .operation = operation,
                .kid = response.kid,
                .uid = seen_uid,
                .other = seen_other,
                .result = response.error ? jwekms::name(*response.error) : "ok",
                .status = response.status,
                .duration = duration});
  if (response.content_type.empty())
    return error_reply(response.status, jwekms::name(*response.error), "the server is at its end");
  Reply reply{.status = response.status, .content_type = response.content_type};
  reply.body = std::move(response.body);
  reply.allow = std::move(response.allow);
  return reply;
}

Reply Site::ready() const {
  bool all = true;
  std::string components;
  for (const Health::Component& each : health_.components()) {
    all = all && each.up;
    if (!components.empty()) components += ',';
    components += json_string(each.name) + (each.up ? R"(:"up")" : R"(:"down")");
  }
  const std::string text = std::string(R"({"status":")") + (all ? "ready" : "unavailable") +
                           R"(","components":{)" + components + "}}";
  return text_reply(all ? 200 : 503, json_type, text);
}

Reply Site::metrics_text() const {
  std::string text = metrics_.text();
  add_metric(text, "jwekms_audit_lines_lost_total", "counter", static_cast<double>(audit_.lost()));
  text += "# TYPE jwekms_up gauge\n";
  for (const Health::Component& each : health_.components())
    text += "jwekms_up{component=" + json_string(each.name) + "} " + (each.up ? "1" : "0") + '\n';
  return text_reply(200, "text/plain; version=0.0.4", text);
}

}  // namespace rest
