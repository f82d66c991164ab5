# SPDX-License-Identifier: Apache-2.0
# Bills of materials, CycloneDX 1.5, for the library and for the programs: what this configuration found
# and links, with names, versions, licences, and how each part comes in (shared, static, headers). The
# same configuration writes the same bytes: no serial number, and a time only from SOURCE_DATE_EPOCH.
# tests/packages/check_sbom.py holds them against the binaries. The C and C++ runtimes are the compiler's
# and are not listed.

# The distribution's source package, under which its security notices are filed, or the bare name.
function(jwekms_sbom_purl out name version header)
  set(${out} "pkg:generic/${name}@${version}" PARENT_SCOPE)
  if(NOT header)
    return()
  endif()
  find_program(JWEKMS_DPKG_QUERY dpkg-query)
  find_path(JWEKMS_HEADER_${name} ${header} PATHS ${P11_KIT_INCLUDE_DIRS})
  mark_as_advanced(JWEKMS_DPKG_QUERY JWEKMS_HEADER_${name})
  if(NOT JWEKMS_DPKG_QUERY OR NOT JWEKMS_HEADER_${name})
    return()
  endif()
  execute_process(COMMAND ${JWEKMS_DPKG_QUERY} -S ${JWEKMS_HEADER_${name}}/${header}
                  OUTPUT_VARIABLE owner ERROR_QUIET)
  if(NOT owner MATCHES "^([^ ,]+): ")
    return()
  endif()
  execute_process(COMMAND ${JWEKMS_DPKG_QUERY} -W "-f\${source:Package}@\${source:Version}"
                          ${CMAKE_MATCH_1}
                  OUTPUT_VARIABLE source COMMAND_ERROR_IS_FATAL ANY)
  string(REPLACE "+" "%2B" source "${source}")
  string(REPLACE ":" "%3A" source "${source}")
  cmake_host_system_information(RESULT distribution QUERY DISTRIB_ID)
  set(${out} "pkg:deb/${distribution}/${source}?arch=source" PARENT_SCOPE)
endfunction()

