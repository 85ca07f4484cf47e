/* SPDX-License-Identifier: Apache-2.0
 * Ordered code: byte strings that sort as what they encode does. */
#include "checkpoint/slice_key.h"

#include <stdint.h>
#include <string.h>

#include "base/banned.h"

/* Unsigned: a length byte, then the number's bytes, highest first. */
static void add_unsigned(struct strbuf *out, uint64_t v)
{
    uint8_t bytes[9];
    int n = 0;

    while (n < 8 && v >> (8 * n) != 0) {
        n++;
    }
    bytes[0] = (uint8_t)n;
    for (int i = 0; i < n; i++) {
        bytes[1 + i] = (uint8_t)(v >> (8 * (n - 1 - i)));
    }
    strbuf_add(out, bytes, (size_t)n + 1);
}

/* A string: 00 becomes 00 ff and ff becomes ff 00; 00 01 ends it. */
static void add_string(struct strbuf *out, const char *s)
{
    for (; *s != '\0'; s++) {
        strbuf_add(out, s, 1);
        if ((uint8_t)*s == 0xff) {
            strbuf_add(out, "\0", 1);
        }
    }
    strbuf_add(out, "\0\1", 2);
}

/* Signed: n bytes, highest first, with n leading one bits xor-ed into the first
 * ones (all inverted for negative numbers, by their own sign bits). */
static void add_signed(struct strbuf *out, int64_t v)
{
    static const uint8_t head[11][2] = {
        {0, 0},    {0x80, 0}, {0xc0, 0}, {0xe0, 0},    {0xf0, 0},   {0xf8, 0},
        {0xfc, 0}, {0xfe, 0}, {0xff, 0}, {0xff, 0x80}, {0xff, 0xc0}};
    uint64_t magnitude = v < 0 ? ~(uint64_t)v : (uint64_t)v;
    uint8_t bytes[10] = {0};
    int bits = magnitude == 0 ? 0 : 64 - __builtin_clzll(magnitude);
    int n = 1;

    while (bits > 7 * n - 1) {
        n++;
    }
    for (int i = 0; i < n; i++) {
        int shift = 8 * (n - 1 - i);
        uint64_t far = v < 0 ? 0xff : 0; /* the tenth byte is all sign */

        bytes[i] = (uint8_t)(shift >= 64 ? far : (uint64_t)v >> shift);
    }
    bytes[0] = (uint8_t)(bytes[0] ^ head[n][0]);
    if (n > 1) {
        bytes[1] = (uint8_t)(bytes[1] ^ head[n][1]);
    }
    strbuf_add(out, bytes, (size_t)n);
}

void slice_key(struct strbuf *out,
               const char *name,
               const Tensorflow__TensorSliceProto *slice)
{
    strbuf_reset(out);
    add_unsigned(out, 0);
    add_string(out, name);
    add_unsigned(out, slice->n_extent);
    for (size_t i = 0; i < slice->n_extent; i++) {
        const Tensorflow__TensorSliceProto__Extent *e = slice->extent[i];
        bool whole = e->has_length_case !=
                     TENSORFLOW__TENSOR_SLICE_PROTO__EXTENT__HAS_LENGTH_LENGTH;

        add_signed(out, whole ? 0 : e->start);
        add_signed(out, whole ? -1 : e->length);
    }
}
