// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "auth.hpp"
#include "health.hpp"
#include "jwekms/audit.hpp"
#include "jwekms/config.hpp"
#include "jwekms/kms.hpp"
#include "limits.hpp"
#include "log.hpp"
#include "metrics.hpp"
#include "reply.hpp"

namespace rest {

/// A request's line and header, as far as they matter here. Views of the connection's.
struct Head {
  std::string_view method;  ///< "GET" for a HEAD.
  std::string_view target;  ///< In origin_form().
  std::optional<std::string_view> authorization{};
  std::string_view content_type{};
  bool has_body = false;
  bool has_origin = false;     ///< A web page sent it.
  std::string_view remote{};   ///< Address and port, for the audit log.
  std::string_view subject{};  ///< Of a verified client certificate; else empty.
};

/// A target in absolute form (RFC 9112 §3.2.2) without what comes before its path.
[[nodiscard]] std::string_view origin_form(std::string_view target);

/// All that requests are answered with, apart from sockets and threads. Thread-safe.
class Site {
 public:
  Site(const jwekms::Kms& kms, const jwekms::Config& config,
       std::shared_ptr<const Authenticator> authenticator);

  /// Decides on a request before its body is read: answers what needs neither body nor key, refuses
  /// strangers and those who ask too much, or names the principal whom to serve.
  struct Admission {
    Principal principal{};
    std::optional<Reply> answer{};  ///< When there is one, that is all.
  };
  [[nodiscard]] Admission admit(const Head& head);

  /// Serves a request whose sender was let in. May take as long as the HSM does.
  [[nodiscard]] Reply serve(const Head& head, const Principal& principal, std::string_view body,
                            std::chrono::steady_clock::time_point begin);

  /// The audit sink for the Kms: what it says goes into the line of the request that this thread
  /// serves.
  static void note(const jwekms::AuditEvent& event);

  void replace(std::shared_ptr<const Authenticator> authenticator);
  [[nodiscard]] Metrics& metrics() noexcept { return metrics_; }
  [[nodiscard]] AuditLog& audit() noexcept { return audit_; }

 private:
  [[nodiscard]] std::optional<Reply> open_to_all(const Head& head);
  [[nodiscard]] std::optional<Reply> from_a_page(const Head& head, const Principal& principal);
  [[nodiscard]] std::optional<Reply> over_rate(const Head& head, const Principal& principal);
  [[nodiscard]] Reply ready() const;
  [[nodiscard]] Reply metrics_text() const;
  void refused(const Head& head, const Principal& principal, std::string_view result, int status);

  const jwekms::Kms& kms_;
  Health health_;
  Metrics metrics_;
  AuditLog audit_;
  RateLimit requests_;
  RateLimit failed_unwraps_;
  std::mutex mutex_;
  std::shared_ptr<const Authenticator> authenticator_;
};

}  // namespace rest
