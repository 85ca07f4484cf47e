/* SPDX-License-Identifier: Apache-2.0
 * Arrays as NumPy prints them with suppress=True, which is how
 * LoggingTensorHook shows tensors. Source: numpy/core/arrayprint.py. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "hooks/hooks.h"
#include "base/banned.h"

#define LINE_WIDTH 75
#define THRESHOLD 1000
#define EDGE_ITEMS 3
#define PRECISION 8
#define WORD_SIZE 400

struct printer {
    const struct crew_value *v;
    struct strbuf *out;
    bool summary;
    bool exponents;  /* some number is 1e8 or more */
    int left, right; /* widths before the point, after it */
    size_t line;     /* where the current line begins in out */
};

/* The digits after the first that read back the same, 8 at most. */
static int shortest(float x, char *digits, size_t size)
{
    int precision = 0;

    for (; precision < 8; precision++) {
        (void)snprintf(digits, size, "%.*e", precision, (double)x);
        if (strtof(digits, NULL) == x) {
            break;
        }
    }
    (void)snprintf(digits, size, "%.*e", precision, (double)x);
    return precision;
}

/* A finite float32 without exponent: "0.25", "1.", at most 8 places. */
static void fixed_text(float x, char *text, size_t size)
{
    char digits[64];
    int precision = shortest(x, digits, sizeof digits);
    char *end;

    int places = precision - (int)strtol(strchr(digits, 'e') + 1, NULL, 10);

    if (places <= 0) {
        (void)snprintf(text, size, "%.0f.", strtod(digits, NULL));
        return;
    }
    (void)snprintf(text, size, "%.*f", places < PRECISION ? places : PRECISION,
                   (double)x);
    for (end = text + strlen(text) - 1; *end == '0'; end--) {
        *end = '\0';
    }
}

static const char *special(float x)
{
    return isnan(x) ? "nan" : (x > 0 ? "inf" : "-inf");
}

static int longer(int a, int b)
{
    return a > b ? a : b;
}

static void measure(struct printer *p, int64_t i)
{
    char text[WORD_SIZE];
    const char *point;

    if (p->v->dtype != CREW_FLOAT) {
        p->left = longer(p->left, snprintf(text, sizeof text, "%" PRId64,
                                           ((const int64_t *)p->v->data)[i]));
        return;
    }

    float x = ((const float *)p->v->data)[i];

    if (isfinite(x) && p->exponents) {
        p->right = longer(p->right, shortest(x, text, sizeof text));
        p->left = longer(p->left, signbit(x) ? 2 : 1);
    } else if (isfinite(x)) {
        fixed_text(x, text, sizeof text);
        point = strchr(text, '.');
        p->left = longer(p->left, (int)(point - text));
        p->right = longer(p->right, (int)strlen(point + 1));
    }
}

static void look_for_large(struct printer *p, int64_t i)
{
    float x = ((const float *)p->v->data)[i];

    p->exponents |= isfinite(x) && fabsf(x) >= 1e8f;
}

/* What is not finite needs room too, once the others have theirs. */
static void measure_special(struct printer *p, int64_t i)
{
    float x = ((const float *)p->v->data)[i];

    if (!isfinite(x)) {
        int tail = p->right + 1 + (p->exponents ? 4 : 0);

        p->left = longer(p->left, (int)strlen(special(x)) - tail);
    }
}

/* "1.50e+10", "1.e+10". */
static void exponent_text(const struct printer *p,
                          float x,
                          char *text,
                          size_t size)
{
    char digits[64];
    const char *e;

    (void)snprintf(digits, sizeof digits, "%.*e", p->right, (double)x);
    e = strchr(digits, 'e');
    (void)snprintf(text, size, "%*s%.*s%s%s", p->left - (signbit(x) ? 2 : 1),
                   "", (int)(e - digits), digits, p->right == 0 ? "." : "", e);
}

static void word(const struct printer *p, int64_t i, char *text, size_t size)
{
    char bare[WORD_SIZE];

    if (p->v->dtype != CREW_FLOAT) {
        (void)snprintf(text, size, "%*" PRId64, p->left,
                       ((const int64_t *)p->v->data)[i]);
        return;
    }

    float x = ((const float *)p->v->data)[i];

    if (!isfinite(x)) {
        int width = p->left + p->right + 1 + (p->exponents ? 4 : 0);

        (void)snprintf(text, size, "%*s", width, special(x));
        return;
    }
    if (p->exponents) {
        exponent_text(p, x, text, size);
        return;
    }
    fixed_text(x, bare, sizeof bare);

    const char *point = strchr(bare, '.');
    int before = p->left - (int)(point - bare);
    int behind = p->right - (int)strlen(point + 1);

    size_t n = strlen(bare);

    if ((size_t)before + n + (size_t)behind + 1 > size) {
        return;
    }
    memset(text, ' ', (size_t)before + n + (size_t)behind);
    memcpy(text + before, bare, n);
    text[(size_t)before + n + (size_t)behind] = '\0';
}

