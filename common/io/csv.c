/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of a CSV file, plain or gzipped, read line by line: RFC 4180's quotes, a
 * delimiter of choice, an optional header. Each wanted field becomes a scalar
 * component, a word the integer that stands for it; an empty field takes its
 * default, or is an error that names file, line and column. Fields are unquoted
 * and ended where they lie, in the window over the file. Source of the rules:
 * tf.data.experimental.CsvDataset. */
#include "io/dataset.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/dataset_list.h"
#include "io/tfrecord_source.h"
#include "io/word_ids.h"

#include "base/banned.h"

enum { MAX_COLUMNS = 4096, MAX_LINE = 16 << 20 };

struct column {
    char *name; /* NULL: passed over */
    enum crew_dtype dtype;
    double default_value;
    struct word_ids ids; /* of a string */
    char list_delimiter; /* 0: one value */
};

struct csv {
    struct crew_dataset base;
    struct crew_env *env; /* borrowed */
    char *path;
    struct crew_csv how;
    struct column *columns; /* of the file, in order */
    int n;
    struct tfrecord_source source; /* file NULL: not open */
    int64_t line_number;
    char *line; /* in the window, its end is a NUL */
    char *last; /* a line that nothing ends; owned */
};

static int bad(const struct csv *d, struct crew_err *err, const char *what)
{
    return crew_err_exit(err, CREW_DATA_LOSS, 65, "%s:%" PRId64 ": %s", d->path,
                         d->line_number, what);
}

/* ------------------------------------------------------------------- lines */

/* n bytes of the window are the line, and so is its end if it has one. */
static int take_line(struct csv *d,
                     size_t n,
                     bool has_end,
                     struct crew_err *err)
{
    char *at = (char *)d->source.window + d->source.begin;

    if (!has_end) {
        void *copy = NULL;

        free(d->last);
        d->last = NULL;
        if (mem_try(n + 1, 1, "a line", &copy, err) != CREW_OK) {
            return err->code;
        }
        memcpy(copy, at, n);
        at = d->last = copy;
    }
    d->source.begin += n + (has_end ? 1 : 0);
    if (n > 0 && at[n - 1] == '\r') {
        n--;
    }
    at[n] = '\0';
    d->line = at;
    d->line_number++;
    return CREW_OK;
}

/* A line without its end; quotes may hold line ends. OUT_OF_RANGE at the end.
 */
static int read_line(struct csv *d, struct crew_err *err)
{
    struct tfrecord_source *s = &d->source;
    bool quoted = false;
    size_t n = 0;

    for (;;) {
        size_t held = s->end - s->begin;
        const char *at = held > 0 ? (const char *)s->window + s->begin : NULL;

        for (; n < held && (at[n] != '\n' || quoted); n++) {
            quoted ^= at[n] == '"';
        }
        if (n < held) {
            return take_line(d, n, true, err);
        }
        if (held > MAX_LINE) {
            return bad(d, err, "a line of more than 16 MiB");
        }
        if (tfrecord_source_need(s, held + 1, err) != CREW_OK) {
            return crew_err_wrap(err, "%s:%" PRId64, d->path, d->line_number);
        }
        if (s->end - s->begin == held) {
            return held > 0
                       ? take_line(d, n, false, err)
                       : crew_err_set(err, CREW_OUT_OF_RANGE, "end of input");
        }
    }
}

static void close_file(struct csv *d)
{
    struct crew_err ignored = {0};

    if (d->source.file != NULL) {
        tfrecord_source_release(&d->source);
        (void)d->source.fs->close(d->source.file, &ignored);
    }
    d->source = (struct tfrecord_source){0};
    free(d->last);
    d->last = NULL;
}

static int open_file(struct csv *d, struct crew_err *err)
{
    enum tfrecord_compression compression = TFRECORD_NONE;
    struct tfrecord_source *s = &d->source;

    *s = (struct tfrecord_source){.fs = d->env->fs};
    if (s->fs->open(s->fs, d->path, &s->file, err) != CREW_OK) {
        return err->code;
    }
    d->line_number = 0;
    if (tfrecord_sniff(s->fs, s->file, &compression, err) != CREW_OK ||
        tfrecord_source_begin(
            s, compression == TFRECORD_GZIP ? compression : TFRECORD_NONE,
            err) != CREW_OK) {
        return crew_err_wrap(err, "%s", d->path);
    }
    if (d->how.header && read_line(d, err) != CREW_OK &&
        err->code == CREW_OUT_OF_RANGE) {
        return bad(d, err, "empty, not even a header");
    }
    return err->code;
}

/* ------------------------------------------------------------------ fields */

/* Unquote the field at *at in its place and end it there; *at goes to the next
 * one, NULL: there is none. *n: bytes of the field. NULL: its quote never ends.
 */
