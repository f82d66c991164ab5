# SPDX-License-Identifier: Apache-2.0
"""The server's own answers against the OpenAPI document: each that it has is seen, and fits.

What the service answers is held against the document by tests/service/check_openapi.py.
"""
import hashlib
import json
import pathlib
import unittest

import harness
import jsonschema

DOCUMENT = json.loads((pathlib.Path(__file__).resolve().parents[2] / "examples/rest_server/openapi.json").read_text())
OWN = ("401", "415", "429", "431")
TOKEN = "jwekms_" + harness.b64(bytes(32))
HEADERS = {"Authorization": "Bearer " + TOKEN}
CONFIG = """[http]
port = 0
[http.limits]
max_header_bytes = 2000
requests_per_second = {rate}
[[auth.tokens]]
principal = "a"
sha256 = "{sha256}"
[db]
sqlite_path = "keys.db"
"""


def operations():
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path.replace("{kid}", "x"), operation


class OpenApi(unittest.TestCase):
    def start(self, rate=0):
        server = harness.Server(CONFIG.format(rate=rate, sha256=hashlib.sha256(TOKEN.encode()).hexdigest()))
        self.addCleanup(server.close)
        return server

    def check(self, operation, answer):
        """That the document has this answer for the operation, and that it fits."""
        status = str(answer.status_code)
        self.assertIn(status, operation["responses"])
        response = operation["responses"][status]
        if "$ref" in response:
            response = DOCUMENT["components"]["responses"][status]
        self.assertEqual(list(response["content"]), [answer.headers["Content-Type"]])
        value = answer.json() if "json" in answer.headers["Content-Type"] else answer.text
        schema = {"components": DOCUMENT["components"], **list(response["content"].values())[0]["schema"]}
        jsonschema.Draft202012Validator(schema).validate(value)
        for name, header in response.get("headers", {}).items():
            found = answer.headers[name]
            jsonschema.Draft202012Validator(header["schema"]).validate(
                int(found) if header["schema"].get("type") == "integer" else found)

    def test_answers_of_every_operation(self):
        """Strangers, wrong types, large headers and too many requests, on each path."""
        server = self.start()
        slow = self.start(rate=1)
        self.assertEqual(slow.call("GET", "/v1/crypto/keys", headers=HEADERS).status_code, 200)
        for method, path, operation in operations():
            if "server" in operation.get("tags", []):
                continue
            with self.subTest(method=method, path=path):
                body = {} if "requestBody" in operation else None
                asked = {"401": server.call(method, path, body),
                         "431": server.call(method, path, body, headers=HEADERS | {"X": "x" * 3000})}
                if body is not None:
                    asked["415"] = server.call(method, path, body, headers=HEADERS | {"Content-Type": "text/plain"})
                for _ in range(100):
                    asked["429"] = slow.call(method, path, body, headers=HEADERS)
                    if asked["429"].status_code == 429:
                        break
                for status, answer in asked.items():
                    self.assertEqual(str(answer.status_code), status)
                    self.check(operation, answer)
                self.assertEqual(set(operation["responses"]) & set(OWN), set(asked))

    def test_paths_of_the_server(self):
        server = self.start()
        for method, path, operation in operations():
            if "server" not in operation.get("tags", []):
                continue
            with self.subTest(path=path):
                self.check(operation, server.call(method, path, headers=HEADERS))
                answer = server.call(method, path)
                self.assertEqual(answer.status_code, 200 if operation.get("security") == [] else 401)
                self.check(operation, answer)


if __name__ == "__main__":
    unittest.main()
