#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Load with wrk: `dir` and one-shot decryption at 64 connections, with 500 idle and 500 trickling
# connections beside them, and the server's memory each minute. Fails on any error, on a connection
# lost, or when memory grows by more than slack.
# usage: load.sh SERVER [SECONDS]     for each kind: default 5; 60 in the long form, 300 for ten minutes
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export JWEKMS_SERVER=$1 PYTHONDONTWRITEBYTECODE=1
exec "${JWEKMS_TEST_PYTHON:-/usr/bin/python3}" "$here/load.py" "${2:-5}"
