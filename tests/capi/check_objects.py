#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What loading the library does to its host: nothing. No constructor runs at load time, nothing is
left for exit(), and the environment is read for an explicit "env:" reference alone.

usage: check_objects.py STATIC_LIBRARY SHARED_LIBRARY | --self-test
"""
import re
import subprocess
import sys
import tempfile

RUNS = r" \.(init_array|ctors|preinit_array|fini_array|dtors)\S*"

# Functions of the C library that are the host's to call, and the objects that may.
FORBIDDEN = {
    "getenv": {"pin.cpp.o"},  # "env:NAME"
    "secure_getenv": set(), "environ": set(), "__environ": set(), "setenv": set(),
    "atexit": set(), "on_exit": set(), "__cxa_atexit": set(),
    # Where a thread has used OpenSSL; its library context waits for it.
    "__cxa_thread_atexit": {"lib_ctx.cpp.o"},
    "setlocale": set(), "signal": set(), "sigaction": set(), "exit": set(), "abort": set(), "printf": set(),
    "puts": set(), "fwrite": set(), "fprintf": {"open.cpp.o"},  # warnings, where nobody takes them
    "syslog": set(), "system": set(), "popen": set(),
}


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def complaints(library):
    objects = set()
    for line in run("nm", "-A", "--undefined-only", library).splitlines():
        _, name, symbol = re.match(r"(.*):([^:]+):\s+[Uw] (\S+)$", line).groups()
        objects.add(name)
        if name not in FORBIDDEN.get(symbol, {name}):
            yield f"{name} calls {symbol}"
    if not objects:
        yield "no object with an undefined symbol: not a library of ours"
    name = None
    for line in run("readelf", "-SW", library).splitlines():
        if header := re.match(r"File: .*\((.*)\)", line):
            name = header[1]
        elif section := re.search(RUNS, line):
            yield f"{name} has a section {section[0].strip()}: something runs when it is loaded or unloaded"


POINTER = 8


def constructors(library):
    """What runs when the shared library is loaded, beside the compiler's own frame_dummy."""
    size = re.search(r"\(INIT_ARRAYSZ\)\s+(\d+)", run("readelf", "-dW", library))
    for name in sorted(set(re.findall(r" (_GLOBAL__sub_I_\S+)$", run("nm", library), re.MULTILINE))):
        yield f"{name} runs when the shared library is loaded"
    if size is None or int(size[1]) > POINTER:
        yield "more than frame_dummy runs when the shared library is loaded"


def self_test():
    faults = {"static std::string text(std::getenv(\"HOME\"));": ("getenv", "init_array"),
              "void f() { std::atexit([] {}); }": ("atexit",),
              "void f() { std::abort(); }": ("abort",),
              "extern \"C\" char** environ; char** f() { return environ; }": ("environ",),
              "__attribute__((constructor)) void f() {}": ("init_array",),
              "int f(const char* t) { return std::atoi(t); }": ()}
    for code, expected in faults.items():
        with tempfile.TemporaryDirectory() as folder:
            source = f"{folder}/planted.cpp"
            with open(source, "w") as file:
                file.write(f"#include <cstdlib>\n#include <string>\n{code}\n")
            run("c++", "-c", "-fPIC", source, "-o", f"{folder}/planted.o")
            run("ar", "rcs", f"{folder}/planted.a", f"{folder}/planted.o")
            found = list(complaints(f"{folder}/planted.a"))
            run("c++", "-shared", f"{folder}/planted.o", "-o", f"{folder}/planted.so")
            assert bool(list(constructors(f"{folder}/planted.so"))) == ("init_array" in expected), code
            for word in expected:
                assert any(word in each for each in found), (code, word, found)
            assert expected or not found, (code, found)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments != ["--self-test"] and len(arguments) != 2:
        sys.exit(__doc__)
    self_test()
    found = []
    if len(arguments) == 2:
        static, shared = arguments
        found = [*constructors(shared), *complaints(static)]
    for each in found:
        print(each)
    sys.exit(1 if found else 0)
