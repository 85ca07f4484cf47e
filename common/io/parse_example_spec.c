/* SPDX-License-Identifier: Apache-2.0
 * The spec of parse_example: features checked and copied, keys in tables. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "io/parse_example_impl.h"
#include "io/parse_example_wire.h"
#include "tensor/tensor.h"
#include "base/banned.h"

static uint64_t hash_key(const uint8_t *key, size_t n)
{
    const uint64_t k = 0x9e3779b97f4a7c15u;
    uint64_t h = n * k;
    uint64_t last = 0;

    for (; n >= 8; key += 8, n -= 8) {
        h = (h ^ wire_load64(key)) * k;
        h ^= h >> 32;
    }
    for (size_t i = 0; i < n; i++) {
        last |= (uint64_t)key[i] << (8 * i);
    }
    h = (h ^ last) * k;
    return h ^ h >> 32;
}

static bool same_key(const struct spec_feature *f, const uint8_t *key, size_t n)
{
    return f->is.key.n == n && (n == 0 || memcmp(f->is.key.data, key, n) == 0);
}

int spec_find(const struct parse_spec *spec,
              const struct key_table *table,
              const uint8_t *key,
              size_t n)
{
    uint32_t at = (uint32_t)hash_key(key, n) & table->mask;

    for (;; at = (at + 1) & table->mask) {
        uint32_t f = table->place[at];

        if (f == UINT32_MAX) {
            return -1;
        }
        if (same_key(&spec->feature[f], key, n)) {
            return (int)f;
        }
    }
}

/* Features [from, to) by key. */
static int index_keys(struct parse_spec *spec,
                      struct key_table *table,
                      int from,
                      int to,
                      struct crew_err *err)
{
    size_t places = 4;
    void *memory = NULL;

    while (places < (size_t)(to - from) * 2 + 1) {
        places *= 2;
    }
    if (mem_try(places, sizeof *table->place, "table of keys", &memory, err) !=
        CREW_OK) {
        return err->code;
    }
    table->place = memory;
    memset(table->place, 0xff, places * sizeof *table->place);
    table->mask = (uint32_t)places - 1;
    for (int i = from; i < to; i++) {
        const uint8_t *key = (const uint8_t *)spec->feature[i].is.key.data;
        size_t n = spec->feature[i].is.key.n;
        uint32_t at = (uint32_t)hash_key(key, n) & table->mask;
        char text[200];

        if (spec_find(spec, table, key, n) >= 0) {
            return crew_err_set(err, CREW_INVALID_ARGUMENT,
                                "the feature '%s' is asked for twice; name it "
                                "once",
                                parse_text(key, n, text, sizeof text));
        }
        while (table->place[at] != UINT32_MAX) {
            at = (at + 1) & table->mask;
        }
        table->place[at] = (uint32_t)i;
    }
    return CREW_OK;
}

/* The entry's beginning as bytes and words. */
static int make_prefix(struct spec_feature *f, struct crew_err *err)
{
    const struct example_bytes *key = &f->is.key;
    void *memory = NULL;

    if (key->n >= 0x80) {
        return CREW_OK;
    }
    if (mem_try(key->n + 3 < 16 ? 16 : key->n + 3, 1, "key", &memory, err) !=
        CREW_OK) {
        return err->code;
    }
    f->prefix = memory;
    f->prefix_n = key->n + 3;
    f->prefix[0] = TAG_BYTES_1;
    f->prefix[1] = (uint8_t)key->n;
    if (key->n > 0) {
        memcpy(f->prefix + 2, key->data, key->n);
    }
    f->prefix[key->n + 2] = TAG_BYTES_2;
    for (size_t k = 0; k < 2; k++) {
        size_t n = f->prefix_n > 8 * k ? f->prefix_n - 8 * k : 0;

        f->mask[k] = n >= 8 ? UINT64_MAX : ((uint64_t)1 << (8 * n)) - 1;
        f->word[k] = wire_load64(f->prefix + 8 * k) & f->mask[k];
    }
    return CREW_OK;
}

static int copy_bytes(struct example_bytes *b, struct crew_err *err)
{
    void *memory = NULL;

    if (b->n == 0) {
        b->data = NULL;
        return CREW_OK;
    }
    if (mem_try(b->n, 1, "bytes of a spec", &memory, err) != CREW_OK) {
        b->n = 0;
        b->data = NULL;
        return err->code;
    }
    memcpy(memory, b->data, b->n);
    b->data = memory;
    return CREW_OK;
}

