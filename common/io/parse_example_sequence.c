/* SPDX-License-Identifier: Apache-2.0
 *
 * Batches of SequenceExamples: find every feature's bytes in every example,
 * count, then write. Each step in TensorFlow's order, for the sake of its
 * messages; two features that are wrong at once may be named in another order
 * than TensorFlow's, which is that of a hash map. */
#include <string.h>

#include "base/check.h"
#include "io/parse_example_steps.h"
#include "base/banned.h"

/* ----------------------------------------------------------------- writing */

static int fit_values(struct parse_run *run, int f, int64_t n)
{
    size_t size = run->spec->feature[f].size;
    struct slot *s = &run->out->slot[f];

    if (buffer_fit(
            &s->value_buffer,
            (size_t)n > PARSE_MAX_COLUMN / size ? SIZE_MAX : (size_t)n * size,
            0, run->err) != CREW_OK) {
        return run->err->code;
    }
    s->values = s->value_buffer.data;
    return CREW_OK;
}

static int fit_ints(struct parse_run *run, struct buffer *b, int64_t n)
{
    return buffer_fit(b,
                      (size_t)n > PARSE_MAX_COLUMN / sizeof(int64_t)
                          ? SIZE_MAX
                          : (size_t)n * sizeof(int64_t),
                      0, run->err);
}

/* a * b, or more than any column may have. */
static int64_t times(int64_t a, int64_t b)
{
    int64_t most = (int64_t)PARSE_MAX_COLUMN;

    return b > 0 && a > most / b ? most + 1 : a * b;
}

static void set_column(struct parse_run *run, int f, int64_t n)
{
    const struct spec_feature *feature = &run->spec->feature[f];
    struct parse_column *c = &run->out->column[f];
    const void *values = run->out->slot[f].values;

    *c = (struct parse_column){.n = n};
    c->floats = feature->is.dtype == CREW_FLOAT ? values : NULL;
    c->ints = feature->is.dtype == CREW_INT64 ? values : NULL;
    c->strings = feature->is.dtype == CREW_STRING ? values : NULL;
}

static void add_dims(struct parse_column *c, const struct crew_shape *shape)
{
    for (int k = 0; k < shape->rank; k++) {
        c->shape.dim[c->shape.rank++] = shape->dim[k];
    }
}

static int dense_row(struct parse_run *run, int f, uint8_t *to)
{
    const struct spec_feature *feature = &run->spec->feature[f];
    const struct step_proto *p = steps_proto(run, f, run->i);
    struct wire w = wire_of(p->data, p->n);
    char key[300], name[300];
    int64_t n = 0;

    if (p->n > 0) {
        n = steps_feature(&w, feature->tag, NULL);
    }
    if (!p->present && feature->is.num_default == 0) {
        return STEPS_FAIL(
            run,
            "Feature: %s (data type: %s) is required but could not be "
            "found.",
            steps_key(run, f, key, sizeof key),
            parse_dtype_text(feature->is.dtype));
    }
    if (!p->present) {
        memcpy(to, feature->is.default_values,
               (size_t)feature->stride * feature->size);
        return CREW_OK;
    }
    w.p = p->data;
    if (n != feature->stride ||
        (n > 0 && steps_feature(&w, feature->tag, to) < 0)) {
        return STEPS_FAIL(run, "Unexpected number of elements in example %s",
                          parse_name(run, name, sizeof name));
    }
    return CREW_OK;
}

static int context_dense(struct parse_run *run, int f)
{
    const struct spec_feature *feature = &run->spec->feature[f];
    struct slot *s = &run->out->slot[f];
    struct parse_column *c = &run->out->column[f];
    char key[300];

    if (s->longest != feature->stride) {
        return STEPS_FAIL(run,
                          "Inconsistent max number of elements for feature %s: "
                          "expected %lld, but found %lld",
                          steps_key(run, f, key, sizeof key),
                          (long long)feature->stride, (long long)s->longest);
    }
    if (fit_values(run, f, times(run->batch, feature->stride)) != CREW_OK) {
        return run->err->code;
    }
    for (run->i = 0; run->i < run->batch; run->i++) {
        if (dense_row(run, f,
                      s->values + (size_t)(run->i * feature->stride) *
                                      feature->size) != CREW_OK) {
            return run->err->code;
        }
    }
    set_column(run, f, run->batch * feature->stride);
    c->shape.dim[c->shape.rank++] = run->batch;
    add_dims(c, &feature->is.shape);
    return CREW_OK;
}

