/* SPDX-License-Identifier: Apache-2.0
 * crew ckpt dump: tensors with their values. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "checkpoint/sha256.h"
#include "checkpoint/value_text.h"
#include "cli/base64.h"
#include "cli/ckpt.h"
#include "base/banned.h"

enum { NUM_FIRST = 8, FLUSH_AT = 64 * 1024 };

static void flush(struct strbuf *out)
{
    (void)fwrite(out->data, 1, out->len, stdout);
    strbuf_reset(out);
}

/* ----------------------------------------------------------------- strings */

/* Of each the length as 64 bits, then its bytes. */
static void digest_strings(const struct bundle_strings *s, char text[65])
{
    struct sha256 sum;
    uint8_t length[8];

    sha256_init(&sum);
    for (int64_t i = 0; i < s->n; i++) {
        put_le64(length, s->at[i].n);
        sha256_add(&sum, length, sizeof length);
        sha256_add(&sum, s->at[i].data, s->at[i].n);
    }
    sha256_hex(&sum, text);
}

/* JSON: as base64, as the golden files have them. */
static void add_string(struct strbuf *out,
                       const struct bundle_string *s,
                       bool json)
{
    if (json) {
        strbuf_addstr(out, "\"");
        base64_add(out, s->data, s->n);
        strbuf_addstr(out, "\"");
    } else {
        ckpt_add_text(out, s->data, s->n);
    }
}

static void add_strings(struct strbuf *out,
                        const struct bundle_tensor *t,
                        const struct bundle_strings *s,
                        int64_t n,
                        bool json)
{
    int rank = t->shape.rank;
    int64_t row = rank > 0 ? t->shape.dim[rank - 1] : 1;

    for (int64_t i = 0; i < n; i++) {
        strbuf_addstr(out, json           ? (i > 0 ? ", " : "")
                           : i % row == 0 ? "\n  "
                                          : " ");
        add_string(out, &s->at[i], json);
        if (out->len > FLUSH_AT) {
            flush(out);
        }
    }
}

/* ----------------------------------------------------------------- numbers */

static int digest_numbers(struct ckpt_pieces *p,
                          char text[65],
                          struct crew_err *err)
{
    size_t size = bundle_dtype_size(p->t->dtype);
    struct sha256 sum;

    sha256_init(&sum);
    while (ckpt_pieces_next(p, err) == CREW_OK && p->count > 0) {
        sha256_add(&sum, p->data, (size_t)p->count * size);
    }
    sha256_hex(&sum, text);
    ckpt_pieces_rewind(p);
    return err->code;
}

/* The first `most` elements; of complex numbers both parts if `both`. */
static int add_json_numbers(struct strbuf *out,
                            struct ckpt_pieces *p,
                            int64_t most,
                            bool both,
                            struct crew_err *err)
{
    int parts = value_parts(p->t->dtype), shown = both ? parts : 1;

    while (ckpt_pieces_next(p, err) == CREW_OK && p->count > 0 &&
           p->first < most) {
        for (int64_t i = 0; i < p->count && p->first + i < most; i++) {
            for (int k = 0; k < shown; k++) {
                strbuf_addstr(out, p->first + i + k > 0 ? ", " : "");
                value_text(out, p->t->dtype, p->data, i * parts + k, true);
            }
            if (out->len > FLUSH_AT) {
                flush(out);
            }
        }
    }
    return err->code;
}

/* A line for each row of the last dimension. */
static int add_text_numbers(struct strbuf *out,
                            struct ckpt_pieces *p,
                            struct crew_err *err)
{
    const struct crew_shape *shape = &p->t->shape;
    int parts = value_parts(p->t->dtype);
    int64_t row = shape->rank > 0 ? shape->dim[shape->rank - 1] : 1;

