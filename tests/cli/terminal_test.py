# SPDX-License-Identifier: Apache-2.0
"""With somebody at a terminal: what is asked, what is shown, what is not."""
import fcntl
import os
import pty
import select
import subprocess
import termios
import time
import unittest

from jwcrypto import jwk

from support import PROGRAM, Case, environment, secret


class Terminal:
    """A process whose standard streams are a terminal of its own, unless told otherwise."""

    def __init__(self, arguments, cwd, **streams):
        self.master, slave = pty.openpty()
        settings = termios.tcgetattr(slave)
        settings[1] &= ~termios.OPOST  # newlines as they are
        termios.tcsetattr(slave, termios.TCSANOW, settings)

        def take_terminal():
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        streams = {"stdin": slave, "stdout": slave, "stderr": slave} | streams
        self.process = subprocess.Popen([PROGRAM, *arguments], cwd=cwd, env=environment(), pass_fds=[slave],
                                        preexec_fn=take_terminal, **streams)
        self.slave = slave
        self.seen = b""

    def read_until(self, text):
        deadline = time.monotonic() + 60
        while text not in self.seen:
            if time.monotonic() > deadline:
                raise AssertionError(f"no {text} in {self.seen}")
            if select.select([self.master], [], [], 0.1)[0]:
                self.seen += os.read(self.master, 65536)

    def echoes(self):
        return bool(termios.tcgetattr(self.slave)[3] & termios.ECHO)

    def wait_until_it_reads_unseen(self):
        """The prompt comes before echo is switched off, and that before the read: OpenSSL's prompt would go on to read
        after an interrupt in between, and wait for a second one."""
        deadline = time.monotonic() + 60
        while self.echoes() or not self.sleeps():
            if time.monotonic() > deadline:
                raise AssertionError("it does not read without echo")
            time.sleep(0.01)

    def sleeps(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="utf-8", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[0] == "S"

    def type(self, text):
        os.write(self.master, text)

    def finish(self):
        """All that came on the terminal, and the exit code."""
        code = None
        while code is None or select.select([self.master], [], [], 0)[0]:
            if select.select([self.master], [], [], 0.05)[0]:
                self.seen += os.read(self.master, 65536)
            code = self.process.poll()
        os.close(self.slave)
        os.close(self.master)
        return self.seen, code


class AtTheTerminal(Case):
    def setUp(self):
        super().setUp()
        self.create("--uid", "k")

    def show(self, payload, *arguments):
        token = self.run_tool("encrypt", "--to", "k", stdin=payload).out
        with open(self.file("t.jwe", token), "rb") as stdin:
            return Terminal([*self.place, "decrypt", *arguments], self.folder, stdin=stdin).finish()

    def test_text_gets_its_last_newline(self):
        self.assertEqual(self.show(b"no newline"), (b"no newline\n", 0))
        self.assertEqual(self.show(b"newline\n"), (b"newline\n", 0))
        self.assertEqual(self.show("häßlich\tok\n".encode()), ("häßlich\tok\n".encode(), 0))
        self.assertEqual(self.show(b""), (b"", 0))

    def test_what_could_harm_a_terminal_is_not_shown(self):
        for payload in (b"\x1b[2J", b"\xff\xfe", b"a\0b", b"\x9b", "\u009b".encode(), b"over\rwritten"):
            seen, code = self.show(payload)
            self.assertEqual(code, 1)
            self.assertIn(b"--output", seen)
            self.assertNotIn(payload, seen)
        self.assertEqual(self.show(b"\x1b[2J", "-o", "-"), (b"\x1b[2J", 0))

    def test_a_strange_name_is_shown_harmless(self):
        self.create("--uid", "\x1b[2J")
        for arguments in (("key", "list"), ("key", "list", "-q"), ("key", "show", "\x1b[2J")):
            seen, code = Terminal([*self.place, *arguments], self.folder).finish()
            self.assertEqual(code, 0)
            self.assertIn(b"\\x1b[2J", seen)
            self.assertNotIn(b"\x1b", seen)

    def test_destroy_asks(self):
        for answer in (b"n\n", b"\n", b"\x04"):
            terminal = Terminal([*self.place, "key", "destroy", "k"], self.folder)
            terminal.read_until(b'"k" for good?')
            terminal.type(answer)
            self.assertEqual(terminal.finish()[1], 1)
            self.run_tool("key", "show", "k")
        terminal = Terminal([*self.place, "key", "destroy", "k"], self.folder)
        terminal.read_until(b"[y/N]")
        terminal.type(b"y\n")
        self.assertEqual(terminal.finish()[1], 0)
        self.run_tool("key", "show", "k", code=13)

    def test_a_passphrase_is_asked_for_and_not_echoed(self):
        passphrase = secret("very secret words")
        key = jwk.JWK.generate(kty="RSA", size=2048)
        pem = self.file("k.pem", key.export_to_pem(True, passphrase.encode()))
        for source in (pem, "-"):  # from a file, and with the key itself on standard input
            with open(pem, "rb") as stdin:
                terminal = Terminal([*self.place, "key", "import", "--uid", "from " + source[-1], source], self.folder,
                                    stdin=stdin)
                terminal.read_until(b"Passphrase of the key: ")
                terminal.wait_until_it_reads_unseen()
                terminal.type(passphrase.encode() + b"\n")
                seen, code = terminal.finish()
            self.assertEqual(code, 0, seen)
            self.assertNotIn(passphrase.encode(), seen)

    def test_the_terminal_is_as_before_after_an_interrupt(self):
        key = jwk.JWK.generate(kty="RSA", size=2048)
        pem = self.file("k.pem", key.export_to_pem(True, b"x" * 10))
        terminal = Terminal([*self.place, "key", "import", pem], self.folder)
        terminal.read_until(b"Passphrase")
        terminal.wait_until_it_reads_unseen()
        terminal.type(b"\x03")
        terminal.process.wait(timeout=30)
        self.assertTrue(terminal.echoes())
        self.assertNotEqual(terminal.finish()[1], 0)

    def test_a_new_token_is_shown_to_whoever_watches(self):
        seen, code = Terminal(["hash-token", "billing"], self.folder).finish()
        self.assertEqual(code, 0)
        self.assertRegex(seen, rb"jwekms_[\w-]{43}\n\n\[\[auth\.tokens\]\]\n")

    def test_a_rotation_shows_how_far_it_is(self):
        self.create("--uid", "k2")
        seen, code = Terminal([*self.place, "rotate"], self.folder).finish()
        self.assertEqual(code, 0, seen)
        self.assertIn(b"sealing records anew: 2 of 2 (100 %)", seen)
        self.assertIn(b"Done: 2 records are under a new key.", seen)
        for uid in ("k", "k2"):
            self.assertEqual(self.run_tool("decrypt", stdin=self.run_tool("encrypt", "--to", uid, stdin="x").out).out, b"x")

    def test_it_says_that_it_waits(self):
        terminal = Terminal([*self.place, "decrypt"], self.folder)
        terminal.read_until(b"Ctrl-D ends")
        terminal.type(b"nonsense\n\x04")
        self.assertEqual(terminal.finish()[1], 11)


if __name__ == "__main__":
    unittest.main()
