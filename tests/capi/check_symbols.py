#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds together what is declared, what is listed and what the shared library exports.

The lists are capi/jwekms.symbols and, for the C++ API, capi/jwekms.cxx.symbols, as nm --demangle has it.

usage: check_symbols.py LIBRARY
"""
import pathlib
import re
import subprocess
import sys

CAPI = pathlib.Path(__file__).resolve().parents[2] / "capi"
NODE = re.compile(r"JWEKMS_\d+\.\d+")
VERSION = (CAPI.parent / "include/jwekms/version.hpp").read_text()
CXX_NODE = "JWEKMS_CXX_" + re.search(r'VERSION_STRING "(\d+\.\d+)\.', VERSION)[1]


def declared(header):
    """The functions of a C header."""
    return re.findall(r"^[a-z_0-9 ]+\*? \**(jwekms_\w+)\(", header, re.MULTILINE)


def mapped(version_script):
    """The C symbols of a version script."""
    return re.findall(r"^ +(jwekms_\w+);", version_script, re.MULTILINE)


def complaints(listed, listed_cxx, header, version_script, exported):
    """@param exported  (name, version, demangled name) of each symbol that the library defines."""
    for file, names in (("jwekms.symbols", listed), ("jwekms.cxx.symbols", listed_cxx)):
        if names != sorted(set(names)):
            yield f"{file}: not sorted, or a name stands twice"
    for source, names in (("jwekms.h", declared(header)), ("jwekms.map", mapped(version_script))):
        for name in sorted(set(names) ^ set(listed)):
            yield f"{name}: in one of {source} and jwekms.symbols, not in both"
    exported_c = {name for name, _, _ in exported if not name.startswith("_Z")}
    for name in sorted(set(listed) - exported_c):
        yield f"{name}: listed, not exported"
    for name in sorted(exported_c - set(listed)):
        yield f"{name}: exported, not listed"
    exported_cxx = {demangled for name, _, demangled in exported if name.startswith("_Z")}
    for name in sorted(set(listed_cxx) - exported_cxx):
        yield f"{name}: listed, not exported"
    for name in sorted(exported_cxx - set(listed_cxx)):
        yield f"{name}: exported, not part of the C++ API"
    for name, version, _ in exported:
        if version != CXX_NODE if name.startswith("_Z") else not NODE.fullmatch(version):
            yield f"{name}: exported with version {version!r}"


def exports(library):
    def nm(*options):
        command = ["nm", "-D", "--defined-only", "--with-symbol-versions", *options, str(library)]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return [re.match(r"\S+ (\S) (.*)", line).groups() for line in out.splitlines()]

    # Kind A is the version node itself.
    for (kind, plain), (_, demangled) in zip(nm(), nm("--demangle")):
        name, _, version = plain.partition("@")
        if kind != "A":
            yield name, version.lstrip("@"), demangled.partition("@")[0]


def self_test():
    """A sound library passes; each planted fault is complained of."""
    cxx = [("_Z1a", CXX_NODE, "jwekms::Kms::decrypt(int) const"),
           ("_Z1b", CXX_NODE, "jwekms::Kms::~Kms()"), ("_Z1c", CXX_NODE, "jwekms::Kms::~Kms()")]
    sound = [("jwekms_a", "JWEKMS_0.1", "jwekms_a"), *cxx]
    api = ["jwekms::Kms::decrypt(int) const", "jwekms::Kms::~Kms()"]

    def check(listed=("jwekms_a",), listed_cxx=api, header="int32_t jwekms_a(void);",
              version_script="    jwekms_a;", exported=sound):
        return list(complaints(list(listed), list(listed_cxx), header, version_script, exported))

    assert not check()
    assert check(listed=[])
    assert check(listed=["jwekms_a", "jwekms_a"])
    assert check(listed_cxx=api[:1])
    assert check(listed_cxx=api[::-1])
    assert check(listed_cxx=[*api, "jwekms::open(int)"])
    assert check(header="")
    assert check(version_script="")
    assert check(exported=cxx)
    assert check(exported=sound[:1])
    assert check(exported=[("jwekms_a", "", "jwekms_a"), *cxx])
    assert check(exported=[("jwekms_a", CXX_NODE, "jwekms_a"), *cxx])
    assert check(exported=[*sound, ("_Z1f", "JWEKMS_0.1", "jwekms::Kms::policy() const")])
    assert check(exported=[*sound, ("_Z1f", "JWEKMS_CXX_0.0", "jwekms::Kms::policy() const")])
    for name, demangled in (("sqlite3_open", "sqlite3_open"), ("_Z1d", "jwekms::Kms::decrypt(long) const"),
                            ("_Z1d", "jwekms::db::open_database(int)"),
                            ("_Z1d", "typeinfo for jwekms::Key")):
        assert check(exported=[*sound, (name, CXX_NODE, demangled)]), name


def main():
    self_test()
    faults = list(complaints((CAPI / "jwekms.symbols").read_text().split(),
                             (CAPI / "jwekms.cxx.symbols").read_text().splitlines(),
                             (CAPI / "jwekms.h").read_text(), (CAPI / "jwekms.map").read_text(),
                             list(exports(sys.argv[1]))))
    print("\n".join(faults) or "ok")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
