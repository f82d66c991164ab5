# SPDX-License-Identifier: Apache-2.0
"""Puts the shared library into the wheel where JWEKMS_LIBRARY names it at build time; such a wheel is
for one platform and for every Python. Without, the wheel is pure and uses the system's library."""
import os
import pathlib
import sysconfig

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class LibraryInWheel(BuildHookInterface):
    def initialize(self, version, build_data):
        root = pathlib.Path(self.root)
        for place in (root / "LICENSE", root.parents[1] / "LICENSE"):  # an sdist, the repository
            if place.exists():
                build_data["force_include"][str(place)] = "jwekms/LICENSE"
                break
        library = os.environ.get("JWEKMS_LIBRARY")
        if not library:
            return
        build_data["force_include"][os.path.realpath(library)] = "jwekms/libjwekms.so.0"
        build_data["pure_python"] = False
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{platform}"
