#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# All tests. usage: tests/run.sh [PRESET...]   (default: release asan-ubsan tsan clang)
set -euo pipefail
cd "$(dirname "$0")/.."

.ci/install-deps --tests
presets=("$@")
[[ ${#presets[@]} -gt 0 ]] || presets=(release asan-ubsan tsan clang)
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1

for preset in "${presets[@]}"; do
  echo "== $preset: build"
  cmake --preset "$preset" >/dev/null
  cmake --build --preset "$preset"
  echo "== $preset: test"
  ctest --preset "$preset" -j "$(nproc)"
  if [[ $preset == release ]]; then
    tests/packages/run.sh .build/release
  fi
done
