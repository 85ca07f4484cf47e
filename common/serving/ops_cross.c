/* SPDX-License-Identifier: Apache-2.0
 * SparseCross: the crossed column. The sparse inputs come first, then the dense
 * ones; a row's crosses are the product of its values, the last input fastest.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fingerprint.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "serving/broadcast.h"
#include "serving/op_tables.h"
#include "base/banned.h"

enum { MAX_COLUMNS = 64 };
#define MAX_CROSSES ((int64_t)1 << 28) /* and rows */

/* The values of one input, row by row: of row r they are [start[r],
 * start[r + 1]). */
struct column {
    const struct value *values;
    int64_t *start; /* sparse; NULL: dense of `width` a row */
    int64_t width;
};

struct cross {
    struct op_call *call;
    struct column columns[MAX_COLUMNS];
    int n;
    int64_t rows;
    uint64_t hash_key;
    int64_t buckets;
    bool hashed;
};

static int three(const Tensorflow__NodeDef *node, struct crew_err *err)
{
    (void)node;
    (void)err;
    return 3;
}

static int64_t begin_of(const struct column *c, int64_t row)
{
    return c->start != NULL ? c->start[row] : row * c->width;
}

static int64_t count_of(const struct column *c, int64_t row)
{
    return c->start != NULL ? c->start[row + 1] - c->start[row] : c->width;
}

static int bad(struct op_call *call, const char *what)
{
    return op_fail(call, CREW_INVALID_ARGUMENT, "%s", what);
}

/* Where each row's entries begin; they must be in order of their rows. */
static int begin_rows(struct cross *x, struct column *c, const int64_t *indices)
{
    int64_t last = 0;

    for (int64_t i = 0; i < c->values->n; i++) {
        int64_t row = indices[2 * i];

        if (row < last || row >= x->rows) {
            return bad(x->call,
                       "Input indices are out of order or beyond the "
                       "batch");
        }
        last = row;
        c->start[row + 1]++;
    }
    for (int64_t row = 0; row < x->rows; row++) {
        c->start[row + 1] += c->start[row];
    }
    return CREW_OK;
}

static int sparse_column(struct cross *x, int n_sparse, int k)
{
    struct op_call *call = x->call;
    const struct value *indices = &call->in[k];
    const struct value *shape = &call->in[2 * n_sparse + k];
    struct column *c = &x->columns[x->n];
    void *start = NULL;

    c->values = &call->in[n_sparse + k];
    if (op_want_dtype(call, k, CREW_INT64) != CREW_OK ||
        op_want_dtype(call, 2 * n_sparse + k, CREW_INT64) != CREW_OK) {
        return call->err->code;
    }
    if (indices->shape.rank != 2 || indices->shape.dim[1] != 2 ||
        shape->n != 2 || c->values->n != indices->shape.dim[0] ||
        (c->values->dtype != CREW_STRING && c->values->dtype != CREW_INT64)) {
        return bad(call,
                   "Input indices should be a matrix of (batch, "
                   "position), its values strings or int64");
    }
    if (x->rows < 0) {
        x->rows = shape->i64[0];
    }
    if (shape->i64[0] != x->rows || x->rows < 0 || x->rows > MAX_CROSSES) {
        return bad(call, "Expected batch size of all inputs to be the same");
    }
    if (mem_try((size_t)x->rows + 2, sizeof(int64_t), "cross", &start,
                call->err) != CREW_OK) {
        return call->err->code;
    }
    c->start = start;
    x->n++;
    return begin_rows(x, c, indices->i64);
}

static int dense_column(struct cross *x, int input)
{
    struct op_call *call = x->call;
    struct column *c = &x->columns[x->n];

    c->values = &call->in[input];
    if (c->values->shape.rank != 2 ||
        (c->values->dtype != CREW_STRING && c->values->dtype != CREW_INT64)) {
        return bad(call, "Dense inputs should be a matrix of strings or int64");
    }
    if (x->rows < 0) {
        x->rows = c->values->shape.dim[0];
    }
    if (c->values->shape.dim[0] != x->rows || x->rows > MAX_CROSSES) {
        return bad(call, "Expected batch size of all inputs to be the same");
    }
    c->width = c->values->shape.dim[1];
    x->n++;
    return CREW_OK;
}

static uint64_t hash_of(const struct column *c, int64_t i)
{
    if (c->values->dtype == CREW_STRING) {
        return fingerprint64(c->values->str[i].data, c->values->str[i].n);
    }
    return (uint64_t)c->values->i64[i];
}

/* Which value of each column cross number `k` of a row is made of. */
static void choose(const struct cross *x, int64_t row, int64_t k, int64_t *at)
{
    for (int i = x->n - 1; i >= 0; i--) {
        int64_t n = count_of(&x->columns[i], row);

        at[i] = begin_of(&x->columns[i], row) + k % n;
        k /= n;
    }
}

static int64_t hashed(const struct cross *x, const int64_t *at)
{
    uint64_t h = x->hash_key;

    for (int i = 0; i < x->n; i++) {
        h = fingerprint_cat64(h, hash_of(&x->columns[i], at[i]));
    }
    return (int64_t)(h % (x->buckets > 0 ? (uint64_t)x->buckets : INT64_MAX));
}

static void joined(const struct cross *x, const int64_t *at, struct strbuf *out)
{
    for (int i = 0; i < x->n; i++) {
        const struct value *v = x->columns[i].values;

        strbuf_addstr(out, i > 0 ? "_X_" : "");
        if (v->dtype == CREW_STRING) {
            strbuf_add(out, v->str[at[i]].data, v->str[at[i]].n);
        } else {
            strbuf_addf(out, "%" PRId64, v->i64[at[i]]);
        }
    }
}

