# SPDX-License-Identifier: Apache-2.0
"""Threads: others run during a call; a Kms is shared, and closed while others use it."""
import ctypes
import gc
import sqlite3
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import seal

import jwekms
from jwekms import _library, _structs


@pytest.fixture
def holding_the_gil(monkeypatch):
    """The same library, called as a careless binding would: to see that the tests notice."""
    dll = ctypes.PyDLL(_library.get().path)
    function = dll.jwekms_create_key
    function.restype, function.argtypes = _structs.PROTOTYPES["create_key"]
    monkeypatch.setattr(_library.get(), "create_key", function)


def release_a_lock_during_a_call(path):
    """create_key waits in C for a lock on the database; only another Python thread can take it away."""
    with jwekms.Kms(path, busy_timeout_ms=3000, on_warning=print) as kms:
        writer = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        writer.execute("BEGIN IMMEDIATE")

        def unlock():
            time.sleep(1)
            writer.execute("ROLLBACK")

        other = threading.Thread(target=unlock)
        other.start()
        try:
            return kms.create_key(type=jwekms.KeyType.OCT)
        finally:
            other.join()
            writer.close()


def test_another_thread_runs_during_a_call(tmp_path):
    assert release_a_lock_during_a_call(tmp_path / "keys.db").bits == 256


def test_a_held_gil_would_be_seen(tmp_path, holding_the_gil):
    with pytest.raises(jwekms.Unavailable):
        release_a_lock_during_a_call(tmp_path / "keys.db")


def test_every_function_lets_others_run():
    holds_the_gil = 4  # FUNCFLAG_PYTHONAPI of CPython's Include
    assert ctypes.PyDLL._func_flags_ & holds_the_gil
    lib = _library.get()
    assert [name for name in _structs.PROTOTYPES if getattr(lib, name)._flags_ & holds_the_gil] == []


def test_threads_share_a_kms(imported, rsa):
    tokens = [(seal(rsa, b"%d" % i), b"%d" % i) for i in range(8)]

    def work(number):
        for i in range(40):
            token, payload = tokens[(number + i) % 8]
            assert imported.decrypt(token) == payload
            if i % 8 == 0:
                kept = imported.unwrap_key(token)
                assert imported.decrypt(imported.encrypt(payload, kept.uid, alg="dir")) == payload
                imported.set_key_state(kept.uid, jwekms.KeyState.DESTROYED)
                with pytest.raises(jwekms.NotFound):
                    imported.describe_key("nobody")
        return number

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == list(range(8))


def test_closing_while_threads_are_inside(tmp_path, rsa):
    for round in range(25):
        kms = jwekms.Kms(tmp_path / "keys.db", on_warning=lambda text: None)
        if round == 0:
            kms.import_key(rsa.export(private_key=True), uid="rsa")
        token, handle = seal(rsa, b"payload"), weakref.ref(kms._handle)
        started = threading.Barrier(5)

        def work():
            started.wait()
            count = 0
            while True:
                try:
                    assert kms.decrypt(token) == b"payload"
                except ValueError as error:
                    assert "closed" in str(error)
                    return count
                count += 1

        with ThreadPoolExecutor(4) as pool:
            running = [pool.submit(work) for _ in range(4)]
            started.wait()
            time.sleep(0.002 * (round % 5))
            kms.close()
            assert all(each.result() >= 0 for each in running)
        gc.collect()
        assert handle() is None, "closed, and yet open"


def test_callbacks_from_many_threads(tmp_path, rsa):
    seen = []
    with jwekms.Kms(tmp_path / "keys.db", on_warning=print,
                    on_audit=lambda event: seen.append((threading.get_ident(), event.operation))) as kms:
        kms.import_key(rsa.export(private_key=True), uid="rsa")
        token = seal(rsa, b"payload")

        def work(_):
            kms.decrypt(token)
            return threading.get_ident()

        with ThreadPoolExecutor(4) as pool:
            callers = list(pool.map(work, range(40)))
    assert sorted(seen[1:]) == sorted((caller, "decrypt") for caller in callers)
