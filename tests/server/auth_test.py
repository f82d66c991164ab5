# SPDX-License-Identifier: Apache-2.0
"""Who is let in, and as whom: API tokens, JWTs, and what a principal may do."""
import hashlib
import json
import pathlib
import subprocess
import tempfile
import time
import unittest

import harness
from harness import b64
from jwcrypto import jwk, jws

ISSUER, AUDIENCE = "https://issuer.example", "jwekms"
LIST = ("GET", "/v1/crypto/keys?limit=1")


def new_token(principal):
    """A token, and what `jwekms hash-token` prints for the configuration."""
    token = "jwekms_" + b64(harness.random_bytes(32))
    digest = hashlib.sha256(token.encode()).hexdigest()
    return token, f'[[auth.tokens]]\nprincipal = {json.dumps(principal)}\nsha256 = "{digest}"\n'


def bearer(token):
    return {"Authorization": "Bearer " + token}


class Tokens(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.alice, alice_lines = new_token("alice")
        cls.bob, bob_lines = new_token('b"o\\b')
        cls.root, root_lines = new_token("root")
        cls.lines = alice_lines + bob_lines + root_lines
        cls.server = harness.Server('admins = ["root"]\n' + harness.DATABASE + cls.lines)
        cls.addClassCleanup(cls.server.close)

    def status(self, authorization=None):
        return self.server.call(*LIST, headers={} if authorization is None else {"Authorization": authorization})

    def test_credentials(self):
        flipped = self.alice[:-1] + ("A" if self.alice[-1] != "A" else "B")
        for authorization, expected in (
                (None, 401), ("", 401), ("Bearer", 401), ("Bearer ", 401), ("Bearer  ", 401),
                (f"Bearer {self.alice}", 200), (f"bearer {self.alice}", 200), (f"BEARER   {self.alice}", 200),
                (f"Bearer {self.alice[:-1]}", 401), (f"Bearer {self.alice}A", 401), (f"Bearer {flipped}", 401),
                (f"Bearer {self.alice.upper()}", 401), (f"Bearer {self.alice} {self.bob}", 401),
                (self.alice, 401), (f"Basic {self.alice}", 401), (f"Bearer,{self.alice}", 401),
                (f"Token {self.alice}", 401), ("Bearer a.b.c", 401), ("Bearer " + "A" * 8000, 401)):
            with self.subTest(authorization=authorization):
                answer = self.status(authorization)
                self.assertEqual(answer.status_code, expected)
                if expected == 401:
                    self.assertEqual(answer.json(), {"error": "unauthorized",
                                                     "description": "credentials are missing or not valid"})
                    self.assertEqual(answer.headers["WWW-Authenticate"], "Bearer")

    def test_two_authorizations(self):
        import http.client
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port)
        connection.putrequest("GET", LIST[1])
        for token in ("wrong", self.alice):
            connection.putheader("Authorization", "Bearer " + token)
        connection.endheaders()
        self.assertEqual(connection.getresponse().status, 400)
        connection.close()

    def test_what_is_open_and_what_is_not(self):
        for path, expected in (("/healthz", 200), ("/readyz", 200), ("/metrics", 401), ("/nothing", 401),
                               ("/.well-known/jwks.json", 401), ("/v1/crypto/keys/x", 401)):
            with self.subTest(path=path):
                self.assertEqual(self.server.call("GET", path).status_code, expected)
        for path in ("/healthz", "/readyz", "/metrics"):
            self.assertEqual(self.server.call("POST", path, {}).status_code, 401)
            self.assertEqual(self.server.call("POST", path, {}, headers=bearer(self.alice)).status_code, 404)
        self.assertEqual(self.server.call("GET", "/metrics", headers=bearer(self.alice)).status_code, 200)

    def test_principals(self):
        """A key belongs to who made it; an admin may use all."""
        made = self.server.good("POST", "/v1/crypto/keys", {"kty": "RSA", "kid": "alices"}, headers=bearer(self.alice))
        token = harness.token(harness.public_key(self.server, made["kid"], headers=bearer(self.alice)), "alices", b"x")
        for credentials, expected in ((self.alice, 200), (self.bob, 403), (self.root, 200)):
            with self.subTest(credentials=credentials):
                answer = self.server.call("POST", "/v1/crypto/decrypt", token, headers=bearer(credentials))
                self.assertEqual(answer.status_code, expected)
        last = self.server.audit()[-2]
        self.assertEqual((last["principal"], last["method"], last["operation"], last["kid"], last["result"]),
                         ('b"o\\b', "token", "decrypt", "alices", "forbidden"))

    def test_strangers_are_in_the_audit_log(self):
        self.status("Bearer " + self.alice + "x")
        last = self.server.audit()[-1]
        self.assertEqual((last["result"], last["status"], "principal" in last), ("unauthorized", 401, False))
        text = self.server.audit_path.read_text() + self.server.log()
        self.assertNotIn(self.alice, text)

    def test_reload(self):
        config = self.server.config.read_text()
        carol, lines = new_token("carol")
        self.assertEqual(self.server.call(*LIST, headers=bearer(carol)).status_code, 401)
        self.server.reload(config + lines)
        self.assertEqual(self.server.call(*LIST, headers=bearer(carol)).status_code, 200)
        self.server.reload(config)
        self.assertEqual(self.server.call(*LIST, headers=bearer(carol)).status_code, 401)
        self.assertEqual(self.server.call(*LIST, headers=bearer(self.alice)).status_code, 200)

    def test_a_bad_reload_changes_nothing(self):
        config = self.server.config.read_text()
        for bad in ("nonsense = 1\n" + config, config + '[auth.jwt]\nkeys = "none"\nissuer = "i"\naudience = "a"\n',
                    config + '[http.tls]\ncertificate = "none"\nkey = "none"\n'):
            before = self.server.log()
            self.server.config.write_text(bad)
            self.server.process.send_signal(harness.signal.SIGHUP)
            self.server.wait_for(lambda: "error:" in self.server.log()[len(before):])
            self.assertNotIn("reloaded tokens", self.server.log()[len(before):])
            self.assertEqual(self.server.call(*LIST, headers=bearer(self.alice)).status_code, 200)
            self.assertEqual(self.server.call(*LIST).status_code, 401)
        self.server.config.write_text(config)


