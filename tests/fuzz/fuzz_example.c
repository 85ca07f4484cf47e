/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes parse_example, its SequenceExamples, and the reading of whole
 * Examples.
 *
 * Oracles beyond "no crash": the hot path and the exact one agree (an unknown
 * field at the end of an example changes nothing but the path); a used output
 * gives what a fresh one gives; shapes, indices and splits fit the values, and
 * strings lie in the input or the spec; what is read is what is written again.
 *
 * The first byte: modulo 4, what is fuzzed: 0 a batch, 1 one example, 2
 * SequenceExamples, 3 a whole Example. In a batch each example but the last has
 * two bytes of length in front; the second byte is how many, modulo 4. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "io/example.h"
#include "io/parse_example_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 4, NUM_KEYS = 12 };

static struct parse_spec *spec, *sequence;
static struct parse_output *used;

/* All kinds of all dtypes: "a" to "l"; "m" needs more than a byte of length in
 * its key, "n" is of no elements. */
static void make_features(struct parse_feature *f, const float *ones, bool list)
{
    static const enum crew_dtype dtypes[] = {CREW_FLOAT, CREW_INT64,
                                             CREW_STRING};
    static const char keys[] = "abcdefghijkl";
    static const struct example_bytes words[] = {{"one", 3}, {"two", 3}};
    static const int64_t ints[] = {-1, 1};
    static const void *const defaults[] = {NULL, ints, words};

    for (int i = 0; i < NUM_KEYS; i++) {
        f[i].key = (struct example_bytes){keys + i, 1};
        f[i].kind = (enum parse_kind)(i / 3);
        f[i].dtype = dtypes[i % 3];
        if (list && f[i].kind == PARSE_FIXED) {
            f[i].kind = PARSE_FIXED_SEQUENCE;
        }
        if (f[i].kind == PARSE_FIXED) {
            f[i].default_values = i % 3 == 0 ? ones : defaults[i % 3];
            f[i].num_default = 2;
        }
        if (f[i].kind <= PARSE_FIXED_SEQUENCE) {
            f[i].shape =
                i % 2 == 0 || i < 3 ? crew_shape1(2) : crew_scalar_shape();
            f[i].may_be_missing = true;
        }
    }
}

static void make_specs(void)
{
    static const float ones[] = {1, 1};
    static char long_key[200];
    struct parse_feature f[NUM_KEYS + 2] = {0}, lists[NUM_KEYS] = {0};
    struct crew_err err = {0};

    make_features(f, ones, false);
    make_features(lists, ones, true);
    for (int i = 3; i < 6; i++) { /* the context has no sequences */
        lists[i].shape = crew_shape1(3);
    }
    memset(long_key, 'm', sizeof long_key);
    f[12] = (struct parse_feature){.key = {long_key, sizeof long_key},
                                   .kind = PARSE_VAR_LEN,
                                   .dtype = CREW_INT64};
    f[13] = (struct parse_feature){.key = {"n", 1},
                                   .kind = PARSE_FIXED,
                                   .dtype = CREW_FLOAT,
                                   .shape = crew_shape1(0),
                                   .default_values = ones,
                                   .num_default = 0};
    PRE(parse_spec_new(f, 13, &spec, &err) == CREW_OK);
    memmove(&f[3], &f[6], 6 * sizeof *f);
    PRE(parse_spec_new_sequence(f, 9, lists, NUM_KEYS, &sequence, &err) ==
        CREW_OK);
    used = parse_output_new();
}

/* ------------------------------------------------------------------- shape */

static void check_splits(const int64_t *splits, int64_t n, int64_t last)
{
    INVARIANT(splits[0] == 0 && splits[n - 1] == last);
    for (int64_t i = 1; i < n; i++) {
        INVARIANT(splits[i - 1] <= splits[i]);
    }
}

static void check_indices(const struct parse_column *c)
{
    int rank = c->shape.rank;

    for (int64_t i = 0; i < c->n * rank; i++) {
        INVARIANT(c->indices[i] >= 0 && c->indices[i] < c->shape.dim[i % rank]);
    }
    for (int64_t i = 1; i < c->n; i++) { /* in order, none twice */
        const int64_t *a = c->indices + (i - 1) * rank, *b = a + rank;
        int k = 0;

        while (k < rank && a[k] == b[k]) {
            k++;
        }
        INVARIANT(k < rank && a[k] < b[k]);
    }
}

static size_t touch(const struct parse_column *c)
{
    size_t sum = 0;

    for (int64_t i = 0; c->strings != NULL && i < c->n; i++) {
        for (size_t k = 0; k < c->strings[i].n; k++) {
            sum += (unsigned char)c->strings[i].data[k];
        }
    }
    return sum;
}

static void check_columns(const struct parse_spec *s,
                          const struct parse_output *out)
{
    const struct parse_column *c = parse_output_columns(out);

    INVARIANT(c != NULL);
    for (int i = 0; i < parse_spec_count(s); i++, c++) {
        enum parse_kind kind = parse_spec_feature(s, i)->kind;
        int64_t n = 1;

        for (int k = 0; k < c->shape.rank; k++) {
            n *= c->shape.dim[k];
        }
        INVARIANT(kind == PARSE_VAR_LEN ? c->n <= n : c->n == n);
        if (kind == PARSE_VAR_LEN) {
            check_indices(c);
        }
        if (c->row_splits != NULL) {
            check_splits(c->row_splits, c->num_splits, c->n);
        }
        if (c->outer_splits != NULL) {
            check_splits(c->outer_splits, parse_output_batch(out) + 1,
                         c->num_splits - 1);
        }
        INVARIANT(touch(c) < SIZE_MAX);
    }
}

