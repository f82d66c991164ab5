#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two builds of the packages have the same files with the same bytes; otherwise, says in which files of
# which package they differ. The log, and what describes the builder's machine, are not compared; nor, with
# --without, packages that the second build does not make. usage: same.sh DIR DIR [--without PACKAGE]
set -euo pipefail
without=${4-/}
list() {
  (cd "$1" && find . -type f ! -name '*.log' ! -name '*.buildinfo' ! -name '*.changes' \
    ! -name "$without[_-]*" | sort)
}
diff <(list "$1") <(list "$2")
[[ $(list "$1" | grep -c '\.deb$') -ge 4 ]] || { echo "no packages in $1"; exit 1; }

# content FILE: a line for each file in it, with a sum.
content() {
  case $1 in *.deb) dpkg-deb --fsys-tarfile "$1" ;; *.xz) xz -dc "$1" ;; *) gzip -dc "$1" ;; esac |
    tar -x --to-command='echo "$(sha256sum | cut -c-64) $TAR_MODE $TAR_FILENAME"' | sort -k3
}
status=0
while read -r file; do
  cmp -s "$1/$file" "$2/$file" && continue
  status=1
  echo "$file differs:"
  case $file in *.deb | *.tar.*) diff <(content "$1/$file") <(content "$2/$file") || true ;; esac
done < <(list "$1")
[[ $status -ne 0 ]] || echo "the same: $(list "$1" | wc -l) files"
exit $status
