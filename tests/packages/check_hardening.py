#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How binaries were linked and compiled: no writable table of addresses, no fixed place in memory, no
executable stack, guarded stack frames and checked copies, no path that the loader would look in.

usage: check_hardening.py LIBRARY PROGRAM...
"""
import re
import subprocess
import sys


def faults(text, program):
    """@param text  what readelf says of a binary's header, segments, dynamic section and symbols."""
    wanted = {"position-independent": r"Type: +DYN", "RELRO": r"GNU_RELRO", "BIND_NOW": r"BIND_NOW|Flags:.* NOW",
              "a guarded stack": r"__stack_chk_fail", "checked copies": r"__\w+_chk@GLIBC"}
    if program:
        wanted["PIE"] = r"Flags:.* PIE"
    for name, pattern in wanted.items():
        if not re.search(pattern, text):
            yield f"without {name}"
    if re.search(r"GNU_STACK.* RWE", text):
        yield "executable stack"
    if re.search(r"R(UN)?PATH", text):
        yield "a path of its own for the loader"


def self_test():
    sound = """  Type:                              DYN (Position-Independent Executable file)
  GNU_STACK      0x0 0x0 0x0 0x0 0x0  RW     0x10\n  GNU_RELRO
 0x6ffffffb (FLAGS_1)            Flags: NOW PIE
 1: 0 0 FUNC    GLOBAL DEFAULT  UND __stack_chk_fail@GLIBC_2.4 (4)\n 2: UND __memcpy_chk@GLIBC_2.3.4 (2)"""
    assert not list(faults(sound, True))
    for word, planted in (("DYN", "EXEC"), ("GNU_RELRO", ""), ("NOW", ""), ("PIE", ""), ("__stack_chk_fail", ""),
                          ("_chk@", "@"), ("RW ", "RWE"), ("GNU_RELRO", "GNU_RELRO (RUNPATH)")):
        assert list(faults(sound.replace(word, planted), True)), word


def main():
    self_test()
    count = 0
    for index, path in enumerate(sys.argv[1:]):
        text = subprocess.run(["readelf", "--wide", "-h", "-l", "-d", "--dyn-syms", path], check=True,
                              capture_output=True, text=True).stdout
        for fault in faults(text, program=index > 0):
            print(f"{path}: {fault}")
            count += 1
    print(f"{len(sys.argv) - 1} binaries, {count} faults")
    return 1 if count or len(sys.argv) < 3 else 0


if __name__ == "__main__":
    sys.exit(main())
