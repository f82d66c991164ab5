// SPDX-License-Identifier: Apache-2.0
// The blocks of examples/c/README.md, one after the other, and whether they did what the page says.
#include <jwekms.h>
#include <stdio.h>
#include <string.h>

#define TEXT(member, text) (member = text, member##_len = sizeof text - 1)
#define CHECK(call) \
  if ((call) != JWEKMS_OK) return printf("%s: %s\n", #call, error.text), 1

int main(void) {
#include "blocks.inc"

  return !(payload_len == 14 && memcmp(payload, "from a partner", 14) == 0 && jwk_len > 300 &&
           answer_len > 0 && error.code == JWEKMS_OK && http_status == 200 && received_len == 11 &&
           memcmp(received, "for the HSM", 11) == 0);
}
