# SPDX-License-Identifier: Apache-2.0
"""What HTTP costs: the server's rate beside that of jwekms::handle in a process of its own, in one run.

usage: server.py SERVER SERVICE-BENCH [--quick]

Both use the same database, the same request and the same number of threads for cryptography (the machine's
cores), and take turns. wrk, which makes the load, has its share of the same cores, so the rates by the clock are
those of client and server together; CPU time for each request is the server's alone.
"""
import os
import pathlib
import statistics
import subprocess
import sys

os.environ["JWEKMS_SERVER"] = sys.argv[1]
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "server"))
import harness  # noqa: E402
import load  # noqa: E402

SERVICE_BENCH = sys.argv[2]
ROUNDS, SECONDS = (1, 1) if "--quick" in sys.argv[3:] else (7, 4)
THREADS = len(os.sched_getaffinity(0))
CONFIG = f'[http]\nport = 0\nworkers = {THREADS}\n[db]\nsqlite_path = "keys.db"\n[audit]\npath = "/dev/null"\n'


def cpu_us(server):
    """User and system time of the server so far."""
    fields = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1e6 / os.sysconf("SC_CLK_TCK")


def through_http(server, body):
    before = cpu_us(server)
    requests, errors, us, _ = load.wrk(server, body, SECONDS)
    assert requests and not errors, (requests, errors)
    return requests / us * 1e6, (cpu_us(server) - before) / requests


def in_process(server, body):
    path = load.body_file(server, body)
    said = subprocess.run([SERVICE_BENCH, server.folder / "keys.db", "admin", path, str(SECONDS), str(THREADS)],
                          capture_output=True, text=True, check=True)
    requests, failures, us, cpu = (int(word) for word in said.stdout.split())
    assert requests and not failures, said.stdout
    return requests / us * 1e6, cpu / requests


def main():
    server = harness.Server(CONFIG)
    try:
        bodies = load.bodies(server)
        print(f"{THREADS} threads for cryptography, 64 connections, median of {ROUNDS} x {SECONDS} s")
        print(f"{'decrypt':10}{'server/s':>10}{'in process/s':>14}{'ratio':>7}"
              f"{'server us CPU':>15}{'in process':>12}{'more':>7}")
        for name, body in bodies.items():
            pairs = [(through_http(server, body), in_process(server, body)) for _ in range(ROUNDS)]
            http, own = ([statistics.median(column) for column in zip(*side)] for side in zip(*pairs))
            ratio = statistics.median(h[0] / o[0] for h, o in pairs)
            print(f"{name:10}{http[0]:10.0f}{own[0]:14.0f}{ratio:7.2f}"
                  f"{http[1]:15.1f}{own[1]:12.1f}{http[1] - own[1]:7.1f}", flush=True)
    finally:
        server.close()


if __name__ == "__main__":
    main()
