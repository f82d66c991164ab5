# SPDX-License-Identifier: Apache-2.0
"""Tokens made by other libraries, in every form; bytes in and out."""
import array
import json
import mmap

import joserfc.jwe
import joserfc.jwk
import pytest
from conftest import seal, tampered
from jwcrypto import jwe, jwk

import jwekms

DIR = {"alg": "dir", "enc": "A256GCM", "kid": "shared"}


@pytest.mark.parametrize("alg", ["RSA-OAEP", "RSA-OAEP-256"])
@pytest.mark.parametrize("enc", ["A128GCM", "A192GCM", "A256GCM"])
@pytest.mark.parametrize("compact", [True, False])
def test_jwcrypto(imported, rsa, alg, enc, compact):
    token = seal(rsa, b"\0payload\xff", alg=alg, enc=enc, compact=compact)
    assert imported.decrypt(token) == b"\0payload\xff"


def test_a_general_serialization(imported, rsa):
    other = jwk.JWK.generate(kty="RSA", size=2048)
    token = jwe.JWE(b"to two", protected={"enc": "A256GCM"})
    for key, kid in ((other, "other"), (rsa, "rsa")):
        token.add_recipient(key, header={"alg": "RSA-OAEP", "kid": kid})
    assert imported.decrypt(token.serialize()) == b"to two"
    assert imported.decrypt(token.serialize(), key="rsa") == b"to two"


@pytest.mark.parametrize("alg", ["RSA-OAEP", "RSA-OAEP-256"])
def test_joserfc(kms, alg):
    kid = kms.create_key().uid
    public = joserfc.jwk.RSAKey.import_key(kms.public_jwk(kid))
    token = joserfc.jwe.encrypt_compact({"alg": alg, "enc": "A256GCM", "kid": kid}, b"payload", public,
                                        algorithms=[alg, "A256GCM"])
    assert kms.decrypt(token) == b"payload"


def test_joserfc_reads_what_we_make(imported, rsa):
    private = joserfc.jwk.RSAKey.import_key(json.loads(rsa.export(private_key=True)))
    token = imported.encrypt(b"payload", "rsa", enc="A128GCM")
    opened = joserfc.jwe.decrypt_compact(token, private, algorithms=["RSA-OAEP-256", "A128GCM"])
    assert opened.plaintext == b"payload"
    assert opened.headers()["kid"] == "rsa"


def test_jwcrypto_reads_what_we_make_with_aad(imported, rsa):
    token = imported.encrypt(b"payload", "rsa", aad=b"bound", serialization=jwekms.Serialization.FLATTENED)
    opened = jwe.JWE()
    opened.deserialize(token, rsa)
    assert opened.payload == b"payload"
    assert opened.objects["aad"] == b"bound"
    assert imported.decrypt(token) == b"payload"


def test_dir_and_kept_keys(shared):
    oct_key = jwk.JWK(kty="oct", k="AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")
    token = jwe.JWE(b"direct", protected=DIR, recipient=oct_key).serialize(compact=True)
    assert shared.decrypt(token) == b"direct"


def test_unwrap_key_keeps_a_cek(imported, rsa):
    token = seal(rsa, b"once")
    kept = imported.unwrap_key(token, uid="kept", owner="alice", aliases=["partner"])
    assert (kept.uid, kept.parent, kept.owner, kept.enc) == ("kept", "rsa", "alice", "A256GCM")
    assert kept.type is jwekms.KeyType.OCT
    assert kept.aliases == ("partner",)
    assert imported.decrypt(imported.encrypt(b"later", "partner", alg="dir")) == b"later"
    header, encrypted_key, *_ = token.split(".")
    part = json.dumps({"protected": header, "encrypted_key": encrypted_key})
    assert imported.unwrap_key(part).parent == "rsa"


def test_reencrypt(imported, rsa):
    imported.create_key(uid="other")
    token = imported.reencrypt(seal(rsa, b"moved"), "other", alg="RSA-OAEP")
    assert imported.decrypt(token) == b"moved"
    assert imported.decrypt(imported.reencrypt(token, "rsa", from_key="other")) == b"moved"
    with pytest.raises(jwekms.NotFound):
        imported.reencrypt(token, "rsa", from_key="nobody")


def test_a_key_for_a_token_without_kid(tmp_path, rsa):
    token = jwe.JWE(b"nameless", protected={"alg": "RSA-OAEP-256", "enc": "A256GCM"},
                    recipient=rsa).serialize(compact=True)
    with jwekms.Kms(tmp_path / "keys.db", allow=jwekms.Allow.MISSING_KID, on_warning=print) as kms:
        kms.import_key(rsa.export(private_key=True), uid="rsa")
        assert kms.decrypt(token, key="rsa") == b"nameless"
        buffer = bytearray(64)
        assert kms.decrypt_into(token, buffer, key="rsa") == 8
        assert kms.decrypt_bound(token, key="rsa") >= 8
        with pytest.raises(jwekms.BadRequest):
            kms.decrypt(token, key="")


