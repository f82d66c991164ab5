"""Fresh keys, base tokens, the tools to break them, and the list of cases.

Base tokens come from jwcrypto. A header that jwcrypto would not write is sealed here
with pyca/cryptography, so that the token is intact for its own header bytes and the
header alone is at fault: a reader that overlooks the fault returns a plaintext.
"""
import hashlib
import json
import os
from dataclasses import dataclass

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from jwcrypto import jwe, jwk

from open_with import verify
from schema import b64u, bare, unb64u

PLAINTEXT = b"what the fault must not reveal"
SIZES = {"A128GCM": 16, "A192GCM": 24, "A256GCM": 32}
keys, cases = {}, []


# --- keys ---

def key(kid, share=None, kty=None, **attributes):
    generate = {k: v for k, v in attributes.items() if k in ("size", "crv")}
    extra = {k: v for k, v in attributes.items() if k in ("alg", "use", "key_ops")}
    made = keys[share] if share else jwk.JWK.generate(kty=kty, **generate).export(as_dict=True)
    keys[kid] = {**bare(made), "kid": kid, **extra}


key("f-rsa", kty="RSA", size=2048)
key("f-rsa-other", kty="RSA", size=2048)
key("f-rsa3072", kty="RSA", size=3072)
key("f-ec", kty="EC", crv="P-256")
for bits in (128, 192, 256):
    key(f"f-oct{bits}", kty="oct", size=bits)
key("f-oct192-other", kty="oct", size=192)
key("f-oct256-kw", share="f-oct256", alg="A256KW")
key("f-oct192-encrypt", share="f-oct192", key_ops=["encrypt"])
key("f-rsa-256-only", share="f-rsa", alg="RSA-OAEP-256")
key("f-rsa-sig", share="f-rsa", use="sig")
key("f-rsa-sign", share="f-rsa", key_ops=["sign"])
key("caf\u00e9", share="f-oct192")  # NFC; the NFD spelling is another kid
# jwcrypto refuses to generate a key as short as this one.
short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
keys["f-rsa1024"] = {**bare(jwk.JWK.from_pyca(short).export(as_dict=True)), "kid": "f-rsa1024"}


def private(kid):
    return jwk.JWK(**bare(keys[kid])).get_op_key("decrypt")


def modulus(kid):
    return int.from_bytes(unb64u(keys[kid]["n"]), "big")


# --- tokens ---

def dumps(value):
    return json.dumps(value, separators=(",", ":"))


def encoded(header):
    return b64u(dumps(header).encode())


@dataclass
class Token:
    """The five parts; protected is the encoded text, as it was authenticated."""
    protected: str
    encrypted_key: bytes
    iv: bytes
    ciphertext: bytes
    tag: bytes

    def texts(self):
        return [self.protected,
                *map(b64u, (self.encrypted_key, self.iv, self.ciphertext, self.tag))]

    def compact(self):
        return ".".join(self.texts())

    def members(self, **changes):
        """The flattened members; a change to None takes a member away."""
        names = ("protected", "encrypted_key", "iv", "ciphertext", "tag")
        members = {**dict(zip(names, self.texts())), **changes}
        if "encrypted_key" not in changes and not self.encrypted_key:
            del members["encrypted_key"]
        return {k: v for k, v in members.items() if v is not None}

    def flat(self, **changes):
        return dumps(self.members(**changes))


def oaep(cek, kid, hash_, mgf=None, label=None):
    scheme = padding.OAEP(padding.MGF1((mgf or hash_)()), hash_(), label)
    return private(kid).public_key().encrypt(cek, scheme)


def pkcs1(cek, kid):
    return private(kid).public_key().encrypt(cek, padding.PKCS1v15())


WRAP = {"RSA-OAEP": lambda cek, kid: oaep(cek, kid, hashes.SHA1),
        "RSA-OAEP-256": lambda cek, kid: oaep(cek, kid, hashes.SHA256),
        "RSA1_5": pkcs1,
        "dir": lambda cek, kid: b""}


def seal(header, kid, alg, enc, encode=b64u, wrap=None, cek=None, content_key=None, iv=12, aad=None):
    """A token that is intact for `header` (a dict, or bytes as they are)."""
    raw = header if isinstance(header, bytes) else dumps(header).encode()
    protected = encode(raw)
    if cek is None:
        cek = unb64u(keys[kid]["k"]) if alg == "dir" else os.urandom(SIZES[enc])
    nonce = os.urandom(iv)
    data = protected + ("." + b64u(aad) if aad is not None else "")
    key = cek if content_key is None else content_key
    sealed = AESGCM(key).encrypt(nonce, PLAINTEXT, data.encode())
    return Token(protected, (wrap or WRAP[alg])(cek, kid), nonce, sealed[:-16], sealed[-16:])


