"""Faults of the JSON serializations, and of the request to unwrap, which has their form."""
import json
from dataclasses import replace

from jwcrypto import jwe, jwk

from fault_tools import (BASE, PLAINTEXT, SIZES, add, base64_faults, dumps, encoded, flat, flip, header,
                         keys, modulus, seal)
from faults_crypto import WRONG_KIND
from schema import b64u, bare, unb64u

ALG = "RSA-OAEP-256"
ENC, KID, TOKEN = BASE[ALG]
_, _, DIR = BASE["dir"]


# --- flattened: text and types ---

members = DIR.members()
text = dumps(members)
for name, changes in {
        "no-iv": {"iv": None}, "no-ciphertext": {"ciphertext": None}, "no-tag": {"tag": None},
        "iv-number": {"iv": 1}, "ciphertext-array": {"ciphertext": [members["ciphertext"]]},
        "tag-true": {"tag": True}, "protected-object": {"protected": header("dir")},
        "protected-number": {"protected": 1}, "unprotected-array": {"unprotected": []},
        "unprotected-string": {"unprotected": b64u(b'{"x":1}')}, "header-array": {"header": []},
        "header-string": {"header": "x"}, "ek-number": {"encrypted_key": 1},
        "ek-array": {"encrypted_key": []}, "aad-number": {"aad": 1}, "aad-object": {"aad": {}},
        "aad-padding": {"aad": "YQ=="}, "aad-trailing-bits": {"aad": "YR"}, "aad-letter": {"aad": "Y*Q"},
        "iv-padding": {"iv": members["iv"] + "="}, "tag-newline": {"tag": members["tag"] + "\n"},
        "ciphertext-space": {"ciphertext": " " + members["ciphertext"]},
        "tag-trailing-bits": {"tag": base64_faults(members["tag"])["trailing-bits"]},
        "recipients-empty": {"recipients": []}}.items():
    flat(f"flat-{name}", "dir", DIR.flat(**changes), "bad_request", kid_in=None, base="base-dir-flat")


def more(member):
    return text[:-1] + "," + member + "}"


for name, changed in {
        **{f"{name}-null": text.replace(dumps({name: value})[1:-1], f'"{name}":null')
           for name, value in members.items()},
        "recipients-null": more('"recipients":null'), "dup-ciphertext": more('"ciphertext":"AAAA"'),
        "dup-tag-same": more(f'"tag":"{members["tag"]}"'),
        "dup-escaped": more('"\\u0069v":"AAAAAAAAAAAAAAAA"'), "dup-unknown": more('"x":1,"x":2'),
        "dup-in-unprotected": more('"unprotected":{"x":1,"x":1}'), "trailing": text + "x",
        "two": text + text, "trailing-comma": text[:-1] + ",}", "truncated": text[:-1],
        "array": f"[{text}]", "single-quotes": text.replace('"', "'"), "bom": "\ufeff" + text,
        "nul": text + "\0", "nan": more('"x":NaN'), "empty-object": "{}", "open-brace": "{",
        "surrogate": more('"x":"\\ud800"'), "depth-9": more('"x":' + "[" * 8 + "]" * 8)}.items():
    flat(f"flat-{name}", "dir", changed, "bad_request", kid_in=None, base="base-dir-flat")

# Nothing but the header's bytes, the aad and the content is authenticated.
for name, changed in {
        "whitespace": "\n" + json.dumps(members, indent=1) + "\r\n\t ",
        "reordered": dumps(dict(reversed(members.items()))), "more": more('"x":{"y":[1]}'),
        "escaped": text.replace('"tag"', '"\\u0074ag"'), "unprotected": DIR.flat(unprotected={"x": 1}),
        "header": DIR.flat(header={"x": 1})}.items():
    flat(f"flat-ok-{name}", "dir", changed, "ok", base="base-dir-flat")
flat("flat-ok-ek-empty", "dir", DIR.flat(encrypted_key=""), "ok", base="base-dir-flat",
     note="an empty encrypted_key is the same as none")


# --- flattened: the headers ---

# No two of the three headers share a name.
for name, changes in {
        "overlap-alg": {"unprotected": {"alg": "dir"}}, "overlap-enc": {"unprotected": {"enc": "A192GCM"}},
        "overlap-kid": {"unprotected": {"kid": "f-oct192"}}, "overlap-alg-header": {"header": {"alg": "dir"}},
        "overlap-kid-header": {"header": {"kid": "f-oct192"}},
        "overlap-both": {"unprotected": {"x": 1}, "header": {"x": 1}},
        "crit-unprotected": {"unprotected": {"crit": ["x"], "x": 1}},
        "crit-header": {"header": {"crit": ["exp"], "exp": 1}}}.items():
    flat(f"flat-{name}", "dir", DIR.flat(**changes), "bad_request", base="base-dir-flat")
