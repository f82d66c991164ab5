#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Go binding's tests: with the Go at hand, and with the oldest that will do, Debian 12's; without
# cgo, and with the race detector. usage: run.sh BUILD_DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [[ ${2-} != with-token ]]; then
  exec "$here/../pkcs11/run.sh" "$0" softhsm2 "$(realpath "$1")" with-token
fi

binding=$here/../../capi/go
export LD_LIBRARY_PATH=$1 GOFLAGS="${GOFLAGS-} -mod=readonly" GOTOOLCHAIN=local
oldest=/usr/lib/go-1.19/bin/go
go=$(command -v go || echo "$oldest")

cd "$binding"
"$here/../again.sh" "$go" mod download
unformatted=$("$(dirname "$(realpath "$go")")/gofmt" -l . "$here/gojose")
[[ -z $unformatted ]] || { echo "not as gofmt has it: $unformatted"; exit 1; }
echo "== $("$go" version), race detector"
CGO_ENABLED=1 "$go" vet -race -tags hsm ./...  # -race: compiles nothing that the test does not
CGO_ENABLED=1 "$go" test -race -tags hsm -count 1 ./...
echo "== $("$oldest" version), without cgo"
CGO_ENABLED=0 "$oldest" vet ./...
CGO_ENABLED=0 "$oldest" test -count 1 -bench . -benchtime 20x ./...

cd "$here/gojose"
with_go_jose() {  # GO MODFILE
  echo "== $(grep -o 'go-jose/v.*' "$2"), $("$1" version), without cgo"
  "$here/../again.sh" "$1" mod download -modfile="$2"
  CGO_ENABLED=0 "$1" vet -modfile="$2" ./...
  CGO_ENABLED=0 "$1" test -modfile="$2" -count 1 ./...
}
with_go_jose "$oldest" go1.19.mod
newer=go1.24  # for the go-jose of today
if [[ $(printf '%s\n' "$newer" "$("$go" env GOVERSION)" | sort -V | head -1) == "$newer" ]]; then
  with_go_jose "$go" go.mod
fi
