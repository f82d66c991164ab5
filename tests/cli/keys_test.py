# SPDX-License-Identifier: Apache-2.0
"""Keys: made, taken in, seen, changed, ended."""
import base64
import json
import os
import sqlite3
import unittest

from jwcrypto import jwk

from support import Case, b64, environment, secret


class NewKeys(Case):
    def test_a_new_key_prints_its_uid(self):
        self.assertEqual(self.create("--uid", "billing", "--alias", "a", "--alias", "b"), "billing")
        self.assertRegex(self.create(), r"^[0-9a-f-]{36}$")
        shown = self.run_tool("key", "show", "billing", "--json").object
        self.assertEqual((shown["kty"], shown["bits"], shown["state"]), ("RSA", 2048, "active"))
        self.assertEqual(shown["aliases"], ["a", "b"])

    def test_every_option_of_a_new_key_arrives(self):
        made = self.run_tool("key", "create", "--json", "--uid", "k", "--bits", "3072", "--alg", "RSA-OAEP",
                             "--alg", "RSA-OAEP-256", "--owner", "alice").object
        self.assertEqual((made["kid"], made["bits"], made["algs"], made["owner"]),
                         ("k", 3072, ["RSA-OAEP", "RSA-OAEP-256"], "alice"))
        made = self.run_tool("key", "create", "--json", "--type", "oct", "--enc", "A192GCM").object
        self.assertEqual((made["kty"], made["bits"], made["enc"], made["algs"]), ("oct", 192, "A192GCM", ["dir"]))

    def test_the_first_key_makes_the_database_for_its_owner_alone(self):
        self.assertIn(b"warning", self.run_tool("key", "create").err)
        for name in ("keys.db", "keys.db.kek"):
            self.assertEqual(os.stat(self.folder / name).st_mode & 0o077, 0, name)

    def test_a_slip_of_the_pen_makes_no_database(self):
        self.create()
        for command in (("key", "list"), ("decrypt",), ("jwks",), ("grants", "k"), ("key", "show", "k")):
            run = self.bare("--database", self.folder / "keys.bd", *command, code=13)
            self.assertIn(b"no such database", run.err)
        self.assertFalse((self.folder / "keys.bd").exists())


class ImportedKeys(Case):
    @classmethod
    def setUpClass(cls):
        cls.key = jwk.JWK.generate(kty="RSA", size=2048, kid="theirs")
        secret(json.loads(cls.key.export_private())["d"])
        cls.passphrase = secret("correct horse battery staple")
        cls.pem = cls.key.export_to_pem(True, None)
        cls.encrypted_pem = cls.key.export_to_pem(True, cls.passphrase.encode())

    def same_key(self, uid):
        shown = self.run_tool("key", "public", uid).object
        self.assertEqual(shown["n"], json.loads(self.key.export_public())["n"])

    def test_jwk_from_standard_input_brings_its_kid(self):
        run = self.run_tool("key", "import", stdin=self.key.export_private())
        self.assertEqual(run.text, "theirs\n")
        self.same_key("theirs")

    def test_pem_and_der_from_files(self):
        self.run_tool("key", "import", "--uid", "pem", self.file("k.pem", self.pem))
        der = base64.b64decode(b"".join(self.pem.splitlines()[1:-1]))
        self.run_tool("key", "import", "--uid", "der", "--format", "der", self.file("k.der", der))
        self.same_key("pem")
        self.same_key("der")

    def test_passphrase_from_a_file_or_the_environment(self):
        pem = self.file("k.pem", self.encrypted_pem)
        self.run_tool("key", "import", "--uid", "a", pem, "--passphrase-file",
                      self.file("pass", self.passphrase + "\n"))
        self.run_tool("key", "import", "--uid", "b", pem, "--passphrase-env", "KEY_PASS",
                      env=environment(KEY_PASS=self.passphrase))
        self.run_tool("key", "import", "--uid", "c", "-", "--passphrase-file",
                      self.file("pass", self.passphrase), stdin=self.encrypted_pem)
        for uid in "abc":
            self.same_key(uid)

    def test_a_wrong_passphrase_is_refused(self):
        pem, wrong = self.file("k.pem", self.encrypted_pem), self.file("pass", "wrong")
        self.fails("bad_request", "key", "import", pem, "--passphrase-file", wrong)

    def test_no_way_to_a_passphrase_is_a_usage_error(self):
        pem = self.file("k.pem", self.encrypted_pem)
        self.assertIn("--passphrase-file", self.fails("usage", "key", "import", pem, start_new_session=True))
        self.assertIn("NOT_SET", self.fails("usage", "key", "import", pem, "--passphrase-env", "NOT_SET"))
        self.fails("usage", "key", "import", pem, "--passphrase-env", "A", "--passphrase-file", "b")
        self.fails("usage", "key", "import", "-", "--passphrase-file", "-", stdin=self.encrypted_pem)

    def test_symmetric_keys(self):
        raw = os.urandom(32)
        secret(b64(raw))
        self.run_tool("key", "import", "--uid", "raw", "--format", "raw", "--enc", "A256GCM", self.file("raw", raw))
        jwk_text = json.dumps({"kty": "oct", "k": b64(raw), "alg": "A256GCM", "kid": "oct"})
        self.run_tool("key", "import", stdin=jwk_text)
        for uid in ("raw", "oct"):
            self.assertEqual(self.run_tool("key", "show", uid, "--json").object["enc"], "A256GCM")

    def test_what_is_no_key(self):
        self.assertIn("--format", self.fails("usage", "key", "import", stdin=b"\x30\x82"))
        self.fails("bad_request", "key", "import", stdin="{}")
        self.fails("failed", "key", "import", "no such file")
        self.fails("too_large", "key", "import", stdin=b"{" * (2 << 20))


