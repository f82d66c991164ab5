#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Conan recipe: loads, has this version, exports what the build needs. With --long it builds the
# package and the programs of tests/install against it, which takes minutes. usage: conan.sh CONAN [--long]
set -euo pipefail
conan=$1 long=${2-}
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CONAN_HOME=$work/home

version=$(sed -n 's/^#define JWEKMS_VERSION_STRING "\(.*\)"$/\1/p' "$root/include/jwekms/version.hpp")
"$conan" profile detect >/dev/null 2>&1
"$conan" inspect "$root/pkgconfig/conan" --format=json >"$work/inspect"
grep -q "\"version\": \"$version\"" "$work/inspect"
"$conan" export "$root/pkgconfig/conan" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
sources=$(echo "$CONAN_HOME"/p/*/es)
# What is exported configures: nothing that CMakeLists.txt reads is missing.
cmake -S "$sources" -B "$work/build" -G Ninja -DJWEKMS_TESTS=OFF >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
diff <(cd "$root" && git ls-files src capi include examples) \
  <(cd "$sources" && find src capi include examples -type f | LC_ALL=C sort) ||
  { echo "not the files that git knows"; exit 1; }
echo "conan: the recipe exports jwekms/$version"
[[ -n $long ]] || exit 0

"$conan" create "$root/pkgconfig/conan" -s compiler.cppstd=20 --no-remote \
  -c tools.cmake.cmake_layout:test_folder="$work/test" >"$work/log" 2>&1 ||
  { tail -n 50 "$work/log"; exit 1; }
grep 'consumer: ok' "$work/log"
[[ $(grep -c 'consumer: ok' "$work/log") -eq 4 ]]
