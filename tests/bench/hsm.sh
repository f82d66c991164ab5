#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes one token and runs the benchmark on it. usage: hsm.sh PROGRAM softhsm2|nss|opencryptoki [--quick]
set -euo pipefail
exec "$(dirname "$0")/../pkcs11/run.sh" "$@"
