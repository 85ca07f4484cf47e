/* SPDX-License-Identifier: Apache-2.0
 *
 * Family hash: fingerprints and buckets of strings (hash.json), integers as
 * text and hashed (ints.json), crossed columns (crosses.json). */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fingerprint.h"
#include "base/mem.h"
#include "config/json.h"
#include "golden.h"
#include "golden_families.h"

#include "base/banned.h"

/* ---------------------------------------------------------------- hash.json */

/* An unsigned 64-bit number, which the files keep as text. */
static uint64_t unsigned64(const cJSON *v)
{
    return cJSON_IsString(v) ? strtoull(v->valuestring, NULL, 10)
                             : (uint64_t)golden_int(v);
}

static void same_unsigned(struct golden_report *report,
                          const char *name,
                          uint64_t got,
                          const cJSON *want)
{
    char a[24], b[24];

    (void)snprintf(a, sizeof a, "%" PRIu64, got);
    (void)snprintf(b, sizeof b, "%" PRIu64, unsigned64(want));
    (void)golden_same_text(report, name, a, b);
}

static void compare_strings(struct golden_report *report, const cJSON *file)
{
    const cJSON *item, *size;

    cJSON_ArrayForEach(item, golden_member(file, "strings"))
    {
        size_t n = 0;
        char *s = golden_base64(golden_text(item, "base64"), &n);
        const cJSON *bucket = golden_member(item, "buckets")->child;

        golden_case(report, "%s of %zu bytes", golden_text(item, "what"), n);
        (void)golden_same_int(report, "length", -1, (int64_t)n,
                              golden_int(golden_member(item, "length")));
        same_unsigned(report, "fingerprint64", fingerprint64(s, n),
                      golden_member(item, "fingerprint64"));
        cJSON_ArrayForEach(size, golden_member(file, "num_buckets"))
        {
            (void)golden_same_int(report, "bucket", golden_int(size),
                                  hash_bucket_fast(s, n, golden_int(size)),
                                  golden_int(bucket));
            bucket = bucket->next;
        }
        free(s);
    }
}

static void compare_others(struct golden_report *report, const cJSON *file)
{
    const cJSON *c, *text;

    cJSON_ArrayForEach(c, golden_member(file, "other"))
    {
        const cJSON *id = golden_member(c, "ids")->child;
        const cJSON *key = json_get(c, "key");
        uint64_t buckets = unsigned64(golden_member(c, "num_buckets"));
        int64_t i = 0;

        golden_case(report, "%s, %" PRIu64, golden_text(c, "op"), buckets);
        cJSON_ArrayForEach(text, golden_member(c, "base64"))
        {
            size_t n = 0;
            char *s = golden_base64(text->valuestring, &n);
            uint64_t words[2] = {0, 0}, h;

            if (key != NULL) {
                words[0] = unsigned64(cJSON_GetArrayItem(key, 0));
                words[1] = unsigned64(cJSON_GetArrayItem(key, 1));
            }
            h = key != NULL ? strong_hash64(words, s, n) : legacy_hash64(s, n);
            (void)golden_same_int(report, "id", i++, (int64_t)(h % buckets),
                                  golden_int(id));
            id = id->next;
            free(s);
        }
    }
}

static int compare_hash(struct golden_report *report, const char *dir)
{
    cJSON *file = golden_load(dir, "hash.json");

    if (file == NULL) {
        return 66;
    }
    compare_strings(report, file);
    compare_others(report, file);
    cJSON_Delete(file);
    return 0;
}

/* ---------------------------------------------------------------- ints.json */

/* Integers are hashed as their decimal text. */
static int64_t integer_bucket(int64_t v, int64_t size)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%" PRId64, v);

    return hash_bucket_fast(text, (size_t)n, size);
}

static void compare_as_string(struct golden_report *report, const cJSON *item)
{
    const char *dtype = golden_text(item, "dtype");
    char text[64];

    if (strncmp(dtype, "int", 3) != 0) {
        return; /* AsString of floats and booleans is the executor's */
    }
    golden_case(report, "as_string %s %s", dtype, golden_text(item, "text"));
    (void)snprintf(text, sizeof text, "%" PRId64,
                   golden_int(golden_member(item, "value")));
    (void)golden_same_text(report, "text", text, golden_text(item, "text"));
}

