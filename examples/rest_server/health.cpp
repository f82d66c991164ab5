// SPDX-License-Identifier: Apache-2.0
#include "health.hpp"

#include "common/hsm_prefixes.hpp"

namespace rest {

namespace {

constexpr std::string_view database = "database";
constexpr std::chrono::seconds interval{2};
constexpr std::chrono::seconds patience{10};

/// The slots of all HSMs as they stand in UIDs, `hsm::<model>[_n]::<slot>`.
[[nodiscard]] std::vector<std::string> slot_names(const std::vector<jwekms::HsmOptions>& hsms) {
  const std::vector<std::string> prefixes = common::hsm_prefixes(hsms);
  std::vector<std::string> names;
  for (std::size_t i = 0; i < hsms.size(); ++i)
    for (const jwekms::HsmSlot& slot : hsms[i].slots)
      names.push_back(prefixes[i] + std::to_string(slot.number));
  return names;
}

}  // namespace

Health::Health(const jwekms::Kms& kms, const jwekms::Options& options) : kms_(kms) {
  if (!options.database.path.empty()) probed_.push_back({.name = std::string(database)});
  for (std::string& name : slot_names(options.hsms)) probed_.push_back({.name = std::move(name)});
  probe();
  thread_ = std::thread([this] {
    std::unique_lock lock(mutex_);
    while (!stop_.wait_for(lock, interval, [this] { return stopping_; })) {
      lock.unlock();
      probe();
      lock.lock();
    }
  });
}

Health::~Health() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_.notify_all();
  thread_.join();
}

void Health::probe() {
  for (Probed& each : probed_) {
    const bool up = answers(each.name);
    const std::lock_guard lock(mutex_);
    each.up = up;
    each.at = std::chrono::steady_clock::now();
  }
}

/// Looks for something that is not there: "no" is an answer, "cannot tell" is none.
bool Health::answers(const std::string& name) const {
  if (name == database) return kms_.list_keys({.limit = 1}).has_value();
  const jwekms::Result<jwekms::KeyInfo> found = kms_.describe_key(name + "::jwekms-readyz");
  return found || found.error().code == jwekms::Errc::not_found;
}

std::vector<Health::Component> Health::components() const {
  const auto now = std::chrono::steady_clock::now();
  std::vector<Component> out;
  const std::lock_guard lock(mutex_);
  for (const Probed& each : probed_)
    out.push_back({each.name, each.up && now - each.at < patience});
  return out;
}

}  // namespace rest