unknown = seal(header("dir", x=1), "f-oct192", "dir", "A192GCM")
flat("flat-overlap-unknown", "dir", unknown.flat(unprotected={"x": 1}), "bad_request")
flat("flat-zip-unprotected", "dir", DIR.flat(unprotected={"zip": "DEF"}), "bad_request",
     ["unsupported_algorithm"], base="base-dir-flat")
for name, changes in (("no-protected", {"protected": None}), ("protected-empty", {"protected": ""})):
    flat(f"flat-{name}", "dir", DIR.flat(**changes), "bad_request", kid_in="none", base="base-dir-flat")

# alg, enc or kid outside the protected header: good for a policy that takes them from there.
for alg in ("dir", ALG):
    enc, kid, _ = BASE[alg]
    whole = header(alg)
    for place in ("unprotected", "header"):
        for names in (["alg"], ["enc"], ["kid"], ["alg", "enc", "kid"]):
            if alg != "dir" and (len(names) > 1 or place == "header"):
                continue
            inside = {k: v for k, v in whole.items() if k not in names}
            changes = {place: {k: whole[k] for k in names}}
            if not inside:
                changes["protected"] = None  # absent, and the AAD is empty (RFC 7520 5.12)
            kid_in = "protected" if "kid" in inside else \
                "unprotected" if place == "unprotected" else "recipient"
            flat(f"{place}-{alg}-{'-'.join(names)}", alg, seal(inside or b"", kid, alg, enc).flat(**changes),
                 "ok", kid_in=kid_in, core="bad_request",
                 by=["jwcrypto"])  # go-jose wants enc to be protected


# --- flattened: encrypted_key and aad ---

ek = b64u(TOKEN.encrypted_key)
flat("flat-dir-ek", "dir", DIR.flat(encrypted_key="AAAA"), "bad_request", base="base-dir-flat")
for name, changes in (("no-ek", {"encrypted_key": None}), ("ek-empty", {"encrypted_key": ""})):
    flat(f"flat-{ALG}-{name}", ALG, TOKEN.flat(**changes), "bad_request", base=f"base-{ALG}-flat")
for name, changed in {
        "ek-null": TOKEN.flat().replace(f'"encrypted_key":"{ek}"', '"encrypted_key":null'),
        "ek-padding": TOKEN.flat(encrypted_key=ek + "=="),
        "recipients-too": TOKEN.flat(recipients=[{"encrypted_key": ek}])}.items():
    flat(f"flat-{ALG}-{name}", ALG, changed, "bad_request", kid_in=None, base=f"base-{ALG}-flat")
for part in ("encrypted_key", "iv", "ciphertext", "tag"):
    changed = replace(TOKEN, **{part: flip(getattr(TOKEN, part), 0)})
    flat(f"flat-{ALG}-changed-{part}", ALG, changed.flat(), "decryption_failed", base=f"base-{ALG}-flat")

AAD = b"the aad"
with_aad = seal(header("dir"), "f-oct192", "dir", "A192GCM", aad=AAD)
flat("aad-ok", "dir", with_aad.flat(aad=b64u(AAD)), "ok", aad_b64u=b64u(AAD))
for name, aad in (("changed", b64u(flip(AAD, 0))), ("removed", None), ("cut", b64u(AAD[:-1])),
                  ("longer", b64u(AAD + b"\0"))):
    flat(f"aad-{name}", "dir", with_aad.flat(aad=aad), "decryption_failed", base="aad-ok")
flat("aad-emptied", "dir", with_aad.flat(aad=""), "decryption_failed", ["bad_request"], base="aad-ok")
flat("aad-added", "dir", DIR.flat(aad="YQ"), "decryption_failed", base="base-dir-flat")


# --- general ---

# The first recipient is somebody else: the reader has the second one's key only.
general = jwe.JWE(PLAINTEXT, dumps({"enc": "A256GCM"}), aad=b"for all")
general.add_recipient(jwk.JWK.generate(kty="oct", size=256), {"alg": "A256KW", "kid": "f-somebody"})
general.add_recipient(jwk.JWK(**bare(keys["f-rsa"])), {"alg": ALG, "kid": "f-rsa"})
GENERAL = json.loads(general.serialize())
OTHER, MINE = GENERAL["recipients"]