/* VAR_LEN and RAGGED of the context. */
static int context_many(struct parse_run *run, int f)
{
    const struct spec_feature *feature = &run->spec->feature[f];
    struct slot *s = &run->out->slot[f];
    struct parse_column *c = &run->out->column[f];
    bool sparse = feature->is.kind == PARSE_VAR_LEN;
    int64_t at = 0;
    char key[300];

    if (fit_values(run, f, s->n) != CREW_OK ||
        fit_ints(run, &s->split_buffer, run->batch + 1) != CREW_OK ||
        fit_ints(run, &s->index_buffer, sparse ? times(2, s->n) : 0) !=
            CREW_OK) {
        return run->err->code;
    }
    s->indices = s->index_buffer.data;
    s->splits = s->split_buffer.data;
    s->splits[0] = 0;
    for (int64_t e = 0; e < run->batch; e++) {
        struct step_proto *p = steps_proto(run, f, e);
        struct wire w = wire_of(p->data, p->n);
        int64_t n = p->n == 0
                        ? 0
                        : steps_feature(&w, feature->tag,
                                        s->values + (size_t)at * feature->size);

        if (n < 0) {
            return STEPS_FAIL(
                run, "Unexpected total number of elements in feature %s",
                steps_key(run, f, key, sizeof key));
        }
        for (int64_t k = 0; sparse && k < n; k++) {
            s->indices[2 * (at + k)] = e;
            s->indices[2 * (at + k) + 1] = k;
        }
        at += n;
        s->splits[e + 1] = at;
    }
    INVARIANT(at == s->n);
    set_column(run, f, s->n);
    if (sparse) {
        c->shape = crew_shape2(run->batch, s->longest);
        c->indices = s->indices;
    } else {
        c->shape = crew_shape1(s->n);
        c->row_splits = s->splits;
        c->num_splits = run->batch + 1;
    }
    return CREW_OK;
}

/* The steps of one example, which must all have the shape; rest: zeros. */
static int list_rows(struct parse_run *run, int f, uint8_t *to, int64_t *rows)
{
    const struct spec_feature *feature = &run->spec->feature[f];
    const struct step_proto *p = steps_proto(run, f, run->i);
    struct wire w = wire_of(p->data, p->n);
    char key[250], name[250], shape[120];
    int64_t at = 0;

    if (!p->present && !feature->is.may_be_missing) {
        return STEPS_FAIL(
            run,
            "Name: %s, Feature list '%s' is required but could not be "
            "found.  Did you mean to include it in "
            "feature_list_dense_missing_assumed_empty or "
            "feature_list_dense_defaults?",
            parse_name(run, name, sizeof name),
            steps_key(run, f, key, sizeof key));
    }
    for (*rows = 0; !wire_at_end(&w); (*rows)++) {
        bool broken;
        int64_t n = steps_next(&w, feature->tag,
                               to + (size_t)at * feature->size, &broken);

        if (n < 0) {
            return steps_error(run, f, *rows, true);
        }
        if (n != feature->stride) {
            return STEPS_FAIL(
                run,
                "Name: %s, Key: %s, Index: %lld.  Number of values != "
                "expected.  values size: %lld but output shape: %s",
                parse_name(run, name, sizeof name),
                steps_key(run, f, key, sizeof key), (long long)*rows,
                (long long)n,
                parse_shape_text(&feature->is.shape, false, shape,
                                 sizeof shape));
        }
        at += n;
    }
    memset(to + (size_t)at * feature->size, 0,
           (size_t)(run->out->slot[f].longest - at) * feature->size);
    return CREW_OK;
}

static int list_dense(struct parse_run *run, int f)
{
    const struct spec_feature *feature = &run->spec->feature[f];
    struct slot *s = &run->out->slot[f];
    struct parse_column *c = &run->out->column[f];
    char key[300], shape[120];
    int64_t *lengths;

    if (s->longest % feature->stride != 0) {
        return STEPS_FAIL(
            run,
            "Feature list '%s' has an unexpected number of values.  "
            "Total values size: %lld is not consistent with output "
            "shape: %s",
            steps_key(run, f, key, sizeof key), (long long)s->longest,
            parse_shape_text(&feature->is.shape, true, shape, sizeof shape));
    }
    if (fit_values(run, f, times(run->batch, s->longest)) != CREW_OK ||
        fit_ints(run, &s->outer_buffer, run->batch) != CREW_OK) {
        return run->err->code;
    }
    lengths = s->outer_buffer.data;
    for (run->i = 0; run->i < run->batch; run->i++) {
        if (list_rows(run, f,
                      s->values + (size_t)(run->i * s->longest) * feature->size,
                      &lengths[run->i]) != CREW_OK) {
            return run->err->code;
        }
    }
    set_column(run, f, run->batch * s->longest);
    c->lengths = lengths;
    c->shape = crew_shape2(run->batch, s->longest / feature->stride);
    add_dims(c, &feature->is.shape);
    return CREW_OK;
}

/* Values, indices or splits of one example; *at, *step: so far. Returns the
 * most values of a step, -1 after an error. */
