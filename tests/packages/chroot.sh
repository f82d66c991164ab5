#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Debian's packages in a clean system of this machine's release, made for it and deleted with it: apt
# resolves what they depend on, debian/tests/installed runs there, and purging them leaves nothing.
# As root or, where the kernel lets users have namespaces of their own, as anybody: mmdebstrap takes
# care of what is mounted, on every way out. usage: chroot.sh PACKAGE.deb...
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"

# What the machine's own apt has of Debian, and how it gets there.
codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) main' \
  'Identifier: Packages' 'Component: main' 'Origin: Debian' | sort -u >"$work/sources"
grep -q "$codename" "$work/sources" || { echo "apt knows no Debian $codename"; exit 1; }
apt-config dump --format '%f "%v";%n' Acquire::http::Proxy Acquire::https::Proxy >"$work/apt"
echo 'Acquire::Retries "5";' >>"$work/apt"

mkdir -p "$work/src/tests" "$work/debs"
cp -r "$root/tests/install" "$work/src/tests"
cp -r "$root/pkgconfig/debian" "$work/src"
cp "$@" "$work/debs"

cat >"$work/inside" <<'INSIDE'
set -eu
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive
cd /jwekms
apt-get install -qq --no-install-recommends ./debs/*.deb >log 2>&1 || { cat log; exit 1; }
src/debian/tests/installed
packages=$(dpkg-query -W -f '${Package} ' '*jwekms*')
apt-get purge -qq $packages >log 2>&1 || { cat log; exit 1; }
cd /
rm -r /jwekms
left=$(find / -xdev -iname '*jwekms*')
[ -z "$left" ] || { echo "purged, and still there: $left"; exit 1; }
echo "purged: $packages"
INSIDE

mmdebstrap --quiet --variant=minbase --include=g++,cmake,ninja-build,pkg-config \
  --aptopt="$work/apt" --dpkgopt=force-unsafe-io --skip=cleanup/apt \
  --customize-hook='mkdir "$1/jwekms"' \
  --customize-hook="copy-in $work/src $work/debs $work/inside /jwekms" \
  --customize-hook='chroot "$1" sh /jwekms/inside' \
  "$codename" /dev/null "$work/sources"
