// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "crypto/library.hpp"
#include "jwekms/open.hpp"

namespace jwekms::config {

using Providers = std::vector<std::shared_ptr<KeyProvider>>;

/// Makes providers that work with the OpenSSL of the Kms that is being opened.
using MakeProviders = std::function<Providers(const std::shared_ptr<const crypto::Library>&)>;

/// jwekms::open, with providers beside those of the options. Errors: those of jwekms::open.
[[nodiscard]] Result<Kms> open_with(const Options& options, const MakeProviders& make);

}  // namespace jwekms::config
