/* SPDX-License-Identifier: Apache-2.0
 * A growing byte string. `data` is always NUL-terminated and never NULL after
 * strbuf_init; `len` does not count the NUL. */
#ifndef BASE_STRBUF_H
#define BASE_STRBUF_H

#include <stddef.h>

struct strbuf {
    char *data;
    size_t len, cap;
};
void strbuf_init(struct strbuf *);
void strbuf_release(struct strbuf *);
void strbuf_reset(struct strbuf *); /* empty, memory kept */
void strbuf_add(struct strbuf *, const void *data, size_t n);
void strbuf_addstr(struct strbuf *, const char *s);
void strbuf_addf(struct strbuf *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* As a JSON string, in its quotes. `text` is UTF-8, n bytes. */
void strbuf_add_json(struct strbuf *, const char *text, size_t n);
/* The string; the buffer is released. Owner: caller, free(). */
char *strbuf_detach(struct strbuf *);

#endif
