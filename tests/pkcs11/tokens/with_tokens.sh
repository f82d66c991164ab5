#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs a program with all tokens made for it, and takes them away. usage: with_tokens.sh PROGRAM...
set -euo pipefail
here=$(dirname "$0")
exec 9>/run/lock/jwekms-opencryptoki  # as ../run.sh
flock 9
work=$(mktemp -d)
trap '"$here/stop.sh" "$work/tokens"; rm -rf "$work"' EXIT
lines=$("$here/tokens.sh" "$work/tokens" 2>"$work/log" 9>&-) || { cat "$work/log" >&2; exit 1; }
eval "$lines"
"$@"