static char *next_field(const struct csv *d, char **at, size_t *n)
{
    char *from = *at, *field = from, *to = from;
    bool quoted = *from == '"', open = quoted;

    from += quoted ? 1 : 0;
    for (; *from != '\0' && (open || *from != d->how.delimiter); from++) {
        if (open && from[0] == '"' && from[1] != '"') {
            open = false;
            continue;
        }
        from += open && from[0] == '"' ? 1 : 0;
        *to++ = *from;
    }
    *at = *from == '\0' ? NULL : from + 1;
    *n = (size_t)(to - field);
    *to = '\0';
    return open ? NULL : field;
}

/* The number that a field which is not empty spells. */
static bool parse(const char *field,
                  enum crew_dtype dtype,
                  double *value,
                  long long *integer)
{
    char *end;

    errno = 0;
    if (dtype == CREW_FLOAT) {
        *value = strtod(field, &end);
    } else {
        *integer = strtoll(field, &end, 10);
    }
    if (end == field || *end != '\0') {
        return false;
    }
    return dtype == CREW_FLOAT ||
           (errno != ERANGE &&
            (dtype != CREW_INT32 ||
             (*integer >= INT32_MIN && *integer <= INT32_MAX)));
}

static int not_valid(const struct csv *d,
                     const struct column *c,
                     const char *text,
                     struct crew_err *err)
{
    return crew_err_exit(
        err, CREW_DATA_LOSS, 65,
        "%s:%" PRId64 ": field '%s' is \"%.40s\", not a valid %s", d->path,
        d->line_number, c->name, text, dtype_name(c->dtype));
}

/* One of a list, which is not empty. */
static int add_piece(const struct csv *d,
                     const struct column *c,
                     const char *piece,
                     size_t n,
                     struct crew_list *out,
                     struct crew_err *err)
{
    long long integer = 0;
    double value = 0;
    void *to;

    if (c->dtype == CREW_STRING) {
        integer = word_ids_of(&c->ids, piece, n);
    } else if (!parse(piece, c->dtype, &value, &integer)) {
        return not_valid(d, c, piece, err);
    }
    to = dataset_list_extend(out, 1, err);
    if (to == NULL) {
        return err->code;
    }
    if (c->dtype == CREW_FLOAT) {
        *(float *)to = (float)value;
    } else {
        *(int64_t *)to = integer;
    }
    return CREW_OK;
}

/* The pieces of a field, each ended where it lies. */
static int store_list(const struct csv *d,
                      const struct column *c,
                      char *field,
                      struct crew_list *out,
                      struct crew_err *err)
{
    dataset_list_begin(out, c->dtype == CREW_FLOAT ? CREW_FLOAT : CREW_INT64);
    while (*field != '\0') {
        char *end = strchr(field, c->list_delimiter);
        size_t n = end != NULL ? (size_t)(end - field) : strlen(field);
        bool last = end == NULL;

        field[n] = '\0';
        if (n > 0 && add_piece(d, c, field, n, out, err) != CREW_OK) {
            return err->code;
        }
        field += last ? n : n + 1;
    }
    return CREW_OK;
}

/* A field of column `c`, to `out`. */
static int store(const struct csv *d,
                 const struct column *c,
                 char *field,
                 size_t n,
                 void *out,
                 struct crew_err *err)
{
    double value = c->default_value;
    long long integer = isnan(value) ? 0 : (long long)value;

    if (c->list_delimiter != '\0') {
        return store_list(d, c, field, out, err);
    }
    if (c->dtype == CREW_STRING) {
        *(int64_t *)out = n > 0 ? word_ids_of(&c->ids, field, n) : -1;
        return CREW_OK;
    }
    if (n == 0 && isnan(value)) {
        return crew_err_exit(err, CREW_DATA_LOSS, 65,
                             "%s:%" PRId64
                             ": field '%s' is required but "
                             "missing. Fix: fill it, or give it a default",
                             d->path, d->line_number, c->name);
    }
    if (n > 0 && !parse(field, c->dtype, &value, &integer)) {
        return not_valid(d, c, field, err);
    }
    if (c->dtype == CREW_FLOAT) {
        *(float *)out = (float)value;
    } else if (c->dtype == CREW_INT32) {
        *(int32_t *)out = (int32_t)integer;
    } else {
        *(int64_t *)out = integer;
    }
    return CREW_OK;
}

static int wrong_count(const struct csv *d, int got, struct crew_err *err)
{
    return crew_err_exit(err, CREW_DATA_LOSS, 65,
                         "%s:%" PRId64
                         ": Expect %d fields but have %s%d in "
                         "record",
                         d->path, d->line_number, d->n,
                         got > d->n ? "more, at least " : "", got);
}

