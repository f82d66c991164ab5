#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds a wheel with the shared library in it, without its debugging information.
# usage: build_wheel.sh LIBRARY OUT_DIR [PYTHON]   (a Python that has `build` and `hatchling`)
set -euo pipefail
library=$(realpath "$1") out=$(realpath -m "$2") python=${3:-python3}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
strip --strip-unneeded -o "$work/libjwekms.so" "$library"
JWEKMS_LIBRARY=$work/libjwekms.so SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-315532800} \
  "$python" -m build --no-isolation --wheel --outdir "$out" "$here" >"$work/log" ||
  { cat "$work/log" >&2; exit 1; }
tail -n 1 "$work/log"
