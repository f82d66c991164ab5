# SPDX-License-Identifier: Apache-2.0
"""A server's end, wanted or not, and outages: what was acknowledged stays, what is under way is finished."""
import os
import pathlib
import re
import signal
import socket
import sqlite3
import subprocess
import tempfile
import threading
import time
import unittest

import harness
import requests
from harness import b64

TOKENS = pathlib.Path(__file__).resolve().parents[1] / "pkcs11/tokens"


def spin(count, work):
    """Runs `work` in threads until told to stop; gives the stopping function."""
    stopping = threading.Event()
    threads = [threading.Thread(target=lambda: [work() for _ in iter(lambda: stopping.is_set(), True)])
               for _ in range(count)]
    for thread in threads:
        thread.start()

    def stop():
        stopping.set()
        for thread in threads:
            thread.join()

    return stop


class Crash(unittest.TestCase):
    def test_kill_under_load(self):
        """Every unwrap that was acknowledged is there after kill -9."""
        server = harness.Server(harness.DATABASE)
        self.addCleanup(server.close)
        kid = server.good("POST", "/v1/crypto/keys", {"kty": "RSA"})["kid"]
        key = harness.public_key(server, kid)
        acknowledged = []
        total = 0
        for _ in range(5):
            local = threading.local()

            def unwrap():
                if not hasattr(local, "http"):
                    local.http = harness.session()
                cek = harness.random_bytes(32)
                members = harness.token(key, kid, b"", cek=cek)
                try:
                    answer = local.http.post(server.url + "/v1/crypto/keys/unwrap", timeout=30,
                                             json={name: members[name] for name in ("protected", "encrypted_key")})
                except requests.exceptions.RequestException:
                    return
                if answer.ok:
                    acknowledged.append((answer.json()["kid"], cek))

            stop = spin(4, unwrap)
            total += 15
            server.wait_for(lambda: len(acknowledged) >= total, 60)
            server.kill()
            stop()
            total = len(acknowledged)
            server.start()
        for kept, cek in acknowledged:
            answer = server.good("POST", "/v1/crypto/decrypt", harness.dir_token(cek, kept, b"value"))
            self.assertEqual(answer["data"], b64("value"))
        self.assertGreaterEqual(len(acknowledged), 75)


class Stop(unittest.TestCase):
    def start(self, more=""):
        server = harness.Server(harness.DATABASE.replace("port = 0", "port = 0\n" + more))
        self.addCleanup(server.close)
        return server

    def test_requests_in_flight_are_finished(self):
        """Of what was sent whole, everything is answered; nobody sees a broken answer."""
        # At an address of its own: its port, asked on when it is closed, might be another test's by then.
        server = self.start('shutdown_timeout_ms = 60000\nhostname = "127.0.0.2"')
        results, lock = [], threading.Lock()
        local = threading.local()

        def make():
            # 3072 bits take long: there is always one under way.
            try:
                if not hasattr(local, "http"):
                    local.http = harness.session()
                answer = local.http.post(server.url + "/v1/crypto/keys", json={"kty": "RSA", "bits": 3072}, timeout=60)
                with lock:
                    results.append(answer.status_code)
                    answer.json()
            except requests.exceptions.ConnectionError as error:
                # Not accepted any more, or an idle connection that had been closed: nothing was begun.
                with lock:
                    results.append("closed" if "RemoteDisconnected" in str(error) or "refused" in str(error)
                                   or "reset" in str(error) else repr(error))
                time.sleep(0.05)

        stop = spin(6, make)
        server.wait_for(lambda: 201 in results, 60)
        begin = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(60)
        elapsed = time.monotonic() - begin
        stop()
        self.assertEqual(server.process.returncode, 0, server.log())
        self.assertLess(elapsed, 59)
        self.assertEqual(set(results), {201, "closed"}, results)
        # What the audit log says was made was answered.
        made = sum(line["operation"] == "add_key" and line["status"] == 201 for line in server.audit())
        self.assertEqual(results.count(201), made)

    def test_idle_connections_do_not_hold_it_up(self):
        server = self.start()
        idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
        idle[0].sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertTrue(idle[0].recv(1000).startswith(b"HTTP/1.1 200"))
        # What was not accepted yet would be reset.
        server.wait_for(lambda: re.search(r"(?m)^jwekms_connections_open 5\d$", server.call("GET", "/metrics").text))
        begin = time.monotonic()
        server.stop()
        self.assertLess(time.monotonic() - begin, 9)  # shutdown_timeout_ms is 10 s
        for connection in idle:
            self.assertEqual(connection.recv(1000), b"")
            connection.close()

    def test_it_does_not_wait_for_ever(self):
        server = self.start("shutdown_timeout_ms = 1000")
        with socket.create_connection(("127.0.0.1", server.port)) as connection:
            connection.sendall(b"POST /v1/crypto/decrypt HTTP/1.1\r\nHost: x\r\n")
            server.wait_for(lambda: "open 2" in server.call("GET", "/metrics").text)
            begin = time.monotonic()
            server.stop(expected=1)
            self.assertTrue(0.5 < time.monotonic() - begin < 5)
        self.assertIn("still under way", server.log())

    def test_interrupt(self):
        server = self.start()
        server.process.send_signal(signal.SIGINT)
        self.assertEqual(server.process.wait(60), 0)

    def test_the_port_is_taken(self):
        server = self.start()
        status, said = harness.run_server(config=f"[http]\nport = {server.port}\n")
        self.assertEqual(status, 1)
        self.assertIn("cannot listen", said)


