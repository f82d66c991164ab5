#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs a command that asks a registry, up to three times. usage: again.sh COMMAND...
for pause in 10 30; do
  "$@" && exit 0
  echo "again in $pause s: $*" >&2
  sleep $pause
done
exec "$@"
