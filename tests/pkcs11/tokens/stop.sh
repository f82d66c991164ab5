#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Ends the servers that the scripts started under DIR. usage: stop.sh DIR
set -euo pipefail
[[ $# -eq 1 ]] || { echo "usage: stop.sh DIR" >&2; exit 1; }
[[ -d $1 ]] || exit 0

find "$1" -name pkcsslotd.pid -printf '%h\n' | while read -r dir; do
  "$(dirname "$0")/opencryptoki_daemon.sh" stop "$dir"
done
find "$1" -name server.pid | while read -r note; do
  pid=$(<"$note")
  # A pid may have gone to another program since.
  [[ $(readlink "/proc/$pid/exe") =~ (p11-kit-server|jwekms-remote-server) ]] && kill "$pid"
  rm -f "$note"
done