/* The defaults become our own; on error as many as were copied stay. */
static int copy_defaults(struct spec_feature *f, struct crew_err *err)
{
    const void *from = f->is.default_values;
    int64_t n = f->is.num_default;
    struct example_bytes *strings;
    void *memory = NULL;

    f->is.default_values = NULL;
    f->is.num_default = 0;
    if (n == 0 ||
        mem_try((size_t)n, f->size, "defaults", &memory, err) != CREW_OK) {
        return err->code;
    }
    f->is.default_values = memory;
    f->is.num_default = n;
    memcpy(memory, from, (size_t)n * f->size);
    strings = memory;
    for (int64_t i = 0; f->is.dtype == CREW_STRING && i < n; i++) {
        if (copy_bytes(&strings[i], err) != CREW_OK) {
            f->is.num_default = i;
            return err->code;
        }
    }
    return CREW_OK;
}

static const char *key_text(const struct spec_feature *f,
                            char *buf,
                            size_t size)
{
    return parse_text(f->is.key.data, f->is.key.n, buf, size);
}

/* dense: how many dense features come before, for TensorFlow's messages. */
static int check_default(const struct spec_feature *f,
                         int dense,
                         struct crew_err *err)
{
    bool steps = f->is.kind == PARSE_FIXED_SEQUENCE;
    char shape[120];

    if (f->is.kind == PARSE_VAR_LEN || f->is.kind == PARSE_RAGGED ||
        f->is.num_default == 0) {
        return CREW_OK;
    }
    (void)parse_shape_text(&f->is.shape, steps, shape, sizeof shape);
    if (steps && f->is.num_default != 1) {
        return crew_err_set(
            err, CREW_INVALID_ARGUMENT,
            "dense_shape[%d] is a variable length shape: %s, therefore "
            "def_value[%d] must contain a single element (the padding "
            "element).  But its shape is: [%lld]",
            dense, shape, dense, (long long)f->is.num_default);
    }
    if (!steps && f->is.num_default != f->stride) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "def_value[%d].shape() == [%lld] is not compatible "
                            "with dense_shapes_[%d] == %s",
                            dense, (long long)f->is.num_default, dense, shape);
    }
    return CREW_OK;
}

static int check_feature(struct spec_feature *f,
                         int dense,
                         struct crew_err *err)
{
    char key[200];

    if (f->is.dtype != CREW_FLOAT && f->is.dtype != CREW_INT64 &&
        f->is.dtype != CREW_STRING) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "the feature '%s' is to be %s; only float32, int64 "
                            "and string can be parsed",
                            key_text(f, key, sizeof key),
                            dtype_name(f->is.dtype));
    }
    f->size = f->is.dtype == CREW_FLOAT    ? sizeof(float)
              : f->is.dtype == CREW_STRING ? sizeof(struct example_bytes)
                                           : sizeof(int64_t);
    f->tag = f->is.dtype == CREW_FLOAT    ? TAG_BYTES_2
             : f->is.dtype == CREW_STRING ? TAG_BYTES_1
                                          : TAG_BYTES_3;
    f->stride = 1;
    if (f->is.kind == PARSE_VAR_LEN || f->is.kind == PARSE_RAGGED) {
        return CREW_OK;
    }
    if (f->is.shape.rank > CREW_MAX_RANK - 2 ||
        shape_count(&f->is.shape, &f->stride, err) != CREW_OK ||
        (f->stride == 0 && f->is.kind == PARSE_FIXED_SEQUENCE) ||
        f->stride > (int64_t)(PARSE_MAX_COLUMN / f->size)) {
        char shape[120];

        err->code = CREW_OK;
        return crew_err_set(
            err, CREW_INVALID_ARGUMENT,
            "the feature '%s' cannot have the shape %s; at most "
            "%d known dimensions, and not too large",
            key_text(f, key, sizeof key),
            shape_text(&f->is.shape, shape, sizeof shape), CREW_MAX_RANK - 2);
    }
    return check_default(f, dense, err);
}

/* features[0..n) become spec->feature[at..). */
static int add_features(struct parse_spec *spec,
                        int at,
                        const struct parse_feature *features,
                        int n,
                        struct crew_err *err)
{
    int dense = 0;

