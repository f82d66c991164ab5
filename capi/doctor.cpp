// SPDX-License-Identifier: Apache-2.0
#include "jwekms/doctor.hpp"

#include "convert.hpp"
#include "entry.hpp"
#include "jwekms.h"

using namespace jwekms;
using namespace jwekms::capi;

static_assert(JWEKMS_FINDING_FACT == static_cast<int>(HsmVerdict::fact) &&
              JWEKMS_FINDING_CAN == static_cast<int>(HsmVerdict::can) &&
              JWEKMS_FINDING_CANNOT == static_cast<int>(HsmVerdict::cannot) &&
              JWEKMS_FINDING_WARNING == static_cast<int>(HsmVerdict::warning));

jwekms_status jwekms_doctor(const jwekms_hsm_options* options, jwekms_finding_callback callback,
                            void* data, jwekms_error* error) {
  return guarded(error, [&]() -> Result<void> {
    if (options == nullptr) bad_argument("the options are NULL");
    if (callback == nullptr) bad_argument("the callback is NULL");
    std::vector<HsmOptions> hsm;
    const WipedPins wiped(hsm);
    read_hsms(&options, 1, hsm);
    const Result<std::vector<HsmFinding>> findings = doctor(hsm.front());
    if (!findings) return findings.error();
    for (const HsmFinding& from : *findings) {
      const jwekms_finding finding{sizeof(jwekms_finding),
                                   static_cast<std::int32_t>(from.verdict),
                                   from.slot,
                                   from.what.c_str(),
                                   from.what.size(),
                                   from.how.c_str(),
                                   from.how.size(),
                                   from.means.c_str(),
                                   from.means.size(),
                                   from.needed ? 1 : 0,
                                   0};
      callback(data, &finding);
    }
    return {};
  });
}
