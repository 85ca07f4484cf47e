/* SPDX-License-Identifier: Apache-2.0
 * Strings: numbers as text, text as numbers, hashes, joining. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fingerprint.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "serving/number.h"
#include "serving/op_tables.h"
#include "tensor/tensor.h"
#include "base/banned.h"

/* ----------------------------------------------------------------- AsString */

struct as_string {
    int64_t precision, width;
    bool scientific, shortest;
    char fill[8];
};

/* printf's %f, %e or %g, with precision and width if given. */
static void add_float(struct strbuf *out, const struct as_string *how, double v)
{
    char format[64];
    char kind = how->scientific ? 'e' : how->shortest ? 'g' : 'f';
    size_t n = 0;

    n += (size_t)snprintf(format, sizeof format, "%%%s", how->fill);
    if (how->width > -1) {
        n += (size_t)snprintf(format + n, sizeof format - n, "%" PRId64,
                              how->width);
    }
    if (how->precision > -1) {
        n += (size_t)snprintf(format + n, sizeof format - n, ".%" PRId64,
                              how->precision);
    }
    (void)snprintf(format + n, sizeof format - n, "%c", kind);
    char text[1200];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    (void)snprintf(text, sizeof text, format, v);
#pragma GCC diagnostic pop
    strbuf_addstr(out, text);
}

static void add_integer(struct strbuf *out,
                        const struct as_string *how,
                        int64_t v)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%" PRId64, v);
    int64_t pad = how->width - n;
    bool left = strcmp(how->fill, "-") == 0, zero = strcmp(how->fill, "0") == 0;
    const char *sign = v >= 0 && strcmp(how->fill, "+") == 0   ? "+"
                       : v >= 0 && strcmp(how->fill, " ") == 0 ? " "
                                                               : "";

    pad -= sign[0] != '\0' ? 1 : 0;
    if (zero && v < 0) { /* the sign goes in front of the zeros */
        strbuf_add(out, "-", 1);
    }
    for (int64_t i = 0; !left && i < pad; i++) {
        strbuf_add(out, zero ? "0" : " ", 1);
    }
    strbuf_addstr(out, sign);
    strbuf_addstr(out, digits + (zero && v < 0 ? 1 : 0));
    for (int64_t i = 0; left && i < pad; i++) {
        strbuf_add(out, " ", 1);
    }
}

static void add_element(struct strbuf *out,
                        const struct as_string *how,
                        const struct value *x,
                        int64_t i)
{
    switch (x->dtype) {
        case CREW_FLOAT:
            add_float(out, how, (double)x->f32[i]);
            break;
        case CREW_DOUBLE:
            add_float(out, how, x->f64[i]);
            break;
        case CREW_BOOL:
            strbuf_addstr(out, x->b[i] ? "true" : "false");
            break;
        case CREW_INT64:
            add_integer(out, how, x->i64[i]);
            break;
        case CREW_INT32:
            add_integer(out, how, x->i32[i]);
            break;
        case SERVING_INT8:
            add_integer(out, how, ((const int8_t *)x->data)[i]);
            break;
        default:
            add_integer(out, how, x->u8[i]);
    }
}

/* More than a string tensor may have. */
static bool too_long(struct op_call *call, const struct strbuf *text)
{
    return text->len > VALUE_MAX_TEXT &&
           op_fail(call, CREW_RESOURCE_EXHAUSTED,
                   "a string tensor of 2 GiB or more") != CREW_OK;
}

/* Element i of `text` ends at ends[i]. */
static int cut_strings(struct op_call *call,
                       const struct strbuf *text,
                       const size_t *ends,
                       const struct crew_shape *shape,
                       int64_t n)
{
    void *list = NULL;
    size_t from = 0;

    if (call->err->code != CREW_OK ||
        mem_try((size_t)n + 1, sizeof(struct value_string), "strings", &list,
                call->err) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < n; i++) {
        ((struct value_string *)list)[i] =
            (struct value_string){text->data + from, ends[i] - from};
        from = ends[i];
    }
    (void)value_new_strings(&call->out[0], shape, list, call->err);
    free(list);
    return call->err->code;
}