static int split(struct csv *d, void *const *out, struct crew_err *err)
{
    char *at = d->line;
    int k = 0;

    for (int i = 0; i < d->n; i++) {
        char *field;
        size_t n;

        if (at == NULL) {
            return wrong_count(d, i, err);
        }
        field = next_field(d, &at, &n);
        if (field == NULL) {
            return bad(d, err, "a quote that does not end");
        }
        if (d->columns[i].name != NULL &&
            store(d, &d->columns[i], field, n, out[k++], err) != CREW_OK) {
            return err->code;
        }
    }
    return at == NULL ? CREW_OK : wrong_count(d, d->n + 1, err);
}

/* ----------------------------------------------------------------- dataset */

static int csv_next(struct crew_dataset *base,
                    void *const *out,
                    int64_t *rows,
                    struct crew_err *err)
{
    struct csv *d = (struct csv *)base;

    if (base->broken.code != CREW_OK) {
        *err = base->broken;
        return err->code;
    }
    if (d->source.file == NULL && open_file(d, err) != CREW_OK) {
        return err->code;
    }
    do { /* empty lines are passed over */
        if (read_line(d, err) != CREW_OK) {
            return err->code;
        }
    } while (d->line[0] == '\0');
    *rows = 1;
    return split(d, out, err);
}

static int csv_rewind(struct crew_dataset *base, struct crew_err *err)
{
    (void)err;
    close_file((struct csv *)base);
    return CREW_OK;
}

static void csv_free(struct crew_dataset *base)
{
    struct csv *d = (struct csv *)base;

    close_file(d);
    for (int i = 0; i < d->n; i++) {
        free(d->columns[i].name);
        word_ids_release(&d->columns[i].ids);
    }
    free(d->columns);
    free(d->path);
}

static const struct dataset_ops csv_ops = {.next = csv_next,
                                           .rewind = csv_rewind,
                                           .free = csv_free};

/* ------------------------------------------------------------------ making */

static void add_column(struct csv *d, int i, const struct crew_csv_column *from)
{
    struct column *c = &d->columns[i];
    bool word = from->dtype == CREW_STRING;
    const char *wrong = word_ids_refuse(
        word, from->hash_buckets, from->vocabulary, from->vocabulary_size);

    if (from->dtype != CREW_FLOAT && from->dtype != CREW_INT32 &&
        from->dtype != CREW_INT64 && !word) {
        wrong = "float32, int32, int64 and strings are read";
    } else if (from->list_delimiter != '\0' && from->dtype == CREW_INT32) {
        wrong = "a list is of float32, int64 or strings";
    } else if (from->list_delimiter != '\0' && from->is_label) {
        wrong = "a label is no list";
    }
    if (wrong != NULL) {
        (void)crew_err_exit(&d->base.broken, CREW_INVALID_ARGUMENT, 64,
                            "crew_dataset_csv: column '%s' is %s: %s",
                            from->name, dtype_name(from->dtype), wrong);
        return;
    }
    c->name = xstrdup(from->name);
    c->dtype = from->dtype;
    c->default_value = from->default_value;
    c->list_delimiter = from->list_delimiter;
    word_ids_make(&c->ids, from->hash_buckets, from->vocabulary,
                  from->vocabulary_size);
    dataset_add_component(
        &d->base, c->name, word ? CREW_INT64 : c->dtype,
        c->list_delimiter != '\0' ? crew_shape1(-1) : crew_scalar_shape(),
        from->is_label);
}

struct crew_dataset *dataset_csv(struct crew_env *env,
                                 const char *path,
                                 const struct crew_csv_column *columns,
                                 int n,
                                 struct crew_csv how)
{
    static const char me[] = "crew_dataset_csv";
    struct csv *d = dataset_new(sizeof *d, &csv_ops, NULL);

    d->env = env;
    d->path = xstrdup(dataset_need(&d->base, path, me, "path") ? path : "");
    d->how = how;
    d->how.delimiter = how.delimiter == '\0' ? ',' : how.delimiter;
    if (n < 1 || n > MAX_COLUMNS) {
        (void)crew_err_exit(&d->base.broken, CREW_INVALID_ARGUMENT, 64,
                            "crew_dataset_csv: %d columns, must be 1 to %d", n,
                            MAX_COLUMNS);
        n = 0;
    }
    n = dataset_list(&d->base, columns, n, me, "columns");
    d->n = n;
    d->columns = xcalloc((size_t)n + 1, sizeof *d->columns);
    for (int i = 0; i < n; i++) {
        if (columns[i].name != NULL) {
            add_column(d, i, &columns[i]);
        }
    }
    return &d->base;
}

struct crew_dataset *crew_dataset_csv(const char *path,
                                      const struct crew_csv_column *columns,
                                      int n,
                                      struct crew_csv how)
{
    return dataset_csv(env_posix(), path, columns, n, how);
}
