# SPDX-License-Identifier: Apache-2.0
"""Providers written in Python: every way to a CEK, what they raise, threads, forks, the end."""
import gc
import json
import logging
import os
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import forked, seal, tampered
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.padding import OAEP
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from jwcrypto import jwe, jwk

import jwekms
from jwekms import _callbacks

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def oaep(alg):
    algorithm = hashes.SHA256() if alg == "RSA-OAEP-256" else hashes.SHA1()
    return OAEP(padding.MGF1(algorithm), algorithm, None)


class Vault(jwekms.Provider):
    """RSA keys that give CEKs away, by name; counts what it is told."""

    prefix = "vault::"

    def __init__(self, rsa):
        self.rsa, self.held, self.forks, self.ends = rsa, 0, 0, 0
        self.private, self.lock = rsa.get_op_key("decrypt"), threading.Lock()

    def resolve(self, kid):
        if kid != "vault::rsa":
            raise jwekms.NotFound()
        with self.lock:
            self.held += 1
        return jwekms.ProvidedKey(key=self.private, type=jwekms.KeyType.RSA, bits=2048)

    def release(self, key):
        assert key is self.private
        with self.lock:
            self.held -= 1

    def unwrap(self, key, wrapped):
        try:
            return bytearray(key.decrypt(wrapped.encrypted_key, oaep(wrapped.alg)))
        except ValueError:
            raise jwekms.DecryptionFailed() from None

    def public_jwk(self, key):
        return json.loads(self.rsa.export_public())

    def after_fork(self):
        self.forks += 1

    def destroy(self):
        self.ends += 1


class Wrapping(Vault):
    def wrap(self, key, wanted, cek):
        assert len(cek) == wanted.size and wanted.encrypted_key == b""
        return key.public_key().encrypt(bytes(cek), oaep(wanted.alg))


class Boundary(Vault):
    """CEKs never leave it."""

    def __init__(self, rsa):
        super().__init__(rsa)
        self.made = {}

    def resolve(self, kid):
        return jwekms.ProvidedKey(key=self.private, type=jwekms.KeyType.RSA, bits=2048, cek_stays=True,
                                  uid="vault::rsa", version=7, created_at=1700000000)

    release = jwekms.Provider.release

    def wrap(self, key, wanted, cek):
        assert cek is None
        return bytearray(key.public_key().encrypt(os.urandom(wanted.size), oaep(wanted.alg)))

    def decrypt(self, key, cek, content):
        try:
            secret = key.decrypt(cek.encrypted_key, oaep(cek.alg))
            return bytearray(AESGCM(secret).decrypt(content.iv, content.ciphertext + content.tag, content.aad))
        except Exception:
            raise jwekms.DecryptionFailed() from None

    def encrypt(self, key, cek, content):
        secret = key.decrypt(cek.encrypted_key, oaep(cek.alg))
        iv = os.urandom(12)
        sealed = AESGCM(secret).encrypt(iv, bytes(content.plaintext), content.aad)
        return jwekms.Sealed(sealed[:-content.tag_size], sealed[-content.tag_size:], iv)


class Symmetric(jwekms.Provider):
    prefix = "sym::"
    cipher = AESGCM(bytes(range(32)))

    def resolve(self, kid):
        return jwekms.ProvidedKey(key=None, type=jwekms.KeyType.OCT, bits=256, enc="A256GCM")

    def decrypt(self, key, cek, content):
        assert key is None and cek.alg == "dir" and cek.encrypted_key == b""
        try:
            return self.cipher.decrypt(content.iv, content.ciphertext + content.tag, content.aad)
        except Exception:
            raise jwekms.DecryptionFailed() from None

    def encrypt(self, key, cek, content):
        sealed = self.cipher.encrypt(content.iv, bytes(content.plaintext), content.aad)
        return jwekms.Sealed(memoryview(sealed)[:-16], memoryview(sealed)[-16:])


def opened(*providers, **more):
    return jwekms.Kms(providers=providers, on_warning=print, **more)


