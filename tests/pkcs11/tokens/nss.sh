#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# NSS softokn from nothing; its token with private keys is in slot 2. usage: nss.sh DIR
set -euo pipefail
source "$(dirname "$0")/lib.sh"
[[ $# -eq 1 ]] || die "usage: nss.sh DIR"
dir=$(realpath -m "$1")
need certutil
module=$(first_of "$libdir/libsoftokn3.so" "$libdir/nss/libsoftokn3.so")

fresh "$dir"
# NSS derives a key from the password at each use of a private key; one round keeps tests quick, if
# the caller does not want to see how slow it is otherwise (10000).
export NSS_MAX_MP_PBE_ITERATION_COUNT=${NSS_MAX_MP_PBE_ITERATION_COUNT:-1}
certutil -N -d "sql:$dir" -f <(echo "$pin") >&2

emit NSS_MAX_MP_PBE_ITERATION_COUNT "$NSS_MAX_MP_PBE_ITERATION_COUNT"  # for the keys that the tests will make, too
token NSS "$module" \
  "configdir='sql:$dir' certPrefix='' keyPrefix='' secmod='secmod.db' flags=optimizeSpace" \
  'NSS Certificate DB'
