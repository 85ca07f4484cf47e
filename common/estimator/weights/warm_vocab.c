/* SPDX-License-Identifier: Apache-2.0
 * Rows and columns moved to where a new vocabulary has them; see the header. */
#include "estimator/weights/warm_vocab.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "graph/graph.h"
#include "base/banned.h"

#define MAX_VOCAB_BYTES ((size_t)2 << 30)

/* ------------------------------------------------------------ vocabularies */

struct line {
    const char *text;
    size_t n;
    int64_t number;
};

struct vocab {
    char *bytes;
    struct line *lines;
    int64_t n;
};

static void vocab_release(struct vocab *v)
{
    free(v->bytes);
    free(v->lines);
    *v = (struct vocab){0};
}

static int64_t count_lines(const char *bytes, size_t n)
{
    int64_t lines = n > 0 && bytes[n - 1] != '\n';

    for (size_t i = 0; i < n; i++) {
        lines += bytes[i] == '\n';
    }
    return lines;
}

/* The first `limit` lines of a file, all of them if that is not positive. */
static int vocab_read(struct crew_env *env,
                      const char *path,
                      int64_t limit,
                      struct vocab *v,
                      struct crew_err *err)
{
    size_t n = 0;
    int64_t lines;
    char *at;
    void *room = NULL;

    if (fs_read_file(env, path, MAX_VOCAB_BYTES, &v->bytes, &n, err) !=
        CREW_OK) {
        return err->code;
    }
    lines = count_lines(v->bytes, n);
    if (limit > 0 && lines < limit) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "Invalid vocab_size in %s: expected %" PRId64
                             " but got %" PRId64,
                             path, limit, lines);
    }
    lines = limit > 0 ? limit : lines;
    if (mem_try((size_t)lines + 1, sizeof *v->lines, path, &room, err) !=
        CREW_OK) {
        return err->code;
    }
    v->lines = room;
    at = v->bytes;
    for (v->n = 0; v->n < lines; v->n++) {
        size_t left = n - (size_t)(at - v->bytes);
        char *end = memchr(at, '\n', left);
        size_t len = end != NULL ? (size_t)(end - at) : left;

        v->lines[v->n] = (struct line){at, len, v->n};
        at += len + (end != NULL);
    }
    return CREW_OK;
}

static int compare_text(const struct line *x, const struct line *y)
{
    int order = memcmp(x->text, y->text, x->n < y->n ? x->n : y->n);

    return order != 0 ? order : (x->n > y->n) - (x->n < y->n);
}

static int by_text(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    int order = compare_text(x, y);

    return order != 0 ? order
                      : (x->number > y->number) - (x->number < y->number);
}

static int by_text_only(const void *a, const void *b)
{
    return compare_text(a, b);
}

static int sort_lines(struct vocab *v, struct crew_err *err)
{
    const struct line *twice = NULL;

    if (v->n > 1) {
        qsort(v->lines, (size_t)v->n, sizeof *v->lines, by_text);
    }
    for (int64_t i = 1; i < v->n; i++) {
        if (compare_text(&v->lines[i - 1], &v->lines[i]) == 0 &&
            (twice == NULL || v->lines[i].number < twice->number)) {
            twice = &v->lines[i];
        }
    }
    if (twice == NULL) {
        return CREW_OK;
    }
    return crew_err_exit(err, CREW_FAILED_PRECONDITION, 1,
                         "HashTable has different value for same key. Key %.*s "
                         "has %" PRId64 " and trying to add value %" PRId64,
                         (int)(twice->n < 200 ? twice->n : 200), twice->text,
                         twice[-1].number, twice->number);
}

/* ------------------------------------------------------------- the mapping */

/* to[i]: the old row or column of the i-th new one; -1: it is new. */
struct mapping {
    int64_t *to;
    int64_t n;
};

static int map_lines(const struct vocab *new,
                     const struct vocab *old,
                     int64_t n,
                     struct mapping *m,
                     struct crew_err *err)
{
    int64_t *new_of = NULL;
    void *to = NULL, *room = NULL;

    if (mem_try((size_t)n + 1, sizeof *m->to, "vocabulary", &to, err) !=
            CREW_OK ||
        mem_try((size_t)old->n + 1, sizeof *new_of, "vocabulary", &room, err) !=
            CREW_OK) {
        free(to);
        return err->code;
    }
    *m = (struct mapping){to, n};
    new_of = room; /* of an old line, from 1; 0: none */
    for (int64_t i = 0; i < n && err->code == CREW_OK; i++) {
        const struct line *found =
            old->n == 0 ? NULL
                        : bsearch(&new->lines[i], old->lines, (size_t)old->n,
                                  sizeof *old->lines, by_text_only);

        m->to[i] = found != NULL ? found->number : -1;
        if (found == NULL) {
            continue;
        }
        if (new_of[found->number] > 0) {
            crew_err_exit(err, CREW_UNIMPLEMENTED, 1,
                          "Old ID %" PRId64 " is mapped to both new ID %" PRId64
                          " and %" PRId64 ", which is not supported.",
                          found->number, new_of[found->number] - 1, i);
        }
        new_of[found->number] = i + 1;
    }
    free(new_of);
    return err->code;
}

