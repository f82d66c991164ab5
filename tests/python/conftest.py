# SPDX-License-Identifier: Apache-2.0
"""What the tests share. JWEKMS_LIBRARY names the library; without it, it is the wheel's own."""
import os
import pathlib

import pytest
from jwcrypto import jwe, jwk

import jwekms

ROOT = pathlib.Path(__file__).resolve().parents[2]

if "JWEKMS_LIBRARY" in os.environ:
    jwekms.load(os.environ["JWEKMS_LIBRARY"])


@pytest.fixture
def kms(tmp_path):
    with jwekms.Kms(tmp_path / "keys.db", busy_timeout_ms=60_000, on_warning=lambda text: None) as opened:
        yield opened


@pytest.fixture(scope="session")
def rsa():
    """A private key that the tests know: no key comes out of the library."""
    return jwk.JWK.generate(kty="RSA", size=2048, kid="rsa")


@pytest.fixture
def imported(kms, rsa):
    kms.import_key(rsa.export(private_key=True), uid="rsa")
    return kms


@pytest.fixture
def shared(kms):
    """A symmetric key "shared", and a token of 1 KiB under it."""
    kms.import_key(bytes(range(32)), format=jwekms.KeyFormat.RAW, uid="shared")
    return kms


def seal(public, plaintext, *, alg="RSA-OAEP-256", enc="A256GCM", kid="rsa", compact=True, **more):
    """A token made by jwcrypto."""
    token = jwe.JWE(plaintext, protected={"alg": alg, "enc": enc, "kid": kid, **more}, recipient=public)
    return token.serialize(compact=compact)


def tampered(token):
    """Another letter but one from the end of a compact token: all six bits of that one count."""
    return token[:-2] + ("B" if token[-2] == "A" else "A") + token[-1]


def forked(work):
    """A child that ends with what `work` gives as its exit code, or with 1; never as a second pytest."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = work()
        finally:
            os._exit(code)
    return child


def softhsm():
    """The SoftHSM token that tests/pkcs11/run.sh has made."""
    return jwekms.Hsm(
        "softhsm2", [jwekms.HsmSlot(token_label=os.environ["JWEKMS_TEST_SOFTHSM2_LABEL"],
                                    pin=os.environ["JWEKMS_TEST_SOFTHSM2_PIN"])],
        module_path=os.environ["JWEKMS_TEST_SOFTHSM2_MODULE"])


@pytest.fixture
def hsm():
    return softhsm()
