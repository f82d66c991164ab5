// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "crypto/library.hpp"
#include "jwekms/provider.hpp"
#include "jwekms_provider.h"
#include "provider_table.hpp"

namespace jwekms::capi {

using ProviderTables = std::vector<std::shared_ptr<ProviderTable>>;

/// The providers that jwekms_open() is given. Throws BadResult for what cannot be taken.
[[nodiscard]] ProviderTables read_providers(const jwekms_open_options* options);

/// A KeyProvider over each table.
[[nodiscard]] std::vector<std::shared_ptr<KeyProvider>> make_providers(
    const ProviderTables& tables, const std::shared_ptr<const crypto::Library>& library);

}  // namespace jwekms::capi
