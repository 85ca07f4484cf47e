/* SPDX-License-Identifier: Apache-2.0
 * crew ckpt diff: what differs in two checkpoints. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "checkpoint/value_text.h"
#include "cli/ckpt.h"
#include "base/banned.h"

/* Where differences go. */
struct report {
    bool json;
    int n;
};

static void tell(struct report *to, const char *name, const char *what)
{
    struct strbuf line;

    strbuf_init(&line);
    if (to->json) {
        strbuf_addstr(&line, to->n > 0 ? ",\n {\"name\": " : "\n {\"name\": ");
        ckpt_add_text(&line, name, strlen(name));
        strbuf_addstr(&line, ", \"what\": ");
        ckpt_add_text(&line, what, strlen(what));
        strbuf_addstr(&line, "}");
    } else {
        strbuf_addf(&line, "%s: %s\n", name, what);
    }
    (void)fputs(line.data, stdout);
    strbuf_release(&line);
    to->n++;
}

/* The numbers in which two tensors differ. */
struct difference {
    int64_t count, first;
    struct strbuf values; /* of the first: both */
};

static void compare_piece(const struct ckpt_pieces *a,
                          const struct ckpt_pieces *b,
                          struct difference *d)
{
    size_t size = bundle_dtype_size(a->t->dtype);
    int parts = value_parts(a->t->dtype);
    const char *x = a->data, *y = b->data;

    if (memcmp(x, y, (size_t)a->count * size) == 0) {
        return;
    }
    for (int64_t i = 0; i < a->count; i++) {
        if (memcmp(x + (size_t)i * size, y + (size_t)i * size, size) == 0) {
            continue;
        }
        if (d->count++ == 0) {
            d->first = a->first + i;
            value_text(&d->values, a->t->dtype, x, i * parts, false);
            strbuf_addstr(&d->values, " and ");
            value_text(&d->values, b->t->dtype, y, i * parts, false);
        }
    }
}

static int diff_numbers(struct ckpt_pieces *a,
                        struct ckpt_pieces *b,
                        struct report *to,
                        struct crew_err *err)
{
    struct difference d = {0};

    strbuf_init(&d.values);
    while (ckpt_pieces_next(a, err) == CREW_OK &&
           ckpt_pieces_next(b, err) == CREW_OK && a->count > 0) {
        compare_piece(a, b, &d);
    }
    if (err->code == CREW_OK && d.count > 0) {
        char *what = xasprintf("%lld of %lld differ, first [%lld]: %s",
                               (long long)d.count, (long long)a->n,
                               (long long)d.first, d.values.data);

        tell(to, a->t->name, what);
        free(what);
    }
    strbuf_release(&d.values);
    return err->code;
}

static bool same_strings(const struct bundle_strings *a,
                         const struct bundle_strings *b)
{
    for (int64_t i = 0; i < a->n; i++) {
        const struct bundle_string *x = &a->at[i], *y = &b->at[i];

        if (x->n != y->n || memcmp(x->data, y->data, x->n) != 0) {
            return false;
        }
    }
    return true;
}

static int diff_strings(struct bundle_reader *ra,
                        struct bundle_reader *rb,
                        const struct bundle_tensor *ta,
                        const struct bundle_tensor *tb,
                        struct report *to,
                        struct crew_err *err)
{
    struct bundle_strings a = {0}, b = {0};

    if (bundle_read_strings(ra, ta, &a, err) == CREW_OK &&
        bundle_read_strings(rb, tb, &b, err) == CREW_OK &&
        !same_strings(&a, &b)) {
        tell(to, ta->name, "the strings differ");
    }
    bundle_strings_release(&a);
    bundle_strings_release(&b);
    return err->code;
}

static int diff_values(struct bundle_reader *ra,
                       struct bundle_reader *rb,
                       const struct bundle_tensor *ta,
                       const struct bundle_tensor *tb,
                       struct report *to,
                       struct crew_err *err)
{
    struct ckpt_pieces a = {0}, b = {0};

    if (ta->dtype == CREW_STRING) {
        return diff_strings(ra, rb, ta, tb, to, err);
    }
    if (ckpt_pieces_open(ra, ta, &a, err) == CREW_OK &&
        ckpt_pieces_open(rb, tb, &b, err) == CREW_OK) {
        (void)diff_numbers(&a, &b, to, err);
    }
    ckpt_pieces_close(&a);
    ckpt_pieces_close(&b);
    return err->code;
}

static void tell_kinds(const struct bundle_tensor *a,
                       const struct bundle_tensor *b,
                       struct report *to)
{
    struct strbuf out;

    strbuf_init(&out);
    strbuf_addf(&out, "%s ", bundle_dtype_name(a->dtype));
    ckpt_add_shape(&out, &a->shape);
    strbuf_addf(&out, " and %s ", bundle_dtype_name(b->dtype));
    ckpt_add_shape(&out, &b->shape);
    tell(to, a->name, out.data);
    strbuf_release(&out);
}

int ckpt_diff(struct bundle_reader *a,
              struct bundle_reader *b,
              bool json,
              bool *same,
              struct crew_err *err)
{
    struct report to = {.json = json};

    (void)fputs(json ? "{\"differences\": [" : "", stdout);
    for (int i = 0; i < bundle_num_tensors(a) && err->code == CREW_OK; i++) {
        const struct bundle_tensor *x = bundle_tensor(a, i);
        const struct bundle_tensor *y = bundle_find(b, x->name);

        if (y == NULL) {
            tell(&to, x->name, "only in the first");
        } else if (x->dtype != y->dtype || !shape_equal(&x->shape, &y->shape)) {
            tell_kinds(x, y, &to);
        } else {
            (void)diff_values(a, b, x, y, &to, err);
        }
    }
    for (int i = 0; i < bundle_num_tensors(b) && err->code == CREW_OK; i++) {
        if (bundle_find(a, bundle_tensor(b, i)->name) == NULL) {
            tell(&to, bundle_tensor(b, i)->name, "only in the second");
        }
    }
    *same = to.n == 0;
    if (json && err->code == CREW_OK) {
        printf("], \"same\": %s}\n", *same ? "true" : "false");
    }
    return err->code;
}
