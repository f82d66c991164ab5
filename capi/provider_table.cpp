// SPDX-License-Identifier: Apache-2.0
#include "provider_table.hpp"

#include <string_view>

#include "convert.hpp"
#include "core/unwrapping_key.hpp"
#include "entry.hpp"
#include "jwekms/key_uid.hpp"

namespace jwekms::capi {

namespace {

[[nodiscard]] std::string prefix_of(const jwekms_provider& table) {
  constexpr std::string_view hsm = "hsm::";
  const std::string_view prefix = text(table.prefix, table.prefix_len);
  if (prefix.empty()) return {};
  if (prefix.size() >= max_uid_bytes || prefix.find('\0') != std::string_view::npos)
    bad_argument("no UID can begin with a key provider's prefix");
  if (prefix.starts_with(hsm) || hsm.starts_with(prefix))
    bad_argument("a key provider's prefix leads to HSMs");
  return std::string(prefix);
}

[[nodiscard]] std::vector<std::string> admins_of(const jwekms_provider& table) {
  std::vector<std::string> admins = texts(table.admins, table.admin_lens, table.admin_count);
  for (const std::string& admin : admins) check_grantee(admin).value();
  return admins;
}

}  // namespace

Result<void> outcome_of(jwekms_status status) noexcept {
  switch (status) {
    case JWEKMS_OK: return {};
    case JWEKMS_NOT_FOUND: return Error{Errc::not_found, 0, "no such key"};
    case JWEKMS_FORBIDDEN: return Error{Errc::forbidden, 0, "the key provider does not allow this"};
    case JWEKMS_UNSUPPORTED_ALGORITHM:
      return Error{Errc::unsupported_algorithm, 0, "the key provider cannot do this"};
    case JWEKMS_UNAVAILABLE: return Error{Errc::unavailable, 0, "the key provider is out of reach"};
    default: return Error{Errc::internal_error, 0, "the key provider failed"};
  }
}

bool blames_token(jwekms_status status) noexcept {
  return core::blames_token(static_cast<Errc>(status));
}

ProviderTable::ProviderTable(const jwekms_provider& table)
    : table_(table),
      prefix_(prefix_of(table)),
      admins_(admins_of(table)),
      process_([](Process* inherited, const std::shared_ptr<const crypto::ForkMark>&) {
        auto process = std::make_unique<Process>();
        process->ready = inherited == nullptr;
        return process;
      }) {
  // The caller's memory, which need not outlive jwekms_open().
  table_.prefix = nullptr;
  table_.admins = nullptr;
  table_.admin_lens = nullptr;
}

ProviderTable::~ProviderTable() {
  if (!is_ours_ || table_.destroy == nullptr) return;
  try {
    if (!enter_process()) return;
  } catch (...) {
    return;  // a forked child without memory: what it inherited stays as it is
  }
  table_.destroy(table_.data);
}

Result<void> ProviderTable::enter_process() const {
  Process& process = process_.get();
  if (table_.after_fork == nullptr || process.ready.load(std::memory_order_acquire)) return {};
  const std::lock_guard lock(process.mutex);
  if (process.ready.load(std::memory_order_relaxed)) return {};
  const Result<void> made_fit = outcome_of(table_.after_fork(table_.data));
  if (made_fit) process.ready.store(true, std::memory_order_release);
  return made_fit;
}

}  // namespace jwekms::capi
