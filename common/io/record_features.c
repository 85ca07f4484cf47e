/* SPDX-License-Identifier: Apache-2.0
 * The features of a dataset of tf.Examples. */
#include "io/record_features.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/dataset_list.h"
#include "io/word_ids.h"

#include "base/banned.h"

struct feature {
    char *name;
    enum crew_dtype dtype; /* what is parsed */
    enum crew_dtype element;
    struct crew_shape shape; /* of an element */
    int64_t count;           /* values of an element */
    size_t bytes;
    bool var_len, is_label;
    double fill;         /* var_len: of what is not there */
    struct word_ids ids; /* of a string */
    /* This block: rows of `bytes` each; the column's own or `made`. */
    const void *rows;
    void *made;  /* (block, bytes); NULL: the column is used as it is */
    bool ragged; /* a list of any length: taken from the column when given */
    const struct parse_column *column;
};

struct record_features {
    struct feature *features;
    int n;
    int64_t block;
    struct parse_spec *spec;
};

/* ------------------------------------------------------------------ making */

static int refuse(const struct crew_record_feature *f,
                  const char *what,
                  struct crew_err *err)
{
    return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                         "crew_dataset_tfrecord: feature \"%s\": %s",
                         f->name != NULL ? f->name : "(NULL)", what);
}

/* The first thing that is wrong with a request. */
static int check(const struct crew_record_feature *f, struct crew_err *err)
{
    const char *wrong =
        word_ids_refuse(f->dtype == CREW_STRING, f->hash_buckets, f->vocabulary,
                        f->vocabulary_size);

    if (f->name == NULL || f->name[0] == '\0') {
        return refuse(f, "it has no name", err);
    }
    if (f->dtype != CREW_FLOAT && f->dtype != CREW_INT64 &&
        f->dtype != CREW_STRING) {
        return refuse(f, "an Example holds float32, int64 or string", err);
    }
    if (wrong != NULL) {
        return refuse(f, wrong, err);
    }
    if (f->var_len && f->shape.rank != 1) {
        return refuse(f,
                      "var_len wants a shape of one dimension: the most values "
                      "to keep, or -1: all, in lists of any length",
                      err);
    }
    if (f->var_len && f->shape.dim[0] < 0 && f->has_default) {
        return refuse(f,
                      "a list of any length is not filled up. Fix: no default, "
                      "or a shape",
                      err);
    }
    if (f->has_default && f->dtype == CREW_STRING && !f->var_len) {
        return refuse(f,
                      "a string has no default value; with var_len what is "
                      "missing is filled up",
                      err);
    }
    return CREW_OK;
}

static int make_feature(const struct crew_record_feature *from,
                        int64_t block,
                        struct feature *f,
                        struct crew_err *err)
{
    bool ids = from->dtype == CREW_STRING;
    bool ragged = from->var_len && from->shape.dim[0] < 0;
    void *made = NULL;

    if (check(from, err) != CREW_OK ||
        (!ragged && shape_count(&from->shape, &f->count, err) != CREW_OK)) {
        return err->code;
    }
    f->name = xstrdup(from->name);
    f->dtype = from->dtype;
    f->element = ids ? CREW_INT64 : from->dtype;
    f->shape = from->shape;
    f->var_len = from->var_len;
    f->is_label = from->is_label;
    f->fill = from->has_default ? from->default_value : ids ? -1 : 0;
    f->bytes = (size_t)f->count * dtype_size(f->element);
    word_ids_make(&f->ids, from->hash_buckets, from->vocabulary,
                  from->vocabulary_size);
    f->ragged = ragged;
    if ((ids || f->var_len) && !ragged &&
        mem_try((size_t)block, f->bytes, from->name, &made, err) != CREW_OK) {
        return err->code;
    }
    f->made = made;
    return CREW_OK;
}

/* Defaults of a fixed feature, one a value. Owner: caller. */
static void *make_defaults(const struct crew_record_feature *from,
                           const struct feature *f)
{
    void *values = xcalloc((size_t)f->count + 1, sizeof(int64_t));

    for (int64_t i = 0; i < f->count; i++) {
        if (f->dtype == CREW_FLOAT) {
            ((float *)values)[i] = (float)from->default_value;
        } else {
            ((int64_t *)values)[i] = (int64_t)from->default_value;
        }
    }
    return values;
}

static int make_spec(struct record_features *r,
                     const struct crew_record_feature *from,
                     struct crew_err *err)
{
    struct parse_feature *features =
        xcalloc((size_t)r->n + 1, sizeof *features);
    void **defaults = xcalloc((size_t)r->n + 1, sizeof *defaults);

