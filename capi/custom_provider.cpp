// SPDX-License-Identifier: Apache-2.0
#include "custom_provider.hpp"

#include "convert.hpp"
#include "entry.hpp"
#include "provided_key.hpp"
#include "struct_size.hpp"

namespace jwekms::capi {

namespace {

class CustomProvider final : public KeyProvider {
 public:
  CustomProvider(std::shared_ptr<const ProviderTable> table,
                 std::shared_ptr<const crypto::Library> library)
      : table_(std::move(table)), library_(std::move(library)) {}

  std::string_view uid_prefix() const noexcept override { return table_->prefix(); }
  std::span<const std::string> admins() const noexcept override { return table_->admins(); }

  Result<std::shared_ptr<const Key>> resolve(std::string_view kid) const override {
    if (const Result<void> r = table_->enter_process(); !r) return r.error();
    // Made first: for want of memory, no handle must be lost.
    const auto handle = std::make_shared<KeyHandle>(table_);
    jwekms_provided_key told{};
    told.struct_size = sizeof told;
    const jwekms_provider& calls = table_->calls();
    const Result<void> found = outcome_of(calls.resolve(calls.data, kid.data(), kid.size(), &told));
    if (!found) return found.error();
    handle->hold(told.key);
    Result<KeyInfo> info = read_key_info(told, table_->prefix(), kid);
    if (!info) return info.error();
    const bool cek_stays = (told.flags & JWEKMS_PROVIDED_CEK_STAYS) != 0;
    return make_provided_key(library_, *std::move(info), cek_stays, handle);
  }

 private:
  const std::shared_ptr<const ProviderTable> table_;
  const std::shared_ptr<const crypto::Library> library_;
};

}  // namespace

ProviderTables read_providers(const jwekms_open_options* options) {
  const auto o = read_struct(options).value();
  check_list(o.providers, o.provider_count);
  ProviderTables tables;
  for (std::size_t i = 0; i < o.provider_count; ++i) {
    const auto table = read_struct(o.providers[i]).value();
    require_known(table.flags, 0);
    if (table.resolve == nullptr) bad_argument("a key provider without resolve");
    tables.push_back(std::make_shared<ProviderTable>(table));
  }
  return tables;
}

std::vector<std::shared_ptr<KeyProvider>> make_providers(
    const ProviderTables& tables, const std::shared_ptr<const crypto::Library>& library) {
  std::vector<std::shared_ptr<KeyProvider>> providers;
  for (const std::shared_ptr<ProviderTable>& table : tables)
    providers.push_back(std::make_shared<CustomProvider>(table, library));
  return providers;
}

}  // namespace jwekms::capi
