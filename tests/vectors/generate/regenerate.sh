#!/usr/bin/env bash
# Makes all vector files anew, but for the RFCs' (they are transcribed, not made).
# Libraries go to a temporary directory; nothing is written unless everything verifies.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PYTHONDONTWRITEBYTECODE=1 GOJOSE=$work/gojose

python3 -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install --quiet jwcrypto==1.6.1 joserfc==1.8.0 cryptography==50.0.2
npm install --silent --no-save --prefix "$work/npm" jose@6.2.18
cp "$here/make_panva.mjs" "$work/npm/" # Node looks for jose beside the script
(cd "$here/gojose" && go build -o "$GOJOSE" .)

# Each producer's tokens are opened by other libraries before they are written.
cd "$here"
mkdir "$work/out"
"$python" plan.py jwcrypto --large | "$python" make_jwcrypto.py |
    "$python" admit.py "$work/out/jwcrypto.json" --by gojose,joserfc
"$python" plan.py joserfc | "$python" make_joserfc.py |
    "$python" admit.py "$work/out/joserfc.json" --by gojose,jwcrypto
"$python" plan.py panva --large | node "$work/npm/make_panva.mjs" |
    "$python" admit.py "$work/out/panva.json" --by gojose,jwcrypto,cryptography
"$python" plan.py gojose --large | "$GOJOSE" make |
    "$python" admit.py "$work/out/gojose.json" --by jwcrypto,joserfc
"$python" make_faults.py "$work/out/faults.json"

cp "$here"/../rfc*.json "$work/out/"
"$python" check.py "$work"/out/*.json
cp "$work"/out/*.json "$here/.."
