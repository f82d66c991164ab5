/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded, with glibc: a block that is given back with one of some texts in it ends the program
 * with status 99. JWEKMS_FREED names them, separated by newlines. */
#define _GNU_SOURCE
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void __libc_free(void*);
void* __libc_realloc(void*, size_t);

static void look_at(void* block) {
  static const char* texts;
  static int asked;
  if (block == NULL) return;
  if (!asked) {
    asked = 1;
    texts = getenv("JWEKMS_FREED");
  }
  for (const char* text = texts; text != NULL && *text != '\0';) {
    const char* end = strchrnul(text, '\n');
    if (memmem(block, malloc_usable_size(block), text, (size_t)(end - text)) != NULL) _exit(99);
    text = *end == '\0' ? end : end + 1;
  }
}

void free(void* block) {
  look_at(block);
  __libc_free(block);
}

/* The old block may be given back. */
void* realloc(void* block, size_t size) {
  if (size > malloc_usable_size(block)) look_at(block);
  return __libc_realloc(block, size);
}
