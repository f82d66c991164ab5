# SPDX-License-Identifier: Apache-2.0
"""The life of keys, and their names."""
import datetime
import json

import pytest
from conftest import seal

import jwekms
from jwekms import _kms


def test_what_is_known_of_a_key(kms):
    before = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=2)
    info = kms.create_key(uid="mine", bits=3072, algs=["RSA-OAEP-256", "RSA-OAEP"], owner="alice",
                          aliases=["a", "b"])
    assert info == kms.describe_key("a") == kms.describe_key(b"mine")
    assert (info.uid, info.bits, info.owner, info.parent, info.enc) == ("mine", 3072, "alice", None, None)
    assert info.type is jwekms.KeyType.RSA and info.state is jwekms.KeyState.ACTIVE
    assert set(info.algs) == {"RSA-OAEP-256", "RSA-OAEP"}
    assert info.aliases == ("a", "b")
    assert info.may_decrypt and info.may_encrypt
    assert before < info.created_at < before + datetime.timedelta(minutes=5)


def test_symmetric_keys(kms):
    info = kms.create_key(type=jwekms.KeyType.OCT, enc="A128GCM")
    assert (info.type, info.bits, info.enc, info.algs) == (jwekms.KeyType.OCT, 128, "A128GCM", ("dir",))


def test_states_go_forward(kms):
    uid, version = (lambda info: (info.uid, info.version))(kms.create_key())
    info = kms.set_key_state(uid, jwekms.KeyState.COMPROMISED)
    assert info.state is jwekms.KeyState.COMPROMISED and info.version > version
    with pytest.raises(jwekms.BadRequest):
        kms.set_key_state(uid, jwekms.KeyState.ACTIVE)
    kms.set_key_state(uid, jwekms.KeyState.DESTROYED)
    with pytest.raises(jwekms.NotFound):
        kms.encrypt(b"", uid)


def test_aliases(imported, rsa):
    imported.add_alias("rsa", "issuer-7")
    token = seal(rsa, b"payload", kid="issuer-7")
    assert imported.decrypt(token) == b"payload"
    imported.remove_alias("issuer-7")
    with pytest.raises(jwekms.NotFound):
        imported.decrypt(token)


def test_names_that_are_no_utf8(kms):
    name = b"caf\xe9"
    info = kms.create_key(uid=name, type=jwekms.KeyType.OCT)
    assert info.uid == "caf\udce9"
    assert kms.describe_key(info.uid) == kms.describe_key(name)
    assert [each.uid for each in kms.list_keys()] == ["caf\udce9"]
    kms.add_alias(info.uid, "schlüssel")
    assert kms.describe_key("schlüssel").aliases == ("schlüssel",)


def test_what_is_empty_is_not_left_out_in_silence(kms):
    for call in (lambda: kms.create_key(uid=""), lambda: kms.describe_key(b""), lambda: kms.encrypt(b"", ""),
                 lambda: kms.create_key(aliases=[""]), lambda: kms.create_key(owner=""),
                 lambda: kms.create_key(algs=[]), lambda: kms.create_key(algs=" "), lambda: kms.create_key(enc=""),
                 lambda: kms.import_key(bytes(32), format=jwekms.KeyFormat.RAW, algs=""),
                 lambda: kms.import_key(bytes(32), format=jwekms.KeyFormat.RAW, passphrase=b"")):
        with pytest.raises(jwekms.BadRequest):
            call()
    assert list(kms.list_keys()) == []
    with pytest.raises(TypeError):
        kms.create_key(aliases="one name")


def test_lists_come_page_by_page(kms, monkeypatch):
    monkeypatch.setattr(_kms, "_PAGE", 3)
    for i in range(8):
        kms.create_key(uid=f"key-{i}", type=jwekms.KeyType.OCT)
    names = [f"key-{i}" for i in range(8)]
    assert [each.uid for each in kms.list_keys()] == names
    assert [each.uid for each in kms.list_keys(after="key-3")] == names[4:]
    with pytest.raises(jwekms.NotFound):
        list(kms.list_keys(prefix="hsm::softhsm2::0"))


def test_imports(kms, rsa):
    pem = rsa.export_to_pem(private_key=True, password=None)
    locked = rsa.export_to_pem(private_key=True, password=b"pass phrase")
    public = json.loads(rsa.export_public())
    for uid, data, more in (
        ("jwk", rsa.export(private_key=True), {}),
        ("pem", pem.decode(), {"format": jwekms.KeyFormat.PEM}),
        ("bytearray", bytearray(pem), {"format": jwekms.KeyFormat.PEM}),
        ("locked", locked, {"format": jwekms.KeyFormat.PEM, "passphrase": b"pass phrase"}),
        ("text", locked, {"format": jwekms.KeyFormat.PEM, "passphrase": "pass phrase"}),
        ("view", memoryview(locked), {"format": jwekms.KeyFormat.PEM, "passphrase": memoryview(b"pass phrase")}),
    ):
        kms.import_key(data, uid=uid, **more)
        ours = kms.public_jwk(uid)
        assert (ours["n"], ours["e"], ours["kid"]) == (public["n"], public["e"], uid)
        assert "d" not in ours
    with pytest.raises(jwekms.BadRequest):
        kms.import_key(locked, format=jwekms.KeyFormat.PEM, passphrase=b"wrong", uid="wrong")
    assert len(kms.public_jwks()["keys"]) == 6


def test_public_keys_may_be_more_than_the_first_buffer(kms, rsa, monkeypatch):
    for i in range(3):
        kms.import_key(rsa.export(private_key=True), uid=f"rsa{i}")
    monkeypatch.setattr(_kms, "_JWKS_SIZE", 500)
    assert [key["kid"] for key in kms.public_jwks()["keys"]] == ["rsa0", "rsa1", "rsa2"]


def test_names_that_are_long_make_tokens_that_are_long(kms):
    name = "\x01" * 256  # six letters each in JSON
    kms.create_key(uid=name, type=jwekms.KeyType.OCT)
    assert kms.decrypt(kms.encrypt(b"payload", name, alg="dir")) == b"payload"


def test_a_new_key_encryption_key(tmp_path):
    path, told = tmp_path / "keys.db", []
    with pytest.raises(jwekms.NotFound):
        jwekms.rotate_kek(path)
    with jwekms.Kms(path, on_warning=print) as kms:
        token = kms.encrypt(b"payload", kms.create_key().uid)
        with pytest.raises(jwekms.Unavailable):
            jwekms.rotate_kek(path, busy_timeout_ms=50)
    jwekms.rotate_kek(path, on_progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (1, 1)
    with jwekms.Kms(path) as kms:
        assert kms.decrypt(token) == b"payload"
    with pytest.raises(jwekms.Conflict):
        jwekms.rotate_kek(path)
    (tmp_path / "keys.db.kek.old").unlink()
    jwekms.rotate_kek(path)
