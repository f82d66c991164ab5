// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "jwekms/config.hpp"
#include "jwekms/kms.hpp"

namespace rest {

/// Asks the database and each HSM slot every two seconds, in a thread of its own, whether they
/// answer: a probe never waits for an HSM that hangs, and being asked often costs nothing.
class Health {
 public:
  struct Component {
    std::string name;  ///< "database", or "hsm::softhsm2::0".
    bool up = false;
  };

  /// Asks once before it returns.
  Health(const jwekms::Kms& kms, const jwekms::Options& options);
  Health(const Health&) = delete;
  Health& operator=(const Health&) = delete;
  ~Health();

  /// As of the last answers. What has not answered for ten seconds is down.
  [[nodiscard]] std::vector<Component> components() const;

 private:
  struct Probed {
    std::string name;
    bool up = false;
    std::chrono::steady_clock::time_point at{};
  };
  void probe();
  [[nodiscard]] bool answers(const std::string& name) const;

  const jwekms::Kms& kms_;
  std::vector<Probed> probed_;
  bool stopping_ = false;
  mutable std::mutex mutex_;
  std::condition_variable stop_;
  std::thread thread_;
};

}  // namespace rest
