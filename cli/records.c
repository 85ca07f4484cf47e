/* SPDX-License-Identifier: Apache-2.0
 * crew records: what is in TFRecord files, and whether they are whole. */
#include "cli/records.h"

#include <cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/records_parse.h"
#include "base/banned.h"

static const char usage[] =
    "usage: crew records ls|dump|verify [options] FILE...\n"
    "       crew records parse --spec SPEC FILE\n\n"
    "  ls      how many records and bytes, the shortest and the longest "
    "(json: of each\n"
    "          record length, sha256 and up to 64 bytes in base64)\n"
    "  dump    every record: the features of a tf.Example, else its bytes "
    "(json: and all\n"
    "          bytes in base64; text: the first values and bytes)\n"
    "  verify  check both CRCs of every record; counts bad ones to the end\n"
    "  parse   through parse_example; see crew records parse --help\n\n"
    "  --compression auto|none|gzip|zlib\n"
    "                         of the whole file (default: auto, by its first "
    "bytes)\n"
    "  --max-bad-records N    leave out up to N records a file whose payload "
    "has a\n"
    "                         wrong CRC (default: 0). One whose length has a "
    "wrong CRC\n"
    "                         cannot be left out: where it ends is unknown\n"
    "  --format text|json     (default: text)\n\n"
    "A damaged file is shown up to the damage, the other files all the same. "
    "Exit\n"
    "codes: 0; 64 usage; 65 damaged; 66 not found; 74 it cannot be read.\n"
    "Next: crew records parse --spec '{\"x\": {\"type\": \"VarLenFeature\", "
    "\"dtype\":\n"
    "\"float32\"}}' FILE\n";

enum what { LS, DUMP, VERIFY };

struct arguments {
    enum what what;
    struct tfrecord_options options;
    bool json;
    char **files; /* borrowed from argv */
    int n;
};

/* What came of a file. */
struct outcome {
    uint64_t records, bytes, shortest, longest; /* of payloads */
    int64_t bad;
    enum tfrecord_compression compression;
    char warning[160]; /* what TensorFlow does not mind */
    struct crew_err err;
};

/* ---------------------------------------------------------------- printing */

static void print_string(const char *text)
{
    cJSON *json = cJSON_CreateString(text);
    char *quoted = cJSON_PrintUnformatted(json);

    (void)fputs(quoted != NULL ? quoted : "null", stdout);
    free(quoted);
    cJSON_Delete(json);
}

static void begin_file(const struct arguments *a,
                       const char *path,
                       enum tfrecord_compression compression,
                       uint64_t bytes)
{
    /* TensorFlow's own names in JSON. */
    static const char *const python[] = {"", "", "GZIP", "ZLIB"};

    if (!a->json) {
        puts(path);
        return;
    }
    printf(",\"compression\":\"%s\",\"bytes\":%" PRIu64, python[compression],
           bytes);
    if (a->what != VERIFY) {
        printf(",\"records\":[");
    }
}

static void print_record(const struct arguments *a,
                         const struct tfrecord_reader *r,
                         struct strbuf *line)
{
    strbuf_reset(line);
    if (a->json) {
        strbuf_addstr(line, r->num_records > 1 ? ",\n  " : "\n  ");
        records_add_json(line, a->what == DUMP, &r->record);
    } else {
        records_add_text(line, r->num_records - 1,
                         r->offset - r->record.len - 16, &r->record);
    }
    (void)fwrite(line->data, 1, line->len, stdout);
}

/* The error as TensorFlow has it: its class, and its text without our path. */
static void print_error_json(const char *path, const struct crew_err *err)
{
    const char *text = err->msg;
    size_t n = strlen(path);

    if (strncmp(text, path, n) == 0 && strncmp(text + n, ": ", 2) == 0) {
        text += n + 2;
    }
    printf("{\"type\":\"%s\",\"message\":",
           err->code == CREW_DATA_LOSS   ? "DataLossError"
           : err->code == CREW_NOT_FOUND ? "NotFoundError"
                                         : crew_code_name(err->code));
    print_string(text);
    printf("}");
}

static void end_json(const struct arguments *a, const struct outcome *o)
{
    if (a->what != VERIFY) {
        printf(o->records > 0 ? "\n ]" : "]");
    }
    printf(",\"records_ok\":%" PRIu64 ",\"bad_records\":%" PRId64
           ",\"payload_bytes\":%" PRIu64 ",\"shortest\":%" PRIu64
           ",\"longest\":%" PRIu64,
           o->records, o->bad, o->bytes, o->shortest, o->longest);
    if (o->warning[0] != '\0') {
        printf(",\"warning\":");
        print_string(o->warning);
    }
}

static void end_text(const struct arguments *a, const struct outcome *o)
{
    printf("  %" PRIu64 " records, %" PRIu64 " bytes of payload, %" PRIu64
           " to %" PRIu64 " each, compression %s\n",
           o->records, o->bytes, o->shortest, o->longest,
           tfrecord_compression_name(o->compression));
    if (o->bad > 0) {
        printf("  %" PRId64 " damaged records were left out\n", o->bad);
    }
    if (a->what == VERIFY && o->err.code == CREW_OK) {
        puts("  ok");
    }
}

/* ------------------------------------------------------------------- files */

/* Ends that TensorFlow takes for the end, though something is missing. */
static void find_warning(const struct tfrecord_reader *r, struct outcome *o)
{
    size_t left = tfrecord_left_over(r);

    if (tfrecord_unfinished(r)) {
        (void)snprintf(o->warning, sizeof o->warning,
                       "the %s stream is cut short: records may be missing at "
                       "the end",
                       tfrecord_compression_name(tfrecord_compression(r)));
    } else if (left > 0) {
        (void)snprintf(o->warning, sizeof o->warning,
                       "%zu bytes at the end, too few for a record: it may "
                       "have been cut short",
                       left);
    }
}