    for (int i = 0; i < n; i++) {
        struct spec_feature *f = &spec->feature[at + i];
        struct spec_feature raw = {.is = features[i]};

        if (check_feature(&raw, dense, err) != CREW_OK) {
            return err->code;
        }
        dense += raw.is.kind <= PARSE_FIXED_SEQUENCE;
        if (raw.is.kind == PARSE_VAR_LEN || raw.is.kind == PARSE_RAGGED) {
            raw.is.num_default = 0;
        }
        *f = raw;
        spec->n++; /* from here on spec_free() frees its parts */
        f->is.default_values = NULL;
        f->is.num_default = 0;
        if (copy_bytes(&f->is.key, err) != CREW_OK) {
            return err->code;
        }
        f->is.default_values = features[i].default_values;
        f->is.num_default = raw.is.num_default;
        if (copy_defaults(f, err) != CREW_OK ||
            make_prefix(f, err) != CREW_OK) {
            return err->code;
        }
    }
    return CREW_OK;
}

static int check_counts(int num_context, int num_lists, struct crew_err *err)
{
    if (num_context < 0 || num_lists < 0 || num_context > PARSE_MAX_FEATURES ||
        num_lists > PARSE_MAX_FEATURES) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "%d and %d features to parse; at most %d",
                            num_context, num_lists, PARSE_MAX_FEATURES);
    }
    return CREW_OK;
}

/* Which kinds may stand where in a SequenceExample. */
static int check_sequence(const struct parse_spec *spec, struct crew_err *err)
{
    for (int i = 0; spec->sequence && i < spec->n; i++) {
        enum parse_kind not =
            i < spec->num_context ? PARSE_FIXED_SEQUENCE : PARSE_FIXED;
        char key[200];

        if (spec->feature[i].is.kind == not ) {
            return crew_err_set(
                err, CREW_INVALID_ARGUMENT,
                "the feature '%s' of a SequenceExample cannot be a %s",
                key_text(&spec->feature[i], key, sizeof key),
                i < spec->num_context
                    ? "FixedLenSequenceFeature in its context"
                    : "FixedLenFeature among its feature lists");
        }
    }
    return CREW_OK;
}

static int spec_new(const struct parse_feature *context,
                    int num_context,
                    const struct parse_feature *lists,
                    int num_lists,
                    bool sequence,
                    struct parse_spec **out,
                    struct crew_err *err)
{
    struct parse_spec *spec;
    void *memory = NULL;

    if (check_counts(num_context, num_lists, err) != CREW_OK ||
        mem_try((size_t)(num_context + num_lists) + 1, sizeof *spec->feature,
                "spec", &memory, err) != CREW_OK) {
        return err->code;
    }
    spec = xcalloc(1, sizeof *spec);
    spec->feature = memory;
    spec->num_context = num_context;
    spec->sequence = sequence;
    if (add_features(spec, 0, context, num_context, err) != CREW_OK ||
        add_features(spec, num_context, lists, num_lists, err) != CREW_OK ||
        index_keys(spec, &spec->context, 0, num_context, err) != CREW_OK ||
        index_keys(spec, &spec->lists, num_context, spec->n, err) != CREW_OK ||
        check_sequence(spec, err) != CREW_OK) {
        parse_spec_free(spec);
        return err->code;
    }
    *out = spec;
    return CREW_OK;
}

int parse_spec_new(const struct parse_feature *features,
                   int n,
                   struct parse_spec **out,
                   struct crew_err *err)
{
    return spec_new(features, n, NULL, 0, false, out, err);
}

int parse_spec_new_sequence(const struct parse_feature *context,
                            int num_context,
                            const struct parse_feature *lists,
                            int num_lists,
                            struct parse_spec **out,
                            struct crew_err *err)
{
    return spec_new(context, num_context, lists, num_lists, true, out, err);
}

static void free_feature(struct spec_feature *f)
{
    /* They were allocated here; const only for those who read them. */
    struct example_bytes *strings = (void *)(uintptr_t)f->is.default_values;

    for (int64_t i = 0; f->is.dtype == CREW_STRING && i < f->is.num_default;
         i++) {
        free((void *)(uintptr_t)strings[i].data);
    }
    free(strings);
    free((void *)(uintptr_t)f->is.key.data);
    free(f->prefix);
}

void parse_spec_free(struct parse_spec *spec)
{
    if (spec == NULL) {
        return;
    }
    for (int i = 0; i < spec->n; i++) {
        free_feature(&spec->feature[i]);
    }
    free(spec->feature);
    free(spec->context.place);
    free(spec->lists.place);
    free(spec);
}

int parse_spec_count(const struct parse_spec *spec)
{
    return spec->n;
}

const struct parse_feature *parse_spec_feature(const struct parse_spec *spec,
                                               int i)
{
    PRE(i >= 0 && i < spec->n);
    return &spec->feature[i].is;
}
