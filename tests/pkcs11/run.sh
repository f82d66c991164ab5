#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes one token and runs the tests on it. usage: run.sh PROGRAM TOKEN [ARGS...]
# TOKEN: softhsm2, nss, opencryptoki; remote-softhsm2, remote-nss, p11kit: in a process of its own.
# With JWEKMS_FAULT_MODULE they see it through that forwarding module.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=$1 token=$2
shift 2
# The soft token of opencryptoki is one for the machine: one test at a time.
if [[ $token == opencryptoki ]]; then
  exec 9>/run/lock/jwekms-opencryptoki
  flock 9
fi
# In memory where that can be: tokens sync their files at every change.
[[ -w /dev/shm ]] && export TMPDIR=/dev/shm
dir=$(mktemp -d)
trap '"$here/tokens/stop.sh" "$dir/token"; rm -rf "$dir"' EXIT
labels=()
script=$token.sh
case $token in
  softhsm2) labels=(jwekms spare) ;;
  remote-*) script=remote.sh labels=("${token#remote-}") ;;
  p11kit) script=p11kit_server.sh ;;
esac
lines=$("$here/tokens/$script" "$dir/token" "${labels[@]}" 2>"$dir/log" 9>&-) || { cat "$dir/log" >&2; exit 1; }
eval "$lines"
token=${token^^}
export JWEKMS_TEST_TOKEN=${token//-/_} JWEKMS_TEST_TOKEN_DIR=$dir/token
export JWEKMS_TEST_EXPECTED=$here/expected.txt
if [[ ${JWEKMS_FAULT_MODULE-} ]]; then
  module=JWEKMS_TEST_${JWEKMS_TEST_TOKEN}_MODULE
  export JWEKMS_FAULT_TARGET=${!module} "$module=$JWEKMS_FAULT_MODULE"
fi
"$program" "$@"
