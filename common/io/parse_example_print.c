/* SPDX-License-Identifier: Apache-2.0
 * parse_example's output as JSON. */
#include <math.h>
#include <string.h>

#include "io/parse_example_json.h"
#include "tensor/tensor.h"
#include "base/banned.h"

static void add_base64(struct strbuf *out, const struct example_bytes *b)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *p = (const uint8_t *)b->data;

    strbuf_add(out, "\"", 1);
    for (size_t i = 0; i < b->n; i += 3) {
        uint32_t bits = (uint32_t)p[i] << 16;
        char four[4];

        bits |= i + 1 < b->n ? (uint32_t)p[i + 1] << 8 : 0;
        bits |= i + 2 < b->n ? p[i + 2] : 0;
        for (int k = 0; k < 4; k++) {
            four[k] = digits[bits >> (18 - 6 * k) & 63];
        }
        four[2] = i + 1 < b->n ? four[2] : '=';
        four[3] = i + 2 < b->n ? four[3] : '=';
        strbuf_add(out, four, sizeof four);
    }
    strbuf_add(out, "\"", 1);
}

static void add_float(struct strbuf *out, float v)
{
    if (isnan(v)) {
        strbuf_addstr(out, "\"NaN\"");
    } else if (isinf(v)) {
        strbuf_addstr(out, v > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    } else {
        strbuf_addf(out, "%.9g", (double)v);
    }
}

static void add_ints(struct strbuf *out, const int64_t *v, int64_t n)
{
    strbuf_add(out, "[", 1);
    for (int64_t i = 0; i < n; i++) {
        strbuf_addf(out, "%s%lld", i > 0 ? ", " : "", (long long)v[i]);
    }
    strbuf_add(out, "]", 1);
}

static void add_tensor(struct strbuf *out,
                       enum crew_dtype dtype,
                       const struct crew_shape *shape,
                       const struct parse_column *c)
{
    strbuf_addf(out, "{\"dtype\": \"%s\", \"shape\": ", dtype_name(dtype));
    add_ints(out, shape->dim, shape->rank);
    strbuf_addstr(out, ", \"values\": ");
    if (dtype == CREW_INT64) {
        add_ints(out, c->ints, c->n);
    } else {
        strbuf_add(out, "[", 1);
        for (int64_t i = 0; i < c->n; i++) {
            strbuf_addstr(out, i > 0 ? ", " : "");
            if (dtype == CREW_FLOAT) {
                add_float(out, c->floats[i]);
            } else {
                add_base64(out, &c->strings[i]);
            }
        }
        strbuf_add(out, "]", 1);
    }
    strbuf_add(out, "}", 1);
}

static void add_sparse(struct strbuf *out,
                       enum crew_dtype dtype,
                       const struct parse_column *c)
{
    struct crew_shape flat = crew_shape1(c->n);
    int rank = c->shape.rank;

    strbuf_addstr(out, "{\"sparse\": {\"indices\": [");
    for (int64_t i = 0; i < c->n; i++) {
        strbuf_addstr(out, i > 0 ? ", " : "");
        add_ints(out, c->indices + i * rank, rank);
    }
    strbuf_addstr(out, "], \"values\": ");
    add_tensor(out, dtype, &flat, c);
    strbuf_addstr(out, ", \"dense_shape\": ");
    add_ints(out, c->shape.dim, rank);
    strbuf_addstr(out, "}}");
}

static void add_ragged(struct strbuf *out,
                       enum crew_dtype dtype,
                       const struct parse_column *c,
                       int64_t batch)
{
    strbuf_addstr(out, "{\"ragged\": {\"values\": ");
    add_tensor(out, dtype, &c->shape, c);
    strbuf_addstr(out, ", \"row_splits\": ");
    add_ints(out, c->row_splits, c->num_splits);
    if (c->outer_splits != NULL) {
        strbuf_addstr(out, ", \"outer_splits\": ");
        add_ints(out, c->outer_splits, batch + 1);
    }
    strbuf_addstr(out, "}}");
}

void parse_output_add_json(struct strbuf *to,
                           const struct parse_spec *spec,
                           const struct parse_output *output)
{
    const struct parse_column *c = parse_output_columns(output);
    int64_t batch = parse_output_batch(output);

    strbuf_add(to, "{", 1);
    for (int i = 0; c != NULL && i < parse_spec_count(spec); i++) {
        const struct parse_feature *f = parse_spec_feature(spec, i);

        strbuf_addstr(to, i > 0 ? ",\n " : "");
        strbuf_add_json(to, f->key.data, f->key.n);
        strbuf_addstr(to, ": ");
        if (f->kind == PARSE_VAR_LEN) {
            add_sparse(to, f->dtype, &c[i]);
        } else if (f->kind == PARSE_RAGGED) {
            add_ragged(to, f->dtype, &c[i], batch);
        } else {
            strbuf_addstr(to, "{\"dense\": ");
            add_tensor(to, f->dtype, &c[i].shape, &c[i]);
            if (c[i].lengths != NULL) {
                strbuf_addstr(to, ", \"lengths\": ");
                add_ints(to, c[i].lengths, batch);
            }
            strbuf_add(to, "}", 1);
        }
    }
    strbuf_add(to, "}", 1);
}