static int64_t list_steps(struct parse_run *run,
                          int f,
                          int64_t e,
                          int64_t *at,
                          int64_t *step)
{
    const struct spec_feature *feature = &run->spec->feature[f];
    const struct step_proto *p = steps_proto(run, f, e);
    struct slot *s = &run->out->slot[f];
    struct wire w = wire_of(p->data, p->n);
    int64_t row = 0, most = 0;

    for (; !wire_at_end(&w); row++) {
        bool broken;
        int64_t n = steps_next(
            &w, feature->tag, s->values + (size_t)*at * feature->size, &broken);

        if (n < 0) {
            run->i = e;
            (void)steps_error(run, f, row, true);
            return -1;
        }
        for (int64_t k = 0; feature->is.kind == PARSE_VAR_LEN && k < n; k++) {
            int64_t *index = s->indices + 3 * (*at + k);

            index[0] = e;
            index[1] = row;
            index[2] = k;
        }
        *at += n;
        s->splits[++*step] = *at;
        most = n > most ? n : most;
    }
    return most;
}

static int list_many(struct parse_run *run, int f)
{
    struct slot *s = &run->out->slot[f];
    struct parse_column *c = &run->out->column[f];
    bool sparse = run->spec->feature[f].is.kind == PARSE_VAR_LEN;
    int64_t at = 0, step = 0, rows = 0, columns = 0, *outer;

    if (fit_values(run, f, s->n) != CREW_OK ||
        fit_ints(run, &s->split_buffer, s->cap + 1) != CREW_OK ||
        fit_ints(run, &s->outer_buffer, run->batch + 1) != CREW_OK ||
        fit_ints(run, &s->index_buffer, sparse ? times(3, s->n) : 0) !=
            CREW_OK) {
        return run->err->code;
    }
    s->indices = s->index_buffer.data;
    s->splits = s->split_buffer.data;
    outer = s->outer_buffer.data;
    outer[0] = s->splits[0] = 0;
    for (int64_t e = 0; e < run->batch; e++) {
        int64_t most = list_steps(run, f, e, &at, &step);

        if (most < 0) {
            return run->err->code;
        }
        outer[e + 1] = step;
        rows = step - outer[e] > rows ? step - outer[e] : rows;
        columns = most > columns ? most : columns;
    }
    INVARIANT(at == s->n && step == s->cap);
    set_column(run, f, s->n);
    if (sparse) {
        c->shape = crew_shape2(run->batch, rows);
        c->shape.dim[c->shape.rank++] = columns;
        c->indices = s->indices;
    } else {
        c->shape = crew_shape1(s->n);
        c->row_splits = s->splits;
        c->num_splits = step + 1;
        c->outer_splits = outer;
    }
    return CREW_OK;
}

/* ------------------------------------------------------------------- batch */

static int write_column(struct parse_run *run, int f)
{
    bool context = f < run->spec->num_context;

    if (run->spec->feature[f].is.kind <= PARSE_FIXED_SEQUENCE) {
        return context ? context_dense(run, f) : list_dense(run, f);
    }
    return context ? context_many(run, f) : list_many(run, f);
}

/* Of the columns [from, to): first the dense ones, then sparse, then ragged. */
static int write_columns(struct parse_run *run, int from, int to)
{
    for (int kind = PARSE_FIXED; kind <= PARSE_RAGGED; kind++) {
        for (int f = from; f < to; f++) {
            if ((int)run->spec->feature[f].is.kind == kind &&
                write_column(run, f) != CREW_OK) {
                return run->err->code;
            }
        }
    }
    return CREW_OK;
}

static int parse_sequences(struct parse_run *run)
{
    const struct parse_spec *spec = run->spec;

    if (output_fit(run->out, spec->n, run->err) != CREW_OK ||
        steps_find(run) != CREW_OK) {
        return run->err->code;
    }
    for (int f = 0; f < spec->n; f++) {
        if (steps_count(run, f) != CREW_OK) {
            return run->err->code;
        }
    }
    if (write_columns(run, 0, spec->num_context) != CREW_OK ||
        write_columns(run, spec->num_context, spec->n) != CREW_OK) {
        return run->err->code;
    }
    run->out->batch = run->batch;
    run->out->ready = true;
    return CREW_OK;
}

int parse_sequence_batch(const struct parse_spec *spec,
                         const struct example_bytes *serialized,
                         const struct example_bytes *names,
                         int64_t num_names,
                         int64_t batch,
                         struct parse_output *out,
                         struct crew_err *err)
{
    struct parse_run run = {.spec = spec,
                            .out = out,
                            .serialized = serialized,
                            .names = names,
                            .batch = batch,
                            .err = err};

    PRE(spec->sequence && batch >= 0);
    out->ready = false;
    if (names != NULL && num_names != batch) {
        return STEPS_FAIL(
            &run,
            "example_names must be empty or have the correct number "
            "of elements");
    }
    return parse_sequences(&run);
}
