/* SPDX-License-Identifier: Apache-2.0
 * crew ckpt dump and diff: tensors with their values, and what differs in them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "checkpoint/sha256.h"
#include "checkpoint/value_text.h"
#include "cli/base64.h"
#include "cli/ckpt.h"
#include "base/banned.h"

enum { NUM_FIRST = 8, FLUSH_AT = 64 * 1024 };

/* One tensor in memory. */
struct loaded {
    const struct bundle_tensor *t;
    int64_t n;
    void *bytes; /* of numbers */
    struct bundle_strings strings;
};

static int load(struct bundle_reader *r,
                const struct bundle_tensor *t,
                struct loaded *out,
                struct crew_err *err)
{
    struct loaded l = {.t = t};

    if (t->dtype == CREW_STRING) {
        if (bundle_read_strings(r, t, &l.strings, err) == CREW_OK) {
            l.n = l.strings.n;
            *out = l;
        }
        return err->code;
    }
    if (shape_count(&t->shape, &l.n, err) != CREW_OK ||
        mem_try(t->nbytes, 1, t->name, &l.bytes, err) != CREW_OK) {
        return err->code;
    }
    if (bundle_read(r, t, l.bytes, err) == CREW_OK) {
        *out = l;
    } else {
        free(l.bytes);
    }
    return err->code;
}

static void unload(struct loaded *l)
{
    free(l->bytes);
    bundle_strings_release(&l->strings);
}

const char *ckpt_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

void ckpt_add_shape(struct strbuf *out, const struct crew_shape *shape)
{
    strbuf_addstr(out, "[");
    for (int i = 0; i < shape->rank; i++) {
        strbuf_addf(out, "%s%lld", i > 0 ? ", " : "", (long long)shape->dim[i]);
    }
    strbuf_addstr(out, "]");
}

void ckpt_add_text(struct strbuf *out, const void *text, size_t n)
{
    const unsigned char *p = text;

    strbuf_addstr(out, "\"");
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '"' || p[i] == '\\') {
            strbuf_addf(out, "\\%c", p[i]);
        } else if (p[i] < 0x20 || p[i] >= 0x7f) {
            strbuf_addf(out, "\\u%04x", p[i]);
        } else {
            strbuf_add(out, &p[i], 1);
        }
    }
    strbuf_addstr(out, "\"");
}

void ckpt_add_head(struct strbuf *out, const struct bundle_tensor *t)
{
    strbuf_addstr(out, "{\"name\": ");
    ckpt_add_text(out, t->name, strlen(t->name));
    strbuf_addf(
        out, ", \"dtype\": \"%s\", \"shape\": ", bundle_dtype_name(t->dtype));
    ckpt_add_shape(out, &t->shape);
}

static void flush(struct strbuf *out)
{
    (void)fwrite(out->data, 1, out->len, stdout);
    strbuf_reset(out);
}

/* Number or string i of a tensor. JSON: strings as base64, as the golden files
 * have them; of a complex number i counts its parts. */
static void add_value(struct strbuf *out,
                      const struct loaded *l,
                      int64_t i,
                      bool json)
{
    if (l->t->dtype != CREW_STRING) {
        value_text(out, l->t->dtype, l->bytes, i, json);
    } else if (json) {
        strbuf_addstr(out, "\"");
        base64_add(out, l->strings.at[i].data, l->strings.at[i].n);
        strbuf_addstr(out, "\"");
    } else {
        ckpt_add_text(out, l->strings.at[i].data, l->strings.at[i].n);
    }
}

/* Of strings: of each the length as 64 bits, then its bytes. */
static void digest(const struct loaded *l, char text[65])
{
    struct sha256 sum;
    uint8_t length[8];

    sha256_init(&sum);
    for (int64_t i = 0; i < l->strings.n; i++) {
        put_le64(length, l->strings.at[i].n);
        sha256_add(&sum, length, sizeof length);
        sha256_add(&sum, l->strings.at[i].data, l->strings.at[i].n);
    }
    if (l->t->dtype != CREW_STRING) {
        sha256_add(&sum, l->bytes, l->t->nbytes);
    }
    sha256_hex(&sum, text);
}

/* The first eight values (of complex ones the real parts), or all. */
static void print_json(const struct loaded *l, bool all)
{
    int parts = value_parts(l->t->dtype);
    int64_t n = all ? l->n * parts : l->n < NUM_FIRST ? l->n : NUM_FIRST;
    struct strbuf out;
    char sum[65];

    digest(l, sum);
    strbuf_init(&out);
    ckpt_add_head(&out, l->t);
    strbuf_addf(&out, ", \"sha256\": \"%s\", \"%s\": [", sum,
                all ? "values" : "first");
    for (int64_t i = 0; i < n; i++) {
        strbuf_addstr(&out, i > 0 ? ", " : "");
        add_value(&out, l, all ? i : i * parts, true);
        if (out.len > FLUSH_AT) {
            flush(&out);
        }
    }
    strbuf_addstr(&out, "]}");
    flush(&out);
    strbuf_release(&out);
}

/* A line for each row of the last dimension. */
static void print_text(const struct loaded *l)
{
    const struct crew_shape *shape = &l->t->shape;
    int parts = value_parts(l->t->dtype);
    int64_t row = shape->rank > 0 ? shape->dim[shape->rank - 1] : 1;
    struct strbuf out;

    strbuf_init(&out);
    strbuf_addf(&out, "%s %s ", l->t->name, bundle_dtype_name(l->t->dtype));
    ckpt_add_shape(&out, shape);
    for (int64_t i = 0; i < l->n; i++) {
        strbuf_addstr(&out, i % row == 0 ? "\n  " : " ");
        add_value(&out, l, i * parts, false);
        if (parts == 2) {
            strbuf_addstr(&out, "+j");
            add_value(&out, l, i * parts + 1, false);
        }
        if (out.len > FLUSH_AT) {
            flush(&out);
        }
    }
    strbuf_addstr(&out, "\n");
    flush(&out);
    strbuf_release(&out);
}

