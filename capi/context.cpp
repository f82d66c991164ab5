// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <utility>

#include "config/open_with.hpp"
#include "convert.hpp"
#include "custom_provider.hpp"
#include "handles.hpp"
#include "jwekms.h"
#include "jwekms/version.hpp"

using namespace jwekms;
using namespace jwekms::capi;

// The status codes are Errc's values, on both sides of the border, for ever.
static_assert(JWEKMS_BAD_REQUEST == static_cast<int>(Errc::bad_request) &&
              JWEKMS_FORBIDDEN == static_cast<int>(Errc::forbidden) &&
              JWEKMS_NOT_FOUND == static_cast<int>(Errc::not_found) &&
              JWEKMS_CONFLICT == static_cast<int>(Errc::conflict) &&
              JWEKMS_TOO_LARGE == static_cast<int>(Errc::too_large) &&
              JWEKMS_UNSUPPORTED_ALGORITHM == static_cast<int>(Errc::unsupported_algorithm) &&
              JWEKMS_DECRYPTION_FAILED == static_cast<int>(Errc::decryption_failed) &&
              JWEKMS_CRYPTO_FAILURE == static_cast<int>(Errc::crypto_failure) &&
              JWEKMS_UNAVAILABLE == static_cast<int>(Errc::unavailable) &&
              JWEKMS_INTERNAL_ERROR == static_cast<int>(Errc::internal_error) &&
              JWEKMS_BUFFER_TOO_SMALL == static_cast<int>(Errc::buffer_too_small));

const char* jwekms_version_string() { return JWEKMS_VERSION_STRING; }

uint32_t jwekms_version_number() {
  return JWEKMS_VERSION_MAJOR << 16 | JWEKMS_VERSION_MINOR << 8 | JWEKMS_VERSION_PATCH;
}

uint32_t jwekms_abi_version() { return JWEKMS_ABI_VERSION; }

const char* jwekms_status_name(jwekms_status status) {
  return status == JWEKMS_OK ? "ok" : name(static_cast<Errc>(status)).data();
}

int32_t jwekms_status_http(jwekms_status status) {
  return status == JWEKMS_OK ? 200 : http_status(static_cast<Errc>(status));
}

jwekms_status jwekms_open(const jwekms_open_options* options, jwekms_ctx** ctx,
                          jwekms_error* error) {
  return guarded(error, [&]() -> Result<void> {
    const NewHandle out{ctx};
    if (!out.is_wanted()) bad_argument("ctx is NULL");
    Options opening;
    const WipedPins wiped(opening.hsms);
    read_open_options(options, opening);
    const ProviderTables providers = read_providers(options);
    Result<Kms> kms = config::open_with(
        opening, [&](const auto& library) { return make_providers(providers, library); });
    if (!kms) return kms.error();
    auto ctx_made = std::make_unique<jwekms_ctx>(jwekms_ctx{*std::move(kms)});
    for (const std::shared_ptr<ProviderTable>& provider : providers) provider->take_over();
    out.give(std::move(ctx_made));
    return {};
  });
}

void jwekms_close(jwekms_ctx* ctx) { delete ctx; }

jwekms_status jwekms_rewrap_database(const jwekms_open_options* options, const char* to,
                                     size_t to_len, jwekms_error* error) {
  return guarded(error, [&] {
    const std::string_view uid = text(to, to_len);
    Options opening;
    const WipedPins wiped(opening.hsms);
    read_open_options(options, opening);
    return rewrap_database(opening, uid);
  });
}

jwekms_status jwekms_rotate_kek(const jwekms_open_options* options,
                                jwekms_progress_callback on_progress, void* data,
                                jwekms_error* error) {
  return guarded(error, [&] {
    Options opening;
    const WipedPins wiped(opening.hsms);
    read_open_options(options, opening);
    ProgressSink progress;
    if (on_progress != nullptr)
      progress = [&](std::uint64_t done, std::uint64_t total) { on_progress(data, done, total); };
    return rotate_kek(opening, progress);
  });
}
