#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compiles each header alone, and every ..._INIT macro in it, in each language it promises.
# usage: check_header.sh CC CXX
set -eu
cc=$1
cxx=$2
capi=$(cd "$(dirname "$0")/../../capi" && pwd)

program() { # HEADER
  echo "#include \"$1\""
  sed -n 's/^#define JWEKMS_\([A-Z_]*\)_INIT.*/\1/p' "$capi/$1" | while read -r name; do
    type=jwekms_$(echo "$name" | tr '[:upper:]' '[:lower:]')
    echo "int use_$type(void); int use_$type(void) {"
    echo "  $type s = JWEKMS_${name}_INIT;"
    echo "  return s.struct_size == sizeof s; }"
  done
}

compiles() {
  for header in jwekms.h jwekms_provider.h; do
    program $header | "$@" -pedantic -Wall -Wextra -Wconversion -Wshadow -Wundef -Werror \
      -I "$capi" -fsyntax-only -
    echo "ok: $header: $*"
  done
}

for std in c99 c11; do
  compiles "$cc" -x c -std=$std -Wstrict-prototypes
done
for std in c++11 c++20; do
  compiles "$cxx" -x c++ -std=$std
done
