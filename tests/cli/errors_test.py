# SPDX-License-Identifier: Apache-2.0
"""Every exit code, and what is said with it; configurations; API tokens; the server's start."""
import hashlib
import json
import os
import re
import signal
import sqlite3
import stat
import subprocess
import time
import unittest
import urllib.request

from support import PROGRAM, Case, b64, environment, from_b64, secret


class ExitCodes(Case):
    def setUp(self):
        super().setUp()
        self.create("--uid", "billing")
        self.token = self.run_tool("encrypt", "--to", "billing", stdin="payload").text.strip()

    def header(self, **changes):
        parts = self.token.split(".")
        header = json.loads(from_b64(parts[0])) | changes
        return ".".join([b64(json.dumps(header))] + parts[1:])

    def config(self, text):
        return self.file("c.toml", f'[db]\nsqlite_path = "keys.db"\n{text}')

    def test_each_code_has_its_text(self):
        self.create("--uid", "symmetric", "--type", "oct")
        self.create("--uid", "resting")
        self.run_tool("key", "state", "resting", "deactivated")
        parts = self.token.split(".")
        tampered = ".".join(parts[:4] + [b64(bytes(16))])
        for error, arguments, stdin, says in (
                ("bad_request", ["decrypt"], "not.a.token", "five segments"),
                ("bad_request", ["decrypt"], self.header(crit=["exp"]), "crit"),
                ("forbidden", ["encrypt", "--to", "resting"], "x", "jwekms key show"),
                ("not_found", ["decrypt"], self.header(kid="nobody"), '"nobody"'),
                ("not_found", ["key", "show", "nobody"], "", "jwekms key list"),
                ("conflict", ["key", "create", "--uid", "billing"], "", '"billing"'),
                ("unsupported_algorithm", ["decrypt"], self.header(alg="RSA1_5"), "[policy]"),
                ("unsupported_algorithm", ["encrypt", "--to", "billing", "--alg", "RSA-OAEP-512"], "x", "[policy]"),
                ("decryption_failed", ["decrypt"], tampered, "nothing tells"),
                ("crypto_failure", ["key", "public", "symmetric"], "", '"symmetric"'),
                ("usage", ["encrypt"], "x", "--to is required"),
                ("usage", ["decrypt", "--frobnicate"], "x", "jwekms decrypt --help"),
                ("usage", ["key", "alias"], "", "jwekms key alias --help"),
                ("usage", ["encrypt", "--to", "billing", "--enc", "A256CBC"], "x", "A256GCM"),
        ):
            with self.subTest(error=error, arguments=arguments):
                self.assertIn(says, self.fails(error, *arguments, stdin=stdin))

    def test_too_large(self):
        config = self.config("[policy.limits]\nmax_token_bytes = 600\n")
        run = self.bare("-c", config, "decrypt", stdin="A" * 10000, code=15)
        self.assertIn(b"policy.limits", run.err)
        self.bare("-c", config, "encrypt", "--to", "billing", stdin="x" * 300, code=15)
        self.bare("-c", config, "encrypt", "--to", "billing", stdin="x")

    def test_unavailable(self):
        self.assertIn(b"cannot be read", self.bare("-c", "nowhere.toml", "key", "list", code=19).err)
        os.rename(self.folder / "keys.db.kek", self.folder / "gone")
        self.assertIn("try again", self.fails("unavailable", "key", "list"))

    def test_internal_error(self):
        with sqlite3.connect(self.folder / "keys.db") as database:
            tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            changed = 0
            for table in tables:
                for _, column, kind, *_ in database.execute(f"PRAGMA table_info({table})").fetchall():
                    if kind == "BLOB" and table.startswith("key") and column not in ("uid",):
                        changed += database.execute(
                            f"UPDATE {table} SET {column} = zeroblob(length({column}))").rowcount
            self.assertGreater(changed, 0)
        self.fails("internal_error", "key", "show", "billing")

    def test_the_wrong_key_encryption_key(self):
        self.bare("-d", "other.db", "key", "create")
        os.rename(self.folder / "other.db.kek", self.folder / "keys.db.kek")
        self.fails("crypto_failure", "key", "list")

    def test_where_the_keys_are(self):
        self.assertIn(b"JWEKMS_CONFIG", self.bare("key", "list", code=2).err)
        # Nothing in the current folder counts.
        os.rename(self.config(""), self.folder / "jwekms.toml")
        self.bare("key", "list", code=2)
        named = environment(JWEKMS_CONFIG="jwekms.toml")
        self.assertEqual(self.bare("key", "list", "-q", env=named).text, "billing\n")
        # The command line goes before the environment.
        wrong = environment(JWEKMS_CONFIG="wrong.toml")
        self.assertEqual(self.bare("-d", "keys.db", "key", "list", "-q", env=wrong).text, "billing\n")
        self.assertEqual(self.bare("key", "list", "-q", "-c", "jwekms.toml", env=wrong).text, "billing\n")
        self.bare("-d", "keys.db", "-c", "jwekms.toml", "key", "list", code=2)

    def test_an_error_before_the_options_are_read_is_json_too(self):
        self.assertEqual(self.bare("--json", "frobnicate", code=2).error["error"], "usage")
        self.assertEqual(self.bare("frobnicate", "--json", code=2).error["error"], "usage")

    def test_an_escape_sequence_does_not_reach_the_terminal(self):
        run = self.run_tool("decrypt", stdin=self.header(kid="\x1b[2Jgone"), code=13)
        self.assertNotIn(b"\x1b", run.err)
        self.assertIn(b'"\\x1b[2Jgone"', run.err)
        self.assertNotIn(b"\x1b", self.run_tool("key", "show", "k", "\x1b[2J", code=2).err)


