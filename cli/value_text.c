/* SPDX-License-Identifier: Apache-2.0
 * Values as text and JSON. */
#include "cli/value_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "cli/base64.h"
#include "cli/events.h"
#include "hooks/hooks.h"
#include "tensor/tensor.h"
#include "base/banned.h"

enum { MOST = 1000 };

static void add_bytes(struct strbuf *out, const struct value_string *s)
{
    strbuf_addstr(out, "b'");
    for (size_t i = 0; i < s->n; i++) {
        unsigned char c = (unsigned char)s->data[i];

        if (c < 0x20 || c >= 0x7f) {
            strbuf_addf(out, "\\x%02x", c);
        } else {
            strbuf_addf(out, "%s%c", c == '\'' || c == '\\' ? "\\" : "", c);
        }
    }
    strbuf_addstr(out, "'");
}

static void add_element(struct strbuf *out, const struct value *v, int64_t i)
{
    char text[40];

    switch (v->dtype) {
        case CREW_FLOAT:
            strbuf_addstr(out, hook_float_text(v->f32[i], text, sizeof text));
            break;
        case CREW_DOUBLE:
            strbuf_addf(out, "%.17g", v->f64[i]);
            break;
        case CREW_INT32:
            strbuf_addf(out, "%" PRId32, v->i32[i]);
            break;
        case CREW_INT64:
            strbuf_addf(out, "%" PRId64, v->i64[i]);
            break;
        case CREW_BOOL:
            strbuf_addstr(out, v->b[i] ? "True" : "False");
            break;
        case CREW_STRING:
            add_bytes(out, &v->str[i]);
            break;
        default:
            strbuf_addf(out, "%d", v->u8[i]);
    }
}

void value_print(const struct value *v, struct strbuf *out)
{
    int rank = v->shape.rank;

    if (v->n == 0) {
        strbuf_addstr(out, rank == 0 ? "" : "[]");
    }
    for (int64_t i = 0; i < v->n && i < MOST; i++) {
        int opened = 0;
        int64_t inner = 1;

        for (int k = rank - 1; k >= 0; k--) { /* how many begin here */
            inner *= v->shape.dim[k];
            opened += i % inner == 0 ? 1 : 0;
        }
        if (i > 0) {
            strbuf_addstr(out, opened > 0 ? "\n" : " ");
        }
        for (int k = 0; i > 0 && opened > 0 && k < rank - opened; k++) {
            strbuf_addstr(out, " ");
        }
        for (int k = 0; k < opened; k++) {
            strbuf_addstr(out, "[");
        }
        add_element(out, v, i);
        inner = 1;
        for (int k = rank - 1; k >= 0; k--) {
            inner *= v->shape.dim[k];
            strbuf_addstr(out, (i + 1) % inner == 0 ? "]" : "");
        }
    }
    strbuf_addstr(out, v->n > MOST ? " ..." : "");
}

/* -------------------------------------------------------------------- JSON */

static cJSON *number_json(double x, int digits)
{
    return event_number(x, digits);
}

static cJSON *integer_json(int64_t v)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%" PRId64, v);
    return cJSON_CreateRaw(text);
}

static cJSON *element_json(const struct value *v, int64_t i, bool base64)
{
    struct strbuf text;
    cJSON *json;

    switch (v->dtype) {
        case CREW_FLOAT:
            return number_json((double)v->f32[i], 9);
        case CREW_DOUBLE:
            return number_json(v->f64[i], 17);
        case CREW_INT32:
            return integer_json(v->i32[i]);
        case CREW_INT64:
            return integer_json(v->i64[i]);
        case CREW_BOOL:
            return cJSON_CreateBool(v->b[i]);
        case CREW_STRING:
            strbuf_init(&text);
            if (base64) {
                base64_add(&text, v->str[i].data, v->str[i].n);
            } else {
                strbuf_add(&text, v->str[i].data, v->str[i].n);
            }
            json = cJSON_CreateString(text.data);
            strbuf_release(&text);
            return json;
        default:
            return integer_json(v->u8[i]);
    }
}

cJSON *value_json(const struct value *v)
{
    cJSON *json = cJSON_CreateObject();
    cJSON *shape, *values;

    cJSON_AddStringToObject(json, "dtype",
                            v->dtype == CREW_STRING
                                ? "string"
                                : dtype_name((enum crew_dtype)v->dtype));
    shape = cJSON_AddArrayToObject(json, "shape");
    for (int i = 0; i < v->shape.rank; i++) {
        cJSON_AddItemToArray(shape, integer_json(v->shape.dim[i]));
    }
    values = cJSON_AddArrayToObject(json, "values");
    for (int64_t i = 0; i < v->n; i++) {
        cJSON_AddItemToArray(values, element_json(v, i, true));
    }
    return json;
}

/* Elements of dimensions from `dim` on, beginning with *at. */
static cJSON *nested(const struct value *v, int dim, int64_t *at)
{
    cJSON *list;

    if (dim == v->shape.rank) {
        return element_json(v, (*at)++, false);
    }
    list = cJSON_CreateArray();
    for (int64_t i = 0; i < v->shape.dim[dim]; i++) {
        cJSON_AddItemToArray(list, nested(v, dim + 1, at));
    }
    return list;
}

cJSON *value_row_json(const struct value *v, int64_t row)
{
    int64_t width =
        v->shape.rank > 0 && v->shape.dim[0] > 0 ? v->n / v->shape.dim[0] : 1;
    int64_t at = row * width;

    return nested(v, v->shape.rank > 0 ? 1 : 0, &at);
}