@pytest.mark.parametrize("kind", [Vault, Wrapping, Boundary])
@pytest.mark.parametrize("alg", ["RSA-OAEP", "RSA-OAEP-256"])
def test_rsa_both_ways(rsa, kind, alg):
    provider = kind(rsa)
    with opened(provider) as kms:
        assert kms.decrypt(seal(rsa, b"payload", alg=alg, kid="vault::rsa")) == b"payload"
        token = kms.encrypt(b"back", "vault::rsa", alg=alg, enc="A128GCM")
        assert kms.decrypt(token) == b"back"
        assert kms.decrypt(kms.encrypt(b"", "vault::rsa")) == b""
        theirs = jwe.JWE()
        theirs.deserialize(token, rsa)
        assert theirs.payload == b"back"
        assert kms.public_jwk("vault::rsa")["n"] == json.loads(rsa.export_public())["n"]
        with pytest.raises(jwekms.DecryptionFailed):
            kms.decrypt(tampered(token))
    assert provider.held == 0 and provider.ends == 1


def test_what_is_known_of_a_key(rsa):
    with opened(Boundary(rsa)) as kms:
        info = kms.describe_key("vault::other")
    assert (info.uid, info.version, info.bits, info.created_at.year) == ("vault::rsa", 7, 2048, 2023)


def test_symmetric_both_ways():
    oct_key = jwk.JWK(kty="oct", k="AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")
    with opened(Symmetric()) as kms:
        protected = {"alg": "dir", "enc": "A256GCM", "kid": "sym::k"}
        assert kms.decrypt(jwe.JWE(b"payload", protected, recipient=oct_key).serialize(compact=True)) == b"payload"
        token = kms.encrypt(b"back", "sym::k", alg="dir")
        assert kms.decrypt(token) == b"back"
        with pytest.raises(jwekms.DecryptionFailed):
            kms.decrypt(tampered(token))
        with pytest.raises(jwekms.CryptoFailure):
            kms.public_jwk("sym::k")


def test_beside_a_database(kms, tmp_path, rsa):
    kms.close()
    with jwekms.Kms(tmp_path / "keys.db", providers=[Vault(rsa), Symmetric()], on_warning=print) as both:
        uid = both.create_key().uid
        token = both.reencrypt(seal(rsa, b"payload", kid="vault::rsa"), uid)
        assert both.decrypt(both.reencrypt(token, "sym::k", alg="dir")) == b"payload"
        assert both.unwrap_key(seal(rsa, b"payload", kid="vault::rsa")).parent == "vault::rsa"
        both.grant("vault::rsa", "bob", jwekms.Permission.DECRYPT)
        assert both.on_behalf_of("bob").decrypt(seal(rsa, b"payload", kid="vault::rsa")) == b"payload"


def test_what_is_missing_is_not_offered(rsa):
    class Mute(Vault):
        unwrap = jwekms.Provider.unwrap
        public_jwk = jwekms.Provider.public_jwk

    with opened(Mute(rsa)) as kms:
        for call in (lambda: kms.decrypt(seal(rsa, b"payload", kid="vault::rsa")),
                     lambda: kms.encrypt(b"payload", "vault::rsa")):
            with pytest.raises(jwekms.UnsupportedAlgorithm):
                call()
    with pytest.raises(jwekms.BadRequest):  # resolve() is required
        opened(jwekms.Provider())


class Custom(Exception):
    pass


class Strange(jwekms.JwekmsError):
    code = "no status"


RAISED = [
    (jwekms.NotFound("x"), jwekms.NotFound, False), (jwekms.Forbidden("x"), jwekms.Forbidden, False),
    (jwekms.Unavailable("x"), jwekms.Unavailable, False),
    (jwekms.UnsupportedAlgorithm("x"), jwekms.UnsupportedAlgorithm, False),
    (ConnectionError("x"), jwekms.Unavailable, True), (TimeoutError("x"), jwekms.Unavailable, True),
    (MemoryError(), jwekms.Unavailable, True), (Custom("x"), jwekms.InternalError, True),
    (ValueError("x"), jwekms.InternalError, True), (jwekms.JwekmsError("x"), jwekms.InternalError, False),
    (KeyboardInterrupt(), KeyboardInterrupt, False), (SystemExit(0), SystemExit, False),
    (jwekms.InternalError("x"), jwekms.InternalError, False), (Strange(), jwekms.InternalError, False),
]


