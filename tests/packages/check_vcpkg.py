#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The vcpkg port, as far as that goes without vcpkg: the manifest against vcpkg's documented form and this
version, and the portfile run by CMake with stand-ins for vcpkg's functions, which hold it to options that
CMakeLists.txt has and to files that an installed tree has.

usage: check_vcpkg.py PORT_DIR BUILD_DIR
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

FEATURE = {"description": (str, list), "dependencies": list, "supports": str, "license": str}
MANIFEST = {"name": str, "version": str, "port-version": int, "description": (str, list), "homepage": str,
            "license": str, "supports": str, "features": dict, "default-features": list, "dependencies": list,
            "maintainers": (str, list), "documentation": str}
DEPENDENCY = {"name": str, "host": bool, "features": list, "default-features": bool, "platform": str,
              "version>=": str}
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

# vcpkg's functions, as far as the portfile uses them; another one, and CMake stops.
STAND_INS = r"""
cmake_minimum_required(VERSION 3.25)
set(CURRENT_PORT_DIR "@PORT@")
set(CURRENT_PACKAGES_DIR "@WORK@/packages")
set(CURRENT_INSTALLED_DIR "@WORK@/installed")
set(FEATURES core @FEATURES@)
file(STRINGS "@BUILD@/CMakeCache.txt" cache)
function(vcpkg_check_features)
  cmake_parse_arguments(arg "" "OUT_FEATURE_OPTIONS" "FEATURES" ${ARGN})
  list(GET arg_FEATURES 0 feature)
  list(GET arg_FEATURES 1 option)
  set(value OFF)
  if(feature IN_LIST FEATURES)
    set(value ON)
  endif()
  set(${arg_OUT_FEATURE_OPTIONS} -D${option}=${value} PARENT_SCOPE)
endfunction()
function(vcpkg_cmake_configure)
  cmake_parse_arguments(arg "" "SOURCE_PATH" "OPTIONS" ${ARGN})
  if(arg_UNPARSED_ARGUMENTS OR NOT EXISTS "${arg_SOURCE_PATH}/CMakeLists.txt")
    message(FATAL_ERROR "vcpkg_cmake_configure: ${ARGN}")
  endif()
  foreach(option ${arg_OPTIONS})
    string(REGEX REPLACE "^-D([A-Z_]+)=.*" "\\1" name ${option})
    if(NOT cache MATCHES "(^|;)${name}:")
      message(FATAL_ERROR "CMakeLists.txt has no option ${name}")
    endif()
  endforeach()
endfunction()
function(vcpkg_cmake_install)
  execute_process(COMMAND ${CMAKE_COMMAND} --install "@BUILD@" --prefix "${CURRENT_PACKAGES_DIR}"
                  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
endfunction()
function(vcpkg_cmake_config_fixup)
  cmake_parse_arguments(arg "" "CONFIG_PATH" "" ${ARGN})
  if(arg_UNPARSED_ARGUMENTS OR NOT EXISTS "${CURRENT_PACKAGES_DIR}/${arg_CONFIG_PATH}/jwekmsConfig.cmake")
    message(FATAL_ERROR "vcpkg_cmake_config_fixup: nothing in ${arg_CONFIG_PATH}")
  endif()
endfunction()
function(vcpkg_fixup_pkgconfig)
  if(NOT EXISTS "${CURRENT_PACKAGES_DIR}/lib/pkgconfig/jwekms.pc")
    message(FATAL_ERROR "vcpkg_fixup_pkgconfig: no jwekms.pc")
  endif()
endfunction()
function(vcpkg_copy_tools)
  cmake_parse_arguments(arg "AUTO_CLEAN" "" "TOOL_NAMES" ${ARGN})
  foreach(tool ${arg_TOOL_NAMES})
    if(NOT EXISTS "${CURRENT_PACKAGES_DIR}/bin/${tool}")
      message(FATAL_ERROR "vcpkg_copy_tools: no ${tool}")
    endif()
  endforeach()
endfunction()
function(vcpkg_install_copyright)
  cmake_parse_arguments(arg "" "" "FILE_LIST" ${ARGN})
  if(NOT EXISTS "${arg_FILE_LIST}")
    message(FATAL_ERROR "vcpkg_install_copyright: ${ARGN}")
  endif()
endfunction()
include("@PORT@/portfile.cmake")
"""


def faults_of(value, form, where):
    for key, inner in value.items():
        if key not in form:
            yield f"{where}: unknown field {key}"
        elif not isinstance(inner, form[key]):
            yield f"{where}: {key} is of the wrong type"


def manifest_faults(manifest, version):
    yield from faults_of(manifest, MANIFEST, "vcpkg.json")
    if not NAME.fullmatch(manifest.get("name", "")):
        yield "vcpkg.json: bad name"
    if manifest.get("version") != version:
        yield f"vcpkg.json: version {manifest.get('version')}, and version.hpp has {version}"
    for name, feature in manifest.get("features", {}).items():
        yield from faults_of(feature, FEATURE, f"feature {name}")
        if not NAME.fullmatch(name) or "description" not in feature:
            yield f"feature {name}: bad name, or no description"
    for dependency in manifest.get("dependencies", []):
        if isinstance(dependency, dict):
            yield from faults_of(dependency, DEPENDENCY, "dependency")
            dependency = dependency.get("name", "")
        if not NAME.fullmatch(dependency):
            yield f"dependency {dependency}: bad name"


def run_portfile(port, build, features, own_openssl=False):
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        if own_openssl:
            header = work / "installed/include/openssl/crypto.h"
            header.parent.mkdir(parents=True)
            header.touch()
        script = STAND_INS
        for name, value in (("PORT", port), ("WORK", work), ("BUILD", build), ("FEATURES", features)):
            script = script.replace(f"@{name}@", str(value))
        (work / "run.cmake").write_text(script)
        return subprocess.run(["cmake", "-P", str(work / "run.cmake")], capture_output=True, text=True)


def main():
    port, build = (pathlib.Path(argument).resolve() for argument in sys.argv[1:])
    manifest = json.loads((port / "vcpkg.json").read_text())
    text = (port.parents[1] / "include/jwekms/version.hpp").read_text()
    version = re.search(r'JWEKMS_VERSION_STRING "(.*)"', text).group(1)
    faults = list(manifest_faults(manifest, version))
    assert list(manifest_faults({**manifest, "version": "9"}, version))
    assert list(manifest_faults({**manifest, "versoin": "9"}, version))
    assert list(manifest_faults({**manifest, "dependencies": [{"name": "a", "hots": True}]}, version))
    for features in ("", "tools"):
        run = run_portfile(port, build, features)
        if run.returncode:
            faults.append(run.stderr)
    # A second OpenSSL is refused.
    if "has one of its own" not in run_portfile(port, build, "", own_openssl=True).stderr.replace("\n", " "):
        faults.append("portfile.cmake: takes a tree with an OpenSSL of its own")
    print("\n".join(faults) or "vcpkg: ok")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