class DroppedAuthentication(unittest.TestCase):
    """A reload may bring authentication, and never take it away: wherever the server listens."""

    def refuses(self, server, config):
        before = len(server.log())
        server.config.write_text(config)
        server.process.send_signal(harness.signal.SIGHUP)
        server.wait_for(lambda: "not reloaded" in server.log()[before:])
        self.assertIn("authentication would be gone", server.log()[before:])

    def test_on_loopback_and_with_insecure(self):
        alice, lines = new_token("alice")
        bare = harness.DATABASE
        for host, arguments in (("127.0.0.1", ()), ("127.0.0.1", ("--insecure",)), ("0.0.0.0", ("--insecure",))):
            with self.subTest(host=host, arguments=arguments):
                bare = harness.DATABASE.replace("port = 0", f'port = 0\nhostname = "{host}"')
                server = harness.Server(bare + lines, *arguments)
                self.addCleanup(server.close)
                self.refuses(server, bare)
                self.assertEqual(server.call(*LIST).status_code, 401)
                self.assertEqual(server.call(*LIST, headers=bearer(alice)).status_code, 200)

    def test_what_a_reload_brought_stays(self):
        alice, lines = new_token("alice")
        server = harness.Server(harness.DATABASE)
        self.addCleanup(server.close)
        self.assertEqual(server.call(*LIST).status_code, 200)
        server.reload(harness.DATABASE + lines)
        self.assertEqual(server.call(*LIST).status_code, 401)
        self.refuses(server, harness.DATABASE)
        self.assertEqual(server.call(*LIST).status_code, 401)
        bob, others = new_token("bob")  # other credentials are no fewer
        server.reload(harness.DATABASE + others)
        self.assertEqual(server.call(*LIST, headers=bearer(alice)).status_code, 401)
        self.assertEqual(server.call(*LIST, headers=bearer(bob)).status_code, 200)

    def test_a_certificate_that_is_required_stays_so(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-subj", "/CN=localhost", "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"],
                           check=True, capture_output=True)
            tls = (f'[http.tls]\ncertificate = "{folder}/cert.pem"\nkey = "{folder}/key.pem"\n'
                   f'client_ca = "{folder}/cert.pem"\n')
            required = tls + "require_client_certificate = true\n"
            server = harness.Server(harness.DATABASE + required)
            self.addCleanup(server.close)
            self.refuses(server, harness.DATABASE + tls)
            _, lines = new_token("alice")
            server.reload(harness.DATABASE + tls + lines)  # a token does instead
            self.refuses(server, harness.DATABASE + required)
            server.reload(harness.DATABASE + required + lines)
            server.stop()