/* A dense input: rows of -1 or "" padding, which is dropped; the ids left. */
static void compare_dense(struct golden_report *report,
                          const cJSON *c,
                          const char *what,
                          bool strings)
{
    int64_t size = golden_int(golden_member(c, "hash_bucket_size")), i = 0;
    const cJSON *want = golden_member(golden_member(c, "output"), "values");
    const cJSON *row, *cell, *id = golden_member(want, "values")->child;

    golden_case(report, "%s", what);
    cJSON_ArrayForEach(row, golden_member(c, "input")){
        cJSON_ArrayForEach(cell, row){int64_t got;

    if (strings ? cell->valuestring[0] == '\0' : golden_int(cell) == -1) {
        continue;
    }
    got = strings ? hash_bucket_fast(cell->valuestring,
                                     strlen(cell->valuestring), size)
                  : integer_bucket(golden_int(cell), size);
    (void)golden_same_int(report, "id", i++, got,
                          id != NULL ? golden_int(id) : -1);
    id = id != NULL ? id->next : NULL;
}
}
(void)golden_same_int(report,
                      "ids",
                      -1,
                      i,
                      cJSON_GetArraySize(golden_member(want, "values")));
}

/* A sparse input: every value is hashed, -1 and "" too. */
static void compare_sparse(struct golden_report *report,
                           const cJSON *c,
                           const char *what,
                           bool strings)
{
    int64_t size = golden_int(golden_member(c, "hash_bucket_size")), i = 0;
    const cJSON *in = golden_member(golden_member(c, "input"), "values"), *v;
    const cJSON *out = golden_member(golden_member(c, "output"), "values");
    const cJSON *id = golden_member(out, "values")->child;

    golden_case(report, "%s", what);
    cJSON_ArrayForEach(v, golden_member(in, "values"))
    {
        int64_t got;

        if (strings) {
            size_t n = 0;
            char *s = golden_base64(v->valuestring, &n);

            got = hash_bucket_fast(s, n, size);
            free(s);
        } else {
            got = integer_bucket(golden_int(v), size);
        }
        (void)golden_same_int(report, "id", i++, got, golden_int(id));
        id = id->next;
    }
}

static void compare_columns(struct golden_report *report, const cJSON *c)
{
    int64_t size = golden_int(golden_member(c, "hash_bucket_size")), i = 0;
    const cJSON *id = golden_member(c, "ids")->child, *v;

    golden_case(report, "hash_bucket of %s, %" PRId64, golden_text(c, "dtype"),
                size);
    cJSON_ArrayForEach(v, golden_member(c, "values"))
    {
        (void)golden_same_int(report, "id", i++,
                              integer_bucket(golden_int(v), size),
                              golden_int(id));
        id = id->next;
    }
}

static int compare_ints(struct golden_report *report, const char *dir)
{
    cJSON *file = golden_load(dir, "ints.json");
    const cJSON *c;

    if (file == NULL) {
        return 66;
    }
    cJSON_ArrayForEach(c, golden_member(file, "as_string"))
    {
        compare_as_string(report, c);
    }
    cJSON_ArrayForEach(
        c, golden_member(file, "categorical_column_with_hash_bucket"))
    {
        compare_columns(report, c);
    }
    compare_dense(report, golden_member(file, "dense_int_minus_one_is_missing"),
                  "dense integers", false);
    compare_dense(report, golden_member(file, "dense_string_empty_is_missing"),
                  "dense strings", true);
    compare_sparse(report, golden_member(file, "sparse_int_minus_one_is_kept"),
                   "sparse integers", false);
    compare_sparse(report, golden_member(file, "sparse_string_empty_is_kept"),
                   "sparse strings", true);
    cJSON_Delete(file);
    return 0;
}

/* ------------------------------------------------------------- crosses.json */

enum { MAX_KEYS = 8, MAX_VALUES = 64 };

/* The hashes of one key's values in one row. */
struct values {
    uint64_t hash[MAX_VALUES];
    int n;
};

