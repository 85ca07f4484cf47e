/* SPDX-License-Identifier: Apache-2.0
 * crew records parse: what TensorFlow's parse_example makes of a file. */
#include "cli/records_parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "base/mem.h"
#include "config/json.h"
#include "io/parse_example_json.h"
#include "io/tfrecord.h"
#include "tensor/tensor.h"
#include "base/banned.h"

#define MAX_SPEC ((size_t)1 << 24)
#define MAX_SHOWN 8

static const char usage[] =
    "usage: crew records parse --spec SPEC FILE [--batch N] "
    "[--format text|json]\n\n"
    "Reads the tf.Examples of a TFRecord file as tf.io.parse_example does and "
    "prints\n"
    "every feature: dense, sparse or ragged.\n\n"
    "  --spec SPEC    a JSON file, or the JSON itself:\n"
    "                 {\"age\": {\"type\": \"FixedLenFeature\", \"dtype\": "
    "\"float32\",\n"
    "                          \"shape\": [1], \"default\": 0},\n"
    "                  \"tags\": {\"type\": \"VarLenFeature\", \"dtype\": "
    "\"string\"}}\n"
    "                 also FixedLenSequenceFeature and RaggedFeature; dtypes "
    "float32,\n"
    "                 int64, string; without default the feature is required\n"
    "  --batch N      so many records at a time (default: all at once)\n"
    "  --format json  one object a batch, strings in base64 (default: text)\n\n"
    "Exit codes: 0; 64 usage or spec; 65 a record that does not fit the spec, "
    "or "
    "a\ndamaged file; 66 no such file; 74 it cannot be read.\n"
    "Next: crew records dump FILE\n";

struct arguments {
    const char *spec, *file;
    int64_t batch; /* 0: all */
    bool json;
};

struct job {
    struct arguments args;
    struct parse_spec *spec;
    struct parse_output *out;
    /* The records of a batch, one after the other, and where each begins. */
    struct strbuf bytes;
    size_t *begin;
    struct example_bytes *serialized;
    size_t n, cap;
    int64_t before; /* records of the batches before */
};

static int complain(const char *what, const char *value)
{
    (void)fprintf(
        stderr, "crew records parse: %s '%s'; see crew records parse --help\n",
        what, value);
    return 64;
}

static int parse_batch_size(const char *text, int64_t *n)
{
    char *end;

    errno = 0;
    *n = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *n > 0
               ? 0
               : complain("--batch wants a number from 1 on, not", text);
}

static int read_arguments(int argc, char **argv, struct arguments *a)
{
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;

        if (strcmp(argv[i], "--spec") == 0 && more) {
            a->spec = argv[++i];
        } else if (strcmp(argv[i], "--batch") == 0 && more) {
            if (parse_batch_size(argv[++i], &a->batch) != 0) {
                return 64;
            }
        } else if (strcmp(argv[i], "--format") == 0 && more) {
            a->json = strcmp(argv[++i], "json") == 0;
            if (!a->json && strcmp(argv[i], "text") != 0) {
                return complain("--format is text or json, not", argv[i]);
            }
        } else if (argv[i][0] == '-' || a->file != NULL) {
            return complain("unexpected argument", argv[i]);
        } else {
            a->file = argv[i];
        }
    }
    if (a->spec == NULL || a->file == NULL) {
        (void)fprintf(stderr,
                      "crew records parse: wants --spec and a file; see crew "
                      "records parse --help\n");
        return 64;
    }
    return 0;
}

/* -------------------------------------------------------------------- spec */

static int spec_of_text(struct job *job,
                        const char *text,
                        size_t n,
                        const char *what,
                        struct crew_err *err)
{
    cJSON *json = NULL;

    if (json_parse_within(text, n, what, MAX_SPEC, JSON_MAX_DEPTH, &json,
                          err) != CREW_OK) {
        err->exit_code = 64;
        return err->code;
    }
    (void)parse_spec_from_json(json, &job->spec, err);
    cJSON_Delete(json);
    return err->code;
}

static int read_spec(struct job *job, struct crew_err *err)
{
    const char *given = job->args.spec;
    char *text = NULL;
    size_t n = 0;

    if (given[strspn(given, " \t\r\n")] == '{') {
        return spec_of_text(job, given, strlen(given), "--spec", err);
    }
    if (fs_read_file(env_posix(), given, MAX_SPEC, &text, &n, err) == CREW_OK) {
        (void)spec_of_text(job, text, n, given, err);
    }
    free(text);
    return err->code;
}

/* ---------------------------------------------------------------- printing */

static void print_strings(struct strbuf *to, const struct example_bytes *s)
{
    strbuf_addstr(to, " \"");
    for (size_t i = 0; i < s->n && i < 40; i++) {
        unsigned char c = (unsigned char)s->data[i];

        strbuf_addf(to, c < 0x20 || c >= 0x7f ? "\\x%02x" : "%c", c);
    }
    strbuf_addstr(to, s->n > 40 ? "...\"" : "\"");
}