def test_zip_grows_beyond_the_token(tmp_path, rsa):
    token = jwe.JWE(b"a" * 20000, protected={"alg": "RSA-OAEP", "enc": "A256GCM", "kid": "rsa", "zip": "DEF"},
                    recipient=rsa).serialize(compact=True)
    assert len(token) < 2000
    events = []
    with jwekms.Kms(tmp_path / "keys.db", allow=jwekms.Allow.ZIP, max_inflated_ratio=1000,
                    on_warning=print, on_audit=events.append) as kms:
        kms.import_key(rsa.export(private_key=True), uid="rsa")
        kms.grant("rsa", "alice", jwekms.Permission.DECRYPT)
        assert kms.decrypt(token) == b"a" * 20000
        assert kms.on_behalf_of("alice").decrypt(token) == b"a" * 20000
    assert [event.operation for event in events] == ["import_key", "grant", "decrypt", "decrypt"]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 63, 1024, 1 << 20])
def test_sizes(shared, size):
    plaintext = bytes(i & 255 for i in range(size))
    assert shared.decrypt(shared.encrypt(plaintext, "shared", alg="dir")) == plaintext


KINDS = {
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "writable view": lambda data: memoryview(bytearray(data)),
    "array": lambda data: array.array("B", data),
    "wider array": lambda data: array.array("H", data),
    "part": lambda data: memoryview(b"ab" + data + b"cd")[2:-2],
    "every other byte": lambda data: memoryview(bytearray(b"".join(bytes((each, 0)) for each in data)))[::2],
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_bytes_like_plaintext(shared, kind):
    data = b"sixteen bytes: \xff"
    assert shared.decrypt(shared.encrypt(kind(data), "shared", alg="dir")) == data


@pytest.mark.parametrize("kind", [str, *(KINDS[name] for name in ("bytes", "bytearray", "memoryview", "part"))])
def test_tokens_are_text_or_bytes_like(shared, kind):
    token = shared.encrypt(b"payload", "shared", alg="dir")
    assert shared.decrypt(kind(token) if kind is str else kind(token.encode())) == b"payload"


def test_what_is_not_bytes_like(shared):
    for wrong in ("text", 5, None, [1, 2]):
        with pytest.raises(TypeError):
            shared.encrypt(wrong, "shared", alg="dir")
    with pytest.raises(TypeError):
        shared.encrypt(b"", "shared", alg="dir", aad="text", serialization=jwekms.Serialization.FLATTENED)


def test_into_a_buffer(shared):
    token = shared.encrypt(b"payload", "shared", alg="dir")
    with mmap.mmap(-1, 4096) as page:
        assert shared.decrypt_into(token, page) == 7
        assert page[:8] == b"payload\0"
    words = array.array("I", [0] * 8)
    assert shared.decrypt_into(token, words) == 7
    assert words.tobytes()[:7] == b"payload"
    exact = bytearray(b"----payload")
    assert shared.decrypt_into(token, memoryview(exact)[4:]) == 7
    assert exact == b"----payload"
    with pytest.raises(TypeError, match="writable"):
        shared.decrypt_into(token, bytes(64))


def test_a_small_buffer_is_zeroed_and_told_the_size(shared):
    token = shared.encrypt(b"payload", "shared", alg="dir")
    for size in (0, 6):
        small = bytearray(b"x" * size)
        with pytest.raises(jwekms.BufferTooSmall) as caught:
            shared.decrypt_into(token, small)
        assert caught.value.needed == shared.decrypt_bound(token) == 7 + 16
        assert small == bytes(size)


def test_a_failure_zeroes_the_buffer(shared):
    token = shared.encrypt(b"payload", "shared", alg="dir")
    buffer = bytearray(b"x" * 64)
    with pytest.raises(jwekms.DecryptionFailed):
        shared.decrypt_into(tampered(token), buffer)
    assert buffer == bytes(64)
    buffer.append(1)  # not held any more


def test_temporaries_are_wiped(shared, monkeypatch):
    """What the binding itself allocates: the plaintext's buffer, copies of read-only views, of text."""
    from jwekms import _kms, _memory
    seen = []

    class Watched(bytearray):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            seen.append(self)

    monkeypatch.setattr(_kms, "bytearray", Watched, raising=False)
    monkeypatch.setattr(_memory, "bytearray", Watched, raising=False)
    assert shared.decrypt(shared.encrypt(b"payload", "shared", alg="dir")) == b"payload"
    token = shared.encrypt(memoryview(b"payload"), "shared", alg="dir")
    with pytest.raises(jwekms.DecryptionFailed):
        shared.decrypt(tampered(token))
    secret = jwk.JWK.generate(kty="oct", size=256).export()
    shared.import_key(secret)
    assert any(len(each) == len(secret.encode()) for each in seen)
    assert len(seen) >= 5
    tokens = [each for each in seen if each.startswith(b"eyJ")]  # made, and no secret
    assert tokens and all(not any(each) for each in seen if each not in tokens)
