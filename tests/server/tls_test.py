# SPDX-License-Identifier: Apache-2.0
"""TLS as `openssl s_client` sees it; mutual TLS; certificates that change while the server runs."""
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import harness
import requests

CONFIG = """[http]
port = 0
[http.tls]
certificate = "server.pem"
key = "server.key"
client_ca = "clients.pem"
require_client_certificate = {required}
[auth]
client_certificates = {subjects}
[db]
sqlite_path = "keys.db"
"""


def openssl(*arguments, **how):
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True, **how)


class Authority:
    """A small CA in a folder."""

    def __init__(self, folder, name):
        self.folder, self.name = pathlib.Path(folder), name
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", f"/CN={name}", "-keyout", self.path(name, "key"), "-out", self.path(name, "pem"))

    def path(self, name, kind):
        return str(self.folder / f"{name}.{kind}")

    def issue(self, name, subject, *, days="2", san="IP:127.0.0.1"):
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-utf8", "-multivalue-rdn",
                "-subj", subject, "-keyout", self.path(name, "key"), "-out", self.path(name, "csr"))
        extensions = self.folder / "extensions"
        extensions.write_text(f"subjectAltName={san}\n")
        openssl("x509", "-req", "-in", self.path(name, "csr"), "-CA", self.path(self.name, "pem"),
                "-CAkey", self.path(self.name, "key"), "-CAcreateserial", "-days", days, "-extfile", str(extensions),
                "-out", self.path(name, "pem"))
        return self.path(name, "pem"), self.path(name, "key")


class Tls(unittest.TestCase):
    required, subjects = "false", "true"

    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        cls.ca = Authority(cls.folder, "ca")
        cls.clients = Authority(cls.folder, "clients")
        cls.strangers = Authority(cls.folder, "strangers")
        cls.ca.issue("server", "/CN=server")
        cls.billing = cls.clients.issue("billing", "/O=Acme, Inc./CN=billing")
        cls.stranger = cls.strangers.issue("stranger", "/O=Acme, Inc./CN=billing")
        cls.server = harness.Server(CONFIG.format(required=cls.required, subjects=cls.subjects), folder=cls.folder)
        cls.addClassCleanup(cls.server.close)

    def get(self, path="/v1/crypto/keys", cert=None):
        """Without a kept connection: each call shakes hands."""
        return requests.get(self.server.url + path, verify=self.ca.path("ca", "pem"), cert=cert, timeout=30,
                            headers={"Connection": "close"}, proxies={"https": ""})

    def s_client(self, *arguments, send=b"GET /healthz HTTP/1.0\r\n\r\n"):
        done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.server.port}", "-CAfile",
                               self.ca.path("ca", "pem"), "-ign_eof", *arguments], input=send, capture_output=True,
                              timeout=30)
        return done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")


