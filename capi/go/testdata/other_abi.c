// SPDX-License-Identifier: Apache-2.0
// A library of another time, for tests.
#include <stdint.h>

#ifndef ABI_VERSION
#define ABI_VERSION 2
#endif
uint32_t jwekms_abi_version(void) { return ABI_VERSION; }