class Configurations(Case):
    def test_a_good_one(self):
        path = self.file("good.toml", '[db]\nsqlite_path = "keys.db"\n')
        self.assertEqual(self.bare("check", path).text, path + ": ok\n")
        self.assertEqual(self.bare("check", "-c", path).text, path + ": ok\n")
        self.assertEqual(self.bare("check", path, "--json").object, {"valid": True, "problems": [], "warnings": []})
        self.assertFalse((self.folder / "keys.db").exists(), "check starts nothing")

    def test_every_problem_has_its_line_and_what_was_expected(self):
        path = self.file("bad.toml", '[http]\nport = "high"\nprot = 1\n[db]\nsqlite_path = "keys.db"\n')
        run = self.bare("check", path, code=11)
        lines = run.err.decode().splitlines()
        self.assertRegex(lines[0], r"bad\.toml:2: http\.port: expected an integer .*, found a string")
        self.assertRegex(lines[1], r"bad\.toml:3: http\.prot: unknown key")
        self.assertEqual(run.out, b"")
        machine = self.bare("check", path, "--json", code=11)
        self.assertFalse(machine.object["valid"])
        self.assertEqual([problem["line"] for problem in machine.object["problems"]], [2, 3])
        self.bare("check", "nowhere.toml", code=19)
        self.bare("check", code=2)
        # Other commands say the same.
        self.assertIn(b"bad.toml:2:", self.bare("-c", path, "key", "list", code=11).err)

    def test_a_warning_is_passed_on_and_no_password_shown(self):
        pin = secret("pin-of-the-hsm-4711")
        path = self.file("warn.toml", '[db]\nsqlite_path = "keys.db"\n[[hsm_instances]]\nhsm_model = "other"\n'
                         f'hsm_slot = [0]\nhsm_password = ["{pin}"]\n')
        os.chmod(path, 0o644)
        self.assertIn(b"warning", self.bare("check", path).err)
        self.assertEqual(len(self.bare("check", path, "--json").object["warnings"]), 1)
        broken = self.file("broken.toml", f'[db]\nsqlite_path = "keys.db"\nhsm_password = [{pin}]\n')
        self.bare("check", broken, code=11)