class Outages(unittest.TestCase):
    def ready(self, server):
        answer = server.call("GET", "/readyz")
        return answer.status_code, answer.json()

    def test_a_database_that_is_locked(self):
        server = harness.Server(harness.DATABASE + "busy_timeout_ms = 200\n")
        self.addCleanup(server.close)
        holder = sqlite3.connect(server.folder / "keys.db", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        answer = server.call("POST", "/v1/crypto/keys", {"kty": "oct"})
        self.assertEqual((answer.status_code, answer.json()["error"]), (503, "unavailable"))
        self.assertEqual(self.ready(server), (200, {"status": "ready", "components": {"database": "up"}}))
        holder.execute("ROLLBACK")
        holder.close()
        server.good("POST", "/v1/crypto/keys", {"kty": "oct"})

    def test_a_database_that_is_destroyed(self):
        server = harness.Server(harness.DATABASE)
        self.addCleanup(server.close)
        for suffix in ("", "-wal", "-shm"):
            with open(f"{server.folder / 'keys.db'}{suffix}", "r+b") as file:
                size = len(file.read())
                file.seek(0)
                file.write(b"\xff" * size)
        server.wait_for(lambda: self.ready(server)[0] == 503)
        self.assertEqual(self.ready(server)[1], {"status": "unavailable", "components": {"database": "down"}})
        self.assertEqual(server.call("GET", "/healthz").status_code, 200)
        self.assertIn('jwekms_up{component="database"} 0', server.call("GET", "/metrics").text)

    def test_an_hsm_that_dies_and_one_that_hangs(self):
        """SoftHSM in a process of its own: it is killed, brought back, stopped and continued."""
        folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        said = subprocess.run([TOKENS / "remote.sh", folder / "token", "softhsm2"], capture_output=True, text=True,
                              check=True).stdout
        self.addCleanup(subprocess.run, [TOKENS / "stop.sh", folder / "token"])
        token = dict(re.findall(r"^export JWEKMS_TEST_REMOTE_SOFTHSM2_(\w+)='(.*)'$", said, re.M))
        server = harness.Server(f"""[[hsm_instances]]
hsm_model = "softhsm2"
hsm_admin = ["*"]
module_path = "{token['MODULE']}"
init_args = "{token['INIT_ARGS']}"
  [[hsm_instances.slots]]
  number = 0
  token_label = "{token['LABEL']}"
  password = "{token['PIN']}"
""" + harness.DATABASE)
        self.addCleanup(server.close)
        names = {kid: server.good("POST", "/v1/crypto/keys", {"kty": "RSA", "kid": kid})["kid"]
                 for kid in ("hsm::softhsm2::0::key", "db-key")}
        tokens = {kid: harness.token(harness.public_key(server, kid), kid, b"value", alg="RSA-OAEP") for kid in names}

        def decrypt(kid):
            return server.call("POST", "/v1/crypto/decrypt", tokens[kid]).status_code

        def state():
            return self.ready(server)[1]["components"]["hsm::softhsm2::0"]

        self.assertEqual((state(), decrypt("hsm::softhsm2::0::key"), decrypt("db-key")), ("up", 200, 200))
        pid = int(pathlib.Path(token["PID_FILE"]).read_text())
        os.kill(pid, signal.SIGKILL)
        server.wait_for(lambda: state() == "down")
        self.assertEqual(self.ready(server)[0], 503)
        self.assertEqual((decrypt("hsm::softhsm2::0::key"), decrypt("db-key")), (503, 200))

        again = subprocess.Popen([token["SERVE"]], stdin=subprocess.DEVNULL, start_new_session=True)
        self.addCleanup(again.wait)
        self.addCleanup(os.killpg, again.pid, signal.SIGKILL)
        server.wait_for(lambda: state() == "up", 60)
        server.wait_for(lambda: decrypt("hsm::softhsm2::0::key") == 200, 60)

        # Hanging is not being down: what needs the HSM waits, and everybody else is served.
        os.killpg(again.pid, signal.SIGSTOP)  # and the processes that serve its connections
        waiting = threading.Thread(target=decrypt, args=("hsm::softhsm2::0::key",))
        waiting.start()
        server.wait_for(lambda: state() == "down", 30)
        self.assertEqual((decrypt("db-key"), server.call("GET", "/healthz").status_code), (200, 200))
        os.killpg(again.pid, signal.SIGCONT)
        waiting.join()
        server.wait_for(lambda: state() == "up", 60)
        self.assertEqual(decrypt("hsm::softhsm2::0::key"), 200)


class Audit(unittest.TestCase):
    def test_rotation(self):
        """logrotate's way: the file is moved, SIGHUP opens a new one, no line is lost."""
        server = harness.Server(harness.DATABASE + '[audit]\npath = "audit.jsonl"\n')
        self.addCleanup(server.close)
        path = server.folder / "audit.jsonl"
        self.assertEqual(path.stat().st_mode & 0o777 & ~0o640, 0)
        sent = []

        def ask():
            if server.call("GET", "/v1/crypto/keys").ok:
                sent.append(1)

        stop = spin(2, ask)
        for i in range(5):
            time.sleep(0.1)
            path.rename(server.folder / f"audit.{i}")
            server.reload()
        stop()
        lines = sum(len(file.read_text().splitlines()) for file in server.folder.glob("audit.*"))
        self.assertEqual(lines, len(sent))
        self.assertTrue(all((server.folder / f"audit.{i}").exists() for i in range(5)))

    def test_a_log_that_cannot_be_opened(self):
        status, said = harness.run_server(config='[http]\nport = 0\n[audit]\npath = "none/audit.jsonl"\n')
        self.assertEqual(status, 1)
        self.assertIn("the audit log cannot be opened", said)


class Process(unittest.TestCase):
    def test_limits_of_the_process(self):
        """As many descriptors as may be had; no core file."""
        server = harness.Server(harness.DATABASE)
        self.addCleanup(server.close)
        limits = pathlib.Path(f"/proc/{server.process.pid}/limits").read_text()
        self.assertRegex(limits, r"Max core file size +0 +0 ")
        soft, hard = next(line for line in limits.splitlines() if "open files" in line).split()[3:5]
        self.assertEqual(soft, hard)


if __name__ == "__main__":
    unittest.main()
