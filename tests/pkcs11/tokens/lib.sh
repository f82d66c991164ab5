# SPDX-License-Identifier: Apache-2.0
# What the token scripts share. Sourced. Standard output carries nothing but the lines to source.

pin=246810  # 4-8 digits suit every token; opencryptoki takes no more than 8
so_pin=13572468

say() { echo "$*" >&2; }
die() { say "${0##*/}: $*"; exit 1; }
need() {
  local each
  for each in "$@"; do
    [[ -e $each ]] || command -v "$each" >/dev/null || die "missing: $each"
  done
}

# The first of some files that exists: Debian puts libraries in a folder of the architecture.
first_of() {
  local each
  for each in "$@"; do
    [[ -e $each ]] && { echo "$each"; return; }
  done
  die "missing: $1"
}
libdir=/usr/lib/$(uname -m)-linux-gnu

# Makes the folder anew. One that these scripts did not make is left alone.
fresh() {
  if [[ -e $1 && ! -e $1/.jwekms-token ]]; then
    rmdir "$1" 2>/dev/null || die "$1 is there and not ours"
  fi
  "$(dirname "${BASH_SOURCE[0]}")/stop.sh" "$1"
  rm -rf "$1"
  mkdir -p "$1"
  touch "$1/.jwekms-token"
}

emit() { printf "export %s='%s'\n" "$1" "${2//\'/\'\\\'\'}"; }

# token NAME MODULE INIT_ARGS LABEL: what a test has to know, as JWEKMS_TEST_NAME_*.
token() {
  emit "JWEKMS_TEST_$1_MODULE" "$2"
  emit "JWEKMS_TEST_$1_INIT_ARGS" "$3"
  emit "JWEKMS_TEST_$1_LABEL" "$4"
  emit "JWEKMS_TEST_$1_PIN" "$pin"
}

# A server is ready when its socket, or its other sign of life, is there.
wait_for() {
  local i
  for ((i = 0; i < 1200; i++)); do
    [[ -S $1 || -s $1 ]] && return
    sleep 0.05
  done
  die "no $1 after a minute"
}
