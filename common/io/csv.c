/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of a CSV file, plain or gzipped, read line by line: RFC 4180's quotes, a
 * delimiter of choice, an optional header. Each wanted field becomes a scalar
 * component; an empty field takes its default, or is an error that names file,
 * line and column. Source of the rules: tf.data.experimental.CsvDataset. */
#include "io/dataset.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/mem.h"
#include "base/strbuf.h"

#include "base/banned.h"

enum { MAX_COLUMNS = 4096, MAX_LINE = 16 << 20 };

struct csv {
    struct crew_dataset base;
    char *path;
    struct crew_csv how;
    struct crew_csv_column *columns; /* of the file, in order */
    int n;
    gzFile file;
    int64_t line_number;
    struct strbuf line, field;
};

static int bad(const struct csv *d, struct crew_err *err, const char *what)
{
    return crew_err_exit(err, CREW_DATA_LOSS, 65, "%s:%" PRId64 ": %s", d->path,
                         d->line_number, what);
}

/* A line without its end; quotes may hold line ends. OUT_OF_RANGE at the end.
 */
static int read_line(struct csv *d, struct crew_err *err)
{
    bool quoted = false, any = false;
    int c;

    strbuf_reset(&d->line);
    while ((c = gzgetc(d->file)) != -1) {
        char byte = (char)c;

        any = true;
        quoted = byte == '"' ? !quoted : quoted;
        if (byte == '\n' && !quoted) {
            break;
        }
        if (d->line.len == MAX_LINE) {
            return bad(d, err, "a line of more than 16 MiB");
        }
        strbuf_add(&d->line, &byte, 1);
    }
    if (!any) {
        int number = Z_OK;
        const char *text = gzerror(d->file, &number);

        return number == Z_OK || number == Z_STREAM_END
                   ? crew_err_set(err, CREW_OUT_OF_RANGE, "end of input")
                   : bad(d, err, text);
    }
    d->line_number++;
    if (d->line.len > 0 && d->line.data[d->line.len - 1] == '\r') {
        d->line.data[--d->line.len] = '\0';
    }
    return CREW_OK;
}

static int open_file(struct csv *d, struct crew_err *err)
{
    d->file = gzopen(d->path, "rb");
    if (d->file == NULL) {
        return crew_err_exit(
            err, errno == ENOENT ? CREW_NOT_FOUND : CREW_UNAVAILABLE, 66,
            "%s: %s. Fix: check the path", d->path, strerror(errno));
    }
    (void)gzbuffer(d->file, 256 * 1024);
    d->line_number = 0;
    if (d->how.header && read_line(d, err) != CREW_OK &&
        err->code == CREW_OUT_OF_RANGE) {
        return bad(d, err, "empty, not even a header");
    }
    return err->code;
}

/* The next field of a line from `at`; NULL: there is none. Unquoted into
 * d->field; *closed false: its quote never ends. */
static const char *next_field(struct csv *d, const char *at, bool *closed)
{
    bool quoted = *at == '"';

    strbuf_reset(&d->field);
    at += quoted ? 1 : 0;
    *closed = !quoted;
    for (; *at != '\0'; at++) {
        if (quoted && !*closed && at[0] == '"' && at[1] == '"') {
            at++;
        } else if (quoted && !*closed && *at == '"') {
            *closed = true;
            continue;
        } else if (*closed && *at == d->how.delimiter) {
            return at + 1;
        }
        strbuf_add(&d->field, at, 1);
    }
    return NULL;
}

/* d->field as a number of column `c`, to `out`. */
static int store(const struct csv *d,
                 const struct crew_csv_column *c,
                 void *out,
                 struct crew_err *err)
{
    double value = c->default_value;
    long long integer = isnan(value) ? 0 : (long long)value;
    char *end = d->field.data;

