# SPDX-License-Identifier: Apache-2.0
"""The README's sessions, typed as they stand there: lines after "$ " are commands, the others are what
they print, with "..." for what differs each time."""
import os
import pathlib
import re
import subprocess
import unittest

from support import PROGRAM, Case, environment

README = pathlib.Path(os.environ["JWEKMS_CLI_README"])


def sessions(page):
    """(command, expected output) of each block, which go on from one another."""
    for block in re.findall(r"(?ms)^```console\n(.*?)^```$", page.read_text()):
        for part in re.split(r"(?m)^\$ ", block)[1:]:
            command, _, output = part.partition("\n")
            while command.endswith("\\"):
                more, _, output = output.partition("\n")
                command += "\n" + more
            yield command, output


def pattern(output):
    return r"[^\n]*".join(re.escape(piece) for piece in output.split("..."))


def play(case, page, folder):
    """Types a page's commands in a folder, and gives their number."""
    bin_folder = case.folder / "bin"
    bin_folder.mkdir()
    (bin_folder / "jwekms").symlink_to(PROGRAM)
    env = environment(PATH=f"{bin_folder}:{os.environ['PATH']}")
    count = 0
    for command, output in sessions(page):
        done = subprocess.run(["bash", "-c", command], cwd=folder, env=env, text=True, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=120)
        case.assertRegex(done.stdout, re.compile(r"\A" + pattern(output) + r"\Z"), command)
        count += 1
    return count


class Readme(Case):
    def test_every_command_prints_what_stands_there(self):
        (self.folder / "work").mkdir()
        self.assertGreater(play(self, README, self.folder / "work"), 15)


if __name__ == "__main__":
    unittest.main()
