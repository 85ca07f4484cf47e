/* SPDX-License-Identifier: Apache-2.0
 *
 * tf.Example and parse_example against TensorFlow: the maps of whole Examples,
 * odd encodings, and batches by specs, each with its values or its error. */
#include "records_examples.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/json.h"
#include "io/parse_example_json.h"
#include "io/tfrecord.h"
#include "base/banned.h"

/* ------------------------------------------------------------ feature maps */

static void compare_bytes(struct golden_report *report,
                          const struct example_entry *e,
                          const cJSON *values)
{
    const cJSON *item;
    size_t i = 0;

    cJSON_ArrayForEach(item, values)
    {
        size_t n = 0;
        char *want = golden_base64(item->valuestring, &n);

        (void)golden_same_bytes(report, "bytes", e->value.bytes[i].data,
                                e->value.bytes[i].n, want, n);
        free(want);
        i++;
    }
}

static void compare_numbers(struct golden_report *report,
                            const struct example_entry *e,
                            const cJSON *values)
{
    static const struct golden_tolerance exact = {0};
    const cJSON *item;
    size_t i = 0;

    cJSON_ArrayForEach(item, values)
    {
        if (e->kind == EXAMPLE_FLOAT) {
            (void)golden_same_number(report, "float",
                                     (double)e->value.floats[i],
                                     (double)(float)golden_number(item), exact);
        } else {
            (void)golden_same_int(report, "int64", (int64_t)i, e->value.ints[i],
                                  golden_int(item));
        }
        i++;
    }
}

static void compare_entry(struct golden_report *report,
                          const struct example_entry *e,
                          const cJSON *want)
{
    static const char *const kinds[] = {NULL, "bytes", "float", "int64"};
    const cJSON *kind = golden_member(want, "kind");
    const cJSON *values = golden_member(want, "values");

    if (!golden_same_text(report, "kind", kinds[e->kind],
                          cJSON_IsString(kind) ? kind->valuestring : NULL) ||
        !golden_same_int(report, "values", -1, (int64_t)e->n,
                         cJSON_GetArraySize(values))) {
        return;
    }
    if (e->kind == EXAMPLE_BYTES) {
        compare_bytes(report, e, values);
    } else if (e->kind != EXAMPLE_NONE) {
        compare_numbers(report, e, values);
    }
}

static void compare_map(struct golden_report *report,
                        const void *data,
                        size_t n,
                        const cJSON *want)
{
    struct crew_err err = {0};
    struct example_map map;
    const cJSON *item;

    if (example_map_read(data, n, &map, &err) != CREW_OK) {
        golden_differ(report, "map", -1, err.msg, "an Example");
        return;
    }
    (void)golden_same_int(report, "keys", -1, (int64_t)map.n,
                          cJSON_GetArraySize(want));
    cJSON_ArrayForEach(item, want)
    {
        const struct example_entry *e = example_map_find(&map, item->string);

        if (e == NULL) {
            golden_differ(report, item->string, -1, "nothing", "a feature");
        } else {
            compare_entry(report, e, item);
        }
    }
    example_map_release(&map);
}

static int compare_examples(const char *dir, struct golden_report *report)
{
    cJSON *file = golden_load(dir, "examples.json");
    struct env_fs *fs = env_posix()->fs;
    struct crew_err err = {0};
    struct tfrecord_reader r;
    struct env_file *records = NULL;
    const cJSON *item;
    char *path;

    if (file == NULL) {
        return 66;
    }
    path = path_join(dir, golden_text(file, "file"));
    if (fs->open(fs, path, &records, &err) != CREW_OK) {
        free(path);
        cJSON_Delete(file);
        return golden_trouble(66, "%s", err.msg);
    }
    tfrecord_reader_init(&r, fs, records);
    cJSON_ArrayForEach(item, golden_member(file, "records"))
    {
        golden_case(report, "example: %s", golden_text(item, "what"));
        if (tfrecord_next(&r, &err) != CREW_OK) {
            golden_differ(report, "record", -1, err.msg, "a record");
            break;
        }
        compare_map(report, r.record.data, r.record.len,
                    golden_member(item, "features"));
    }
    golden_end(report);
    tfrecord_reader_release(&r);
    (void)fs->close(records, &(struct crew_err){0});
    free(path);
    cJSON_Delete(file);
    return 0;
}

/* ------------------------------------------------------------ parse_example */

struct batch {
    struct example_bytes *serialized, *names;
    char **owned;
    int64_t n, num_names, num_owned;
};

static void add_list(struct batch *b,
                     const cJSON *list,
                     bool base64,
                     struct example_bytes **to,
                     int64_t *count)
{
    int n = cJSON_GetArraySize(list);
    const cJSON *item;

    *to = xcalloc((size_t)n + 1, sizeof **to);
    b->owned =
        xrealloc(b->owned, (size_t)(b->num_owned + n + 1) * sizeof *b->owned);
    cJSON_ArrayForEach(item, list)
    {
        struct example_bytes *e = &(*to)[(*count)++];
        char *bytes = base64 ? golden_base64(item->valuestring, &e->n)
                             : xstrdup(item->valuestring);

        e->n = base64 ? e->n : strlen(bytes);
        e->data = bytes;
        b->owned[b->num_owned++] = bytes;
    }
}

static void release_batch(struct batch *b)
{
    for (int64_t i = 0; i < b->num_owned; i++) {
        free(b->owned[i]);
    }
    free(b->owned);
    free(b->serialized);
    free(b->names);
}

/* TensorFlow's text as ours is: control bytes in four characters, and cut where
 * ours is cut. The tree's strings end at the first NUL. */
