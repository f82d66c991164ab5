#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# All tokens. What is missing is a failure, never left out. usage: tokens.sh DIR
#   lines=$(tests/pkcs11/tokens/tokens.sh DIR); eval "$lines"; ...; tests/pkcs11/tokens/stop.sh DIR
# Of each token the tests find JWEKMS_TEST_<TOKEN>_{MODULE,INIT_ARGS,LABEL,PIN} in the environment;
# the lines are in DIR/env, too. Needs root for opencryptoki.
set -euo pipefail
here=$(dirname "$0")
source "$here/lib.sh"
[[ $# -eq 1 ]] || die "usage: tokens.sh DIR"
dir=$(realpath -m "$1")

fresh "$dir"
{
  "$here/softhsm2.sh" "$dir/softhsm2" jwekms spare
  "$here/nss.sh" "$dir/nss"
  "$here/opencryptoki.sh" "$dir/opencryptoki"
  "$here/p11kit_server.sh" "$dir/p11kit"
  "$here/remote.sh" "$dir/remote-softhsm2" softhsm2
  "$here/remote.sh" "$dir/remote-nss" nss
} >"$dir/env"
cat "$dir/env"
