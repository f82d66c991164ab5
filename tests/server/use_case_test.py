# SPDX-License-Identifier: Apache-2.0
"""The use case's curl commands against a server with the use case's configuration.

Both stand in files here as the use case shows them. Only the host (and the port, which may be taken)
and what stands between < and > are filled in.
"""
import json
import pathlib
import re
import subprocess
import tempfile
import unittest

import harness
from harness import b64, from_b64

HERE = pathlib.Path(__file__).parent
CONFIG = (HERE / "use_case.toml").read_text()
DECRYPT, ENCRYPT, UNWRAP, DECRYPT_DIR = (HERE / "use_case_curl.txt").read_text().strip().split("\n\n")
HSM_KEY = "hsm::softhsm2::0::my_rsa_key"


def on_loopback(config):
    return config.replace('"0.0.0.0"', '"127.0.0.1"').replace("9998", "0")


class UseCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        env = harness.softhsm_token(folder, "changeme")
        cls.server = harness.Server(on_loopback(CONFIG), "--insecure", env=env, folder=folder)
        cls.addClassCleanup(cls.server.close)
        cls.server.good("POST", "/v1/crypto/keys", {"kty": "RSA", "kid": HSM_KEY})
        cls.server.good("POST", "/v1/crypto/keys", {"kty": "RSA", "kid": "db-key"})

    def curl(self, command, members):
        """Runs a command with each "name": "<...>" filled in; gives the answer's body."""
        for name, value in members.items():
            command, count = re.subn(rf'("{name}": )"<.*>"', lambda found: f'{found[1]}"{value}"', command)
            assert count == 1, name
        assert "<" not in command
        command = command.replace("https://kms.example.com", self.server.url)
        command = command.replace("curl -s", "curl -s --noproxy '*' --max-time 60")
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    def test_one_shot_decrypt(self):
        for kid in (HSM_KEY, "db-key"):
            with self.subTest(kid=kid):
                members = harness.token(harness.public_key(self.server, kid), kid, b"value")
                answer = self.curl(DECRYPT, members)
                self.assertEqual(answer, {"kid": kid, "data": b64("value")})

    def test_reencryption(self):
        answer = self.curl(ENCRYPT, {"kid": "db-key", "data": b64("value")})
        header = json.loads(from_b64(answer["protected"]))
        self.assertEqual(header, {"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": "db-key"})
        members = {name: answer[name] for name in ("protected", "encrypted_key", "iv", "ciphertext", "tag")}
        self.assertEqual(from_b64(self.curl(DECRYPT, members)["data"]), b"value")

    def test_unwrap_once_then_decrypt(self):
        for kid in (HSM_KEY, "db-key"):
            with self.subTest(kid=kid):
                cek = harness.random_bytes(32)
                members = harness.token(harness.public_key(self.server, kid), kid, b"", cek=cek)
                kept = self.curl(UNWRAP, {"protected": members["protected"],
                                          "encrypted_key": members["encrypted_key"]})
                self.assertEqual({name: kept[name] for name in ("kty", "alg")},
                                 {"kty": "oct", "alg": "A256GCM"})
                self.assertCountEqual(kept["key_ops"], ["encrypt", "decrypt"])
                for value in (b"first", b"second"):
                    later = harness.dir_token(cek, kept["kid"], value)
                    later.pop("encrypted_key", None)
                    self.assertEqual(self.curl(DECRYPT_DIR, later), {"kid": kept["kid"], "data": b64(value)})

    def test_error_conditions(self):
        members = harness.token(harness.public_key(self.server, "db-key"), "db-key", b"value")
        other = harness.token(harness.public_key(self.server, HSM_KEY), "db-key", b"value")

        def header(**parts):
            return {"protected": b64(json.dumps(parts))}

        full = {"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": "db-key"}
        for command, change, error in (
                (DECRYPT, {"protected": "a+b"}, "bad_request"),
                (DECRYPT, {"encrypted_key": "a=b"}, "bad_request"),
                (DECRYPT, header(enc="A256GCM", kid="db-key"), "bad_request"),
                (DECRYPT, header(alg="RSA-OAEP-256", kid="db-key"), "bad_request"),
                (DECRYPT, header(alg="RSA-OAEP-256", enc="A256GCM"), "bad_request"),
                (DECRYPT, {"encrypted_key": ""}, "bad_request"),
                (UNWRAP, {"encrypted_key": ""}, "bad_request"),
                (UNWRAP, header(**full | {"alg": "dir"}), "unsupported_algorithm"),
                (UNWRAP, header(**full | {"alg": "A128KW"}), "unsupported_algorithm"),
                (DECRYPT, header(**full | {"kid": "nobody"}), "not_found"),
                (DECRYPT, {"tag": b64(b"\0" * 16)}, "decryption_failed"),
                (DECRYPT, {"encrypted_key": other["encrypted_key"]}, "decryption_failed"),
                (UNWRAP, header(**full | {"enc": "A128GCM"}), "crypto_failure")):
            with self.subTest(change=change, error=error):
                wanted = members if command == DECRYPT else {
                    name: members[name] for name in ("protected", "encrypted_key")}
                self.assertEqual(self.curl(command, wanted | change)["error"], error)

    def test_store_in_hsm(self):
        # RSA-OAEP: what SoftHSM can unwrap to an object of its own.
        cek = harness.random_bytes(32)
        members = harness.token(harness.public_key(self.server, HSM_KEY), HSM_KEY, b"", alg="RSA-OAEP", cek=cek)
        kept = self.server.good("POST", "/v1/crypto/keys/unwrap",
                                {"protected": members["protected"], "encrypted_key": members["encrypted_key"],
                                 "store_in_hsm": True, "label": "ksym_123"})
        self.assertEqual(kept["kid"], "hsm::softhsm2::0::ksym_123")
        later = harness.dir_token(cek, kept["kid"], b"value")
        later.pop("encrypted_key", None)
        self.assertEqual(self.curl(DECRYPT_DIR, later), {"kid": kept["kid"], "data": b64("value")})

    def test_the_log_complains(self):
        status, said = harness.run_server("--check", "--insecure", config=CONFIG)
        self.assertEqual(status, 0, said)
        self.assertIn("warning: insecure: no [http.tls]", said)
        self.assertIn('warning: insecure: no [auth]: whoever reaches 0.0.0.0 acts as "admin"', said)

    def test_refused_without_the_switch(self):
        status, said = harness.run_server(config=CONFIG)
        self.assertEqual(status, 2, said)
        self.assertIn("refusing to listen on 0.0.0.0", said)
        self.assertNotIn("listening", said)


if __name__ == "__main__":
    unittest.main()
