#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tokens for keys in an HSM with jwcrypto, which has their public halves alone.

usage: make_hsm_tokens.py < public_jwks.json > tokens.json   (Debian: python3-jwcrypto)
"""
import json
import secrets
import sys

from jwcrypto import jwe, jwk
from jwcrypto.common import base64url_encode


def encrypt(text, key, alg, kid, cek=None):
    token = jwe.JWE(text.encode(), json.dumps({"alg": alg, "enc": "A256GCM", "kid": kid}))
    if cek:
        token.cek = cek
    token.add_recipient(key)
    return token.serialize(compact=True)


process, boundary = json.load(sys.stdin)["keys"]
cek = secrets.token_bytes(32)
print(json.dumps({
    "for_process": encrypt("Patient 4711: blood group A+", jwk.JWK(**process),
                           "RSA-OAEP-256", process["kid"]),
    # SoftHSM 2.6 unwraps with SHA-1 alone; jwekms does not fall back.
    "for_boundary": encrypt("Patient 4711: allergic to penicillin", jwk.JWK(**boundary),
                            "RSA-OAEP", boundary["kid"], cek),
    "later": encrypt("Patient 4711: discharged", jwk.JWK(kty="oct", k=base64url_encode(cek)),
                     "dir", "hsm::softhsm2::0::session-2026-11"),
}, indent=1))
