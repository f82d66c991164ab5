# SPDX-License-Identifier: Apache-2.0
"""Tokens: to and from jwcrypto, through files and pipes, large ones, kept keys."""
import json
import os
import signal
import stat
import subprocess
import unittest

from jwcrypto import jwe, jwk

from support import PROGRAM, Case, b64, environment, from_b64, secret

MARK = secret("attack at dawn")  # in payloads: never on standard error


def their_token(key, payload, alg="RSA-OAEP-256", enc="A256GCM", compact=True, aad=None, **header):
    token = jwe.JWE(payload, json.dumps({"alg": alg, "enc": enc, **header}), aad=aad)
    token.add_recipient(key)
    return token.serialize(compact)


class WithJwcrypto(Case):
    def public(self, uid):
        return jwk.JWK.from_json(self.run_tool("key", "public", uid).text)

    def test_their_tokens_open_here(self):
        self.create("--uid", "k")
        for alg in ("RSA-OAEP", "RSA-OAEP-256"):
            for enc in ("A128GCM", "A192GCM", "A256GCM"):
                for compact in (True, False):
                    token = their_token(self.public("k"), MARK, alg, enc, compact, kid="k")
                    with self.subTest(alg=alg, enc=enc, compact=compact):
                        self.assertEqual(self.run_tool("decrypt", stdin=token).text, MARK)

    def test_our_tokens_open_there(self):
        theirs = jwk.JWK.generate(kty="RSA", size=2048, kid="theirs")
        secret(json.loads(theirs.export_private())["d"])
        self.run_tool("key", "import", stdin=theirs.export_private())
        for arguments in ((), ("--flattened",), ("--alg", "RSA-OAEP", "--enc", "A128GCM"),
                          ("--aad", self.file("aad", b"\x00\xff more"))):
            token = self.run_tool("encrypt", "--to", "theirs", *arguments, stdin=MARK).text
            opened = jwe.JWE()
            opened.deserialize(token.strip(), theirs)
            self.assertEqual(opened.payload.decode(), MARK)
            header = json.loads(opened.objects["protected"])
            self.assertEqual(header["kid"], "theirs")
            self.assertEqual(header["alg"], "RSA-OAEP" if "--alg" in arguments else "RSA-OAEP-256")
            self.assertEqual(header["enc"], "A128GCM" if "--enc" in arguments else "A256GCM")
            self.assertEqual(token.startswith("{"), "--flattened" in arguments or "--aad" in arguments)
            self.assertEqual(self.run_tool("decrypt", stdin=token).text, MARK)

    def test_dir_in_both_directions(self):
        raw = os.urandom(16)
        secret(b64(raw))
        theirs = jwk.JWK(kty="oct", k=b64(raw))
        self.run_tool("key", "import", "--uid", "s", "--format", "raw", stdin=raw)
        token = their_token(theirs, MARK, "dir", "A128GCM", kid="s")
        self.assertEqual(self.run_tool("decrypt", stdin=token).text, MARK)
        opened = jwe.JWE()
        # No --alg, no --enc: a symmetric key leaves no choice.
        opened.deserialize(self.run_tool("encrypt", "--to", "s", stdin=MARK).text.strip(), theirs)
        self.assertEqual(opened.payload.decode(), MARK)

    def test_reencrypt_shows_nothing(self):
        self.create("--uid", "old")
        self.create("--uid", "new")
        token = their_token(self.public("old"), MARK, kid="old")
        run = self.run_tool("reencrypt", "--to", "new", stdin=token)
        self.assertNotIn(MARK.encode(), run.out)
        self.run_tool("key", "destroy", "--yes", "old")
        self.assertEqual(self.run_tool("decrypt", stdin=run.out).text, MARK)
        self.assertIn('"old -> new"', self.fails("not_found", "reencrypt", "--to", "new", stdin=token))

    def test_a_kid_of_the_issuers_own(self):
        self.create("--uid", "k")
        token = their_token(self.public("k"), MARK, kid="issuer's own")
        self.assertIn('"issuer\'s own"', self.fails("not_found", "decrypt", stdin=token))
        self.assertEqual(self.run_tool("decrypt", "--key", "k", stdin=token).text, MARK)

    def test_unwrap_and_then_dir(self):
        self.create("--uid", "k")
        token = jwe.JWE(MARK, json.dumps({"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": "k"}))
        token.add_recipient(self.public("k"))
        cek = jwk.JWK(kty="oct", k=secret(b64(token.cek)))
        whole = token.serialize(True)
        kept = self.run_tool("unwrap", "--uid", "session", "--alias", "also", "--json", stdin=whole).object
        self.assertEqual((kept["kid"], kept["parent"], kept["enc"], kept["kty"], kept["aliases"]),
                         ("session", "k", "A256GCM", "oct", ["also"]))
        later = their_token(cek, MARK, "dir", kid="session")
        self.assertEqual(self.run_tool("decrypt", stdin=later).text, MARK)
        # The part of the token that wraps is enough.
        part = json.dumps({name: json.loads(token.serialize(False))[name] for name in ("protected", "encrypted_key")})
        uid = self.run_tool("unwrap", stdin=part).text.strip()
        self.assertEqual(self.run_tool("decrypt", stdin=their_token(cek, MARK, "dir", kid=uid)).text, MARK)
        self.fails("conflict", "unwrap", "--uid", "session", stdin=whole)
        self.assertIn("not in an HSM", self.fails("bad_request", "unwrap", "--label", "x", stdin=whole))
        self.fails("usage", "unwrap", "--label", "x", "--uid", "y", stdin=whole)

    def test_import_wrapped(self):
        self.create("--uid", "k", "--alias", "other name")
        token = jwe.JWE("", json.dumps({"alg": "RSA-OAEP", "enc": "A192GCM"}))
        token.add_recipient(self.public("k"))
        cek = jwk.JWK(kty="oct", k=secret(b64(token.cek)))
        wrapped = json.loads(token.serialize(False))["encrypted_key"]
        how = ("--parent", "other name", "--alg", "RSA-OAEP", "--enc", "A192GCM")
        for form, data in (("bytes", from_b64(wrapped)), ("text", wrapped.encode()), ("file", wrapped.encode() + b"\n")):
            self.assertEqual(self.run_tool("import-wrapped", *how, "--uid", form, stdin=data).text, form + "\n")
            later = their_token(cek, MARK, "dir", "A192GCM", kid=form)
            self.assertEqual(self.run_tool("decrypt", stdin=later).text, MARK)
        self.fails("crypto_failure", "import-wrapped", "--parent", "k", "--alg", "RSA-OAEP", "--enc", "A256GCM",
                   stdin=wrapped)
        self.fails("usage", "import-wrapped", "--parent", "k", stdin=wrapped)
        self.fails("usage", "import-wrapped", "--parent", "k", "--enc", "A192GCM", "--alg", "dir", stdin=wrapped)


