"""Faults that a reader finds before it needs a key: base64url, the five parts, the
header as JSON, its parameters."""
from fault_tools import BASE, add, base64_faults, dumps, flat, header, seal, sealed
from schema import b64u

for alg, (enc, kid, token) in BASE.items():
    add(f"base-{alg}", alg, token.compact(), "ok")
    flat(f"base-{alg}-flat", alg, token.flat(), "ok")
    add(f"base-{alg}-sealed", alg, sealed(alg).compact(), "ok",
        note="control: sealed by the script as the header faults are")


# --- base64url ---

for alg in ("RSA-OAEP-256", "dir"):
    enc, kid, token = BASE[alg]
    # '?' at the right place encodes to '_'; one space makes for unused bits.
    odd = dumps(header(alg, x="???" * 3)).encode()
    odd += b" " * (len(odd) % 3 == 0)
    for fault in base64_faults(b64u(odd)):
        faulty = seal(odd, kid, alg, enc, encode=lambda raw: base64_faults(b64u(raw))[fault])
        add(f"b64-{alg}-header-{fault}", alg, faulty.compact(), "bad_request", kid_in=None,
            note="authenticated in this spelling")
    texts = token.texts()
    # The content is read alike whatever the alg.
    parts = {"encrypted_key": 1} if alg != "dir" else {"iv": 2, "ciphertext": 3, "tag": 4}
    for part, index in parts.items():
        for fault, text in base64_faults(texts[index]).items():
            add(f"b64-{alg}-{part}-{fault}", alg, ".".join(texts[:index] + [text] + texts[index + 1:]),
                "bad_request", kid_in=None, base=f"base-{alg}")


# --- five parts ---

for alg in ("RSA-OAEP-256", "dir"):
    _, _, token = BASE[alg]
    h, k, i, c, t = token.texts()
    whole = token.compact()
    faults = {"4-no-tag": f"{h}.{k}.{i}.{c}", "4-no-key": f"{h}.{i}.{c}.{t}",
              "4-no-header": f"{k}.{i}.{c}.{t}", "6-extra": f"{whole}.{t}", "6-trailing-dot": f"{whole}.",
              "6-leading-dot": f".{whole}", "6-double-dot": f"{h}.{k}.{i}..{c}.{t}"}
    if alg == "dir":
        faults |= {"0": "", "1": h, "2": f"{h}.{k}", "3": f"{h}.{k}.{i}", "5-empty": "....",
                   "comma": whole.replace(".", ",", 1), "percent": whole.replace(".", "%2E", 1),
                   "fullwidth-dot": whole.replace(".", "\uff0e", 1), "quoted": f'"{whole}"',
                   "leading-newline": "\n" + whole, "trailing-crlf": whole + "\r\n",
                   "trailing-nul": whole + "\0", "two-tokens": f"{whole} {whole}"}
    for name, text in faults.items():
        add(f"parts-{alg}-{name}", alg, text, "bad_request", kid_in=None, base=f"base-{alg}")


# --- the header as JSON ---

DIR = dumps(header("dir"))


def more(text):
    """The dir header with one more member, as text."""
    return DIR[:-1] + "," + text + "}"


def string(content):
    """The dir header with one more member, a string of these bytes."""
    return more('"x":"').encode()[:-1] + content + b'"}'


def json_case(name, text, expect="bad_request", alt=(), kid_in=None):
    raw = text if isinstance(text, bytes) else text.encode()
    token = seal(raw, "f-oct192", "dir", "A192GCM")
    add(f"json-{name}", "dir", token.compact(), expect, alt, kid_in=kid_in)


