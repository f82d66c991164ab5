#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the public headers to have a description of every public name, and doxygen to have seen all of them.

Doxygen's own warnings are errors here, but it has none for an enumerator, nor for what is in a file, a
namespace or a class that has no description itself. So its XML is read, too, and asked for everything
that the C ABI exports and every header of C++.

usage: check.py ROOT
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

HERE = pathlib.Path(__file__).resolve().parent
COMPOUNDS = ("class", "struct", "union", "namespace", "file", "group", "concept")
# Made by the compiler as it always makes them, or not there.
DEFAULTED, DELETED = re.compile(r"=\s*default$"), re.compile(r"=\s*delete$")


def run_doxygen(root, out, overrides=""):
    """@return doxygen's complaints, one a line of its output."""
    done = subprocess.run(["doxygen", "-"], cwd=root, env={**os.environ, "DOCS_FOLDER": str(out)},
                          input=(HERE / "Doxyfile").read_text() + overrides, text=True,
                          capture_output=True)
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return lines or ([f"doxygen: exit status {done.returncode}"] if done.returncode else [])


def described(element):
    texts = [element.find("briefdescription"), element.find("detaileddescription")]
    return any("".join(text.itertext()).strip() for text in texts if text is not None)


def is_ours(name):
    """`std` is doxygen's own doing, for its sake of BUILTIN_STL_SUPPORT."""
    return not re.match(r"std(::|$)", name) and "::detail" not in name


def members(compound):
    """The public members of a compound and, behind each enumeration, its values: (name, element)."""
    owner = compound.findtext("compoundname")
    for member in compound.iter("memberdef"):
        if member.get("prot") == "private" or member.get("kind") == "friend":
            continue
        name = f"{owner}::{member.findtext('name') or '(enum)'}"
        arguments = member.findtext("argsstring") or ""
        special = (owner.split("::")[-1].split("<")[0].strip(), "operator=")
        if DELETED.search(arguments):
            continue
        if DEFAULTED.search(arguments) and member.findtext("name").lstrip("~") in special:
            continue
        yield name, member
        for value in member.findall("enumvalue"):
            yield f"{owner}::{value.findtext('name')}", value


def read_xml(folder):
    """@return what has no description, and the names of all that has one."""
    missing, seen = [], set()
    for path in sorted(folder.glob("*.xml")):
        for compound in ET.parse(path).getroot().findall("compounddef"):
            name = compound.findtext("compoundname")
            if compound.get("kind") not in COMPOUNDS or not is_ours(name):
                continue
            if compound.get("prot") == "private" or name.endswith((".md", "Doxyfile")):
                continue
            for full_name, element in [(name, compound), *members(compound)]:
                if described(element):
                    seen.add(re.split(r"::", full_name)[-1])
                else:
                    missing.append(f"{full_name}: no description")
    return missing, seen


def wanted(root):
    """What must be there, whatever doxygen makes of the sources."""
    names = set((root / "capi/jwekms.symbols").read_text().split())
    for header in ("jwekms.h", "jwekms_provider.h"):
        text = (root / "capi" / header).read_text()
        names |= {header, *re.findall(r"^#define (\w+)(?= |\\|$)(?! *$)", text, re.M)}
        names |= set(re.findall(r"^  (JWEKMS_\w+) = ", text, re.M))
        names |= set(re.findall(r"^(?:typedef )?struct (\w+) \{", text, re.M))
    return names | {path.name for path in (root / "include/jwekms").glob("*.hpp")}


def dead_links(folder):
    """@return links of the HTML pages that lead to no page, or to no place in it."""
    pages = {path.name: path.read_text(errors="replace") for path in folder.glob("*.html")}
    places = {name: set(re.findall(r'(?:id|name)="([^"]+)"', text)) for name, text in pages.items()}
    for name, text in sorted(pages.items()):
        for link in sorted(set(re.findall(r'<a[^>]* href="([^":]+)"', text))):
            path, _, place = link.partition("#")
            if not (folder / path).exists() or place and place not in places[path or name]:
                yield f"{name}: nothing is at {link}"


