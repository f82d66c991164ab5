#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the C ABI of a library with that of every release, as the dumps beside this file hold it.

A release's dump is jwekms-MAJOR.MINOR.abi, by abidw: exported functions, their parameters, the structs
of the public headers; and jwekms-MAJOR.MINOR.values: the enumerators, which no function's type names.
Against each dump, new enumerators, new members at the end of structs that begin with `struct_size`,
and new functions in a version node that no release has, pass. Everything else fails: what is gone,
moved, narrowed, renamed, or has another value, symbol version or SONAME. A function more in a node
that is published fails, too: a program that uses it would start with the older library, and die.

The C++ names are exported too and are not here: they carry the standard library's types, and are
promised to who compiles against the same minor release (jwekmsConfigVersion.cmake says so to CMake).
tests/capi/check_symbols.py holds their list.

The rule: `check_abi.py --write LIBRARY` makes the dump of the version at hand, from the release
preset. Until its release is tagged, vMAJOR.MINOR.0, the dump is made anew whenever the ABI changes on
purpose: one that lags behind the library fails. From then on it never changes, nor goes away before
the SONAME does; where git knows the tag, this is checked.

usage: check_abi.py LIBRARY | --write LIBRARY | --self-test      (abigail-tools, gcc in $CC)
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CAPI = ROOT / "capi"
HEADERS = [CAPI / "jwekms.h", CAPI / "jwekms_provider.h"]

# Only what is promised, and nothing that differs between machines or compilers.
ABIDW = ["abidw", "--exported-interfaces-only", "--drop-private-types", "--drop-undefined-syms",
         "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--no-architecture",
         "--no-elf-needed", "--no-parameter-names"]
NOT_C = "[suppress_function]\nsymbol_name_not_regexp = ^jwekms_\ndrop = yes\n"