@pytest.mark.parametrize("method", ["resolve", "unwrap", "public_jwk"])
@pytest.mark.parametrize("error,expected,logged", RAISED, ids=lambda each: getattr(type(each), "__name__", ""))
def test_what_callbacks_raise(rsa, caplog, method, error, expected, logged):
    provider = type("Spoiled", (Vault,), {method: raising(error)})(rsa)
    with opened(provider) as kms:
        with pytest.raises(expected) as caught:
            if method == "public_jwk":
                kms.public_jwk("vault::rsa")
            else:
                kms.decrypt(seal(rsa, b"payload", kid="vault::rsa"))
        assert type(caught.value) is expected
        if method != "resolve":
            assert kms.describe_key("vault::rsa").bits == 2048  # nothing of it lingers
    assert bool(caplog.records) == logged
    assert provider.held == 0


def raising(error):
    def call(*_):
        raise error

    return call


@pytest.fixture
def unanswered(monkeypatch):
    """What was raised into the library."""
    out = []
    monkeypatch.setattr(sys, "unraisablehook", lambda each: out.append(each.exc_value))
    yield out


@pytest.fixture(params=["handler", "filter"])
def raising_log(request):
    log, handler = logging.getLogger("jwekms"), logging.Handler()
    if request.param == "handler":
        handler.emit = raising(ValueError("a handler"))
    else:
        handler.addFilter(raising(RecursionError("a filter")))
    log.addHandler(handler)
    yield
    log.removeHandler(handler)


@pytest.mark.parametrize("method", ["resolve", "unwrap"])
@pytest.mark.parametrize("error,expected", [
    (ConnectionError(), jwekms.Unavailable), (Custom(), jwekms.InternalError),
])
def test_an_outage_is_no_bad_token_whatever_the_log_does(rsa, raising_log, unanswered, method, error, expected):
    events = []
    provider = type("Spoiled", (Vault,), {method: raising(error)})(rsa)
    with opened(provider, on_audit=events.append) as kms, pytest.raises(expected):
        kms.decrypt(seal(rsa, b"payload", kid="vault::rsa"))
    assert [event.status for event in events] == [expected.code] and not unanswered


def test_a_child_that_is_not_ready_decrypts_nothing(rsa, raising_log):
    provider = type("Spoiled", (Vault,), {"after_fork": raising(ConnectionError())})(rsa)
    with opened(provider) as kms:
        def work():
            with pytest.raises(jwekms.Unavailable):
                kms.decrypt(seal(rsa, b"payload", kid="vault::rsa"))
            return 0

        assert os.waitpid(forked(work), 0)[1] == 0


def test_a_provider_without_end(rsa, unanswered, caplog):
    """Wherever in the loop Python's stack ends, the library is answered, and the log has it."""
    class Endless(Vault):
        def unwrap(self, key, wrapped):
            return self.kms.decrypt(token)

    token, events, provider = seal(rsa, b"payload", kid="vault::rsa"), [], Endless(rsa)
    wrong = {jwekms.Status.UNAVAILABLE, jwekms.Status.INTERNAL_ERROR}

    def work():
        with pytest.raises((jwekms.Unavailable, jwekms.InternalError)):
            provider.kms.decrypt(token)

    limit = sys.getrecursionlimit()
    with opened(provider, on_audit=events.append) as provider.kms, ThreadPoolExecutor(1) as thread:
        try:
            for new in (*range(200, 240), 333, 500, 777, 1000):
                sys.setrecursionlimit(new)
                thread.submit(work).result()
                assert {event.status for event in events} <= wrong and not unanswered
        finally:
            sys.setrecursionlimit(limit)
    assert len(events) > 44 and provider.held == 0
    assert "RecursionError" in caplog.text


def test_a_callback_answers_whatever_it_raises():
    assert _callbacks.callback(raising(RecursionError()), 9)() == 9
    with pytest.raises(Custom):  # nobody waits for an answer
        _callbacks.callback(raising(Custom()), None)()


