#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the bill of materials against CycloneDX's schema and against the binaries: what they need is
listed, and what is listed as shared is needed. Needs cyclonedx-python-lib[json-validation].

usage: check_sbom.py BOM BINARY...   (of the library, or of the programs)
"""
import copy
import json
import pathlib
import re
import subprocess
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

PART_OF = {"libcrypto": "openssl", "libssl": "openssl", "libsqlite3": "sqlite", "libcjson": "cjson",
           "libz": "zlib", "libp11": "libp11", "libcjose": "cjose", "libjansson": "jansson",
           "libjwekms": "jwekms"}
RUNTIME = {"libstdc++", "libgcc_s", "libm", "libc", "ld-linux-x86-64", "ld-linux-aarch64"}


def complaints(bom, needed):
    """@param needed  the names of the libraries, without .so and what follows, that each bom-ref loads."""
    error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(json.dumps(bom))
    if error:
        yield f"not CycloneDX 1.5: {error}"
        return
    if "serialNumber" in bom:
        yield "a serial number: two builds differ"
    linkage = {}
    for part in bom["components"]:
        if not part["version"]:
            yield f"{part['name']}: no version"
        for entry in part.get("properties", []):
            linkage[part["bom-ref"]] = entry["value"]
    depends = {entry["ref"]: set(entry["dependsOn"]) for entry in bom["dependencies"]}
    for ref in sorted({part["bom-ref"] for part in bom["components"]} - set().union(set(depends), *depends.values())):
        yield f"{ref}: nothing depends on it"
    for ref, libraries in needed.items():
        for library in sorted(libraries - RUNTIME):
            part = PART_OF.get(library, library)
            if part not in depends.get(ref, ()) or linkage.get(part) != "shared":
                yield f"{ref}: loads {library}, which is not listed as shared"
        for part in sorted(depends.get(ref, ())):
            if linkage.get(part) not in ("shared", "static", "headers"):
                yield f"{ref}: depends on {part}, which is not described"
            if linkage.get(part) == "shared" and part not in {PART_OF.get(name) for name in libraries}:
                yield f"{ref}: does not load {part}, which is listed as shared"
    for ref in sorted(set(needed) ^ set(depends)):
        yield f"{ref}: listed or there, not both"


def needed_by(binary):
    text = subprocess.run(["readelf", "-d", binary], check=True, capture_output=True, text=True).stdout
    return {name.partition(".so")[0] for name in re.findall(r"\(NEEDED\).*\[(.*)\]", text)}


def self_test(bom, needed):
    """Each planted fault is complained of."""
    def plant(change):
        bad, loads = copy.deepcopy(bom), copy.deepcopy(needed)
        change(bad, loads)
        assert list(complaints(bad, loads)), change

    def linkage(bad, name, value):
        next(part for part in bad["components"] if part["name"] == name)["properties"][0]["value"] = value

    part = next(entry for entry in bom["dependencies"] if entry["ref"] in needed and len(entry["dependsOn"]) > 1)
    ref, first = part["ref"], part["dependsOn"][0]
    plant(lambda bad, loads: bad.update(bomFormat="SPDX"))
    plant(lambda bad, loads: bad.update(unheard="of"))
    plant(lambda bad, loads: bad.update(serialNumber="urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79"))
    plant(lambda bad, loads: bad["components"][0].update(version=""))
    plant(lambda bad, loads: bad["components"].pop(0))
    plant(lambda bad, loads: bad["dependencies"].pop(0))
    plant(lambda bad, loads: loads[ref].add("libcurl"))
    plant(lambda bad, loads: loads[ref].clear())
    plant(lambda bad, loads: linkage(bad, first, "static"))
    plant(lambda bad, loads: linkage(bad, first, "none"))


def main():
    file, *binaries = map(pathlib.Path, sys.argv[1:])
    bom = json.loads(file.read_text())
    needed = {"jwekms" if ".so" in path.name else f"{path.name}-program": needed_by(path) for path in binaries}
    faults = list(complaints(bom, needed))
    if not faults:
        self_test(bom, needed)
    print("\n".join(faults) or f"{file.name}: ok")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
