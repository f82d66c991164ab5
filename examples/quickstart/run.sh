#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From a bare Debian 12 to decrypted tokens: installs what is needed, builds, runs the main job with
# keys in a database, and again with keys in an HSM, for which SoftHSM stands in.
set -euo pipefail
cd "$(dirname "$0")/../.."

.ci/install-deps
# What the tests need is not there yet: the preset switches them on again when they are wanted.
cmake --preset release -DJWEKMS_TESTS=OFF -DJWEKMS_BENCH=OFF >/dev/null
cmake --build .build/release --target jwekms-quickstart jwekms-quickstart-hsm \
  jwekms-example-c jwekms-example-cpp

umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bin=.build/release/examples
"$bin/jwekms-quickstart" examples/quickstart/tokens.json "$work/keys.db"

echo "8. set up an HSM and make two keys in it: for the second, CEKs are to stay inside"
# The token lives in a folder of ours and goes with it. (Its PINs are seen in ps for a moment;
# nobody else can open the folder. Where that matters, let softhsm2-util ask for them.)
random_pin() { od -An -N8 -tu8 /dev/urandom | tr -d ' '; }
mkdir "$work/tokens"
echo "directories.tokendir = $work/tokens" >"$work/softhsm2.conf"
export SOFTHSM2_CONF=$work/softhsm2.conf
random_pin >"$work/pin"
softhsm2-util --init-token --free --label jwekms --pin "$(<"$work/pin")" --so-pin "$(random_pin)" \
  >/dev/null
"$bin/jwekms-quickstart-hsm" keys "$work/pin" >"$work/public.json"
/usr/bin/python3 examples/quickstart/make_hsm_tokens.py <"$work/public.json" >"$work/tokens.json"
"$bin/jwekms-quickstart-hsm" decrypt "$work/pin" "$work/tokens.json"

echo "the same as 1 to 3 from C:"
"$bin/jwekms-example-c" "$work/c.db"
