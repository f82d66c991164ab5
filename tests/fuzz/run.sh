#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Fuzzes each target. usage: tests/fuzz/run.sh [SECONDS_EACH]   (10 in CI; a night is 3600 or more)
# New inputs that reach new code land in .build/fuzz/corpus; keep the telling ones in tests/fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-20}

cmake --preset fuzz >/dev/null
cmake --build --preset fuzz
for source in tests/fuzz/*_fuzz.cpp; do
  name=$(basename "$source" .cpp)
  found=.build/fuzz/corpus/$name
  mkdir -p "$found"
  echo "== $name, $seconds s"
  .build/fuzz/tests/fuzz/"$name" -max_total_time="$seconds" -max_len=8192 -timeout=5 \
    -print_final_stats=1 -artifact_prefix="$found/crash-" "$found" "tests/fuzz/corpus/$name" \
    2>&1 | grep -E 'ERROR|SUMMARY|exec/s:|number_of_executed_units|crash' | tail -4
done
