# SPDX-License-Identifier: Apache-2.0
"""check_abi.py on a small library of which every other release has a fault, or only grows."""
import os
import pathlib
import tempfile

import check_abi

HEADER = """
#include <stddef.h>
#include <stdint.h>
#pragma GCC visibility push(default)
#define JWEKMS_ABI_VERSION 1
enum { JWEKMS_RED = 1, JWEKMS_GREEN = 2 };
typedef struct jwekms_ctx jwekms_ctx;
typedef struct jwekms_point {
  int32_t x;
  int32_t y;
} jwekms_point;
typedef struct jwekms_inner {
  uint32_t struct_size;
  uint32_t flags;
  uint64_t number;
  uint32_t last;
} jwekms_inner;
typedef void (*jwekms_callback)(void* data, uint64_t done);
typedef struct jwekms_options {
  uint32_t struct_size;
  int32_t colour;
  const char* name;
  size_t name_len;
  const jwekms_inner* const* inners;
  jwekms_callback callback;
  char label[16];
} jwekms_options;
int32_t jwekms_open(const jwekms_options* options, jwekms_ctx** ctx);
size_t jwekms_size(const jwekms_ctx* ctx, const uint8_t* data, size_t data_len, uint64_t limit);
int32_t jwekms_draw(const jwekms_point* point);
"""
SOURCE = """
#include "jwekms.h"
struct jwekms_ctx { int private_to_the_library; };
int32_t jwekms_open(const jwekms_options* options, jwekms_ctx** ctx) { return !options || !ctx; }
size_t jwekms_size(const jwekms_ctx* ctx, const uint8_t* data, size_t data_len, uint64_t limit) {
  return ctx && data ? data_len : (size_t)limit;
}
int32_t jwekms_draw(const jwekms_point* point) { return point->x; }
"""
MAP = "JWEKMS_0.1 { global: jwekms_*; local: *; };"
NEW = ("int32_t jwekms_draw(", "void jwekms_new(void);\nint32_t jwekms_draw("), ("", "void jwekms_new(void) {}\n")


def next_node(node):
    return (MAP, "JWEKMS_0.1 { global: jwekms_open; jwekms_size; jwekms_draw; local: *; };\n"
                 f"{node} {{ global: jwekms_new; }} JWEKMS_0.1;")



LIMIT = "size_t data_len, uint64_t limit)"
PASS = {
    "nothing": [],
    "a member at the end of a struct with a size": [("char label[16];", "char label[16];\n  uint64_t more;")],
    "two at once": [("char label[16];", "char label[16];\n  uint64_t more;\n  const char* text;"),
                    ("uint32_t last;", "uint32_t last;\n  uint64_t more;")],
    "a function in a new node": [*NEW, next_node("JWEKMS_0.2")],
    "an enumerator": [("JWEKMS_GREEN = 2", "JWEKMS_GREEN = 2, JWEKMS_BLUE = 3")],
    "what is behind a handle": [("private_to_the_library;", "private_to_the_library, more;")],
    "a parameter's name": [("limit", "bound")],
    "a function that is not C's": [("", "int cxx_name(void) { return 1; }\n"), ("jwekms_*;", "jwekms_*; cxx_*;")],
}
UNSEEN = {"nothing", "what is behind a handle", "a parameter's name", "a function that is not C's"}
FAIL = {
    "a function is gone": [("int32_t jwekms_draw(", "__attribute__((visibility(\"hidden\"))) int32_t jwekms_draw(")],
    "a function has another name": [("jwekms_draw", "jwekms_paint")],
    "members change places": [("int32_t x;\n  int32_t y;", "int32_t y;\n  int32_t x;")],
    "members of one size change places": [("const char* name;\n  size_t name_len;", "size_t name_len;\n  const char* name;")],
    "a member is gone": [("  char label[16];\n", "")],
    "a member is gone and another takes its place": [("char label[16];", "char other[16];")],
    "a member in the middle": [("int32_t colour;", "int32_t colour;\n  uint64_t more;")],
    "a member where padding was": [("uint32_t flags;", "uint16_t flags;\n  uint16_t more;")],
    "a member where padding at the end was": [("uint32_t last;", "uint32_t last, more;")],
    "a member at the end of a struct without a size": [("int32_t y;", "int32_t y;\n  int32_t z;")],
    "a member at the end, and another narrowed": [("char label[16];", "char label[16];\n  uint64_t more;"), ("size_t name_len;", "uint32_t name_len;")],
    "a member at the end, and another gone": [("char label[16];", "uint64_t more;")],
    "a member at the end, and two change places": [("char label[16];", "char label[16];\n  uint64_t more;"),
                                                     ("const char* name;\n  size_t name_len;", "size_t name_len;\n  const char* name;")],
    "a member is narrower": [("size_t name_len;", "uint32_t name_len;")],
    "a member has another sign": [("int32_t colour;", "uint32_t colour;")],
    "an array is shorter": [("label[16]", "label[8]")],
    "a struct by value that grows": [("const jwekms_inner* const* inners;", "jwekms_inner inners;")],
    "a parameter is narrower": [(LIMIT, LIMIT.replace("uint64_t", "uint32_t"))],
    "a parameter has another sign": [(LIMIT, LIMIT.replace("uint64_t", "int64_t"))],
    "a parameter more": [(LIMIT, LIMIT[:-1] + ", int32_t more)")],
    "a parameter less": [(LIMIT, "size_t data_len)"), ("(size_t)limit", "0")],
    "input is written to": [("const uint8_t* data", "uint8_t* data")],
    "another return type": [("size_t jwekms_size(", "uint32_t jwekms_size(")],
    "a callback gets less": [("uint64_t done", "uint32_t done")],
    "another value": [("JWEKMS_GREEN = 2", "JWEKMS_GREEN = 3")],
    "a value is gone": [(", JWEKMS_GREEN = 2", "")],
    "another version of the ABI": [("JWEKMS_ABI_VERSION 1", "JWEKMS_ABI_VERSION 2")],
    "a function more in a published node": [*NEW],
    "a function in the node of another release": [*NEW, next_node("JWEKMS_0.3")],
    "another symbol version": [("JWEKMS_0.1", "JWEKMS_0.2")],
    "another SONAME": [("libjwekms.so.0", "libjwekms.so.1")],
}


