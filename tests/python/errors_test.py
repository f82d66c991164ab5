# SPDX-License-Identifier: Apache-2.0
"""Each code is an exception of its own, with text and position."""
import ctypes
import pickle
import sqlite3

import pytest
from conftest import seal, tampered

import jwekms
from jwekms import _errors, _library

ALL = [each for each in vars(_errors).values()
       if isinstance(each, type) and issubclass(each, jwekms.JwekmsError) and each is not jwekms.JwekmsError]


def test_one_exception_for_each_code():
    assert sorted(each.code for each in ALL) == sorted(jwekms.Status)[1:]


@pytest.mark.parametrize("kind", ALL)
def test_names_and_http_statuses_are_the_librarys(kind):
    lib = _library.get()
    assert lib.status_name(kind.code).decode() == kind.code.name.lower()
    assert lib.status_http(kind.code) == kind.http_status


@pytest.mark.parametrize("kind", ALL)
def test_they_travel_between_processes(kind):
    error = pickle.loads(pickle.dumps(kind("what is wrong", 7)))
    assert type(error) is kind
    assert (error.detail, error.position) == ("what is wrong", 7)
    assert str(error) == f"{kind.code.name.lower()}: what is wrong (at byte 7)"


def test_how_much_a_buffer_lacks_travels_too():
    assert pickle.loads(pickle.dumps(jwekms.BufferTooSmall("small", 0, 99))).needed == 99


def test_a_status_of_a_newer_library():
    assert type(_errors.exception(99, "", 0)) is jwekms.InternalError


def test_what_calls_raise(imported, rsa, tmp_path):
    token = seal(rsa, b"payload")
    with pytest.raises(jwekms.BadRequest) as caught:
        imported.decrypt('{"protected":')
    assert caught.value.position == 13 and caught.value.detail
    assert str(caught.value).startswith("bad_request: ")
    with pytest.raises(jwekms.NotFound):
        imported.describe_key("nobody")
    with pytest.raises(jwekms.Conflict):
        imported.create_key(uid="rsa")
    with pytest.raises(jwekms.UnsupportedAlgorithm):
        imported.decrypt(seal(rsa, b"payload", enc="A128CBC-HS256"))
    with pytest.raises(jwekms.DecryptionFailed):
        imported.decrypt(tampered(token))
    imported.create_key(uid="oct", type=jwekms.KeyType.OCT)
    with pytest.raises(jwekms.CryptoFailure):
        imported.public_jwk("oct")
    imported.set_key_state("rsa", jwekms.KeyState.DEACTIVATED)
    with pytest.raises(jwekms.Forbidden):
        imported.encrypt(b"payload", "rsa")
    with jwekms.Kms(tmp_path / "other.db", max_token_bytes=100, on_warning=print) as small:
        with pytest.raises(jwekms.TooLarge):
            small.decrypt(token)
    with pytest.raises(jwekms.Unavailable):
        jwekms.Kms(tmp_path / "no folder" / "keys.db")


def test_an_outage_is_no_decryption_failure(tmp_path, rsa):
    """The database is locked by somebody else, and no key is in the cache."""
    path = tmp_path / "keys.db"
    with jwekms.Kms(path, on_warning=print) as kms:
        kms.import_key(rsa.export(private_key=True), uid="rsa")
    with jwekms.Kms(path, busy_timeout_ms=10, on_warning=print) as kms:
        writer = sqlite3.connect(path, isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(jwekms.Unavailable):
            kms.create_key()
        writer.execute("ROLLBACK")
        kms.create_key()
        writer.close()


def test_nothing_secret_in_an_error(imported, rsa):
    kid = "a-kid-that-nobody-knows"
    with pytest.raises(jwekms.NotFound) as caught:
        imported.decrypt(seal(rsa, b"payload", kid=kid))
    assert kid not in str(caught.value) + repr(caught.value)


def test_out_of_range_numbers_are_not_cut_to_size(kms):
    for bits in (-1, 0, 1 << 32, (1 << 32) + 2048):
        with pytest.raises(ValueError, match="bits"):
            kms.create_key(bits=bits)
    uid = kms.create_key(type=jwekms.KeyType.OCT).uid
    for call in (lambda: kms.set_key_state(uid, (1 << 32) + jwekms.KeyState.DESTROYED),
                 lambda: kms.set_key_state(uid, -1),
                 lambda: kms.grant(uid, "bob", (1 << 32) + jwekms.Permission.DECRYPT),
                 lambda: kms.grant(uid, "bob", -1),
                 lambda: kms.encrypt(b"", uid, alg="dir", serialization=1 << 32),
                 lambda: jwekms.Kms(allow=1 << 32)):
        with pytest.raises(ValueError, match="out of range"):
            call()
    assert kms.describe_key(uid).state is jwekms.KeyState.ACTIVE and not kms.grants(uid)
    with pytest.raises(jwekms.BadRequest):
        kms.set_key_state(uid, 99)
    with pytest.raises((ctypes.ArgumentError, TypeError)):
        kms.set_key_state("x", "active")
