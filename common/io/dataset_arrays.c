/* SPDX-License-Identifier: Apache-2.0
 *
 * Datasets over arrays: the caller's own (numpy_input_fn's twin) and those of
 * .npy files, plain or gzipped, which are read whole when the first element is
 * asked for. Both give any element at once, so a shuffle moves places only.
 *
 * A .npy file: "\x93NUMPY", version, length of the header, the header as a
 * Python dict {'descr': '<f4', 'fortran_order': False, 'shape': (60000, 28)},
 * the data. Numbers are converted to the declared dtype. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/mem.h"
#include "io/indexed.h"
#include "io/input_file.h"

#include "base/banned.h"

#define MAX_BYTES (64ull << 30)
enum { MAX_HEADER = 65536 };

/* How the bytes of an array are to be understood. */
enum kind { F32, F64, I8, U8, I32, U32, I64, BOOL };

struct array {
    char *path; /* of the file; NULL: the caller's array */
    const void *data;
    void *owned;
    enum kind kind;
};

struct arrays {
    struct indexed head;
    struct crew_env *env; /* borrowed; NULL: the caller's arrays */
    struct array array[DATASET_MAX_COMPONENTS];
    int64_t n; /* rows; -1: the files are not open */
};

static size_t kind_size(enum kind kind)
{
    switch (kind) {
        case I8:
        case U8:
        case BOOL:
            return 1;
        case F64:
        case I64:
            return 8;
        default:
            return 4;
    }
}

static double get_number(enum kind kind, const void *data, int64_t i)
{
    switch (kind) {
        case F32:
            return (double)((const float *)data)[i];
        case F64:
            return ((const double *)data)[i];
        case I8:
            return ((const int8_t *)data)[i];
        case U8:
        case BOOL:
            return ((const uint8_t *)data)[i];
        case I32:
            return ((const int32_t *)data)[i];
        case U32:
            return ((const uint32_t *)data)[i];
        default:
            return (double)((const int64_t *)data)[i];
    }
}

static int64_t get_integer(enum kind kind, const void *data, int64_t i)
{
    return kind == I64 ? ((const int64_t *)data)[i]
                       : (int64_t)get_number(kind, data, i);
}

/* Elements of one row of component k. */
static int64_t row_count(const struct dataset_spec *spec, int k)
{
    return (int64_t)(dataset_element_bytes(spec, k) /
                     dtype_size(spec->component[k].dtype));
}

static void convert(const struct array *a,
                    enum crew_dtype dtype,
                    int64_t from,
                    int64_t n,
                    void *out)
{
    for (int64_t i = 0; i < n; i++) {
        switch (dtype) {
            case CREW_FLOAT:
                ((float *)out)[i] =
                    (float)get_number(a->kind, a->data, from + i);
                break;
            case CREW_INT32:
                ((int32_t *)out)[i] =
                    (int32_t)get_integer(a->kind, a->data, from + i);
                break;
            default:
                ((int64_t *)out)[i] = get_integer(a->kind, a->data, from + i);
        }
    }
}

/* -------------------------------------------------------------- .npy files */

static int bad_file(const char *path, struct crew_err *err, const char *what)
{
    return crew_err_exit(err, CREW_DATA_LOSS, 65, "%s: %s", path, what);
}

static bool parse_kind(const char *header, enum kind *kind)
{
    static const struct {
        const char *descr;
        enum kind kind;
    } kinds[] = {{"'<f4'", F32}, {"'<f8'", F64}, {"'|i1'", I8},
                 {"'|u1'", U8},  {"'<i4'", I32}, {"'<u4'", U32},
                 {"'<i8'", I64}, {"'|b1'", BOOL}};
    const char *at = strstr(header, "'descr':");

    for (size_t i = 0; at != NULL && i < COUNT_OF(kinds); i++) {
        const char *value = at + strlen("'descr':");

        value += strspn(value, " ");
        if (strncmp(value, kinds[i].descr, strlen(kinds[i].descr)) == 0) {
            *kind = kinds[i].kind;
            return true;
        }
    }
    return false;
}

/* "'shape': (60000, 28, 28)". */
static bool parse_shape(const char *header, struct crew_shape *shape)
{
    const char *at = strstr(header, "'shape':");

    shape->rank = 0;
    at = at != NULL ? strchr(at, '(') : NULL;
    if (at == NULL) {
        return false;
    }
    for (at++; *at != ')';) {
        char *end;
        long long dim;

        at += strspn(at, " ,");
        if (*at == ')') {
            break;
        }
        errno = 0;
        dim = strtoll(at, &end, 10);
        if (end == at || errno != 0 || dim < 0 ||
            shape->rank == CREW_MAX_RANK) {
            return false;
        }
        shape->dim[shape->rank++] = dim;
        at = end;
    }
    return true;
}

static int read_header(struct input_file *file,
                       char header[MAX_HEADER + 1],
                       struct crew_err *err)
{
    uint8_t head[12];
    size_t n;

