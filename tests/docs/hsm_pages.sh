#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The pages of examples/hsm as they stand: every program compiles against an installed tree, and the
# commands of the pages for software tokens run, in order, in an empty home. usage:
# hsm_pages.sh BUILD_DIR CC CXX
set -euo pipefail
. "$(dirname "$0")/installed.sh"
pages=$root/examples/hsm

# programs PAGE LANGUAGE COMMAND...: compiles every block by itself.
programs() {
  local page=$1 language=$2 name count=0
  shift 2
  name=$work/$(basename "$page" .md)
  blocks "$page" "$language" | csplit -s -z -f "$name-" -b "%d.$language" - '/^\/\/8<$/' '{*}'
  for source in "$name"-*."$language"; do
    "$@" -Wall -Wextra -Wno-missing-field-initializers -Werror \
      $(pkg-config --cflags jwekms) -c "$source" -o "$source.o"
    count=$((count + 1))
  done
  [[ $count -gt 0 ]] || { echo "$page: no program in $language"; exit 1; }
}

for page in "$pages"/*.md; do
  [[ $page == */README.md ]] && continue
  programs "$page" cpp c++ -std=c++20
  programs "$page" c cc -std=c99 -pedantic
done

# session PAGE HOME EXPECTED...: the page's commands, its programs saved under the names it gives.
session() {
  local page=$1 home=$work/home-$2 expected
  shift 2
  mkdir "$home"
  grep -oE '^`[a-z]+\.(cpp|c)`:$' "$page" | tr -d '`:' >"$home/names"
  while read -r name; do
    printf '%s\n' "mkdir -p ~/save && cat >~/save/$name <<'SAVED'"
    blocks "$page" "${name##*.}" | awk '/^\/\/8<$/ {n++; next} n == 1'
    echo SAVED
  done <"$home/names" >"$home/save.sh"
  HOME=$home bash -euo pipefail "$home/save.sh"
  # The first command makes the folder and goes there; the programs are waiting in it.
  {
    echo 'set -euo pipefail'
    blocks "$page" bash | sed -e '/^\/\/8<$/d' -e 's#^\(mkdir -p ~.*\)$#\1; cp ~/save/* .#'
  } >"$home/session.sh"
  HOME=$home bash "$home/session.sh" >"$home/out" 2>&1 || { cat "$home/out"; exit 1; }
  for expected in "$@"; do
    grep -qF -- "$expected" "$home/out" ||
      { echo "$page: no '$expected' in:"; cat "$home/out"; exit 1; }
  done
}

session "$pages/softhsm2.md" softhsm2 "all that is wanted (*) works" \
  "decrypted: what a sender would send" "its CEK stays in the token as hsm::softhsm2::0::cek-" \
  "decrypted: from C"
session "$pages/other.md" nss "RSA-OAEP-256: decrypt, CEK in the HSM" "all that is wanted (*) works" \
  "decrypted"
echo ok
