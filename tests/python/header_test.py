# SPDX-License-Identifier: Apache-2.0
"""The binding against jwekms.h: layouts as the C compiler has them, values, functions, parameters."""
import ctypes
import enum
import re
import subprocess

import pytest
from conftest import ROOT

from jwekms import _errors, _structs, _types

CAPI = ROOT / "capi"
HEADER = (CAPI / "jwekms.h").read_text() + (CAPI / "jwekms_provider.h").read_text()

STRUCTS = {
    "error": _structs.Error, "hsm_slot": _structs.HsmSlot, "hsm_options": _structs.HsmOptions,
    "audit_event": _structs.AuditEvent, "open_options": _structs.OpenOptions,
    "decrypt_options": _structs.DecryptOptions, "encrypt_options": _structs.EncryptOptions,
    "create_key_options": _structs.CreateKeyOptions, "import_key_options": _structs.ImportKeyOptions,
    "unwrap_key_options": _structs.UnwrapKeyOptions, "list_keys_options": _structs.ListKeysOptions,
    "finding": _structs.Finding, "provider": _structs.Provider,
    "provided_key": _structs.ProvidedKey, "provided_cek": _structs.ProvidedCek,
    "sealed_content": _structs.SealedContent, "sealing": _structs.Sealing,
}
ENUMS = {
    "": _errors.Status, "KEY_TYPE_": _types.KeyType, "KEY_": _types.KeyState,
    "KEY_FORMAT_": _types.KeyFormat, "ALLOW_": _types.Allow,
    "MAY_": _types.Permission, "HSM_LOGIN_": _types.Login, "CEK_IN_": _types.CekBoundary,
    "FINDING_": _types.Verdict,
}
# In C alone, or with other words in Python.
NOT_IN_C = {"KEY_TYPE_UNKNOWN", "KEY_UNKNOWN", "FINDING_UNKNOWN", "ALLOW_NOTHING"}


def compiled(tmp_path, lines):
    """Numbers that a C program prints, one for each expression."""
    body = "".join(f'  printf("%lld\\n", (long long)({line}));\n' for line in lines)
    source = tmp_path / "numbers.c"
    source.write_text("#include <stdio.h>\n#include <stddef.h>\n#include <jwekms_provider.h>\n"
                      "int main(void) {\n" + body + "  return 0;\n}\n")
    program = tmp_path / "numbers"
    subprocess.run(["cc", "-std=c99", "-I", CAPI, source, "-o", program], check=True)
    return [int(line) for line in subprocess.run([program], check=True, capture_output=True,
                                                 text=True).stdout.split()]


def layout(structs):
    """(expression in C, what ctypes has) for each size and offset."""
    for name, struct in structs.items():
        yield f"sizeof(jwekms_{name})", ctypes.sizeof(struct)
        for field, *_ in struct._fields_:
            member = getattr(struct, field)
            yield f"offsetof(jwekms_{name}, {field})", member.offset
            yield f"sizeof(((jwekms_{name} *)0)->{field})", member.size


def test_structs_are_laid_out_as_in_c(tmp_path):
    expected = dict(layout(STRUCTS))
    assert dict(zip(expected, compiled(tmp_path, expected))) == expected


def test_a_wrong_layout_would_be_seen(tmp_path):
    class Error(ctypes.Structure):
        _fields_ = [("struct_size", ctypes.c_uint32), ("text", ctypes.c_char_p), ("code", ctypes.c_int32)]

    expected = dict(layout({"error": Error}))
    assert dict(zip(expected, compiled(tmp_path, expected))) != expected


def test_every_struct_of_options_is_here():
    named = re.findall(r"^} jwekms_(\w+);", HEADER, re.MULTILINE) + ["provider"]
    assert sorted(named) == sorted(STRUCTS)


def test_enums_have_the_values_of_c(tmp_path):
    expected = {f"JWEKMS_{prefix}{member.name}": member.value
                for prefix, kind in ENUMS.items() for member in kind
                if prefix + member.name not in NOT_IN_C}
    assert dict(zip(expected, compiled(tmp_path, expected))) == expected


