#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Debian's packages, from the files that git knows as they are now: a source package, and from it the
# binary ones, in OUT_DIR. Their time is that of the last commit, unless SOURCE_DATE_EPOCH says otherwise;
# two builds have the same bytes. usage: build_deb.sh OUT_DIR [OPTION OF dpkg-buildpackage...]
set -euo pipefail
out=$(realpath -m "$1")
shift
root=$(cd "$(dirname "$0")/.." && pwd)
work=$out/build
trap 'rm -rf "$work"' EXIT

version=$(sed -n 's/^#define JWEKMS_VERSION_STRING "\(.*\)"$/\1/p' "$root/include/jwekms/version.hpp")
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct)}
tree=$work/jwekms-$version
rm -rf "$work"
mkdir -p "$tree"
git -C "$root" ls-files -z | tar -C "$root" --null --files-from=- -c | tar -C "$tree" -x

cd "$work"
tar -c --sort=name --owner=0 --group=0 --numeric-owner --mode=u+rwX,go+rX-w --mtime="@$SOURCE_DATE_EPOCH" \
  --exclude="jwekms-$version/pkgconfig/debian" "jwekms-$version" |
  gzip -n >"jwekms_$version.orig.tar.gz"
mv "$tree/pkgconfig/debian" "$tree/debian"
# One version, that of version.hpp; what changed is in CHANGELOG.md, which is installed beside this.
cat >"$tree/debian/changelog" <<CHANGES
jwekms ($version-1) unstable; urgency=medium

  * Version $version: see CHANGELOG.md.

 -- $(sed -n 's/^Maintainer: //p' "$tree/debian/control")  $(date -uR -d "@$SOURCE_DATE_EPOCH")
CHANGES
chmod -R u+rwX,go+rX-w "$tree"  # whatever this user's mask

(cd "$tree" && dpkg-buildpackage --no-sign "$@") >"$out/build.log" 2>&1 ||
  { tail -n 50 "$out/build.log"; exit 1; }
mv ./*_"$version"* "$out"
