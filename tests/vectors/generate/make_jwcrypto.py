"""Encrypts a plan (stdin) with jwcrypto; prints the plan with the tokens in it."""
import importlib.metadata
import json
import platform
import sys

from jwcrypto import jwe, jwk

from schema import bare, unb64u

plan = json.load(sys.stdin)
keys = {k["kid"]: jwk.JWK(**bare(k)) for k in plan["keys"] + plan["others"]}

for case in plan["cases"]:
    request = case["request"]
    try:
        token = jwe.JWE(unb64u(case["plaintext_b64u"]), json.dumps(request["protected"]),
                        unprotected=request["unprotected"],
                        aad=unb64u(request["aad"]) if request["aad"] else None,
                        flattened=case["serialization"] != "general")
        for recipient in request["recipients"]:
            token.add_recipient(keys[recipient["kid"]], recipient.get("header"))
        case["jwe"] = token.serialize(compact=case["serialization"] == "compact")
    except jwe.InvalidJWEOperation as why:
        print(f"{case['id']}: not with jwcrypto: {why}", file=sys.stderr)

plan["producer"] = f"jwcrypto {importlib.metadata.version('jwcrypto')}, " \
                   f"Python {platform.python_version()}"
json.dump(plan, sys.stdout)