static int dump_one(struct bundle_reader *r,
                    const struct bundle_tensor *t,
                    bool json,
                    bool all,
                    struct crew_err *err)
{
    struct loaded l = {0};

    if (load(r, t, &l, err) != CREW_OK) {
        return err->code;
    }
    if (json) {
        print_json(&l, all);
    } else {
        print_text(&l);
    }
    unload(&l);
    return CREW_OK;
}

int ckpt_dump(struct bundle_reader *r,
              const char *prefix,
              const char *name,
              bool json,
              struct crew_err *err)
{
    const struct bundle_tensor *one = NULL;

    if (name != NULL) {
        if (bundle_lookup(r, name, &one, err) != CREW_OK ||
            dump_one(r, one, json, true, err) != CREW_OK) {
            return err->code;
        }
        (void)fputs(json ? "\n" : "", stdout);
        return CREW_OK;
    }
    if (json) {
        printf("{\"prefix\": \"%s\", \"tensors\": [", ckpt_base_name(prefix));
    }
    for (int i = 0; i < bundle_num_tensors(r); i++) {
        (void)fputs(!json ? "" : i > 0 ? ",\n " : "\n ", stdout);
        if (dump_one(r, bundle_tensor(r, i), json, false, err) != CREW_OK) {
            break;
        }
    }
    if (json && err->code == CREW_OK) {
        (void)fputs("\n]}\n", stdout);
    }
    return err->code;
}

/* ------------------------------------------------------------------- diff */

static bool same_strings(const struct loaded *a, const struct loaded *b)
{
    for (int64_t i = 0; i < a->n; i++) {
        const struct bundle_string *x = &a->strings.at[i],
                                   *y = &b->strings.at[i];

        if (x->n != y->n || memcmp(x->data, y->data, x->n) != 0) {
            return false;
        }
    }
    return true;
}

/* How many numbers differ, the first of them with both values. */
static void print_difference(const struct loaded *a, const struct loaded *b)
{
    size_t size = bundle_dtype_size(a->t->dtype);
    int64_t differ = 0, first = 0;
    struct strbuf out;

    for (int64_t i = a->n - 1; i >= 0; i--) {
        size_t at = (size_t)i * size;

        if (memcmp((char *)a->bytes + at, (char *)b->bytes + at, size) != 0) {
            differ++;
            first = i;
        }
    }
    strbuf_init(&out);
    strbuf_addf(&out, "%s: %lld of %lld differ, first [%lld]: ", a->t->name,
                (long long)differ, (long long)a->n, (long long)first);
    add_value(&out, a, first * value_parts(a->t->dtype), false);
    strbuf_addstr(&out, " and ");
    add_value(&out, b, first * value_parts(a->t->dtype), false);
    puts(out.data);
    strbuf_release(&out);
}

static int diff_values(struct bundle_reader *ra,
                       struct bundle_reader *rb,
                       const struct bundle_tensor *ta,
                       const struct bundle_tensor *tb,
                       bool *same,
                       struct crew_err *err)
{
    struct loaded a = {0}, b = {0};

    if (load(ra, ta, &a, err) == CREW_OK && load(rb, tb, &b, err) == CREW_OK) {
        if (ta->dtype == CREW_STRING) {
            if (!same_strings(&a, &b)) {
                printf("%s: the strings differ\n", ta->name);
                *same = false;
            }
        } else if (memcmp(a.bytes, b.bytes, ta->nbytes) != 0) {
            print_difference(&a, &b);
            *same = false;
        }
    }
    unload(&a);
    unload(&b);
    return err->code;
}

static void print_kinds(const struct bundle_tensor *a,
                        const struct bundle_tensor *b)
{
    struct strbuf out;

    strbuf_init(&out);
    strbuf_addf(&out, "%s: %s ", a->name, bundle_dtype_name(a->dtype));
    ckpt_add_shape(&out, &a->shape);
    strbuf_addf(&out, " and %s ", bundle_dtype_name(b->dtype));
    ckpt_add_shape(&out, &b->shape);
    puts(out.data);
    strbuf_release(&out);
}

int ckpt_diff(struct bundle_reader *a,
              struct bundle_reader *b,
              bool *same,
              struct crew_err *err)
{
    *same = true;
    for (int i = 0; i < bundle_num_tensors(a) && err->code == CREW_OK; i++) {
        const struct bundle_tensor *x = bundle_tensor(a, i);
        const struct bundle_tensor *y = bundle_find(b, x->name);

        if (y == NULL) {
            printf("%s: only in the first\n", x->name);
            *same = false;
        } else if (x->dtype != y->dtype || !shape_equal(&x->shape, &y->shape)) {
            print_kinds(x, y);
            *same = false;
        } else {
            (void)diff_values(a, b, x, y, same, err);
        }
    }
    for (int i = 0; i < bundle_num_tensors(b) && err->code == CREW_OK; i++) {
        if (bundle_find(a, bundle_tensor(b, i)->name) == NULL) {
            printf("%s: only in the second\n", bundle_tensor(b, i)->name);
            *same = false;
        }
    }
    return err->code;
}
