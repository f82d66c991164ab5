#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The daemon of opencryptoki without systemd. usage: opencryptoki_daemon.sh start|stop|kill DIR
# One that was running already is used and never ended.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
[[ $# -eq 2 ]] || die "usage: opencryptoki_daemon.sh start|stop|kill DIR"
dir=$2
running=/run/pkcsslotd.pid
note=$dir/pkcsslotd.pid

# A zombie, which stays where nobody reaps orphans, has an empty command line.
is_daemon() { grep -qs pkcsslotd "/proc/$1/cmdline"; }

end() {
  [[ -e $note ]] || return 0
  local pid i
  pid=$(<"$note")
  rm -f "$note"
  is_daemon "$pid" || return 0
  kill "-$1" "$pid"
  for ((i = 0; i < 1200; i++)); do
    is_daemon "$pid" || return 0
    sleep 0.05
  done
  die "pkcsslotd $pid does not end"
}

case $1 in
  start)
    if [[ -e $running ]] && is_daemon "$(<$running)"; then
      exit 0
    fi
    rm -f "$running" /run/pkcsslotd.socket
    # systemd-tmpfiles does this elsewhere.
    for token in '' swtok tpm icsf ccatok lite ep11tok; do
      install -d -o root -g pkcs11 -m 0770 "/run/lock/opencryptoki/$token" \
        "/var/lib/opencryptoki/$token"
    done
    pkcsslotd </dev/null >"$dir/pkcsslotd.log" 2>&1 || die "$(<"$dir/pkcsslotd.log")"
    wait_for /run/pkcsslotd.socket
    wait_for "$running"
    cp "$running" "$note"
    ;;
  stop) end TERM ;;
  kill) end KILL ;;
  *) die "start, stop or kill" ;;
esac
