"""Faults in iv, tag, encrypted_key, ciphertext and in the choice of the key."""
import json
import os
from dataclasses import replace

from cryptography.hazmat.primitives import hashes

from fault_tools import (BASE, SIZES, add, by_hand, dumps, encoded, flat, flip, header, keys, modulus, oaep,
                         pkcs1, seal, sealed)
from schema import b64u, unb64u


RSA = ("RSA-OAEP", "RSA-OAEP-256")


# --- lengths of iv and tag ---

for alg, (enc, kid, base) in BASE.items():
    for length in (0, 1, 8, 11, 13, 16, 24) if alg == "dir" else (0, 11, 13, 16):
        # GCM itself takes any iv of 8 bytes and more: those tokens are intact.
        token = seal(header(alg), kid, alg, enc, iv=length) if length >= 8 \
            else replace(base, iv=base.iv[:length])
        add(f"iv-{alg}-{length}", alg, token.compact(), "bad_request")
    for length in (*range(16), 17, 32) if alg == "dir" else (0, 12, 15, 17):
        add(f"tag-{alg}-{length}", alg, replace(base, tag=(base.tag * 2)[:length]).compact(),
            "bad_request", base=f"base-{alg}", note="starts as the right tag does")


# --- changed bytes ---

for alg, (enc, kid, base) in BASE.items():
    other = sealed(alg)
    plain = header(alg)
    changed = {f"{part}-{at}": replace(base, **{part: flip(getattr(base, part), index)})
               for part in ("encrypted_key", "iv", "ciphertext", "tag") if getattr(base, part)
               for at, index in (("first", 0), ("last", -1))}
    changed |= {
        # The header says the same, in other bytes.
        "header-space": replace(base, protected=b64u(json.dumps(plain).encode())),
        "header-order": replace(base, protected=encoded(dict(reversed(plain.items())))),
        "header-more": replace(base, protected=encoded({**plain, "x": 1})),
        "header-escape": replace(base, protected=b64u(dumps(plain).replace("kid", "\\u006bid").encode())),
        "iv-zero": replace(base, iv=bytes(12)), "tag-zero": replace(base, tag=bytes(16)),
        "ciphertext-cut": replace(base, ciphertext=base.ciphertext[:-1]),
        "ciphertext-empty": replace(base, ciphertext=b""),
        "ciphertext-longer": replace(base, ciphertext=base.ciphertext + b"\0"),
        "iv-of-another": replace(base, iv=other.iv), "tag-of-another": replace(base, tag=other.tag)}
    if alg != "dir":
        changed["key-of-another"] = replace(base, encrypted_key=other.encrypted_key)
    for name, token in changed.items():
        add(f"changed-{alg}-{name}", alg, token.compact(), "decryption_failed", base=f"base-{alg}")

    wrong = "f-oct192-other" if alg == "dir" else "f-rsa-other"
    add(f"wrong-key-{alg}", alg, sealed(alg, kid=wrong).compact(), "decryption_failed", kid=wrong,
        note="intact, but made for another key of this size")
    if alg != "dir":
        add(f"wrong-key-{alg}-3072", alg, sealed(alg, kid="f-rsa3072").compact(), "decryption_failed",
            ["bad_request"], kid="f-rsa3072", note="made for a key of another size")
for said, used in (RSA, RSA[::-1]):
    add(f"wrong-alg-{said}", used, sealed(used, alg=said).compact(), "decryption_failed",
        note=f"wrapped as {used} has it")


# --- encrypted_key ---

_, _, base = BASE["dir"]
for name, value in (("1-byte", b"\0"), ("16-bytes", bytes(16)), ("cek", unb64u(keys["f-oct192"]["k"]))):
    add(f"ek-dir-{name}", "dir", replace(base, encrypted_key=value).compact(), "bad_request",
        base="base-dir")
for alg in RSA:
    enc, kid, base = BASE[alg]
    ek, n = base.encrypted_key, modulus(kid)
    add(f"ek-{alg}-empty", alg, replace(base, encrypted_key=b"").compact(), "bad_request",
        base=f"base-{alg}")
    for name, value in {
            "1-short": ek[:-1], "1-long": ek + b"\0", "leading-zero": b"\0" + ek, "1-byte": b"\1",
            "twice": ek + ek,
            "plus-n-longer": (int.from_bytes(ek, "big") + n).to_bytes(257, "big")}.items():
        add(f"ek-{alg}-{name}", alg, replace(base, encrypted_key=value).compact(), "decryption_failed",
            ["bad_request"], base=f"base-{alg}")
    for name, value in {"zero": 0, "one": 1, "n-1": n - 1, "n": n, "n+1": n + 1,
                        "all-ones": (1 << 2048) - 1}.items():
        token = replace(base, encrypted_key=value.to_bytes(256, "big"))
        add(f"ek-{alg}-{name}", alg, token.compact(), "decryption_failed",
            ["bad_request"] if value >= n else (), base=f"base-{alg}")


# --- OAEP and the CEK, by decrypt and by unwrap ---