def signed(key, claims, header=None, alg="RS256"):
    token = jws.JWS(claims if isinstance(claims, str) else json.dumps(claims))
    # jwcrypto would respect what the server is to respect.
    key = jwk.JWK(**{name: value for name, value in json.loads(key.export()).items() if name not in ("use", "alg")})
    token.add_signature(key, alg, json.dumps({"alg": alg} | (header or {})))
    return token.serialize(compact=True)


class Now:
    """The time at which a token is made, and some seconds: a test may take its time on the way there."""

    def __init__(self, seconds=0):
        self.seconds = seconds

    def __add__(self, seconds):
        return Now(self.seconds + seconds)

    def __sub__(self, seconds):
        return Now(self.seconds - seconds)

    def __repr__(self):
        return f"NOW{self.seconds:+}"

    def resolve(self):
        return int(time.time()) + self.seconds


NOW = Now()


class Jwts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.rsa = jwk.JWK.generate(kty="RSA", size=2048, kid="rsa", use="sig")
        cls.ec = jwk.JWK.generate(kty="EC", crv="P-256", kid="ec")
        cls.only_ps = jwk.JWK.generate(kty="RSA", size=2048, kid="ps", alg="PS256")
        cls.for_enc = jwk.JWK.generate(kty="RSA", size=2048, kid="enc", use="enc")
        cls.small = jwk.JWK.generate(kty="RSA", size=1024, kid="small")
        cls.p384 = jwk.JWK.generate(kty="EC", crv="P-384", kid="p384")
        cls.secret = jwk.JWK.generate(kty="oct", size=256, kid="oct")
        cls.stranger = jwk.JWK.generate(kty="RSA", size=2048, kid="rsa")
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        keys = [json.loads(key.export_public()) for key in (cls.rsa, cls.ec, cls.only_ps, cls.for_enc, cls.small, cls.p384)]
        cls.write_keys(keys + [json.loads(cls.secret.export()), {"kty": "unknown", "kid": "x"}])
        cls.server = harness.Server(harness.DATABASE + f"""[auth.jwt]
keys = "jwks.json"
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
leeway_s = 30
""", folder=cls.folder)
        cls.addClassCleanup(cls.server.close)

    @classmethod
    def write_keys(cls, keys):
        pathlib.Path(cls.folder, "jwks.json").write_text(json.dumps({"keys": keys}))

    @staticmethod
    def claims(**change):
        now = int(time.time())
        all_claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": now + 60} | change
        return {name: value for name, value in all_claims.items() if value is not None}

    def status(self, token):
        return self.server.call(*LIST, headers=bearer(token)).status_code

    def test_signatures(self):
        good = self.claims()
        rs = signed(self.rsa, good, {"kid": "rsa"})
        header, payload, signature = rs.split(".")
        none = b64(json.dumps({"alg": "none", "kid": "rsa"})) + "." + payload + "."
        # The public key as an HMAC secret: the classic confusion.
        for secret in (self.rsa.export_to_pem(), self.rsa.export_public().encode()):
            hmac_key = jwk.JWK(kty="oct", k=b64(secret))
            self.assertEqual(self.status(signed(hmac_key, good, {"kid": "rsa"}, "HS256")), 401)
        for name, token, expected in (
                ("RS256", rs, 200),
                ("PS256", signed(self.rsa, good, {"kid": "rsa"}, "PS256"), 200),
                ("ES256", signed(self.ec, good, {"kid": "ec"}, "ES256"), 200),
                ("the key's alg", signed(self.only_ps, good, {"kid": "ps"}, "PS256"), 200),
                ("not the key's alg", signed(self.only_ps, good, {"kid": "ps"}, "RS256"), 401),
                ("RS512", signed(self.rsa, good, {"kid": "rsa"}, "RS512"), 401),
                ("another's key", signed(self.stranger, good, {"kid": "rsa"}), 401),
                ("another kid", signed(self.rsa, good, {"kid": "ps"}), 401),
                ("unknown kid", signed(self.rsa, good, {"kid": "nobody"}), 401),
                ("no kid, many keys", signed(self.rsa, good), 401),
                ("kid is a number", signed(self.rsa, good, {"kid": 1}), 401),
                ("a key for encryption", signed(self.for_enc, good, {"kid": "enc"}), 401),
                ("a small key", signed(self.small, good, {"kid": "small"}), 401),
                ("P-384", signed(self.p384, good, {"kid": "p384"}, "ES384"), 401),
                ("P-384 as ES256", b64(json.dumps({"alg": "ES256", "kid": "p384"})) + f".{payload}.{signature}", 401),
                ("HS256", signed(self.secret, good, {"kid": "oct"}, "HS256"), 401),
                ("none", none, 401),
                ("no signature", f"{header}.{payload}.", 401),
                ("two parts", f"{header}.{payload}", 401),
                ("four parts", rs + ".x", 401),
                ("another payload", f"{header}.{b64(json.dumps(good | {'sub': 'root'}))}.{signature}", 401),
                ("flipped signature", rs[:-6] + ("A" if rs[-6] != "A" else "B") + rs[-5:], 401),
                ("empty ES256", b64(json.dumps({"alg": "ES256", "kid": "ec"})) + f".{payload}.", 401),
                ("zero ES256", b64(json.dumps({"alg": "ES256", "kid": "ec"})) + f".{payload}.{b64(bytes(64))}", 401),
                ("alg twice", b64('{"alg":"RS256","kid":"rsa","alg":"RS256"}') + f".{payload}.{signature}", 401)):
            with self.subTest(name):
                self.assertEqual(self.status(token), expected)

    def test_crit(self):
        header = {"kid": "rsa", "crit": ["exp"], "exp": 1}
        raw = b64(json.dumps({"alg": "RS256"} | header)) + "." + b64(json.dumps(self.claims()))
        key = self.rsa.get_op_key("sign")
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding
        signature = key.sign(raw.encode(), padding.PKCS1v15(), hashes.SHA256())
        self.assertEqual(self.status(raw + "." + b64(signature)), 401)

    def test_claims(self):
        now = int(time.time())
        for change, expected in (
                ({}, 200), ({"aud": [AUDIENCE]}, 200), ({"aud": ["x", AUDIENCE]}, 200), ({"exp": now + 600.5}, 200),
                ({"exp": NOW - 3}, 200), ({"nbf": now - 10}, 200), ({"nbf": NOW + 3}, 200), ({"sub": "älice"}, 200),
                ({"iss": None}, 401), ({"iss": ISSUER + "/"}, 401), ({"iss": [ISSUER]}, 401),
                ({"aud": None}, 401), ({"aud": "x"}, 401), ({"aud": []}, 401), ({"aud": {AUDIENCE: 1}}, 401),
                ({"aud": [[AUDIENCE]]}, 401), ({"aud": AUDIENCE + "2"}, 401),
                ({"exp": None}, 401), ({"exp": now - 60}, 401), ({"exp": str(now + 60)}, 401), ({"exp": True}, 401),
                ({"exp": 0}, 401), ({"exp": -1e300}, 401),
                ({"nbf": now + 600}, 401), ({"nbf": "x"}, 401),
                ({"sub": None}, 401), ({"sub": ""}, 401), ({"sub": 5}, 401), ({"sub": ["alice"]}, 401),
                ({"sub": "*"}, 401), ({"sub": "a\nb"}, 401), ({"sub": "a" * 257}, 401)):
            with self.subTest(change=change):
                change = {name: value.resolve() if isinstance(value, Now) else value for name, value in change.items()}
                self.assertEqual(self.status(signed(self.rsa, self.claims(**change), {"kid": "rsa"})), expected)
        for payload in ("", "[]", "null", '"x"', "{", json.dumps(self.claims())[:-1] + ',"sub":"root"}'):
            with self.subTest(payload=payload):
                self.assertEqual(self.status(signed(self.rsa, payload, {"kid": "rsa"})), 401)

    def test_one_key_needs_no_kid_and_keys_are_reloaded(self):
        keys = pathlib.Path(self.folder, "jwks.json").read_text()
        token = signed(self.ec, self.claims(), alg="ES256")
        self.assertEqual(self.status(token), 401)
        self.write_keys([json.loads(self.ec.export_public())])
        self.server.reload()
        self.assertEqual(self.status(token), 200)
        self.assertEqual(self.status(signed(self.rsa, self.claims(), {"kid": "rsa"})), 401)
        pathlib.Path(self.folder, "jwks.json").write_text(keys)
        self.server.reload()
        self.assertEqual(self.status(token), 401)

    def test_the_principal_is_the_subject(self):
        self.status(signed(self.rsa, self.claims(sub="carol"), {"kid": "rsa"}))
        last = self.server.audit()[-1]
        self.assertEqual((last["principal"], last["method"]), ("carol", "jwt"))

    def test_key_sets_without_keys(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "jwks.json")
            config = harness.DATABASE + f'[auth.jwt]\nkeys = "{path}"\nissuer = "i"\naudience = "a"\n'
            for text in ("", "[]", "{}", '{"keys":[]}', '{"keys":{}}', '{"keys":[1,{}]}',
                         json.dumps({"keys": [json.loads(self.secret.export())]}),
                         json.dumps({"keys": [json.loads(self.rsa.export_private())]}),
                         json.dumps({"keys": [json.loads(self.small.export_public())]})):
                with self.subTest(text=text[:40]):
                    path.write_text(text)
                    status, said = harness.run_server("--check", config=config)
                    self.assertEqual(status, 2, said)
                    self.assertIn("holds no RSA key", said)
            path.unlink()
            status, said = harness.run_server("--check", config=config)
            self.assertEqual((status, "cannot be read" in said), (2, True), said)


