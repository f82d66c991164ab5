# SPDX-License-Identifier: Apache-2.0
"""What a decryption costs from Python above the same call in C: one "dir" token of 1 KiB, one context,
one process. The sides take turns, and the least CPU time of each counts.

    PYTHONPATH=capi/python python3 tests/bench/python_bench.py .build/release/libjwekms.so [--quick]
"""
import ctypes
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import jwekms

LOOP = """
#include <jwekms.h>
typedef jwekms_status decrypt_fn(const jwekms_ctx*, const char*, size_t, const jwekms_decrypt_options*,
                                 uint8_t*, size_t*, jwekms_error*);
jwekms_status loop(decrypt_fn* decrypt, const jwekms_ctx* ctx, const char* token, size_t token_len,
                   uint8_t* out, size_t out_size, size_t count) {
  jwekms_status status = JWEKMS_OK;
  while (count-- > 0 && status == JWEKMS_OK) {
    jwekms_error error = JWEKMS_ERROR_INIT;
    size_t out_len = out_size;
    status = decrypt(ctx, token, token_len, NULL, out, &out_len, &error);
  }
  return status;
}
"""


def compiled(folder):
    source, library = folder / "loop.c", folder / "loop.so"
    source.write_text(LOOP)
    include = pathlib.Path(__file__).resolve().parents[2] / "capi"
    subprocess.run(["cc", "-std=c99", "-O2", "-shared", "-fPIC", "-I", include, source, "-o", library],
                   check=True)
    function = ctypes.CDLL(str(library)).loop
    function.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_size_t, ctypes.c_void_p] + [ctypes.c_size_t] * 2
    return function


def sides(kms, token, payload, loop):
    """name: a function that decrypts so many times."""
    buffer = bytearray(len(token))
    place = (ctypes.c_char * 0).from_buffer(buffer)
    decrypt = ctypes.cast(jwekms._library.get().decrypt, ctypes.c_void_p)

    def in_c(count):
        assert loop(decrypt, kms._ctx(), token, len(token), place, len(buffer), count) == 0
        assert buffer[:1024] == payload

    def into(count):
        for _ in range(count):
            kms.decrypt_into(token, buffer)
        assert buffer[:1024] == payload

    def plain(count):
        for _ in range(count):
            out = kms.decrypt(token)
        assert out == payload

    return {"C": in_c, "decrypt_into": into, "decrypt": plain}


def main():
    quick = "--quick" in sys.argv[2:]
    passes, count = (2, 50) if quick else (40, 2000)
    jwekms.load(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        loop = compiled(pathlib.Path(folder))
        with jwekms.Kms(os.path.join(folder, "keys.db"), on_warning=lambda text: None) as kms:
            kms.create_key(uid="k", type=jwekms.KeyType.OCT)
            payload = os.urandom(1024)
            token = kms.encrypt(payload, "k", alg="dir").encode()
            each = sides(kms, token, payload, loop)
            least = dict.fromkeys(each, float("inf"))
            for _ in range(passes):
                for name, run in each.items():
                    before = time.thread_time_ns()
                    run(count)
                    least[name] = min(least[name], (time.thread_time_ns() - before) / count)
    print(f"dir, 1 KiB, Python {sys.version.split()[0]}: ns/op, above C")
    for name, figure in least.items():
        print(f"{name:14}{figure:8.0f}{figure - least['C']:8.0f}")


if __name__ == "__main__":
    main()
