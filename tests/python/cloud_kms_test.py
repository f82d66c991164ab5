# SPDX-License-Identifier: Apache-2.0
"""The example of a provider against an emulated AWS KMS that does real RSA. JWEKMS_LOCAL_KMS names it."""
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import boto3
import pytest
from botocore.config import Config
from conftest import ROOT, forked, seal
from jwcrypto import jwk

import jwekms

sys.path.insert(0, str(ROOT / "examples/custom_provider"))
import cloud_kms  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.*(fork|Boto3|utcnow).*")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("local-kms")
    process = subprocess.Popen([os.environ["JWEKMS_LOCAL_KMS"]], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL,
                               env={**os.environ, "PORT": str(port), "KMS_DATA_PATH": str(folder)})
    try:
        for _ in range(1200):
            assert process.poll() is None
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        else:
            raise AssertionError("no local-kms after a minute")
        yield process, port
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()


@pytest.fixture
def connect(server):
    def client(read_timeout=60):
        return boto3.client(
            "kms", endpoint_url=f"http://127.0.0.1:{server[1]}", region_name="eu-west-2",
            aws_access_key_id="id", aws_secret_access_key="secret",
            config=Config(connect_timeout=2, read_timeout=read_timeout, retries={"total_max_attempts": 1}))
    return client


@pytest.fixture
def key(connect):
    return connect().create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]


@pytest.fixture
def kms(connect, tmp_path):
    with jwekms.Kms(tmp_path / "keys.db", providers=[cloud_kms.CloudKms(connect)],
                    on_warning=print) as opened:
        yield opened


def sender_token(kms, kid, payload=b"payload", **more):
    return seal(jwk.JWK(**kms.public_jwk(kid)), payload, kid=kid, **more)


@pytest.mark.parametrize("alg", ["RSA-OAEP", "RSA-OAEP-256"])
def test_tokens_are_decrypted_by_the_cloud(kms, key, alg):
    kid = "aws::" + key["KeyId"]
    token = sender_token(kms, kid, alg=alg)
    assert kms.decrypt(token) == b"payload"
    assert kms.decrypt(kms.encrypt(b"and back", kid, alg=alg)) == b"and back"
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(kms.decrypt, [token] * 20)) == {b"payload"}


def test_one_name_whatever_it_is_asked_for(kms, key, connect):
    connect().create_alias(AliasName="alias/inbox", TargetKeyId=key["KeyId"])
    info = kms.describe_key("aws::alias/inbox")
    assert info.uid == "aws::" + key["Arn"]
    assert info.bits == 2048 and set(info.algs) == {"RSA-OAEP", "RSA-OAEP-256"}
    token = sender_token(kms, "aws::alias/inbox")
    bob = kms.on_behalf_of("bob")
    with pytest.raises(jwekms.Forbidden):
        bob.decrypt(token)
    kms.grant(info.uid, "bob", jwekms.Permission.DECRYPT)
    assert bob.decrypt(token) == b"payload"


def test_what_is_wrong_with_a_token(kms, key):
    kid = "aws::" + key["KeyId"]
    header, encrypted_key, *rest = sender_token(kms, kid).split(".")
    for wrong in ("A" * len(encrypted_key), encrypted_key[:20], "A" * 2700):
        with pytest.raises(jwekms.DecryptionFailed):
            kms.decrypt(".".join((header, wrong, *rest)))
    for nobody in ("aws::", "aws::nobody", "aws::" + "x" * 250):
        with pytest.raises(jwekms.NotFound):
            kms.decrypt(seal(jwk.JWK(**kms.public_jwk(kid)), b"payload", kid=nobody))


def test_a_disabled_key(kms, key, connect):
    token = sender_token(kms, "aws::" + key["KeyId"])
    connect().disable_key(KeyId=key["KeyId"])
    with pytest.raises(jwekms.Forbidden):
        kms.decrypt(token)


def test_a_cek_is_kept(kms, key):
    kept = kms.unwrap_key(sender_token(kms, "aws::" + key["KeyId"]), uid="kept")
    assert kept.parent == "aws::" + key["Arn"]
    assert kms.decrypt(kms.encrypt(b"later", "kept", alg="dir")) == b"later"


def test_forked_children_connect_anew(kms, key):
    token = sender_token(kms, "aws::" + key["KeyId"])
    assert kms.decrypt(token) == b"payload"
    children = [forked(lambda: kms.decrypt(token) != b"payload") for _ in range(4)]
    assert kms.decrypt(token) == b"payload"
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4


def test_an_outage_is_no_bad_token(kms, key, server, connect, tmp_path):
    token = sender_token(kms, "aws::" + key["KeyId"])
    impatient = cloud_kms.CloudKms(lambda: connect(read_timeout=1))
    with jwekms.Kms(tmp_path / "other.db", providers=[impatient], on_warning=print) as hasty:
        server[0].send_signal(signal.SIGSTOP)  # up, and silent
        try:
            with pytest.raises(jwekms.Unavailable):
                hasty.decrypt(token)
        finally:
            server[0].send_signal(signal.SIGCONT)
    assert kms.decrypt(token) == b"payload"