static void count(struct outcome *o, size_t n)
{
    o->shortest = o->records == 0 || n < o->shortest ? n : o->shortest;
    o->longest = n > o->longest ? n : o->longest;
    o->bytes += n;
    o->records++;
}

static void read_records(const struct arguments *a,
                         struct tfrecord_reader *r,
                         struct outcome *o)
{
    bool each = a->what == DUMP || (a->what == LS && a->json);
    struct strbuf line;

    strbuf_init(&line);
    while (tfrecord_next(r, &o->err) == CREW_OK) {
        count(o, r->record.len);
        if (each) {
            print_record(a, r, &line);
        }
    }
    strbuf_release(&line);
    o->bad = r->bad_records;
    if (o->err.code != CREW_OUT_OF_RANGE) {
        return;
    }
    o->err = (struct crew_err){0};
    find_warning(r, o);
    if (o->bad > a->options.max_bad_records) { /* verify counts them all */
        (void)crew_err_exit(&o->err, CREW_DATA_LOSS, 65,
                            "%s: corrupted record at %" PRIu64, r->path,
                            r->first_bad);
    }
}

static void show_file(const struct arguments *a,
                      const char *path,
                      struct outcome *o)
{
    struct crew_env *env = env_posix();
    struct tfrecord_options options = a->options;
    struct tfrecord_reader r;
    struct env_stat st;

    if (a->what == VERIFY) {
        options.max_bad_records = INT64_MAX;
    }
    if (tfrecord_reader_open(&r, env, path, &options, &o->err) == CREW_OK &&
        env->fs->stat(env->fs, path, &st, &o->err) == CREW_OK) {
        o->compression = tfrecord_compression(&r);
        begin_file(a, path, o->compression, st.size);
        read_records(a, &r, o);
        (a->json ? end_json : end_text)(a, o);
    }
    tfrecord_reader_release(&r);
}

/* Every file is shown, also after a damaged one; the first error counts. */
static int show(const struct arguments *a)
{
    int exit_code = 0;

    (void)fputs(a->json ? "{\"files\": [" : "", stdout);
    for (int i = 0; i < a->n; i++) {
        const char *path = a->files[i];
        struct outcome o = {0};

        if (a->json) {
            (void)fputs(i == 0 ? "\n {\"file\":" : ",\n {\"file\":", stdout);
            print_string(path);
        }
        show_file(a, path, &o);
        if (a->json) {
            printf(",\"error\":");
            if (o.err.code == CREW_OK) {
                printf("null");
            } else {
                print_error_json(path, &o.err);
            }
            printf("}");
        }
        (void)fflush(stdout);
        if (o.warning[0] != '\0') {
            (void)fprintf(stderr, "crew records: %s: warning: %s\n", path,
                          o.warning);
        }
        if (o.err.code != CREW_OK) {
            (void)fprintf(stderr, "crew records: %s\n", o.err.msg);
            exit_code = exit_code != 0 ? exit_code : crew_err_exit_code(&o.err);
        }
    }
    (void)fputs(a->json ? "\n]}\n" : "", stdout);
    return exit_code;
}

/* --------------------------------------------------------------- arguments */

static int complain(const char *what, const char *value)
{
    (void)fprintf(stderr, "crew records: %s '%s'; see crew records --help\n",
                  what, value);
    return 64;
}

static int parse_number(const char *text, int64_t *n)
{
    char *end;

    errno = 0;
    *n = strtoll(text, &end, 10);
    return errno == 0 && end != text && *end == '\0' && *n >= 0
               ? 0
               : complain("--max-bad-records wants a number from 0 on, not",
                          text);
}

/* The option at argv[*i] and its value. */
static int parse_option(int argc, char **argv, int *i, struct arguments *a)
{
    const char *name = argv[*i], *value = *i + 1 < argc ? argv[*i + 1] : "";
    struct crew_err err = {0};

    *i += 1;
    if (strcmp(name, "--compression") == 0) {
        return tfrecord_compression_of(value, &a->options.compression, &err) ==
                       CREW_OK
                   ? 0
                   : complain("--compression is auto, none, gzip or zlib, not",
                              value);
    }
    if (strcmp(name, "--max-bad-records") == 0) {
        return parse_number(value, &a->options.max_bad_records);
    }
    if (strcmp(name, "--format") == 0) {
        a->json = strcmp(value, "json") == 0;
        return a->json || strcmp(value, "text") == 0
                   ? 0
                   : complain("--format is text or json, not", value);
    }
    return complain("unknown option", name);
}

/* Files are moved to the front of argv. */
static int parse(int argc, char **argv, struct arguments *a)
{
    static const char *const verbs[] = {"ls", "dump", "verify"};
    const char *verb = argc > 1 ? argv[1] : "";
    int what = 0;

    while (what < 3 && strcmp(verb, verbs[what]) != 0) {
        what++;
    }
    if (what == 3) {
        return complain("the command is ls, dump, verify or parse, not", verb);
    }
    a->what = (enum what)what;
    a->files = argv + 2;
    for (int i = 2; i < argc; i++) {
        if (argv[i][0] != '-') {
            a->files[a->n++] = argv[i];
        } else if (parse_option(argc, argv, &i, a) != 0) {
            return 64;
        }
    }
    return a->n > 0 ? 0 : complain("no file is named for", verb);
}

int cmd_records(int argc, char **argv)
{
    struct arguments a = {0};

    if (argc > 1 && strcmp(argv[1], "parse") == 0) {
        return records_parse(argc - 1, argv + 1);
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            (void)fputs(usage, stdout);
            return 0;
        }
    }
    return parse(argc, argv, &a) != 0 ? 64 : show(&a);
}
