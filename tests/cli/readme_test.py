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


def sessions():
    """(command, expected output) of each block, which go on from one another."""
    for block in re.findall(r"(?ms)^```console\n(.*?)^```$", README.read_text()):
        for part in re.split(r"(?m)^\$ ", block)[1:]:
            command, _, output = part.partition("\n")
            while command.endswith("\\"):
                more, _, output = output.partition("\n")
                command += "\n" + more
            yield command, output


def pattern(output):
    return r"[^\n]*".join(re.escape(piece) for piece in output.split("..."))


class Readme(Case):
    def test_every_command_prints_what_stands_there(self):
        bin_folder = self.folder / "bin"
        bin_folder.mkdir()
        (bin_folder / "jwekms").symlink_to(PROGRAM)
        (self.folder / "work").mkdir()
        env = environment(PATH=f"{bin_folder}:{os.environ['PATH']}")
        count = 0
        for command, output in sessions():
            done = subprocess.run(["bash", "-c", command], cwd=self.folder / "work", env=env, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120)
            self.assertRegex(done.stdout, re.compile(r"\A" + pattern(output) + r"\Z"), command)
            count += 1
        self.assertGreater(count, 15)


if __name__ == "__main__":
    unittest.main()
