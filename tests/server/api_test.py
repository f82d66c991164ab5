# SPDX-License-Identifier: Apache-2.0
"""The whole API by a client that shares no code with the server: requests and jwcrypto."""
import email.utils
import json
import time
import unittest

import harness
from harness import b64, from_b64
from jwcrypto import jwe, jwk

ENCS = ("A128GCM", "A192GCM", "A256GCM")


class Api(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.kid = cls.server.good("POST", "/v1/crypto/keys", {"kty": "RSA", "kid": "rsa"})["kid"]

    def failed(self, status, error, *request, **how):
        answer = self.server.call(*request, **how)
        self.assertEqual((answer.status_code, answer.json()["error"]), (status, error), answer.text)
        self.assertEqual(answer.headers["Content-Type"], "application/json")
        return answer

    def test_decrypt(self):
        key = harness.public_key(self.server, self.kid)
        for alg in ("RSA-OAEP", "RSA-OAEP-256"):
            for enc in ENCS:
                for size in (0, 1, 15, 16, 17, 4096, 100000):
                    with self.subTest(alg=alg, enc=enc, size=size):
                        plaintext = harness.random_bytes(size)
                        answer = self.server.good("POST", "/v1/crypto/decrypt",
                                                  harness.token(key, self.kid, plaintext, alg, enc))
                        self.assertEqual(answer, {"kid": self.kid, "data": b64(plaintext)})

    def test_encrypt(self):
        private = jwk.JWK.generate(kty="RSA", size=2048, kid="imported")
        self.server.good("POST", "/v1/crypto/keys", {"jwk": json.loads(private.export_private())})
        for alg in ("RSA-OAEP", "RSA-OAEP-256"):
            for enc in ENCS:
                with self.subTest(alg=alg, enc=enc):
                    made = self.server.good("POST", "/v1/crypto/encrypt",
                                            {"kid": "imported", "alg": alg, "enc": enc, "data": b64("value"),
                                             "aad": b64("more")})
                    token = jwe.JWE()
                    token.deserialize(json.dumps(made), private)
                    self.assertEqual(token.payload, b"value")
                    self.assertEqual(made["aad"], b64("more"))

    def test_reencrypt(self):
        private = jwk.JWK.generate(kty="RSA", size=2048, kid="theirs")
        self.server.good("POST", "/v1/crypto/keys", {"jwk": json.loads(private.export_private())})
        key = harness.public_key(self.server, self.kid)
        request = harness.token(key, self.kid, b"value") | {"kid": "theirs", "alg": "RSA-OAEP-256", "enc": "A128GCM"}
        token = jwe.JWE()
        token.deserialize(json.dumps(self.server.good("POST", "/v1/crypto/reencrypt", request)), private)
        self.assertEqual(token.payload, b"value")

    def test_unwrap_and_dir(self):
        key = harness.public_key(self.server, self.kid)
        for enc, size in zip(ENCS, (16, 24, 32)):
            with self.subTest(enc=enc):
                cek = harness.random_bytes(size)
                members = harness.token(key, self.kid, b"", enc=enc, cek=cek)
                kept = self.server.good("POST", "/v1/crypto/keys/unwrap",
                                        {name: members[name] for name in ("protected", "encrypted_key")})
                self.assertEqual(kept["alg"], enc)
                self.assertNotIn(b64(cek), json.dumps(kept))
                answer = self.server.good("POST", "/v1/crypto/decrypt",
                                          harness.dir_token(cek, kept["kid"], b"value", enc))
                self.assertEqual(from_b64(answer["data"]), b"value")

    def test_keys(self):
        made = self.server.call("POST", "/v1/crypto/keys", {"kty": "RSA", "kid": "a/b ü%", "aliases": ["their-kid"]})
        self.assertEqual(made.status_code, 201)
        path = "/v1/crypto/keys/a%2Fb%20%C3%BC%25"
        key = self.server.good("GET", path)
        self.assertEqual((key["kid"], key["state"], key["aliases"]), ("a/b ü%", "active", ["their-kid"]))
        self.assertEqual(set(key["public_jwk"]) & {"d", "p", "q", "dp", "dq", "qi"}, set())
        self.failed(409, "conflict", "POST", "/v1/crypto/keys", {"kty": "RSA", "kid": "a/b ü%"})
        token = harness.token(jwk.JWK.from_json(json.dumps(key["public_jwk"])), "their-kid", b"value")
        self.server.good("POST", "/v1/crypto/decrypt", token)
        self.assertEqual(self.server.good("PATCH", path, {"state": "deactivated"})["state"], "deactivated")
        self.failed(403, "forbidden", "POST", "/v1/crypto/encrypt",
                    {"kid": "a/b ü%", "alg": "RSA-OAEP-256", "enc": "A256GCM", "data": ""})
        self.server.good("POST", "/v1/crypto/decrypt", token)
        self.assertTrue(self.server.call("DELETE", path).ok)
        self.failed(404, "not_found", "GET", path)
        self.failed(404, "not_found", "POST", "/v1/crypto/decrypt", token)

    def test_paging_and_key_set(self):
        kids = [f"page-{i}" for i in range(5)]
        for kid in kids:
            self.server.good("POST", "/v1/crypto/keys", {"kty": "oct", "kid": kid})
        found, after = [], ""
        while True:
            page = self.server.good("GET", f"/v1/crypto/keys?limit=2&after={harness.requests.utils.quote(after, '')}")
            self.assertLessEqual(len(page["keys"]), 2)
            found += [key["kid"] for key in page["keys"]]
            if not page["more"]:
                break
            after = found[-1]
        self.assertEqual([kid for kid in found if kid.startswith("page-")], kids)
        self.assertEqual(len(found), len(set(found)))
        answer = self.server.call("GET", "/.well-known/jwks.json")
        self.assertEqual(answer.headers["Content-Type"], "application/jwk-set+json")
        self.assertIn(self.kid, [key["kid"] for key in answer.json()["keys"]])
        self.assertEqual({key["kty"] for key in answer.json()["keys"]}, {"RSA"})

    def test_kmip(self):
        answer = self.server.call("POST", "/kmip/2_1", {"tag": "Nonsense"})
        self.assertIn(answer.status_code, (200, 400, 422))
        self.assertTrue(answer.json())

    def test_paths_and_methods(self):
        self.failed(404, "not_found", "GET", "/")
        self.failed(404, "not_found", "POST", "/v1/crypto/sign", {})
        answer = self.failed(405, "method_not_allowed", "GET", "/v1/crypto/decrypt")
        self.assertEqual(answer.headers["Allow"], "POST")
        answer = self.failed(405, "method_not_allowed", "PUT", "/v1/crypto/keys/rsa", {})
        self.assertEqual(set(answer.headers["Allow"].split(", ")), {"GET", "PATCH", "DELETE"})

    def test_what_a_page_might_send(self):
        key = harness.public_key(self.server, self.kid)
        body = json.dumps(harness.token(key, self.kid, b"value"))
        for media_type in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""):
            with self.subTest(media_type=media_type):
                answer = harness.http.post(self.server.url + "/v1/crypto/decrypt", body,
                                           headers={"Content-Type": media_type})
                self.assertEqual((answer.status_code, answer.json()["error"]), (415, "unsupported_media_type"))
        for media_type in ("application/json", "Application/JSON; charset=utf-8"):
            self.assertTrue(harness.http.post(self.server.url + "/v1/crypto/decrypt", body,
                                              headers={"Content-Type": media_type}).ok)
        self.failed(403, "forbidden", "POST", "/v1/crypto/decrypt", json.loads(body),
                    headers={"Origin": "http://127.0.0.1"})

    def test_headers_of_answers(self):
        for path in ("/v1/crypto/keys", "/healthz", "/nothing"):
            headers = self.server.call("GET", path).headers
            self.assertEqual(headers["Cache-Control"], "no-store")
            self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
            self.assertNotIn("Server", headers)
            sent = email.utils.parsedate_to_datetime(headers["Date"])
            self.assertLess(abs(time.time() - sent.timestamp()), 60)

    def test_health_and_metrics(self):
        self.assertEqual(self.server.good("GET", "/healthz"), {"status": "ok"})
        self.assertEqual(self.server.good("GET", "/readyz"), {"status": "ready", "components": {"database": "up"}})
        self.failed(404, "not_found", "GET", "/nowhere-else")
        answer = self.server.call("GET", "/metrics")
        self.assertEqual(answer.headers["Content-Type"], "text/plain; version=0.0.4")
        samples = {}
        for line in answer.text.splitlines():
            if not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                samples[name] = float(value)
        self.assertEqual(samples['jwekms_up{component="database"}'], 1)
        self.assertGreaterEqual(samples['jwekms_requests_total{operation="none",status="404"}'], 1)
        self.assertEqual(samples['jwekms_request_duration_seconds_bucket{operation="none",le="+Inf"}'],
                         samples['jwekms_request_duration_seconds_count{operation="none"}'])
        self.assertGreater(samples["jwekms_connections_open"], 0)
        types = [line.split()[2] for line in answer.text.splitlines() if line.startswith("# TYPE")]
        self.assertEqual(len(types), len(set(types)))

    def test_audit(self):
        """Who, what, which key, with what result; never a token, a plaintext or a key."""
        key = harness.public_key(self.server, self.kid)
        secret = harness.random_bytes(32)
        members = harness.token(key, self.kid, secret, cek=secret)
        self.server.good("POST", "/v1/crypto/decrypt", members)
        self.server.call("POST", "/v1/crypto/decrypt", members | {"tag": b64(b"\0" * 16)})
        kept = self.server.good("POST", "/v1/crypto/keys/unwrap",
                                {name: members[name] for name in ("protected", "encrypted_key")})
        self.server.call("GET", "/v1/crypto/keys/%22%0A%FF%5C")
        lines = self.server.audit()[-4:]
        self.assertEqual([(line["operation"], line["result"], line["status"]) for line in lines],
                         [("decrypt", "ok", 200), ("decrypt", "decryption_failed", 422),
                          ("unwrap_key", "ok", kept and lines[2]["status"]), ("describe_key", "not_found", 404)])
        for line in lines:
            self.assertEqual((line["principal"], line["method"]), ("admin", "anonymous"))
            self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
            self.assertRegex(line["remote"], r"^127\.0\.0\.1 \d+$")
            self.assertGreater(line["duration_us"], 0)
        self.assertEqual(lines[0]["kid"], self.kid)
        self.assertEqual(lines[2]["uid"], self.kid)
        self.assertEqual(lines[2]["other"], kept["kid"])
        self.assertEqual(lines[3]["kid"], '"\n\ufffd\\')
        text = self.server.audit_path.read_text() + self.server.log()
        for hidden in (b64(secret), members["encrypted_key"], members["protected"], members["ciphertext"]):
            self.assertNotIn(hidden, text)


if __name__ == "__main__":
    unittest.main()