/* Where the first n lines of the new vocabulary are in the old one. */
static int map_vocab(const struct crew_vocab_info *info,
                     struct crew_env *env,
                     int64_t n,
                     struct mapping *m,
                     struct crew_err *err)
{
    struct vocab new = {0}, old = {0};
    int64_t limit = info->axis == 0 ? info->old_vocab_size : -1;

    if (vocab_read(env, info->new_vocab, -1, &new, err) != CREW_OK) {
        goto out;
    }
    if (new.n < n) {
        crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                      "lookup table size must be larger than last new vocab "
                      "entry's line: %s has %" PRId64 " lines, %" PRId64
                      " are wanted",
                      info->new_vocab, new.n, n);
        goto out;
    }
    if (vocab_read(env, info->old_vocab, limit, &old, err) == CREW_OK &&
        sort_lines(&old, err) == CREW_OK) {
        (void)map_lines(&new, &old, n, m, err);
    }
out:
    vocab_release(&new);
    vocab_release(&old);
    return err->code;
}

/* ------------------------------------------------------------------ checks */

const char *warm_list_text(const struct crew_shape *shape,
                           const char *sep,
                           char *buf,
                           size_t size)
{
    size_t n = 1;

    (void)snprintf(buf, size, "[");
    for (int i = 0; i < shape->rank; i++) {
        (void)snprintf(buf + n, size - n, "%s%" PRId64, i > 0 ? sep : "",
                       shape->dim[i]);
        n = strlen(buf);
    }
    (void)snprintf(buf + n, size - n, "]");
    return buf;
}

int warm_vocab_check(const struct crew_vocab_info *info,
                     const char *name,
                     const struct crew_shape *shape,
                     struct crew_err *err)
{
    int64_t all = info->new_vocab_size + info->num_oov_buckets;
    char text[128];

    if (info->axis != 0 && info->axis != 1) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "The only supported values for the axis argument "
                             "are 0 and 1.  Provided axis: %d",
                             info->axis);
    }
    if (info->new_vocab == NULL || info->old_vocab == NULL ||
        info->new_vocab_size <= 0) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "Invalid args: Must provide all of "
                             "[current_vocab_path, current_vocab_size, "
                             "prev_ckpt, prev_vocab_path}. Variable: %s",
                             name);
    }
    if (info->num_oov_buckets < 0) {
        return crew_err_exit(
            err, CREW_INVALID_ARGUMENT, 1,
            "num_%s_oov_buckets must be >= 0, but received %" PRId64,
            info->axis == 0 ? "row" : "col", info->num_oov_buckets);
    }
    (void)warm_list_text(shape, ", ", text, sizeof text);
    if (shape->rank != 2 && !(shape->rank == 1 && info->axis == 0)) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "Expected 2-dim shape, but received: %s (%s)",
                             text, name);
    }
    if (info->axis == 0 && shape->dim[0] > all) {
        return crew_err_exit(
            err, CREW_INVALID_ARGUMENT, 1,
            "Trying to initialize %" PRId64
            " additional rows after 0 rows have already been initialized, "
            "which would exceed expected total row count of "
            "new_row_vocab_size (%" PRId64 ") + num_row_oov_buckets (%" PRId64
            ") = %" PRId64 ".",
            shape->dim[0], info->new_vocab_size, info->num_oov_buckets, all);
    }
    if (info->axis == 1 && shape->dim[1] != all) {
        return crew_err_exit(
            err, CREW_INVALID_ARGUMENT, 1,
            "Expected 2nd dim of shape to be new_col_vocab_size (%" PRId64
            ") + num_col_oov_buckets (%" PRId64 ") = %" PRId64
            ", but received shape: %s",
            info->new_vocab_size, info->num_oov_buckets, all, text);
    }
    return CREW_OK;
}

/* The old matrix, as rows and columns; a vector is a column. */
struct old_matrix {
    struct bundle_reader *reader;
    const struct bundle_tensor *t;
    int64_t rows, cols;
};

static int check_old(const struct old_matrix *old,
                     const struct crew_shape *shape,
                     int axis,
                     struct crew_err *err)
{
    const struct bundle_tensor *t = old->t;
    char text[128];

