#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the tables of what tokens can do, in the docs, to tests/pkcs11/expected.txt.

usage: check_table.py ROOT
"""
import pathlib
import sys

# Documents, and whether the whole table must stand there or some rows will do.
DOCS = {"README.md": False, "examples/hsm/README.md": True}


def is_the_tests_own(what):
    return what in ("token", "model", "name") or what.startswith("test: ")


def cells(line):
    return [cell.strip() for cell in line.split("|")]


def expected(text):
    rows = [cells(line) for line in text.splitlines() if line and not line.startswith("#")]
    return {row[0]: row[1:] for row in rows}


def complaints(table, name, text, whole):
    """@param table  rows by name; `name` among them has the tokens' names."""
    found = []
    lines = iter(text.splitlines())
    for line in lines:
        if cells(line)[1:-1] == ["", *table["name"]]:
            next(lines)  # |---|
            for row in lines:
                if not row.startswith("|"):
                    break
                what, *rest = cells(row)[1:-1]
                found.append(what)
                if table.get(what) != rest or is_the_tests_own(what):
                    yield f"{name}: {row}: expected.txt has {table.get(what)}"
    wanted = [what for what in table if not is_the_tests_own(what)] if whole else found[:1]
    for what in wanted:
        if what not in found:
            yield f"{name}: no row: {what}"
    if not found:
        yield f"{name}: no table"


def self_test():
    table = expected("# c\ntoken | A | B\nname | a 1 | b 2\nx: y | yes | no\nz | no | yes, so\n"
                     "test: q | no | no\n")
    sound = "text\n| | a 1 | b 2 |\n|---|---|---|\n| x: y | yes | no |\n| z | no | yes, so |\n\nmore\n"
    assert not list(complaints(table, "doc", sound, True))
    assert not list(complaints(table, "doc", sound.replace("| z | no | yes, so |\n", ""), False))
    for planted in (sound.replace("yes | no", "yes | yes"), sound.replace("x: y", "x"), "",
                    sound.replace("| z | no | yes, so |\n", ""), sound.replace("b 2", "b 3")):
        assert list(complaints(table, "doc", planted, True)), planted


def main():
    self_test()
    root = pathlib.Path(sys.argv[1])
    table = expected((root / "tests/pkcs11/expected.txt").read_text())
    faults = [fault for name, whole in DOCS.items()
              for fault in complaints(table, name, (root / name).read_text(), whole)]
    print("\n".join(faults) or "ok")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
