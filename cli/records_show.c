/* SPDX-License-Identifier: Apache-2.0
 * crew records: one record as text and as JSON. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "checkpoint/sha256.h"
#include "cli/base64.h"
#include "cli/records.h"
#include "io/example.h"
#include "base/banned.h"

/* How much of a record that is not decoded, and of a feature, text shows. */
enum { SHOWN_BYTES = 60, SHOWN_VALUES = 10, BASE64_MOST = 64 };

static void add_sha256(struct strbuf *out, const struct tfrecord_view *record)
{
    struct sha256 s;
    char sum[65];

    sha256_init(&s);
    sha256_add(&s, record->data, record->len);
    sha256_hex(&s, sum);
    strbuf_addstr(out, sum);
}

/* An Example that has a feature, or is empty as one is written: nothing, or
 * empty Features. Of other bytes that happen to be a message without any
 * nothing is known. */
static bool read_example(const struct tfrecord_view *record,
                         struct example_map *map)
{
    struct crew_err none = {0};

    *map = (struct example_map){0};
    if (example_map_read(record->data, record->len, map, &none) != CREW_OK) {
        return false;
    }
    if (map->n == 0 && record->len > 0 &&
        (record->len != 2 || memcmp(record->data, "\x0a\x00", 2) != 0)) {
        example_map_release(map);
        return false;
    }
    return true;
}

static const char *kind_name(enum example_kind kind)
{
    static const char *const names[] = {"none", "bytes", "float", "int64"};

    return names[kind];
}

/* -------------------------------------------------------------------- text */

static void add_quoted(struct strbuf *out, const char *p, size_t n)
{
    strbuf_addstr(out, "\"");
    for (size_t i = 0; i < n && i < SHOWN_BYTES; i++) {
        unsigned char c = (unsigned char)p[i];

        if (c == '"' || c == '\\') {
            strbuf_addf(out, "\\%c", c);
        } else {
            strbuf_addf(out, c < 0x20 || c >= 0x7f ? "\\x%02x" : "%c", c);
        }
    }
    strbuf_addstr(out, n > SHOWN_BYTES ? "\"..." : "\"");
}

static void add_text_feature(struct strbuf *out, const struct example_entry *e)
{
    strbuf_addstr(out, "    ");
    add_quoted(out, e->key.data, e->key.n);
    strbuf_addf(out, " %s [%zu]", kind_name(e->kind), e->n);
    for (size_t i = 0; i < e->n && i < SHOWN_VALUES; i++) {
        strbuf_addstr(out, " ");
        if (e->kind == EXAMPLE_BYTES) {
            add_quoted(out, e->value.bytes[i].data, e->value.bytes[i].n);
        } else if (e->kind == EXAMPLE_FLOAT) {
            strbuf_addf(out, "%.9g", (double)e->value.floats[i]);
        } else {
            strbuf_addf(out, "%" PRId64, e->value.ints[i]);
        }
    }
    strbuf_addstr(out, e->n > SHOWN_VALUES ? " ...\n" : "\n");
}

void records_add_text(struct strbuf *out,
                      uint64_t i,
                      uint64_t offset,
                      const struct tfrecord_view *record)
{
    struct example_map map;

    strbuf_addf(out, "  record %" PRIu64 " at %" PRIu64 ", %zu bytes", i,
                offset, record->len);
    if (!read_example(record, &map)) {
        strbuf_addstr(out, record->len > 0 ? ": " : "");
        if (record->len > 0) {
            add_quoted(out, record->data, record->len);
        }
        strbuf_addstr(out, "\n");
        return;
    }
    strbuf_addf(out, ", tf.Example of %zu features\n", map.n);
    for (size_t k = 0; k < map.n; k++) {
        add_text_feature(out, &map.entry[k]);
    }
    example_map_release(&map);
}

/* -------------------------------------------------------------------- JSON */

static void add_base64(struct strbuf *out, const char *p, size_t n)
{
    strbuf_addstr(out, "\"");
    base64_add(out, p, n);
    strbuf_addstr(out, "\"");
}

static void add_json_float(struct strbuf *out, double v)
{
    if (isnan(v)) {
        strbuf_addstr(out, "\"NaN\"");
    } else if (isinf(v)) {
        strbuf_addstr(out, v > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    } else {
        strbuf_addf(out, v == 0 && signbit(v) ? "-0.0" : "%.9g", v);
    }
}

static void add_json_feature(struct strbuf *out, const struct example_entry *e)
{
    strbuf_add_json(out, e->key.data, e->key.n);
    strbuf_addstr(out, ":{\"kind\":");
    strbuf_addf(out, e->kind == EXAMPLE_NONE ? "null" : "\"%s\"",
                kind_name(e->kind));
    strbuf_addstr(out, ",\"values\":[");
    for (size_t i = 0; i < e->n; i++) {
        strbuf_addstr(out, i > 0 ? "," : "");
        if (e->kind == EXAMPLE_BYTES) {
            add_base64(out, e->value.bytes[i].data, e->value.bytes[i].n);
        } else if (e->kind == EXAMPLE_FLOAT) {
            add_json_float(out, (double)e->value.floats[i]);
        } else {
            strbuf_addf(out, "%" PRId64, e->value.ints[i]);
        }
    }
    strbuf_addstr(out, "]}");
}

void records_add_json(struct strbuf *out,
                      bool dump,
                      const struct tfrecord_view *record)
{
    struct example_map map;

    strbuf_addf(out, "{\"length\":%zu,\"sha256\":\"", record->len);
    add_sha256(out, record);
    strbuf_addstr(out, "\"");
    if (dump || record->len <= BASE64_MOST) {
        strbuf_addstr(out, ",\"base64\":");
        add_base64(out, record->data, record->len);
    }
    if (dump && read_example(record, &map)) {
        strbuf_addstr(out, ",\"features\":{");
        for (size_t i = 0; i < map.n; i++) {
            strbuf_addstr(out, i > 0 ? "," : "");
            add_json_feature(out, &map.entry[i]);
        }
        strbuf_addstr(out, "}");
        example_map_release(&map);
    }
    strbuf_addstr(out, "}");
}
