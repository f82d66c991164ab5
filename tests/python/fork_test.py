# SPDX-License-Identifier: Apache-2.0
"""Forked processes: multiprocessing, and gunicorn with workers that inherit what the master opened."""
import concurrent.futures
import http.client
import multiprocessing
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from conftest import forked, seal, tampered

import jwekms

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

HERE = pathlib.Path(__file__).resolve().parent
fork = multiprocessing.get_context("fork")
inherited = None  # by children


def open_in_child(token):
    return os.getpid(), inherited.decrypt(token)


def fail_in_child(token):
    return inherited.decrypt(token)


@pytest.fixture
def parent(imported):
    global inherited
    inherited = imported
    yield imported
    inherited = None


def test_a_pool_of_forked_processes(parent, rsa):
    tokens = [seal(rsa, b"%d" % i) for i in range(40)]
    assert parent.decrypt(tokens[0]) == b"0"
    with fork.Pool(4) as pool:
        answers = pool.map(open_in_child, tokens, chunksize=1)
        with pytest.raises(jwekms.DecryptionFailed) as caught:
            pool.apply(fail_in_child, (tampered(tokens[0]),))
    assert caught.value.code is jwekms.Status.DECRYPTION_FAILED
    assert [payload for _, payload in answers] == [b"%d" % i for i in range(40)]
    assert os.getpid() not in {pid for pid, _ in answers}


def test_children_and_parent_write_to_one_database(parent):
    with concurrent.futures.ProcessPoolExecutor(4, mp_context=fork) as pool:
        made = list(pool.map(make_a_key, range(20)))
    made.append(make_a_key(20))
    assert {key.uid for key in parent.list_keys()} == {"rsa", *made}


def make_a_key(number):
    return inherited.create_key(uid=f"key-{number}", type=jwekms.KeyType.OCT).uid


def decrypts(kms, token):
    """The exit code of a child: 0, or 2 when it was forked during a call to the database."""
    try:
        return 0 if kms.decrypt(token) == b"payload" else 1
    except jwekms.Unavailable:
        return 2


def test_forks_while_threads_are_inside(parent, rsa):
    token, done, ready = seal(rsa, b"payload"), threading.Event(), threading.Barrier(4)

    def work():
        assert parent.decrypt(token) == b"payload"  # reads the key: a child forked during that may hang (THREADS.md)
        ready.wait(60)
        while not done.is_set():
            assert parent.decrypt(token) == b"payload"

    threads = [threading.Thread(target=work) for _ in range(3)]
    for each in threads:
        each.start()
    try:
        ready.wait(60)
        codes = []
        for _ in range(15):
            child = forked(lambda: decrypts(parent, token))
            codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        assert set(codes) <= {0, 2} and codes.count(0) > 7, codes
    finally:
        done.set()
        for each in threads:
            each.join()


def test_a_child_that_closes_leaves_the_parent_open(parent, rsa):
    token = seal(rsa, b"payload")
    assert os.waitpid(forked(lambda: parent.close() or 0), 0)[1] == 0
    assert parent.decrypt(token) == b"payload"


def test_a_child_that_ends_as_python_does(parent, rsa):
    """Finalisers, atexit and all, in the child; the parent goes on."""
    child = fork.Process(target=open_in_child, args=(seal(rsa, b"payload"),))
    child.start()
    child.join()
    assert child.exitcode == 0
    assert parent.decrypt(seal(rsa, b"payload")) == b"payload"


def environment(**more):
    places = [each for each in (os.environ.get("PYTHONPATH"), str(HERE)) if each]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(places), **more}


class Unix(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)

    def post(self, body):
        self.request("POST", "/decrypt", body)
        answer = self.getresponse()
        return answer.status, answer.read(), int(answer.headers["X-Worker"])


class Gunicorn:
    def __init__(self, folder, **env):
        self.path, self.log = str(folder / "socket"), folder / "log"
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--preload", "--workers", "4", "--threads", "2",
             "--bind", f"unix:{self.path}", "--error-logfile", self.log, "--worker-tmp-dir", folder,
             "prefork_app:application"],
            env=environment(**env), stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)

    def __enter__(self):
        for _ in range(600):
            assert self.process.poll() is None, self.log.read_text()
            try:
                Unix(self.path).connect()
                return self
            except OSError:
                time.sleep(0.1)
        raise AssertionError("no gunicorn after a minute")

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(30)
        finally:
            self.process.kill()

    def requests(self, token, count, cut_off=()):
        """From 8 clients at a time, each on connections of its own; some may be cut off."""
        def one(_):
            connection = Unix(self.path)
            try:
                return connection.post(token)
            except cut_off:
                return None
            finally:
                connection.close()

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            return [answer for answer in pool.map(one, range(count)) if answer]

    def until(self, enough, token, cut_off=()):
        """The workers that answered, all of them well. The kernel chooses who serves, and a worker may begin late."""
        seen = set()
        for _ in range(1000):
            answers = self.requests(token, 40, cut_off)
            assert {answer[:2] for answer in answers} == {(200, b"payload")}
            seen |= {worker for _, _, worker in answers}
            if enough(seen):
                return seen
        raise AssertionError(f"only {seen} answered: {self.log.read_text()}")


def check_prefork(folder, token, **env):
    with Gunicorn(folder, **env) as server:
        workers = server.until(lambda seen: len(seen) == 4, token)
        assert server.process.pid not in workers
        bad = server.requests(tampered(token), 8)
        assert {answer[:2] for answer in bad} == {(422, b"decryption_failed")}
        os.kill(min(workers), signal.SIGKILL)  # the master forks another, long after it opened the Kms
        server.until(lambda seen: seen - workers, token, cut_off=(OSError, http.client.HTTPException))
    assert server.process.returncode == 0, server.log.read_text()
    assert "Traceback" not in server.log.read_text()


def test_gunicorn_prefork(tmp_path, rsa):
    with jwekms.Kms(tmp_path / "keys.db", on_warning=print) as kms:
        kms.import_key(rsa.export(private_key=True), uid="rsa")
    check_prefork(tmp_path, seal(rsa, b"payload"), JWEKMS_TEST_DATABASE=str(tmp_path / "keys.db"))


@pytest.mark.hsm
def test_gunicorn_prefork_with_an_hsm(tmp_path, hsm):
    with jwekms.Kms(tmp_path / "keys.db", hsms=[hsm], on_warning=print) as kms:
        uid = kms.create_key(uid="hsm::softhsm2::0::prefork").uid
        token = kms.encrypt(b"payload", uid, alg="RSA-OAEP")
    check_prefork(tmp_path, token, JWEKMS_TEST_DATABASE=str(tmp_path / "keys.db"), JWEKMS_TEST_HSM="1")
