# SPDX-License-Identifier: Apache-2.0
"""The manual page and the completions: they name every command and option, and they work.

What there is to name is read from the program's own --help, which CLI11 writes.
"""
import os
import pty
import re
import select
import subprocess
import time
import unittest

from support import EXIT, Case


class Pages(Case):
    def help(self, *path):
        """The options, the positionals and the commands below."""
        text = self.bare(*path, "--help").text
        options = re.findall(r"(?m)^  ((?:-\w,)?--[\w-]+)", text)
        names = [name for option in options for name in option.split(",")]
        section = re.search(r"(?ms)^Subcommands:\n(.*?)(?:\n\n|\Z)", text)
        commands = re.findall(r"(?m)^  (\S+)", section[1]) if section else []
        section = re.search(r"(?ms)^Positionals:\n(.*?)(?:\n\n|\Z)", text)
        positionals = re.findall(r"(?m)^  \w+ (\S+)", section[1]) if section else []
        return set(names), positionals, commands

    def tree(self, *path):
        names, positionals, commands = self.help(*path)
        yield path, names, positionals, commands
        for command in commands:
            yield from self.tree(*path, command)

    @staticmethod
    def unformatted(page):
        return re.sub(r"\\f.|\\&", "", page).replace("\\-", "-").replace("\\(dq", '"').replace("\\e", "\\")

    def test_the_manual_page_names_every_command_and_option(self):
        page = self.unformatted(self.bare("generate", "man").text)
        sections = dict(re.findall(r"(?ms)^\.SS (jwekms [^\n]*)\n(.*?)(?=^\.S[SH] )", page))
        commands = 0
        for path, names, positionals, below in self.tree():
            if below and path:
                continue  # a group
            text = sections["jwekms " + " ".join(path)] if path else page
            commands += bool(path)
            for name in names - ({"--help", "-h"} if path else set()):
                self.assertRegex(text, rf"(?m)^\.TP\n(\S+, )?{name}\b", f"{path} {name}")
            for value in positionals:
                self.assertIn(value, text)
        self.assertEqual(commands, len(sections))
        self.assertGreater(commands, 20)

    def test_the_manual_page_has_every_exit_code(self):
        page = self.unformatted(self.bare("generate", "man").text)
        section = re.search(r"(?ms)^\.SH EXIT STATUS\n(.*?)^\.SH", page)[1]
        for name, code in EXIT.items():
            if code > 10:
                self.assertRegex(section, rf"(?m)^\.B {code}\n{name}\b")
        self.assertEqual(len(re.findall(r"(?m)^\.B \d+$", section)), 1 + len(EXIT))

    def test_the_manual_page_is_well_formed(self):
        path = self.file("jwekms.1", self.bare("generate", "man").out)
        lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", path], capture_output=True, text=True)
        # It has no date: it is made anew by each build, the same each time.
        found = [line for line in lint.stdout.splitlines() if "missing date" not in line]
        self.assertEqual(found, [])
        shown = subprocess.run(["mandoc", "-T", "ascii", path], check=True, capture_output=True, text=True).stdout
        self.assertIn("EXIT STATUS", re.sub(r".\x08", "", shown))

    def test_a_command_that_is_hidden_stays_hidden(self):
        for what in ("man", "bash", "zsh", "fish"):
            self.assertNotIn("/generate", self.bare("generate", what).text)
        self.assertNotIn("  generate", self.bare("--help").text)


# What is typed, and what must be, and must not be, among the completions.
TYPED = (
    ("jwekms ", {"key", "decrypt", "import-wrapped", "hash-token"}, {"create", "generate"}),
    ("jwekms de", {"decrypt"}, {"key"}),
    ("jwekms key ", {"create", "import", "alias"}, {"decrypt"}),
    ("jwekms --as alice key ", {"create"}, {"decrypt", "key"}),
    ("jwekms --as key ", set(), {"create"}),
    ("jwekms key alias ", {"add", "remove"}, {"create"}),
    ("jwekms key import --format ", {"jwk", "pem", "der", "raw"}, {"create"}),
    ("jwekms key import --", {"--format", "--passphrase-file", "--json", "--config"}, {"--bits"}),
    ("jwekms decrypt --k", {"--key"}, {"--json"}),
    ("jwekms key state k ", {"deactivated", "compromised"}, {"active"}),
    ("jwekms grant k alice ", {"decrypt", "unwrap", "grant"}, {"destroy"}),
    ("jwekms grant k alice decrypt ", {"unwrap"}, {"destroy"}),
    ("jwekms encrypt --enc A1", {"A128GCM", "A192GCM"}, {"A256GCM"}),
    ("jwekms --config ./c", {"./c.toml"}, {"key"}),
    ("jwekms decrypt ./t", {"./token file.jwe"}, {"./c.toml"}),
)


