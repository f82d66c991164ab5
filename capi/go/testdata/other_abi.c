// SPDX-License-Identifier: Apache-2.0
// A library of a later time, for a test.
#include <stdint.h>

uint32_t jwekms_abi_version(void) { return 2; }