def general_case(name, token, expect, alt=(), kid="f-rsa", kid_in="recipient", algs=("A256KW", ALG), **more):
    # What the default policy may do with these: see schema.default_policy.
    differs = expect != "bad_request"
    add(f"general-{name}", list(algs) if len(algs) > 1 else algs[0],
        token if isinstance(token, (str, list)) else dumps(token), expect, alt, kid=kid, kid_in=kid_in,
        enc="A256GCM", serialization="general", core="bad_request" if differs else None,
        core_alt=[expect, *alt] if differs else (), **more)


def recipients(*those, **members):
    return {**GENERAL, "recipients": list(those), **members}


mine_ek = unb64u(MINE["encrypted_key"])
general_case("base", GENERAL, "ok")
general_case("ok-mine-only", recipients(MINE), "ok", algs=(ALG,))
general_case("ok-reversed", recipients(MINE, OTHER), "ok", algs=(ALG, "A256KW"))
general_case("ok-other-damaged", recipients({**OTHER, "encrypted_key": "AAAA"}, MINE), "ok")
for name, token in {
        "mine-changed": recipients(OTHER, {**MINE, "encrypted_key": b64u(flip(mine_ek, 9))}),
        "tag-changed": {**GENERAL, "tag": b64u(flip(unb64u(GENERAL["tag"]), 0))},
        "aad-changed": {**GENERAL, "aad": b64u(b"for alm")}}.items():
    general_case(name, token, "decryption_failed", base="general-base")
for name, token in {
        "mine-empty": recipients(OTHER, {**MINE, "encrypted_key": ""}),
        "mine-no-key": recipients(OTHER, {"header": MINE["header"]}),
        "overlap-enc": recipients(OTHER, {**MINE, "header": {**MINE["header"], "enc": "A256GCM"}}),
        "overlap-unprotected": {**GENERAL, "unprotected": {"alg": ALG}},
        "crit": recipients(OTHER, {**MINE, "header": {**MINE["header"], "crit": ["x"], "x": 1}}),
        "no-protected": {k: v for k, v in GENERAL.items() if k != "protected"}}.items():
    general_case(name, token, "bad_request", base="general-base")
for name, token in {
        "mine-padding": recipients(OTHER, {**MINE, "encrypted_key": MINE["encrypted_key"] + "=="}),
        "key-number": recipients(OTHER, {**MINE, "encrypted_key": 1}),
        "header-array": recipients(OTHER, {**MINE, "header": []}), "recipients-string": recipients("x"),
        "recipients-empty": recipients(), "recipients-null": {**GENERAL, "recipients": None},
        "recipients-object": {**GENERAL, "recipients": MINE},
        "key-too": {**GENERAL, "encrypted_key": MINE["encrypted_key"]},
        "header-too": {**GENERAL, "header": MINE["header"]},
        "dup-recipients": dumps(GENERAL)[:-1] + ',"recipients":[]}',
        "dup-kid": dumps(GENERAL).replace('"kid":"f-rsa"', '"kid":"f-rsa","kid":"f-rsa"')}.items():
    general_case(name, token, "bad_request", kid_in=None, base="general-base")
general_case("no-kid", recipients({**MINE, "header": {"alg": ALG}}), "bad_request", kid_in="none", algs=(ALG,))
general_case("kid-unknown", recipients(OTHER), "not_found", kid=None, algs=("A256KW",))
general_case("dir-too", recipients({"header": {"alg": "dir", "kid": "f-somebody"}}, MINE), "bad_request",
             ["ok"], algs=("dir", ALG), note="dir cannot have company")
head, tail = dumps({**GENERAL, "recipients": []}).split("[]")
foreign = dumps({"header": {"alg": ALG, "kid": "f-nobody"}, "encrypted_key": "AAAA"})
general_case("1000-recipients", [[head + "[" + foreign, 1], ["," + foreign, 999], ["]" + tail, 1]],
             "not_found", ["bad_request", "too_large"], kid=None, algs=(ALG,), tags=["dos"])


# --- unwrap ---

def unwrap(name, alg, text, expect, alt=(), **more):
    flat(f"unwrap-{name}", alg, text, expect, alt, op="unwrap", **more)