static int count_crosses(struct cross *x, int64_t row, int64_t *n)
{
    *n = x->n > 0 ? 1 : 0;
    for (int i = 0; i < x->n; i++) {
        if (__builtin_mul_overflow(*n, count_of(&x->columns[i], row), n) ||
            *n > MAX_CROSSES) {
            return op_fail(x->call, CREW_RESOURCE_EXHAUSTED,
                           "row %" PRId64 " has more than 2^28 crosses", row);
        }
    }
    return CREW_OK;
}

static int total_crosses(struct cross *x, int64_t *total, int64_t *most)
{
    *total = *most = 0;
    for (int64_t row = 0; row < x->rows; row++) {
        int64_t n = 0;

        if (count_crosses(x, row, &n) != CREW_OK) {
            return x->call->err->code;
        }
        *total += n;
        *most = n > *most ? n : *most;
        if (*total > MAX_CROSSES) {
            return op_fail(x->call, CREW_RESOURCE_EXHAUSTED,
                           "more than 2^28 crosses in a batch");
        }
    }
    return CREW_OK;
}

/* Cross `k` of a row as output `i`; joined text is cut later by `ends`. */
static int one_cross(struct cross *x,
                     int64_t row,
                     int64_t k,
                     int64_t i,
                     struct strbuf *text,
                     size_t *ends)
{
    struct op_call *call = x->call;
    int64_t at[MAX_COLUMNS];

    choose(x, row, k, at);
    call->out[0].i64[2 * i] = row;
    call->out[0].i64[2 * i + 1] = k;
    if (x->hashed) {
        call->out[1].i64[i] = hashed(x, at);
    } else {
        joined(x, at, text);
        ends[i] = text->len;
        if (text->len > VALUE_MAX_TEXT) {
            return op_fail(call, CREW_RESOURCE_EXHAUSTED,
                           "crosses of 2 GiB or more");
        }
    }
    return CREW_OK;
}

static int give_text(struct cross *x,
                     int64_t total,
                     const struct strbuf *text,
                     const size_t *ends)
{
    struct crew_shape vector = crew_shape1(total);
    struct value_string *list;
    void *memory = NULL;
    size_t from = 0;

    if (mem_try((size_t)total + 1, sizeof *list, "crosses", &memory,
                x->call->err) != CREW_OK) {
        return x->call->err->code;
    }
    list = memory;
    for (int64_t i = 0; i < total; i++) {
        list[i] = (struct value_string){text->data + from, ends[i] - from};
        from = ends[i];
    }
    (void)value_new_strings(&x->call->out[1], &vector, list, x->call->err);
    free(list);
    return x->call->err->code;
}

static int give(struct cross *x)
{
    struct op_call *call = x->call;
    int64_t total = 0, most = 0, i = 0;
    struct crew_shape indices, vector, two = crew_shape1(2);
    struct strbuf text;
    void *ends = NULL;

    if (total_crosses(x, &total, &most) != CREW_OK) {
        return call->err->code;
    }
    indices = crew_shape2(total, 2);
    vector = crew_shape1(total);
    if (value_new(&call->out[0], CREW_INT64, &indices, call->err) != CREW_OK ||
        (x->hashed &&
         value_new(&call->out[1], CREW_INT64, &vector, call->err) != CREW_OK) ||
        value_new(&call->out[2], CREW_INT64, &two, call->err) != CREW_OK ||
        mem_try(x->hashed ? 1 : (size_t)total + 1, sizeof(size_t), "crosses",
                &ends, call->err) != CREW_OK) {
        return call->err->code;
    }
    call->out[2].i64[0] = x->rows;
    call->out[2].i64[1] = most;
    strbuf_init(&text);
    for (int64_t row = 0; call->err->code == CREW_OK && row < x->rows; row++) {
        int64_t n = 0;

        (void)count_crosses(x, row, &n);
        for (int64_t k = 0; call->err->code == CREW_OK && k < n; k++) {
            (void)one_cross(x, row, k, i++, &text, ends);
        }
    }
    if (call->err->code == CREW_OK && !x->hashed) {
        (void)give_text(x, total, &text, ends);
    }
    free(ends);
    strbuf_release(&text);
    return call->err->code;
}

/* indices x N, values x N, shapes x N, dense inputs. */
static int run_cross(struct op_call *call)
{
    const Tensorflow__AttrValue__ListValue *types =
        op_attr_list(call->node, "sparse_types");
    int n_sparse = types != NULL ? (int)types->n_type : 0;
    struct cross x = {
        .call = call,
        .rows = -1,
        .hash_key = (uint64_t)op_attr_int(call->node, "hash_key",
                                          (int64_t)CROSS_HASH_KEY),
        .buckets = op_attr_int(call->node, "num_buckets", 0),
        .hashed = op_attr_bool(call->node, "hashed_output", true)};

    if (3 * n_sparse > call->n_in || call->n_in - 2 * n_sparse > MAX_COLUMNS ||
        call->n_in < 1) {
        return bad(call,
                   "fewer inputs than its attributes announce, or more "
                   "than 64 columns");
    }
    for (int k = 0; k < n_sparse && call->err->code == CREW_OK; k++) {
        (void)sparse_column(&x, n_sparse, k);
    }
    for (int k = 3 * n_sparse; k < call->n_in && call->err->code == CREW_OK;
         k++) {
        (void)dense_column(&x, k);
    }
    if (call->err->code == CREW_OK) {
        (void)give(&x);
    }
    for (int i = 0; i < x.n; i++) {
        free(x.columns[i].start);
    }
    return call->err->code;
}

const struct serving_op serving_ops_cross[] = {
    {"SparseCross", run_cross, three, 1, -1},
    {NULL, NULL, NULL, 0, 0},
};
