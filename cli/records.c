/* SPDX-License-Identifier: Apache-2.0
 * crew records: what is in TFRecord files. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "checkpoint/sha256.h"
#include "cli/base64.h"
#include "cli/commands.h"
#include "cli/events.h"
#include "cli/records_parse.h"
#include "io/example.h"
#include "io/tfrecord.h"
#include "base/banned.h"

static const char usage[] =
    "usage: crew records ls     [options] FILE...\n"
    "       crew records dump   [options] FILE...\n"
    "       crew records verify [options] FILE...\n"
    "       crew records parse  --spec SPEC FILE   (see its --help)\n\n"
    "  ls      how many records and bytes, the shortest and the longest\n"
    "  dump    every record: its length, and the features of a tf.Example\n"
    "  verify  checks both CRCs of every record\n\n"
    "  --compression auto|none|gzip|zlib  by the first bytes if not given\n"
    "  --max-bad-records N   leave out up to N records whose payload is "
    "damaged\n"
    "  --format text|json    json: length, sha256, base64 of up to 64 bytes\n\n"
    "Exit codes: 0; 64 usage; 65 a damaged file; 66 no such file.\n"
    "Next: crew records parse --spec SPEC FILE\n";

enum { MOST_BASE64 = 64, MOST_VALUES = 8 };

struct arguments {
    const char *command;
    struct tfrecord_options options;
    bool json;
    char **files;
    int n_files;
};

/* -------------------------------------------------------------------- a record
 */

static void print_bytes(const struct example_bytes *b)
{
    putchar('"');
    for (size_t i = 0; i < b->n && i < 40; i++) {
        unsigned char c = (unsigned char)b->data[i];

        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\') {
            printf("\\x%02x", c);
        } else {
            putchar(c);
        }
    }
    printf("\"%s", b->n > 40 ? "..." : "");
}

static void print_feature(const struct example_entry *e)
{
    static const char *const kinds[] = {"none", "bytes", "float", "int64"};

    printf("    ");
    print_bytes(&e->key);
    printf(" %s [%zu]", kinds[e->kind], e->n);
    for (size_t i = 0; i < e->n && i < MOST_VALUES; i++) {
        putchar(' ');
        if (e->kind == EXAMPLE_BYTES) {
            print_bytes(&e->value.bytes[i]);
        } else if (e->kind == EXAMPLE_FLOAT) {
            printf("%.9g", (double)e->value.floats[i]);
        } else {
            printf("%" PRId64, e->value.ints[i]);
        }
    }
    puts(e->n > MOST_VALUES ? " ..." : "");
}

/* A record that is no tf.Example is shown by its length alone. */
static void print_record(int64_t i, const struct tfrecord_view *r)
{
    struct example_map map;
    struct crew_err err = {0};

    printf("  record %" PRId64 ", %zu bytes\n", i, r->len);
    if (r->len == 0 ||
        example_map_read(r->data, r->len, &map, &err) != CREW_OK) {
        return;
    }
    for (size_t k = 0; k < map.n; k++) {
        print_feature(&map.entry[k]);
    }
    example_map_release(&map);
}

static cJSON *feature_json(const struct example_entry *e)
{
    static const char *const kinds[] = {NULL, "bytes", "float", "int64"};
    cJSON *json = cJSON_CreateObject(), *values;
    struct strbuf text;

    if (e->kind == EXAMPLE_NONE) {
        cJSON_AddNullToObject(json, "kind");
    } else {
        cJSON_AddStringToObject(json, "kind", kinds[e->kind]);
    }
    values = cJSON_AddArrayToObject(json, "values");
    for (size_t i = 0; i < e->n; i++) {
        if (e->kind == EXAMPLE_FLOAT) {
            cJSON_AddItemToArray(values,
                                 event_number((double)e->value.floats[i], 9));
            continue;
        }
        strbuf_init(&text);
        if (e->kind == EXAMPLE_BYTES) {
            base64_add(&text, e->value.bytes[i].data, e->value.bytes[i].n);
            cJSON_AddItemToArray(values, cJSON_CreateString(text.data));
        } else {
            strbuf_addf(&text, "%" PRId64, e->value.ints[i]);
            cJSON_AddItemToArray(values, cJSON_CreateRaw(text.data));
        }
        strbuf_release(&text);
    }
    return json;
}

static void add_features(cJSON *json, const struct tfrecord_view *r)
{
    struct example_map map;
    struct crew_err err = {0};
    cJSON *features;

    if (r->len == 0 ||
        example_map_read(r->data, r->len, &map, &err) != CREW_OK) {
        return;
    }
    features = cJSON_AddObjectToObject(json, "features");
    for (size_t k = 0; k < map.n; k++) {
        char *key =
            xasprintf("%.*s", (int)map.entry[k].key.n, map.entry[k].key.data);

        cJSON_AddItemToObject(features, key, feature_json(&map.entry[k]));
        free(key);
    }
    example_map_release(&map);
}

static void print_json(const struct tfrecord_view *r, bool first)
{
    cJSON *json = cJSON_CreateObject();
    struct strbuf base64;
    struct sha256 sum;
    char hex[65], *text;

    sha256_init(&sum);
    sha256_add(&sum, r->data, r->len);
    sha256_hex(&sum, hex);
    cJSON_AddNumberToObject(json, "length", (double)r->len);
    cJSON_AddStringToObject(json, "sha256", hex);
    if (r->len <= MOST_BASE64) {
        strbuf_init(&base64);
        base64_add(&base64, r->data, r->len);
        cJSON_AddStringToObject(json, "base64", base64.data);
        strbuf_release(&base64);
    }
    add_features(json, r);
    text = cJSON_PrintUnformatted(json);
    printf("%s\n  %s", first ? "" : ",", text);
    free(text);
    cJSON_Delete(json);
}