    (void)warm_list_text(&t->shape, ",", text, sizeof text);
    if (bundle_want_dtype(t, CREW_FLOAT, err) != CREW_OK) {
        err->exit_code = 1;
        return err->code;
    }
    if (t->shape.rank != shape->rank) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "Tensor %s must be a %s, but has shape %s",
                             t->name, shape->rank == 2 ? "matrix" : "vector",
                             text);
    }
    if (axis == 0 && shape->rank == 2 && old->cols != shape->dim[1]) {
        return crew_err_exit(
            err, CREW_INVALID_ARGUMENT, 1,
            "Tensor %s has shape %s, where the size of its 2nd dimension is "
            "%" PRId64 " instead of being equal to num_cols=%" PRId64,
            t->name, text, old->cols, shape->dim[1]);
    }
    if (axis == 1 && old->rows < shape->dim[0]) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "Extent in dimension 0 out of bounds: shape = %s, "
                             "slice = 0,%" PRId64 ":-",
                             text, shape->dim[0]);
    }
    return CREW_OK;
}

/* A vocabulary longer than the matrix is another one's. */
static int check_mapping(const struct old_matrix *old,
                         const struct mapping *m,
                         const struct crew_vocab_info *info,
                         struct crew_err *err)
{
    int64_t n = info->axis == 0 ? old->rows : old->cols;

    for (int64_t i = 0; i < m->n; i++) {
        if (m->to[i] >= n) {
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                                 "%s: line %" PRId64
                                 " belongs to no %s of %s, which has "
                                 "%" PRId64
                                 " of them; give the vocabulary that the "
                                 "checkpoint was trained with",
                                 info->old_vocab, m->to[i] + 1,
                                 info->axis == 0 ? "row" : "column",
                                 old->t->name, n);
        }
    }
    return CREW_OK;
}

/* ----------------------------------------------------------------- filling */

/* Rows that follow each other in both are read at once. */
static int fill_rows(const struct old_matrix *old,
                     const struct mapping *m,
                     float *data,
                     struct crew_err *err)
{
    for (int64_t i = 0, n = 1; i < m->n; i += n, n = 1) {
        if (m->to[i] < 0) {
            continue;
        }
        while (i + n < m->n && m->to[i + n] == m->to[i] + n) {
            n++;
        }
        if (bundle_read_range(old->reader, old->t, m->to[i] * old->cols,
                              n * old->cols, data + i * old->cols,
                              err) != CREW_OK) {
            break;
        }
    }
    return err->code;
}

static int fill_columns(const struct old_matrix *old,
                        const struct mapping *m,
                        const struct crew_shape *shape,
                        float *data,
                        struct crew_err *err)
{
    void *room = NULL;
    const float *row;

    if (mem_try((size_t)old->cols + 1, sizeof *row, old->t->name, &room, err) !=
        CREW_OK) {
        return err->code;
    }
    row = room;
    for (int64_t i = 0; i < shape->dim[0]; i++) {
        if (bundle_read_range(old->reader, old->t, i * old->cols, old->cols,
                              room, err) != CREW_OK) {
            break;
        }
        for (int64_t k = 0; k < m->n; k++) {
            if (m->to[k] >= 0) {
                data[i * shape->dim[1] + k] = row[m->to[k]];
            }
        }
    }
    free(room);
    return err->code;
}

/* Everything begins by the backup initializer. */
static int fill_backup(const struct crew_vocab_info *info,
                       const char *name,
                       const struct crew_shape *shape,
                       uint64_t seed,
                       float *data,
                       struct crew_err *err)
{
    char *own = xstrdup(name);
    struct graph_var v = {
        .name = own, .shape = *shape, .init = info->backup_initializer};

    if (shape_count(shape, &v.n, err) == CREW_OK) {
        graph_init_var(&v, seed, data);
    }
    free(own);
    return err->code;
}

int warm_vocab_fill(const struct crew_vocab_info *info,
                    struct crew_env *env,
                    struct bundle_reader *reader,
                    const char *name,
                    const char *prev_name,
                    const struct crew_shape *shape,
                    uint64_t seed,
                    float *data,
                    struct crew_err *err)
{
    int64_t length = shape->dim[info->axis];
    int64_t lines =
        length < info->new_vocab_size ? length : info->new_vocab_size;
    struct old_matrix old = {.reader = reader};
    struct mapping m = {0};

    if (map_vocab(info, env, lines, &m, err) == CREW_OK &&
        bundle_lookup(reader, prev_name, &old.t, err) == CREW_OK) {
        old.rows = old.t->shape.rank > 0 ? old.t->shape.dim[0] : 1;
        old.cols = old.t->shape.rank > 1 ? old.t->shape.dim[1] : 1;
        if (check_old(&old, shape, info->axis, err) == CREW_OK &&
            check_mapping(&old, &m, info, err) == CREW_OK &&
            bundle_verify_tensor(reader, old.t, err) == CREW_OK &&
            fill_backup(info, name, shape, seed, data, err) == CREW_OK) {
            (void)(info->axis == 0 ? fill_rows(&old, &m, data, err)
                                   : fill_columns(&old, &m, shape, data, err));
        }
    }
    free(m.to);
    return err->code == CREW_OK ? CREW_OK
                                : crew_err_wrap(err, "warm start of %s", name);
}
