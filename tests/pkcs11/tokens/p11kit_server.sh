#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SoftHSM in a process of its own behind p11-kit-client.so. usage: p11kit_server.sh DIR
# p11-kit hides AES-GCM; remote.sh is the one for the HSM boundary.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
[[ $# -eq 1 ]] || die "usage: p11kit_server.sh DIR"
dir=$(realpath -m "$1")
need p11-kit
client=$(first_of "$libdir/pkcs11/p11-kit-client.so")

fresh "$dir"
lines=$("$(dirname "$0")/softhsm2.sh" "$dir/softhsm2")
eval "$lines"
{
  echo '#!/bin/sh'
  echo '# Starts the server; a test that killed it runs this again.'
  emit SOFTHSM2_CONF "$SOFTHSM2_CONF"
  echo "rm -f '$dir/socket'"
  printf 'exec p11-kit server --foreground --name %q --provider %q %q\n' "$dir/socket" \
    "$JWEKMS_TEST_SOFTHSM2_MODULE" "pkcs11:token=$JWEKMS_TEST_SOFTHSM2_LABEL"
} >"$dir/serve.sh"
chmod +x "$dir/serve.sh"
"$dir/serve.sh" </dev/null >"$dir/server.log" 2>&1 &
echo $! >"$dir/server.pid"
wait_for "$dir/socket"

emit P11_KIT_SERVER_ADDRESS "unix:path=$dir/socket"
token P11KIT "$client" '' "$JWEKMS_TEST_SOFTHSM2_LABEL"
emit JWEKMS_TEST_P11KIT_SERVE "$dir/serve.sh"
emit JWEKMS_TEST_P11KIT_PID_FILE "$dir/server.pid"
