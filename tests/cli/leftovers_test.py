# SPDX-License-Identifier: Apache-2.0
"""Payloads, private keys, passphrases and API tokens are wiped before their memory is given back."""
import json
import os
import re
import subprocess
import sys
import unittest

from jwcrypto import jwk

from support import Case, b64, environment

LIBRARY = os.environ["JWEKMS_CLI_FREED"]
CAUGHT = 99


def watching(*texts):
    return environment(LD_PRELOAD=LIBRARY, JWEKMS_FREED="\n".join(texts))


class Leftovers(Case):
    MARK = "payload that is not to stay, " * 40000  # 1.2 MB, so that buffers grow

    def test_the_watch_catches_what_is_left(self):
        program = "b = bytearray(b'SECRET ' * 10000); del b"
        for text, code in (("SECRET SECRET", CAUGHT), ("SECRET SECREt", 0)):
            done = subprocess.run([sys.executable, "-S", "-c", program], env=watching(text))
            self.assertEqual(done.returncode, code)

    def test_payloads(self):
        self.create("--uid", "k")
        env = watching(self.MARK[:64], b64(self.MARK)[:80])
        token = self.run_tool("encrypt", "--to", "k", stdin=self.MARK, env=env).out
        self.assertEqual(self.run_tool("decrypt", stdin=token, env=env).text, self.MARK)
        self.run_tool("decrypt", "-o", "file", stdin=token, env=env)
        self.assertIn(b64(self.MARK), self.run_tool("decrypt", "--json", stdin=token, env=env).text)
        self.run_tool("reencrypt", "--to", "k", stdin=token, env=env)

    def test_keys_and_passphrases(self):
        key = jwk.JWK.generate(kty="RSA", size=2048)
        private, passphrase = key.export_private(), "a passphrase that is not to stay"
        pem = key.export_to_pem(True, passphrase.encode())
        env = watching(json.loads(private)["d"][:64], passphrase)
        self.run_tool("key", "import", "--uid", "a", stdin=private, env=env)
        self.run_tool("key", "import", "--uid", "c", "--passphrase-file", self.file("p", passphrase), stdin=pem,
                      env=env)

    def test_api_tokens(self):
        token = "a token that is there already"
        self.bare("hash-token", "billing", "--token", "-", stdin=token, env=watching(token))
        # A new one is not known beforehand, but how it begins.
        made = self.bare("hash-token", "billing", "--json", env=watching("jwekms_")).object["token"]
        self.assertRegex(made, re.compile("jwekms_"))


if __name__ == "__main__":
    unittest.main()
