# SPDX-License-Identifier: Apache-2.0
"""Each code is an exception of its own, with text and position."""
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


WRONG_TYPES = {
    "decrypt": lambda kms, wrong: kms.decrypt(wrong),
    "decrypt, key": lambda kms, wrong: kms.decrypt("x", key=wrong),
    "decrypt_into": lambda kms, wrong: kms.decrypt_into("x", wrong),
    "decrypt_bound": lambda kms, wrong: kms.decrypt_bound(wrong),
    "encrypt": lambda kms, wrong: kms.encrypt(wrong, "k"),
    "encrypt, key": lambda kms, wrong: kms.encrypt(b"x", wrong),
    "encrypt, alg": lambda kms, wrong: kms.encrypt(b"x", "k", alg=wrong),
    "encrypt, aad": lambda kms, wrong: kms.encrypt(b"x", "k", aad=wrong),
    "reencrypt": lambda kms, wrong: kms.reencrypt(wrong, "k"),
    "unwrap_key": lambda kms, wrong: kms.unwrap_key(wrong),
    "create_key, uid": lambda kms, wrong: kms.create_key(uid=wrong),
    "create_key, algs": lambda kms, wrong: kms.create_key(algs=wrong),
    "create_key, aliases": lambda kms, wrong: kms.create_key(aliases=wrong),
    "create_key, an alias": lambda kms, wrong: kms.create_key(aliases=[wrong]),
    "import_key": lambda kms, wrong: kms.import_key(wrong),
    "import_key, passphrase": lambda kms, wrong: kms.import_key("{}", passphrase=wrong),
    "describe_key": lambda kms, wrong: kms.describe_key(wrong),
    "set_key_state": lambda kms, wrong: kms.set_key_state(wrong, jwekms.KeyState.ACTIVE),
    "add_alias": lambda kms, wrong: kms.add_alias("k", wrong),
    "remove_alias": lambda kms, wrong: kms.remove_alias(wrong),
    "list_keys": lambda kms, wrong: next(kms.list_keys(prefix=wrong)),
    "public_jwk": lambda kms, wrong: kms.public_jwk(wrong),
    "on_behalf_of": lambda kms, wrong: kms.on_behalf_of(wrong),
    "grant": lambda kms, wrong: kms.grant("k", wrong, jwekms.Permission.DECRYPT),
    "grants": lambda kms, wrong: kms.grants(wrong),
    "service_call": lambda kms, wrong: kms.service_call(wrong, "/"),
    "service_call, target": lambda kms, wrong: kms.service_call("GET", wrong),
    "service_call, body": lambda kms, wrong: kms.service_call("GET", "/", wrong),
    "Kms": lambda kms, wrong: jwekms.Kms(wrong),
    "on_audit": lambda kms, wrong: jwekms.Kms(on_audit=wrong),
    "on_warning": lambda kms, wrong: jwekms.Kms(on_warning=wrong),
    "admins": lambda kms, wrong: jwekms.Kms(admins=[wrong]),
    "providers": lambda kms, wrong: jwekms.Kms(providers=[wrong]),
    "hsms": lambda kms, wrong: jwekms.Kms(hsms=[wrong]),
    "slots": lambda kms, wrong: jwekms.Kms(hsms=[jwekms.Hsm("softhsm2", [wrong])]),
    "doctor": lambda kms, wrong: jwekms.doctor(wrong),
    "rewrap_database": lambda kms, wrong: jwekms.rewrap_database(wrong, "none.db"),
    "on_progress": lambda kms, wrong: jwekms.rotate_kek("none.db", on_progress=wrong),
}
NOT_GIVEN = {"decrypt, key", "encrypt, alg", "encrypt, aad", "create_key, uid", "create_key, algs",
             "import_key, passphrase", "list_keys", "service_call, body", "Kms", "on_audit", "on_warning",
             "on_progress"}  # what None says there


@pytest.mark.parametrize("call", WRONG_TYPES)
def test_wrong_types(kms, call):
    for wrong in (None, 0, 5, 3 * 10**8, True, [1, 2], object()):
        if wrong is not None or call not in NOT_GIVEN:
            with pytest.raises(TypeError):
                WRONG_TYPES[call](kms, wrong)


def test_what_looks_like_the_right_type(kms):
    for call in (lambda: kms.describe_key(bytearray(b"k")), lambda: jwekms.Kms(providers=[jwekms.Provider]),
                 lambda: kms.create_key(bits=2048.5),
                 lambda: kms.set_key_state("k", "active"), lambda: kms.set_key_state("k", 1.0),
                 lambda: kms.grant("k", "bob", "decrypt")):
        with pytest.raises(TypeError):
            call()
