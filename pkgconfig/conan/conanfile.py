# SPDX-License-Identifier: Apache-2.0
# conan create pkgconfig/conan -s compiler.cppstd=20
#
# What jwekms is linked with comes from the system: ConanCenter has no libp11, and the system's libp11
# wants the system's OpenSSL; a second OpenSSL in the same program is what nobody should debug.
import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load
from conan.tools.system.package_manager import Apt

SOURCES = ("CMakeLists.txt", "LICENSE", "include/*", "src/*", "capi/*", "pkgconfig/*.in", "pkgconfig/*.cmake",
           "examples/*")


class Jwekms(ConanFile):
    name = "jwekms"
    description = "Decrypts JWE tokens without showing anybody the key"
    license = "Apache-2.0"
    topics = ("jwe", "jose", "kms", "hsm", "pkcs11")
    package_type = "shared-library"  # the archive is there too: jwekms::static
    settings = "os", "arch", "compiler", "build_type"
    options = {"tools": [True, False]}
    default_options = {"tools": False}

    def _root(self):
        return os.path.join(self.recipe_folder, "..", "..")

    def set_version(self):
        text = load(self, os.path.join(self._root(), "include", "jwekms", "version.hpp"))
        self.version = re.search(r'JWEKMS_VERSION_STRING "(.*)"', text).group(1)

    def export_sources(self):
        for pattern in SOURCES:
            copy(self, pattern, src=self._root(), dst=self.export_sources_folder, excludes="*.pyc")

    def validate(self):
        if self.settings.get_safe("compiler.cppstd"):
            check_min_cppstd(self, 20)

    def system_requirements(self):
        packages = ["libssl-dev", "libsqlite3-dev", "libcjson-dev", "zlib1g-dev", "libp11-dev",
                    "libp11-kit-dev", "libtomlplusplus-dev"]
        if self.options.tools:
            packages += ["libboost-dev", "libcjose-dev", "libjansson-dev", "libcli11-dev"]
        Apt(self).install(packages)

    def layout(self):
        cmake_layout(self)

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.cache_variables["JWEKMS_TESTS"] = False
        toolchain.cache_variables["JWEKMS_EXAMPLES"] = bool(self.options.tools)
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        copy(self, "LICENSE", src=self.source_folder, dst=os.path.join(self.package_folder, "licenses"))
        CMake(self).install()

    def package_info(self):
        # jwekmsConfig.cmake and jwekms.pc as they were installed.
        self.cpp_info.set_property("cmake_find_mode", "none")
        self.cpp_info.builddirs = [os.path.join("lib", "cmake", "jwekms")]
        self.cpp_info.libs = ["jwekms"]
