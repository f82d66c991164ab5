# SPDX-License-Identifier: Apache-2.0
"""Signals that come while the library is in C, and what else ends a program: out of the call, and once."""
import ctypes
import gc
import signal
import sqlite3
import subprocess

import pytest

import jwekms
from jwekms import _callbacks, _library

# A function of the library with a signal just before it: what it calls back first is where Python
# learns of that.
SOURCE = """
#include <signal.h>
typedef long function(long, long, long, long, long, long, long, long);
function* target;
long with_a_signal(long a, long b, long c, long d, long e, long f, long g, long h) {
  raise(SIGALRM);
  return target(a, b, c, d, e, f, g, h);
}
"""


class Stop(BaseException):
    pass


@pytest.fixture(autouse=True)
def handler():
    def stop(*_):
        raise Stop

    before = signal.signal(signal.SIGALRM, stop)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def signalling(tmp_path_factory):
    """A function of ctypes that is called with a signal."""
    folder = tmp_path_factory.mktemp("signalling")
    (folder / "signalling.c").write_text(SOURCE)
    subprocess.run(["cc", "-shared", "-fPIC", "signalling.c", "-o", "signalling.so"], cwd=folder, check=True)
    dll = ctypes.CDLL(str(folder / "signalling.so"))

    def make(function):
        ctypes.c_void_p.in_dll(dll, "target").value = ctypes.cast(function, ctypes.c_void_p).value
        made = dll["with_a_signal"]
        made.restype, made.argtypes = function.restype, function.argtypes
        return made

    return make


@pytest.mark.parametrize("kind,answers", [
    (ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p), (7, 9)), (ctypes.CFUNCTYPE(None, ctypes.c_void_p), (None, None)),
])
def test_a_callback_is_called_and_answers(signalling, kind, answers):
    called = []

    def body(data):
        called.append(data)
        if data == 2:
            raise Stop
        return 7

    given = kind(_callbacks.callback(body, 9))
    given.argtypes = [ctypes.c_void_p]
    for data, answer in zip((1, 2), answers):
        assert signalling(given)(data) == answer
        with pytest.raises(Stop):
            _callbacks.raise_escaped()
    assert called == [1, 2]


def test_an_event_is_not_lost_by_a_signal(tmp_path, monkeypatch, signalling):
    events = []
    with jwekms.Kms(tmp_path / "keys.db", on_audit=events.append, on_warning=print) as kms:
        with monkeypatch.context() as patch:
            patch.setattr(_library.get(), "create_key", signalling(_library.get().create_key))
            with pytest.raises(Stop):
                kms.create_key(uid="k", type=jwekms.KeyType.OCT)
        assert kms.describe_key("k").bits == 256
    assert [(event.operation, event.status) for event in events] == [
        ("create_key", jwekms.Status.OK), ("describe_key", jwekms.Status.OK)]


def test_a_provider_does_its_work_in_spite_of_a_signal(monkeypatch, signalling):
    calls = []

    class Vault(jwekms.Provider):
        prefix = "vault::"

        def resolve(self, kid):
            calls.append("resolve")
            return jwekms.ProvidedKey(key=None, type=jwekms.KeyType.OCT, bits=256)

        def release(self, key):
            calls.append("release")

        def destroy(self):
            calls.append("destroy")

    events = []
    kms = jwekms.Kms(providers=[Vault()], on_audit=events.append)
    with monkeypatch.context() as patch:
        patch.setattr(_library.get(), "describe_key", signalling(_library.get().describe_key))
        with pytest.raises(Stop):
            kms.describe_key("vault::k")
    assert calls == ["resolve", "release"] and events[0].status is jwekms.Status.OK
    assert kms.describe_key("vault::k").bits == 256
    kms._handle.free = signalling(_library.get().close)
    with pytest.raises(Stop):
        kms.close()
    assert calls[4:] == ["destroy"]


def test_progress_is_told_in_spite_of_a_signal(tmp_path, monkeypatch, signalling):
    path, told = tmp_path / "keys.db", []
    with jwekms.Kms(path, on_warning=print) as kms:
        kms.create_key()
    with monkeypatch.context() as patch:
        patch.setattr(_library.get(), "rotate_kek", signalling(_library.get().rotate_kek))
        with pytest.raises(Stop):
            jwekms.rotate_kek(path, on_progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (1, 1)


@pytest.mark.hsm
def test_a_signal_before_the_findings(hsm, monkeypatch, signalling):
    monkeypatch.setattr(_library.get(), "doctor", signalling(_library.get().doctor))
    with pytest.raises(Stop):
        jwekms.doctor(hsm)


def test_a_timer(tmp_path):
    """create_key waits in C for a lock on the database when the time has come."""
    path, events = tmp_path / "keys.db", []
    with jwekms.Kms(path, busy_timeout_ms=200, on_audit=events.append, on_warning=print) as kms:
        writer = sqlite3.connect(path, isolation_level=None)
        writer.execute("BEGIN IMMEDIATE")
        while not events:  # where the thread stood still, the time had come before the call
            with pytest.raises(Stop):
                signal.setitimer(signal.ITIMER_REAL, 0.05)
                kms.create_key(type=jwekms.KeyType.OCT)
        writer.close()
        kms.create_key(type=jwekms.KeyType.OCT)
    assert [event.status for event in events] == [jwekms.Status.UNAVAILABLE, jwekms.Status.OK]


def stopping(*_):
    raise Stop


def test_an_end_comes_out_of_the_call_that_led_there(tmp_path):
    path = tmp_path / "keys.db"
    with jwekms.Kms(path, on_warning=print) as kms:
        token = kms.encrypt(b"payload", kms.create_key(uid="k").uid)
    with jwekms.Kms(path, on_audit=stopping) as kms:
        with pytest.raises(Stop):
            kms.decrypt_into(token, bytearray(1))
    with pytest.raises(Stop):
        jwekms.rotate_kek(path, on_progress=stopping)
    with jwekms.Kms(path) as kms:
        assert kms.decrypt(token) == b"payload"


def test_a_provider_that_ends_the_program_when_it_is_closed(tmp_path):
    class Last(jwekms.Provider):
        prefix = "last::"
        resolve = destroy = stopping

    kms = jwekms.Kms(tmp_path / "keys.db", providers=[Last()], on_warning=print)
    with pytest.raises(Stop):
        kms.close()
    assert kms.closed
    gc.collect()
    with jwekms.Kms(tmp_path / "keys.db") as other:
        other.create_key(uid="k")
