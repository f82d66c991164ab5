# SPDX-License-Identifier: Apache-2.0
# An overlay port, of the tree that it stands in:
#   vcpkg install jwekms --overlay-ports=pkgconfig/vcpkg
#
# What jwekms is linked with comes from the system: vcpkg has no libp11, and the system's libp11 wants
# the system's OpenSSL; a second OpenSSL in the same program is what nobody should debug.
if(EXISTS "${CURRENT_INSTALLED_DIR}/include/openssl/crypto.h")
  message(FATAL_ERROR "jwekms takes the system's OpenSSL, and this tree has one of its own")
endif()

get_filename_component(SOURCE_PATH "${CURRENT_PORT_DIR}/../.." ABSOLUTE)
vcpkg_check_features(OUT_FEATURE_OPTIONS FEATURE_OPTIONS FEATURES tools JWEKMS_EXAMPLES)
vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS ${FEATURE_OPTIONS} -DJWEKMS_TESTS=OFF -DCMAKE_INSTALL_DOCDIR=share/jwekms)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH lib/cmake/jwekms)
vcpkg_fixup_pkgconfig()
if("tools" IN_LIST FEATURES)
  vcpkg_copy_tools(TOOL_NAMES jwekms jwekms-doctor jwekms-server AUTO_CLEAN)
endif()
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug/include" "${CURRENT_PACKAGES_DIR}/debug/share")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
