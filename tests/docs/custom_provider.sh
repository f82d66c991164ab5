#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The commands of examples/custom_provider/README.md as they stand, and what the provider refuses.
# usage: custom_provider.sh PROGRAM, jwekms-example-key-file-c or the same in another language
set -euo pipefail
program=$(realpath "$1")
page=$(cd "$(dirname "$0")/../../examples/custom_provider" && pwd)/README.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir -p .build/release/examples
ln -s "$program" .build/release/examples/jwekms-example-key-file-c

awk '/^```bash$/ {on = 1; next} /^```$/ {on = 0} on' "$page" >session.sh
bash -euo pipefail session.sh >out 2>log || { cat log; exit 1; }
said=$(<out)
[[ $said == "Patient 4711: blood group A+" ]] || { echo "it said: $said"; exit 1; }
grep -qF "prints \`$said\`" "$page" || { echo "README.md says something else"; exit 1; }

# refuses STATUS COMMAND...: it exits with that, and says nothing on standard output.
refuses() {
  local status=$1 code=0
  shift
  "$@" >out 2>log || code=$?
  [[ $code == "$status" && ! -s out ]] || { echo "$*: $code instead of $status"; cat out log; exit 1; }
}
# A letter of the encrypted key, then one of the tag: the answer is the same.
header=$(cut -d. -f1 token) key=$(cut -d. -f2 token) rest=$(cut -d. -f3- token)
other() { [[ ${1:9:1} == A ]] && echo "${1:0:9}B${1:10}" || echo "${1:0:9}A${1:10}"; }
echo "$header.$(other "$key").$rest" >bad-key
echo "$header.$key.${rest%.*}.$(other "${rest##*.}")" >bad-tag
refuses 7 "$program" key.pem <bad-key
cp log told
refuses 7 "$program" key.pem <bad-tag
cmp log told
printf '%s' '{"alg":"RSA-OAEP-256","enc":"A256GCM","kid":"file::../key"}' | base64 -w0 | tr '+/' '-_' |
  tr -d = >other-name
echo ".$key.$rest" >>other-name
refuses 3 "$program" key.pem <other-name
refuses 2 "$program" no.pem <token
refuses 2 "$program" key.pem </dev/null
echo ok
