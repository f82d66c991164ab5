# SPDX-License-Identifier: Apache-2.0
"""Keys in an HSM: SoftHSM, made by tests/pkcs11/run.sh."""
import json
import os
import pathlib
import unittest

from jwcrypto import jwe, jwk

from readme_test import play
from support import Case, b64, environment, secret

PIN = secret(os.environ["JWEKMS_TEST_SOFTHSM2_PIN"])
MODULE = os.environ["JWEKMS_TEST_SOFTHSM2_MODULE"]
LABEL = os.environ["JWEKMS_TEST_SOFTHSM2_LABEL"]
KEY = "hsm::softhsm2::0::"


class InTheHsm(Case):
    def setUp(self):
        super().setUp()
        self.file("pin", PIN + "\n")
        os.chmod(self.folder / "pin", 0o600)
        self.place = ("--config", self.configuration())
        self.label = f"k-{self.id().rsplit('.', 1)[-1]}"
        self.uid = KEY + self.label

    def configuration(self, pin="file:pin", more="", db=""):
        return self.file("c.toml", f"""
[[hsm_instances]]
hsm_model = "softhsm2"
module_path = "{MODULE}"
hsm_admin = ["admin"]
{more}
  [[hsm_instances.slots]]
  number = 0
  token_label = "{LABEL}"
  password = "{pin}"
[db]
sqlite_path = "keys.db"
{db}
""")

    def their_token(self, uid, payload="payload"):
        token = jwe.JWE(payload, json.dumps({"alg": "RSA-OAEP", "enc": "A256GCM", "kid": uid}))
        token.add_recipient(jwk.JWK.from_json(self.run_tool("key", "public", uid).text))
        return token, jwk.JWK(kty="oct", k=secret(b64(token.cek)))

    def test_a_key_and_its_tokens(self):
        self.assertEqual(self.create("--uid", self.uid), self.uid)
        self.assertEqual(self.run_tool("key", "show", self.uid, "--json").object["kty"], "RSA")
        token, _ = self.their_token(self.uid)
        self.assertEqual(self.run_tool("decrypt", stdin=token.serialize(True)).text, "payload")
        ours = self.run_tool("encrypt", "--to", self.uid, stdin="x").out
        self.assertEqual(self.run_tool("decrypt", stdin=ours).out, b"x")
        self.run_tool("key", "destroy", "--yes", self.uid)
        self.fails("not_found", "decrypt", stdin=ours)

    def test_list_goes_through_database_and_hsm(self):
        self.create("--uid", self.uid)
        self.create("--uid", "in-db")
        uids = self.run_tool("key", "list", "-q").text.splitlines()
        self.assertEqual(uids[0], "in-db")
        self.assertIn(self.uid, uids)
        self.assertNotIn("in-db", self.run_tool("key", "list", "-q", "--prefix", "hsm::softhsm2::").text)
        self.assertEqual(self.run_tool("key", "list", "-q", "--prefix", "").text, "in-db\n")

    def test_unwrap_to_stay_in_the_hsm(self):
        self.create("--uid", self.uid)
        token, cek = self.their_token(self.uid)
        whole = token.serialize(True)
        named = self.run_tool("unwrap", "--label", self.label + "-cek", stdin=whole).text.strip()
        self.assertEqual(named, self.uid + "-cek")
        by_uid = self.run_tool("unwrap", "--uid", self.uid + "-2", stdin=whole).text.strip()
        drawn = self.run_tool("unwrap", "--store-in-hsm", stdin=whole).text.strip()
        self.assertTrue(drawn.startswith(KEY))
        wrapped = json.loads(token.serialize(False))["encrypted_key"]
        imported = self.run_tool("import-wrapped", "--parent", self.uid, "--alg", "RSA-OAEP", "--enc", "A256GCM",
                                 "--label", self.label + "-3", "--json", stdin=wrapped).object["kid"]
        in_db = self.run_tool("unwrap", "--uid", "in-db", stdin=whole).text.strip()
        for kid in (named, by_uid, drawn, imported, in_db):
            later = jwe.JWE("later", json.dumps({"alg": "dir", "enc": "A256GCM", "kid": kid}))
            later.add_recipient(cek)
            self.assertEqual(self.run_tool("decrypt", stdin=later.serialize(True)).text, "later", kid)

    def test_principals(self):
        self.create("--uid", self.uid)
        token = self.run_tool("encrypt", "--to", self.uid, stdin="x").out
        self.fails("forbidden", "--as", "bob", "decrypt", stdin=token)
        self.run_tool("--as", "admin", "grant", self.uid, "bob", "decrypt")
        self.assertEqual(self.run_tool("--as", "bob", "decrypt", stdin=token).out, b"x")
        self.fails("forbidden", "--as", "bob", "key", "create", "--uid", KEY + "bobs")

    def test_doctor(self):
        rows = self.run_tool("doctor", "--json").objects
        self.assertEqual({row["slot"] for row in rows}, {"hsm::softhsm2::0"})
        self.assertLessEqual({"fact", "can", "cannot"}, {row["verdict"] for row in rows})
        self.assertEqual(set(rows[0]), {"slot", "verdict", "what", "how", "means", "needed"})
        text = self.run_tool("doctor").text
        self.assertTrue(text.startswith("hsm::softhsm2::0\n"))
        for row in rows:
            self.assertIn(row["what"], text)
        # In the HSM boundary SoftHSM lacks RSA-OAEP-256, which the default policy allows.
        self.configuration(more='cek_boundary = "hsm"')
        self.assertIn(b"cek_boundary", self.run_tool("doctor", code=1).err)

    def test_rewrap(self):
        kek = self.uid
        self.create("--uid", "k")
        self.create("--uid", kek, "--type", "oct", "--enc", "A256GCM")
        self.assertIn(f'key_encryption_key = "{kek}"', self.run_tool("rewrap", "--to", kek).text)
        self.assertEqual(self.run_tool("key", "show", "k", code=18).code, 18)
        self.configuration(db=f'key_encryption_key = "{kek}"')
        os.rename(self.folder / "keys.db.kek", self.folder / "gone")
        self.run_tool("key", "show", "k")
        self.assertEqual(self.run_tool("rewrap", "--to", kek, "--json").object, {"key_encryption_key": kek})
        self.assertEqual(self.run_tool("rotate", "--json").object, {"records": 1})
        self.assertIn("alg", self.run_tool("key", "show", "k").text)
        self.fails("not_found", "rewrap", "--to", KEY + "nobody")
        self.fails("usage", "--as", "admin", "rewrap", "--to", kek)
        self.fails("usage", "rewrap")

    def test_the_recipe_of_examples_hsm(self):
        """The database's key goes into the HSM, as the page has it."""
        page = pathlib.Path(__file__).resolve().parents[2] / "examples/hsm/README.md"
        self.create("--uid", "billing")
        (self.folder / "c.toml").rename(self.folder / "jwekms.toml")
        self.assertEqual(play(self, page, self.folder), 5)
        self.assertFalse((self.folder / "keys.db.kek").exists())

    def test_an_hsm_out_of_reach(self):
        self.create("--uid", self.uid)
        gone = environment(SOFTHSM2_CONF=self.file("empty.conf", f"directories.tokendir = {self.folder}\n"))
        self.assertIn("try again", self.fails("unavailable", "key", "show", self.uid, env=gone))
        self.fails("unavailable", "doctor", env=gone)

    def test_the_pin_may_come_from_the_environment(self):
        self.configuration(pin="env:THE_PIN")
        self.run_tool("key", "list", "-q", env=environment(THE_PIN=PIN))
        self.fails("bad_request", "key", "list")


if __name__ == "__main__":
    unittest.main()