/* ----------------------------------------------------------------- parsing */

struct input {
    struct example_bytes each[MOST];
    int64_t n;
};

static struct input cut(const uint8_t *data, size_t size)
{
    struct input in = {.n = 1 + (size > 0 ? data[0] % MOST : 0)};

    data += size > 0;
    size -= size > 0;
    for (int64_t i = 0; i < in.n; i++) {
        size_t n = size;

        if (i + 1 < in.n && size >= 2) {
            n = (size_t)data[0] | (size_t)data[1] << 8;
            data += 2;
            size -= 2;
            n = n > size ? size : n;
        }
        in.each[i] = (struct example_bytes){(const char *)data, n};
        data += n;
        size -= n;
    }
    return in;
}

/* The output as text, or the error. Owner: caller, strbuf_release(). */
static struct strbuf outcome(int mode,
                             const struct input *in,
                             struct parse_output *out,
                             struct crew_err *err)
{
    const struct parse_spec *s = mode == 2 ? sequence : spec;
    struct strbuf text;
    int rc;

    strbuf_init(&text);
    *err = (struct crew_err){0};
    rc = mode == 0 ? parse_example_batch(s, in->each, NULL, 0, in->n, out, err)
         : mode == 1
             ? parse_example_single(s, in->each, out, err)
             : parse_sequence_batch(s, in->each, NULL, 0, in->n, out, err);
    INVARIANT(rc == err->code);
    if (rc == CREW_OK) {
        check_columns(s, out);
        parse_output_add_json(&text, s, out);
    } else {
        INVARIANT(err->msg[0] != '\0' && parse_output_columns(out) == NULL);
        strbuf_addstr(&text, err->msg);
    }
    return text;
}

static void parse(int mode, const uint8_t *data, size_t size)
{
    struct parse_output *fresh = parse_output_new();
    struct input in = cut(data, size), longer = in;
    struct crew_err err, other;
    char *copies[MOST];
    struct strbuf first, second, third;

    for (int64_t i = 0; i < in.n; i++) { /* field 7, a varint */
        copies[i] = xmalloc(in.each[i].n + 2);
        if (in.each[i].n > 0) {
            memcpy(copies[i], in.each[i].data, in.each[i].n);
        }
        copies[i][in.each[i].n] = 0x38;
        copies[i][in.each[i].n + 1] = 5;
        longer.each[i] = (struct example_bytes){copies[i], in.each[i].n + 2};
    }
    first = outcome(mode, &in, fresh, &err);
    second = outcome(mode, &in, used, &other);
    INVARIANT(strcmp(first.data, second.data) == 0);
    third = outcome(mode, &longer, fresh, &other);
    /* Where a length was clipped at the end, the two bytes fall into it. */
    INVARIANT(err.code != CREW_OK || other.code != CREW_OK ||
              strcmp(first.data, third.data) == 0);
    strbuf_release(&first);
    strbuf_release(&second);
    strbuf_release(&third);
    for (int64_t i = 0; i < in.n; i++) {
        free(copies[i]);
    }
    parse_output_free(fresh);
}

/* -------------------------------------------------------------- whole maps */

static void write_map(const struct example_map *map, struct strbuf *to)
{
    struct example_writer w;

    example_writer_init(&w);
    for (size_t i = 0; i < map->n; i++) {
        const struct example_entry *e = &map->entry[i];
        char *key = xcalloc(e->key.n + 1, 1);

        if (e->key.n > 0) {
            memcpy(key, e->key.data, e->key.n);
        }
        switch (e->kind) {
            case EXAMPLE_BYTES:
                example_add_bytes(&w, key, e->value.bytes, e->n);
                break;
            case EXAMPLE_FLOAT:
                example_add_floats(&w, key, e->value.floats, e->n);
                break;
            case EXAMPLE_INT64:
                example_add_ints(&w, key, e->value.ints, e->n);
                break;
            default:
                example_add_none(&w, key);
                break;
        }
        free(key);
    }
    example_writer_finish(&w, to);
    example_writer_release(&w);
}

/* Written, read, and written again: the same bytes. (A key with a NUL becomes
 * shorter by the first writing, and may then meet another.) */
static void whole(const uint8_t *data, size_t size)
{
    struct example_map map, again;
    struct crew_err err = {0};
    struct strbuf once, twice;

    if (example_map_read(data, size, &map, &err) != CREW_OK) {
        INVARIANT(err.code == CREW_DATA_LOSS && err.msg[0] != '\0');
        return;
    }
    strbuf_init(&once);
    strbuf_init(&twice);
    write_map(&map, &once);
    INVARIANT(example_map_read(once.data, once.len, &again, &err) == CREW_OK);
    INVARIANT(again.n <= map.n);
    write_map(&again, &twice);
    if (again.n == map.n) {
        INVARIANT(once.len == twice.len);
    }
    example_map_release(&map);
    example_map_release(&again);
    strbuf_release(&once);
    strbuf_release(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 20000) {
        return 0;
    }
    if (spec == NULL) {
        make_specs();
    }
    if (data[0] % 4 == 3) {
        whole(data + 1, size - 1);
    } else {
        parse(data[0] % 4, data + 1, size - 1);
    }
    return 0;
}
