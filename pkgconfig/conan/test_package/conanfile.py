# SPDX-License-Identifier: Apache-2.0
# Builds the programs of tests/install against the package, and runs them.
import os

from conan import ConanFile
from conan.tools.build import can_run
from conan.tools.cmake import CMake, cmake_layout


class Consumer(ConanFile):
    settings = "os", "arch", "compiler", "build_type"
    generators = "CMakeToolchain", "VirtualRunEnv"

    def requirements(self):
        self.requires(self.tested_reference_str)

    def layout(self):
        cmake_layout(self)

    def build(self):
        cmake = CMake(self)
        cmake.configure(build_script_folder=os.path.join("..", "..", "..", "tests", "install"))
        cmake.build()

    def test(self):
        if can_run(self):
            for program in ("cpp_shared", "cpp_static", "c_shared", "c_static", "headers_only"):
                self.run(f"{os.path.join(self.cpp.build.bindir, program)} {program}.db", env="conanrun")
