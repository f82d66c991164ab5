#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes two tokens of SoftHSM, behind the forwarding module, and one of NSS, and runs the tests of
# pools on them. usage: run.sh PROGRAM FAULT_MODULE [ARGS...]
set -euo pipefail
tokens=$(dirname "$0")/../tokens
program=$1 fault_module=$2
shift 2
dir=$(mktemp -d)
trap '"$tokens/stop.sh" "$dir/softhsm2"; "$tokens/stop.sh" "$dir/nss"; rm -rf "$dir"' EXIT
lines=$("$tokens/softhsm2.sh" "$dir/softhsm2" jwekms spare 2>"$dir/log" && "$tokens/nss.sh" "$dir/nss" 2>"$dir/log") || { cat "$dir/log" >&2; exit 1; }
eval "$lines"
export JWEKMS_TEST_TOKEN=SOFTHSM2 JWEKMS_TEST_EXPECTED=$tokens/../expected.txt
export JWEKMS_FAULT_TARGET=$JWEKMS_TEST_SOFTHSM2_MODULE JWEKMS_TEST_SOFTHSM2_MODULE=$fault_module
"$program" "$@"