def build(folder, changes):
    """A release of the small library: its path and that of its header."""
    texts = [HEADER, SOURCE, MAP, "libjwekms.so.0"]
    for old, new in changes:
        assert not old or any(old in text for text in texts), old
        texts = [text.replace(old, new) if old else text for text in texts]
        if not old:
            texts[1] += new
    header, source, version_script = (folder / name for name in ("jwekms.h", "jwekms.c", "jwekms.map"))
    for path, text in zip((header, source, version_script), texts):
        path.write_text(text)
    library = folder / "libjwekms.so"
    check_abi.run(os.environ.get("CC", "cc"), "-g", "-O2", "-shared", "-fPIC", "-fvisibility=hidden", source,
                  f"-Wl,--version-script={version_script},-soname,{texts[3]}", "-o", library)
    return library, header


def released(root):
    """A dump of a release that is tagged, as it was and changed; and one that is not."""
    folder = pathlib.Path(root, "released")
    folder.mkdir()
    for name in ("jwekms-0.1.abi", "jwekms-0.1.values"):
        (folder / name).write_text("first")
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "0.1.0"], ["tag", "v0.1.0"]):
        check_abi.run("git", "-C", folder, "-c", "user.name=t", "-c", "user.email=t@invalid", *command)
    (folder / "jwekms-0.2.abi").write_text("not tagged yet")
    assert not list(check_abi.changed(folder))
    assert check_abi.tagged(folder / "jwekms-0.2.abi") is None
    (folder / "jwekms-0.1.values").write_text("second")
    assert len(list(check_abi.changed(folder))) == 1


def main():
    wrong = []
    with tempfile.TemporaryDirectory() as root:
        def made(changes):
            folder = pathlib.Path(tempfile.mkdtemp(dir=root))
            return build(folder, changes)

        released(root)
        library, header = made([])
        known = check_abi.dump(library, [header])
        release = ("first", known, check_abi.values([header]))
        assert "private" not in known and root not in known
        for expected, cases in ((False, PASS), (True, FAIL)):
            for name, changes in cases.items():
                library, header = made(changes)
                new, new_values = check_abi.dump(library, [header]), check_abi.values([header])
                found = list(check_abi.complaints(new, new_values, [release], "JWEKMS_0.2"))
                if bool(found) != expected:
                    wrong.append(f"{name}: " + ("not seen" if expected else "\n".join(found)))
                # What a program may see of it makes a dump of the same version stale.
                if check_abi.is_stale(*release[1:], new, new_values) != (name not in UNSEEN):
                    wrong.append(f"{name}: stale or not")

    snapshot = "WHOLE(jwekms_point)MEMBER(jwekms_point, x)CHECK(JWEKMS_RED == 1);"
    assert not list(check_abi.gaps({"jwekms_point": ["x"]}, {"JWEKMS_RED": 1}, snapshot))
    assert len(list(check_abi.gaps({"jwekms_point": ["x", "y"], "jwekms_more": []},
                                   {"JWEKMS_RED": 2, "JWEKMS_GREEN": 2}, snapshot))) == 4
    return "\n".join(wrong) or None
