/* SPDX-License-Identifier: Apache-2.0
 * parse_example: the output's buffers, a batch from begin to end. */
#include "io/parse_example.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "io/parse_example_impl.h"
#include "base/banned.h"

/* ----------------------------------------------------------------- buffers */

int buffer_fit(struct buffer *b,
               size_t bytes,
               size_t keep,
               struct crew_err *err)
{
    void *memory = NULL;
    size_t cap = b->cap + b->cap / 2;

    if (bytes <= b->cap && b->data != NULL) {
        return CREW_OK;
    }
    if (bytes > PARSE_MAX_COLUMN) {
        return crew_err_exit(err, CREW_RESOURCE_EXHAUSTED, 65,
                             "a column of %zu bytes; at most %zu are parsed at "
                             "once. Fix: smaller batches, or look for the "
                             "example with the very long list",
                             bytes, PARSE_MAX_COLUMN);
    }
    cap = cap < bytes ? bytes : cap > PARSE_MAX_COLUMN ? PARSE_MAX_COLUMN : cap;
    cap = cap < 64 ? 64 : cap;
    if (mem_try(cap, 1, "parsed examples", &memory, err) != CREW_OK) {
        return err->code;
    }
    if (keep > 0) {
        memcpy(memory, b->data, keep);
    }
    free(b->data);
    *b = (struct buffer){memory, cap};
    return CREW_OK;
}

int slot_fit(struct parse_run *run, int f, int64_t k)
{
    const struct spec_feature *feature = &run->spec->feature[f];
    struct slot *s = &run->out->slot[f];
    size_t width = run->spec->sequence && f >= run->spec->num_context ? 3 : 2;
    int64_t cap = s->n + k;
    size_t row = width * sizeof *s->indices;

    if (cap <= s->cap) {
        return CREW_OK;
    }
    cap = cap < s->cap + s->cap / 2 ? s->cap + s->cap / 2 : cap;
    cap = cap < 16 ? 16 : cap;
    if (cap > (int64_t)(PARSE_MAX_COLUMN / 16) && s->n + k < cap) {
        cap = s->n + k;
    }
    if (buffer_fit(&s->value_buffer, (size_t)cap * feature->size,
                   (size_t)s->n * feature->size, run->err) != CREW_OK) {
        return run->err->code;
    }
    s->values = s->value_buffer.data;
    if (feature->is.kind == PARSE_VAR_LEN) {
        if (buffer_fit(&s->index_buffer, (size_t)cap * row, (size_t)s->n * row,
                       run->err) != CREW_OK) {
            return run->err->code;
        }
        s->indices = s->index_buffer.data;
    }
    s->cap = cap;
    return CREW_OK;
}

struct parse_output *parse_output_new(void)
{
    return xcalloc(1, sizeof(struct parse_output));
}

void parse_output_free(struct parse_output *out)
{
    if (out == NULL) {
        return;
    }
    for (int i = 0; i < out->cap; i++) {
        struct slot *s = &out->slot[i];

        free(s->value_buffer.data);
        free(s->index_buffer.data);
        free(s->split_buffer.data);
        free(s->outer_buffer.data);
        free(s->padded.data);
    }
    free(out->entries.data);
    free(out->slot);
    free(out->column);
    free(out->next);
    free(out);
}

const struct parse_column *parse_output_columns(const struct parse_output *out)
{
    return out->ready ? out->column : NULL;
}

int64_t parse_output_batch(const struct parse_output *out)
{
    return out->batch;
}

int output_fit(struct parse_output *out, int n, struct crew_err *err)
{
    void *slots = NULL, *columns = NULL, *next = NULL;

    if (n <= out->cap && out->slot != NULL) {
        if (n != out->n) {
            memset(out->next, 0, ((size_t)n + 1) * sizeof *out->next);
        }
        out->n = n;
        return CREW_OK;
    }
    if (mem_try((size_t)n + 1, sizeof *out->slot, "columns", &slots, err) !=
            CREW_OK ||
        mem_try((size_t)n + 1, sizeof *out->column, "columns", &columns, err) !=
            CREW_OK ||
        mem_try((size_t)n + 1, sizeof *out->next, "columns", &next, err) !=
            CREW_OK) {
        free(slots);
        free(columns);
        return err->code;
    }
    if (out->cap > 0) {
        memcpy(slots, out->slot, (size_t)out->cap * sizeof *out->slot);
    }
    free(out->slot);
    free(out->column);
    free(out->next);
    out->slot = slots;
    out->column = columns;
    out->next = next;
    out->n = out->cap = n;
    return CREW_OK;
}

/* ----------------------------------------------------------- begin and end */

