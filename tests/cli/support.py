# SPDX-License-Identifier: Apache-2.0
"""The tool under test, and what its tests share. JWEKMS_CLI names the program.

Every run is watched: no secret that a test has registered may ever stand in its arguments or come
out on standard error.
"""
import base64
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

PROGRAM = os.environ["JWEKMS_CLI"]
SECRETS = set()

# Exit codes by the names of errors, as the manual page has them.
EXIT = {"failed": 1, "usage": 2, "bad_request": 11, "forbidden": 12, "not_found": 13, "conflict": 14,
        "too_large": 15, "unsupported_algorithm": 16, "decryption_failed": 17, "crypto_failure": 18,
        "unavailable": 19, "internal_error": 20, "buffer_too_small": 21}


def secret(value):
    """Registers what must never be seen."""
    SECRETS.add(value if isinstance(value, bytes) else value.encode())
    return value


def b64(data):
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else data.encode()).rstrip(b"=").decode()


def from_b64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def environment(**more):
    keep = {name: value for name, value in os.environ.items()
            if name in ("PATH", "HOME", "SOFTHSM2_CONF", "LSAN_OPTIONS", "ASAN_OPTIONS", "UBSAN_OPTIONS",
                        "TSAN_OPTIONS")}
    return keep | more


class Run:
    def __init__(self, arguments, code, out, err):
        self.arguments, self.code, self.out, self.err = arguments, code, out, err

    @property
    def text(self):
        return self.out.decode()

    @property
    def objects(self):
        """One JSON object a line, each a whole one."""
        return [json.loads(line) for line in self.out.decode().splitlines()]

    @property
    def object(self):
        (only,) = self.objects
        return only

    @property
    def error(self):
        """The error of a run with --json; warnings may stand before it."""
        lines = [json.loads(line) for line in self.err.decode().splitlines()]
        (only,) = [line for line in lines if "error" in line]
        return only


class Case(unittest.TestCase):
    """A folder of its own, with a database in it that is made by the first key."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="jwekms-cli-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.place = ("--database", str(self.folder / "keys.db"))

    def file(self, name, content):
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    def check_secrets(self, arguments, err):
        words = b"\0".join(os.fsencode(word) for word in arguments)
        for each in SECRETS:
            self.assertNotIn(each, words, "a secret on a command line")
            self.assertNotIn(each, err, "a secret on standard error")

    def bare(self, *arguments, stdin=b"", env=None, code=0, **options):
        """Runs it as it stands; expects an exit code."""
        words = [os.fspath(word) for word in arguments]
        done = subprocess.run([PROGRAM, *words], input=stdin if isinstance(stdin, bytes) else stdin.encode(),
                              capture_output=True, env=env or environment(), cwd=self.folder, timeout=300,
                              **options)
        self.check_secrets(words, done.stderr)
        self.assertEqual(done.returncode, code, f"{words}: {done.stderr.decode(errors='replace')}")
        return Run(words, done.returncode, done.stdout, done.stderr)

    def run_tool(self, *arguments, **options):
        """Runs it on the test's keys."""
        return self.bare(*self.place, *arguments, **options)

    def fails(self, error, *arguments, **options):
        """Runs it twice, for people and for programs: the same exit code, and the error's name."""
        human = self.run_tool(*arguments, code=EXIT[error], **options)
        self.assertEqual(human.out, b"")
        machine = self.run_tool("--json", *arguments, code=EXIT[error], **options).error
        self.assertEqual(machine["error"], error)
        self.assertEqual(set(machine), {"error", "description"})
        lines = [line for line in human.err.decode().splitlines() if "warning:" not in line]
        self.assertIn(machine["description"], lines[0])
        return "\n".join(lines)

    def create(self, *arguments):
        return os.fsdecode(self.run_tool("key", "create", *arguments).out).removesuffix("\n")
