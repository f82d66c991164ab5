# SPDX-License-Identifier: Apache-2.0
"""README.md's first commands, on a port that is free."""
import json
import pathlib
import re
import subprocess
import unittest

import harness

README = pathlib.Path(__file__).resolve().parents[2] / "examples/rest_server/README.md"


def blocks(language):
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```$", README.read_text())


class FirstCommands(unittest.TestCase):
    def test_the_shortest_configuration(self):
        (config,), (start, ask) = blocks("toml"), blocks("bash")
        self.assertEqual(start, "jwekms-server try.toml\n")
        server = harness.Server(config + "[http]\nport = 0\n")
        self.addCleanup(server.close)
        self.assertIn("http://127.0.0.1:9998/", ask)
        said = subprocess.run(["bash", "-euo", "pipefail", "-c", ask.replace("http://127.0.0.1:9998", server.url)],
                              capture_output=True, text=True, timeout=60, check=True).stdout
        self.assertEqual(json.loads(said)["kty"], "RSA")
        self.assertTrue((server.folder / "keys.db").exists())

    def test_the_log_speaks_of_the_operations_that_are_named(self):
        named = re.search(r"(?s)An `operation`.*?The library's own", README.read_text())[0]
        server = harness.Server(harness.DATABASE)
        self.addCleanup(server.close)
        key = server.good("POST", "/v1/crypto/keys", {"kty": "RSA"})["kid"]
        token = harness.token(harness.public_key(server, key), key, b"x")
        server.call("POST", "/v1/crypto/decrypt", token)
        server.call("POST", "/v1/crypto/encrypt", {"kid": key, "alg": "RSA-OAEP", "enc": "A128GCM", "data": "eA"})
        server.call("POST", "/v1/crypto/reencrypt", token | {"kid": key, "alg": "RSA-OAEP", "enc": "A128GCM"})
        server.call("POST", "/v1/crypto/keys/unwrap", {name: token[name] for name in ("protected", "encrypted_key")})
        for method, path in (("GET", "/v1/crypto/keys"), ("PATCH", f"/v1/crypto/keys/{key}"),
                             ("DELETE", f"/v1/crypto/keys/{key}"), ("GET", "/.well-known/jwks.json"),
                             ("POST", "/kmip/2_1"), ("GET", "/nothing")):
            server.call(method, path, {} if method in ("POST", "PATCH") else None)
        seen = {line["operation"] for line in server.audit()}
        self.assertEqual(seen, set(re.findall(r"`([a-z_]+)`", named)) - {"operation"})


if __name__ == "__main__":
    unittest.main()