    if (input_file_read(file, head, 10, err) != CREW_OK) {
        return err->code;
    }
    if (memcmp(head, "\x93NUMPY", 6) != 0) {
        return bad_file(file->path, err,
                        "not a .npy file: its magic is not \\x93NUMPY");
    }
    n = (size_t)head[8] | (size_t)head[9] << 8;
    if (head[6] > 1) { /* version 2 and 3: four bytes */
        if (input_file_read(file, head + 10, 2, err) != CREW_OK) {
            return err->code;
        }
        n |= (size_t)head[10] << 16 | (size_t)head[11] << 24;
    }
    if (n > MAX_HEADER) {
        return bad_file(file->path, err, "its header is longer than 64 KiB");
    }
    header[n] = '\0';
    return input_file_read(file, header, n, err);
}

/* Rows of the file, whose other dimensions must be those of the component. */
static int check_shape(const char *path,
                       const struct dataset_component *c,
                       const struct crew_shape *shape,
                       struct crew_err *err)
{
    bool fits = shape->rank == c->shape.rank + 1;
    char got[128], want[128];

    for (int i = 0; fits && i < c->shape.rank; i++) {
        fits = shape->dim[i + 1] == c->shape.dim[i];
    }
    if (fits) {
        return CREW_OK;
    }
    return crew_err_exit(err, CREW_DATA_LOSS, 65,
                         "%s: its shape is %s; the job expects rows of %s for "
                         "'%s'",
                         path, shape_text(shape, got, sizeof got),
                         shape_text(&c->shape, want, sizeof want), c->name);
}

/* That integers of a component can hold what is there. */
static int check_range(const struct array *a,
                       const struct dataset_component *c,
                       int64_t n,
                       struct crew_err *err)
{
    bool narrow = c->dtype == CREW_INT32;
    double most = narrow ? 0x1p31 : 0x1p63;
    bool fits = true;
    int64_t i = 0;

    if (c->dtype == CREW_FLOAT || (a->kind == I64 && !narrow)) {
        return CREW_OK;
    }
    for (; fits && i < n; i++) {
        double v = get_number(a->kind, a->owned, i);

        fits = v >= -most && v < most; /* not so a NaN */
    }
    return fits
               ? CREW_OK
               : crew_err_exit(
                     err, CREW_DATA_LOSS, 65,
                     "%s: element %" PRId64 " is %g, which no %s of '%s' holds",
                     a->path, i - 1, get_number(a->kind, a->owned, i - 1),
                     dtype_name(c->dtype), c->name);
}

static int read_array(struct input_file *file,
                      struct array *a,
                      const struct dataset_component *c,
                      int64_t *rows,
                      struct crew_err *err)
{
    char *header = xmalloc(MAX_HEADER + 1);
    struct crew_shape shape;
    int64_t n = 0;

    if (read_header(file, header, err) != CREW_OK) {
        goto out;
    }
    if (!parse_kind(header, &a->kind) || !parse_shape(header, &shape) ||
        strstr(header, "'fortran_order': False") == NULL) {
        (void)bad_file(a->path, err,
                       "not a C-ordered array of a number type that is read "
                       "here. Fix: numpy.ascontiguousarray, float32 or int64");
        goto out;
    }
    if (check_shape(a->path, c, &shape, err) != CREW_OK) {
        goto out;
    }
    if (shape_count(&shape, &n, &(struct crew_err){0}) != CREW_OK ||
        (uint64_t)n > MAX_BYTES / 8) {
        (void)bad_file(a->path, err, "its header announces more than 64 GiB");
        goto out;
    }
    if (!input_file_may_hold(file, (uint64_t)n * kind_size(a->kind))) {
        (void)bad_file(a->path, err,
                       "shorter than its header says. Fix: get or write the "
                       "file anew");
        goto out;
    }
    free(a->owned); /* of a try that failed */
    a->owned = NULL;
    if (mem_try((size_t)n + 1, kind_size(a->kind), a->path, &a->owned, err) ==
            CREW_OK &&
        input_file_read(file, a->owned, (size_t)n * kind_size(a->kind), err) ==
            CREW_OK &&
        check_range(a, c, n, err) == CREW_OK) {
        a->data = a->owned;
        *rows = shape.dim[0];
    }
out:
    free(header);
    return err->code;
}

static int open_array(struct crew_env *env,
                      struct array *a,
                      const struct dataset_component *c,
                      int64_t *rows,
                      struct crew_err *err)
{
    struct input_file file;

    if (input_file_open(&file, env, a->path, "check the path", err) !=
        CREW_OK) {
        return err->code;
    }
    (void)read_array(&file, a, c, rows, err);
    input_file_close(&file);
    return err->code;
}

