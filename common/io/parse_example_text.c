/* SPDX-License-Identifier: Apache-2.0
 * The words of parse_example's errors. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "io/parse_example_impl.h"
#include "base/banned.h"

/* Bytes of the UTF-8 character at p, 0 if there is none. Overlong forms and
 * surrogates are none. */
static size_t utf8_length(const uint8_t *p, size_t n)
{
    size_t want = p[0] < 0x80                    ? 1
                  : p[0] >= 0xc2 && p[0] < 0xe0  ? 2
                  : p[0] >= 0xe0 && p[0] < 0xf0  ? 3
                  : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4
                                                 : 0;

    if (want == 0 || want > n) {
        return 0;
    }
    for (size_t i = 1; i < want; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) {
        return 0;
    }
    return want;
}

const char *parse_text(const void *data, size_t n, char *buf, size_t size)
{
    const uint8_t *p = data;
    size_t at = 0;

    PRE(size >= 8);
    for (size_t i = 0; i < n;) {
        size_t bytes =
            p[i] < 0x20 || p[i] == 0x7f ? 0 : utf8_length(p + i, n - i);

        if (at + 4 + 4 > size) {
            (void)snprintf(buf + at, size - at, "...");
            return buf;
        }
        if (bytes == 0) {
            (void)snprintf(buf + at, size - at, "\\x%02x", p[i++]);
            at += 4;
        } else {
            memcpy(buf + at, p + i, bytes);
            at += bytes;
            i += bytes;
        }
    }
    buf[at] = '\0';
    return buf;
}

const char *parse_shape_text(const struct crew_shape *shape,
                             bool steps,
                             char *buf,
                             size_t size)
{
    int at = snprintf(buf, size, steps ? "[?" : "[");

    for (int k = 0; k < shape->rank && at > 0 && (size_t)at < size; k++) {
        at += snprintf(buf + at, size - (size_t)at, "%s%lld",
                       k > 0 || steps ? "," : "", (long long)shape->dim[k]);
    }
    if (at > 0 && (size_t)at + 1 < size) {
        (void)snprintf(buf + at, size - (size_t)at, "]");
    }
    return buf;
}

const char *parse_dtype_text(enum crew_dtype dtype)
{
    switch (dtype) {
        case CREW_FLOAT:
            return "float";
        case CREW_INT64:
            return "int64";
        default:
            return "string";
    }
}

const char *parse_name(const struct parse_run *run, char *buf, size_t size)
{
    const char *unknown = "<unknown>";

    return run->names != NULL ? parse_text(run->names[run->i].data,
                                           run->names[run->i].n, buf, size)
                              : parse_text(unknown, strlen(unknown), buf, size);
}

int parse_fail(struct parse_run *run, int feature, const char *fmt, ...)
{
    const struct example_bytes *key = &run->spec->feature[feature].is.key;
    char what[300], text[300], name[300];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    (void)parse_text(key->data, key->n, text, sizeof text);
    if (run->single) {
        return crew_err_exit(run->err, CREW_INVALID_ARGUMENT, 65,
                             "Key: %s.  %s", text, what);
    }
    return crew_err_exit(run->err, CREW_INVALID_ARGUMENT, 65,
                         "Name: %s, Key: %s, Index: %lld.  %s",
                         parse_name(run, name, sizeof name), text,
                         (long long)run->i, what);
}