class SeenKeys(Case):
    def test_show_for_people(self):
        self.create("--uid", "billing", "--alias", "old", "--owner", "alice")
        text = self.run_tool("key", "show", "old").text
        for line in (r"kid +billing", r"type +RSA 2048", r"state +active", r"owner +alice", r"aliases +old",
                     r"created +20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", r"operations +encrypt, decrypt"):
            self.assertRegex(text, f"(?m)^{line}$")

    def test_public_halves(self):
        self.create("--uid", "a")
        self.create("--uid", "b")
        self.create("--uid", "c", "--type", "oct")
        public = self.run_tool("key", "public", "a").object
        self.assertEqual(public["kid"], "a")
        self.assertNotIn("d", public)
        self.assertEqual(self.run_tool("key", "show", "a", "--json").object["public_jwk"], public)
        keys = self.run_tool("jwks").object["keys"]
        self.assertEqual([key["kid"] for key in keys], ["a", "b"])
        self.assertIn("crypto_failure", self.fails("crypto_failure", "key", "public", "c"))

    def test_list_goes_through_all_pages(self):
        # More than a page, of which each is 200.
        uids = [f"key-{i:03}" for i in range(203)]
        for uid in uids:
            self.create("--uid", uid, "--type", "oct")
        self.run_tool("key", "destroy", "--yes", "key-007")
        uids.remove("key-007")
        self.assertEqual(self.run_tool("key", "list", "-q").text.split(), uids)
        self.assertEqual([key["kid"] for key in self.run_tool("--json", "key", "list").objects], uids)
        lines = self.run_tool("key", "list").text.splitlines()
        self.assertRegex(lines[0], r"^TYPE +STATE +CREATED +KID")
        self.assertRegex(lines[1], r"^oct 256 +active +20\S+Z +key-000$")
        self.assertEqual(len(lines), 1 + len(uids))

    def test_list_of_one_place(self):
        self.create("--uid", "a")
        self.assertEqual(self.run_tool("key", "list", "-q", "--prefix", "").text, "a\n")
        self.fails("not_found", "key", "list", "-q", "--prefix", "hsm::other::")

    def test_names_that_are_no_text(self):
        raw = b"\xff\xfe kid"
        self.create("--uid", raw)
        self.create("--uid", b"\x1b]0;gotcha\x07\xe2\x80\xae")
        self.assertEqual(self.run_tool("key", "list", "-q").out,
                         b"\\x1b]0;gotcha\\x07\\xe2\\x80\\xae\n\\xff\\xfe kid\n")
        listed = self.run_tool("key", "list", "--json").objects
        self.assertEqual([key["kid"] for key in listed], ["\x1b]0;gotcha\x07\u202e", "\ufffd\ufffd kid"])
        self.assertIn(b"\\xff\\xfe kid", self.run_tool("key", "show", raw).out)
        # No token can carry it; that is said and not guessed.
        self.assertIn("\\xff\\xfe kid", self.fails("bad_request", "encrypt", "--to", raw, stdin="x"))
        self.run_tool("key", "destroy", "--yes", raw)
        self.fails("not_found", "key", "show", raw)

    def test_names_that_look_like_options(self):
        for uid in ("-x", "--json"):
            self.run_tool("key", "create", f"--uid={uid}")
            self.assertEqual(self.run_tool("key", "public", "--", uid).object["kid"], uid)
            token = self.run_tool("encrypt", f"--to={uid}", stdin="x").out
            self.assertEqual(self.run_tool("decrypt", stdin=token).out, b"x")