def test_every_value_of_c_is_here():
    inside = re.findall(r"^  JWEKMS_(\w+) = \d+", HEADER, re.MULTILINE)
    ours = {prefix + member.name for prefix, kind in ENUMS.items() for member in kind}
    other_words = {  # bool, Optional[bool] and Serialization in Python
        "HSM_SLOT_BY_ID", "HSM_FORBID_WEAK_KEYS", "AS_USUAL", "ON", "OFF", "COMPACT", "FLATTENED",
        "STORE_IN_HSM", "PROVIDED_CEK_STAYS", "PROVIDED_NO_DECRYPT", "PROVIDED_NO_ENCRYPT",
    }
    assert set(inside) - other_words == ours - NOT_IN_C


KINDS = {ctypes.c_void_p: "pointer", ctypes.c_char_p: "pointer", ctypes.c_size_t: "size_t",
         ctypes.c_int32: "int32_t", ctypes.c_uint32: "uint32_t", ctypes.c_int64: "int64_t",
         None: "void"}
KINDS[_structs.FindingCallback] = "jwekms_finding_callback"
KINDS[_structs.ProgressCallback] = "jwekms_progress_callback"


def kind_of(declaration):
    if "*" in declaration:
        return "pointer"
    words = declaration.replace("const ", "").split()
    return "int32_t" if words[0] == "jwekms_status" else words[0]


def declared():
    """name: (return type, parameters) as jwekms.h declares them."""
    code = re.sub(r"//[^\n]*", "", HEADER)
    for result, name, parameters in re.findall(
            r"^((?:const )?\w+\*? ?)(jwekms_\w+)\(([^)]*)\);", code, re.MULTILINE):
        each = [] if parameters == "void" else [part.strip() for part in parameters.split(",")]
        yield name, (kind_of(result), [kind_of(part) for part in each])


def test_functions_are_called_with_what_they_take():
    c = dict(declared())
    sizes = {"uint64_t": "size_t"}  # one to ctypes
    ours = {f"jwekms_{name}": (KINDS[result], [KINDS[each] for each in parameters])
            for name, (result, parameters) in _structs.PROTOTYPES.items()}
    assert ours == {name: (sizes.get(result, result), parameters) for name, (result, parameters) in c.items()}


def test_every_exported_function_is_here():
    exported = [line for line in (CAPI / "jwekms.symbols").read_text().split() if line.startswith("jwekms_")]
    assert exported and sorted(exported) == sorted(f"jwekms_{name}" for name in _structs.PROTOTYPES)


@pytest.mark.parametrize("version, complaint", [
    (2, "C ABI version 2"),
    (1, "the library is older than this package"),  # one function is all that it has
])
def test_a_library_that_does_not_fit_is_refused(tmp_path, version, complaint):
    source = tmp_path / "other.c"
    source.write_text(f"unsigned jwekms_abi_version(void) {{ return {version}; }}\n")
    library = tmp_path / "libother.so"
    subprocess.run(["cc", "-shared", "-fPIC", source, "-o", library], check=True)
    from jwekms import _library
    with pytest.raises(OSError, match=complaint):
        _library.Library(str(library))


def test_another_library_beside_a_loaded_one_is_refused(tmp_path):
    import jwekms
    jwekms.load(jwekms._library.get().path)
    with pytest.raises(RuntimeError, match="loaded already"):
        jwekms.load(tmp_path / "libjwekms.so")


def test_versions_are_one():
    import jwekms
    assert jwekms.library_version() == jwekms.__version__


def test_an_enum_value_of_a_newer_library():
    assert _types.KeyType(77) is _types.KeyType.UNKNOWN
    assert _types.KeyState(77) is _types.KeyState.UNKNOWN
    assert _errors.Status(77) is _errors.Status.INTERNAL_ERROR
    assert isinstance(_types.KeyFormat.JWK, enum.IntEnum)
    with pytest.raises(ValueError):
        _types.KeyFormat(77)
