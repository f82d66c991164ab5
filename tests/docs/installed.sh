# SPDX-License-Identifier: Apache-2.0
# To be sourced with arguments BUILD_DIR CC CXX: installs the build tree, and makes pkg-config, cc, c++
# and the installed programs what a reader of the docs would have.
build=$(realpath "$1") cc=$2 cxx=$3
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

cmake --install "$build" --prefix "$prefix" >"$work/log" || { cat "$work/log"; exit 1; }
libdir=$(dirname "$(dirname "$(find "$prefix" -name jwekms.pc)")")
export PKG_CONFIG_PATH=$libdir/pkgconfig LD_LIBRARY_PATH=$libdir
mkdir "$work/bin"
# The build's compilers are the ones to use.
ln -s "$(command -v "$cc")" "$work/bin/cc"
ln -s "$(command -v "$cxx")" "$work/bin/c++"
export PATH=$work/bin:$prefix/bin:$PATH

# softhsm_token LABEL PIN_FILE: a SoftHSM token in this folder, and a random PIN for it.
softhsm_token() {
  local pin
  pin=$(od -An -N8 -tu8 /dev/urandom | tr -d ' ')
  (umask 077 && echo "$pin" >"$2" && mkdir tokens)
  echo "directories.tokendir = $PWD/tokens" >softhsm2.conf
  export SOFTHSM2_CONF=$PWD/softhsm2.conf
  softhsm2-util --init-token --free --label "$1" --pin "$pin" --so-pin "$pin" >/dev/null
}

# blocks PAGE LANGUAGE: its blocks, one after the other, each with a line ahead to tell them apart.
blocks() { awk -v mark="\`\`\`$2" '$0 == mark {on = 1; print "//8<"; next} /^```$/ {on = 0} on' "$1"; }
