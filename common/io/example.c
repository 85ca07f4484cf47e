/* SPDX-License-Identifier: Apache-2.0
 *
 * A whole tf.Example as the protobuf library sees it. Two walks: one finds the
 * entries and counts their values, one writes them. */
#include "io/example.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/parse_example_wire.h"
#include "base/banned.h"

#define MAX_GROUPS 100

/* An entry as it lies in the message. */
struct raw {
    struct example_bytes key;
    const uint8_t *data; /* the entry: its fields */
    size_t n, order;
    enum example_kind kind;
    size_t first; /* number of the list from which on values count */
    size_t count;
};

/* A field: its number, wire type, and data (of length-delimited ones). */
struct field {
    uint32_t number, type;
    const uint8_t *data;
    size_t n;
    uint64_t integer;
};

static bool skip_group(struct wire *w, uint32_t number);

/* The next field; false when there is no sound one. */
static bool next_field(struct wire *w, struct field *f)
{
    uint64_t tag, n;

    if (!wire_read64(w, &tag) || tag >> 3 == 0 || tag >> 32 != 0) {
        return false;
    }
    *f = (struct field){.number = (uint32_t)(tag >> 3), .type = tag & 7};
    switch (f->type) {
        case 0:
            return wire_read64(w, &f->integer);
        case 1:
        case 5:
            f->n = f->type == 1 ? 8 : 4;
            break;
        case 2:
            if (!wire_read64(w, &n) || n > INT32_MAX) {
                return false;
            }
            f->n = (size_t)n;
            break;
        case 3:
            return skip_group(w, f->number);
        default:
            return false;
    }
    f->data = w->p;
    return wire_skip(w, (uint32_t)f->n);
}

/* Without recursion: the numbers of the groups that are open. */
static bool skip_group(struct wire *w, uint32_t number)
{
    uint32_t open[MAX_GROUPS];
    size_t depth = 0;

    open[depth++] = number;
    while (depth > 0) {
        const uint8_t *p = w->p;
        uint64_t tag;
        struct field f;

        if (!wire_read64(w, &tag)) {
            return false;
        }
        if ((tag & 7) == 4) {
            if (tag >> 3 != open[--depth]) {
                return false;
            }
        } else if ((tag & 7) == 3) {
            if (depth == MAX_GROUPS) {
                return false;
            }
            open[depth++] = (uint32_t)(tag >> 3);
        } else {
            w->p = p;
            if (!next_field(w, &f)) {
                return false;
            }
        }
    }
    return true;
}

/* ------------------------------------------------------------------- lists */

/* Values of one list message: counted, and written from *at on if `e` is not
 * NULL (its value's memory is ours). */
static bool read_bytes(struct wire w, const struct example_entry *e, size_t *at)
{
    struct field f;

    while (!wire_at_end(&w)) {
        if (!next_field(&w, &f)) {
            return false;
        }
        if (f.number != 1 || f.type != 2) {
            continue;
        }
        if (e != NULL) {
            struct example_bytes *to = (void *)(uintptr_t)e->value.bytes;

            to[*at] = (struct example_bytes){(const char *)f.data, f.n};
        }
        (*at)++;
    }
    return true;
}

static void put_float(const struct example_entry *e,
                      size_t *at,
                      const uint8_t *p)
{
    if (e != NULL) {
        memcpy((float *)(uintptr_t)e->value.floats + *at, p, sizeof(float));
    }
    (*at)++;
}

static bool read_floats(struct wire w,
                        const struct example_entry *e,
                        size_t *at)
{
    struct field f;

    while (!wire_at_end(&w)) {
        if (!next_field(&w, &f)) {
            return false;
        }
        if (f.number != 1 || (f.type != 2 && f.type != 5)) {
            continue;
        }
        if (f.n % 4 != 0) {
            return false;
        }
        for (size_t i = 0; i < f.n; i += 4) {
            put_float(e, at, f.data + i);
        }
    }
    return true;
}

static void put_int(const struct example_entry *e, size_t *at, uint64_t v)
{
    if (e != NULL) {
        ((int64_t *)(uintptr_t)e->value.ints)[*at] = (int64_t)v;
    }
    (*at)++;
}

static bool read_ints(struct wire w, const struct example_entry *e, size_t *at)
{
    struct field f;
    uint64_t v;

    while (!wire_at_end(&w)) {
        if (!next_field(&w, &f)) {
            return false;
        }
        if (f.number == 1 && f.type == 0) {
            put_int(e, at, f.integer);
        } else if (f.number == 1 && f.type == 2) {
            struct wire packed = wire_of(f.data, f.n);

            while (!wire_at_end(&packed)) {
                if (!wire_read64(&packed, &v)) {
                    return false;
                }
                put_int(e, at, v);
            }
        }
    }
    return true;
}

static bool read_list(enum example_kind kind,
                      const struct field *f,
                      const struct example_entry *e,
                      size_t *at)
{
    struct wire w = wire_of(f->data, f->n);

    switch (kind) {
        case EXAMPLE_BYTES:
            return read_bytes(w, e, at);
        case EXAMPLE_FLOAT:
            return read_floats(w, e, at);
        default:
            return read_ints(w, e, at);
    }
}

/* ----------------------------------------------------------------- entries */

/* The lists of the entry's Features, one after the other. e NULL: find kind,
 * count, and from which list on they count (another kind drops what came
 * before); otherwise write those. */