def test_decryption_failed_of_unwrap_looks_like_any_other(rsa):
    class Failing(Vault):
        def unwrap(self, key, wrapped):
            raise jwekms.DecryptionFailed("wrong padding")

    texts = set()
    with opened(Vault(rsa)) as kms:
        with pytest.raises(jwekms.DecryptionFailed) as caught:
            kms.decrypt(tampered(seal(rsa, b"payload", kid="vault::rsa")))
        texts.add(str(caught.value))
    with opened(Failing(rsa)) as kms:
        with pytest.raises(jwekms.DecryptionFailed) as caught:
            kms.decrypt(seal(rsa, b"payload", kid="vault::rsa"))
        texts.add(str(caught.value))
    assert len(texts) == 1


@pytest.mark.parametrize("answer,expected", [
    (None, jwekms.InternalError), ("text", jwekms.InternalError), (5, jwekms.InternalError),
    (bytes(2049), jwekms.InternalError), (bytes(2048), jwekms.DecryptionFailed),
    (b"", jwekms.DecryptionFailed), (bytes(31), jwekms.DecryptionFailed),
    (memoryview(bytes(32)), jwekms.DecryptionFailed),
])
def test_what_unwrap_returns(rsa, answer, expected):
    class Odd(Vault):
        def unwrap(self, key, wrapped):
            return answer

    with opened(Odd(rsa)) as kms, pytest.raises(expected):
        kms.decrypt(seal(rsa, b"payload", kid="vault::rsa"))


@pytest.mark.parametrize("change", [
    {"ciphertext": b"x"}, {"tag": bytes(15)}, {"tag": bytes(17)}, {"iv": bytes(11)}, {"ciphertext": bytes(99)},
])
def test_what_encrypt_returns(change):
    class Odd(Symmetric):
        def encrypt(self, key, cek, content):
            sealed = {"ciphertext": bytes(7), "tag": bytes(16), **change}
            return jwekms.Sealed(**sealed)

    with opened(Odd()) as kms, pytest.raises(jwekms.InternalError):
        kms.encrypt(b"payload", "sym::k", alg="dir")


@pytest.mark.parametrize("change", [
    {"uid": "v" * 257}, {"algs": "a" * 513}, {"enc": "e" * 33}, {"uid": "elsewhere"}, {"bits": "many"},
    {"uid": ""}, {"algs": []}, {"enc": ""}, {"bits": (1 << 32) + 2048}, {"version": 0}, {"created_at": -1}, {"created_at": 1700000000000}, {"state": 0}, {"type": -1}, {"algs": 5},
])
def test_what_resolve_returns(rsa, change):
    class Odd(Vault):
        def resolve(self, kid):
            super().resolve(kid)
            found = {"key": self.private, "type": jwekms.KeyType.RSA, "bits": 2048, **change}
            return jwekms.ProvidedKey(**found)

    provider = Odd(rsa)
    with opened(provider) as kms, pytest.raises(jwekms.InternalError):
        kms.describe_key("vault::rsa")
    assert provider.held == 0


def test_secrets_are_wiped(rsa):
    seen = []

    class Watched(Wrapping):
        def unwrap(self, key, wrapped):
            seen.append(super().unwrap(key, wrapped))
            return seen[-1]

        def wrap(self, key, wanted, cek):
            assert any(cek)
            seen.append(cek)
            return super().wrap(key, wanted, cek)

    class Direct(Symmetric):
        def encrypt(self, key, cek, content):
            assert content.plaintext == b"payload"
            seen.append(content.plaintext)
            return super().encrypt(key, cek, content)

        def decrypt(self, key, cek, content):
            seen.append(bytearray(super().decrypt(key, cek, content)))
            return seen[-1]

    with opened(Watched(rsa), Direct()) as kms:
        assert kms.decrypt(kms.encrypt(b"payload", "vault::rsa")) == b"payload"
        assert kms.decrypt(kms.encrypt(b"payload", "sym::k", alg="dir")) == b"payload"
    assert [len(each) for each in seen] == [32, 32, 7, 7]
    assert not any(map(any, seen))


def test_calls_from_within(tmp_path, rsa):
    """A provider whose own secret is a token under a key of the same Kms."""
    class Nested(Vault):
        def unwrap(self, key, wrapped):
            assert self.kms.decrypt(self.secret) == b"secret"
            return super().unwrap(key, wrapped)

    provider = Nested(rsa)
    with jwekms.Kms(tmp_path / "keys.db", providers=[provider], on_warning=print) as kms:
        provider.kms = kms
        provider.secret = kms.encrypt(b"secret", kms.create_key().uid)
        assert kms.decrypt(seal(rsa, b"payload", kid="vault::rsa")) == b"payload"
    assert provider.ends == 1  # though the provider and the Kms hold each other


