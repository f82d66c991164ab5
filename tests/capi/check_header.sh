#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Compiles jwekms.h alone, and every ..._INIT macro in it, in each language it promises.
# usage: check_header.sh CC CXX
set -eu
cc=$1
cxx=$2
capi=$(cd "$(dirname "$0")/../../capi" && pwd)

program() {
  echo '#include "jwekms.h"'
  sed -n 's/^#define JWEKMS_\([A-Z_]*\)_INIT.*/\1/p' "$capi/jwekms.h" | while read -r name; do
    type=jwekms_$(echo "$name" | tr '[:upper:]' '[:lower:]')
    echo "int use_$type(void); int use_$type(void) {"
    echo "  $type s = JWEKMS_${name}_INIT;"
    echo "  return s.struct_size == sizeof s; }"
  done
}

compiles() {
  program | "$@" -pedantic -Wall -Wextra -Wconversion -Wshadow -Wundef -Werror -I "$capi" \
    -fsyntax-only -
  echo "ok: $*"
}

for std in c99 c11; do
  compiles "$cc" -x c -std=$std -Wstrict-prototypes
done
for std in c++11 c++20; do
  compiles "$cxx" -x c++ -std=$std
done
