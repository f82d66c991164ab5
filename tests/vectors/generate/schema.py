"""What all the scripts here share: base64url, the jwe-vectors/1 file, and the
expectation of an intact token under the default policy."""
import base64
import json
import os

CORE_ALGS = {"RSA-OAEP", "RSA-OAEP-256", "dir"}
CORE_ENCS = {"A128GCM", "A192GCM", "A256GCM"}
CODES = {"ok", "bad_request", "forbidden", "not_found", "conflict", "too_large",
         "unsupported_algorithm", "decryption_failed", "crypto_failure",
         "unavailable", "internal_error"}

# Member order in the written file; also the list of legal members.
FILE_MEMBERS = ["schema", "suite", "source", "licence", "producer", "description",
                "keys", "cases"]
CASE_MEMBERS = ["id", "op", "serialization", "jwe", "jwe_template", "kid", "kid_in",
                "key_select", "alg", "enc", "expect", "expect_alt", "expect_core",
                "expect_core_alt", "policy", "plaintext_b64u", "aad_b64u", "base",
                "tags", "note"]


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64u(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def bare(jwk):
    """The key without kid, alg, use and key_ops: libraries must not refuse it for those."""
    return {k: v for k, v in jwk.items() if k not in ("kid", "alg", "use", "key_ops")}


def headers(serialization, jwe):
    """The token's (protected, unprotected, [recipient header, ...])."""
    if serialization == "compact":
        return json.loads(unb64u(jwe.split(".")[0])), {}, [{}]
    token = json.loads(jwe)
    protected = json.loads(unb64u(token["protected"])) if "protected" in token else {}
    recipients = token.get("recipients", [token])
    return protected, token.get("unprotected", {}), [r.get("header", {}) for r in recipients]


def where_kid(protected, unprotected, recipients):
    if "kid" in protected:
        return "protected"
    if "kid" in unprotected:
        return "unprotected"
    return "recipient" if any("kid" in r for r in recipients) else "none"


def default_policy(alg, enc, zip_, serialization, protected):
    """(expect_core, alternatives) of an intact token, or (None, []) when it is ok there too.

    The default policy takes alg, enc and kid from the protected header only.
    General JSON with several recipients cannot carry alg and kid there, so a
    default policy that reads them from the recipient is accepted as well."""
    own = {"alg", "enc", "kid"} <= protected.keys()
    unsupported = alg not in CORE_ALGS or enc not in CORE_ENCS or zip_ is not None
    if own:
        return ("unsupported_algorithm", []) if unsupported else (None, [])
    if unsupported:
        return "bad_request", ["unsupported_algorithm"]
    return "bad_request", ["ok"] if serialization == "general" else []


def write(path, doc):
    """One key and one case a line: a changed case is a changed line in a diff."""
    def ordered(obj, members):
        return {m: obj[m] for m in members if obj.get(m) not in (None, [])
                or m in obj and m == "kid_in"}

    def line(obj):
        return json.dumps(obj, separators=(",", ":"))

    lines = []
    for member, value in ordered(dict(doc, schema="jwe-vectors/1"), FILE_MEMBERS).items():
        if member == "keys":
            text = "[\n" + ",\n".join(map(line, value)) + "\n]"
        elif member == "cases":
            text = "[\n" + ",\n".join(line(ordered(c, CASE_MEMBERS)) for c in value) + "\n]"
        else:
            text = json.dumps(value)
        lines.append(json.dumps(member) + ": " + text)
    temporary = path + ".new"
    with open(temporary, "w", encoding="ascii") as out:
        out.write("{\n" + ",\n".join(lines) + "\n}\n")
    os.replace(temporary, path)
