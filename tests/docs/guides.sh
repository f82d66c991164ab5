#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The guides of examples/cpp and examples/c as they stand, against an installed tree: the complete program,
# and all other blocks as one more, in order, with a SoftHSM token of their own.
# usage: guides.sh BUILD_DIR CC CXX
set -euo pipefail
. "$(dirname "$0")/installed.sh"
warnings=(-Wall -Wextra -Wno-missing-field-initializers -Werror)

# guide LANGUAGE COMPILE...: its page's programs, built and run in a folder of their own.
guide() {
  local language=$1 page=$root/examples/$1/README.md folder=$work/$1 status=0
  shift
  mkdir -p "$folder/secrets"
  cp "$root/tests/docs/guide.$language" "$folder/"
  cd "$folder"
  softhsm_token jwekms secrets/pin
  blocks "$page" "$language" | csplit -s -z -f block- -b "%02d.$language" - '/^\/\/8<$/' '{*}'
  for block in block-*; do
    if grep -q 'int main' "$block"; then mv "$block" "app.$language"; else cat "$block" >>blocks.inc; fi
  done
  "$@" "${warnings[@]}" "app.$language" $(pkg-config --cflags --libs jwekms) -o app
  "$@" "${warnings[@]}" "guide.$language" $(pkg-config --cflags --libs jwekms) -o guide

  ./guide >out 2>log || { cat out log; exit 1; }
  jwekms --database app.db key create --uid billing >log 2>&1
  printf hello | jwekms --database app.db encrypt --to billing >token
  [[ $(./app app.db <token) == hello ]]
  sed -E 's/A(.{3})$/B\1/; t; s/.(.{3})$/A\1/' token | ./app app.db >out 2>log || status=$?
  [[ $status -eq 65 && ! -s out ]]
  status=0
  ./app /nowhere/keys.db <token >out 2>log || status=$?
  [[ $status -eq 75 && ! -s out ]]
  status=0
  jwekms --database other.db key create >log 2>&1
  mv other.db.kek app.db.kek
  ./app app.db <token >out 2>log || status=$?
  [[ $status -eq 78 && ! -s out ]]
  echo "ok: $page"
}

guide cpp c++ -std=c++20
guide c cc -std=c99 -pedantic -D_DEFAULT_SOURCE

# A program that loads the library.
blocks "$root/examples/c/README.md" "c loader" >loader.c
cc -std=c99 "${warnings[@]}" loader.c -o loader -ldl
[[ $(./loader) == fits ]]