for alg in ("RSA-OAEP", "RSA-OAEP-256"):
    for enc in SIZES:
        token = seal({"alg": alg, "enc": enc, "kid": "f-rsa"}, "f-rsa", alg, enc)
        unwrap(f"{alg}-{enc}", alg, token.flat(), "ok", enc=enc)
    enc, kid, base = BASE[alg]
    ek = base.encrypted_key
    unwrap(f"{alg}-key-only", alg, base.flat(iv=None, ciphertext=None, tag=None), "ok", plaintext=None,
           tags=["key-only"], note="what a request to unwrap has, and no content")
    unwrap(f"{alg}-header-changed", alg, base.flat(protected=encoded(header(alg, x=1))), "ok",
           plaintext=None, note="the wrapped key does not depend on the header's bytes")
    for name, value in (("1-short", ek[:-1]), ("1-long", ek + b"\0"), ("n", modulus(kid).to_bytes(256, "big"))):
        unwrap(f"{alg}-{name}", alg, replace(base, encrypted_key=value).flat(), "decryption_failed",
               ["bad_request"])
    for name, value in (("changed", flip(ek, 77)), ("zero", bytes(256))):
        unwrap(f"{alg}-{name}", alg, replace(base, encrypted_key=value).flat(), "decryption_failed")
    for name, value in (("empty", ""), ("no-key", None)):
        unwrap(f"{alg}-{name}", alg, base.flat(encrypted_key=value), "bad_request")
    unwrap(f"{alg}-wrong-key", alg, base.flat(protected=encoded(header(alg, kid="f-rsa-other"))),
           "decryption_failed", kid="f-rsa-other")
    unwrap(f"{alg}-oct-key", alg, base.flat(protected=encoded(header(alg, kid="f-oct256"))),
           "crypto_failure", WRONG_KIND, kid="f-oct256")
    unwrap(f"{alg}-enc-A192GCM", alg, base.flat(protected=encoded(header(alg, enc="A192GCM"))),
           "crypto_failure", enc="A192GCM", note="the CEK has the size of another enc")

for name, expect, change in (
        ("kid-unknown", "not_found", {"kid": "f-nobody"}),
        ("alg-unknown", "unsupported_algorithm", {"alg": "RSA-OAEP-257"}),
        ("alg-RSA1_5", "unsupported_algorithm", {"alg": "RSA1_5"}),
        ("alg-PS256", "unsupported_algorithm", {"alg": "PS256"}),
        ("enc-unknown", "unsupported_algorithm", {"enc": "A257GCM"}),
        ("enc-lower", "unsupported_algorithm", {"enc": "a256gcm"}),
        ("crit", "bad_request", {"crit": ["x"], "x": 1}), ("no-alg", "bad_request", {"alg": ...}),
        ("no-enc", "bad_request", {"enc": ...}), ("no-kid", "bad_request", {"kid": ...}),
        ("kid-number", "bad_request", {"kid": 1}), ("alg-null", "bad_request", {"alg": None})):
    changed = header(ALG, **change)
    unwrap(name, ALG, TOKEN.flat(protected=encoded(changed)), expect,
           kid=None if expect == "not_found" else KID, kid_in="protected" if "kid" in changed else "none")
ek, protected = b64u(TOKEN.encrypted_key), TOKEN.protected
twice = dumps(header(ALG))[:-1] + ',"kid":"f-rsa"}'
for name, changes in {
        "protected-padding": {"protected": base64_faults(protected)["padding"]},
        "protected-letter": {"protected": "*" + protected[1:]},
        "protected-not-json": {"protected": b64u(b"hello")},
        "protected-dup": {"protected": b64u(twice.encode())}, "protected-object": {"protected": header(ALG)},
        "key-padding": {"encrypted_key": ek + "=="}, "key-letter": {"encrypted_key": "*" + ek[1:]},
        "key-number": {"encrypted_key": 1}}.items():
    unwrap(name, ALG, TOKEN.flat(**changes), "bad_request", kid_in=None)
for name, value in (("protected-empty", ""), ("no-protected", None)):
    unwrap(name, ALG, TOKEN.flat(protected=value), "bad_request", kid_in="none")
unwrap("alg-dir", "dir", DIR.flat(), "unsupported_algorithm", note="dir has nothing to unwrap")
wrapped = jwe.JWE(PLAINTEXT, dumps({"alg": "A256KW", "enc": "A256GCM", "kid": "f-oct256"}))
wrapped.add_recipient(jwk.JWK(**bare(keys["f-oct256"])))
unwrap("alg-A256KW", "A256KW", wrapped.serialize(), "unsupported_algorithm", kid="f-oct256", enc="A256GCM",
       note="unwrap takes RSA-OAEP only")