    for (int i = 0; i < r->n; i++) {
        const struct feature *f = &r->features[i];
        struct parse_feature *p = &features[i];

        p->key = (struct example_bytes){f->name, strlen(f->name)};
        p->kind = f->ragged    ? PARSE_RAGGED
                  : f->var_len ? PARSE_VAR_LEN
                               : PARSE_FIXED;
        p->dtype = f->dtype;
        if (!f->var_len) {
            p->shape = f->shape;
            if (from[i].has_default) {
                defaults[i] = make_defaults(&from[i], f);
                p->default_values = defaults[i];
                p->num_default = f->count;
            }
        }
    }
    if (parse_spec_new(features, r->n, &r->spec, err) != CREW_OK) {
        err->exit_code = 64;
        (void)crew_err_wrap(err, "crew_dataset_tfrecord");
    }
    for (int i = 0; i < r->n; i++) {
        free(defaults[i]);
    }
    free(defaults);
    free(features);
    return err->code;
}

int record_features_new(const struct crew_record_feature *from,
                        int n,
                        int64_t block,
                        struct record_features **out,
                        struct crew_err *err)
{
    struct record_features *r = xcalloc(1, sizeof *r);

    r->n = n > 0 ? n : 0;
    r->block = block;
    r->features = xcalloc((size_t)r->n + 1, sizeof *r->features);
    if (n < 1) {
        crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                      "crew_dataset_tfrecord: no features");
    }
    for (int i = 0; i < n && err->code == CREW_OK; i++) {
        (void)make_feature(&from[i], block, &r->features[i], err);
    }
    if (err->code == CREW_OK && make_spec(r, from, err) == CREW_OK) {
        *out = r;
        return CREW_OK;
    }
    record_features_free(r);
    return err->code;
}

void record_features_free(struct record_features *r)
{
    if (r == NULL) {
        return;
    }
    for (int i = 0; i < r->n; i++) {
        free(r->features[i].name);
        free(r->features[i].made);
        word_ids_release(&r->features[i].ids);
    }
    free(r->features);
    parse_spec_free(r->spec);
    free(r);
}

void record_features_declare(const struct record_features *r,
                             int i,
                             struct crew_dataset *d)
{
    const struct feature *f = &r->features[i];

    dataset_add_component(d, f->name, f->element, f->shape, f->is_label);
}

const struct parse_spec *record_features_spec(const struct record_features *r)
{
    return r->spec;
}

/* ------------------------------------------------------------------ values */

/* Value k of the column, as value `to` of `made`. */
static void make_value(const struct feature *f,
                       const struct parse_column *c,
                       int64_t k,
                       void *made,
                       int64_t to)
{
    if (f->dtype == CREW_FLOAT) {
        ((float *)made)[to] = c->floats[k];
    } else if (f->dtype == CREW_INT64) {
        ((int64_t *)made)[to] = c->ints[k];
    } else {
        ((int64_t *)made)[to] =
            word_ids_of(&f->ids, c->strings[k].data, c->strings[k].n);
    }
}

static void make_fill(const struct feature *f, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (f->element == CREW_FLOAT) {
            ((float *)f->made)[i] = (float)f->fill;
        } else {
            ((int64_t *)f->made)[i] = (int64_t)f->fill;
        }
    }
}

static void take_var_len(const struct feature *f,
                         const struct parse_column *c,
                         int64_t n)
{
    make_fill(f, n * f->count);
    for (int64_t k = 0; k < c->n; k++) {
        int64_t row = c->indices[2 * k], place = c->indices[2 * k + 1];

        if (place < f->count) {
            make_value(f, c, k, f->made, row * f->count + place);
        }
    }
}

void record_features_take(struct record_features *r,
                          const struct parse_column *columns,
                          int64_t n)
{
    for (int i = 0; i < r->n; i++) {
        struct feature *f = &r->features[i];
        const struct parse_column *c = &columns[i];

        f->column = c;
        if (f->ragged) {
            continue;
        }
        if (f->made == NULL) {
            f->rows = f->dtype == CREW_FLOAT ? (const void *)c->floats
                                             : (const void *)c->ints;
            continue;
        }
        f->rows = f->made;
        if (f->var_len) {
            take_var_len(f, c, n);
            continue;
        }
        for (int64_t k = 0; k < n * f->count; k++) {
            make_value(f, c, k, f->made, k);
        }
    }
}

static int give_list(const struct feature *f,
                     int64_t i,
                     struct crew_list *out,
                     struct crew_err *err)
{
    int64_t begin = f->column->row_splits[i];
    int64_t n = f->column->row_splits[i + 1] - begin;
    void *values;

    dataset_list_begin(out, f->element);
    if (n == 0) {
        return CREW_OK;
    }
    values = dataset_list_extend(out, n, err);
    for (int64_t k = 0; values != NULL && k < n; k++) {
        make_value(f, f->column, begin + k, values, k);
    }
    return err->code;
}

int record_features_give(const struct record_features *r,
                         int64_t i,
                         void *const *out,
                         struct crew_err *err)
{
    for (int k = 0; k < r->n; k++) {
        const struct feature *f = &r->features[k];

        if (!f->ragged) {
            dataset_copy_value(
                out[k], (const char *)f->rows + (size_t)i * f->bytes, f->bytes);
        } else if (give_list(f, i, out[k], err) != CREW_OK) {
            return err->code;
        }
    }
    return CREW_OK;
}