class Streams(Case):
    def setUp(self):
        super().setUp()
        self.create("--uid", "k")

    def token(self, payload):
        return self.run_tool("encrypt", "--to", "k", stdin=payload).out

    def test_payloads_are_bytes(self):
        for payload in (b"", b"\n", b"\r\n", b"no newline", b"newline\n", bytes(range(256)), b"\0" * 1000,
                        b"\xff\xfe\x00", os.urandom(100_003)):
            token = self.token(payload)
            self.assertTrue(token.endswith(b"\n"))
            self.assertEqual(self.run_tool("decrypt", stdin=token).out, payload)
            as_json = self.run_tool("decrypt", "--json", stdin=token).object
            self.assertEqual((as_json["kid"], from_b64(as_json["data"])), ("k", payload))

    def test_files_and_dashes(self):
        payload = os.urandom(1000)
        self.run_tool("encrypt", "--to", "k", "-o", "t.jwe", self.file("p", payload))
        self.assertEqual(self.run_tool("decrypt", "t.jwe").out, payload)
        self.assertEqual(self.run_tool("decrypt", "-o", "out", "t.jwe").out, b"")
        self.assertEqual((self.folder / "out").read_bytes(), payload)
        self.assertEqual(stat.S_IMODE(os.stat(self.folder / "out").st_mode), 0o600)
        token = (self.folder / "t.jwe").read_bytes()
        self.assertEqual(self.run_tool("decrypt", "-", "-o", "-", stdin=token).out, payload)
        self.assertEqual(self.run_tool("decrypt", stdin=b"\n  " + token + b" \n\n").out, payload)

    def test_a_failure_leaves_the_output_alone(self):
        kept = self.file("out", "still here")
        self.run_tool("decrypt", "-o", "out", stdin="not a token", code=11)
        with open(kept) as file:
            self.assertEqual(file.read(), "still here")

    def test_one_standard_input_is_not_two(self):
        self.fails("usage", "encrypt", "--to", "k", "--aad", "-", stdin="x")

    def test_files_that_are_not_there(self):
        self.assertIn("No such file", self.fails("failed", "decrypt", "nowhere.jwe"))
        self.assertIn("No such file", self.fails("failed", "encrypt", "--to", "k", "-o", "no/where", stdin="x"))
        self.assertIn("directory", self.fails("failed", "decrypt", "."))

    def test_json_of_tokens(self):
        compact = self.run_tool("encrypt", "--to", "k", "--json", stdin="x").object
        self.assertEqual(list(compact), ["token"])
        self.assertEqual(self.run_tool("decrypt", stdin=compact["token"]).out, b"x")
        flattened = self.run_tool("encrypt", "--to", "k", "--json", "--flattened", stdin="x").object
        self.assertEqual(set(flattened), {"protected", "encrypted_key", "iv", "ciphertext", "tag"})
        again = self.run_tool("reencrypt", "--to", "k", "--json", stdin=json.dumps(flattened)).object
        self.assertEqual(self.run_tool("decrypt", stdin=again["token"]).out, b"x")

    def test_a_token_of_64_MiB_through_standard_input(self):
        # As large as the limit lets it be: 3 bytes are 4 characters, less what is no ciphertext.
        payload = os.urandom(1 << 20) * 47 + os.urandom(1000)
        token = self.token(payload)
        self.assertGreater(len(token), 62 << 20)
        self.assertEqual(self.run_tool("decrypt", stdin=token).out == payload, True)
        self.fails("too_large", "decrypt", stdin=token + b"A" * (3 << 20))
        self.fails("too_large", "encrypt", "--to", "k", stdin=payload + payload[: 4 << 20])

    def test_a_reader_that_has_seen_enough(self):
        token = self.token(os.urandom(1 << 20))
        for ignored in (False, True):
            reader, writer = os.pipe()
            process = subprocess.Popen([PROGRAM, *self.place, "decrypt"], stdin=subprocess.PIPE, stdout=writer,
                                       stderr=subprocess.PIPE, env=environment(), cwd=self.folder,
                                       restore_signals=not ignored,
                                       preexec_fn=(lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN))
                                       if ignored else None)
            os.close(writer)
            process.stdin.write(token)
            process.stdin.close()
            self.assertEqual(len(os.read(reader, 10)), 10)
            os.close(reader)
            self.assertEqual(process.wait(timeout=60), 1 if ignored else -signal.SIGPIPE)
            self.assertEqual(process.stderr.read(), b"")
            process.stderr.close()

    def test_a_full_disk_is_an_error(self):
        token = self.token(b"x" * 1000)
        with open("/dev/full", "wb") as full:
            done = subprocess.run([PROGRAM, *self.place, "decrypt"], input=token, stdout=full,
                                  stderr=subprocess.PIPE, env=environment())
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"No space left", done.stderr)


if __name__ == "__main__":
    unittest.main()