class ApiTokens(Case):
    def test_a_new_token_and_its_hash(self):
        made = self.bare("hash-token", "billing", "--json").object
        self.assertEqual(made["principal"], "billing")
        self.assertEqual(made["sha256"], hashlib.sha256(made["token"].encode()).hexdigest())
        self.assertGreaterEqual(len(from_b64(made["token"].removeprefix("jwekms_"))), 32)
        self.assertNotEqual(self.bare("hash-token", "billing", "--json").object["token"], made["token"])

    def test_the_token_never_goes_where_its_hash_goes(self):
        self.assertIn(b"--output", self.bare("hash-token", "billing", code=2).err)
        lines = self.bare("hash-token", 'CN="x"', "-o", "token").text
        token = secret((self.folder / "token").read_text().strip())
        self.assertEqual(stat.S_IMODE(os.stat(self.folder / "token").st_mode), 0o600)
        self.assertNotIn(token, lines)
        self.assertIn(hashlib.sha256(token.encode()).hexdigest(), lines)
        # What it prints is what the configuration takes.
        config = self.file("c.toml", '[db]\nsqlite_path = "keys.db"\n' + lines)
        self.bare("check", config)

    def test_a_token_that_is_there(self):
        token = secret("an existing token, long enough")
        path = self.file("t", token + "\n")
        expected = hashlib.sha256(token.encode()).hexdigest()
        self.assertIn(expected, self.bare("hash-token", "billing", "--token", path).text)
        self.assertEqual(self.bare("hash-token", "billing", "--token", "-", "--json", stdin=token).object,
                         {"principal": "billing", "sha256": expected})
        self.bare("hash-token", "billing", "--token", "-", stdin="short", code=2)
        self.bare("hash-token", "*", "--json", code=11)


class Server(Case):
    def test_serve_takes_its_place(self):
        program = self.file("jwekms-server", '#!/bin/sh\necho "$@"; exit 7\n')
        os.chmod(program, 0o755)
        env = environment(PATH=f"{self.folder}:{os.environ['PATH']}")
        self.assertEqual(self.bare("-c", "c.toml", "serve", env=env, code=7).text, "c.toml\n")
        env["JWEKMS_CONFIG"] = "-c.toml"
        self.assertEqual(self.bare("serve", "--insecure", env=env, code=7).text, "--insecure ./-c.toml\n")

    @unittest.skipUnless("JWEKMS_SERVER" in os.environ, "built without the server")
    def test_serve_starts_the_real_one(self):
        config = self.file("c.toml", '[http]\nport = 0\n[db]\nsqlite_path = "keys.db"\n')
        path = f"{os.path.dirname(os.environ['JWEKMS_SERVER'])}:{os.environ['PATH']}"
        with open(self.folder / "log", "w") as log:
            process = subprocess.Popen([PROGRAM, "serve", "-c", config], stdout=log, stderr=log,
                                       env=environment(PATH=path))
        try:
            deadline = time.monotonic() + 60
            while not (found := re.search(r"listening on \S+ port (\d+)", (self.folder / "log").read_text())):
                self.assertIsNone(process.poll(), (self.folder / "log").read_text())
                self.assertLess(time.monotonic(), deadline)
                time.sleep(0.05)
            with urllib.request.urlopen(f"http://127.0.0.1:{found[1]}/healthz", timeout=30) as answer:
                self.assertEqual(answer.status, 200)
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(60), 0)
        finally:
            process.kill()
            process.wait()

    def test_serve_says_what_is_missing(self):
        self.bare("serve", code=2)
        self.bare("-d", "keys.db", "serve", code=2)
        self.bare("-c", "c.toml", "--as", "alice", "serve", code=2)
        empty = environment(PATH=str(self.folder))
        self.assertIn(b"cannot start jwekms-server", self.bare("-c", "c.toml", "serve", env=empty, code=1).err)

    def test_doctor_wants_an_hsm(self):
        path = self.file("c.toml", '[db]\nsqlite_path = "keys.db"\n')
        self.assertIn(b"no HSM", self.bare("-c", path, "doctor", code=11).err)


if __name__ == "__main__":
    unittest.main()
