"""Encrypts a plan (stdin) with joserfc; prints the plan with the tokens in it."""
import importlib.metadata
import json
import platform
import sys

from joserfc import errors, jwe
from joserfc.jwk import import_key

from open_with import joserfc_registry
from schema import bare, unb64u

plan = json.load(sys.stdin)
keys = {k["kid"]: import_key(bare(k)) for k in plan["keys"] + plan["others"]}

for case in plan["cases"]:
    request = case["request"]
    protected, recipients = request["protected"], request["recipients"]
    plaintext = unb64u(case["plaintext_b64u"])
    algs = [r.get("header", protected)["alg"] for r in recipients]
    registry = joserfc_registry(*algs, protected["enc"])
    try:
        if case["serialization"] == "compact":
            case["jwe"] = jwe.encrypt_compact(protected, plaintext, keys[recipients[0]["kid"]],
                                              registry=registry)
            continue
        kind = jwe.GeneralJSONEncryption if case["serialization"] == "general" \
            else jwe.FlattenedJSONEncryption
        token = kind(protected, plaintext, request["unprotected"],
                     unb64u(request["aad"]) if request["aad"] else None)
        for recipient in recipients:
            # joserfc insists on a recipient header, so it gets one that means nothing.
            header = recipient.get("header", {"x-recipient": "1"})
            token.add_recipient(header, keys[recipient["kid"]])
        case["jwe"] = json.dumps(jwe.encrypt_json(token, None, registry=registry))
    except errors.UnsupportedAlgorithmError as why:
        print(f"{case['id']}: not with joserfc: {why}", file=sys.stderr)

plan["producer"] = f"joserfc {importlib.metadata.version('joserfc')}, " \
                   f"Python {platform.python_version()}"
json.dump(plan, sys.stdout)