def run(*command, expected=(0,)):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode not in expected:
        sys.exit(f"{command[0]}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def dump(library, headers):
    """The C ABI as XML."""
    if ".debug_info" not in run("readelf", "-SW", library).stdout:
        sys.exit(f"{library}: no debug information; build it with the release preset")
    with tempfile.TemporaryDirectory() as folder:
        public, suppressions, out = (pathlib.Path(folder, name) for name in ("public", "c.supp", "out"))
        public.mkdir()
        for header in headers:
            (public / header.name).symlink_to(header)
        suppressions.write_text(NOT_C)
        run(*ABIDW, "--headers-dir", public, "--suppressions", suppressions, "--out-file", out, library)
        xml = re.sub(r" path='[^']*/", " path='", out.read_text())
        return re.sub(r"  <abi-instr [^>]*>\n  </abi-instr>\n", "", xml)  # nothing of C in them


def nodes(dumped):
    """version node: the functions in it."""
    found = {}
    for symbol in ElementTree.fromstring(dumped).iter("elf-symbol"):
        found.setdefault(symbol.get("version"), set()).add(symbol.get("name"))
    return found


def structs(xml):
    """name: element, of the structs whose layout callers know."""
    return {each.get("name"): each for each in xml.iter("class-decl")
            if each.get("is-declaration-only") != "yes"}


def members(struct):
    return [each.find("var-decl").get("name") for each in struct.findall("data-member")]


def layouts(dumped):
    return {name: members(struct) for name, struct in structs(ElementTree.fromstring(dumped)).items()}


def as_callers_of(old, new):
    """A dump as it looks to callers that were compiled with an older one: structs with a size end where
    theirs end. abidiff's own suppression for members at the end lets other changes through beside them.
    """
    known, tree = structs(ElementTree.fromstring(old)), ElementTree.fromstring(new)
    for name, struct in structs(tree).items():
        if name not in known or members(known[name])[:1] != ["struct_size"]:
            continue
        end = known[name].get("size-in-bits")
        added = [each for each in struct.findall("data-member")
                 if int(each.get("layout-offset-in-bits")) >= int(end)]
        for each in added:
            struct.remove(each)
        if added:
            struct.set("size-in-bits", end)
    return ElementTree.tostring(tree, encoding="unicode")


def values(headers):
    """name: value, of the enumerators and of the version of the ABI."""
    text = "".join(re.sub(r"//[^\n]*", "", header.read_text()) for header in headers)
    names = re.findall(r"\b(JWEKMS_\w+) = ", text)
    names += re.findall(r"^#define (JWEKMS_\w+_VERSION) ", text, re.MULTILINE)
    with tempfile.TemporaryDirectory() as folder:
        source, program = pathlib.Path(folder, "values.c"), pathlib.Path(folder, "values")
        source.write_text("#include <stdio.h>\n" + "".join(f'#include "{path}"\n' for path in headers) +
                          "int main(void) {\n" +
                          "".join(f'  printf("%lld\\n", (long long)({name}));\n' for name in names) +
                          "  return 0;\n}\n")
        run(os.environ.get("CC", "cc"), "-std=c99", source, "-o", program)
        return dict(zip(names, map(int, run(program).stdout.split())))


def compare(old, new):
    """What is not compatible between two dumps: abidiff's report, or nothing."""
    with tempfile.TemporaryDirectory() as folder:
        before, now = pathlib.Path(folder, "old.abi"), pathlib.Path(folder, "new.abi")
        before.write_text(old)
        now.write_text(as_callers_of(old, new))
        done = run("abidiff", "--no-added-syms", "--harmless", before, now, expected=(0, 4, 8, 12))
        return done.stdout if done.returncode else ""


def grown(known, new, current):
    """Functions that are in a node where no program looks for them.

    @param known    the dumps of the releases
    @param current  the node of the version at hand
    """
    published = {}
    for each in known:
        published.update(nodes(each))
    for node, names in nodes(new).items():
        expected = published.get(node, names if node == current else set())
        for name in sorted(names - expected):
            yield f"{name}: new, in {node}; a new function goes into a node of its own release"


def complaints(new, new_values, releases, current):
    """@param releases  (name, dump, values) each.
    @param current   the node of the version at hand."""
    yield from grown([old for _, old, _ in releases], new, current)
    for release, old, old_values in releases:
        if report := compare(old, new):
            yield f"not compatible with {release}:\n{report}"
        for name, value in old_values.items():
            if new_values.get(name) != value:
                yield f"not compatible with {release}: {name} was {value}, is {new_values.get(name)}"


def is_stale(old, old_values, new, new_values):
    """Whether a dump leaves out what the library has grown, or is of another library. Not by its text:
    the numbers of types differ from build to build."""
    return bool(compare(new, old) or layouts(old) != layouts(new) or nodes(old) != nodes(new)
                or old_values != new_values)


def unwritten(new, new_values):
    """The dump of the version at hand, where it is still to be written: what is tagged is not touched."""
    path = HERE / f"jwekms-{version()}.abi"
    if tagged(path) is not None:
        return
    known = {name: dumped for name, *dumped in releases()}
    if path.stem not in known or is_stale(*known[path.stem], new, new_values):
        yield f"{path.name} is not that of this library; where the change is meant: check_abi.py --write"


def gaps(known, known_values, snapshot):
    """What of the ABI the test that snapshots layouts and values leaves out."""
    for struct, names in known.items():
        if f"WHOLE({struct})" not in snapshot:
            yield f"{struct}: its size"
        for member in names:
            if f"MEMBER({struct}, {member})" not in snapshot:
                yield f"{struct}.{member}"
    for name, value in known_values.items():
        if f"CHECK({name} == {value});" not in snapshot:
            yield f"{name} == {value}"


def read_values(text):
    return {name: int(value) for name, value in (line.split() for line in text.splitlines())}


def releases():
    for path in sorted(HERE.glob("jwekms-*.abi")):
        yield path.stem, path.read_text(), read_values(path.with_suffix(".values").read_text())


def version():
    """MAJOR.MINOR of the version at hand."""
    text = (ROOT / "include/jwekms/version.hpp").read_text()
    return ".".join(re.search(rf"VERSION_{part} (\d+)", text)[1] for part in ("MAJOR", "MINOR"))


def tagged(path):
    """The file as its release's tag has it; None where git knows of no such tag."""
    tag = f"v{path.stem.removeprefix('jwekms-')}.0"
    git = ["git", "-C", str(path.parent)]
    known = shutil.which("git") and not subprocess.run(
        [*git, "rev-parse", "-q", "--verify", f"refs/tags/{tag}"], capture_output=True).returncode
    return run(*git, "show", f"{tag}:./{path.name}").stdout if known else None


def changed(folder):
    """The dumps that are not what their releases' tags have."""
    for path in sorted([*folder.glob("jwekms-*.abi"), *folder.glob("jwekms-*.values")]):
        if tagged(path) not in (None, path.read_text()):
            yield f"{path.name} is not what its release's tag has: a released ABI never changes"


def write(library):
    path = HERE / f"jwekms-{version()}.abi"
    if tagged(path) is not None:
        return f"{path.name}: its release is tagged"
    path.write_text(dump(library, HEADERS))
    lines = (f"{name} {value}\n" for name, value in values(HEADERS).items())
    path.with_suffix(".values").write_text("".join(lines))
    return None


def main(arguments):
    if arguments == ["--self-test"]:
        sys.dont_write_bytecode = True
        import self_test
        return self_test.main()
    if len(arguments) == 2 and arguments[0] == "--write":
        return write(arguments[1])
    if len(arguments) != 1:
        return __doc__
    known = list(releases())
    assert known, "no dump of any release"
    new, new_values = dump(arguments[0], HEADERS), values(HEADERS)
    found = [*changed(HERE), *complaints(new, new_values, known, f"JWEKMS_{version()}"),
             *unwritten(new, new_values)]
    snapshot = (ROOT / "tests/capi/abi_test.cpp").read_text()
    found += [f"tests/capi/abi_test.cpp leaves out: {each}"
              for each in gaps(layouts(new), new_values, snapshot)]
    return "\n".join(found) or None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
