/* SPDX-License-Identifier: Apache-2.0
 * Writing tf.Example messages. */
#include <string.h>

#include "io/example.h"
#include "io/varint.h"
#include "base/banned.h"

enum { TAG_1 = 0x0a, TAG_2 = 0x12 };

static size_t varint_size(uint64_t v)
{
    size_t n = 1;

    while (v >= 0x80) {
        v >>= 7;
        n++;
    }
    return n;
}

static void put_head(struct strbuf *out, uint8_t tag, size_t n)
{
    strbuf_add(out, &tag, 1);
    varint_put(out, n);
}

void example_writer_init(struct example_writer *w)
{
    strbuf_init(&w->features);
    strbuf_init(&w->list);
}

void example_writer_release(struct example_writer *w)
{
    strbuf_release(&w->features);
    strbuf_release(&w->list);
}

/* The entry's head, up to its list's bytes; the list has n of them. */
static void put_entry(struct example_writer *w,
                      const char *key,
                      uint8_t kind,
                      size_t n)
{
    size_t key_n = strlen(key);
    size_t feature = kind == 0 ? 0 : 1 + varint_size(n) + n;
    size_t entry =
        1 + varint_size(key_n) + key_n + 1 + varint_size(feature) + feature;

    put_head(&w->features, TAG_1, entry);
    put_head(&w->features, TAG_1, key_n);
    strbuf_add(&w->features, key, key_n);
    put_head(&w->features, TAG_2, feature);
    if (kind != 0) {
        put_head(&w->features, (uint8_t)(kind << 3 | 2), n);
    }
}

void example_add_bytes(struct example_writer *w,
                       const char *key,
                       const struct example_bytes *values,
                       size_t n)
{
    size_t bytes = 0;

    for (size_t i = 0; i < n; i++) {
        bytes += 1 + varint_size(values[i].n) + values[i].n;
    }
    put_entry(w, key, EXAMPLE_BYTES, bytes);
    for (size_t i = 0; i < n; i++) {
        put_head(&w->features, TAG_1, values[i].n);
        strbuf_add(&w->features, values[i].data, values[i].n);
    }
}

/* w->list as the packed values of a list. */
static void put_packed(struct example_writer *w, const char *key, uint8_t kind)
{
    size_t n = w->list.len;

    if (n == 0) {
        put_entry(w, key, kind, 0);
        return;
    }
    put_entry(w, key, kind, 1 + varint_size(n) + n);
    put_head(&w->features, TAG_1, n);
    strbuf_add(&w->features, w->list.data, n);
    strbuf_reset(&w->list);
}

void example_add_floats(struct example_writer *w,
                        const char *key,
                        const float *values,
                        size_t n)
{
    strbuf_add(&w->list, values, n * sizeof *values);
    put_packed(w, key, EXAMPLE_FLOAT);
}

void example_add_ints(struct example_writer *w,
                      const char *key,
                      const int64_t *values,
                      size_t n)
{
    for (size_t i = 0; i < n; i++) {
        varint_put(&w->list, (uint64_t)values[i]);
    }
    put_packed(w, key, EXAMPLE_INT64);
}

void example_add_none(struct example_writer *w, const char *key)
{
    put_entry(w, key, EXAMPLE_NONE, 0);
}

void example_writer_finish(struct example_writer *w, struct strbuf *out)
{
    put_head(out, TAG_1, w->features.len);
    strbuf_add(out, w->features.data, w->features.len);
    strbuf_reset(&w->features);
}
