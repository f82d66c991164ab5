# SPDX-License-Identifier: Apache-2.0
"""What somebody tries who knows HTTP well: requests within requests, endless parts of them, names that are no paths."""
import json
import os
import pathlib
import re
import socket
import unittest

import harness
from harness import b64

CONFIG = """[http]
port = 0
[http.limits]
failed_unwraps_per_minute = 3
[db]
sqlite_path = "keys.db"
"""
POST = b"POST /v1/crypto/decrypt HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
LAST = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Hostile(harness.TestCase):
    config = CONFIG
    # A sanitizer keeps what was freed from being used again: of that, little.
    env = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1:thread_local_quarantine_size_kb=64"}

    def send(self, *parts):
        """All that comes back until the server closes the connection."""
        with socket.create_connection(("127.0.0.1", self.server.port), timeout=30) as connection:
            answer = b""
            try:
                for part in parts:
                    connection.sendall(part)
                while more := connection.recv(65536):
                    answer += more
            except ConnectionError:
                pass
            return answer

    def statuses(self, *parts):
        return re.findall(rb"HTTP/1\.[01] (\d{3}) ", self.send(*parts))

    def test_where_a_body_ends_is_beyond_doubt(self):
        """Whatever a proxy may read in another way ends the connection: no bytes are left for a next request."""
        chunk = b"\r\n2\r\n{}\r\n0\r\n\r\n"
        for lines in (b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n" + chunk,
                      b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n" + chunk,
                      b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" + chunk,
                      b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n" + chunk,
                      b"Transfer-Encoding: gzip, chunked\r\n" + chunk,
                      b"Transfer-Encoding: chunked, gzip\r\n" + chunk,
                      b"Transfer-Encoding: xchunked\r\n" + chunk,
                      b"Transfer-Encoding: gzip\r\n\r\n",
                      b"Transfer-Encoding: identity\r\n\r\n",
                      b"Transfer-Encoding:\r\n\r\n",
                      b"Transfer-Encoding : chunked\r\n" + chunk,
                      b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
                      b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
                      b"Content-Length: 2, 2\r\n\r\n{}",
                      b"Content-Length: +2\r\n\r\n{}",
                      b"Content-Length: 0x2\r\n\r\n{}",
                      b"Content-Length: -2\r\n\r\n{}",
                      b"Transfer-Encoding: chunked\r\n\r\n2 \r\n{}\r\n0\r\n\r\n",
                      b"Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n",
                      b"Transfer-Encoding: chunked\r\n\r\n2\n{}\n0\n\n"):
            with self.subTest(lines=lines):
                self.assertEqual(self.statuses(POST + lines + LAST), [b"400"])
        old = POST.replace(b"HTTP/1.1", b"HTTP/1.0")
        self.assertEqual(self.statuses(old + b"Transfer-Encoding: chunked\r\n" + chunk + LAST), [b"400"])
        # As it should be:
        for lines in (b"Content-Length: 2\r\n\r\n{}", b"Transfer-Encoding: Chunked\r\n" + chunk):
            self.assertEqual(self.statuses(POST + lines + LAST), [b"400", b"200"])

    def test_what_surrounds_a_chunk_does_not_pile_up(self):
        """Extensions and trailers without an end are no way to the server's memory."""
        def memory():
            return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text())[1])
        def send(size):
            head, much = POST + b"Transfer-Encoding: chunked\r\n\r\n", b"a" * size
            many = b"".join(b"X%d: %s\r\n" % (i, b"a" * 1000) for i in range(size // 1000))
            for part in (b"2;x=" + much, b"2\r\n{}\r\n0\r\nX: " + much, b"2\r\n{}\r\n0\r\n" + many):
                self.assertIn(self.statuses(head + part), ([b"400"], []))  # the rest is on its way when it hangs up

        for _ in range(3):
            send(1_000_000)  # what a connection takes once
        before = memory()
        send(30_000_000)
        self.assertLess(memory(), before + 8192)

    def test_trailers_change_nothing(self):
        body = b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\n{}\r\n0\r\n"
        answer = self.send(POST + body + b"Authorization: Bearer x\r\nOrigin: http://x\r\nHost: y\r\n\r\n")
        self.assertTrue(answer.startswith(b"HTTP/1.1 400"), answer)
        self.assertIn(b"protected is missing", answer)

    def test_head(self):
        """The header of the answer to GET, and no body that the next answer would be taken for."""
        self.server.good("POST", "/v1/crypto/keys", {"kty": "oct"})
        for path, status in (("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/v1/crypto/keys", 200),
                             ("/v1/crypto/decrypt", 405), ("/none", 404)):
            answer = self.send(b"HEAD %s HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode() + LAST)
            head, following = answer.split(b"\r\n\r\n", 1)
            self.assertTrue(head.startswith(b"HTTP/1.1 %d" % status), answer)
            self.assertGreater(int(re.search(rb"Content-Length: (\d+)", head)[1]), 10)
            self.assertTrue(following.startswith(b"HTTP/1.1 200 OK"), answer)
            self.assertTrue(following.endswith(b'\r\n\r\n{"status":"ok"}'), answer)

    def test_odd_methods(self):
        for method in (b"OPTIONS", b"TRACE", b"PUT", b"get", b"CONNECT", b"FOO"):
            self.assertEqual(self.statuses(method + b" /v1/crypto/decrypt HTTP/1.1\r\nHost: x\r\nX-Secret: 1\r\n\r\n" + LAST),
                             [b"405", b"200"])
        answer = self.send(b"TRACE /v1/crypto/decrypt HTTP/1.1\r\nHost: x\r\nX-Secret: 1\r\nConnection: close\r\n\r\n")
        self.assertNotIn(b"Secret", answer)
        self.assertNotIn(b"Access-Control", answer)

    def test_paths_have_one_spelling(self):
        for path in ("//v1/crypto/keys", "/v1//crypto/keys", "/v1/crypto/keys/", "/v1/crypto/./keys", "/v1/x/../crypto/keys",
                     "/%76%31/crypto/keys", "/v1/crypto%2fkeys", "/V1/crypto/keys", "/v1/crypto/keys;a=b", "/v1/crypto/keys#x",
                     "\\v1\\crypto\\keys", "/v1/crypto/keys/%2e%2e", "/v1/crypto/keys/..%2fkeys", "*", "v1/crypto/keys", "/\xff"):
            with self.subTest(path=path):
                line = b"GET " + path.encode("latin-1") + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                self.assertEqual(self.statuses(line), [b"404"])
        for path in ("/v1/crypto/keys/a%00b", "/v1/crypto/keys/%", "/v1/crypto/keys/%zz", "/v1/crypto/keys?limit=1&limit=2"):
            line = b"GET " + path.encode() + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            self.assertEqual(self.statuses(line), [b"400"], path)

    def test_the_absolute_form_is_the_same_request(self):
        def get(target):
            return self.send(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        self.assertIn(b'{"status":"ok"}', get(b"http://x/healthz"))
        self.assertIn(b"jwekms_connections_open", get(b"http://x/metrics"))
        self.assertIn(b'"keys"', get(b"HTTP://x:1/v1/crypto/keys?limit=1"))

    def test_no_spelling_gets_past_the_limit_on_failed_unwraps(self):
        kid = self.server.good("POST", "/v1/crypto/keys", {"kty": "RSA"})["kid"]
        members = harness.token(harness.public_key(self.server, kid), kid, b"value")
        body = json.dumps({"protected": members["protected"], "encrypted_key": b64(b"\1" * 256)}).encode()
        seen = []
        for target in (b"http://x/v1/crypto/keys/unwrap", b"http://x:80/v1/crypto/keys/unwrap?", b"/v1/crypto/keys/unwrap") * 3:
            seen += self.statuses(b"POST " + target + b" HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                                  b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        self.assertEqual(seen, [b"422"] * 3 + [b"429"] * 6)

    def test_names_write_no_lines_of_their_own(self):
        """Neither into the audit log nor into the metrics."""
        names = ['x\r\n{"time":"forged"}', 'x"} 1\njwekms_forged 1', "\u2028\u2029\x85\x9b\x1b[2J", "%s%n", "ä€"]
        before = len(self.server.audit())
        for name in names:
            self.assertEqual(self.server.call("GET", "/v1/crypto/keys/" + harness.requests.utils.quote(name, "")).status_code, 404)
            self.server.call("POST", "/v1/crypto/encrypt", {"kid": name, "alg": "dir", "enc": "A256GCM", "data": ""})
        lines = self.server.audit()[before:]
        self.assertEqual([line["kid"] for line in lines], [name for name in names for _ in range(2)])
        self.assertNotRegex(self.server.audit_path.read_text(), "[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")
        self.assertNotIn("forged", self.server.call("GET", "/metrics").text)

    def test_json_that_two_readers_would_read_differently(self):
        good = {"kid": "k", "alg": "dir", "enc": "A256GCM", "data": ""}
        text = json.dumps(good)[1:]
        for body in ('{"kid":"j",' + text, '{"\\u006bid":"j",' + text, '{"kid\\u0000":"j",' + text, text, "{" + text + "{}",
                     "{" + text + "\0", "\ufeff{" + text, "{" + text.replace('"k"', '"k\\u0000"'), "{" + text.replace('"k"', '"\\ud800"'),
                     "{" + text.replace('"k"', "1e999"), "[" * 10000, '{"Kid":"j",' + text):
            answer = harness.http.post(self.server.url + "/v1/crypto/encrypt", body.encode("utf-8", "surrogatepass"),
                                       headers={"Content-Type": "application/json"}, timeout=30)
            self.assertEqual((answer.status_code, answer.json()["error"]), (400, "bad_request"), body[:60])


if __name__ == "__main__":
    unittest.main()