static int open_files(struct arrays *d, struct crew_err *err)
{
    int64_t n = d->n;

    for (int k = 0; d->n < 0 && k < d->head.base.spec.n; k++) {
        int64_t rows = 0;

        if (open_array(d->env, &d->array[k], &d->head.base.spec.component[k],
                       &rows, err) != CREW_OK) {
            return err->code;
        }
        if (k > 0 && rows != n) {
            return crew_err_exit(err, CREW_DATA_LOSS, 65,
                                 "%s has %" PRId64 " rows, %s has %" PRId64,
                                 d->array[0].path, n, d->array[k].path, rows);
        }
        n = rows;
    }
    d->n = n;
    return CREW_OK;
}

/* ---------------------------------------------------------------- elements */

static int arrays_count(struct crew_dataset *base,
                        int64_t *n,
                        struct crew_err *err)
{
    struct arrays *d = (struct arrays *)base;

    if (open_files(d, err) != CREW_OK) {
        return err->code;
    }
    *n = d->n;
    return CREW_OK;
}

static void arrays_at(struct crew_dataset *base, int64_t i, void *const *out)
{
    const struct arrays *d = (const struct arrays *)base;

    PRE(i >= 0 && i < d->n);
    for (int k = 0; k < base->spec.n; k++) {
        int64_t width = row_count(&base->spec, k);

        convert(&d->array[k], base->spec.component[k].dtype, i * width, width,
                out[k]);
    }
}

static void arrays_free(struct crew_dataset *base)
{
    struct arrays *d = (struct arrays *)base;

    for (int k = 0; k < DATASET_MAX_COMPONENTS; k++) {
        free(d->array[k].path);
        free(d->array[k].owned);
    }
}

static const struct dataset_ops arrays_ops = {
    INDEXED_OPS,
    .free = arrays_free,
    .count = arrays_count,
    .at = arrays_at,
};

/* What a feature of a job may be. */
static bool add_column(struct arrays *d, const struct crew_column *c)
{
    int k = d->head.base.spec.n;

    if (c->dtype != CREW_FLOAT && c->dtype != CREW_INT32 &&
        c->dtype != CREW_INT64) {
        crew_err_set(&d->head.base.broken, CREW_INVALID_ARGUMENT,
                     "dataset: '%s' is %s; float32, int32 and int64 are read",
                     c->name != NULL ? c->name : "(NULL)",
                     dtype_name(c->dtype));
        return false;
    }
    if (c->shape.rank == 1 && c->shape.dim[0] < 0) {
        crew_err_exit(&d->head.base.broken, CREW_INVALID_ARGUMENT, 64,
                      "dataset: '%s' has the shape (-1), but the rows of an "
                      "array have one length. Fix: lists come from "
                      "crew_dataset_tfrecord, crew_dataset_csv or "
                      "crew_dataset_map",
                      c->name);
        return false;
    }
    dataset_add_component(&d->head.base, c->name, c->dtype, c->shape,
                          c->is_label);
    if (d->head.base.spec.n == k) {
        return false;
    }
    d->array[k].kind = c->dtype == CREW_FLOAT   ? F32
                       : c->dtype == CREW_INT32 ? I32
                                                : I64;
    return true;
}

struct crew_dataset *crew_dataset_arrays(const struct crew_column *columns,
                                         const void *const *data,
                                         int n,
                                         int64_t rows)
{
    static const char me[] = "crew_dataset_arrays";
    struct arrays *d = dataset_new(sizeof *d, &arrays_ops, NULL);

    if (rows < 0) {
        crew_err_set(&d->head.base.broken, CREW_INVALID_ARGUMENT,
                     "%s: %" PRId64 " rows. Fix: at least 0", me, rows);
        rows = 0;
    }
    d->n = rows;
    n = dataset_list(&d->head.base, columns, n, me, "columns");
    n = dataset_list(&d->head.base, data, n, me, "data");
    for (int i = 0; i < n; i++) {
        int k = d->head.base.spec.n;

        if (add_column(d, &columns[i]) &&
            (rows == 0 ||
             dataset_need(&d->head.base, data[i], me, columns[i].name))) {
            d->array[k].data = data[i];
        }
    }
    return &d->head.base;
}

struct crew_dataset *dataset_npy(struct crew_env *env,
                                 const struct crew_column *columns,
                                 const char *const *paths,
                                 int n)
{
    static const char me[] = "crew_dataset_npy";
    struct arrays *d = dataset_new(sizeof *d, &arrays_ops, NULL);

    d->env = env;
    d->n = -1;
    n = dataset_list(&d->head.base, columns, n, me, "columns");
    n = dataset_list(&d->head.base, paths, n, me, "paths");
    for (int i = 0; i < n; i++) {
        int k = d->head.base.spec.n;

        if (add_column(d, &columns[i]) &&
            dataset_need(&d->head.base, paths[i], me, "a path")) {
            d->array[k].path = xstrdup(paths[i]);
        }
    }
    return &d->head.base;
}

struct crew_dataset *crew_dataset_npy(const struct crew_column *columns,
                                      const char *const *paths,
                                      int n)
{
    return dataset_npy(env_posix(), columns, paths, n);
}
