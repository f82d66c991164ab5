#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The soft token of opencryptoki, with its daemon started by hand. usage: opencryptoki.sh DIR
#
# Needs root, as the daemon does. The folders of this token are compiled in (PKCS_APP_STORE makes
# 3.8.1 write into the root folder), so the token lives in /var/lib/opencryptoki/swtok, one for the
# machine; DIR only notes what stop.sh has to end. A token there that is not ours is never touched.
# Another user who is to use the token must be in the group pkcs11.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
[[ $# -eq 1 ]] || die "usage: opencryptoki.sh DIR"
dir=$(realpath -m "$1")
store=/var/lib/opencryptoki/swtok
need pkcsslotd pkcsconf pkcs11-tool
module=$(first_of "$libdir/opencryptoki/libopencryptoki.so.0" "$libdir/pkcs11/libopencryptoki.so")
[[ $(id -u) -eq 0 ]] || die "needs root"
[[ -e $store/.jwekms-token || ! -e $store/NVTOK.DAT ]] || die "a token not ours is in $store"

fresh "$dir"
install -d -o root -g pkcs11 -m 0770 "$store" "$store/TOK_OBJ"
rm -rf "$store"/NVTOK.DAT "$store"/MK_* "$store"/TOK_OBJ/* /dev/shm/var.lib.opencryptoki.swtok
touch "$store/.jwekms-token"
"$(dirname "$0")/opencryptoki_daemon.sh" start "$dir"

slot=$(pkcsconf -t 2>&1 |
  awk '/^Token #/ { sub("#", "", $2); slot = $2 } /SoftTok/ { print slot }') || true
[[ $slot ]] || die "pkcsconf shows no soft token"
tool() { pkcs11-tool --module "$module" --slot "$slot" "$@" >&2; }
tool --init-token --label jwekms --so-pin 87654321  # what a new token has
# Both PINs must be changed once before the token serves.
tool --login --login-type so --so-pin 87654321 --change-pin --new-pin "$so_pin"
tool --login --login-type so --so-pin "$so_pin" --init-pin --new-pin 111111
tool --login --pin 111111 --change-pin --new-pin "$pin"

token OPENCRYPTOKI "$module" '' jwekms