/* Elements of a row of dimension `axis`. */
static int64_t stride(const struct crew_shape *shape, int axis)
{
    int64_t n = 1;

    for (int i = axis + 1; i < shape->rank; i++) {
        n *= shape->dim[i];
    }
    return n;
}

static bool is_cut(const struct printer *p, int axis)
{
    return p->summary && p->v->shape.dim[axis] > 2 * (int64_t)EDGE_ITEMS;
}

/* The index after i of those that are shown of a dimension. */
static int64_t after(const struct printer *p, int axis, int64_t i)
{
    return is_cut(p, axis) && i == EDGE_ITEMS - 1
               ? p->v->shape.dim[axis] - EDGE_ITEMS
               : i + 1;
}

static void each_shown(struct printer *p,
                       int axis,
                       int64_t offset,
                       void (*visit)(struct printer *, int64_t))
{
    if (axis == p->v->shape.rank) {
        visit(p, offset);
        return;
    }
    for (int64_t i = 0; i < p->v->shape.dim[axis]; i = after(p, axis, i)) {
        each_shown(p, axis + 1, offset + i * stride(&p->v->shape, axis), visit);
    }
}

static void new_line(struct printer *p, int indent)
{
    while (p->out->len > 0 && p->out->data[p->out->len - 1] == ' ') {
        p->out->data[--p->out->len] = '\0';
    }
    strbuf_addstr(p->out, "\n");
    p->line = p->out->len;
    for (int i = 0; i < indent; i++) {
        strbuf_addstr(p->out, " ");
    }
}

static void add_word(struct printer *p,
                     const char *text,
                     int indent,
                     size_t width)
{
    size_t length = p->out->len - p->line;

    if (length > (size_t)indent && length + strlen(text) > width) {
        new_line(p, indent);
    }
    strbuf_addstr(p->out, text);
}

static void add_row(struct printer *p, int axis, int64_t offset, size_t width)
{
    char text[WORD_SIZE];
    int64_t n = p->v->shape.dim[axis];

    for (int64_t i = 0; i < n; i = after(p, axis, i)) {
        if (i > 0) {
            strbuf_addstr(p->out, " ");
        }
        if (is_cut(p, axis) && i == n - EDGE_ITEMS) {
            add_word(p, "...", axis + 1, width - 1);
            strbuf_addstr(p->out, " ");
        }
        word(p, offset + i, text, sizeof text);
        add_word(p, text, axis + 1, width - 1);
    }
}

static void add_rows(struct printer *p, int axis, int64_t offset, size_t width)
{
    const struct crew_shape *shape = &p->v->shape;
    int64_t n = shape->dim[axis];

    strbuf_addstr(p->out, "[");
    if (axis == shape->rank - 1) {
        add_row(p, axis, offset, width);
    }
    for (int64_t i = 0; axis < shape->rank - 1 && i < n;
         i = after(p, axis, i)) {
        for (int k = 0; i > 0 && k < shape->rank - 1 - axis; k++) {
            new_line(p, axis + 1);
        }
        if (is_cut(p, axis) && i == n - EDGE_ITEMS) {
            strbuf_addstr(p->out, "...");
            for (int k = 0; k < shape->rank - 1 - axis; k++) {
                new_line(p, axis + 1);
            }
        }
        add_rows(p, axis + 1, offset + i * stride(shape, axis), width - 1);
    }
    strbuf_addstr(p->out, "]");
}

void hook_value_text(const struct crew_value *v, struct strbuf *out)
{
    struct printer p = {.v = v, .out = out, .line = out->len};
    int64_t n = stride(&v->shape, -1);
    char number[40];

    if (v->data == NULL) {
        strbuf_addstr(out, "None");
        return;
    }
    if (v->shape.rank == 0) {
        if (v->dtype == CREW_FLOAT) {
            strbuf_addstr(out, hook_float_text(*(const float *)v->data, number,
                                               sizeof number));
        } else {
            strbuf_addf(out, "%" PRId64, *(const int64_t *)v->data);
        }
        return;
    }
    p.summary = n > THRESHOLD;
    if (n == 0) {
        strbuf_addstr(out, "[]");
        return;
    }
    if (v->dtype == CREW_FLOAT) {
        each_shown(&p, 0, 0, look_for_large);
    }
    each_shown(&p, 0, 0, measure);
    if (v->dtype == CREW_FLOAT) {
        each_shown(&p, 0, 0, measure_special);
    }
    add_rows(&p, 0, 0, LINE_WIDTH);
}
