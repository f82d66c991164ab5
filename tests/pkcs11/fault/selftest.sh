#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The fault module's own test, on a SoftHSM made for it. usage: selftest.sh SELFTEST FAULT_MODULE
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$(dirname "$0")/../tokens/softhsm2.sh" "$work/softhsm2" jwekms spare >"$work/env"
source "$work/env"
JWEKMS_FAULT_TARGET=$JWEKMS_TEST_SOFTHSM2_MODULE JWEKMS_FAULT_LOG=$work/log "$1" "$2"
! grep -qF "$JWEKMS_TEST_SOFTHSM2_PIN" "$work/log" || { echo "the PIN is in the log" >&2; exit 1; }
