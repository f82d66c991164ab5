#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tokens.json with jwcrypto: what a sender who uses another library would send.

Two messages under one CEK: the first carries it wrapped for an RSA key, the second does not carry
it at all. usage: make_tokens.py > tokens.json   (needs jwcrypto; Debian: python3-jwcrypto)
"""
import json
import secrets

from jwcrypto import jwe, jwk
from jwcrypto.common import base64url_encode

private = jwk.JWK.generate(kty="RSA", size=2048, kid="my_rsa_key", use="enc")
public = jwk.JWK.from_json(private.export_public())
cek = secrets.token_bytes(32)

first = jwe.JWE(
    plaintext=b"Patient 4711: blood group A+",
    protected=json.dumps({"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": "my_rsa_key"}),
)
first.cek = cek
first.add_recipient(public)

later = jwe.JWE(
    plaintext=b"Patient 4711: allergic to penicillin",
    protected=json.dumps({"alg": "dir", "enc": "A256GCM", "kid": "session-2026-11"}),
)
later.add_recipient(jwk.JWK(kty="oct", k=base64url_encode(cek)))

print(json.dumps({
    "made_by": "jwcrypto",
    "private_key": json.loads(private.export_private()),
    "first": first.serialize(compact=True),
    "later": later.serialize(compact=True),
}, indent=1))