static bool same_message(const char *got, const char *want)
{
    struct strbuf w;
    const char *cut;
    bool same;

    strbuf_init(&w);
    for (const char *p = want; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            strbuf_addf(&w, "\\x%02x", (unsigned char)*p);
        } else {
            strbuf_add(&w, p, 1);
        }
    }
    cut = strlen(got) > 900 ? strstr(got, "...'") : NULL;
    same = cut != NULL ? strncmp(got, w.data, (size_t)(cut - got)) == 0
                       : strcmp(got, w.data) == 0 ||
                             (strncmp(got, w.data, w.len) == 0 &&
                              strncmp(got + w.len, "\\x00", 4) == 0);
    strbuf_release(&w);
    return same;
}

static void compare_outcome(struct golden_report *report,
                            const struct parse_spec *spec,
                            const struct parse_output *out,
                            const struct crew_err *err,
                            const cJSON *item)
{
    const cJSON *expected = json_get(item, "expected");
    const cJSON *error = json_get(item, "error");
    struct strbuf text;
    cJSON *got;

    if (error != NULL) {
        if (err->code == CREW_OK ||
            !same_message(err->msg, golden_text(error, "text"))) {
            golden_differ(report, "error", -1,
                          err->code == CREW_OK ? "values" : err->msg,
                          golden_text(error, "text"));
        }
        return;
    }
    if (err->code != CREW_OK) {
        golden_differ(report, "error", -1, err->msg, "values");
        return;
    }
    strbuf_init(&text);
    parse_output_add_json(&text, spec, out);
    got = golden_parse(text.data, text.len, "our output");
    (void)golden_same_json(report, "expected", got, expected);
    cJSON_Delete(got);
    strbuf_release(&text);
}

/* One case: `b` by the spec, in a used output and a fresh one. */
static void compare_parse(struct golden_report *report,
                          const cJSON *spec_json,
                          const struct batch *b,
                          bool single,
                          struct parse_output *used,
                          const cJSON *item)
{
    struct parse_output *fresh = parse_output_new();
    struct parse_output *const outputs[] = {fresh, used};
    struct parse_spec *spec = NULL;
    struct crew_err err = {0};

    if (parse_spec_from_json(spec_json, &spec, &err) != CREW_OK) {
        golden_differ(report, "spec", -1, err.msg, "a spec");
        parse_output_free(fresh);
        return;
    }
    for (int k = 0; k < 2; k++) {
        err = (struct crew_err){0};
        if (single) {
            (void)parse_example_single(spec, b->serialized, outputs[k], &err);
        } else {
            (void)parse_example_batch(spec, b->serialized, b->names,
                                      b->num_names, b->n, outputs[k], &err);
        }
        compare_outcome(report, spec, outputs[k], &err, item);
    }
    parse_spec_free(spec);
    parse_output_free(fresh);
}

static void parse_case(struct golden_report *report,
                       const cJSON *item,
                       bool single,
                       struct parse_output *used)
{
    const cJSON *serialized = golden_member(item, "serialized");
    const cJSON *names = json_get(item, "names");
    cJSON *list = single ? cJSON_CreateArray() : NULL;
    struct batch b = {0};

    if (single) {
        cJSON_AddItemToArray(list, cJSON_CreateString(serialized->valuestring));
        serialized = list;
    }
    add_list(&b, serialized, true, &b.serialized, &b.n);
    if (cJSON_IsArray(names)) {
        add_list(&b, names, false, &b.names, &b.num_names);
    }
    compare_parse(report, golden_member(item, "spec"), &b, single, used, item);
    release_batch(&b);
    cJSON_Delete(list);
}

static int compare_cases(const char *dir, struct golden_report *report)
{
    cJSON *file = golden_load(dir, "parse_example.json");
    struct parse_output *used = parse_output_new();
    const cJSON *item;

    if (file != NULL) {
        cJSON_ArrayForEach(item, golden_member(file, "cases"))
        {
            golden_case(report, "parse: %s", golden_text(item, "what"));
            parse_case(report, item, false, used);
        }
        cJSON_ArrayForEach(item, golden_member(file, "single_cases"))
        {
            golden_case(report, "parse: %s", golden_text(item, "what"));
            parse_case(report, item, true, used);
        }
        golden_end(report);
    }
    parse_output_free(used);
    cJSON_Delete(file);
    return file == NULL ? 66 : 0;
}

static int compare_wire(const char *dir, struct golden_report *report)
{
    cJSON *file = golden_load(dir, "wire.json");
    struct parse_output *used = parse_output_new();
    const cJSON *item;

    if (file != NULL) {
        cJSON_ArrayForEach(item, golden_member(file, "cases"))
        {
            struct batch b = {0};
            cJSON *list = cJSON_CreateArray();

            golden_case(report, "wire: %s", golden_text(item, "what"));
            cJSON_AddItemToArray(
                list, cJSON_CreateString(golden_text(item, "base64")));
            add_list(&b, list, true, &b.serialized, &b.n);
            compare_parse(report, golden_member(file, "spec"), &b, false, used,
                          item);
            release_batch(&b);
            cJSON_Delete(list);
        }
        golden_end(report);
    }
    parse_output_free(used);
    cJSON_Delete(file);
    return file == NULL ? 66 : 0;
}

int records_examples(const char *dir, struct golden_report *report)
{
    int rc = compare_examples(dir, report);

    rc = rc != 0 ? rc : compare_wire(dir, report);
    return rc != 0 ? rc : compare_cases(dir, report);
}