class Exposure(unittest.TestCase):
    """On the network, a server without authentication or without TLS does not start."""
    TLS = '[http.tls]\ncertificate = "{0}/cert.pem"\nkey = "{0}/key.pem"\n'
    AUTH = f'[[auth.tokens]]\nprincipal = "a"\nsha256 = "{"0" * 64}"\n'

    def test_table(self):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-subj", "/CN=x", "-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"],
                           check=True, capture_output=True)
            tls = self.TLS.format(folder)
            for host, more, expected in (
                    ("127.0.0.1", "", 0), ("127.9.9.9", "", 0), ("::1", "", 0), ("localhost", "", 0),
                    ("0.0.0.0", "", 2), ("::", "", 2), ("192.0.2.1", "", 2), ("::ffff:192.0.2.1", "", 2),
                    ("0.0.0.0", tls, 2), ("0.0.0.0", self.AUTH, 2), ("0.0.0.0", tls + self.AUTH, 0),
                    ("::", tls + self.AUTH, 0)):
                with self.subTest(host=host, more=more):
                    config = f'[http]\nhostname = "{host}"\n' + more
                    status, said = harness.run_server("--check", config=config)
                    self.assertEqual(status, expected, said)
                    self.assertEqual("refusing to listen" in said, expected == 2)
                    status, said = harness.run_server("--check", "--insecure", config=config)
                    self.assertEqual(status, 0, said)
                    self.assertEqual("warning: insecure" in said, expected == 2)

    def test_arguments(self):
        for arguments in ((), ("--nonsense", "x.toml"), ("a.toml", "b.toml"), ("--version", "a.toml")):
            with self.subTest(arguments=arguments):
                done = subprocess.run([harness.SERVER, *arguments], capture_output=True, text=True)
                self.assertEqual(done.returncode, 2)
                self.assertIn("usage:", done.stderr)
        for argument in ("--version", "--help"):
            self.assertEqual(subprocess.run([harness.SERVER, argument], capture_output=True).returncode, 0)

    def test_configurations_with_problems(self):
        status, said = harness.run_server("--check", config='[http]\nport = "x"\nprot = 1\n')
        self.assertEqual(status, 2)
        self.assertRegex(said, r"jwekms\.toml:2: http\.port: expected an integer")
        self.assertRegex(said, r"jwekms\.toml:3: http\.prot: unknown key")


if __name__ == "__main__":
    unittest.main()
