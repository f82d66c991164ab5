"""Checks vector files: their shape, and every intact token with an independent library.

    python check.py [FILE...]        (all of tests/vectors when no file is named)
"""
import collections
import glob
import json
import os
import sys

from open_with import can, verify, with_jwcrypto
from schema import CASE_MEMBERS, CODES, FILE_MEMBERS, headers, where_kid

HERE = os.path.dirname(os.path.abspath(__file__))
LARGEST_FILE, LARGEST_SUM = 400_000, 1_500_000


def no_duplicates(pairs):
    names = [name for name, _ in pairs]
    assert len(names) == len(set(names)), f"duplicate member in {names}"
    return dict(pairs)


def check_shape(doc):
    assert doc["schema"] == "jwe-vectors/1"
    assert doc.keys() <= set(FILE_MEMBERS), doc.keys()
    assert doc.keys() >= set(FILE_MEMBERS) - {"description"}, doc.keys()
    kids = [key["kid"] for key in doc["keys"]]
    assert len(kids) == len(set(kids)), "kids are not unique"
    assert all(key["kty"] in ("RSA", "EC", "oct", "OKP") for key in doc["keys"])
    ids = [case["id"] for case in doc["cases"]]
    assert len(ids) == len(set(ids)), "ids are not unique"
    for case in doc["cases"]:
        try:
            check_case(case, kids, ids)
        except (AssertionError, KeyError) as why:
            raise SystemExit(f"{doc['suite']}: {case['id']}: {why!r}")


def check_case(case, kids, ids):
    assert case.keys() <= set(CASE_MEMBERS), "unknown member"
    assert ("jwe" in case) != ("jwe_template" in case), "one of jwe and jwe_template"
    assert case["serialization"] in ("compact", "flattened", "general")
    assert case.get("op", "decrypt") in ("decrypt", "unwrap")
    assert case["kid_in"] in ("protected", "unprotected", "recipient", "none", None)
    assert case["key_select"] in ("header", "caller")
    assert isinstance(case["alg"], (str, list)) and isinstance(case["enc"], str)
    assert case.get("policy", "default") == "default"
    codes = [case["expect"], case.get("expect_core", "ok"), *case.get("expect_alt", []),
             *case.get("expect_core_alt", [])]
    assert CODES.issuperset(codes), "unknown code"
    assert "expect_core" in case or "expect_core_alt" not in case
    assert case.get("base", case["id"]) in ids, "no such base"
    if "kid" in case:
        assert case["kid"] in kids, "no such key"
    else:
        assert "not_found" in (case["expect"], *case.get("expect_alt", [])), "which key?"
    if case["key_select"] == "caller":
        assert "kid" in case
    if case["expect"] == "ok":
        assert "plaintext_b64u" in case or case.get("op") == "unwrap"
        found = where_kid(*headers(case["serialization"], case["jwe"]))
        assert found == case["kid_in"], f"kid is in {found}"


def check_tokens(doc):
    """Intact tokens open; a token that must fail to decrypt does so elsewhere, too."""
    keys = {key["kid"]: key for key in doc["keys"]}
    opened = refused = 0
    for case in doc["cases"]:
        if case["expect"] == "ok" and "plaintext_b64u" in case:
            verify(case, keys, ["jwcrypto", "cryptography"])
            opened += 1
        elif case["expect"] == "decryption_failed" and can("jwcrypto", case):
            try:
                with_jwcrypto(case["jwe"], keys[case["kid"]])
            except Exception:  # whatever it is, it is not the plaintext
                refused += 1
            else:
                raise SystemExit(f"{doc['suite']}: {case['id']}: jwcrypto opens it")
    return opened, refused


paths = sys.argv[1:] or sorted(glob.glob(os.path.join(HERE, "..", "*.json")))
total = 0
for path in paths:
    size = os.path.getsize(path)
    total += size
    assert size <= LARGEST_FILE, f"{path} is too large: {size}"
    with open(path, encoding="ascii") as file:
        doc = json.load(file, object_pairs_hook=no_duplicates)
    check_shape(doc)
    opened, refused = check_tokens(doc)
    counts = collections.Counter(case["expect"] for case in doc["cases"])
    print(f"{os.path.basename(path)}: {len(doc['cases'])} cases, {size} bytes; opened {opened}, "
          f"seen to fail {refused}; " + ", ".join(f"{c} {n}" for c, n in counts.most_common()))
assert total <= LARGEST_SUM, f"the files are too large: {total}"
print(f"{total} bytes in all")
