# SPDX-License-Identifier: Apache-2.0
"""Keys in SoftHSM."""
import dataclasses
import multiprocessing
import os
import pathlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import seal
from fork_test import environment
from jwcrypto import jwk

import jwekms

pytestmark = [pytest.mark.hsm, pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")]
PREFIX = "hsm::softhsm2::0::"


@pytest.fixture
def kms(tmp_path, hsm):
    with jwekms.Kms(tmp_path / "keys.db", hsms=[hsm], on_warning=lambda text: None) as opened:
        yield opened


@pytest.fixture
def inbox(kms, request):
    return kms.create_key(uid=PREFIX + request.node.name)


@pytest.mark.parametrize("alg", ["RSA-OAEP", "RSA-OAEP-256"])
def test_decrypts_what_others_make(kms, inbox, alg):
    token = seal(jwk.JWK(**kms.public_jwk(inbox.uid)), b"payload", alg=alg, kid=inbox.uid)
    assert kms.decrypt(token) == b"payload"
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(kms.decrypt, [token] * 40)) == {b"payload"}
    assert inbox.uid in [key.uid for key in kms.list_keys(prefix="hsm::softhsm2::")]


def test_a_cek_that_stays_in_the_hsm(kms, inbox):
    token = seal(jwk.JWK(**kms.public_jwk(inbox.uid)), b"payload", alg="RSA-OAEP", kid=inbox.uid)
    kept = kms.unwrap_key(token, store_in_hsm=True)
    assert kept.uid.startswith(PREFIX)
    assert kms.decrypt(kms.encrypt(b"later", kept.uid, alg="dir")) == b"later"


def test_the_boundary(tmp_path, hsm, inbox, kms):
    token = seal(jwk.JWK(**kms.public_jwk(inbox.uid)), b"payload", alg="RSA-OAEP", kid=inbox.uid)
    kms.close()
    strict = dataclasses.replace(hsm, cek_boundary=jwekms.CekBoundary.HSM)
    with jwekms.Kms(tmp_path / "keys.db", hsms=[strict], on_warning=print) as inside:
        assert inside.decrypt(token) == b"payload"
        with pytest.raises(jwekms.UnsupportedAlgorithm):  # SoftHSM has no OAEP with SHA-256
            inside.decrypt(inside.encrypt(b"payload", inbox.uid, alg="RSA-OAEP-256"))


def test_a_wrong_pin_is_an_outage(tmp_path, hsm):
    wrong = dataclasses.replace(hsm, slots=[dataclasses.replace(hsm.slots[0], pin=bytearray(b"0000"))])
    with pytest.raises(jwekms.Unavailable):
        jwekms.Kms(tmp_path / "keys.db", hsms=[wrong], on_warning=print)


def test_the_databases_key_moves_to_the_hsm(tmp_path, hsm, kms):
    kek = kms.create_key(uid=PREFIX + "rewrapping", type=jwekms.KeyType.OCT).uid
    uid = kms.create_key().uid
    token = kms.encrypt(b"payload", uid)
    kms.close()
    path = tmp_path / "keys.db"
    jwekms.rewrap_database(kek, path, hsms=[hsm], on_warning=print)
    os.unlink(f"{path}.kek")
    with jwekms.Kms(path, hsms=[hsm], key_encryption_key=kek, on_warning=print) as again:
        assert again.decrypt(token) == b"payload"
    with pytest.raises(jwekms.JwekmsError):
        jwekms.Kms(path, on_warning=print)


def test_doctor(hsm):
    findings = jwekms.doctor(hsm)
    rows = {finding.what: finding for finding in findings}
    assert rows["RSA-OAEP: decrypt, CEK in the process"].verdict is jwekms.Verdict.CAN
    assert {finding.slot for finding in findings} == {0}
    assert any(finding.needed for finding in findings)


def test_forked_processes(kms, inbox):
    token = kms.encrypt(b"payload", inbox.uid, alg="RSA-OAEP")
    assert kms.decrypt(token) == b"payload"
    with multiprocessing.get_context("fork").Pool(4, initializer=inherit, initargs=(kms,)) as pool:
        assert pool.map(decrypt_in_child, [token] * 40) == [b"payload"] * 40
    assert kms.decrypt(token) == b"payload"


def inherit(kms):
    global inherited
    inherited = kms


def decrypt_in_child(token):
    return inherited.decrypt(token)


@pytest.mark.parametrize("end", ["", "raise SystemExit(0)", "keep = [kms]; keep.append(keep)"])
def test_a_program_that_forgets_to_close(tmp_path, end):
    """The token's module must not be used after main() has returned."""
    program = tmp_path / "program.py"
    program.write_text(
        "import conftest, jwekms\n"
        f"kms = jwekms.Kms({str(tmp_path / 'keys.db')!r}, hsms=[conftest.softhsm()])\n"
        f"uid = kms.create_key(uid={PREFIX + tmp_path.name!r}).uid\n"
        "assert kms.decrypt(kms.encrypt(b'payload', uid, alg='RSA-OAEP')) == b'payload'\n" + end + "\n")
    done = subprocess.run([sys.executable, program], env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr


def test_the_pages_example(tmp_path, monkeypatch):
    from readme_test import blocks
    (code,) = blocks("hsm")
    monkeypatch.chdir(tmp_path)
    pathlib.Path("pin").write_text(os.environ["JWEKMS_TEST_SOFTHSM2_PIN"] + "\n")
    exec(compile(code, "README.md", "exec"), {"__name__": "example", "jwekms": jwekms})
