# SPDX-License-Identifier: Apache-2.0
"""Principals, grants, the audit; options; the REST service; closing."""
import contextlib
import gc
import json
import logging
import pickle
import sys
import weakref

import pytest
from jwcrypto import jwe

import jwekms


def test_grants(kms):
    alice, bob = kms.on_behalf_of("alice"), kms.on_behalf_of("bob")
    uid = alice.create_key().uid
    token = alice.encrypt(b"payload", uid)
    with pytest.raises(jwekms.Forbidden):
        bob.decrypt(token)
    alice.grant(uid, "bob", jwekms.Permission.DECRYPT | jwekms.Permission.GRANT)
    alice.grant(uid, "*", jwekms.Permission.DESCRIBE)
    assert bob.decrypt(token) == b"payload"
    assert bob.grants(uid) == {"*": jwekms.Permission.DESCRIBE,
                               "bob": jwekms.Permission.DECRYPT | jwekms.Permission.GRANT}
    alice.revoke(uid, "bob")
    with pytest.raises(jwekms.Forbidden):
        bob.decrypt(token)
    with pytest.raises(jwekms.NotFound):
        alice.revoke(uid, "bob")
    with pytest.raises(jwekms.Forbidden):
        alice.on_behalf_of("carol")
    with pytest.raises(jwekms.BadRequest):
        kms.on_behalf_of("*")


def test_admins(tmp_path):
    with jwekms.Kms(tmp_path / "keys.db", admins=["root", b"boss"], on_warning=print) as kms:
        uid = kms.on_behalf_of("alice").create_key().uid
        assert kms.on_behalf_of("boss").describe_key(uid).owner == "alice"
        with pytest.raises(jwekms.Forbidden):
            kms.on_behalf_of("bob").describe_key(uid)


def test_a_principals_kms_outlives_the_hosts(tmp_path):
    events = []
    kms = jwekms.Kms(tmp_path / "keys.db", on_audit=events.append, on_warning=print)
    alice = kms.on_behalf_of("alice")
    kms.close()
    gc.collect()
    uid = alice.create_key().uid
    assert [(event.operation, event.principal, event.uid) for event in events] == [("create_key", "alice", uid)]
    alice.close()


def test_audit(tmp_path):
    events = []
    with jwekms.Kms(tmp_path / "keys.db", on_audit=events.append, on_warning=print) as kms:
        kms.create_key(uid="k", aliases=["a"])
        kms.grant("k", "bob", jwekms.Permission.DECRYPT)
        with pytest.raises(jwekms.NotFound):
            kms.describe_key(b"caf\xe9")
        kms.describe_key("a")
    made, granted, missed, found = events
    assert (made.operation, made.status, made.uid) == ("create_key", jwekms.Status.OK, "k")
    assert (granted.other, granted.permissions) == ("bob", jwekms.Permission.DECRYPT)
    assert (missed.status, missed.kid, missed.uid) == (jwekms.Status.NOT_FOUND, "caf\udce9", "")
    assert (found.kid, found.uid) == ("a", "k")
    assert all(event.time_ns > 0 for event in events)


def test_one_event_for_each_call(tmp_path, rsa):
    """Whatever room its output takes, and where the question for the size fails, too."""
    events, jwks = [], {}
    zipped = jwe.JWE(b"a" * 20000, protected={"alg": "RSA-OAEP", "enc": "A256GCM", "kid": "rsa0", "zip": "DEF"},
                     recipient=rsa).serialize(compact=True)
    with jwekms.Kms(tmp_path / "keys.db", allow=jwekms.Allow.ZIP, max_inflated_ratio=1000,
                    on_audit=lambda event: events.append((event.operation, event.status)), on_warning=print) as kms:
        for i in range(40):
            kms.import_key(rsa.export(private_key=True), uid=f"rsa{i}")
        token, malformed = kms.encrypt(b"payload", "rsa0"), jwekms.Status.BAD_REQUEST
        for operation, status, call in (
            ("encrypt", 0, lambda: kms.encrypt(b"payload", "rsa0")),
            ("encrypt", malformed, lambda: kms.encrypt(b"payload", "rsa0", aad=b"of a compact token")),
            ("reencrypt", 0, lambda: kms.reencrypt(token, "rsa0")),
            ("reencrypt", malformed, lambda: kms.reencrypt("a.b", "rsa0")),
            ("decrypt", 0, lambda: kms.decrypt(zipped)),
            ("decrypt", malformed, lambda: kms.decrypt("a.b")),
            ("decrypt", malformed, lambda: kms.decrypt("")),
            ("public_jwk", 0, lambda: kms.public_jwk("rsa0")),
            ("public_jwks", 0, lambda: jwks.update(kms.public_jwks())),
        ):
            events.clear()
            with pytest.raises(jwekms.BadRequest) if status else contextlib.nullcontext():
                call()
            assert events == [(operation, status)]
    assert len(json.dumps(jwks)) > 16384


