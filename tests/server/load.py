# SPDX-License-Identifier: Apache-2.0
"""See load.sh."""
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import time

import harness

CONNECTIONS, IDLE = 64, 1000
# What a server may grow by under load: allocator slack, not a leak.
SLACK_KIB = 16 * 1024


def memory_kib(server):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])


def wrk(server, body, seconds):
    path = server.folder / "body.json"
    path.write_text(json.dumps(body))
    said = subprocess.run(["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s", "-s",
                           pathlib.Path(__file__).with_name("load.lua"), server.url + "/v1/crypto/decrypt"],
                          env=os.environ | {"JWEKMS_LOAD_BODY": str(path)}, capture_output=True, text=True, check=True)
    return [int(word) for word in re.search(r"^result (.*)$", said.stdout, re.M)[1].split()]


def main():
    seconds = int(sys.argv[1])
    server = harness.Server(harness.DATABASE.replace("port = 0\n", "port = 0\n[http.limits]\nidle_timeout_ms = 3600000\n")
                            + '[audit]\npath = "/dev/null"\n')
    faults = []
    try:
        kid = server.good("POST", "/v1/crypto/keys", {"kty": "RSA"})["kid"]
        key = harness.public_key(server, kid)
        cek = harness.random_bytes(32)
        members = harness.token(key, kid, b"", cek=cek)
        kept = server.good("POST", "/v1/crypto/keys/unwrap", {name: members[name] for name in ("protected", "encrypted_key")})
        payload = harness.random_bytes(1024)
        bodies = {"dir": harness.dir_token(cek, kept["kid"], payload), "one-shot": harness.token(key, kid, payload)}
        idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(IDLE)]
        for body in bodies.values():
            wrk(server, body, 2)
        before = memory_kib(server)
        for name, body in bodies.items():
            requests, errors, microseconds, p99 = wrk(server, body, seconds)
            after = memory_kib(server)
            print(f"{name}: {requests / (microseconds / 1e6):.0f} requests/s, 99 % within {p99 / 1000:.1f} ms, "
                  f"{errors} errors, {CONNECTIONS} connections beside {IDLE} idle ones; "
                  f"memory {before} KiB, then {after} KiB", flush=True)
            if errors or not requests:
                faults.append(f"{name}: {errors} errors in {requests} requests")
        time.sleep(1)
        if memory_kib(server) > before + SLACK_KIB:
            faults.append(f"memory grew from {before} to {memory_kib(server)} KiB")
        for connection in idle:
            connection.close()
    finally:
        server.close()
    sys.exit("\n".join(faults) or 0)


if __name__ == "__main__":
    main()
