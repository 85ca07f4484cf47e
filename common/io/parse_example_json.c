/* SPDX-License-Identifier: Apache-2.0
 * parse_example's spec from JSON. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/json.h"
#include "io/parse_example_json.h"
#include "tensor/tensor.h"
#include "base/banned.h"

/* What is built of one member; values and bytes are ours until it is copied. */
struct draft {
    struct parse_feature is;
    void *values;
    struct strbuf text; /* all strings of the defaults, one after the other */
    bool base64;
    const char *key;
    struct crew_err *err;
};

__attribute__((format(printf, 2, 3))) static int wrong(struct draft *d,
                                                       const char *fmt,
                                                       ...)
{
    char what[300];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return crew_err_exit(d->err, CREW_INVALID_ARGUMENT, 64, "spec: %.200s: %s",
                         d->key, what);
}

/* The value of a base64 digit, or -1. */
static int digit(char c)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c == '\0' ? NULL : strchr(digits, c);

    return at == NULL ? -1 : (int)(at - digits);
}

static bool add_base64(struct strbuf *out, const char *text)
{
    size_t n = strlen(text);
    unsigned bits = 0, count = 0;

    while (n > 0 && text[n - 1] == '=') {
        n--;
    }
    for (size_t i = 0; i < n; i++) {
        int value = digit(text[i]);

        if (value < 0) {
            return false;
        }
        bits = bits << 6 | (unsigned)value;
        count += 6;
        if (count >= 8) {
            char byte = (char)(bits >> (count - 8) & 0xff);

            strbuf_add(out, &byte, 1);
            count -= 8;
        }
    }
    return true;
}

static int read_float(struct draft *d, const cJSON *item, float *to)
{
    char *end = NULL;

    if (cJSON_IsNumber(item)) {
        *to = (float)item->valuedouble;
        return CREW_OK;
    }
    if (cJSON_IsString(item)) { /* "NaN", "-Infinity" */
        *to = strtof(item->valuestring, &end);
    }
    return end != NULL && end != item->valuestring && *end == '\0'
               ? CREW_OK
               : wrong(d, "a default is %s, not a number",
                       json_type_name(item));
}

static int read_int(struct draft *d, const cJSON *item, int64_t *to)
{
    char *end = NULL;

    if (json_is_int(item, to)) {
        return CREW_OK;
    }
    if (cJSON_IsString(item)) { /* beyond 2^53 */
        *to = strtoll(item->valuestring, &end, 10);
    }
    return end != NULL && end != item->valuestring && *end == '\0'
               ? CREW_OK
               : wrong(d, "a default is %s, not an integer",
                       json_type_name(item));
}

/* Strings are noted as places in d->text first, since that moves. */
static int read_string(struct draft *d,
                       const cJSON *item,
                       struct example_bytes *to)
{
    size_t from = d->text.len;

    if (!cJSON_IsString(item)) {
        return wrong(d, "a default is %s, not a string", json_type_name(item));
    }
    if (!d->base64) {
        strbuf_addstr(&d->text, item->valuestring);
    } else if (!add_base64(&d->text, item->valuestring)) {
        return wrong(d, "the default '%.60s' is no base64", item->valuestring);
    }
    to->data = NULL;
    to->n = d->text.len - from;
    return CREW_OK;
}

static int read_value(struct draft *d, const cJSON *item, int64_t i)
{
    switch (d->is.dtype) {
        case CREW_FLOAT:
            return read_float(d, item, (float *)d->values + i);
        case CREW_INT64:
            return read_int(d, item, (int64_t *)d->values + i);
        default:
            return read_string(d, item, (struct example_bytes *)d->values + i);
    }
}

static int read_default(struct draft *d, const cJSON *item)
{
    const cJSON *list = item, *values = NULL, *each = NULL;
    int64_t n = 1, i = 0;

    if (item == NULL || cJSON_IsNull(item)) {
        return CREW_OK;
    }
    if (cJSON_IsObject(item)) {
        values = json_get(item, "values");
        if (values == NULL || !cJSON_IsArray(values)) {
            return wrong(d, "the default is an object without \"values\"");
        }
        d->base64 = true;
        list = values;
    }
    if (cJSON_IsArray(list)) {
        n = cJSON_GetArraySize(list);
        each = list->child;
    } else {
        each = list;
    }
    d->values = xcalloc((size_t)n + 1, sizeof(struct example_bytes));
    for (; i < n; i++, each = each->next) {
        if (read_value(d, each, i) != CREW_OK) {
            return d->err->code;
        }
    }
    if (d->is.dtype == CREW_STRING) {
        struct example_bytes *strings = d->values;
        size_t at = 0;

        for (i = 0; i < n; i++) {
            strings[i].data = d->text.data + at;
            at += strings[i].n;
        }
    }
    d->is.default_values = d->values;
    d->is.num_default = n;
    return CREW_OK;
}