def test_an_exception_in_a_callback_stays_in_python(tmp_path, monkeypatch):
    caught = []
    monkeypatch.setattr("sys.unraisablehook", lambda about: caught.append(str(about.exc_value)))

    def raising(_):
        raise RuntimeError("from a callback")

    with jwekms.Kms(tmp_path / "keys.db", on_audit=raising, on_warning=raising) as kms:
        assert kms.decrypt(kms.encrypt(b"payload", kms.create_key().uid)) == b"payload"
    assert len(caught) == 4 and set(caught) == {"from a callback"}


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_a_program_comes_out_of_a_callback(tmp_path, error):
    def ending(_):
        raise error

    with jwekms.Kms(tmp_path / "keys.db", on_audit=ending, on_warning=print) as kms:
        with pytest.raises(error):
            kms.create_key(uid="rsa")
        with pytest.raises(error):
            kms.describe_key("none")
    with jwekms.Kms(tmp_path / "keys.db") as kms:
        assert kms.describe_key("rsa").uid == "rsa"


def test_warnings_go_to_the_log(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "jwekms"), jwekms.Kms(tmp_path / "keys.db"):
        pass
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("jwekms", logging.WARNING)
    assert "key-encryption key" in record.message


def test_options(tmp_path):
    path = tmp_path / "keys.db"
    with pytest.raises(TypeError, match="hsm_pool"):
        jwekms.Kms(path, hsm_pool=[])
    for name in ("rsa_min_bits", "cache_ttl_ms", "cache_entries", "max_token_bytes"):
        for number in (0, -1, 1 << 64):
            with pytest.raises(ValueError, match=name):
                jwekms.Kms(path, **{name: number})
    for kek in (bytes(31), b"x"):
        with pytest.raises(jwekms.BadRequest):
            jwekms.Kms(path, kek=kek)
    with pytest.raises(jwekms.UnsupportedAlgorithm):
        jwekms.Kms(path, policy_algs=["RSA1_5"])
    with jwekms.Kms(path, kek=bytearray(range(32)), policy_algs=["dir"], policy_encs="A128GCM") as kms:
        kms.create_key(uid="k", type=jwekms.KeyType.OCT, enc="A128GCM")
        kms.create_key(uid="rsa")
        kms.encrypt(b"payload", "k", alg="dir", enc="A128GCM")
        with pytest.raises(jwekms.UnsupportedAlgorithm):
            kms.encrypt(b"payload", "rsa")
    with pytest.raises(jwekms.CryptoFailure):
        jwekms.Kms(path, kek=bytes(32))
    assert not path.with_suffix(".db.kek").exists()


@pytest.mark.parametrize("empty", [
    {"kek": b""}, {"kek": bytearray()}, {"kek_path": ""}, {"key_encryption_key": ""}, {"policy_algs": []},
    {"policy_algs": ""}, {"policy_encs": [""]}, {"policy_encs": ["", ""]}, {"openssl_config": b""}, {"admins": [""]},
    {"openssl_properties": ""}, {"hsms": [jwekms.Hsm("softhsm2", [jwekms.HsmSlot(pin="")])]}, {"hsm_pools": [[]]},
], ids=str)
def test_what_is_given_and_empty_does_not_take_its_default(tmp_path, empty):
    with pytest.raises(jwekms.BadRequest):
        jwekms.Kms(tmp_path / "keys.db", **empty)
    assert not list(tmp_path.iterdir())


