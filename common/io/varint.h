/* SPDX-License-Identifier: Apache-2.0
 * protobuf's and LevelDB's variable-length integers: 7 bits a byte, lowest
 * first. */
#ifndef IO_VARINT_H
#define IO_VARINT_H

#include <stdint.h>

#include "base/strbuf.h"

static inline void varint_put(struct strbuf *out, uint64_t v)
{
    unsigned char bytes[10];
    size_t n = 0;

    while (v >= 0x80) {
        bytes[n++] = (unsigned char)(v | 0x80);
        v >>= 7;
    }
    bytes[n++] = (unsigned char)v;
    strbuf_add(out, bytes, n);
}

/* The byte after the integer, or NULL when it does not end before `end` or is
 * too large for 64 bits. */
static inline const uint8_t *varint_get(const uint8_t *p,
                                        const uint8_t *end,
                                        uint64_t *v)
{
    uint64_t value = 0;

    for (unsigned shift = 0; p < end && shift < 64; shift += 7) {
        uint8_t byte = *p++;

        if (shift == 63 && byte > 1) {
            return 0;
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *v = value;
            return p;
        }
    }
    return 0;
}

#endif
