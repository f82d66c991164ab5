# SPDX-License-Identifier: Apache-2.0
"""A WSGI application for gunicorn --preload: the master opens the Kms, the workers inherit it."""
import os

import conftest
import jwekms

hsms = [conftest.softhsm()] if "JWEKMS_TEST_HSM" in os.environ else []
kms = jwekms.Kms(os.environ["JWEKMS_TEST_DATABASE"], hsms=hsms)
master = os.getpid()


def application(environ, start_response):
    token = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    try:
        status, body = "200 OK", kms.decrypt(token)
    except jwekms.JwekmsError as error:
        status, body = f"{error.http_status} Error", error.code.name.lower().encode()
    assert os.getpid() != master
    start_response(status, [("X-Worker", str(os.getpid())), ("Content-Length", str(len(body)))])
    return [body]
