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

# go-jose wants a newer Go than Debian 12's; with that one, its tokens in tests/vectors, which were
# opened above, have to do.
cd "$here/gojose"
newer=go1.24
if [[ $(printf '%s\n' "$newer" "$("$go" env GOVERSION)" | sort -V | head -1) == "$newer" ]]; then
  echo "== go-jose, without cgo"
  "$here/../again.sh" "$go" mod download
  CGO_ENABLED=0 "$go" vet ./...
  CGO_ENABLED=0 "$go" test -count 1 ./...
else
  echo "== go-jose: not run, it wants $newer"
fi
