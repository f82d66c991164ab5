# SPDX-License-Identifier: Apache-2.0
"""See load.sh."""
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import threading
import time

import harness

CONNECTIONS, IDLE, TRICKLING = 64, 500, 500
# What a server may grow by under load, once it is warm: an allocator's slack. Ten minutes are some millions of
# requests: a leak of two bytes in each would be seen.
SLACK_KIB = 8 * 1024
CONFIG = """[http]
port = 0
[http.limits]
idle_timeout_ms = 3600000
request_timeout_ms = 3600000
[db]
sqlite_path = "keys.db"
[audit]
path = "/dev/null"
"""


def memory_kib(server):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])


def body_file(server, body):
    path = server.folder / "body.json"
    path.write_text(json.dumps(body))
    return path


def bodies(server):
    """A request for a kept CEK, and a one-shot one, of 1 KiB each."""
    kid = server.good("POST", "/v1/crypto/keys", {"kty": "RSA"})["kid"]
    key = harness.public_key(server, kid)
    cek = harness.random_bytes(32)
    members = harness.token(key, kid, b"", cek=cek)
    kept = server.good("POST", "/v1/crypto/keys/unwrap", {name: members[name] for name in ("protected", "encrypted_key")})
    payload = harness.random_bytes(1024)
    return {"dir": harness.dir_token(cek, kept["kid"], payload), "one-shot": harness.token(key, kid, payload)}


def wrk(server, body, seconds):
    """Requests, those that failed, microseconds, and those within which 99 % were served."""
    said = subprocess.run(["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s", "-s",
                           pathlib.Path(__file__).with_name("load.lua"), server.url + "/v1/crypto/decrypt"],
                          env=os.environ | {"JWEKMS_LOAD_BODY": str(body_file(server, body))}, capture_output=True,
                          text=True, check=True)
    return [int(word) for word in re.search(r"^result (.*)$", said.stdout, re.M)[1].split()]


class Memory:
    """Looks at a server's memory now and then, all the time."""

    def __init__(self, server, interval_s):
        self.samples = [memory_kib(server)]
        self.ended = threading.Event()

        def look():
            while not self.ended.wait(interval_s):
                self.samples.append(memory_kib(server))
                print(f"  memory {self.samples[-1]} KiB", flush=True)

        self.thread = threading.Thread(target=look, daemon=True)
        self.thread.start()

    def end(self, server):
        self.ended.set()
        self.thread.join()
        self.samples.append(memory_kib(server))

    def fault(self):
        """It may settle in the first half of the time, and has to stay there in the second."""
        first, last = self.samples[0], self.samples[-1]
        middle = self.samples[len(self.samples) // 2]
        print(f"memory: {first} KiB at the start, {middle} half-way, {last} at the end", flush=True)
        if last - first > SLACK_KIB or last - middle > SLACK_KIB / 2:
            return f"memory grew: {self.samples} KiB"
        return None


class Crowd:
    """Connections that send nothing, and some that send a byte each second and never come to an end."""

    def __init__(self, server):
        self.idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(IDLE)]
        self.trickling = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(TRICKLING)]
        self.ended = threading.Event()

        def trickle():
            piece = b"POST /v1/crypto/decrypt HTTP/1.1\r\nHost: x\r\nX: "
            while True:
                for connection in self.trickling:
                    connection.sendall(piece)
                piece = b"x"
                if self.ended.wait(1):
                    return

        self.thread = threading.Thread(target=trickle, daemon=True)
        self.thread.start()

    def end(self):
        """Every one of them must still be there."""
        self.ended.set()
        self.thread.join()
        for connection in self.idle + self.trickling:
            connection.setblocking(False)
            try:
                assert connection.recv(1), "the server ended a connection of the crowd"
            except BlockingIOError:
                pass
            connection.close()


def main():
    seconds = int(sys.argv[1])
    print(f"beside {IDLE} idle and {TRICKLING} trickling connections")
    server = harness.Server(CONFIG)
    faults = []
    try:
        loads = bodies(server)
        crowd = Crowd(server)
        for body in loads.values():
            wrk(server, body, 2)
        memory = Memory(server, 60)
        for name, body in loads.items():
            requests, errors, microseconds, p99 = wrk(server, body, seconds)
            print(f"{name}: {requests} requests, {requests / (microseconds / 1e6):.0f} /s, 99 % within "
                  f"{p99 / 1000:.1f} ms, {errors} errors, at {CONNECTIONS} connections", flush=True)
            if errors or not requests:
                faults.append(f"{name}: {errors} errors in {requests} requests")
        time.sleep(1)
        memory.end(server)
        faults += filter(None, [memory.fault()])
        crowd.end()
    finally:
        server.close()
    sys.exit("\n".join(faults) or 0)


if __name__ == "__main__":
    main()
