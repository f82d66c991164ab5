#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the architecture: includes run downwards only, public headers need the standard library alone.

usage: check_layers.py ROOT | --self-test
"""
import pathlib
import re
import sys
import tempfile

# From the ground up. A file may include its own layer and the ones before it; src/providers/* are
# side by side and do not see each other.
LAYERS = [
    ("include/jwekms", "jwekms/"),
    ("src/crypto", "crypto/"),
    ("src/core", "core/"),
    ("src/providers/db", "providers/db/"),
    ("src/providers/pkcs11", "providers/pkcs11/"),
    ("src/config", "config/"),
    ("src/service", "service/"),
    ("capi", "capi/"),
]
SIDE_BY_SIDE = {"src/providers/db", "src/providers/pkcs11"}
INCLUDE = re.compile(r'^\s*#\s*include\s*(<[^>]+>|"[^"]+")', re.M)
# A C++ standard header is a bare word; so are cstdint and the like.
STANDARD = re.compile(r"<[a-z_]+>")
# One library, one folder: who may include what from outside.
OUTSIDE = {"openssl/": {"src/crypto"}, "sqlite3.h": {"src/providers/db"},
           "p11-kit/": {"src/providers/pkcs11"}, "libp11.h": {"src/providers/pkcs11"}, "toml++/": {"src/config"}}


def layer_of(path):
    for index, (folder, _) in enumerate(LAYERS):
        if path.startswith(folder + "/"):
            return index
    return None


def target_layer(include):
    for index, (_, prefix) in enumerate(LAYERS):
        if include.startswith(prefix):
            return index
    return None


def check(root):
    faults = []
    files = [p for folder, _ in LAYERS for p in sorted((root / folder).rglob("*")) if p.suffix in (".hpp", ".cpp", ".h")]
    for file in files:
        path = file.relative_to(root).as_posix()
        own = layer_of(path)
        for raw in INCLUDE.findall(file.read_text()):
            name = raw[1:-1]
            if own == 0:
                if not (STANDARD.fullmatch(raw) or (raw[0] == '"' and name.startswith("jwekms/"))):
                    faults.append(f"{path}: a public header includes {raw}")
                continue
            target = target_layer(name) if raw[0] == '"' else None
            if target is not None:
                sideways = LAYERS[own][0] in SIDE_BY_SIDE and LAYERS[target][0] in SIDE_BY_SIDE and own != target
                if target > own or sideways:
                    faults.append(f"{path}: includes {name}, which is not below it")
            for prefix, folders in OUTSIDE.items():
                if name.startswith(prefix) and LAYERS[own][0] not in folders:
                    faults.append(f"{path}: {name} belongs to {', '.join(sorted(folders))}")
    return faults, len(files)


def self_test():
    """Plants each kind of fault and sees it caught."""
    planted = {
        "include/jwekms/a.hpp": '#include <openssl/evp.h>\n',
        "src/crypto/b.cpp": '#include "core/kms.hpp"\n',
        "src/core/c.cpp": '#include "providers/db/store.hpp"\n',
        "src/core/d.cpp": '#include <openssl/evp.h>\n',
        "src/providers/db/e.cpp": '#include "providers/pkcs11/module.hpp"\n',
    }
    good = {"src/core/f.cpp": '#include "crypto/library.hpp"\n#include "jwekms/kms.hpp"\n#include <vector>\n'}
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for path, text in {**planted, **good}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        faults, _ = check(root)
    caught = {fault.split(":")[0] for fault in faults}
    if caught != set(planted):
        sys.exit(f"planted {sorted(planted)}, caught {sorted(caught)}")
    print(f"{len(planted)} planted faults caught")


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        self_test()
    else:
        found, count = check(pathlib.Path(sys.argv[1]))
        print("\n".join(found))
        sys.exit(f"{len(found)} faults in {count} files" if found or not count else 0)
