"""Writes faults.json: tokens that must be refused, and a few odd ones that must not.

    python make_faults.py FILE
"""
import importlib.metadata
import sys

import faults_text  # noqa: F401  each of the three adds its cases
import faults_crypto  # noqa: F401
import faults_json  # noqa: F401
from fault_tools import cases, keys
from schema import write

version = importlib.metadata.version
write(sys.argv[1], {
    "suite": "faults", "source": "made for this project by tests/vectors/generate",
    "licence": "Apache-2.0",
    "producer": f"jwcrypto {version('jwcrypto')} (base tokens), "
                f"pyca/cryptography {version('cryptography')} (sealed headers)",
    "description": "one fault a token; those that are expected to be ok were opened by jwcrypto and go-jose",
    "keys": list(keys.values()), "cases": cases})
print(f"faults: {len(cases)} cases", file=sys.stderr)