class ChangedKeys(Case):
    def test_a_life_goes_forward(self):
        self.create("--uid", "k")
        self.assertEqual(self.run_tool("key", "state", "k", "deactivated").out, b"")
        self.fails("forbidden", "encrypt", "--to", "k", stdin="x")
        changed = self.run_tool("key", "state", "k", "compromised", "--json").object
        self.assertEqual((changed["kid"], changed["state"]), ("k", "compromised"))
        self.fails("bad_request", "key", "state", "k", "deactivated")
        self.fails("usage", "key", "state", "k", "active")
        self.fails("not_found", "key", "state", "nobody", "deactivated")

    def test_destroying_wants_a_yes(self):
        self.create("--uid", "k")
        self.assertIn("--yes", self.fails("usage", "key", "destroy", "k"))
        self.run_tool("key", "show", "k")
        self.assertEqual(self.run_tool("key", "destroy", "-y", "k", "--json").object["state"], "destroyed")
        self.fails("not_found", "key", "show", "k")
        self.assertIn("destroyed", self.fails("conflict", "key", "create", "--uid", "k"))

    def test_aliases(self):
        self.create("--uid", "k")
        self.run_tool("key", "alias", "add", "k", "2024")
        self.assertEqual(self.run_tool("key", "alias", "add", "k", "2025", "--json").object["aliases"],
                         ["2024", "2025"])
        self.assertEqual(self.run_tool("key", "public", "2025").object["kid"], "k")
        self.create("--uid", "other")
        self.assertIn('"other"', self.fails("conflict", "key", "alias", "add", "other", "2025"))
        self.assertEqual(self.run_tool("key", "alias", "remove", "2025", "--json").object, {"removed": "2025"})
        self.fails("not_found", "key", "show", "2025")
        self.fails("not_found", "key", "alias", "remove", "2025")

    def test_grants(self):
        self.create("--uid", "k", "--owner", "alice")
        token = self.run_tool("encrypt", "--to", "k", stdin="for bob").out
        told = self.fails("forbidden", "--as", "bob", "decrypt", stdin=token)
        self.assertIn("jwekms grant KID bob", told)
        self.run_tool("--as", "alice", "grant", "k", "bob", "decrypt", "unwrap")
        self.assertEqual(self.run_tool("--as", "bob", "decrypt", stdin=token).out, b"for bob")
        self.run_tool("grant", "k", "*", "describe")
        self.assertEqual(self.run_tool("grants", "k").text, "*: describe\nbob: decrypt, unwrap\n")
        self.assertEqual(self.run_tool("grants", "k", "--json").objects,
                         [{"kid": "k", "principal": "*", "permissions": ["describe"]},
                          {"kid": "k", "principal": "bob", "permissions": ["decrypt", "unwrap"]}])
        self.assertEqual(self.run_tool("grant", "k", "carol", "encrypt", "--json").object,
                         {"kid": "k", "principal": "carol", "permissions": ["encrypt"]})
        self.assertEqual(self.run_tool("revoke", "k", "bob", "--json").object,
                         {"kid": "k", "principal": "bob", "permissions": []})
        self.fails("forbidden", "--as", "bob", "decrypt", stdin=token)
        self.fails("not_found", "revoke", "k", "bob")
        self.fails("usage", "grant", "k", "bob", "destroy")
        self.fails("usage", "grant", "k", "bob")
        self.fails("forbidden", "--as", "bob", "grants", "k")
        self.fails("bad_request", "--as", "*", "key", "list")

    def test_a_principal_owns_what_they_make(self):
        self.assertEqual(self.run_tool("--as", "alice", "key", "create", "--uid", "hers", "--json").object["owner"],
                         "alice")
        self.fails("forbidden", "--as", "bob", "key", "destroy", "--yes", "hers")
        self.assertEqual(self.run_tool("--as", "bob", "key", "list", "-q").out, b"")

    def test_rotate(self):
        self.create("--uid", "k")
        kek, old = self.folder / "keys.db.kek", self.folder / "keys.db.kek.old"
        before = kek.read_bytes()
        said = self.run_tool("rotate", "--json")
        self.assertEqual(said.object, {"records": 1})
        self.assertNotIn(b"sealing", said.err)  # progress is for a terminal alone
        self.assertIn(b"keys.db.kek.old", said.err)
        self.assertEqual(old.read_bytes(), before)
        self.assertNotEqual(kek.read_bytes(), before)
        self.run_tool("key", "show", "k")
        self.assertIn("conflict", self.fails("conflict", "rotate"))
        old.unlink()
        holder = sqlite3.connect(self.folder / "keys.db")
        holder.execute("SELECT count(*) FROM keys").fetchone()
        self.assertIn(b"unavailable", self.run_tool("rotate", code=19).err)
        holder.close()
        self.fails("usage", "--as", "bob", "rotate")
        self.assertIn("1 record is under a new key", self.run_tool("rotate").text)
        self.run_tool("key", "show", "k")


if __name__ == "__main__":
    unittest.main()