class Optional(Tls):
    def test_versions_and_ciphers(self):
        before = self.tls_failures()
        for arguments, expected in (
                (("-tls1_3",), "TLSv1.3"), (("-tls1_2",), "TLSv1.2"),
                (("-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"), "TLSv1.3"),
                (("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"), "TLSv1.2"),
                (("-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"), "TLSv1.2"),
                (("-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA384:@SECLEVEL=0"), None),
                (("-tls1_2", "-cipher", "AES128-GCM-SHA256:@SECLEVEL=0"), None),
                (("-tls1_2", "-cipher", "aNULL:@SECLEVEL=0"), None),
                (("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), None), (("-tls1", "-cipher", "ALL:@SECLEVEL=0"), None)):
            with self.subTest(arguments=arguments):
                said = self.s_client(*arguments)
                if expected is None:
                    self.assertNotIn("HTTP/1.", said)
                    self.assertIn("alert", said)
                else:
                    self.assertRegex(said, f"New, {expected}, Cipher is ")
                    self.assertIn("Verify return code: 0 (ok)", said)
                    self.assertIn('{"status":"ok"}', said)
        self.server.wait_for(lambda: self.tls_failures() == before + 5)

    def tls_failures(self):
        return int(re.search(r"^jwekms_tls_failures_total (\d+)$", self.get("/metrics", self.billing).text, re.M)[1])

    def test_no_resumption_no_renegotiation(self):
        for version in ("-tls1_2", "-tls1_3"):
            said = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.server.port}", version,
                                   "-reconnect"], input=b"", capture_output=True, timeout=30).stdout.decode()
            self.assertIn("New, TLSv1.", said)
            self.assertNotIn("Reused,", said)
            self.assertNotIn("TLS session ticket:", said)
            self.assertNotRegex(said, r"Session-ID: [0-9A-F]")
        said = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{self.server.port}", "-tls1_2"],
                              input=b"R\n", capture_output=True, timeout=30)
        self.assertIn(b"no renegotiation", said.stderr)

    def test_subjects(self):
        self.assertEqual(self.get().status_code, 401)
        self.assertEqual(self.get(cert=self.billing).status_code, 200)
        last = self.server.audit()[-1]
        self.assertEqual((last["principal"], last["method"]), (r"CN=billing,O=Acme\, Inc.", "certificate"))
        for name, subject, principal in (("utf8", "/O=Käse/CN=ünï", "CN=ünï,O=Käse"),
                                         ("multi", "/O=Acme/CN=a+UID=1", None)):
            self.assertEqual(self.get(cert=self.clients.issue(name, subject)).status_code, 200)
            found = self.server.audit()[-1]["principal"]
            self.assertEqual(found, principal or found)
        self.assertEqual(len({line["principal"] for line in self.server.audit() if "principal" in line}), 3)

    def test_subjects_that_are_nobodys_name(self):
        empty = self.clients.issue("empty", "/", san="critical,email:a@example.com")
        self.assertEqual(self.get(cert=empty).status_code, 401)
        long = self.clients.issue("long", "/O=" + "/OU=".join(["x" * 60] * 5) + "/CN=y")
        self.assertEqual(self.get(cert=long).status_code, 401)

    def test_strangers(self):
        """A certificate of another CA, an expired one, and one's own: no handshake."""
        expired = self.clients.issue("expired", "/CN=billing", days="-1")
        for cert in (self.stranger, expired, self.strangers.issue("strangers-leaf", "/CN=clients")):
            with self.assertRaises(requests.exceptions.RequestException):
                self.get(cert=cert)

    def test_plain_http_on_the_tls_port(self):
        with self.assertRaises(requests.exceptions.RequestException):
            requests.get(f"http://127.0.0.1:{self.server.port}/healthz", timeout=30)
        self.assertEqual(self.get("/healthz").status_code, 200)

    def test_certificates_are_reloaded(self):
        def serial():
            return re.search(r"-----BEGIN.*?-----END", self.s_client(), re.S)[0]

        before = serial()
        kept = requests.Session()
        kept.verify, kept.cert, kept.trust_env = self.ca.path("ca", "pem"), self.billing, False
        self.assertEqual(kept.get(self.server.url + "/v1/crypto/keys").status_code, 200)
        self.ca.issue("server", "/CN=server 2")
        self.server.reload()
        self.assertNotEqual(serial(), before)

        # Another CA for clients: those of the old one are out, on kept connections too.
        old = pathlib.Path(self.folder, "old")
        shutil.copy(self.clients.path("clients", "pem"), old)
        shutil.copy(self.clients.path("strangers", "pem"), self.clients.path("clients", "pem"))
        self.server.reload()
        self.server.wait_for(lambda: not self.served(kept))  # one more, perhaps, that was on its way
        self.assertEqual(self.get(cert=self.stranger).status_code, 200)
        shutil.copy(old, self.clients.path("clients", "pem"))
        self.server.reload()
        self.assertEqual(kept.get(self.server.url + "/v1/crypto/keys").status_code, 200)
        kept.close()

    def served(self, session):
        try:
            session.get(self.server.url + "/v1/crypto/keys")
            return True
        except requests.exceptions.RequestException:
            return False

    def test_a_key_that_does_not_fit_is_not_taken(self):
        good = pathlib.Path(self.folder, "server.key").read_text()
        pathlib.Path(self.folder, "server.key").write_text(pathlib.Path(self.folder, "ca.key").read_text())
        before = self.server.log()
        self.server.process.send_signal(harness.signal.SIGHUP)
        self.server.wait_for(lambda: "server.key: " in self.server.log()[len(before):])
        self.assertEqual(self.get("/healthz").status_code, 200)
        pathlib.Path(self.folder, "server.key").write_text(good)
        self.server.reload()


class Required(Tls):
    required, subjects = "true", "false"

    def test_a_certificate_is_required(self):
        for path in ("/healthz", "/v1/crypto/keys"):
            with self.assertRaises(requests.exceptions.RequestException):
                self.get(path)
            self.assertEqual(self.get(path, self.billing).status_code, 200)
        # The certificate lets in; who it is, the configuration does not ask.
        self.assertEqual(self.server.audit()[-1]["method"], "anonymous")
        self.assertIn("certificate required", self.s_client("-tls1_3"))


if __name__ == "__main__":
    unittest.main()
