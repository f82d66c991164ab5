// SPDX-License-Identifier: Apache-2.0
#pragma once

#define JWEKMS_VERSION_MAJOR 0
#define JWEKMS_VERSION_MINOR 1
#define JWEKMS_VERSION_PATCH 0
#define JWEKMS_VERSION_STRING "0.1.0"