def test_no_database_is_not_an_empty_path():
    with pytest.raises(jwekms.BadRequest):
        jwekms.Kms("")
    jwekms.Kms().close()


def test_an_open_kms_keeps_no_secret_of_the_callers(tmp_path):
    kek = bytes(range(1, 33))
    before = sys.getrefcount(kek)
    with jwekms.Kms(tmp_path / "keys.db", kek=kek):
        gc.collect()
        assert sys.getrefcount(kek) == before


def test_a_pin_is_not_shown():
    slot = jwekms.HsmSlot(pin="2468")
    assert "2468" not in repr(jwekms.Hsm("softhsm2", [slot]))


def test_hsm_options(tmp_path):
    hsm = jwekms.Hsm("no such model", [jwekms.HsmSlot()])
    with pytest.raises(jwekms.BadRequest):
        jwekms.Kms(tmp_path / "keys.db", hsms=[hsm])
    with pytest.raises(jwekms.BadRequest):
        jwekms.doctor(hsm)
    missing = jwekms.Hsm("other", [jwekms.HsmSlot(pin=bytearray(b"1234"))], module_path=tmp_path / "no.so")
    with pytest.raises(jwekms.Unavailable):
        jwekms.doctor(missing)
    for slot in (jwekms.HsmSlot(number=-1), jwekms.HsmSlot(slot_id=1 << 64)):
        with pytest.raises(ValueError):
            jwekms.doctor(jwekms.Hsm("softhsm2", [slot]))


def test_service(imported, rsa):
    made = imported.service_call("POST", "/v1/crypto/encrypt", json.dumps(
        {"kid": "rsa", "alg": "RSA-OAEP-256", "enc": "A256GCM", "data": "cGF5bG9hZA"}))
    assert (made.status, made.operation, made.kid) == (200, "encrypt", "rsa")
    opened = imported.service_call("POST", "/v1/crypto/decrypt", bytearray(made.body))
    assert json.loads(opened.body) == {"kid": "rsa", "data": "cGF5bG9hZA"}
    assert "cGF5bG9hZA" not in repr(opened)
    missing = imported.service_call("GET", "/v1/crypto/keys/nobody")
    assert (missing.status, missing.error) == (404, jwekms.Status.NOT_FOUND)
    wrong = imported.service_call("PUT", "/v1/crypto/decrypt")
    assert (wrong.status, wrong.allow) == (405, "POST")


def test_closing(tmp_path):
    with jwekms.Kms(tmp_path / "keys.db", on_warning=print) as kms:
        assert not kms.closed
    kms.close()
    assert kms.closed
    with pytest.raises(ValueError, match="closed"):
        kms.create_key()
    with pytest.raises(ValueError, match="closed"):
        kms.__enter__()
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(kms)


CALLS = {
    "decrypt": lambda kms: kms.decrypt("x"),
    "decrypt_bound": lambda kms: kms.decrypt_bound("x"),
    "encrypt": lambda kms: kms.encrypt(b"", "nobody"),
    "describe_key": lambda kms: kms.describe_key("nobody"),
    "add_alias": lambda kms: kms.add_alias("nobody", "x"),
    "grants": lambda kms: kms.grants("nobody"),
    "list_keys": lambda kms: next(kms.list_keys(prefix="hsm::x")),
    "on_behalf_of": lambda kms: kms.on_behalf_of("*"),
    "public_jwk": lambda kms: kms.public_jwk("nobody"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_an_exception_that_is_kept_keeps_nothing_open(kms, call):
    handle = weakref.ref(kms._handle)
    with pytest.raises(jwekms.JwekmsError) as kept:
        call(kms)
    kms.close()
    assert kept.value and handle() is None


def test_a_suspended_listing_keeps_nothing_open(kms):
    kms.create_key()
    handle, listing = weakref.ref(kms._handle), kms.list_keys()
    next(listing)
    kms.close()
    assert handle() is None
    listing.close()
