#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The packages of pkgconfig/: Debian's are built twice and must come out the same, byte for byte; lintian,
# hardening, bills of materials; installed and used in a clean system. The Conan recipe and the vcpkg port
# are loaded and checked. With --long, minutes more: the programs are built twice, too, and Conan builds
# its package and what uses it.
# usage: run.sh [--long] BUILD_DIR [OUT_DIR]   (BUILD_DIR: what cmake built; OUT_DIR: else .build/packages)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(realpath "$here/../..")
long=
[[ ${1-} != --long ]] || { long=1; shift; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
build=$(realpath "$1") out=${2:-$root/.build/packages}

echo "== packages: build"
# The compiler's cache may help here, and not below.
JWEKMS_CCACHE=$(command -v ccache || true) CCACHE_DIR=$(ccache -k cache_dir 2>/dev/null || true) \
  "$root/pkgconfig/build_deb.sh" "$out"
ls "$out"/*.deb | xargs -n1 basename

echo "== packages: again, in another place, time zone, language and mask, without a cache"
again=$work/a-folder-with-another-and-longer-name
part=
[[ -n $long ]] || part=jwekms-tools
(umask 077 && TZ=Asia/Kathmandu LC_ALL=C.UTF-8 DEB_BUILD_OPTIONS=parallel=$(($(nproc) + 1)) \
  DH_OPTIONS=${part:+-N$part} "$root/pkgconfig/build_deb.sh" "$again")
"$here/same.sh" "$out" "$again" ${part:+--without $part}

echo "== packages: lintian"
# These packages are not uploads to Debian, which would close a request there.
lintian --fail-on error,warning --allow-root --suppress-tags initial-upload-closes-no-bugs "$out"/*.changes

echo "== packages: hardening"
mkdir "$work/unpacked"
for deb in "$out"/*.deb; do
  [[ $deb == *-dbgsym_* ]] || dpkg-deb -x "$deb" "$work/unpacked"
done
usr=$work/unpacked/usr
library=$(echo "$usr"/lib/*/libjwekms.so.?)
python3 "$here/check_hardening.py" "$library" "$usr"/bin/*

echo "== packages: the Go module's sources"
mkdir "$work/go"
cp "$root/capi/go/go.sum" "$work/go"
cat >"$work/go/go.mod" <<MODULE
module consumer
go 1.19
require jwekms v0.1.0
require $(grep -o 'github.com/ebitengine/purego v[0-9.]*' "$root/capi/go/go.mod")
replace jwekms => $usr/share/gocode/src/jwekms
MODULE
printf 'package main\n\nimport "jwekms"\n\nfunc main() { println("Go:", jwekms.Version()) }\n' >"$work/go/main.go"
go=$(command -v go || echo /usr/lib/go-1.19/bin/go)  # Debian's has no other place
(cd "$work/go" && "$here/../again.sh" "$go" mod download
  LD_LIBRARY_PATH=$(dirname "$library") "$go" run . 2>&1 | grep '^Go: [0-9]')

echo "== packages: bills of materials; Conan and vcpkg"
python3 -m venv "$work/venv"
"$here/../again.sh" "$work/venv/bin/pip" install --quiet --requirement "$here/requirements.txt"
check_sbom() { "$work/venv/bin/python" "$here/check_sbom.py" "$@"; }
check_sbom "$usr/share/doc/libjwekms0/jwekms.cdx.json" "$library"
check_sbom "$usr/share/doc/jwekms-tools/jwekms-tools.cdx.json" "$usr"/bin/*
python3 "$here/check_vcpkg.py" "$root/pkgconfig/vcpkg" "$build"
"$here/conan.sh" "$work/venv/bin/conan" ${long:+--long}

echo "== packages: in a clean system"
"$here/chroot.sh" "$out"/{libjwekms,jwekms-tools,python3-jwekms}*.deb
