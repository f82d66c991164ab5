"""Verifies the tokens of a filled plan (stdin) with independent libraries and writes the file.

    python admit.py FILE --by LIBRARY[,LIBRARY...]
"""
import json
import os
import sys

from open_with import verify
from schema import CORE_ALGS, default_policy, headers, where_kid, write

path, libraries = sys.argv[1], sys.argv[3].split(",")
plan = json.load(sys.stdin)
keys = {k["kid"]: k for k in plan["keys"]}
cases = []

for one in plan["cases"]:
    if "jwe" not in one:
        continue
    protected, unprotected, recipients = headers(one["serialization"], one["jwe"])
    wanted = one["request"]["recipients"]
    algs = [r.get("header", protected)["alg"] for r in wanted]
    kid_in = where_kid(protected, unprotected, recipients)
    # A token for several recipients is one case for each key that the reader has.
    for index, recipient in enumerate(wanted):
        if recipient["kid"] not in keys:
            continue
        code, alternatives = default_policy(algs[index], protected["enc"], protected.get("zip"),
                                            one["serialization"], protected)
        # The reader has every key: it may as well take the first recipient that it is allowed to.
        if len(wanted) > 1 and "ok" not in alternatives and CORE_ALGS.intersection(algs):
            alternatives = [*alternatives, "ok"]
        # go-jose repeats the first encrypted_key beside "recipients"; RFC 7516 7.2 has it in
        # one place only, and a strict reader refuses the mixture.
        mixed = one["serialization"] == "general" and "encrypted_key" in json.loads(one["jwe"])
        case = {
            "id": one["id"] + (f"-r{index}" if len(wanted) > 1 else ""),
            "serialization": one["serialization"], "op": one.get("op"), "jwe": one["jwe"],
            "kid": recipient["kid"], "kid_in": kid_in,
            "key_select": "caller" if kid_in == "none" else "header",
            "alg": algs if len(algs) > 1 else algs[0], "enc": protected["enc"], "expect": "ok",
            "expect_alt": ["bad_request"] if mixed else [],
            "expect_core": code, "expect_core_alt": alternatives,
            "plaintext_b64u": one["plaintext_b64u"], "aad_b64u": one["request"]["aad"],
            "note": "encrypted_key beside recipients" if mixed else one.get("note")}
        verify(case, keys, libraries)
        cases.append(case)

# A key that no token of this producer needs is left out.
used = {c["kid"] for c in cases}
suite = os.path.basename(path).removesuffix(".json")
write(path, {
    "suite": suite, "source": "made for this project by tests/vectors/generate",
    "licence": "Apache-2.0", "producer": plan["producer"],
    "description": "intact tokens; each was opened by " + " and ".join(libraries)
                   + " (where the library has the algorithm) before it was written",
    "keys": [k for k in plan["keys"] if k["kid"] in used], "cases": cases})
print(f"{suite}: {len(cases)} cases", file=sys.stderr)
