#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The wheel, made of what was built, in a clean environment of each Python from 3.9 to 3.13 that is
# here; at least one must be.
# usage: wheel.sh LIBRARY VENV
set -euo pipefail
library=$(realpath "$1") venv=$(realpath "$2")
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset PYTHONPATH JWEKMS_LIBRARY
export PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1

"$root/capi/python/build_wheel.sh" "$library" "$work/dist" "$venv/bin/python"
"$root/capi/python/build_wheel.sh" "$library" "$work/again" "$venv/bin/python"
cmp "$work"/dist/*.whl "$work"/again/*.whl
wheel=$(echo "$work"/dist/jwekms-*-py3-none-linux_*.whl)
[[ -f $wheel ]] || { echo "not a wheel for one platform and every Python"; ls "$work/dist"; exit 1; }

# The Pythons that the system has, and those of pyenv.
pythons=()
for version in 3.9 3.10 3.11 3.12 3.13; do
  for python in /usr/bin/python$version "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python; do
    [[ -x $python ]] && "$python" -c 'import ensurepip' 2>/dev/null && pythons+=("$python") && break
  done
done
[[ ${#pythons[@]} -gt 0 ]] || { echo "no Python from 3.9 to 3.13"; exit 1; }

for python in "${pythons[@]}"; do
  env=$work/env
  "$python" -m venv --clear "$env"
  "$env/bin/pip" install --quiet --no-index --no-deps "$wheel"
  # The bare wheel first: it needs nothing else.
  (cd "$work" && "$env/bin/python" - <<'TEST'
import pathlib, typing, jwekms
assert typing.get_type_hints(jwekms.Kms.__init__) and typing.get_type_hints(jwekms.Sealed)
folder = pathlib.Path(jwekms.__file__).parent
assert jwekms._library.get().path == str(folder / "libjwekms.so.0")
assert "site-packages" in str(folder) and (folder / "py.typed").exists() and (folder / "LICENSE").exists()
with jwekms.Kms("bare.db", on_warning=lambda text: None) as kms:
    assert kms.decrypt(kms.encrypt(b"hello", kms.create_key().uid)) == b"hello"
TEST
  rm -f bare.db*)
  grep -E '^(pytest|jwcrypto|joserfc|gunicorn)==' "$root/tests/python/requirements.txt" >"$work/list"
  "$root/tests/again.sh" "$env/bin/pip" install --quiet --requirement "$work/list"
  "$env/bin/python" -V
  "$env/bin/python" -m pytest -q -m "not hsm" -o "filterwarnings=error::DeprecationWarning:jwekms(\..*)?" \
    "$root"/tests/python/{tokens,errors,keys,access,header,threads,fork,signals,provider,readme}_test.py
done

# Without a library inside it is pure, and takes the system's.
"$venv/bin/python" -m build --no-isolation --wheel --outdir "$work/pure" "$root/capi/python" >/dev/null
"$work/env/bin/pip" install --quiet --no-index --no-deps --force-reinstall "$work"/pure/jwekms-*-py3-none-any.whl
mkdir "$work/lib"
cp "$library" "$work/lib/libjwekms.so.0"
LD_LIBRARY_PATH=$work/lib "$work/env/bin/python" -c 'import jwekms; print(jwekms.library_version())'

# With its libraries inside it runs anywhere: OpenSSL and the others come from the wheel.
PATH=$venv/bin:$PATH "$venv/bin/auditwheel" repair --wheel-dir "$work/many" "$wheel" >"$work/log" 2>&1 ||
  { cat "$work/log"; exit 1; }
wheel=$(echo "$work"/many/jwekms-*-py3-none-manylinux_*.whl)
"$work/env/bin/pip" install --quiet --no-index --no-deps --force-reinstall "$wheel"
(cd "$work" && "$work/env/bin/python" - <<'TEST'
import re, jwekms
with jwekms.Kms("many.db", on_warning=lambda text: None) as kms:
    assert kms.decrypt(kms.encrypt(b"hello", kms.create_key().uid)) == b"hello"
loaded = {line.split()[-1] for line in open("/proc/self/maps") if re.search(r"/lib(crypto|sqlite3|cjson|p11)\b", line)}
assert len(loaded) == 4 and all("/jwekms.libs/" in path for path in loaded), loaded
TEST
)
echo "ok: ${pythons[*]}, $(basename "$wheel")"
