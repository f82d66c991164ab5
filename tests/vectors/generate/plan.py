"""Prints what one producer is to make: fresh keys and a list of tokens to be encrypted.

    python plan.py PREFIX [--large]

The make_* programs read it from stdin, add "jwe" to each case (or leave it out
when the library cannot do it) and print it again; admit.py verifies and writes.
"keys" go into the vector file; "others" are recipients that the reader does not have.
"""
import json
import os
import sys

from jwcrypto import jwk

from schema import b64u

prefix, large = sys.argv[1], "--large" in sys.argv
keys, others, cases = [], [], []


def key(name, into=keys, share=None, **attributes):
    """A new key (or the material of `share` again), named PREFIX-name."""
    kid = name if "kid" in attributes else f"{prefix}-{name}"
    extra = {k: v for k, v in attributes.items() if k in ("alg", "use", "key_ops")}
    if share:
        made = next(k for k in keys if k["kid"] == share)
        made = {k: v for k, v in made.items() if k not in ("alg", "use", "key_ops")}
    else:
        generate = {k: v for k, v in attributes.items() if k in ("kty", "size", "crv")}
        made = jwk.JWK.generate(**generate).export(as_dict=True)
    into.append({**made, "kid": kid, **extra})
    return kid


def case(name, alg, enc, kid, size=100, serialization="compact", op=None, aad=None,
         unprotected=None, header=None, with_kid=True, note=None):
    protected = {"alg": alg, "enc": enc, **({"kid": kid} if with_kid else {}), **(header or {})}
    cases.append({
        "id": f"{prefix}-{name}", "serialization": serialization, "op": op, "note": note,
        "plaintext_b64u": b64u(os.urandom(size)),
        "request": {"protected": protected, "unprotected": unprotected,
                    "aad": b64u(aad) if aad else None, "recipients": [{"kid": kid}]}})


def general(name, enc, recipients, aad=None, unprotected=None, size=100, note=None):
    """alg and kid in each recipient's header, enc protected."""
    cases.append({
        "id": f"{prefix}-{name}", "serialization": "general", "note": note,
        "plaintext_b64u": b64u(os.urandom(size)),
        "request": {"protected": {"enc": enc}, "unprotected": unprotected,
                    "aad": b64u(aad) if aad else None,
                    "recipients": [{"kid": kid, "header": {"alg": alg, "kid": kid}}
                                   for alg, kid in recipients]}})


ENCS = {"A128GCM": 128, "A192GCM": 192, "A256GCM": 256}
SIZES = [0, 1, 100]
rsa = {bits: key(f"rsa{bits}", kty="RSA", size=bits, **({"use": "enc"} if bits == 3072 else {}))
       for bits in (2048, 3072, 4096)}
oct_ = {bits: key(f"oct{bits}", kty="oct", size=bits) for bits in (128, 192, 256)}
ec = key("p256", kty="EC", crv="P-256")
foreign = key("foreign", into=others, kty="RSA", size=2048)

# Every core alg, enc and RSA size; payloads of 0, 1 and 100 bytes.
for alg in ("RSA-OAEP", "RSA-OAEP-256"):
    for i, bits in enumerate(rsa):
        for j, enc in enumerate(ENCS):
            size = SIZES[(i + j) % 3]
            case(f"{alg}-{enc}-rsa{bits}-{size}", alg, enc, rsa[bits], size)
for enc, bits in ENCS.items():
    for size in SIZES:
        case(f"dir-{enc}-{size}", "dir", enc, oct_[bits], size)

# Flattened JSON: aad and the shared unprotected header.
AAD = b"additional data, \xc3\xa9 and \x00\xff bytes"
UNPROTECTED = {"jku": "https://issuer.example/keys.jwks", "x-trace": ["a", {"b": 1}]}
for alg, enc, kid in (("RSA-OAEP", "A192GCM", rsa[2048]), ("RSA-OAEP-256", "A256GCM", rsa[2048]),
                      ("dir", "A128GCM", oct_[128])):
    for name, aad, unprotected, size in (("plain", None, None, 100), ("aad", AAD, None, 0),
                                         ("unprotected", None, UNPROTECTED, 1),
                                         ("aad-unprotected", AAD, UNPROTECTED, 100)):
        case(f"flat-{alg}-{name}", alg, enc, kid, size, "flattened", aad=aad,
             unprotected=unprotected)