def complaints(root, overrides="", names=()):
    with tempfile.TemporaryDirectory() as out:
        found = run_doxygen(root, out, overrides)
        missing, seen = read_xml(pathlib.Path(out) / "xml")
        found += [*missing, *dead_links(pathlib.Path(out) / "html")]
    return found + [f"{name}: not in the reference" for name in sorted(set(names) - seen)]


SOUND = "/// @file\n/// A file.\n\n"
# Each of these is one fault, and the name that a complaint must have.
PLANTED = {
    "void no_file_p();": "no_file_p",
    SOUND + "void function_p(int);": "function_p",
    SOUND + "#define MACRO_P 1": "MACRO_P",
    SOUND + "typedef int typedef_p;": "typedef_p",
    SOUND + "using using_p = int;": "using_p",
    SOUND + "struct struct_p { int a; /**< A. */ };": "struct_p",
    SOUND + "/// A.\nstruct a { int member_p; };": "member_p",
    SOUND + "/// A.\nstruct a { /** B. */ struct b { int nested_p; } b; /**< B. */ };": "nested_p",
    SOUND + "/// A.\nstruct a { void (*callback_p)(int); };": "callback_p",
    SOUND + "/// A.\nenum class a { value_p };": "value_p",
    SOUND + "/// A.\nenum { ANONYMOUS_P = 1 };": "ANONYMOUS_P",
    SOUND + "enum { UNNAMED_P = 1 /**< A. */ };": "::@",
    SOUND + "extern int variable_p;": "variable_p",
    SOUND + "inline constexpr int constant_p = 1;": "constant_p",
    SOUND + "/// A.\nclass a { public: a(); };": "a::a",
    SOUND + "/// A.\nclass a { protected: void protected_p(); };": "protected_p",
    SOUND + "namespace space_p { /** A. */ void f(); }": "space_p",
    SOUND + "/// A.\nnamespace a { void in_space_p(); }": "in_space_p",
    SOUND + "/// A.\nnamespace a { class class_p {}; }": "class_p",
    SOUND + "namespace space_p { class hidden {}; }": "space_p",
    SOUND + "template <class T> struct template_p {};": "template_p",
    SOUND + "/// A.\n/// @param other_p  B.\nvoid f(int a);": "other_p",
    SOUND + "/// A, see @ref nowhere_p.\nvoid f(int a);": "nowhere_p",
    SOUND + "/// @defgroup group_p Group\n/// @{\n/// A.\nvoid f(int a);\n/// @}": "group_p",
}
NOTHING_WRONG = SOUND + """/// A.
namespace a {
/// B.
class b {
 public:
  b() = default;
  b(const b&) = delete;
  int c() const;  ///< C.

 private:
  int d;
};
/// E.
enum class e { f /**< F. */ };
namespace detail {
void g();
}
}  // namespace a
"""


def self_test():
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)

        def found(text, names=()):
            (root / "planted.hpp").write_text(text + "\n")
            return complaints(root, "INPUT = planted.hpp\nFILTER_PATTERNS =\nUSE_MDFILE_AS_MAINPAGE =\n"
                              "EXCLUDE_SYMBOLS = a::detail\nGENERATE_HTML = NO\n", names)

        assert not found(NOTHING_WRONG, ["c", "f"]), found(NOTHING_WRONG)
        assert found(NOTHING_WRONG, ["h"]) == ["h: not in the reference"]
        for text, name in PLANTED.items():
            assert any(name in line for line in found(text)), (text, found(text))
        (root / "page.md").write_text("# Page\n[a](nowhere.md)\n")
        assert any("nowhere.md" in line for line in complaints(
            root, "INPUT = page.md\nFILTER_PATTERNS =\nUSE_MDFILE_AS_MAINPAGE =\n"))


def main():
    self_test()
    root = pathlib.Path(sys.argv[1]).resolve()
    faults = complaints(root, names=wanted(root))
    print("\n".join(faults) or "ok")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
