#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SoftHSM or NSS in a process of its own, AES-GCM and all: what the token keeps inside is never in
# the memory of the test. usage: remote.sh DIR softhsm2|nss
# JWEKMS_REMOTE_BIN names the folder of libjwekms-remote.so and jwekms-remote-server; without it
# they are compiled here.
set -euo pipefail
here=$(dirname "$0")
source "$here/lib.sh"
[[ $# -eq 2 && $2 =~ ^(softhsm2|nss)$ ]] || die "usage: remote.sh DIR softhsm2|nss"
dir=$(realpath -m "$1")
name=${2^^}

fresh "$dir"
lines=$("$here/$2.sh" "$dir/$2")
eval "$lines"
# A copy of its own for each token: a process that uses both has to load two modules.
if [[ ${JWEKMS_REMOTE_BIN-} ]]; then
  cp "$JWEKMS_REMOTE_BIN"/{libjwekms-remote.so,jwekms-remote-server} "$dir"
else
  need c++ pkg-config
  flags=(-std=c++20 -O1 $(pkg-config --cflags p11-kit-1))
  c++ "${flags[@]}" -shared -fPIC -fvisibility=hidden "$here/remote/module.cpp" \
    -o "$dir/libjwekms-remote.so"
  c++ "${flags[@]}" "$here/remote/server.cpp" -o "$dir/jwekms-remote-server"
fi

module=JWEKMS_TEST_${name}_MODULE init_args=JWEKMS_TEST_${name}_INIT_ARGS
label=JWEKMS_TEST_${name}_LABEL
{
  echo '#!/bin/sh'
  echo '# Starts the server; a test that killed it runs this again.'
  for variable in SOFTHSM2_CONF NSS_MAX_MP_PBE_ITERATION_COUNT; do
    [[ ${!variable-} ]] && emit "$variable" "${!variable}"
  done
  printf 'exec %q %q %q' "$dir/jwekms-remote-server" "$dir/socket" "${!module}"
  [[ ${!init_args} ]] && printf ' %q' "${!init_args}"
  echo
} >"$dir/serve.sh"
chmod +x "$dir/serve.sh"
"$dir/serve.sh" </dev/null >"$dir/server.log" 2>&1 &
echo $! >"$dir/server.pid"
wait_for "$dir/socket"

token "REMOTE_$name" "$dir/libjwekms-remote.so" "socket=$dir/socket" "${!label}"
emit "JWEKMS_TEST_REMOTE_${name}_SERVE" "$dir/serve.sh"
emit "JWEKMS_TEST_REMOTE_${name}_PID_FILE" "$dir/server.pid"