static int read_shape(struct draft *d, const cJSON *item)
{
    const cJSON *each;

    if (!cJSON_IsArray(item)) {
        return wrong(d, "wants a \"shape\", a list of sizes such as [2, 3]");
    }
    cJSON_ArrayForEach(each, item)
    {
        int64_t size;

        if (d->is.shape.rank == CREW_MAX_RANK || !json_is_int(each, &size) ||
            size < 0) {
            return wrong(d, "\"shape\" is a list of at most %d sizes",
                         CREW_MAX_RANK - 2);
        }
        d->is.shape.dim[d->is.shape.rank++] = size;
    }
    return CREW_OK;
}

static int read_feature(struct draft *d, const cJSON *item)
{
    static const char *const types[] = {"FixedLenFeature",
                                        "FixedLenSequenceFeature",
                                        "VarLenFeature", "RaggedFeature"};
    const cJSON *type = cJSON_IsObject(item) ? json_get(item, "type") : NULL;
    const cJSON *dtype = cJSON_IsObject(item) ? json_get(item, "dtype") : NULL;
    size_t kind = 0;

    while (kind < 4 && (!cJSON_IsString(type) ||
                        strcmp(type->valuestring, types[kind]) != 0)) {
        kind++;
    }
    if (kind == 4) {
        return wrong(d,
                     "\"type\" is one of FixedLenFeature, "
                     "FixedLenSequenceFeature, VarLenFeature, "
                     "RaggedFeature");
    }
    d->is.kind = (enum parse_kind)kind;
    d->is.dtype = cJSON_IsString(dtype) ? dtype_parse(dtype->valuestring)
                                        : CREW_INVALID_DTYPE;
    if (d->is.dtype != CREW_FLOAT && d->is.dtype != CREW_INT64 &&
        d->is.dtype != CREW_STRING) {
        return wrong(d, "\"dtype\" is one of float32, int64, string");
    }
    if (d->is.kind == PARSE_VAR_LEN || d->is.kind == PARSE_RAGGED) {
        return CREW_OK;
    }
    if (read_shape(d, json_get(item, "shape")) != CREW_OK) {
        return d->err->code;
    }
    return read_default(d, json_get(item, "default"));
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct draft *)a)->key,
                  ((const struct draft *)b)->key);
}

static int make_spec(struct draft *drafts,
                     int n,
                     struct parse_spec **out,
                     struct crew_err *err)
{
    struct parse_feature *features = xcalloc((size_t)n + 1, sizeof *features);
    int rc;

    qsort(drafts, (size_t)n, sizeof *drafts, by_key);
    for (int i = 0; i < n; i++) {
        features[i] = drafts[i].is;
    }
    rc = parse_spec_new(features, n, out, err);
    if (rc == CREW_INVALID_ARGUMENT) {
        crew_err_wrap(err, "spec");
        err->exit_code = 64;
    }
    free(features);
    return rc;
}

int parse_spec_from_json(const cJSON *json,
                         struct parse_spec **out,
                         struct crew_err *err)
{
    int n = cJSON_IsObject(json) ? cJSON_GetArraySize(json) : 0;
    struct draft *drafts;
    const cJSON *item;
    int made = 0;

    if (!cJSON_IsObject(json) || n > PARSE_MAX_FEATURES) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "spec: is %s; it is an object {key: {\"type\": "
                             "..., \"dtype\": ...}} of at most %d keys",
                             json_type_name(json), PARSE_MAX_FEATURES);
    }
    drafts = xcalloc((size_t)n + 1, sizeof *drafts);
    cJSON_ArrayForEach(item, json)
    {
        struct draft *d = &drafts[made++];

        d->key = item->string;
        d->err = err;
        d->is.key = (struct example_bytes){d->key, strlen(d->key)};
        strbuf_init(&d->text);
        if (read_feature(d, item) != CREW_OK) {
            break;
        }
    }
    if (err->code == CREW_OK) {
        (void)make_spec(drafts, n, out, err);
    }
    for (int i = 0; i < made; i++) {
        strbuf_release(&drafts[i].text);
        free(drafts[i].values);
    }
    free(drafts);
    return err->code;
}
