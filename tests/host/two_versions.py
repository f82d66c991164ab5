#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Two releases in one process: that both work, and that no symbol of one is bound to the other's.

usage: two_versions.py PROGRAM LIBRARY OTHER_LIBRARY... [hsm]
"""
import collections
import os
import pathlib
import re
import subprocess
import sys
import tempfile


def bindings(program, *arguments):
    """(from, to): symbols, as the dynamic linker bound them."""
    with tempfile.TemporaryDirectory() as folder:
        environment = dict(os.environ, LD_DEBUG="bindings", LD_DEBUG_OUTPUT=f"{folder}/bindings", LD_BIND_NOW="1")
        process = subprocess.Popen([program, *arguments], env=environment)
        if process.wait():
            sys.exit(f"{' '.join(arguments)}: exit {process.returncode}")
        found = collections.defaultdict(set)
        text = pathlib.Path(f"{folder}/bindings.{process.pid}").read_text(errors="replace")
        for source, target, symbol in re.findall(r"binding file (\S+) \[0\] to (\S+) \[0\]: \w+ symbol `([^']*)'", text):
            found[source, target].add(symbol)
        return found


def main(program, first, *others):
    extra = [each for each in others if each == "hsm"]
    for other in others[:len(others) - len(extra)]:
        for scope in ("local", "global"):
            for pair in ((first, other), (other, first)):
                found = bindings(program, scope, *pair, *extra)
                for source in pair:
                    # What is looked for would have been seen.
                    assert len({symbol for (a, _), all in found.items() if a == source for symbol in all}) > 100
                for between in (pair, pair[::-1]):
                    if found[between]:
                        sys.exit(f"{scope}: {between[0]} uses of {between[1]}: {sorted(found[between])}")


if __name__ == "__main__":
    main(*sys.argv[1:])
