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

echo "== programs, the manual page and completions"
"$prefix/bin/jwekms" --version
"$prefix/bin/jwekms-doctor" --version
for page in man/man1/jwekms.1 bash-completion/completions/jwekms zsh/site-functions/_jwekms \
  fish/vendor_completions.d/jwekms.fish; do
  [[ -s $prefix/share/$page ]]
done

libdir=$(dirname "$(dirname "$(find "$prefix" -name jwekms.pc)")")
export PKG_CONFIG_PATH=$libdir/pkgconfig CMAKE_PREFIX_PATH=$prefix
"$here/consumers.sh" "$cc" "$cxx"

echo "== README's programs"
cd "$work"
awk '/^```cpp$/ {on=1; next} /^```$/ {on=0} on' "$here/../../README.md" >readme.cpp
awk '/^```c$/ {on=1; next} /^```$/ {on=0} on' "$here/../../README.md" >readme.c
"$cxx" -std=c++20 -Wall -Wextra -Werror $(pkg-config --cflags jwekms) readme.cpp -o readme_cpp \
  $(pkg-config --libs jwekms) -Wl,-rpath,"$libdir"
"$cc" -std=c99 -Wall -Wextra -Werror $(pkg-config --cflags jwekms) readme.c -o readme_c \
  $(pkg-config --libs jwekms) -Wl,-rpath,"$libdir"
[[ $(./readme_cpp 2>/dev/null) == hello ]]
[[ $(./readme_c 2>/dev/null) == hello ]]

echo "== README's way to the archive, and that of a custom provider"
sed -n 's/^    c++ \(.* app.cpp .*-l:libjwekms.a.*\)$/"$1" \1 -o readme_static/p' "$here/../../README.md" >link.sh
cp readme.cpp app.cpp
bash -euo pipefail link.sh "$cxx"
[[ $(readelf -d readme_static | grep -c 'NEEDED.*libjwekms') == 0 ]]
[[ $(./readme_static 2>/dev/null) == hello ]]
page=$here/../../examples/custom_provider/README.md
tr '\n' ' ' <"$page" | sed -n 's/.*`cc \(-std=c99 key_file.c [^`]*\)`.*/"$1" \1 -o provider/p' >link.sh
cp "$(dirname "$page")/key_file.c" .
bash -euo pipefail link.sh "$cc"
[[ $(readelf -d provider | grep -c 'NEEDED.*libjwekms') == 1 ]]
