// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Everything. A program that only takes tokens apart needs jwe.hpp and jose_header.hpp, and no
/// library.

/// The C++ API. open() gives a Kms, and the rest follows from there. Functions are thread-safe
/// unless they say otherwise, and nothing but std::bad_alloc is thrown, save by Result::value().
namespace jwekms {}

#include "jwekms/config.hpp"
#include "jwekms/doctor.hpp"
#include "jwekms/kms.hpp"
#include "jwekms/open.hpp"
#include "jwekms/service.hpp"
#include "jwekms/version.hpp"
