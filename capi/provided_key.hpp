// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string_view>

#include "crypto/library.hpp"
#include "jwekms/provider.hpp"
#include "jwekms_provider.h"
#include "provider_table.hpp"

namespace jwekms::capi {

/// What `resolve` told of a key, if it can be. Whoever wrote the provider is not a stranger, but a
/// mistake of theirs must not open a key to somebody, nor reach beyond a buffer.
/// @param prefix  of the provider. @param kid  that it was asked for.
/// Errors: internal_error, not_found (destroyed).
[[nodiscard]] Result<KeyInfo> read_key_info(const jwekms_provided_key& told,
                                            std::string_view prefix, std::string_view kid);

/// A Key over callbacks. @param cek_stays  JWEKMS_PROVIDED_CEK_STAYS.
[[nodiscard]] std::shared_ptr<const Key> make_provided_key(
    std::shared_ptr<const crypto::Library> library, KeyInfo info, bool cek_stays,
    std::shared_ptr<const KeyHandle> handle);

}  // namespace jwekms::capi