static int run_as_string(struct op_call *call)
{
    const struct value *x = &call->in[0];
    struct as_string how = {
        .precision = op_attr_int(call->node, "precision", -1),
        .width = op_attr_int(call->node, "width", -1),
        .scientific = op_attr_bool(call->node, "scientific", false),
        .shortest = op_attr_bool(call->node, "shortest", false)};
    struct strbuf text;
    void *ends = NULL;

    how.width = how.width > -1 ? how.width : -1;
    (void)op_attr_string(call->node, "fill", "", how.fill, sizeof how.fill);
    if (x->dtype == CREW_STRING) {
        value_share(&call->out[0], x, &x->shape);
        return CREW_OK;
    }
    if ((x->dtype != CREW_BOOL && !number_is(x->dtype)) ||
        how.precision > 500 || how.width > 500 || strlen(how.fill) > 1 ||
        strspn(how.fill, " +-0#") != strlen(how.fill) ||
        (how.scientific && how.shortest)) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "cannot print dtype %d with precision %" PRId64
                       ", width %" PRId64 ", fill '%s'",
                       x->dtype, how.precision, how.width, how.fill);
    }
    if (mem_try((size_t)x->n + 1, sizeof(size_t), "strings", &ends,
                call->err) != CREW_OK) {
        return call->err->code;
    }
    strbuf_init(&text);
    for (int64_t i = 0; i < x->n; i++) {
        add_element(&text, &how, x, i);
        ((size_t *)ends)[i] = text.len;
        if (too_long(call, &text)) {
            break;
        }
    }
    (void)cut_strings(call, &text, ends, &x->shape, x->n);
    strbuf_release(&text);
    free(ends);
    return call->err->code;
}

/* ---------------------------------------------------------- StringToNumber */

/* One text as element i of a number type. False: it is no such number. */
static bool to_number(const char *text, struct value *out, int64_t i)
{
    bool is_float = out->dtype == CREW_FLOAT || out->dtype == CREW_DOUBLE;
    char *end = NULL;
    double d = 0.0;
    long long v = 0;

    errno = 0;
    if (is_float) {
        d = strtod(text, &end);
    } else {
        v = strtoll(text, &end, 10);
    }
    if (end == text || end[strspn(end, " \t\r\n")] != '\0' ||
        (!is_float && errno == ERANGE) ||
        (out->dtype == CREW_INT32 && (v < INT32_MIN || v > INT32_MAX))) {
        return false;
    }
    if (out->dtype == CREW_FLOAT) {
        out->f32[i] = (float)d;
    } else if (out->dtype == CREW_DOUBLE) {
        out->f64[i] = d;
    } else if (out->dtype == CREW_INT32) {
        out->i32[i] = (int32_t)v;
    } else {
        out->i64[i] = v;
    }
    return true;
}

static int run_to_number(struct op_call *call)
{
    const struct value *x = &call->in[0];
    int to = op_attr_type(call->node, "out_type", CREW_FLOAT);

    if (to != CREW_FLOAT && to != CREW_DOUBLE && to != CREW_INT32 &&
        to != CREW_INT64) {
        return op_fail(call, CREW_UNIMPLEMENTED, "out_type %d", to);
    }
    if (op_want_dtype(call, 0, CREW_STRING) != CREW_OK ||
        value_new(&call->out[0], to, &x->shape, call->err) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < x->n && call->err->code == CREW_OK; i++) {
        char *text = xasprintf("%.*s", (int)x->str[i].n, x->str[i].data);

        if (!to_number(text, &call->out[0], i)) {
            (void)op_fail(call, CREW_INVALID_ARGUMENT,
                          "StringToNumberOp could not correctly convert "
                          "string: %.100s",
                          text);
        }
        free(text);
    }
    return call->err->code;
}

/* ------------------------------------------------------------------- hashes */

enum hash { FAST, STRONG, LEGACY };

