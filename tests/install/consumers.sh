#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the programs of this folder against the jwekms that CMake and pkg-config find, and runs them:
# shared, static, headers alone. usage: consumers.sh CC CXX
set -euo pipefail
cc=$1 cxx=$2
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

echo "== CMake: shared, static, headers alone"
cmake -S "$here" -B "$work/cmake" -G Ninja -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" \
  >"$work/log" || { cat "$work/log"; exit 1; }
cmake --build "$work/cmake" >"$work/log" || { cat "$work/log"; exit 1; }
for program in cpp_shared cpp_static c_shared c_static headers_only; do
  "$work/cmake/$program" "$work/$program.db"
done

# needs PROGRAM: how often it wants the shared library.
needs() { readelf -d "$1" | grep -c 'NEEDED.*libjwekms' || true; }

libdir=$(pkg-config --variable=libdir jwekms)
echo "== pkg-config: shared"
"$cxx" -std=c++20 $(pkg-config --cflags jwekms) "$here/consumer.cpp" -o "$work/pc_shared" \
  $(pkg-config --libs jwekms) -Wl,-rpath,"$libdir"
"$cc" -std=c99 $(pkg-config --cflags jwekms) "$here/consumer.c" -o "$work/pc_c_shared" \
  $(pkg-config --libs jwekms) -Wl,-rpath,"$libdir"
for program in pc_shared pc_c_shared; do
  "$work/$program" "$work/$program.db"
  [[ $(needs "$work/$program") -eq 1 ]]
done

echo "== pkg-config: static"
# The archive alone where the linker looks first: -ljwekms is the archive.
mkdir "$work/archive"
cp "$libdir/libjwekms.a" "$work/archive"
"$cxx" -std=c++20 $(pkg-config --static --cflags jwekms) "$here/consumer.cpp" -o "$work/pc_static" \
  -L"$work/archive" $(pkg-config --static --libs jwekms)
"$cc" -std=c99 $(pkg-config --static --cflags jwekms) "$here/consumer.c" -o "$work/pc_c_static" \
  -L"$work/archive" $(pkg-config --static --libs jwekms)
for program in pc_static pc_c_static; do
  "$work/$program" "$work/$program.db"
  [[ $(needs "$work/$program") -eq 0 ]]
done
