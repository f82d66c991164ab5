// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "crypto/per_process.hpp"

namespace jwekms::db {

using crypto::ForkMark;
using crypto::PerProcess;

}  // namespace jwekms::db
