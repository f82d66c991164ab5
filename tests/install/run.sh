#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs a build tree into a fresh prefix and builds programs against that alone.
# usage: run.sh BUILD_DIR CC CXX
set -euo pipefail
build=$1 cc=$2 cxx=$3
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

cmake --install "$build" --prefix "$prefix" >"$work/log" || { cat "$work/log"; exit 1; }

echo "== command-line tool, its manual page and completions"
"$prefix/bin/jwekms" --version
for page in man/man1/jwekms.1 bash-completion/completions/jwekms zsh/site-functions/_jwekms \
  fish/vendor_completions.d/jwekms.fish; do
  [[ -s $prefix/share/$page ]]
done

echo "== CMake: shared, static, headers alone"
cmake -S "$here" -B "$work/cmake" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" \
  -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" >"$work/log" || { cat "$work/log"; exit 1; }
cmake --build "$work/cmake" >"$work/log" || { cat "$work/log"; exit 1; }
for program in cpp_shared cpp_static c_shared c_static headers_only; do
  "$work/cmake/$program" "$work/$program.db"
done

libdir=$(dirname "$(find "$prefix" -name jwekms.pc)")
export PKG_CONFIG_PATH=$libdir
# The file was written for the build's prefix; a moved tree says so.
config="pkg-config --define-variable=prefix=$prefix"
echo "== pkg-config: shared"
"$cxx" -std=c++20 $($config --cflags jwekms) "$here/consumer.cpp" -o "$work/pc_shared" \
  $($config --libs jwekms) -Wl,-rpath,"$(dirname "$libdir")"
"$work/pc_shared" "$work/pc_shared.db"
"$cc" -std=c99 $($config --cflags jwekms) "$here/consumer.c" -o "$work/pc_c_shared" \
  $($config --libs jwekms) -Wl,-rpath,"$(dirname "$libdir")"
"$work/pc_c_shared" "$work/pc_c_shared.db"

echo "== pkg-config: static"
# With the shared library out of sight, -ljwekms is the archive.
rm "$(dirname "$libdir")"/libjwekms.so*
"$cxx" -std=c++20 $($config --static --cflags jwekms) "$here/consumer.cpp" -o "$work/pc_static" \
  $($config --static --libs jwekms)
"$work/pc_static" "$work/pc_static.db"
"$cc" -std=c99 $($config --static --cflags jwekms) "$here/consumer.c" -o "$work/pc_c_static" \
  $($config --static --libs jwekms)
"$work/pc_c_static" "$work/pc_c_static.db"

echo "== README's programs"
cmake --install "$build" --prefix "$prefix" >"$work/log"
cd "$work"
awk '/^```cpp$/ {on=1; next} /^```$/ {on=0} on' "$here/../../README.md" >readme.cpp
awk '/^```c$/ {on=1; next} /^```$/ {on=0} on' "$here/../../README.md" >readme.c
"$cxx" -std=c++20 -Wall -Wextra -Werror $($config --cflags jwekms) readme.cpp -o readme_cpp \
  $($config --libs jwekms) -Wl,-rpath,"$(dirname "$libdir")"
"$cc" -std=c99 -Wall -Wextra -Werror $($config --cflags jwekms) readme.c -o readme_c \
  $($config --libs jwekms) -Wl,-rpath,"$(dirname "$libdir")"
[[ $(./readme_cpp 2>/dev/null) == hello ]]
[[ $(./readme_c 2>/dev/null) == hello ]]
