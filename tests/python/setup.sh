#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the Python binding's tests need and Debian has not: packages from PyPI in an environment of
# their own, made anew when the list changes. usage: setup.sh DIR PYTHON
set -euo pipefail
dir=$1 python=$2
list=$(cd "$(dirname "$0")" && pwd)/requirements.txt
stamp=$("$python" -V; cat "$list")
[[ -f $dir/stamp && $(cat "$dir/stamp") == "$stamp" ]] && exit 0
rm -rf "$dir"
"$python" -m venv "$dir"
"$dir/bin/pip" --disable-pip-version-check install --quiet --requirement "$list"
echo "$stamp" >"$dir/stamp"
