// SPDX-License-Identifier: Apache-2.0
#pragma once

// Everything. A program that only takes tokens apart needs jwe.hpp and jose_header.hpp, and no
// library.
#include "jwekms/config.hpp"
#include "jwekms/doctor.hpp"
#include "jwekms/kms.hpp"
#include "jwekms/open.hpp"
#include "jwekms/service.hpp"
#include "jwekms/version.hpp"
