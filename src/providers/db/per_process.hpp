// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/per_process.hpp"

namespace jwekms::db {

using core::ForkMark;
using core::PerProcess;

}  // namespace jwekms::db
