# SPDX-License-Identifier: Apache-2.0
"""A few thousand malformed requests, generated: none gets a 5xx but 503, none ends the server.

JWEKMS_CASES sets how many of each kind (default 1500), JWEKMS_SEED the seed.
"""
import json
import os
import random
import re
import socket
import unittest

import harness
from harness import b64

CASES = int(os.environ.get("JWEKMS_CASES", "1500"))
SEED = int(os.environ.get("JWEKMS_SEED", "1"))
JSON_TYPE = b"Content-Type: application/json\r\n"


def request(body, path=b"/v1/crypto/decrypt", method=b"POST", more=JSON_TYPE):
    return (method + b" " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + more
            + b"Content-Length: %d\r\n\r\n" % len(body) + body)


class Malformed(harness.TestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.random = random.Random(SEED)
        kid = cls.server.good("POST", "/v1/crypto/keys", {"kty": "RSA", "kid": "rsa"})["kid"]
        token = harness.token(harness.public_key(cls.server, kid), kid, b"value")
        wrapped = {name: token[name] for name in ("protected", "encrypted_key")}
        cls.good = {
            ("POST", "/v1/crypto/decrypt"): token,
            ("POST", "/v1/crypto/encrypt"): {"kid": kid, "alg": "RSA-OAEP-256", "enc": "A256GCM", "data": "AAAA"},
            ("POST", "/v1/crypto/reencrypt"): token | {"kid": kid, "alg": "RSA-OAEP-256", "enc": "A256GCM"},
            ("POST", "/v1/crypto/keys/unwrap"): wrapped,
            ("POST", "/v1/crypto/keys"): {"kty": "oct", "enc": "A256GCM", "aliases": ["x"]},
            ("PATCH", "/v1/crypto/keys/rsa"): {"state": "active"},
            ("POST", "/kmip/2_1"): {"tag": "Import", "type": "Structure", "value": []},
        }

    def send(self, data):
        """The answer's status line and body; empty when the server just hung up."""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=30) as connection:
            connection.sendall(data)
            try:
                connection.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            answer = b""
            while True:
                try:
                    more = connection.recv(65536)
                except ConnectionResetError:
                    return answer
                if not more:
                    return answer
                answer += more

    def check(self, data):
        answer = self.send(data)
        statuses = [int(status) for status in re.findall(rb"^HTTP/1\.[01] (\d{3}) ", answer, re.M)]
        for status in statuses:
            self.assertTrue(status < 500 or status == 503, (data, answer))
        if answer:
            self.assertTrue(statuses, (data, answer))
        if statuses and statuses[-1] >= 400 and not data.startswith(b"HEAD "):
            # Each error has the API's shape, and says nothing of the request.
            body = json.loads(answer.rsplit(b"\r\n\r\n", 1)[1])
            self.assertTrue(set(body) >= {"error", "description"} or "tag" in body, answer)
        self.assertIsNone(self.server.process.poll(), (data, self.server.log()))
        return statuses

    def mutate(self, data):
        data = bytearray(data)
        for _ in range(self.random.choice((1, 1, 2, 5, 30))):
            at = self.random.randrange(len(data) + 1)
            kind = self.random.randrange(6)
            if kind == 0 and at < len(data):
                data[at] ^= 1 << self.random.randrange(8)
            elif kind == 1:
                data[at:at] = self.random.randbytes(self.random.choice((1, 2, 8, 100)))
            elif kind == 2:
                del data[at:at + self.random.choice((1, 2, 10, 1000))]
            elif kind == 3:
                data[at:at] = data[self.random.randrange(len(data) + 1):][:self.random.choice((1, 10, 100))]
            elif kind == 4:
                data[at:at] = self.random.choice((b"\r\n", b"\n", b"\0", b" ", b":", b"\xff", b"\r\n\r\n", b"chunked",
                                                  b"{", b"[", b'"', b"\\u0000", b"\\ud800", b"9" * 40, b"-", b"1e999"))
            elif at < len(data):
                data[at] = self.random.randrange(256)
        return bytes(data)

    def test_http(self):
        """Whole requests, mutated anywhere."""
        seen = set()
        for _ in range(CASES):
            (method, path), body = self.random.choice(list(self.good.items()))
            whole = request(json.dumps(body).encode(), path.encode(), method.encode())
            seen.update(self.check(self.mutate(whole)))
        self.assertTrue({200, 400, 404, 415} <= seen, seen)

    def test_json_bytes(self):
        """Good HTTP around mutated JSON."""
        seen = set()
        for _ in range(CASES):
            (method, path), body = self.random.choice(list(self.good.items()))
            seen.update(self.check(request(self.mutate(json.dumps(body).encode()), path.encode(), method.encode())))
        self.assertTrue({200, 400, 422} <= seen, seen)

    def wrong(self, depth=0):
        pick = self.random.randrange(14)
        values = (None, True, False, 0, -1, 2**70, 1.5, "", "A", "\0", "\u20ac" * 50, b64(harness.random_bytes(40)))
        if pick < 12 or depth > 5:
            return self.random.choice(values)
        if pick == 12:
            return [self.wrong(depth + 1) for _ in range(self.random.randrange(4))]
        return {self.random.choice(("alg", "enc", "kid", "x", "")): self.wrong(depth + 1)
                for _ in range(self.random.randrange(4))}

    def test_json_values(self):
        """Good JSON with members of other types, absent, or more of them."""
        seen = set()
        for _ in range(CASES):
            (method, path), body = self.random.choice(list(self.good.items()))
            body = dict(body)
            for _ in range(self.random.choice((1, 1, 2, 3))):
                name = self.random.choice([*body, "protected", "kid", "alg", "store_in_hsm", "jwk", "label", "more"])
                if self.random.randrange(4) == 0:
                    body.pop(name, None)
                elif name == "protected" and self.random.randrange(2):
                    header = {"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": "rsa"}
                    header[self.random.choice((*header, "zip", "crit", "b64"))] = self.wrong()
                    body[name] = b64(json.dumps(header))
                else:
                    body[name] = self.wrong()
            seen.update(self.check(request(json.dumps(body).encode(), path.encode(), method.encode())))
        self.assertTrue({200, 400, 422} <= seen, seen)

    def test_targets_and_methods(self):
        pieces = ("/", "v1", "crypto", "keys", "decrypt", "unwrap", "kmip", "2_1", "rsa", "..", ".", "%2e%2e", "%00",
                  "%", "%zz", "?", "limit=", "limit=1", "&", "after=", "#", "%2F", "\xff", "http://h", "*", ";", "//",
                  "-1", "99999999999999999999", "prefix=hsm::", "hsm::softhsm2::0::x", "hsm::", "é")
        for _ in range(CASES):
            target = self.random.choice(("/", "", "/v1/crypto/keys")) + "".join(
                self.random.choices(pieces, k=self.random.randrange(8)))
            method = self.random.choice(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT",
                                         "get", "FOO", "G\xe9T"))
            body = self.random.choice((b"", b"{}", b"null"))
            self.check(request(body, target.encode("latin-1"), method.encode("latin-1")))

    def test_smuggling(self):
        """Two ways to tell a body's end in one request."""
        inner = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        for headers in (b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n", b"Content-Length: 4\r\nContent-Length: 5\r\n",
                        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", b"Content-Length: +4\r\n",
                        b"Content-Length: 4, 4\r\n", b"Content-Length: 0x4\r\n", b"Content-Length : 4\r\n",
                        b"Transfer-Encoding: xchunked\r\n", b"Transfer-Encoding: chunked, identity\r\n",
                        b"Content-Length: -1\r\n", b"Host: y\r\n", b" Content-Length: 4\r\n"):
            with self.subTest(headers=headers):
                answer = self.send(b"POST /v1/crypto/decrypt HTTP/1.1\r\nHost: x\r\n" + JSON_TYPE + headers
                                   + b"\r\n0\r\n\r\n" + inner)
                self.assertTrue(answer.startswith(b"HTTP/1.1 4"), answer)
                self.assertNotIn(b'{"status":"ok"}', answer)
        self.assertTrue(self.send(b"GET /healthz HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 400"))
        self.assertTrue(self.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").startswith(b"HTTP/1.1 400"))


if __name__ == "__main__":
    unittest.main()