for name, text in {
        "not-json": "hello", "empty": "", "space": " ", "null": "null", "number": "1",
        "string": dumps(DIR), "array": f"[{DIR}]", "truncated": DIR[:-1], "no-brace": DIR[1:],
        "trailing-brace": DIR + "}", "trailing-letter": DIR + "x", "two-objects": DIR + "{}",
        "trailing-nul": DIR + "\0", "trailing-comma": DIR[:-1] + ",}", "leading-comma": "{," + DIR[1:],
        "comment": DIR[:-1] + "/*x*/}", "line-comment": DIR + "//x",
        "single-quotes": DIR.replace('"', "'"), "form-feed": "\f" + DIR,
        "no-break-space": "\u00a0" + DIR, "bom": "\ufeff" + DIR,
        "utf-16": DIR.encode("utf-16"), "utf-16le": DIR.encode("utf-16-le"),
        # values
        "unquoted-name": more("x:1"), "no-colon": more('"x" 1'), "no-value": more('"x":'),
        "equals": more('"x"=1'), "nan": more('"x":NaN'), "infinity": more('"x":-Infinity'),
        "leading-zero": more('"x":01'), "plus": more('"x":+1'), "hex": more('"x":0x1'),
        "bare-point": more('"x":1.'), "no-integer": more('"x":.5'), "bare-exponent": more('"x":1e'),
        "bare-minus": more('"x":-'), "true-case": more('"x":True'), "truncated-word": more('"x":tru'),
        "array-comma": more('"x":[1,]'), "array-open": more('"x":[1'), "mismatched": more('"x":[1}'),
        # strings
        "escape-x": string(b"\\x41"), "escape-short": string(b"\\u12"), "escape-no-hex": string(b"\\u12G4"),
        "escape-end": string(b"\\"), "raw-nul": string(b"a\0b"), "raw-newline": string(b"a\nb"),
        "raw-tab": string(b"a\tb"), "surrogate-high": string(b"\\ud800"),
        "surrogate-low": string(b"\\udc00"), "surrogate-swapped": string(b"\\udc00\\ud800"),
        "surrogate-in-name": more('"\\ud800":1'),
        "latin-1": string(b"\xe9"), "utf8-overlong": string(b"\xc0\xaf"),
        "utf8-surrogate": string(b"\xed\xa0\x80"), "utf8-truncated": string(b"\xe2\x82"),
        "utf8-beyond": string(b"\xf4\x90\x80\x80"), "utf8-in-name": DIR.encode()[:-1] + b',"\xff":1}',
        "utf8-in-kid": DIR.encode().replace(b"f-oct192", b"f-oct192\xff"),
        # depth: the header itself is level 1
        "depth-9": more('"x":' + "[" * 8 + "]" * 8),
        "depth-9-objects": more('"x":' + '{"a":' * 8 + "1" + "}" * 8),
        "depth-200": more('"x":' + "[" * 199 + "]" * 199),
        # duplicate members
        "dup-alg": more('"alg":"dir"'), "dup-alg-first-right": more('"alg":"A256KW"'),
        "dup-alg-last-right": '{"alg":"A256KW",' + DIR[1:], "dup-enc": more('"enc":"A192GCM"'),
        "dup-kid": more('"kid":"f-oct192"'), "dup-kid-first-right": more('"kid":"f-nobody"'),
        "dup-unknown": more('"x":1,"x":1'), "dup-escaped": more('"\\u0061lg":"dir"'),
        "dup-both-escaped": more('"\\u00e9":1,"\\u00E9":1'),
        "dup-escaped-utf8": more('"\\u00e9":1,"\u00e9":1'), "dup-solidus": more('"a/b":1,"a\\/b":1'),
        "dup-nested": more('"x":{"a":1,"a":2}'), "dup-empty-name": more('"":1,"":2'),
        "dup-nested-array": more('"x":[{"y":{"a":1,"\\u0061":2}}]')}.items():
    json_case(name, text)
json_case("nul-escaped", string(b"a\\u0000b"), alt=["ok"], kid_in="protected")

for name, text in {
        "whitespace": " \t\r\n" + DIR.replace(":", " : ").replace(",", "\n,") + "\n",
        "depth-8": more('"x":' + "[" * 7 + "]" * 7),
        "escaped-names": '{"\\u0061lg":"d\\u0069r","enc":"A192GCM","k\\u0069d":"f\\u002doct192"}',
        "other-case": more('"ALG":"x","Kid":1,"cRit":["exp"]'),
        "surrogate-pair": string(b"\\ud83d\\ude00"), "empty-name": more('"":1'),
        "same-name-apart": more('"x":{"alg":1},"y":[{"alg":1},{"alg":2}]'),
        "numbers": more('"x":[0,-0,1e3,-1.5E-7,123456789012345678901234567890]'),
        "escapes": string(b'\\"\\\\\\/\\b\\f\\n\\r\\t')}.items():
    json_case("ok-" + name, text, "ok", kid_in="protected")


# --- alg, enc and kid ---

for alg in BASE:
    for name in ("alg", "enc", "kid"):
        add(f"missing-{alg}-{name}", alg, sealed(alg, **{name: ...}).compact(), "bad_request",
            kid_in="none" if name == "kid" else "protected")
for name, value in header("dir").items():
    for kind, wrong in (("null", None), ("number", 1), ("true", True), ("array", [value]),
                        ("object", {"x": value})):
        add(f"type-{name}-{kind}", "dir", sealed("dir", **{name: wrong}).compact(), "bad_request")
    add(f"type-{name}-empty", "dir", sealed("dir", **{name: ""}).compact(), "bad_request",
        ["not_found" if name == "kid" else "unsupported_algorithm"])
    add(f"missing-{name}-capital", "dir", sealed("dir", **{name: ..., name.capitalize(): value}).compact(),
        "bad_request", kid_in="none" if name == "kid" else "protected", note="names are case-sensitive")

for base, name, values in (
        ("RSA-OAEP-256", "alg", ["rsa-oaep-256", "RSA-OAEP-256 ", "RSA-OAEP-25", "RSA-OAEP-2560",
                                 "RSA_OAEP_256"]),
        ("RSA-OAEP", "alg", ["RSA-OAEP-1", "rsa-oaep", "RS256"]),
        ("dir", "alg", ["DIR", "Dir", "direct", "none", "A192GCM", "X-UNKNOWN", "HS256"]),
        ("dir", "enc", ["a192gcm", "A192gcm", "A192GCM ", "A193GCM", "A192CCM", "A192GCMKW", "A192CBC",
                        "dir", "X-UNKNOWN"])):
    for value in values:
        add(f"unknown-{name}-{base}-{value.replace(' ', '_')}", base,
            sealed(base, **{name: value}).compact(), "unsupported_algorithm")
