#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The program jwekms-doctor on a SoftHSM that tests/pkcs11/run.sh has made.
# usage: tests/pkcs11/run.sh tests/doctor/run.sh softhsm2 DOCTOR
set -euo pipefail
doctor=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '%s\n' "$JWEKMS_TEST_SOFTHSM2_PIN" >"$work/pin"
token=(--model softhsm2 --module "$JWEKMS_TEST_SOFTHSM2_MODULE" --label "$JWEKMS_TEST_SOFTHSM2_LABEL")

# expect STATUS TEXT ARGS...: how it ends, and what stands in its output.
expect() {
  local wanted=$1 text=$2 status=0
  shift 2
  "$doctor" "$@" >"$work/out" 2>&1 </dev/null || status=$?
  if [[ $status -ne $wanted ]] || ! grep -qF -- "$text" "$work/out"; then
    echo "jwekms-doctor $*: status $status, expected $wanted and '$text'; it said:"
    cat "$work/out"
    exit 1
  fi
}

expect 0 "all that is wanted (*) works" "${token[@]}" --pin-file "$work/pin"
expect 1 "missing: RSA-OAEP-256: decrypt, CEK in the HSM" \
  "${token[@]}" --pin-env JWEKMS_TEST_SOFTHSM2_PIN --boundary hsm
expect 0 '"wanted":true' "${token[@]}" --pin-file "$work/pin" --boundary hsm --alg RSA-OAEP --json
python3 -c 'import json, sys
findings = json.load(open(sys.argv[1]))["findings"]
assert {f["verdict"] for f in findings} == {"fact", "can", "cannot", "warning"}
assert [f["what"] for f in findings if f["wanted"]] == ["RSA-OAEP: decrypt, CEK in the HSM"]
' "$work/out"
expect 1 "missing: RSA-OAEP-256: decrypt, CEK in the process" \
  "${token[@]}" --pin-file "$work/pin" --raw-rsa off

expect 0 "usage: jwekms-doctor" --help
expect 2 "--model is missing" --pin-file "$work/pin"
expect 2 "unknown HSM model" --model toaster --pin-file "$work/pin"
expect 2 "ambiguous" "${token[@]}" --pin 1234  # there is no such option
expect 2 "a PIN is never one" "${token[@]}" 1234
expect 2 "--boundary is process or hsm" "${token[@]}" --boundary moon
expect 2 "--alg takes" "${token[@]}" --alg RSA1_5
expect 2 "--raw-rsa is on or off" "${token[@]}" --raw-rsa yes
expect 2 "--number takes a number" "${token[@]}" --number one
expect 2 "--slot-id takes a number" "${token[@]}" --slot-id -1
expect 2 "variable with the HSM's PIN is not set" "${token[@]}" --pin-env JWEKMS_TEST_NO_SUCH
expect 3 "out of reach: no token" --model softhsm2 --module "$JWEKMS_TEST_SOFTHSM2_MODULE" --label nobody \
  --pin-file "$work/pin"
expect 3 "cannot be loaded" --model other --module /nonexistent.so --pin-file "$work/pin"
expect 3 "file with the HSM's PIN cannot be read" "${token[@]}" --pin-file "$work/none"
echo 999999 >"$work/wrong"
expect 3 "refused the PIN; it is not tried again" "${token[@]}" --pin-file "$work/wrong"

# Without a terminal nobody can be asked; with one the PIN is not echoed.
setsid "$doctor" "${token[@]}" >"$work/out" 2>&1 </dev/null && exit 1 || [[ $? -eq 2 ]]
grep -q "no PIN" "$work/out"
python3 - "$doctor" "${token[@]}" <<'PYTHON'
import os, pty, sys
pin = os.environ["JWEKMS_TEST_SOFTHSM2_PIN"].encode()
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[1], sys.argv[1:])
seen = b""
while b"PIN: " not in seen:
    seen += os.read(terminal, 4096)
os.write(terminal, pin + b"\n")
while True:
    try:
        seen += os.read(terminal, 4096)
    except OSError:
        break
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0, seen
assert b"all that is wanted (*) works" in seen, seen
assert pin not in seen, "the PIN was echoed"
PYTHON

# Stopped half-way: it ends by the signal, and its keys are gone. They live for milliseconds, so it may
# take a few runs until one of them is seen.
shopt -s nullglob
count_objects() { objects=("$JWEKMS_TEST_TOKEN_DIR"/tokens/*/*.object); }
count_objects
before=${#objects[@]}
for ((run = 0; run < 30; run++)); do
  "$doctor" "${token[@]}" --pin-file "$work/pin" >"$work/out" 2>&1 &
  pid=$!
  status=0
  while kill -0 "$pid" 2>/dev/null; do
    count_objects
    if [[ ${#objects[@]} -gt $before ]]; then
      kill -TERM "$pid" 2>/dev/null || true
      break
    fi
  done
  wait "$pid" || status=$?
  count_objects
  [[ ${#objects[@]} -eq $before ]] || { echo "keys are left after status $status"; exit 1; }
  [[ $status -eq 143 ]] && exit 0
done
echo "status $status after SIGTERM"
exit 1
