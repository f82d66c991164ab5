#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the Python binding's tests need and Debian has not, made anew when it changes: an environment
# with packages from PyPI, and an emulated AWS KMS, a Go module. usage: setup.sh DIR PYTHON
set -euo pipefail
dir=$1 python=$2
here=$(cd "$(dirname "$0")" && pwd)
list=$here/requirements.txt again=$here/../again.sh
local_kms=github.com/nsmithuk/local-kms@v0.0.0-20260228092603-2a5e92d09ab6
stamp=$("$python" -V; echo "$local_kms"; cat "$list")
[[ -f $dir/stamp && $(cat "$dir/stamp") == "$stamp" ]] && exit 0
go=$(command -v go || echo /usr/lib/go-1.19/bin/go)  # Debian's has no other place
rm -rf "$dir"
"$python" -m venv "$dir"
"$again" "$dir/bin/pip" --disable-pip-version-check install --quiet --requirement "$list"
GOBIN=$dir/bin "$again" "$go" install "$local_kms"
echo "$stamp" >"$dir/stamp"