class Completions(Case):
    def setUp(self):
        super().setUp()
        self.file("c.toml", "")
        self.file("token file.jwe", "")

    def check(self, complete):
        for typed, wanted, unwanted in TYPED:
            with self.subTest(typed=typed):
                got = complete(typed)
                self.assertLessEqual(wanted, got)
                self.assertFalse(unwanted & got)

    def test_bash(self):
        path = self.file("jwekms.bash", self.bare("generate", "bash").out)
        script = (f"source {path}\n"
                  "line=$1; read -ra COMP_WORDS <<<\"$line\"\n"
                  "[[ $line == *' ' ]] && COMP_WORDS+=('')\n"
                  "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _jwekms\n"
                  "printf '%s\\n' \"${COMPREPLY[@]}\"\n")

        def complete(typed):
            done = subprocess.run(["bash", "-c", script, "bash", typed], check=True, capture_output=True, text=True,
                                  cwd=self.folder)
            self.assertEqual(done.stderr, "")
            return set(done.stdout.splitlines())
        self.check(complete)
        # As bash splits it: at "=".
        self.assertEqual(complete("jwekms key import --format = p"), {"pem"})
        self.assertEqual(complete("jwekms key create --type ="), {"rsa", "oct"})

    def test_fish(self):
        path = self.file("jwekms.fish", self.bare("generate", "fish").out)

        def complete(typed):
            done = subprocess.run(["fish", "--no-config", "-c", f"source {path}; complete -C $argv[1]", typed],
                                  check=True, capture_output=True, text=True, cwd=self.folder,
                                  env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder)})
            self.assertEqual(done.stderr, "")
            words = {line.split("\t")[0] for line in done.stdout.splitlines()}
            return words | {"./" + word for word in words}  # fish may leave it out
        self.check(complete)

    def test_zsh(self):
        """In a real shell on a terminal: what Tab makes of a line, with a jwekms that prints it."""
        self.file("_jwekms", self.bare("generate", "zsh").out)
        lines = (("jwekms de\t", "decrypt"),
                 ("jwekms key cr\t--bi\t4096", "key create --bits=4096"),
                 ("jwekms key import --format p\t", "key import --format pem"),
                 ("jwekms --as alice key al\tre\t", "--as alice key alias remove"),
                 ("jwekms key state k com\t", "key state k compromised"),
                 ("jwekms grant k alice decrypt unw\t", "grant k alice decrypt unwrap"),
                 ("jwekms encrypt --enc A2\t", "encrypt --enc A256GCM"),
                 ("jwekms key list --conf\t./c\t", "key list --config=./c.toml"),
                 ("jwekms decrypt ./to\t", "decrypt ./token file.jwe"))
        master, slave = pty.openpty()
        shell = subprocess.Popen(["zsh", "-f", "-i"], stdin=slave, stdout=slave, stderr=slave, cwd=self.folder,
                                 env={"PATH": "/usr/bin:/bin", "TERM": "dumb", "HOME": str(self.folder)},
                                 start_new_session=True)
        seen = b""

        def read_until(text):
            nonlocal seen
            deadline = time.monotonic() + 60
            while text not in seen:
                self.assertLess(time.monotonic(), deadline, seen)
                if select.select([master], [], [], 0.1)[0]:
                    seen += os.read(master, 65536)
            seen = seen[seen.index(text) + len(text):]
        try:
            os.write(master, b"PS1=; unsetopt zle_bracketed_paste; fpath=($PWD $fpath); autoload -Uz compinit; "
                             b"compinit -D -u; jwekms() { print -r -- \"<$*>\" }; print rea''dy\n")
            read_until(b"ready")
            for typed, wanted in lines:
                os.write(master, typed.encode() + b"\n")
                read_until(f"<{wanted}>".encode())
        finally:
            shell.kill()
            shell.wait()
            os.close(slave)
            os.close(master)


if __name__ == "__main__":
    unittest.main()