static int begin_slot(struct parse_run *run, int f)
{
    const struct spec_feature *feature = &run->spec->feature[f];
    struct slot *s = &run->out->slot[f];
    size_t bytes = (size_t)feature->stride * feature->size;

    s->n = s->cap = s->longest = 0;
    s->values = NULL;
    s->indices = s->splits = NULL;
    s->seen = 0;
    if (feature->is.kind == PARSE_FIXED) {
        bytes = bytes > 0 && (size_t)run->batch > PARSE_MAX_COLUMN / bytes
                    ? SIZE_MAX
                    : (size_t)run->batch * bytes;
        if (buffer_fit(&s->value_buffer, bytes, 0, run->err) != CREW_OK) {
            return run->err->code;
        }
        s->values = s->value_buffer.data;
        return CREW_OK;
    }
    if (buffer_fit(&s->split_buffer,
                   ((size_t)run->batch + 1) * sizeof *s->splits, 0,
                   run->err) != CREW_OK ||
        buffer_fit(&s->value_buffer, 1, 0, run->err) != CREW_OK ||
        buffer_fit(&s->index_buffer, feature->is.kind == PARSE_VAR_LEN, 0,
                   run->err) != CREW_OK) {
        return run->err->code;
    }
    s->splits = s->split_buffer.data;
    s->splits[0] = 0;
    /* What earlier batches left: room for as much as both buffers hold. */
    s->values = s->value_buffer.data;
    s->cap = (int64_t)(s->value_buffer.cap / feature->size);
    if (feature->is.kind == PARSE_VAR_LEN) {
        int64_t rows = (int64_t)(s->index_buffer.cap / sizeof(int64_t[2]));

        s->cap = rows < s->cap ? rows : s->cap;
        s->indices = s->index_buffer.data;
    }
    return CREW_OK;
}

static void copy_shape(struct crew_shape *to, const struct crew_shape *from)
{
    for (int k = 0; k < from->rank; k++) {
        to->dim[to->rank++] = from->dim[k];
    }
}

/* The rows of a sequence at their places, the padding in between. */
static int pad(struct parse_run *run, int f)
{
    const struct spec_feature *feature = &run->spec->feature[f];
    struct slot *s = &run->out->slot[f];
    size_t size = feature->size, row = (size_t)s->longest * size;
    const void *padding = feature->is.num_default > 0
                              ? feature->is.default_values
                              : (const void *)feature->zero;
    uint8_t *to;

    if (row > 0 && (size_t)run->batch > PARSE_MAX_COLUMN / row) {
        return crew_err_exit(
            run->err, CREW_RESOURCE_EXHAUSTED, 65,
            "%lld examples padded to %lld values exceed the %zu bytes that are "
            "parsed at once. Fix: smaller batches, or a VarLenFeature",
            (long long)run->batch, (long long)s->longest, PARSE_MAX_COLUMN);
    }
    if (buffer_fit(&s->padded, (size_t)run->batch * row, 0, run->err) !=
        CREW_OK) {
        return run->err->code;
    }
    to = s->padded.data;
    for (int64_t i = 0; i < run->batch; i++) {
        int64_t n = s->splits[i + 1] - s->splits[i];

        if (n > 0) {
            memcpy(to, s->values + (size_t)s->splits[i] * size,
                   (size_t)n * size);
        }
        for (int64_t k = n; k < s->longest; k++) {
            memcpy(to + (size_t)k * size, padding, size);
        }
        to += row;
    }
    return CREW_OK;
}

static void set_values(struct parse_column *c,
                       const struct spec_feature *f,
                       const void *values)
{
    c->floats = f->is.dtype == CREW_FLOAT ? values : NULL;
    c->ints = f->is.dtype == CREW_INT64 ? values : NULL;
    c->strings = f->is.dtype == CREW_STRING ? values : NULL;
}

static void recount(struct parse_run *run, struct slot *s)
{
    s->longest = 0;
    for (int64_t i = 0; i < run->batch; i++) {
        int64_t n = s->splits[i + 1] - s->splits[i];

        s->longest = n > s->longest ? n : s->longest;
    }
}

/* A sparse example alone has no column for its index. */
static void narrow_indices(struct slot *s)
{
    for (int64_t k = 0; k < s->n; k++) {
        s->indices[k] = k;
    }
}