    while (ckpt_pieces_next(p, err) == CREW_OK && p->count > 0) {
        for (int64_t i = 0; i < p->count; i++) {
            strbuf_addstr(out, (p->first + i) % row == 0 ? "\n  " : " ");
            value_text(out, p->t->dtype, p->data, i * parts, false);
            if (parts == 2) {
                strbuf_addstr(out, "+j");
                value_text(out, p->t->dtype, p->data, i * parts + 1, false);
            }
            if (out->len > FLUSH_AT) {
                flush(out);
            }
        }
    }
    return err->code;
}

/* -------------------------------------------------------------- one tensor */

/* What is asked for. */
struct dump {
    struct bundle_reader *reader;
    bool json, all; /* all: every value, not only the first ones */
};

/* What stands before the values. */
static void add_start(struct strbuf *out,
                      const struct dump *d,
                      const struct bundle_tensor *t,
                      const char sum[65])
{
    if (d->json) {
        ckpt_add_head(out, t);
        strbuf_addf(out, ", \"sha256\": \"%s\", \"%s\": [", sum,
                    d->all ? "values" : "first");
    } else {
        strbuf_addf(out, "%s %s ", t->name, bundle_dtype_name(t->dtype));
        ckpt_add_shape(out, &t->shape);
    }
}

static int dump_strings(const struct dump *d,
                        const struct bundle_tensor *t,
                        struct strbuf *out,
                        struct crew_err *err)
{
    struct bundle_strings s = {0};
    char sum[65];

    if (bundle_read_strings(d->reader, t, &s, err) != CREW_OK) {
        return err->code;
    }
    digest_strings(&s, sum);
    add_start(out, d, t, sum);
    add_strings(out, t, &s,
                !d->json || d->all || s.n < NUM_FIRST ? s.n : NUM_FIRST,
                d->json);
    bundle_strings_release(&s);
    return CREW_OK;
}

static int dump_numbers(const struct dump *d,
                        const struct bundle_tensor *t,
                        struct strbuf *out,
                        struct crew_err *err)
{
    struct ckpt_pieces p = {0};
    char sum[65] = "";

    if (ckpt_pieces_open(d->reader, t, &p, err) != CREW_OK) {
        return err->code;
    }
    if (!d->json) {
        add_start(out, d, t, sum);
        (void)add_text_numbers(out, &p, err);
    } else if (digest_numbers(&p, sum, err) == CREW_OK) {
        add_start(out, d, t, sum);
        (void)add_json_numbers(out, &p, d->all ? INT64_MAX : NUM_FIRST, d->all,
                               err);
    }
    ckpt_pieces_close(&p);
    return err->code;
}

static int dump_one(const struct dump *d,
                    const struct bundle_tensor *t,
                    struct crew_err *err)
{
    struct strbuf out;

    strbuf_init(&out);
    if (t->dtype == CREW_STRING) {
        (void)dump_strings(d, t, &out, err);
    } else {
        (void)dump_numbers(d, t, &out, err);
    }
    if (err->code == CREW_OK) {
        strbuf_addstr(&out, d->json ? "]}" : "\n");
        flush(&out);
    }
    strbuf_release(&out);
    return err->code;
}

int ckpt_dump(struct bundle_reader *r,
              const char *prefix,
              const char *name,
              bool json,
              struct crew_err *err)
{
    const struct dump d = {.reader = r, .json = json, .all = name != NULL};
    const struct bundle_tensor *one = NULL;
    struct strbuf head;

    if (name != NULL) {
        if (bundle_lookup(r, name, &one, err) == CREW_OK &&
            dump_one(&d, one, err) == CREW_OK) {
            (void)fputs(json ? "\n" : "", stdout);
        }
        return err->code;
    }
    strbuf_init(&head);
    if (json) {
        ckpt_add_start(&head, r, prefix);
        flush(&head);
    }
    strbuf_release(&head);
    for (int i = 0; i < bundle_num_tensors(r); i++) {
        (void)fputs(!json ? "" : i > 0 ? ",\n " : "\n ", stdout);
        if (dump_one(&d, bundle_tensor(r, i), err) != CREW_OK) {
            break;
        }
    }
    if (json && err->code == CREW_OK) {
        (void)fputs("\n]}\n", stdout);
    }
    return err->code;
}