static int hash_bucket(struct op_call *call, enum hash kind)
{
    const struct value *x = &call->in[0];
    const Tensorflow__AttrValue__ListValue *key =
        op_attr_list(call->node, "key");
    int64_t buckets = op_attr_int(call->node, "num_buckets", 0);
    uint64_t words[2] = {0, 0};

    if (op_want_dtype(call, 0, CREW_STRING) != CREW_OK) {
        return call->err->code;
    }
    if (buckets < 1) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "num_buckets must be at least 1, not %" PRId64, buckets);
    }
    if (kind == STRONG && (key == NULL || key->n_i != 2)) {
        return op_fail(call, CREW_INVALID_ARGUMENT, "Key must have 2 elements");
    }
    if (kind == STRONG) {
        words[0] = (uint64_t)key->i[0];
        words[1] = (uint64_t)key->i[1];
    }
    if (value_new(&call->out[0], CREW_INT64, &x->shape, call->err) != CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < x->n; i++) {
        const char *s = x->str[i].data;
        size_t n = x->str[i].n;
        uint64_t h = kind == FAST     ? fingerprint64(s, n)
                     : kind == STRONG ? strong_hash64(words, s, n)
                                      : legacy_hash64(s, n);

        call->out[0].i64[i] = (int64_t)(h % (uint64_t)buckets);
    }
    return CREW_OK;
}

static int run_hash_fast(struct op_call *call)
{
    return hash_bucket(call, FAST);
}

static int run_hash_strong(struct op_call *call)
{
    return hash_bucket(call, STRONG);
}

static int run_hash_legacy(struct op_call *call)
{
    return hash_bucket(call, LEGACY);
}

/* --------------------------------------------------------------- StringJoin */

/* Operands of one shape; scalars are repeated. */
static int run_join(struct op_call *call)
{
    const struct value *big = &call->in[0];
    char separator[64];
    struct strbuf text;
    void *ends = NULL;

    (void)op_attr_string(call->node, "separator", "", separator,
                         sizeof separator);
    for (int k = 0; k < call->n_in; k++) {
        if (op_want_dtype(call, k, CREW_STRING) != CREW_OK) {
            return call->err->code;
        }
        big = call->in[k].shape.rank > 0 ? &call->in[k] : big;
    }
    for (int k = 0; k < call->n_in; k++) {
        if (call->in[k].shape.rank > 0 &&
            !shape_equal(&call->in[k].shape, &big->shape)) {
            return op_fail(call, CREW_INVALID_ARGUMENT,
                           "Input shapes do not match");
        }
    }
    if (mem_try((size_t)big->n + 1, sizeof(size_t), "strings", &ends,
                call->err) != CREW_OK) {
        return call->err->code;
    }
    strbuf_init(&text);
    for (int64_t i = 0; i < big->n; i++) {
        for (int k = 0; k < call->n_in; k++) {
            const struct value *x = &call->in[k];
            const struct value_string *s = &x->str[x->shape.rank > 0 ? i : 0];

            strbuf_addstr(&text, k > 0 ? separator : "");
            strbuf_add(&text, s->data, s->n);
            if (too_long(call, &text)) {
                break;
            }
        }
        ((size_t *)ends)[i] = text.len;
        if (call->err->code != CREW_OK) {
            break;
        }
    }
    (void)cut_strings(call, &text, ends, &big->shape, big->n);
    strbuf_release(&text);
    free(ends);
    return call->err->code;
}

const struct serving_op serving_ops_string[] = {
    {"AsString", run_as_string, NULL, 1, 1},
    {"StringToNumber", run_to_number, NULL, 1, 1},
    {"StringToHashBucketFast", run_hash_fast, NULL, 1, 1},
    {"StringToHashBucketStrong", run_hash_strong, NULL, 1, 1},
    {"StringToHashBucket", run_hash_legacy, NULL, 1, 1},
    {"StringJoin", run_join, NULL, 1, -1},
    {NULL, NULL, NULL, 0, 0},
};