def both_ways(name, alg, token, decrypt="decryption_failed", unwrap="decryption_failed", **more):
    add(f"{name}-decrypt", alg, token.compact(), decrypt, **more)
    flat(f"{name}-unwrap", alg, token.flat(), unwrap, op="unwrap", **more)


def textbook(cek, kid):
    return pow(int.from_bytes(cek, "big"), 65537, modulus(kid)).to_bytes(256, "big")


for alg, own, other, name in (("RSA-OAEP", hashes.SHA1, hashes.SHA256, "sha1"),
                              ("RSA-OAEP-256", hashes.SHA256, hashes.SHA1, "sha256")):
    enc, kid, _ = BASE[alg]
    for fault, wrap in {
            "other-hash": lambda cek, kid: oaep(cek, kid, other),
            "other-mgf": lambda cek, kid: oaep(cek, kid, own, mgf=other),
            "other-hash-own-mgf": lambda cek, kid: oaep(cek, kid, other, mgf=own),
            "sha512": lambda cek, kid: oaep(cek, kid, hashes.SHA512),
            "label": lambda cek, kid: oaep(cek, kid, own, label=alg.encode()),
            "pkcs1-v1_5": pkcs1, "textbook": textbook,
            **{f: by_hand(name, f) for f in ("lhash", "ps", "separator-2", "no-separator",
                                             "first-byte")}}.items():
        both_ways(f"oaep-{alg}-{fault}", alg, seal(header(alg), kid, alg, enc, wrap=wrap))
    both_ways(f"oaep-{alg}-control", alg, seal(header(alg), kid, alg, enc, wrap=by_hand(name, None)),
              "ok", "ok", note="control: encoded by the script, no fault")

    # A CEK of the wrong size: decrypt must not tell it from any other failure, unwrap may.
    for size in (0, 15, 16, 24, 31, 32, 33, 64):
        if size == SIZES[enc]:
            continue
        cek = os.urandom(size)
        usable = cek if size in SIZES.values() else (cek + bytes(32))[:SIZES[enc]]
        token = seal(header(alg), kid, alg, enc, cek=cek, content_key=usable)
        both_ways(f"cek-{alg}-{size}", alg, token, unwrap="crypto_failure",
                  note=f"a CEK of {size} bytes; the content is encrypted with it"
                       + ("" if usable == cek else ", padded with zeros or cut"))


# --- keys of the wrong kind, size or use ---

WRONG_KIND = ["decryption_failed", "bad_request", "unsupported_algorithm"]
for name, kid, cek in (("rsa", "f-rsa", os.urandom(24)),
                       ("rsa-modulus", "f-rsa", unb64u(keys["f-rsa"]["n"])[:24]),
                       ("rsa-zero", "f-rsa", bytes(24)), ("ec", "f-ec", unb64u(keys["f-ec"]["x"])[:24])):
    token = seal(header("dir", kid=kid), kid, "dir", "A192GCM", cek=cek)
    add(f"kind-dir-{name}", "dir", token.compact(), "crypto_failure", WRONG_KIND, kid=kid)
for alg in RSA:
    for name, kid in (("oct", "f-oct256"), ("ec", "f-ec")):
        add(f"kind-{alg}-{name}", alg, sealed(alg, kid=kid).compact(), "crypto_failure", WRONG_KIND,
            kid=kid)
for enc, size in SIZES.items():
    for other in SIZES.values():
        if other == size:
            continue
        kid = f"f-oct{8 * other}"
        token = seal({"alg": "dir", "enc": enc, "kid": kid}, kid, "dir", enc)
        add(f"size-dir-{enc}-oct{8 * other}", "dir", token.compact(), "crypto_failure", kid=kid, enc=enc,
            note="sealed with the whole key, whatever enc says")
for name, alg, kid in (("alg", "RSA-OAEP", "f-rsa-256-only"), ("use", "RSA-OAEP-256", "f-rsa-sig"),
                       ("ops", "RSA-OAEP-256", "f-rsa-sign"), ("ops", "dir", "f-oct192-encrypt")):
    add(f"not-for-{name}-{alg}", alg, sealed(alg, kid=kid).compact(), "crypto_failure",
        [*WRONG_KIND, "forbidden"], kid=kid, note="intact, but the key is for something else")
token = seal({"alg": "dir", "enc": "A256GCM", "kid": "f-oct256-kw"}, "f-oct256-kw", "dir", "A256GCM")
add("not-for-alg-dir", "dir", token.compact(), "crypto_failure", [*WRONG_KIND, "forbidden"],
    kid="f-oct256-kw", enc="A256GCM", note="intact, but the key says A256KW")
token = seal(header("RSA-OAEP", kid="f-rsa1024"), "f-rsa1024", "RSA-OAEP", "A128GCM")
add("rsa-1024", "RSA-OAEP", token.compact(), "crypto_failure", [*WRONG_KIND, "ok"], kid="f-rsa1024",
    core="crypto_failure", core_alt=WRONG_KIND, note="an RSA key below 2048 bits")
