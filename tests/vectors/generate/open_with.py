"""Decrypts a token with one of several independent libraries.

    open_with.LIBRARIES[name](jwe, jwk) -> plaintext; raises when it cannot
"""
import json
import os
import subprocess

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc import jwe as joserfc_jwe
from joserfc.jwk import import_key
from jwcrypto import jwe, jwk

from schema import bare, unb64u


def with_jwcrypto(token, key):
    reader = jwe.JWE()
    reader.allowed_algs = list(jwe.default_allowed_algs)
    reader.deserialize(token)
    try:
        reader.decrypt(jwk.JWK(**bare(key)))
    except jwe.InvalidJWEData:
        # jwcrypto takes an empty plaintext for "no recipient matched".
        if reader.plaintext != b"" or "Success" not in reader.decryptlog:
            raise
    return reader.plaintext


class _Registry(joserfc_jwe.JWERegistry):
    max_protected_header_length = max_ciphertext_length = 1 << 20


def joserfc_registry(*algorithms):
    return _Registry(algorithms=[*algorithms, "DEF"], strict_check_header=False)


def with_joserfc(token, key):
    registry = joserfc_registry(*joserfc_jwe.JWERegistry.algorithms["alg"],
                                *joserfc_jwe.JWERegistry.algorithms["enc"])
    return joserfc_jwe.decrypt_compact(token, import_key(bare(key)), registry=registry).plaintext


def with_gojose(token, key):
    """The Go program of gojose/, built by regenerate.sh; its path is in GOJOSE."""
    done = subprocess.run([os.environ["GOJOSE"], "open"], capture_output=True,
                          input=json.dumps({"jwe": token, "jwk": bare(key)}).encode())
    if done.returncode:
        raise ValueError(done.stderr.decode().strip())
    return done.stdout


def with_cryptography(token, key):
    """RSA-OAEP-384 and -512 (compact, GCM), which only one of the JOSE libraries has."""
    protected, encrypted_key, iv, ciphertext, tag = token.split(".")
    alg = json.loads(unb64u(protected))["alg"]
    hash_ = {"RSA-OAEP-384": hashes.SHA384(), "RSA-OAEP-512": hashes.SHA512()}[alg]
    private = jwk.JWK(**bare(key)).get_op_key("decrypt")
    cek = private.decrypt(unb64u(encrypted_key), padding.OAEP(padding.MGF1(hash_), hash_, None))
    return AESGCM(cek).decrypt(unb64u(iv), unb64u(ciphertext) + unb64u(tag), protected.encode())


LIBRARIES = {"jwcrypto": with_jwcrypto, "joserfc": with_joserfc, "gojose": with_gojose,
             "cryptography": with_cryptography}


def can(library, case):
    algs = case["alg"] if isinstance(case["alg"], list) else [case["alg"]]
    long_hash = bool({"RSA-OAEP-384", "RSA-OAEP-512"} & set(algs))
    if library == "cryptography":
        return long_hash and case["serialization"] == "compact"
    if library == "joserfc" and case["serialization"] != "compact":
        return False  # it authenticates a re-encoded header there, not the one in the token
    if library == "gojose" and not os.environ.get("GOJOSE"):
        return False
    return not long_hash


def verify(case, keys, libraries):
    """Opens an intact token with every library of the list that can; at least one must."""
    opened = 0
    for library in libraries:
        if not can(library, case):
            continue
        plaintext = LIBRARIES[library](case["jwe"], keys[case["kid"]])
        if plaintext != unb64u(case["plaintext_b64u"]):
            raise ValueError(f"{case['id']}: {library} finds another plaintext")
        opened += 1
    if not opened:
        raise ValueError(f"{case['id']}: no independent library can open it")
