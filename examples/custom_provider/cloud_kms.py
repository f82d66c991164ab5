# SPDX-License-Identifier: Apache-2.0
"""RSA keys in AWS KMS: tokens are decrypted with them, and the private keys stay there.

    provider = CloudKms(lambda: boto3.client("kms"))
    with jwekms.Kms(providers=[provider]) as kms:
        kms.decrypt(token)    # whose `kid` is "aws::" and a key's id, ARN or alias

The keys are of the usage ENCRYPT_DECRYPT; it takes kms:GetPublicKey and kms:Decrypt.
"""
import botocore.exceptions
from cryptography.hazmat.primitives.serialization import load_der_public_key
from jwcrypto.jwk import JWK

import jwekms

ALGORITHMS = {"RSA-OAEP": "RSAES_OAEP_SHA_1", "RSA-OAEP-256": "RSAES_OAEP_SHA_256"}
MEANING = {"NotFoundException": jwekms.NotFound, "InvalidArnException": jwekms.NotFound,
           "DisabledException": jwekms.Forbidden, "KMSInvalidStateException": jwekms.Forbidden,
           "AccessDeniedException": jwekms.Forbidden, "InvalidCiphertextException": jwekms.DecryptionFailed}


class CloudKms(jwekms.Provider):
    prefix = "aws::"

    def __init__(self, connect):
        self.connect = connect
        self.client = connect()  # threads share it, and it has timeouts

    def after_fork(self):
        self.client = self.connect()

    def resolve(self, kid):  # each call asks anew: a cache here would save it a round trip
        key = self.ask(jwekms.NotFound, "get_public_key", KeyId=kid[len(self.prefix):])
        if not key["KeySpec"].startswith("RSA_") or key["KeyUsage"] != "ENCRYPT_DECRYPT":
            raise jwekms.NotFound("the KMS has no RSA key for decryption of this name")
        # Grants and audit go by the ARN, by whatever alias the key was asked for.
        return jwekms.ProvidedKey(key=key, type=jwekms.KeyType.RSA, bits=int(key["KeySpec"][4:]),
                                  uid=self.prefix + key["KeyId"], algs=ALGORITHMS)

    def unwrap(self, key, wrapped):
        return self.ask(jwekms.DecryptionFailed, "decrypt", KeyId=key["KeyId"],
                        CiphertextBlob=wrapped.encrypted_key,
                        EncryptionAlgorithm=ALGORITHMS[wrapped.alg])["Plaintext"]

    def public_jwk(self, key):
        return JWK.from_pyca(load_der_public_key(key["PublicKey"])).export_public(as_dict=True)

    def ask(self, malformed, operation, **parameters):
        """`malformed` is what it means that the KMS does not even read what a token says."""
        try:
            return getattr(self.client, operation)(**parameters)
        except botocore.exceptions.ParamValidationError:
            raise malformed() from None
        except botocore.exceptions.ClientError as error:
            code = error.response["Error"]["Code"]
            kind = malformed if code == "ValidationException" else MEANING.get(code, jwekms.Unavailable)
            raise kind(f"the KMS answers {code}") from None
        except botocore.exceptions.BotoCoreError as error:  # out of reach, timed out, no credentials
            raise jwekms.Unavailable("the KMS does not answer") from error
