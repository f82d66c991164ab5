# SPDX-License-Identifier: Apache-2.0
"""Sizes, times, connections and rates: what is above a limit gets its answer, and nobody else notices."""
import socket
import ssl
import subprocess
import threading
import time
import unittest

import harness
from harness import b64

LIMITS = """[http]
port = 0
[http.limits]
max_body_bytes = 20000
max_header_bytes = 2000
max_connections = {connections}
idle_timeout_ms = {idle}
request_timeout_ms = {request}
requests_per_second = {rate}
failed_unwraps_per_minute = {unwraps}
[db]
sqlite_path = "keys.db"
"""


def limits(connections=100, idle=60000, request=60000, rate=0, unwraps=60):
    return LIMITS.format(connections=connections, idle=idle, request=request, rate=rate, unwraps=unwraps)


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def read_all(connection):
    data = b""
    while True:
        try:
            more = connection.recv(65536)
        except ConnectionResetError:
            return data + b"<reset>"
        if not more:
            return data
        data += more


def exchange(server, *parts):
    with connect(server) as connection:
        for part in parts:
            connection.sendall(part)
        return read_all(connection)


def post(body, more=b"", length=None):
    return (b"POST /v1/crypto/decrypt HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
            + more + b"Content-Length: %d\r\n\r\n" % (len(body) if length is None else length) + body)