# jwekms_sbom_part(NAME VERSION LICENSE HEADER [LIBRARY]): without a library, its headers alone are used.
function(jwekms_sbom_part name version license header)
  set(linkage shared)
  if("${ARGN}" STREQUAL "")
    set(linkage headers)
  elseif("${ARGN}" MATCHES "\\.a$")
    set(linkage static)
  endif()
  jwekms_sbom_purl(purl ${name} "${version}" "${header}")
  set(parts "${parts},
    {\"type\": \"library\", \"bom-ref\": \"${name}\", \"name\": \"${name}\", \"version\": \"${version}\",
     \"licenses\": [{\"license\": {\"id\": \"${license}\"}}],
     \"purl\": \"${purl}\",
     \"properties\": [{\"name\": \"jwekms:linkage\", \"value\": \"${linkage}\"}]}" PARENT_SCOPE)
endfunction()

# jwekms_sbom_needs(REF PART...)
function(jwekms_sbom_needs ref)
  list(JOIN ARGN "\", \"" needs)
  set(needs_of "${needs_of},
    {\"ref\": \"${ref}\", \"dependsOn\": [\"${needs}\"]}" PARENT_SCOPE)
endfunction()

# jwekms_sbom_program(NAME PART...)
function(jwekms_sbom_program name)
  jwekms_sbom_needs(${name}-program ${ARGN})
  set(needs_of "${needs_of}" PARENT_SCOPE)
  set(parts "${parts},
    {\"type\": \"application\", \"bom-ref\": \"${name}-program\", \"name\": \"${name}\",
     \"version\": \"${PROJECT_VERSION}\", \"licenses\": [{\"license\": {\"id\": \"Apache-2.0\"}}]}"
      PARENT_SCOPE)
endfunction()

# jwekms_sbom_write(NAME TYPE): NAME.cdx.json, of the parts and needs so far.
function(jwekms_sbom_write name type)
  string(REGEX REPLACE "^," "" parts "${parts}")
  string(REGEX REPLACE "^," "" needs_of "${needs_of}")
  if(DEFINED ENV{SOURCE_DATE_EPOCH})
    string(TIMESTAMP time "%Y-%m-%dT%H:%M:%SZ" UTC)
    set(time "\"timestamp\": \"${time}\",\n    ")
  endif()
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/${name}.cdx.json @ONLY CONTENT [[
{
  "bomFormat": "CycloneDX",
  "specVersion": "1.5",
  "version": 1,
  "metadata": {
    @time@"component": {
      "type": "@type@", "bom-ref": "@name@", "name": "@name@", "version": "@PROJECT_VERSION@",
      "description": "@PROJECT_DESCRIPTION@",
      "licenses": [{"license": {"id": "Apache-2.0"}}], "purl": "pkg:generic/@name@@@PROJECT_VERSION@"
    }
  },
  "components": [@parts@
  ],
  "dependencies": [@needs_of@
  ]
}
]])
  install(FILES ${PROJECT_BINARY_DIR}/${name}.cdx.json DESTINATION ${CMAKE_INSTALL_DOCDIR})
endfunction()

function(jwekms_sbom_library)
  pkg_check_modules(SQLITE3 sqlite3)
  jwekms_sbom_part(openssl "${OPENSSL_VERSION}" Apache-2.0 openssl/crypto.h ${OPENSSL_CRYPTO_LIBRARY})
  jwekms_sbom_part(sqlite "${SQLITE3_VERSION}" blessing sqlite3.h ${SQLITE3_LINK_LIBRARIES})
  jwekms_sbom_part(cjson "${CJSON_VERSION}" MIT cjson/cJSON.h ${CJSON_LINK_LIBRARIES})
  jwekms_sbom_part(zlib "${ZLIB_VERSION_STRING}" Zlib zlib.h ${ZLIB_LIBRARIES})
  jwekms_sbom_part(libp11 "${LIBP11_VERSION}" LGPL-2.1-or-later libp11.h ${LIBP11_LINK_LIBRARIES})
  jwekms_sbom_part(p11-kit "${P11_KIT_VERSION}" BSD-3-Clause p11-kit/pkcs11.h)
  jwekms_sbom_part(tomlplusplus "${TOMLPLUSPLUS_VERSION}" MIT toml++/toml.h)
  jwekms_sbom_needs(jwekms openssl sqlite cjson zlib libp11 p11-kit tomlplusplus)
  jwekms_sbom_write(jwekms library)
endfunction()

function(jwekms_sbom_tools)
  get_directory_property(CLI11_VERSION DIRECTORY jwekms_cli DEFINITION CLI11_VERSION)
  jwekms_sbom_part(openssl "${OPENSSL_VERSION}" Apache-2.0 openssl/crypto.h ${OPENSSL_CRYPTO_LIBRARY})
  jwekms_sbom_part(cjson "${CJSON_VERSION}" MIT cjson/cJSON.h ${CJSON_LINK_LIBRARIES})
  jwekms_sbom_part(cli11 "${CLI11_VERSION}" BSD-3-Clause CLI/CLI.hpp)
  jwekms_sbom_part(jwekms "${PROJECT_VERSION}" Apache-2.0 "" shared)
  jwekms_sbom_program(jwekms-doctor jwekms)
  jwekms_sbom_program(jwekms jwekms cli11 cjson openssl)
  if(JWEKMS_SERVER)
    foreach(variable Boost_VERSION CJOSE_VERSION CJOSE_LINK_LIBRARIES)
      get_directory_property(${variable} DIRECTORY rest_server DEFINITION ${variable})
    endforeach()
    pkg_check_modules(JANSSON jansson)
    jwekms_sbom_part(boost "${Boost_VERSION}" BSL-1.0 boost/asio.hpp)
    jwekms_sbom_part(cjose "${CJOSE_VERSION}" MIT cjose/cjose.h ${CJOSE_LINK_LIBRARIES})
    jwekms_sbom_part(jansson "${JANSSON_VERSION}" MIT jansson.h)
    jwekms_sbom_program(jwekms-server jwekms boost cjose jansson openssl)
  endif()
  jwekms_sbom_write(jwekms-tools application)
endfunction()
