# SPDX-License-Identifier: Apache-2.0
"""A server under test, on 127.0.0.1 and a port of its own, and what its tests share.

JWEKMS_SERVER names the program. Each test file is a program: unittest's command line.
"""
import base64
import json
import os
import pathlib
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import requests
from jwcrypto import jwe, jwk

SERVER = os.environ["JWEKMS_SERVER"]
SOFTHSM = next((path for path in ("/usr/lib/softhsm/libsofthsm2.so",
                                  f"/usr/lib/{os.uname().machine}-linux-gnu/softhsm/libsofthsm2.so")
                if os.path.exists(path)), None)


def session():
    """Nothing but what a test says: no proxy, no netrc."""
    made = requests.Session()
    made.trust_env = False
    return made


http = session()


def b64(data):
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else data.encode()).rstrip(b"=").decode()


def from_b64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def softhsm_token(folder, pin, label="jwekms"):
    """A SoftHSM token; gives the environment that it needs."""
    tokens = pathlib.Path(folder) / "tokens"
    tokens.mkdir()
    conf = pathlib.Path(folder) / "softhsm2.conf"
    conf.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
    env = {"SOFTHSM2_CONF": str(conf)}
    subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", pin,
                    "--so-pin", "13572468"], env=os.environ | env, check=True, capture_output=True)
    return env


class Server:
    """A running server. Its configuration and files are in `folder`."""

    def __init__(self, config, *arguments, env=None, folder=None):
        self.own_folder = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="jwekms-server-"))
        self.config = self.folder / "jwekms.toml"
        self.config.touch(mode=0o600)
        self.config.write_text(config)
        self.arguments = arguments
        self.env = os.environ | (env or {})
        self.start()

    def start(self):
        self.log_path = self.folder / "log"
        self.audit_path = self.folder / "stdout"
        with open(self.log_path, "w") as log, open(self.audit_path, "a") as audit:
            self.process = subprocess.Popen([SERVER, *self.arguments, self.config], env=self.env,
                                            stdout=audit, stderr=log)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            found = re.search(r"listening on (\S+) port (\d+) with(out)? TLS", self.log())
            if found:
                self.port = int(found[2])
                host = "127.0.0.1" if found[1] == "0.0.0.0" else found[1]
                self.url = f"http{'' if found[3] else 's'}://{host}:{self.port}"
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError("no server: " + self.log())

    def log(self):
        return self.log_path.read_text()

    def audit(self):
        return [json.loads(line) for line in self.audit_path.read_text().splitlines()]

    def wait_for(self, condition, seconds=20):
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError("waited in vain: " + self.log())
            time.sleep(0.02)

    def reload(self, config=None):
        before = self.log().count("reloaded tokens")
        if config is not None:
            self.config.write_text(config)
        self.process.send_signal(signal.SIGHUP)
        self.wait_for(lambda: self.log().count("reloaded tokens") > before)

    def stop(self, expected=0):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(60)
        assert status == expected, (status, self.log())

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        try:
            if self.process.poll() is None:
                self.stop()
        finally:
            self.kill()
            if self.own_folder:
                shutil.rmtree(self.folder)

    def call(self, method, path, body=None, **how):
        return http.request(method, self.url + path, json=body, timeout=60, **how)

    def good(self, method, path, body=None, **how):
        answer = self.call(method, path, body, **how)
        assert answer.ok, (method, path, answer.status_code, answer.text)
        return answer.json() if answer.text else None


def run_server(*arguments, config, env=None):
    """A server that is expected to end by itself: its exit status and what it says."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "jwekms.toml"
        path.write_text(config)
        done = subprocess.run([SERVER, *arguments, path], capture_output=True, text=True, timeout=60,
                              env=os.environ | (env or {}))
        return done.returncode, done.stdout + done.stderr


DATABASE = '[http]\nport = 0\n[db]\nsqlite_path = "keys.db"\n'


def public_key(server, kid, **how):
    """What a sender has: the key's public half, as jwcrypto takes it."""
    return jwk.JWK.from_json(json.dumps(server.good("GET", f"/v1/crypto/keys/{requests.utils.quote(kid, '')}",
                                                    **how)["public_jwk"]))


def token(key, kid, plaintext, alg="RSA-OAEP-256", enc="A256GCM", cek=None):
    """A flattened JWE by jwcrypto, as a request body; optionally under a CEK of one's own."""
    made = jwe.JWE(plaintext, json.dumps({"alg": alg, "enc": enc, "kid": kid}))
    if cek is not None:
        made.cek = cek
    made.add_recipient(key)
    members = json.loads(made.serialize())
    return {name: members[name] for name in ("protected", "encrypted_key", "iv", "ciphertext", "tag")
            if name in members}


def dir_token(cek, kid, plaintext, enc="A256GCM"):
    """A token for a kept CEK, by jwcrypto."""
    return token(jwk.JWK(kty="oct", k=b64(cek)), kid, plaintext, alg="dir", enc=enc)


def random_bytes(size):
    return secrets.token_bytes(size)


class TestCase(unittest.TestCase):
    """Each class has one server, made by its `config` and `arguments`."""
    config = DATABASE
    arguments = ()
    env = None

    @classmethod
    def setUpClass(cls):
        cls.server = Server(cls.config, *cls.arguments, env=cls.env)
        cls.addClassCleanup(cls.server.close)
