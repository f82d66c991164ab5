#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks the vector runner: plants faults in sound vectors and sees them found.

    check_runner.py JWEKMS-VECTORS VECTOR-FILE...
"""
import copy
import json
import os
import subprocess
import sys
import tempfile

runner, files = sys.argv[1], sys.argv[2:]
folder = tempfile.TemporaryDirectory()
failures = []


def find(wanted):
    """The first file with a case like this, cut down to that case."""
    for name in files:
        with open(name, encoding="utf-8") as text:
            vectors = json.load(text)
        for case in vectors["cases"]:
            if all(case.get(member, "decrypt" if member == "op" else None) == value
                   for member, value in wanted.items()) and "plaintext_b64u" in case:
                return dict(vectors, cases=[case])
    sys.exit(f"no case like {wanted}")


def write(name, value):
    path = os.path.join(folder.name, name)
    with open(path, "w", encoding="utf-8") as text:
        json.dump(value, text)
    return path


def check(title, vectors, *, passes, says="", exception=None, options=("--policy", "all")):
    arguments = [runner, *options, write("vectors.json", vectors)]
    if exception:
        arguments += ["--exceptions", write("exceptions.json", [dict(
            suite="*", id=vectors["cases"][0]["id"][:-1] + "?",
            expect=exception, reason="planted")])]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if (done.returncode == 0) != passes or says not in done.stdout + done.stderr:
        failures.append(f"{title}: status {done.returncode}\n{done.stdout}{done.stderr}")


def planted(vectors, **members):
    changed = copy.deepcopy(vectors)
    changed["cases"][0].update(members)
    return changed


def flip_last(text):
    """Another valid base64url text of the same length."""
    return ("B" if text[0] != "B" else "C") + text[1:]


decrypt = find(dict(alg="RSA-OAEP-256", serialization="compact", expect="ok", op="decrypt"))
unwrap = find(dict(alg="RSA-OAEP-256", expect="ok", op="unwrap"))
token = decrypt["cases"][0]["jwe"]

check("a sound case", decrypt, passes=True, says="1 passed, 0 failed, 0 skipped")
check("both policies", decrypt, passes=True, says="2 passed", options=())
check("another plaintext", planted(decrypt, plaintext_b64u="AAAA"), passes=False,
      says="the plaintext is another")
check("another code", planted(decrypt, expect="decryption_failed"), passes=False,
      says="expected decryption_failed, got ok")
check("an alternative", planted(decrypt, expect="decryption_failed", expect_alt=["ok"]),
      passes=True)
check("a token that fails", planted(decrypt, jwe=flip_last(token)), passes=False,
      says="expected ok, got bad_request")
check("the default policy's own code", planted(decrypt, expect_core="not_found"), passes=False,
      says="[default]: expected not_found", options=("--policy", "default"))
check("a case for the default policy", planted(decrypt, policy="default"), passes=True,
      says="0 passed")
check("a template", planted(decrypt, jwe_template=[[token[:9], 1], [token[9], 1], [token[10:], 1]],
                            jwe="unused"), passes=True)
check("a NUL", planted(decrypt, jwe=token + "\0", expect="bad_request"), passes=True)
check("an unknown key", dict(decrypt, keys=[]), passes=False, says="got not_found")

check("an exception", planted(decrypt, expect="forbidden"), passes=True, exception="ok",
      says='"exception": true')
check("an exception that is none", decrypt, passes=False, exception="forbidden")

check("a sound unwrap", unwrap, passes=True, says="1 passed")
content = json.loads(unwrap["cases"][0]["jwe"])
content["tag"] = flip_last(content["tag"])
check("an unwrapped key that does not fit its content",
      planted(unwrap, jwe=json.dumps(content)), passes=False, says="does not open")
check("an unwrapped key that opens another plaintext", planted(unwrap, plaintext_b64u="AAAA"),
      passes=False, says="another plaintext")

check("another schema", dict(decrypt, schema="jwe-vectors/2"), passes=False, says="schema")

print("\n".join(failures) or "every planted fault was found")
sys.exit(1 if failures else 0)