static int end_slot(struct parse_run *run, int f)
{
    const struct spec_feature *feature = &run->spec->feature[f];
    struct slot *s = &run->out->slot[f];
    struct parse_column *c = &run->out->column[f];

    *c = (struct parse_column){.n = s->n};
    set_values(c, feature, s->values);
    if (!run->single && feature->is.kind != PARSE_RAGGED) {
        c->shape.dim[c->shape.rank++] = run->batch;
    }
    if (feature->is.kind == PARSE_FIXED) {
        c->n = run->batch * feature->stride;
        copy_shape(&c->shape, &feature->is.shape);
        return CREW_OK;
    }
    if (run->recount) {
        recount(run, s);
    }
    if (feature->is.kind == PARSE_RAGGED) {
        c->shape.dim[c->shape.rank++] = s->n;
        c->row_splits = run->single ? NULL : s->splits;
        c->num_splits = run->single ? 0 : run->batch + 1;
        return CREW_OK;
    }
    c->shape.dim[c->shape.rank++] = s->longest / feature->stride;
    if (feature->is.kind == PARSE_VAR_LEN) {
        if (run->single) {
            narrow_indices(s);
        }
        c->indices = s->indices;
        return CREW_OK;
    }
    c->n = run->batch * s->longest;
    copy_shape(&c->shape, &feature->is.shape);
    if (run->single || (run->batch > 0 && s->n == c->n)) {
        return CREW_OK; /* nothing to pad */
    }
    if (pad(run, f) != CREW_OK) {
        return run->err->code;
    }
    set_values(c, feature, s->padded.data);
    return CREW_OK;
}

/* ---------------------------------------------------------------- examples */

int parse_missing(struct parse_run *run)
{
    struct parse_output *out = run->out;
    const struct parse_spec *spec = run->spec;

    for (int f = 0; f < spec->n; f++) {
        const struct spec_feature *feature = &spec->feature[f];
        size_t bytes = (size_t)feature->stride * feature->size;
        char key[400], name[400];

        if (feature->is.kind != PARSE_FIXED ||
            out->slot[f].seen == out->serial) {
            continue;
        }
        if (feature->is.num_default > 0) {
            memcpy(out->slot[f].values + (size_t)run->i * bytes,
                   feature->is.default_values, bytes);
            continue;
        }
        (void)parse_name(run, name, sizeof name);
        return crew_err_exit(
            run->err, CREW_INVALID_ARGUMENT, 65,
            "%s%s%sFeature: %s (data type: %s) is required but could not be "
            "found.",
            run->single ? "" : "Name: ", run->single ? "" : name,
            run->single ? "" : ", ",
            parse_text(feature->is.key.data, feature->is.key.n, key,
                       sizeof key),
            parse_dtype_text(feature->is.dtype));
    }
    for (int f = 0; f < spec->n; f++) {
        if (out->slot[f].splits != NULL && out->slot[f].seen != out->serial) {
            slot_end_example(&out->slot[f], run->i);
        }
    }
    return CREW_OK;
}

static int parse_all(struct parse_run *run)
{
    struct parse_output *out = run->out;
    const struct parse_spec *spec = run->spec;

    out->ready = false;
    if (output_fit(out, spec->n, run->err) != CREW_OK) {
        return run->err->code;
    }
    for (int f = 0; f < spec->n; f++) {
        if (begin_slot(run, f) != CREW_OK) {
            return run->err->code;
        }
    }
    for (run->i = 0; run->i < run->batch; run->i++) {
        int found = 0;
        enum parse_outcome got;

        out->serial++;
        got = parse_fast(run, &found);
        if (got == PARSE_FAILED ||
            (got == PARSE_IRREGULAR && parse_exact(run) != CREW_OK) ||
            (got == PARSE_DONE && found != spec->n &&
             parse_missing(run) != CREW_OK)) {
            INVARIANT(run->err->code != CREW_OK);
            return run->err->code;
        }
    }
    for (int f = 0; f < spec->n; f++) {
        if (end_slot(run, f) != CREW_OK) {
            return run->err->code;
        }
    }
    out->batch = run->batch;
    out->ready = true;
    return CREW_OK;
}

int parse_example_batch(const struct parse_spec *spec,
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

    PRE(!spec->sequence && batch >= 0);
    if (names != NULL && num_names != batch) {
        out->ready = false;
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 65,
                             "Expected names have the same shape as "
                             "serialized: name.shape=[%lld], "
                             "serialized.shape=[%lld]",
                             (long long)num_names, (long long)batch);
    }
    return parse_all(&run);
}

int parse_example_single(const struct parse_spec *spec,
                         const struct example_bytes *serialized,
                         struct parse_output *out,
                         struct crew_err *err)
{
    struct parse_run run = {.spec = spec,
                            .out = out,
                            .serialized = serialized,
                            .batch = 1,
                            .single = true,
                            .err = err};

    PRE(!spec->sequence);
    return parse_all(&run);
}