/* --------------------------------------------------------------------- a file
 */

struct totals {
    int64_t records;
    uint64_t bytes, shortest, longest;
};

static void count(struct totals *t, size_t n)
{
    t->shortest = t->records == 0 || n < t->shortest ? n : t->shortest;
    t->longest = n > t->longest ? n : t->longest;
    t->bytes += n;
    t->records++;
}

static void print_totals(const struct arguments *a,
                         const struct totals *t,
                         const struct tfrecord_reader *r)
{
    const char *kind = tfrecord_compression_name(tfrecord_compression(r));

    if (a->json) {
        printf("%s], \"num_records\": %" PRId64 ", \"payload_bytes\": %" PRIu64
               ", \"shortest\": %" PRIu64 ", \"longest\": %" PRIu64
               ", \"bad_records\": %" PRId64 ", \"compression\": \"%s\"}",
               t->records > 0 ? "\n " : "", t->records, t->bytes, t->shortest,
               t->longest, r->bad_records, kind);
        return;
    }
    printf("  %" PRId64 " records, %" PRIu64 " bytes of payload, %" PRIu64
           " to %" PRIu64 " each, compression %s\n",
           t->records, t->bytes, t->shortest, t->longest, kind);
    if (r->bad_records > 0) {
        printf("  %" PRId64 " damaged records were left out\n", r->bad_records);
    }
    if (tfrecord_unfinished(r)) {
        puts("  the compressed stream has no end: records may be missing");
    }
}

static int show_file(const struct arguments *a,
                     const char *path,
                     struct crew_err *err)
{
    bool dump = strcmp(a->command, "dump") == 0;
    struct tfrecord_reader r;
    struct totals t = {0};

    if (tfrecord_reader_open(&r, env_posix(), path, &a->options, err) !=
        CREW_OK) {
        tfrecord_reader_release(&r);
        return err->code;
    }
    if (a->json) {
        cJSON *name = cJSON_CreateString(path);
        char *text = cJSON_PrintUnformatted(name);

        printf("{\"file\": %s, \"records\": [", text);
        free(text);
        cJSON_Delete(name);
    } else {
        printf("%s\n", path);
    }
    while (tfrecord_next(&r, err) == CREW_OK) {
        if (dump && a->json) {
            print_json(&r.record, t.records == 0);
        } else if (dump) {
            print_record(t.records, &r.record);
        }
        count(&t, r.record.len);
    }
    print_totals(a, &t, &r);
    tfrecord_reader_release(&r);
    if (err->code == CREW_OUT_OF_RANGE) {
        *err = (struct crew_err){0};
    }
    return err->code;
}

/* Every file is shown, also after a damaged one; the first error counts. */
static int show(const struct arguments *a, struct crew_err *err)
{
    (void)fputs(a->json ? "{\"files\": [\n " : "", stdout);
    for (int i = 0; i < a->n_files; i++) {
        struct crew_err bad = {0};

        (void)fputs(i > 0 && a->json ? ",\n " : "", stdout);
        if (show_file(a, a->files[i], &bad) != CREW_OK) {
            (void)fflush(stdout);
            (void)fprintf(stderr, "crew records: %s\n", bad.msg);
            *err = err->code == CREW_OK ? bad : *err;
        } else if (strcmp(a->command, "verify") == 0 && !a->json) {
            puts("  ok");
        }
    }
    (void)fputs(a->json ? "\n]}\n" : "", stdout);
    return err->code;
}

/* ----------------------------------------------------------------- arguments
 */

static bool take_option(struct arguments *a,
                        const char *name,
                        const char *value)
{
    struct crew_err err = {0};
    char *end;

    if (strcmp(name, "--compression") == 0) {
        return tfrecord_compression_of(value, &a->options.compression, &err) ==
               CREW_OK;
    }
    if (strcmp(name, "--max-bad-records") == 0) {
        a->options.max_bad_records = strtoll(value, &end, 10);
        return *value != '\0' && *end == '\0' &&
               a->options.max_bad_records >= 0;
    }
    if (strcmp(name, "--format") == 0) {
        a->json = strcmp(value, "json") == 0;
        return a->json || strcmp(value, "text") == 0;
    }
    return false;
}

static bool parse(int argc, char **argv, struct arguments *a)
{
    if (argc < 2 ||
        (strcmp(argv[1], "ls") != 0 && strcmp(argv[1], "dump") != 0 &&
         strcmp(argv[1], "verify") != 0)) {
        return false;
    }
    a->command = argv[1];
    a->files = argv + 2;
    for (int i = 2; i < argc; i++) {
        if (argv[i][0] != '-') {
            a->files[a->n_files++] = argv[i];
        } else if (i + 1 >= argc || !take_option(a, argv[i], argv[i + 1])) {
            return false;
        } else {
            i++;
        }
    }
    return a->n_files > 0;
}

int cmd_records(int argc, char **argv)
{
    struct arguments a = {0};
    struct crew_err err = {0};

    if (argc > 1 && strcmp(argv[1], "parse") == 0) {
        return records_parse(argc - 1, argv + 1);
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            (void)fputs(usage, stdout);
            return 0;
        }
    }
    if (!parse(argc, argv, &a)) {
        (void)fputs(usage, stderr);
        return 64;
    }
    return show(&a, &err) == CREW_OK ? 0 : crew_err_exit_code(&err);
}
