#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SoftHSM from nothing. usage: softhsm2.sh DIR [LABEL...]   (default label: jwekms)
set -euo pipefail
source "$(dirname "$0")/lib.sh"
[[ $# -ge 1 ]] || die "usage: softhsm2.sh DIR [LABEL...]"
dir=$(realpath -m "$1")
labels=("${@:2}")
[[ ${#labels[@]} -gt 0 ]] || labels=(jwekms)
need softhsm2-util
module=$(first_of /usr/lib/softhsm/libsofthsm2.so "$libdir/softhsm/libsofthsm2.so")

fresh "$dir"
mkdir "$dir/tokens"
cat >"$dir/softhsm2.conf" <<CONF
directories.tokendir = $dir/tokens
objectstore.backend = file
log.level = ERROR
slots.removable = false
CONF
for label in "${labels[@]}"; do
  SOFTHSM2_CONF=$dir/softhsm2.conf softhsm2-util --init-token --free --label "$label" \
    --pin "$pin" --so-pin "$so_pin" >&2
done

emit SOFTHSM2_CONF "$dir/softhsm2.conf"
token SOFTHSM2 "$module" '' "${labels[0]}"