def test_threads(rsa):
    provider = Vault(rsa)
    tokens = [(seal(rsa, b"%d" % i, kid="vault::rsa"), b"%d" % i) for i in range(4)]
    with opened(provider) as kms:
        def work(number):
            token, payload = tokens[number % 4]
            return kms.decrypt(token) == payload

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(work, range(200)))
        assert provider.held == 0


def test_forks(rsa):
    provider, token = Vault(rsa), seal(rsa, b"payload", kid="vault::rsa")
    with opened(provider) as kms:
        assert kms.decrypt(token) == b"payload"

        def work():
            assert kms.decrypt(token) == kms.decrypt(token) == b"payload" and provider.forks == 1
            kms.close()
            assert provider.ends == 1
            return 0

        assert os.waitpid(forked(work), 0)[1] == 0
        assert kms.decrypt(token) == b"payload"
        assert provider.forks == 0 and provider.ends == 0
    assert provider.ends == 1


def test_a_child_is_told_for_each_kms(rsa):
    provider = Vault(rsa)
    provider.admins = ["alice"]
    with opened(provider) as one, jwekms.Kms(providers=[provider]) as two:
        def work():
            for kms, forks in ((one, 1), (one.on_behalf_of("alice"), 1), (two, 2), (one, 2)):
                assert kms.describe_key("vault::rsa").bits == 2048 and provider.forks == forks
            return 0

        assert os.waitpid(forked(work), 0)[1] == 0


def test_the_end(rsa):
    provider = Vault(rsa)
    kms = opened(provider)
    alice, alive = kms.on_behalf_of("alice"), weakref.ref(provider)
    kms.close()
    assert provider.ends == 0
    with pytest.raises(jwekms.Forbidden):
        alice.decrypt(seal(rsa, b"payload", kid="vault::rsa"))
    alice.close()
    assert provider.ends == 1
    del provider
    gc.collect()
    assert alive() is None


def test_a_kms_that_does_not_open_leaves_the_provider(rsa, tmp_path):
    provider = Vault(rsa)
    with pytest.raises(jwekms.Unavailable):
        jwekms.Kms(tmp_path / "none" / "keys.db", providers=[provider], on_warning=print)
    with pytest.raises(jwekms.BadRequest):
        opened(provider, provider)  # one prefix
    assert provider.ends == 0
    with opened(provider):
        pass
    assert provider.ends == 1


def test_a_kms_closed_by_its_own_provider(rsa):
    class Closing(Vault):
        def unwrap(self, key, wrapped):
            self.kms.close()
            gc.collect()
            return super().unwrap(key, wrapped)

    provider = Closing(rsa)
    provider.kms = opened(provider)
    assert provider.kms.decrypt(seal(rsa, b"payload", kid="vault::rsa")) == b"payload"
    assert (provider.held, provider.ends) == (0, 1)


DAEMONS = """
import os, threading, time, jwekms
if "JWEKMS_LIBRARY" in os.environ:
    jwekms.load(os.environ["JWEKMS_LIBRARY"])

class Busy(jwekms.Provider):
    prefix = "sym::"

    def resolve(self, kid):
        time.sleep(0.0005)
        return jwekms.ProvidedKey(key=None, type=jwekms.KeyType.OCT, bits=256)

    def encrypt(self, key, cek, content):
        time.sleep(0.0005)
        raise jwekms.Forbidden("it is known")

    def destroy(self):
        print("destroyed", flush=True)

kms = jwekms.Kms(providers=[Busy()])

def work():
    while True:
        try:
            kms.encrypt(b"payload", "sym::key", alg="dir")
        except jwekms.Forbidden:
            pass
        except ValueError:  # it is closed
            return

for _ in range(4):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.1)
"""


def test_daemon_threads_at_the_end_of_the_process():
    for _ in range(5):
        done = subprocess.run([sys.executable, "-c", DAEMONS], capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout, done.stderr) == (0, "destroyed\n", "")
