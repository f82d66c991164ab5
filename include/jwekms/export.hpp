// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Visibility of symbols.

/// Everything is hidden by default; this marks what the shared library offers to C++.
#define JWEKMS_API __attribute__((visibility("default")))
