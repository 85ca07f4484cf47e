/* SPDX-License-Identifier: Apache-2.0
 *
 * Wire bytes as protobuf's CodedInputStream over an array gives them out, for
 * parsers that must accept and refuse what TensorFlow's do: limits that are
 * clipped to the outer one, lengths of which 32 bits count, ten-byte integers
 * whose upper bits are lost. Every call stays within [p, limit).
 * Source: google/protobuf/io/coded_stream.{h,cc}. */
#ifndef IO_PARSE_EXAMPLE_WIRE_H
#define IO_PARSE_EXAMPLE_WIRE_H

#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"

enum {
    TAG_VARINT_1 = 0x08,
    TAG_BYTES_1 = 0x0a,
    TAG_BYTES_2 = 0x12,
    TAG_BYTES_3 = 0x1a,
    TAG_FIXED32_1 = 0x0d
};

static inline uint32_t wire_load32(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof v);
    return v;
}

static inline uint64_t wire_load64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, sizeof v);
    return v;
}

/* The byte after the integer, or NULL when it does not end before `end` or
 * within ten bytes. */
static inline const uint8_t *wire_varint_slow(const uint8_t *p,
                                              const uint8_t *end,
                                              uint64_t *v)
{
    uint64_t value = 0;

    for (unsigned shift = 0; p < end && shift < 70; shift += 7) {
        uint8_t byte = *p++;

        value |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
        if (byte < 0x80) {
            *v = value;
            return p;
        }
    }
    return NULL;
}

/* The same, eight bytes at a time: no branch on the length. */
static inline const uint8_t *wire_varint(const uint8_t *p,
                                         const uint8_t *end,
                                         uint64_t *v)
{
    uint64_t w, stop;

    if (end - p < 8) {
        return wire_varint_slow(p, end, v);
    }
    w = wire_load64(p);
    stop = ~w & 0x8080808080808080u;
    if (stop == 0) {
        return wire_varint_slow(p, end, v);
    }
    p += (unsigned)__builtin_ctzll(stop) / 8 + 1;
    w &= (stop ^ (stop - 1)) & 0x7f7f7f7f7f7f7f7fu;
    w = (w & 0x007f007f007f007fu) | (w & 0x7f007f007f007f00u) >> 1;
    w = (w & 0x00003fff00003fffu) | (w & 0x3fff00003fff0000u) >> 2;
    *v = (w & 0x000000000fffffffu) | (w & 0x0fffffff00000000u) >> 4;
    return p;
}

struct wire {
    const uint8_t *p, *limit;
};

/* n bytes; data may be NULL when n is 0. */
static inline struct wire wire_of(const void *data, size_t n)
{
    static const uint8_t none = 0;
    const uint8_t *p = n > 0 ? data : &none;

    return (struct wire){p, p + n};
}

static inline bool wire_at_end(const struct wire *w)
{
    return w->p == w->limit;
}

static inline bool wire_read64(struct wire *w, uint64_t *v)
{
    const uint8_t *p = wire_varint(w->p, w->limit, v);

    if (p == NULL) {
        return false;
    }
    w->p = p;
    return true;
}

static inline bool wire_read32(struct wire *w, uint32_t *v)
{
    uint64_t wide;

    if (!wire_read64(w, &wide)) {
        return false;
    }
    *v = (uint32_t)wide;
    return true;
}

/* A one-byte tag that must come next. */
static inline bool wire_expect(struct wire *w, uint8_t tag)
{
    if (w->p == w->limit || *w->p != tag) {
        return false;
    }
    w->p++;
    return true;
}

/* Any tag; 0 at the end and for what is none. */
static inline uint32_t wire_tag(struct wire *w)
{
    uint32_t tag;

    return wire_read32(w, &tag) ? tag : 0;
}

/* Narrow the limit to n bytes from here, if that is narrower; the old limit. */
static inline const uint8_t *wire_push(struct wire *w, uint32_t n)
{
    const uint8_t *old = w->limit;

    if (n <= INT32_MAX && n < (size_t)(w->limit - w->p)) {
        w->limit = w->p + n;
    }
    return old;
}

/* Skip n bytes; false (and at the limit) when there are fewer. */
static inline bool wire_skip(struct wire *w, uint32_t n)
{
    if (n > INT32_MAX) {
        return false;
    }
    if (n > (size_t)(w->limit - w->p)) {
        w->p = w->limit;
        return false;
    }
    w->p += n;
    return true;
}

/* A length and as many bytes. */
static inline bool wire_bytes(struct wire *w, const uint8_t **data, uint32_t *n)
{
    if (!wire_read32(w, n) || *n > (size_t)(w->limit - w->p)) {
        return false;
    }
    *data = w->p;
    w->p += *n;
    return true;
}

/* A field that no one asked for, with its tag; groups fail. */
static inline bool wire_skip_field(struct wire *w)
{
    uint64_t wide;
    uint32_t n;

    switch (wire_tag(w) & 7) {
        case 0:
            return wire_read64(w, &wide);
        case 1:
            return wire_skip(w, 8);
        case 5:
            return wire_skip(w, 4);
        case 2:
            if (!wire_read32(w, &n)) {
                return false;
            }
            (void)wire_skip(w, n); /* TensorFlow does not look at it either */
            return true;
        default:
            return false;
    }
}

#endif
