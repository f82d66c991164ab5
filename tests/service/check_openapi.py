#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the requests and responses of the service's tests against the OpenAPI document.

usage: check_openapi.py OPENAPI PROGRAM     runs the tests with a recorder and checks what they recorded

Each answer must be one that the document has for its operation: status, content type and body. Each
request that succeeded must fit the document. And each answer that the document has must have been seen.
Operations tagged "server" are the HTTP server's own, as are some answers of the others: they are held
against the document by tests/server/openapi_test.py.
"""
import base64
import copy
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import urllib.parse

import jsonschema


# What the HTTP server answers before a request gets to the service, and with which error.
SERVER_STATUSES = {"401", "415", "429", "431"}
SERVER_CODES = {"unauthorized", "unsupported_media_type", "too_many_requests", "header_too_large"}


class Document:
    def __init__(self, doc):
        self.doc = doc
        self.validators = {}
        self.operations = []  # (method, path pattern, path, operation)
        for path, methods in doc["paths"].items():
            # A fixed path comes before a pattern that would match it too.
            pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", re.escape(path).replace(r"\{", "{").replace(r"\}", "}")))
            for method, operation in methods.items():
                if "server" not in operation.get("tags", []):
                    self.operations.append((method.upper(), pattern, path, operation))
        self.operations.sort(key=lambda o: "{" in o[2])

    def resolve(self, node):
        while "$ref" in node:
            target = self.doc
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            node = target
        return node

    def faults(self, schema, value):
        """The first fault of a value, or None."""
        key = json.dumps(schema)
        if key not in self.validators:
            whole = {"components": self.doc["components"], **schema}
            jsonschema.Draft202012Validator.check_schema(whole)
            self.validators[key] = jsonschema.Draft202012Validator(whole)
        error = jsonschema.exceptions.best_match(self.validators[key].iter_errors(value))
        return error and error.message[:200]

    def find(self, method, path):
        fits = [o for o in self.operations if o[1].fullmatch(path)]
        return next((o for o in fits if o[0] == method), None), bool(fits)


def check_error(document, exchange, status):
    """A path or method that the document does not have."""
    if exchange["status"] != status:
        yield f"expected {status}"
    if status == 405 and not exchange["allow"]:
        yield "a 405 without Allow"
    if fault := document.faults({"$ref": "#/components/schemas/Error"}, json.loads(exchange["answer"])):
        yield fault


def check_query(operation, query):
    known = {p["name"] for p in operation.get("parameters", []) if p["in"] == "query"}
    for name, _ in urllib.parse.parse_qsl(query, keep_blank_values=True):
        if name not in known:
            yield f"an undocumented parameter was taken: {name}"


def check(document, exchange, seen):
    path, _, query = exchange["target"].partition("?")
    found, has_path = document.find(exchange["method"], path)
    if not found:
        yield from check_error(document, exchange, 405 if has_path else 404)
        return
    method, _, template, operation = found
    status = str(exchange["status"])
    if status not in operation["responses"]:
        yield "a status that the document does not have"
        return
    response = document.resolve(operation["responses"][status])
    if list(response["content"]) != [exchange["type"]]:
        yield f"content type {exchange['type']}"
        return
    answer = json.loads(exchange["answer"])
    if fault := document.faults(response["content"][exchange["type"]]["schema"], answer):
        yield f"answer: {fault}"
    seen.add((method, template, status, answer.get("error") if isinstance(answer, dict) else None))
    if exchange["status"] < 300:
        yield from check_query(operation, query)
        if "requestBody" in operation:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            if fault := document.faults(schema, json.loads(exchange["body"])):
                yield f"a request was taken that does not fit: {fault}"


def unseen(document, seen):
    statuses = {(m, t, s) for m, t, s, _ in seen}
    for method, _, template, operation in document.operations:
        for status in operation["responses"]:
            if status not in SERVER_STATUSES and (method, template, status) not in statuses:
                yield f"{method} {template}: {status} was never answered"
    codes = {code for *_, code in seen}
    for code in document.doc["components"]["schemas"]["Error"]["properties"]["error"]["enum"]:
        if code not in codes | SERVER_CODES and code != "method_not_allowed":
            yield f"error {code} was never answered"


def run(document, exchanges):
    seen = set()
    faults = []
    for exchange in exchanges:
        for fault in check(document, exchange, seen):
            faults.append(f"{exchange['method']} {exchange['target'][:100]}: {exchange['status']}: {fault}")
    return faults + list(unseen(document, seen))


def read(path):
    def decoded(line):
        record = json.loads(line)
        for name, value in record.items():
            if isinstance(value, str):
                padded = value + "=" * (-len(value) % 4)
                # What is no UTF-8 was refused; how it is shown here does not matter.
                record[name] = base64.urlsafe_b64decode(padded).decode(errors="replace")
        return record
    return [decoded(line) for line in path.read_text().splitlines()]


def self_test(doc, exchanges):
    """Plants each kind of fault, in the document or in an exchange, and sees it caught."""
    good = next(e for e in exchanges if e["target"] == "/v1/crypto/decrypt" and e["status"] == 200)

    def changed(**changes):
        return run(Document(doc), [*exchanges, {**good, **changes}])

    answer, body = json.loads(good["answer"]), json.loads(good["body"])
    assert changed(status=201), "status"
    assert changed(type="text/plain"), "content type"
    assert changed(method="PUT"), "method"
    assert changed(target="/v1/crypto/decipher"), "path"
    assert changed(target="/v1/crypto/decrypt?x=1"), "query"
    assert changed(answer=json.dumps({**answer, "cek": "AA"})), "a member too many"
    assert changed(answer=json.dumps({"kid": "rsa"})), "a member too few"
    assert changed(answer=json.dumps({**answer, "data": "a+b"})), "a value"
    assert changed(body=json.dumps({**body, "more": 1})), "a request that should have failed"
    planted = copy.deepcopy(doc)
    planted["paths"]["/v1/crypto/decrypt"]["post"]["responses"]["418"] = {"$ref": "#/components/responses/400"}
    assert run(Document(planted), exchanges), "an answer that never comes"
    planted = copy.deepcopy(doc)
    del planted["paths"]["/v1/crypto/decrypt"]["post"]["responses"]["422"]
    assert run(Document(planted), exchanges), "an answer that is not documented"


def main():
    doc = json.loads(pathlib.Path(sys.argv[1]).read_text())
    with tempfile.TemporaryDirectory() as folder:
        record = pathlib.Path(folder) / "exchanges"
        environment = {**os.environ, "JWEKMS_SERVICE_RECORD": str(record)}
        subprocess.run([sys.argv[2]], check=True, env=environment, stdout=subprocess.DEVNULL)
        exchanges = read(record)
    faults = run(Document(doc), exchanges)
    if faults:
        sys.exit("\n".join(faults[:40]) + f"\n{len(faults)} faults in {len(exchanges)} exchanges")
    self_test(doc, exchanges)
    print(f"{len(exchanges)} exchanges fit; 11 planted faults caught")


if __name__ == "__main__":
    main()