static void print_column(struct strbuf *to,
                         const struct parse_feature *f,
                         const struct parse_column *c)
{
    static const char *const kinds[] = {"dense", "dense", "sparse", "ragged"};
    char shape[200];

    strbuf_add(to, f->key.data, f->key.n);
    strbuf_addf(to, "  %s %s %s:", kinds[f->kind], dtype_name(f->dtype),
                shape_text(&c->shape, shape, sizeof shape));
    for (int64_t i = 0; i < c->n && i < MAX_SHOWN; i++) {
        if (f->dtype == CREW_FLOAT) {
            strbuf_addf(to, " %.9g", (double)c->floats[i]);
        } else if (f->dtype == CREW_INT64) {
            strbuf_addf(to, " %lld", (long long)c->ints[i]);
        } else {
            print_strings(to, &c->strings[i]);
        }
    }
    strbuf_addf(to, c->n > MAX_SHOWN ? " ... (%lld values)\n" : "\n",
                (long long)c->n);
}

static void print_batch(const struct job *job)
{
    const struct parse_column *c = parse_output_columns(job->out);
    struct strbuf to;

    strbuf_init(&to);
    if (job->args.json) {
        parse_output_add_json(&to, job->spec, job->out);
        strbuf_addstr(&to, "\n");
    } else {
        if (job->n == 0) {
            strbuf_addstr(&to, "no records\n");
        } else {
            strbuf_addf(&to, "records %lld to %lld\n", (long long)job->before,
                        (long long)job->before + (long long)job->n - 1);
        }
        for (int i = 0; i < parse_spec_count(job->spec); i++) {
            strbuf_addstr(&to, "  ");
            print_column(&to, parse_spec_feature(job->spec, i), &c[i]);
        }
    }
    (void)fwrite(to.data, 1, to.len, stdout);
    strbuf_release(&to);
}

/* ----------------------------------------------------------------- records */

static int parse_records(struct job *job, struct crew_err *err)
{
    for (size_t i = 0; i < job->n; i++) {
        size_t end = i + 1 < job->n ? job->begin[i + 1] : job->bytes.len;

        job->serialized[i] = (struct example_bytes){
            job->bytes.data + job->begin[i], end - job->begin[i]};
    }
    if (parse_example_batch(job->spec, job->serialized, NULL, 0,
                            (int64_t)job->n, job->out, err) != CREW_OK) {
        return crew_err_wrap(err, "%s: records from %lld on", job->args.file,
                             (long long)job->before);
    }
    print_batch(job);
    job->before += (int64_t)job->n;
    job->n = 0;
    strbuf_reset(&job->bytes);
    return CREW_OK;
}

static void add_record(struct job *job, const struct tfrecord_view *record)
{
    if (job->n == job->cap) {
        job->cap = job->cap * 2 + 64;
        job->begin = xrealloc(job->begin, job->cap * sizeof *job->begin);
        job->serialized =
            xrealloc(job->serialized, job->cap * sizeof *job->serialized);
    }
    job->begin[job->n++] = job->bytes.len;
    strbuf_add(&job->bytes, record->data, record->len);
}

static int read_records(struct job *job, struct crew_err *err)
{
    const char *path = job->args.file;
    struct tfrecord_reader r;

    if (tfrecord_reader_open(&r, env_posix(), path, NULL, err) != CREW_OK) {
        tfrecord_reader_release(&r);
        return err->code;
    }
    while (tfrecord_next(&r, err) == CREW_OK) {
        add_record(job, &r.record);
        if ((int64_t)job->n == job->args.batch &&
            parse_records(job, err) != CREW_OK) {
            break;
        }
    }
    if (err->code == CREW_OUT_OF_RANGE) { /* the end */
        *err = (struct crew_err){0};
        if (job->n > 0 || job->before == 0) {
            (void)parse_records(job, err);
        }
    }
    tfrecord_reader_release(&r);
    return err->code;
}

int records_parse(int argc, char **argv)
{
    struct job job = {0};
    struct crew_err err = {0};

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            (void)fputs(usage, stdout);
            return 0;
        }
    }
    if (read_arguments(argc, argv, &job.args) != 0) {
        return 64;
    }
    strbuf_init(&job.bytes);
    job.out = parse_output_new();
    if (read_spec(&job, &err) == CREW_OK) {
        (void)read_records(&job, &err);
    }
    if (err.code != CREW_OK) {
        (void)fprintf(stderr, "crew records parse: %s\n", err.msg);
    }
    parse_spec_free(job.spec);
    parse_output_free(job.out);
    strbuf_release(&job.bytes);
    free(job.begin);
    free(job.serialized);
    return err.code == CREW_OK ? 0 : crew_err_exit_code(&err);
}