# General JSON.
case("general1-RSA-OAEP-256", "RSA-OAEP-256", "A128GCM", rsa[2048], serialization="general")
case("general1-dir", "dir", "A256GCM", oct_[256], serialization="general", aad=AAD)
general("general2", "A256GCM", [("RSA-OAEP", rsa[2048]), ("RSA-OAEP-256", rsa[3072])])
general("general3", "A128GCM", [("RSA-OAEP-256", foreign), ("RSA-OAEP", rsa[2048]),
                                ("A256KW", oct_[256])], aad=AAD, note="the first recipient is foreign")
general("general2-unprotected", "A192GCM", [("RSA-OAEP-256", foreign), ("RSA-OAEP-256", rsa[2048])],
        unprotected=UNPROTECTED, note="the first recipient is foreign")

# Two-step flow: the CEK of these is unwrapped and kept.
case("unwrap-RSA-OAEP", "RSA-OAEP", "A128GCM", rsa[2048], serialization="flattened", op="unwrap")
case("unwrap-RSA-OAEP-256", "RSA-OAEP-256", "A256GCM", rsa[3072], serialization="flattened",
     op="unwrap")

# kids that a lookup could trip over.
for name, kid in (("uri", "urn:uuid:5f1b8a70-3c58-4f0e-9d5a-0c2b7a6c9e11"),
                  ("quotes", 'a"b\\c\'d`e'),
                  ("256-bytes", "k" * 250 + "-256.."),
                  ("sql", "' OR '1'='1'; DROP TABLE keys; --"),
                  ("path", "../../etc/../prod/keys/%2e%2e/rsa.pem"),
                  ("spaces", " leading and trailing ")):
    case(f"kid-{name}", "dir", "A256GCM", key(kid, kid=True, kty="oct", size=256), 16)
case("kid-unicode", "RSA-OAEP", "A256GCM",
     key("\u043a\u043b\u044e\u0447-\u00e9-\U0001f511", kid=True, share=rsa[2048]), 16)

# Keys that say what they are for.
for name, alg, enc, attributes in (
        ("alg", "RSA-OAEP-256", "A256GCM", {"alg": "RSA-OAEP-256", "use": "enc"}),
        ("ops", "RSA-OAEP", "A128GCM", {"alg": "RSA-OAEP", "key_ops": ["unwrapKey", "decrypt"]})):
    case(f"key-{name}-{alg}", alg, enc, key(f"rsa2048-{name}", share=rsa[2048], **attributes), 16)
for name, alg, attributes in (("enc", "dir", {"alg": "A256GCM", "key_ops": ["encrypt", "decrypt"]}),
                              ("dir", "dir", {"alg": "dir", "use": "enc"})):
    case(f"key-{name}-{alg}", alg, "A256GCM", key(f"oct256-{name}", kty="oct", size=256, **attributes), 16)

# More header members; nothing is ever fetched or taken from them.
case("header-typ-cty", "RSA-OAEP-256", "A256GCM", rsa[2048], 16,
     header={"typ": "JOSE", "cty": "text/plain"})
case("header-unknown", "dir", "A128GCM", oct_[128], 16,
     header={"jku": "https://issuer.example/keys.jwks", "x5u": "https://issuer.example/x5u",
             "https://claims.example/x": {"a": [1, -2.5e3, True, None, {"b": "\u20ac<&>"}]}})

# No kid at all: the caller names the key.
for alg, enc, kid in (("RSA-OAEP", "A256GCM", rsa[2048]), ("RSA-OAEP-256", "A128GCM", rsa[3072]),
                      ("dir", "A192GCM", oct_[192])):
    case(f"no-kid-{alg}", alg, enc, kid, 16, with_kid=False)

case("payload-4k", "RSA-OAEP-256", "A128GCM", rsa[2048], 4096)
if large:
    case("payload-64k", "RSA-OAEP-256", "A256GCM", rsa[2048], 65536)

# Outside the default policy.
for alg, enc, kid in (("RSA-OAEP-384", "A256GCM", rsa[2048]), ("RSA-OAEP-512", "A128GCM", rsa[3072]),
                      ("A128KW", "A128GCM", oct_[128]), ("A256KW", "A256GCM", oct_[256]),
                      ("ECDH-ES", "A256GCM", ec), ("ECDH-ES+A128KW", "A128GCM", ec),
                      ("RSA-OAEP", "A128CBC-HS256", rsa[2048]),
                      ("dir", "A128CBC-HS256", oct_[256])):
    case(f"{alg}-{enc}", alg, enc, kid)
case("zip-RSA-OAEP-256", "RSA-OAEP-256", "A256GCM", rsa[2048], 1, header={"zip": "DEF"})
case("zip-dir", "dir", "A256GCM", oct_[256], header={"zip": "DEF"})

json.dump({"keys": keys, "others": others, "cases": cases}, sys.stdout)