for name in ("alg", "enc"):
    add(f"unknown-{name}-nul", "dir", sealed("dir", **{name: header("dir")[name] + "\0"}).compact(),
        "bad_request", ["unsupported_algorithm"])
pkcs1 = seal({"alg": "RSA1_5", "enc": "A256GCM", "kid": "f-rsa"}, "f-rsa", "RSA1_5", "A256GCM")
add("unknown-alg-RSA1_5", "RSA1_5", pkcs1.compact(), "unsupported_algorithm", kid="f-rsa",
    enc="A256GCM", note="an intact RSA1_5 token")

for alg in BASE:
    add(f"kid-{alg}-unknown", alg, sealed(alg, kid="f-nobody").compact(), "not_found", kid=None)
for name, value, alt in (
        ("upper", "F-OCT192", ()), ("prefix", "f-oct19", ()), ("suffix", "f-oct1922", ()),
        ("trailing-space", "f-oct192 ", ()), ("leading-space", " f-oct192", ()),
        ("nfd", "cafe\u0301", ()), ("percent", "%", ()), ("star", "f-oct*", ()),
        ("underscore", "f_oct192", ()), ("sql", "' OR 1=1 --", ()), ("path", "../f-oct192", ()),
        ("newline", "f-oct192\n", ()), ("257-bytes", "k" * 257, ["bad_request"]),
        ("4k", "k" * 4096, ["bad_request", "too_large"]),
        ("no-such-hsm", "hsm::softhsm2::0::f-oct192", ["bad_request", "unavailable"])):
    add(f"kid-{name}", "dir", sealed("dir", kid=value).compact(), "not_found", alt, kid=None)
for name, value in (("nul", "f-oct192\0"), ("hsm-malformed", "hsm::"),
                    ("hsm-no-label", "hsm::softhsm2::0")):
    add(f"kid-{name}", "dir", sealed("dir", kid=value).compact(), "bad_request", ["not_found"], kid=None)


# --- crit and zip ---

for name, extra in {
        "unknown": {"crit": ["x"], "x": 1}, "absent": {"crit": ["x"]}, "exp": {"crit": ["exp"], "exp": 1},
        "b64": {"crit": ["b64"], "b64": True}, "standard": {"crit": ["alg"]}, "empty": {"crit": []},
        "string": {"crit": "x", "x": 1}, "object": {"crit": {"x": 1}, "x": 1}, "null": {"crit": None},
        "true": {"crit": True}, "number-item": {"crit": [1]}, "null-item": {"crit": [None]},
        "empty-item": {"crit": [""], "": 1}, "twice": {"crit": ["x", "x"], "x": 1}}.items():
    add(f"crit-{name}", "dir", sealed("dir", **extra).compact(), "bad_request")
for alg in ("RSA-OAEP", "RSA-OAEP-256"):
    add(f"crit-{alg}-unknown", alg, sealed(alg, crit=["x"], x=1).compact(), "bad_request")

for name, value in (("unknown", "GZIP"), ("lower", "def")):
    add(f"zip-{name}", "dir", sealed("dir", zip=value).compact(), "unsupported_algorithm")
add("zip-empty", "dir", sealed("dir", zip="").compact(), "unsupported_algorithm", ["bad_request"])
for name, value in (("null", None), ("true", True), ("array", ["DEF"])):
    add(f"zip-{name}", "dir", sealed("dir", zip=value).compact(), "bad_request",
        ["unsupported_algorithm"])
add("zip-not-deflate", "dir", sealed("dir", zip="DEF").compact(), "decryption_failed", ["bad_request"],
    core="unsupported_algorithm", core_alt=["decryption_failed"])


# --- large and deep ---

REST = "..AAAAAAAAAAAAAAAA.AAAA.AAAAAAAAAAAAAAAAAAAAAA"
for name, template in {
        "dots": [[".", 1000000]], "no-dot": [["A", 1000000]], "header": [["A", 1000000], [REST, 1]],
        # {"x": and then [[[... and nothing else
        "deep-header": [[b64u(b'{"x": '), 1], [b64u(b"[[["), 250000], [REST, 1]]}.items():
    add(f"large-{name}", "dir", template, "bad_request", ["too_large"], kid_in=None, tags=["dos"])
for name, template in {
        "deep-arrays": [["[", 500000], ["]", 500000]], "deep-objects": [['{"a":', 200000]],
        "deep-member": [['{"x":', 1], ["[", 500000]]}.items():
    flat(f"large-flat-{name}", "dir", template, "bad_request", ["too_large"], kid_in=None, tags=["dos"])
