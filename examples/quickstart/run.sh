#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From a bare Debian 12 to a decrypted token: installs what is needed, builds, runs the main job.
set -euo pipefail
cd "$(dirname "$0")/../.."

.ci/install-deps
cmake --preset release -DJWEKMS_TESTS=OFF -DJWEKMS_BENCH=OFF -B .build/quickstart >/dev/null
cmake --build .build/quickstart --target jwekms-quickstart jwekms-example-c jwekms-example-cpp

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
.build/quickstart/examples/jwekms-quickstart examples/quickstart/tokens.json "$work/keys.db"
echo "the same from C:"
.build/quickstart/examples/jwekms-example-c "$work/c.db"