/* Value i of a tensor as the cross takes it: a string's fingerprint, an integer
 * as it is. false: it is "" or -1, which a column takes for padding. */
static bool take(const cJSON *tensor, int64_t i, uint64_t *hash)
{
    const cJSON *v =
        cJSON_GetArrayItem(golden_member(tensor, "values"), (int)i);

    if (strcmp(golden_text(tensor, "dtype"), "string") == 0) {
        size_t n = 0;
        char *s = golden_base64(v->valuestring, &n);

        *hash = fingerprint64(s, n);
        free(s);
        return n > 0;
    }
    *hash = (uint64_t)golden_int(v);
    return golden_int(v) != -1;
}

static void add(struct values *out, uint64_t hash)
{
    if (out->n < MAX_VALUES) {
        out->hash[out->n++] = hash;
    }
}

/* The values of a feature in a row. A key of the cross is taken with all its
 * padding; a column has dropped it (`drop`). */
static void row_values(const cJSON *feature,
                       int64_t row,
                       bool drop,
                       struct values *out)
{
    const cJSON *sparse = json_get(feature, "sparse");
    const cJSON *dense = json_get(feature, "dense"), *index;
    uint64_t hash;
    int64_t i = 0;

    if (dense != NULL) {
        int64_t width =
            golden_int(cJSON_GetArrayItem(golden_member(dense, "shape"), 1));

        for (i = 0; i < width; i++) {
            if (take(dense, row * width + i, &hash) || !drop) {
                add(out, hash);
            }
        }
        return;
    }
    cJSON_ArrayForEach(index, golden_member(sparse, "indices"))
    {
        if (golden_int(cJSON_GetArrayItem(index, 0)) == row) {
            (void)take(golden_member(sparse, "values"), i, &hash);
            add(out, hash);
        }
        i++;
    }
}

/* A key that is a column: its ids instead of its values. */
static void column_values(const cJSON *features,
                          const cJSON *key,
                          int64_t row,
                          struct values *out)
{
    const cJSON *source = json_get(key, "bucketized"), *bound, *word;
    const cJSON *dense;
    int64_t id = 0;

    if (source != NULL) {
        dense = golden_member(golden_member(features, source->valuestring),
                              "dense");
        double x = golden_number(
            cJSON_GetArrayItem(golden_member(dense, "values"), (int)row));

        cJSON_ArrayForEach(bound, golden_member(key, "boundaries"))
        {
            id += (float)x >= (float)golden_number(bound) ? 1 : 0;
        }
        add(out, (uint64_t)id);
        return;
    }
    source = json_get(key, "identity");
    if (source != NULL) {
        row_values(golden_member(features, source->valuestring), row, true,
                   out);
        return;
    }
    source = golden_member(key, "vocabulary_list");
    dense =
        golden_member(golden_member(features, source->valuestring), "dense");
    size_t n = 0;
    char *s = golden_base64(
        cJSON_GetArrayItem(golden_member(dense, "values"), (int)row)
            ->valuestring,
        &n);
    bool known = false;

    cJSON_ArrayForEach(word, golden_member(key, "vocabulary"))
    {
        known = known || strcmp(word->valuestring, s) == 0;
        id += known ? 0 : 1;
    }
    if (!known) {
        id += hash_bucket_fast(
            s, n, golden_int(golden_member(key, "num_oov_buckets")));
    }
    if (n > 0) {
        add(out, (uint64_t)id);
    }
    free(s);
}

static bool is_sparse(const cJSON *features, const cJSON *key)
{
    return !cJSON_IsString(key) ||
           json_get(golden_member(features, key->valuestring), "sparse") !=
               NULL;
}

/* SparseCross takes the sparse inputs first, then the dense; a string or int
 * key makes a dense input of a dense feature, a column a sparse one. Keys are
 * sorted by nothing: their order within the two kinds is the user's. */
static int order_keys(const cJSON *features,
                      const cJSON *keys,
                      const cJSON *out[MAX_KEYS])
{
    const cJSON *key;
    int n = 0;

    for (int pass = 0; pass < 2; pass++) {
        cJSON_ArrayForEach(key, keys)
        {
            if (is_sparse(features, key) == (pass == 0) && n < MAX_KEYS) {
                out[n++] = key;
            }
        }
    }
    return n;
}

