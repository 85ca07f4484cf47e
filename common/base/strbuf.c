/* SPDX-License-Identifier: Apache-2.0
 * The growing byte string of strbuf.h. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/banned.h"

void strbuf_init(struct strbuf *b)
{
    b->cap = 64;
    b->len = 0;
    b->data = xmalloc(b->cap);
    b->data[0] = '\0';
}

void strbuf_release(struct strbuf *b)
{
    free(b->data);
    *b = (struct strbuf){0};
}

void strbuf_reset(struct strbuf *b)
{
    b->len = 0;
    b->data[0] = '\0';
}

/* Room for n more bytes and the NUL. */
static void reserve(struct strbuf *b, size_t n)
{
    PRE(b->data != NULL && n < SIZE_MAX / 4 && b->len < SIZE_MAX / 4);
    if (b->len + n + 1 > b->cap) {
        while (b->len + n + 1 > b->cap) {
            b->cap *= 2;
        }
        b->data = xrealloc(b->data, b->cap);
    }
}

void strbuf_add(struct strbuf *b, const void *data, size_t n)
{
    reserve(b, n);
    if (n > 0) {
        memcpy(b->data + b->len, data, n);
    }
    b->len += n;
    b->data[b->len] = '\0';
}

void strbuf_addstr(struct strbuf *b, const char *s)
{
    strbuf_add(b, s, strlen(s));
}

void strbuf_addf(struct strbuf *b, const char *fmt, ...)
{
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    PRE(n >= 0);
    reserve(b, (size_t)n);
    va_start(args, fmt);
    (void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, args);
    va_end(args);
    b->len += (size_t)n;
}

void strbuf_add_json(struct strbuf *b, const char *text, size_t n)
{
    strbuf_add(b, "\"", 1);
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c == '"' || c == '\\') {
            strbuf_addf(b, "\\%c", c);
        } else if (c < 0x20) {
            strbuf_addf(b, "\\u%04x", c);
        } else {
            strbuf_add(b, &text[i], 1);
        }
    }
    strbuf_add(b, "\"", 1);
}

char *strbuf_detach(struct strbuf *b)
{
    char *data = b->data;

    *b = (struct strbuf){0};
    return data;
}