    if (d->field.len == 0 && isnan(value)) {
        return crew_err_exit(err, CREW_DATA_LOSS, 65,
                             "%s:%" PRId64
                             ": field '%s' is required but "
                             "missing. Fix: fill it, or give it a default",
                             d->path, d->line_number, c->name);
    }
    errno = 0;
    if (d->field.len > 0 && c->dtype == CREW_FLOAT) {
        value = strtod(d->field.data, &end);
    } else if (d->field.len > 0) {
        integer = strtoll(d->field.data, &end, 10);
    }
    if (d->field.len > 0 && (end == d->field.data || *end != '\0' ||
                             (errno == ERANGE && c->dtype != CREW_FLOAT) ||
                             (c->dtype == CREW_INT32 &&
                              (integer < INT32_MIN || integer > INT32_MAX)))) {
        return crew_err_exit(err, CREW_DATA_LOSS, 65,
                             "%s:%" PRId64
                             ": field '%s' is \"%.40s\", not a "
                             "valid %s",
                             d->path, d->line_number, c->name, d->field.data,
                             dtype_name(c->dtype));
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
    const char *at = d->line.data;
    int k = 0;

    for (int i = 0; i < d->n; i++) {
        bool closed = true;

        if (at == NULL) {
            return wrong_count(d, i, err);
        }
        at = next_field(d, at, &closed);
        if (!closed) {
            return bad(d, err, "a quote that does not end");
        }
        if (d->columns[i].name != NULL &&
            store(d, &d->columns[i], out[k++], err) != CREW_OK) {
            return err->code;
        }
    }
    return at == NULL ? CREW_OK : wrong_count(d, d->n + 1, err);
}

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
    if (d->file == NULL && open_file(d, err) != CREW_OK) {
        return err->code;
    }
    do { /* empty lines are passed over */
        if (read_line(d, err) != CREW_OK) {
            return err->code;
        }
    } while (d->line.len == 0);
    *rows = 1;
    return split(d, out, err);
}

static int csv_rewind(struct crew_dataset *base, struct crew_err *err)
{
    struct csv *d = (struct csv *)base;

    (void)err;
    if (d->file != NULL) {
        (void)gzclose(d->file);
        d->file = NULL;
    }
    return CREW_OK;
}

static void csv_free(struct crew_dataset *base)
{
    struct csv *d = (struct csv *)base;
    struct crew_err ignored = {0};

    (void)csv_rewind(base, &ignored);
    for (int i = 0; i < d->n; i++) {
        free((void *)(uintptr_t)d->columns[i].name);
    }
    free(d->columns);
    free(d->path);
    strbuf_release(&d->line);
    strbuf_release(&d->field);
}

static const struct dataset_ops csv_ops = {.next = csv_next,
                                           .rewind = csv_rewind,
                                           .free = csv_free};

struct crew_dataset *crew_dataset_csv(const char *path,
                                      const struct crew_csv_column *columns,
                                      int n,
                                      struct crew_csv how)
{
    struct csv *d = dataset_new(sizeof *d, &csv_ops, NULL);

    d->path = xstrdup(path);
    d->how = how;
    d->how.delimiter = how.delimiter == '\0' ? ',' : how.delimiter;
    strbuf_init(&d->line);
    strbuf_init(&d->field);
    if (n < 1 || n > MAX_COLUMNS) {
        crew_err_set(&d->base.broken, CREW_INVALID_ARGUMENT,
                     "crew_dataset_csv: %d columns, must be 1 to %d", n,
                     MAX_COLUMNS);
        n = 0;
    }
    d->n = n;
    d->columns = xcalloc((size_t)n + 1, sizeof *d->columns);
    for (int i = 0; i < n; i++) {
        d->columns[i] = columns[i];
        if (columns[i].name == NULL) {
            continue;
        }
        d->columns[i].name = xstrdup(columns[i].name);
        if (columns[i].dtype != CREW_FLOAT && columns[i].dtype != CREW_INT32 &&
            columns[i].dtype != CREW_INT64) {
            crew_err_set(&d->base.broken, CREW_INVALID_ARGUMENT,
                         "crew_dataset_csv: '%s' is %s; float32, int32 and "
                         "int64 are read",
                         columns[i].name, dtype_name(columns[i].dtype));
        }
        dataset_add_component(&d->base, columns[i].name, columns[i].dtype,
                              crew_scalar_shape(), columns[i].is_label);
    }
    return &d->base;
}
