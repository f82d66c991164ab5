// SPDX-License-Identifier: Apache-2.0
#pragma once

// toml++ with its errors as values; it is header-only here, so that nothing more is linked.
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>