static bool read_values(struct raw *raw, const struct example_entry *e)
{
    struct wire entry = wire_of(raw->data, raw->n);
    size_t number = 0, at = 0;
    struct field value, list;

    while (!wire_at_end(&entry)) {
        struct wire w;

        if (!next_field(&entry, &value)) {
            return false;
        }
        if (value.number != 2 || value.type != 2) {
            continue;
        }
        w = wire_of(value.data, value.n);
        while (!wire_at_end(&w)) {
            if (!next_field(&w, &list)) {
                return false;
            }
            if (list.type != 2 || list.number > EXAMPLE_INT64) {
                continue;
            }
            if (e == NULL && (enum example_kind)list.number != raw->kind) {
                raw->kind = (enum example_kind)list.number;
                raw->first = number;
                at = 0;
            }
            if (number++ >= raw->first &&
                !read_list(raw->kind, &list, e, &at)) {
                return false;
            }
        }
    }
    raw->count = at;
    return true;
}

static bool read_key(struct raw *raw)
{
    struct wire w = wire_of(raw->data, raw->n);
    struct field f;

    while (!wire_at_end(&w)) {
        if (!next_field(&w, &f)) {
            return false;
        }
        if (f.number == 1 && f.type == 2) {
            raw->key = (struct example_bytes){(const char *)f.data, f.n};
        }
    }
    return true;
}

/* All entries of the message, to `raw` unless it is NULL; false at *bad. */
static bool walk(const void *message,
                 size_t n,
                 struct raw *raw,
                 size_t *count,
                 const uint8_t **bad)
{
    struct wire w = wire_of(message, n);
    struct field features, f;

    *count = 0;
    while (!wire_at_end(&w)) {
        struct wire in;

        *bad = w.p;
        if (!next_field(&w, &features)) {
            return false;
        }
        if (features.number != 1 || features.type != 2) {
            continue;
        }
        in = wire_of(features.data, features.n);
        while (!wire_at_end(&in)) {
            *bad = in.p;
            if (!next_field(&in, &f)) {
                return false;
            }
            if (f.number != 1 || f.type != 2) {
                continue;
            }
            if (raw != NULL) {
                struct raw *r = &raw[*count];

                *r = (struct raw){.data = f.data, .n = f.n, .order = *count};
                if (!read_key(r) || !read_values(r, NULL)) {
                    return false;
                }
            }
            (*count)++;
        }
    }
    return true;
}

static int compare_keys(const struct example_bytes *a,
                        const struct example_bytes *b)
{
    size_t n = a->n < b->n ? a->n : b->n;
    int order = n > 0 ? memcmp(a->data, b->data, n) : 0;

    return order != 0 ? order : (a->n > b->n) - (a->n < b->n);
}

static int by_key(const void *a, const void *b)
{
    const struct raw *x = a, *y = b;
    int order = compare_keys(&x->key, &y->key);

    return order != 0 ? order : (x->order > y->order) - (x->order < y->order);
}

/* Sorted, and of each key only the last. Returns how many are left. */
static size_t last_of_each(struct raw *raw, size_t n)
{
    size_t left = 0;

    if (n > 1) {
        qsort(raw, n, sizeof *raw, by_key);
    }
    for (size_t i = 0; i < n; i++) {
        if (i + 1 == n || compare_keys(&raw[i].key, &raw[i + 1].key) != 0) {
            raw[left++] = raw[i];
        }
    }
    return left;
}

static size_t value_bytes(const struct raw *raw)
{
    size_t each = raw->kind == EXAMPLE_BYTES ? sizeof(struct example_bytes)
                                             : sizeof(int64_t);

    return raw->count * each; /* a float has room for an integer: aligned */
}

static int fill(struct raw *raw,
                size_t n,
                struct example_map *out,
                struct crew_err *err)
{
    size_t bytes = n * sizeof *out->entry;
    void *memory = NULL;
    char *at;

    for (size_t i = 0; i < n; i++) {
        bytes += value_bytes(&raw[i]);
    }
    if (mem_try(bytes + 1, 1, "values of an Example", &memory, err) !=
        CREW_OK) {
        return err->code;
    }
    *out = (struct example_map){n, memory, memory};
    at = (char *)memory + n * sizeof *out->entry;
    for (size_t i = 0; i < n; i++) {
        struct example_entry *e = &out->entry[i];

        *e = (struct example_entry){
            raw[i].key, raw[i].kind, raw[i].count, {.bytes = (void *)at}};
        at += value_bytes(&raw[i]);
        (void)read_values(&raw[i], e); /* sound, as the first walk found */
    }
    return CREW_OK;
}

int example_map_read(const void *message,
                     size_t n,
                     struct example_map *out,
                     struct crew_err *err)
{
    const uint8_t *bad = message;
    void *raw = NULL;
    size_t count = 0;

    if (n > INT32_MAX || !walk(message, n, NULL, &count, &bad)) {
        goto unsound;
    }
    if (mem_try(count + 1, sizeof(struct raw), "entries of an Example", &raw,
                err) != CREW_OK) {
        return err->code;
    }
    if (!walk(message, n, raw, &count, &bad)) {
        goto unsound;
    }
    (void)fill(raw, last_of_each(raw, count), out, err);
    free(raw);
    return err->code;
unsound:
    free(raw);
    return crew_err_exit(err, CREW_DATA_LOSS, 65,
                         "no tf.Example: the field at byte %zu of %zu is "
                         "damaged. Fix: is this a file of Examples?",
                         n > 0 ? (size_t)(bad - (const uint8_t *)message) : 0,
                         n);
}

void example_map_release(struct example_map *map)
{
    free(map->memory);
    *map = (struct example_map){0};
}

const struct example_entry *example_map_find(const struct example_map *map,
                                             const char *key)
{
    struct example_bytes want = {key, strlen(key)};

    for (size_t i = 0; i < map->n; i++) {
        if (compare_keys(&map->entry[i].key, &want) == 0) {
            return &map->entry[i];
        }
    }
    return NULL;
}
