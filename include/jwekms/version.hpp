// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The version of these headers. The library's is jwekms_version_string() (jwekms.h).

/// Rises when a program has to be changed. capi/UPGRADING.md says how versions are made.
#define JWEKMS_VERSION_MAJOR 0
/// Rises with what is new.
#define JWEKMS_VERSION_MINOR 1
/// Rises with what is mended.
#define JWEKMS_VERSION_PATCH 0
/// All three.
#define JWEKMS_VERSION_STRING "0.1.0"