/* The crosses of one row, the last key fastest. */
static void cross_row(struct golden_report *report,
                      const struct values *v,
                      int n,
                      uint64_t hash_key,
                      uint64_t buckets,
                      const cJSON **id,
                      int64_t *count)
{
    int64_t total = 1;

    for (int k = 0; k < n; k++) {
        total *= v[k].n;
    }
    for (int64_t i = 0; i < total; i++) {
        uint64_t h = hash_key;
        int64_t rest = i, step = total;

        for (int k = 0; k < n; k++) {
            step /= v[k].n;
            h = fingerprint_cat64(h, v[k].hash[rest / step]);
            rest %= step;
        }
        (void)golden_same_int(report, "id", *count, (int64_t)(h % buckets),
                              *id != NULL ? golden_int(*id) : -1);
        *id = *id != NULL ? (*id)->next : NULL;
        (*count)++;
    }
}

static int64_t rows_of(const cJSON *ids)
{
    return golden_int(cJSON_GetArrayItem(golden_member(ids, "dense_shape"), 0));
}

static void compare_cross(struct golden_report *report,
                          const cJSON *features,
                          const cJSON *c)
{
    const cJSON *keys[MAX_KEYS], *ids = golden_member(c, "ids");
    const cJSON *values = golden_member(golden_member(ids, "values"), "values");
    const cJSON *id = values->child, *given = json_get(c, "hash_key");
    uint64_t hash_key = cJSON_IsNull(given) ? 0 : unsigned64(given);
    int n = order_keys(features, golden_member(c, "keys"), keys);
    int64_t count = 0;

    golden_case(report, "%s", golden_text(c, "what"));
    for (int64_t row = 0; row < rows_of(ids); row++) {
        struct values v[MAX_KEYS] = {0};

        for (int k = 0; k < n; k++) {
            if (cJSON_IsString(keys[k])) {
                row_values(golden_member(features, keys[k]->valuestring), row,
                           false, &v[k]);
            } else {
                column_values(features, keys[k], row, &v[k]);
            }
        }
        cross_row(report, v, n, hash_key == 0 ? CROSS_HASH_KEY : hash_key,
                  (uint64_t)golden_int(golden_member(c, "hash_bucket_size")),
                  &id, &count);
    }
    (void)golden_same_int(report, "ids", -1, count, cJSON_GetArraySize(values));
}

static void compare_raw(struct golden_report *report, const cJSON *c)
{
    const cJSON *text, *given = json_get(c, "hash_key");
    uint64_t h = cJSON_IsNull(given) ? CROSS_HASH_KEY : unsigned64(given);
    uint64_t buckets = unsigned64(golden_member(c, "num_buckets"));

    golden_case(report, "raw cross, %" PRIu64 " buckets", buckets);
    cJSON_ArrayForEach(text, golden_member(c, "inputs"))
    {
        h = fingerprint_cat64(
            h, fingerprint64(text->valuestring, strlen(text->valuestring)));
    }
    (void)golden_same_int(
        report, "id", 0, (int64_t)(h % (buckets != 0 ? buckets : INT64_MAX)),
        golden_int(cJSON_GetArrayItem(golden_member(c, "ids"), 0)));
}

static int compare_crosses(struct golden_report *report, const char *dir)
{
    cJSON *file = golden_load(dir, "crosses.json");
    const cJSON *c;

    if (file == NULL) {
        return 66;
    }
    cJSON_ArrayForEach(c, golden_member(file, "columns"))
    {
        compare_cross(report, golden_member(file, "features"), c);
    }
    cJSON_ArrayForEach(c, golden_member(file, "raw_cross_hashed"))
    {
        compare_raw(report, c);
    }
    cJSON_Delete(file);
    return 0;
}

int family_hash(const char *dir, struct golden_report *report)
{
    int rc = compare_hash(report, dir);

    if (rc == 0) {
        rc = compare_ints(report, dir);
    }
    return rc == 0 ? compare_crosses(report, dir) : rc;
}
