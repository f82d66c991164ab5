# SPDX-License-Identifier: Apache-2.0
"""mypy --strict: the package, the programs that use it, and mistakes that it must see."""
import pathlib
import subprocess
import sys
import types
import typing

import pytest
from conftest import ROOT

import jwekms

PACKAGE = ROOT / "capi/python"

GOOD = """
import jwekms
from typing import List

def on_audit(event: jwekms.AuditEvent) -> None:
    print(event.kid)

with jwekms.Kms("keys.db", allow=jwekms.Allow.ZIP, on_audit=on_audit, rsa_min_bits=3072,
                hsms=[jwekms.Hsm("softhsm2", [jwekms.HsmSlot(pin="file:pin")])]) as kms:
    names: List[str] = [key.uid for key in kms.list_keys()]
    payload: bytes = kms.decrypt(bytearray(b"x"), key=names[0])
    size: int = kms.decrypt_into("x", memoryview(bytearray(64)))
"""

MISTAKES = {
    'kms.decrypt(5)': "arg-type",
    'kms.encrypt("text", "kid")': "arg-type",
    'kms.decrypt_into("x")': "call-arg",
    'kms.set_key_state("uid", "active")': "arg-type",
    'jwekms.Kms("keys.db", rsa_min_bit=2048)': "call-arg",
    'jwekms.Kms("keys.db", rsa_min_bits="2048")': "arg-type",
    'uid: int = kms.create_key().uid': "assignment",
}


def mypy(*arguments, python="3.9"):
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir=/dev/null", "--python-version", python, *arguments],
        cwd=PACKAGE, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("python", ["3.9", "3.13"])
def test_the_package(python):
    code, text = mypy("-p", "jwekms", python=python)
    assert code == 0, text


@pytest.mark.parametrize("name", jwekms.__all__)
def test_hints_at_run_time(name):
    thing = getattr(jwekms, name)
    if not isinstance(thing, type) and not callable(thing):
        return
    for each in (thing, *vars(thing).values()):
        if isinstance(each, (type, types.FunctionType)):
            typing.get_type_hints(each)


def test_the_package_says_that_it_is_typed():
    assert (pathlib.Path(jwekms.__file__).parent / "py.typed").exists()


def test_users(tmp_path):
    good = tmp_path / "good.py"
    good.write_text(GOOD)
    code, text = mypy(good)
    assert code == 0, text
    wrong = tmp_path / "wrong.py"
    wrong.write_text('import jwekms\nkms = jwekms.Kms("keys.db")\n' + "\n".join(MISTAKES) + "\n")
    code, text = mypy(wrong)
    assert code == 1
    for line, (mistake, kind) in enumerate(MISTAKES.items(), 3):
        (found,) = [each for each in text.splitlines() if f"wrong.py:{line}:" in each and "error:" in each]
        assert found.endswith(f"[{kind}]"), (mistake, found)