class Sizes(harness.TestCase):
    config = limits()

    def test_body(self):
        for size, expected in ((19999, b"400"), (20000, b"400"), (20001, b"413"), (1000000, b"413")):
            with self.subTest(size=size):
                answer = exchange(self.server, post(b" " * size))
                self.assertTrue(answer.startswith(b"HTTP/1.1 " + expected), answer[:100])
                self.assertNotIn(b"<reset>", answer)
                self.assertEqual(b'"error":"too_large"' in answer, expected == b"413")

    def test_body_in_chunks(self):
        head = (b"POST /v1/crypto/decrypt HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"1000\r\n" + b" " * 0x1000 + b"\r\n"
        self.assertTrue(exchange(self.server, head, chunk * 4, b"0\r\n\r\n").startswith(b"HTTP/1.1 400"))
        self.assertTrue(exchange(self.server, head, chunk * 5, b"0\r\n\r\n").startswith(b"HTTP/1.1 413"))
        # A size that no body will follow.
        self.assertTrue(exchange(self.server, head, b"7fffffffffffffff\r\n ").startswith(b"HTTP/1.1 413"))

    def test_large_length_without_body(self):
        for length in (20001, 2**31, 2**63, 2**64 - 1):
            answer = exchange(self.server, post(b"", length=length))
            self.assertTrue(answer.startswith(b"HTTP/1.1 413"), answer)

    def test_expect_continue(self):
        with connect(self.server) as connection:
            connection.sendall(post(b"", b"Expect: 100-continue\r\n", length=2))
            self.assertEqual(connection.recv(1000), b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.sendall(b"{}")
            self.assertTrue(read_all(connection).startswith(b"HTTP/1.1 400"))
        answer = exchange(self.server, post(b"", b"Expect: 100-continue\r\n", length=20001))
        self.assertTrue(answer.startswith(b"HTTP/1.1 413"), answer)

    def test_header(self):
        for size, expected in ((1500, b"200"), (2500, b"431"), (100000, b"431")):
            with self.subTest(size=size):
                answer = exchange(self.server, b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: "
                                  + b"x" * size + b"\r\n\r\n")
                self.assertTrue(answer.startswith(b"HTTP/1.1 " + expected), answer[:100])
        answer = exchange(self.server, b"GET /" + b"x" * 2500 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertTrue(answer.startswith(b"HTTP/1.1 431"), answer[:100])
        self.assertIn(b'"error":"header_too_large"', answer)

    def test_pipelined_requests_are_answered_in_order(self):
        last = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        one = b"GET /v1/crypto/keys/%d HTTP/1.1\r\nHost: x\r\n\r\n"
        answer = exchange(self.server, b"".join(one % i for i in range(50)) + last)
        self.assertEqual(answer.count(b"HTTP/1.1 404"), 50)
        self.assertEqual(answer.count(b"HTTP/1.1 200"), 1)
        self.assertTrue(answer.endswith(b'{"status":"ok"}'))


class Times(harness.TestCase):
    config = limits(idle=700, request=1500)

    def test_idle(self):
        begin = time.monotonic()  # before the server's clock begins, here and below
        with connect(self.server) as connection:
            self.assertEqual(read_all(connection), b"")
        self.assertTrue(0.7 <= time.monotonic() - begin < 20)
        with connect(self.server) as connection:
            begin = time.monotonic()
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(0.3)
            self.assertTrue(connection.recv(1000).endswith(b"}"))
            self.assertEqual(read_all(connection), b"")
        self.assertTrue(0.7 <= time.monotonic() - begin < 20)

    def test_trickle(self):
        """A byte now and then does not keep a request alive."""
        for request in (b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ", post(b"", length=1000)):
            with connect(self.server) as connection:
                begin = time.monotonic()
                connection.sendall(request)
                with self.assertRaises(OSError):
                    while time.monotonic() - begin < 20:
                        connection.sendall(b"x")
                        time.sleep(0.1)
                self.assertTrue(1.5 <= time.monotonic() - begin < 20)

    def test_a_reader_that_does_not_read(self):
        """Answers that nobody takes end the connection; they do not pile up."""
        with connect(self.server) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.settimeout(3)
            with self.assertRaises((ConnectionError, TimeoutError)):
                while True:
                    connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
            self.server.wait_for(lambda: "\njwekms_connections_open 1\n" in self.server.call("GET", "/metrics").text)


class Connections(harness.TestCase):
    config = limits(connections=20)

    def test_those_above_the_limit_wait(self):
        held = [connect(self.server) for _ in range(20)]
        for connection in held:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertTrue(connection.recv(1000).startswith(b"HTTP/1.1 200"))
        waiting = connect(self.server)
        waiting.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        waiting.settimeout(0.7)
        with self.assertRaises(TimeoutError):
            waiting.recv(1000)
        held.pop().close()
        waiting.settimeout(30)
        self.assertTrue(waiting.recv(1000).startswith(b"HTTP/1.1 200"))
        for connection in held + [waiting]:
            connection.close()


class Crowd(harness.TestCase):
    config = limits(connections=4000, idle=600000, request=600000)

    def test_a_thousand_idle_and_trickling_connections(self):
        """They cost others nothing: every request among them is served at once."""
        crowd = [connect(self.server) for _ in range(1000)]
        stop = threading.Event()

        def trickle():
            for connection in crowd[500:]:
                connection.sendall(b"POST /v1/crypto/decrypt HTTP/1.1\r\nHost: x\r\nX: ")
            while not stop.wait(0.2):
                for connection in crowd[500:]:
                    connection.sendall(b"x")

        trickler = threading.Thread(target=trickle)
        trickler.start()
        try:
            kid = self.server.good("POST", "/v1/crypto/keys", {"kty": "RSA"})["kid"]
            token = harness.token(harness.public_key(self.server, kid), kid, b"value")
            times = []
            for _ in range(200):
                begin = time.monotonic()
                self.assertEqual(self.server.good("POST", "/v1/crypto/decrypt", token)["data"], b64("value"))
                times.append(time.monotonic() - begin)
            self.assertLess(sorted(times)[len(times) // 2], 0.5)
            text = self.server.call("GET", "/metrics").text
            self.assertRegex(text, r"(?m)^jwekms_connections_open 100\d$")
        finally:
            stop.set()
            trickler.join()
            for connection in crowd:
                connection.close()


class Rates(unittest.TestCase):
    def start(self, config):
        server = harness.Server(config + """[[auth.tokens]]
principal = "one"
sha256 = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
[[auth.tokens]]
principal = "two"
sha256 = "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"
""")
        self.addCleanup(server.close)
        return server

    @staticmethod
    def headers(token):
        return {"headers": {"Authorization": "Bearer " + token}}

    def test_requests(self):
        server = self.start(limits(rate=5))
        answers = []
        while not answers or answers[-1].status_code == 200 and len(answers) < 500:
            answers.append(server.call("GET", "/v1/crypto/keys", **self.headers("one")))
        statuses = [answer.status_code for answer in answers]
        self.assertEqual(statuses[:5], [200] * 5)
        self.assertIn(429, statuses)
        refused = answers[statuses.index(429)]
        self.assertEqual(refused.json()["error"], "too_many_requests")
        self.assertEqual(refused.headers["Retry-After"], "1")
        # Another principal, strangers and health checks do not feel it.
        self.assertEqual(server.call("GET", "/v1/crypto/keys", **self.headers("two")).status_code, 200)
        self.assertEqual(server.call("GET", "/healthz").status_code, 200)
        time.sleep(int(refused.headers["Retry-After"]))
        self.assertEqual(server.call("GET", "/v1/crypto/keys", **self.headers("one")).status_code, 200)

    def test_failed_unwraps(self):
        """The one answer that tells a padding's fate can be had a few times a minute only."""
        server = self.start(limits(unwraps=3))
        one, two = self.headers("one"), self.headers("two")
        kid = server.good("POST", "/v1/crypto/keys", {"kty": "RSA"}, **one)["kid"]
        members = harness.token(harness.public_key(server, kid, **one), kid, b"value")
        good = {name: members[name] for name in ("protected", "encrypted_key")}
        bad = good | {"encrypted_key": b64(b"\1" * 256)}
        path = "/v1/crypto/keys/unwrap"
        for _ in range(5):
            self.assertTrue(server.call("POST", path, good, **one).ok)
        for _ in range(3):
            self.assertEqual(server.call("POST", path, bad, **one).status_code, 422)
        for body in (bad, good):
            for where in (path, path + "?", path + "?x=1", "/kmip/2_1"):
                answer = server.call("POST", where, body, **one)
                self.assertEqual(answer.status_code, 429, where)
                self.assertTrue(0 < int(answer.headers["Retry-After"]) <= 20)
        self.assertEqual(server.call("POST", path, bad, **two).status_code, 403)
        self.assertTrue(server.call("POST", "/v1/crypto/decrypt", members, **one).ok)
        refused = server.audit()[-3]
        self.assertEqual((refused["principal"], refused["result"]), ("one", "too_many_requests"))


class TlsTimes(unittest.TestCase):
    def test_a_handshake_that_does_not_come(self):
        import tempfile
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-subj", "/CN=x", "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"],
                           check=True, capture_output=True)
            tls = '[http.tls]\ncertificate = "cert.pem"\nkey = "key.pem"\n'
            server = harness.Server(limits(request=800) + tls, folder=folder)
            try:
                for greeting in (b"", b"\x16\x03\x01\x02\x00"):
                    begin = time.monotonic()
                    with connect(server) as connection:
                        connection.sendall(greeting)
                        read_all(connection)
                    self.assertTrue(0.8 <= time.monotonic() - begin < 20)
            finally:
                server.close()
            # A body above the limit gets its answer through TLS too.
            server = harness.Server(limits() + tls, folder=folder)
            try:
                context = ssl.create_default_context(cafile=f"{folder}/cert.pem")
                context.check_hostname = False
                with context.wrap_socket(connect(server)) as connection:
                    connection.sendall(post(b" " * 200000))
                    answer = read_all(connection)
                self.assertTrue(answer.startswith(b"HTTP/1.1 413"), answer[:100])
            finally:
                server.close()


if __name__ == "__main__":
    unittest.main()