def positive(alg, enc, kid):
    """A base token of jwcrypto's, with - or _ in each part, so that the faults in
    base64url have something to replace."""
    while True:
        token = jwe.JWE(PLAINTEXT, dumps({"alg": alg, "enc": enc, "kid": kid}))
        token.add_recipient(jwk.JWK(**bare(keys[kid])))
        parts = token.serialize(compact=True).split(".")
        if all(set(part) & {"-", "_"} for part in parts[1:] if part):
            return Token(parts[0], *map(unb64u, parts[1:]))


# alg -> (enc, kid, a token of jwcrypto's)
BASE = {alg: (enc, kid, positive(alg, enc, kid)) for alg, enc, kid in
        (("RSA-OAEP", "A128GCM", "f-rsa"), ("RSA-OAEP-256", "A256GCM", "f-rsa"),
         ("dir", "A192GCM", "f-oct192"))}


def header(base, /, **more):
    """The base token's header, changed; a member set to ... is left out."""
    enc, kid, _ = BASE[base]
    made = {"alg": base, "enc": enc, "kid": kid, **more}
    return {k: v for k, v in made.items() if v is not ...}


def sealed(base, /, **more):
    """A token for a changed header of the base token, otherwise as the base is."""
    enc, kid, _ = BASE[base]
    return seal(header(base, **more), kid, base, enc)


# --- faults ---

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def base64_faults(text):
    faults = {"padding": text + "=" * (-len(text) % 4 or 1),
              "leading-space": " " + text,
              "trailing-newline": text + "\n",
              "inner-tab": text[:4] + "\t" + text[4:],
              "std-alphabet": text.replace("-", "+").replace("_", "/"),
              "foreign-letter": text[:1] + "*" + text[2:],
              "foreign-utf8": text[:1] + "\u00e9" + text[2:],
              "mod4-1": text + "A" * ((1 - len(text)) % 4)}
    if len(text) % 4:
        # The last letter has unused bits; they must be zero.
        faults["trailing-bits"] = text[:-1] + ALPHABET[ALPHABET.index(text[-1]) | 1]
    return faults


def flip(data, index):
    index %= len(data)
    return data[:index] + bytes([data[index] ^ 1]) + data[index + 1:]


def by_hand(hash_, fault):
    """RSA-OAEP (RFC 8017 7.1.1) with one fault in the encoded message."""
    def wrap(cek, kid):
        def mgf(seed, length):
            blocks = [hashlib.new(hash_, seed + i.to_bytes(4, "big")).digest() for i in range(length)]
            return b"".join(blocks)[:length]

        def xor(a, b):
            return bytes(x ^ y for x, y in zip(a, b))

        n, lhash = modulus(kid), hashlib.new(hash_).digest()
        seed, size = os.urandom(len(lhash)), 256 - len(lhash) - 1
        zeros = bytes(size - len(lhash) - 1 - len(cek))
        block = {"lhash": flip(lhash, -1) + zeros + b"\1" + cek,
                 "ps": lhash + b"\2" + zeros[1:] + b"\1" + cek,
                 "separator-2": lhash + zeros + b"\2" + cek,
                 "no-separator": lhash + bytes(size - len(lhash))}.get(fault, lhash + zeros + b"\1" + cek)
        masked = xor(block, mgf(seed, size))
        first = b"\1" if fault == "first-byte" else b"\0"
        message = int.from_bytes(first + xor(seed, mgf(masked, len(seed))) + masked, "big")
        # n has its top bit set, so a message that begins with 1 is still below it.
        return pow(message, 65537, n).to_bytes(256, "big")
    return wrap


# --- cases ---

def add(name, alg, jwe_, expect, alt=(), kid=..., enc=None, serialization="compact",
        kid_in="protected", core=None, core_alt=(), by=("jwcrypto", "gojose"),
        plaintext=PLAINTEXT, **more):
    """Adds a case; jwe_ is a text or a template, kid the key that is meant (None: none)."""
    base_enc, base_kid, _ = BASE.get(str(alg), (enc, None, None))
    case = {"id": name, "serialization": serialization,
            ("jwe" if isinstance(jwe_, str) else "jwe_template"): jwe_,
            "kid": base_kid if kid is ... else kid, "kid_in": kid_in, "key_select": "header",
            "alg": alg, "enc": enc or base_enc, "expect": expect, "expect_alt": list(alt),
            "expect_core": core, "expect_core_alt": list(core_alt), **more}
    if expect == "ok" and plaintext:
        case["plaintext_b64u"] = b64u(plaintext)
        verify(case, keys, by)
    cases.append(case)


def flat(name, alg, text, expect, alt=(), **more):
    add(name, alg, text, expect, alt, serialization="flattened", **more)
