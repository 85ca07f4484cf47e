/* SPDX-License-Identifier: Apache-2.0
 *
 * The family records. Here framing: the records of each file with their
 * length, sha256 and bytes, the files written again byte for byte, and how many
 * records a damaged file gives before which error. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/mem.h"
#include "base/mem_fs.h"
#include "checkpoint/sha256.h"
#include "config/json.h"
#include "golden.h"
#include "golden_families.h"
#include "io/tfrecord.h"
#include "records_examples.h"
#include "base/banned.h"

static void compare_record(struct golden_report *report,
                           int64_t i,
                           const struct tfrecord_view *record,
                           const cJSON *want)
{
    const cJSON *sha = json_get(want, "sha256"),
                *text = json_get(want, "base64");
    struct sha256 s;
    char sum[65];

    (void)golden_same_int(report, "length", i, (int64_t)record->len,
                          golden_int(golden_member(want, "length")));
    if (sha != NULL) {
        sha256_init(&s);
        sha256_add(&s, record->data, record->len);
        sha256_hex(&s, sum);
        (void)golden_same_text(report, "sha256", sum, sha->valuestring);
    }
    if (text != NULL) {
        size_t n = 0;
        char *bytes = golden_base64(text->valuestring, &n);

        (void)golden_same_bytes(report, "record", record->data, record->len,
                                bytes, n);
        free(bytes);
    }
}

static enum tfrecord_compression compression_of(const cJSON *item)
{
    enum tfrecord_compression c = TFRECORD_NONE;
    struct crew_err err = {0};

    if (tfrecord_compression_of(golden_text(item, "compression"), &c, &err) !=
        CREW_OK) {
        exit(golden_trouble(65, "%s", err.msg));
    }
    return c;
}

/* Read all; `want` NULL: only count. `again`, where given, gets them too. */
static int64_t read_all(struct golden_report *report,
                        const char *path,
                        enum tfrecord_compression c,
                        const cJSON *want,
                        struct tfrecord_writer *again,
                        struct crew_err *err)
{
    const struct tfrecord_options options = {.compression = c};
    struct crew_err bad = {0};
    struct tfrecord_reader r;
    int64_t n = 0;

    if (tfrecord_reader_open(&r, env_posix(), path, &options, err) == CREW_OK) {
        while (tfrecord_next(&r, err) == CREW_OK) {
            if (want != NULL) {
                compare_record(report, n, &r.record, want);
                want = want->next;
            }
            if (again != NULL &&
                tfrecord_writer_add(again, r.record.data, r.record.len, &bad) !=
                    CREW_OK) {
                golden_differ(report, "write", n, bad.msg, "no error");
            }
            n++;
        }
    }
    tfrecord_reader_release(&r);
    return n;
}

/* What our writer makes of the records: TensorFlow's bytes. Of a compressed
 * file only with the zlib that TensorFlow 2.15 carries; another may choose
 * other matches and be as right. */
static void compare_written(struct golden_report *report,
                            struct crew_env *mem,
                            const char *dir,
                            const cJSON *item)
{
    struct crew_err err = {0};
    size_t n_got = 0, n_want = 0;
    char *got = NULL, *want;

    if (compression_of(item) != TFRECORD_NONE &&
        strcmp(zlibVersion(), "1.2.13") != 0) {
        return;
    }
    want = golden_bytes(dir, golden_text(item, "file"), &n_want);
    if (fs_read_file(mem, "/again", (size_t)1 << 30, &got, &n_got, &err) !=
        CREW_OK) {
        golden_differ(report, "written again", -1, err.msg, "a file");
    } else if (want != NULL) {
        (void)golden_same_bytes(report, "written again", got, n_got, want,
                                n_want);
    }
    free(got);
    free(want);
}

static void compare_good(struct golden_report *report,
                         const char *dir,
                         const cJSON *item)
{
    struct tfrecord_writer_options options = {.compression =
                                                  compression_of(item)};
    const cJSON *records = golden_member(item, "records");
    char *path = path_join(dir, golden_text(item, "file"));
    struct crew_env *mem = env_mem_new(1);
    struct crew_err err = {0}, sniffed = {0}, bad = {0};
    struct tfrecord_writer *again = NULL;

    if (tfrecord_writer_open(mem, "/again", &options, &again, &bad) !=
        CREW_OK) {
        golden_differ(report, "write", -1, bad.msg, "no error");
    }
    (void)golden_same_int(report, "records", -1,
                          read_all(report, path, options.compression,
                                   records->child, again, &err),
                          cJSON_GetArraySize(records));
    if (err.code != CREW_OUT_OF_RANGE) {
        golden_differ(report, "end", -1, err.msg, "the end of the file");
    }
    (void)golden_same_int(
        report, "records, compression not told", -1,
        read_all(report, path, TFRECORD_AUTO, records->child, NULL, &sniffed),
        cJSON_GetArraySize(records));
    if (tfrecord_writer_close(again, &bad) != CREW_OK) {
        golden_differ(report, "write", -1, bad.msg, "no error");
    }
    compare_written(report, mem, dir, item);
    env_mem_free(mem);
    free(path);
}

/* TensorFlow's words come after our "<path>: ". */
static void compare_error(struct golden_report *report,
                          const char *path,
                          const struct crew_err *err,
                          const cJSON *error)
{
    char *want;

    if (!cJSON_IsObject(error)) {
        if (err->code != CREW_OUT_OF_RANGE) {
            golden_differ(report, "error", -1, err->msg, "the end of the file");
        }
    } else if (strcmp(golden_text(error, "type"), "NotFoundError") == 0) {
        (void)golden_same_text(report, "code", crew_code_name(err->code),
                               "NOT_FOUND");
    } else {
        want = xasprintf("%s: %s", path, golden_text(error, "message"));
        (void)golden_same_text(report, "error", err->msg, want);
        (void)golden_same_text(report, "code", crew_code_name(err->code),
                               "DATA_LOSS");
        free(want);
    }
}

/* The dataset's own sentence, which the wrapping of eager execution is taken
 * off, is the end of ours. */
static void compare_wrapped(struct golden_report *report,
                            const struct crew_err *err,
                            CREW_NULLABLE const cJSON *error)
{
    const cJSON *text = json_get(error, "text");
    size_t n = strlen(err->msg), want;

    if (text == NULL || err->code == CREW_NOT_FOUND) {
        return;
    }
    want = strlen(text->valuestring);
    (void)golden_same_text(report, "dataset's text",
                           n > want ? err->msg + n - want : err->msg,
                           text->valuestring);
}

/* The column tf_record_iterator: its message is the reader's own status, which
 * that of TFRecordDataset is only once the wrapping of eager execution is taken
 * off. In the count of records and in the text they are the same reader, so
 * what the other column says is checked against this one. */
static void compare_corrupt(struct golden_report *report,
                            const char *dir,
                            const cJSON *item)
{
    const cJSON *want = golden_member(item, "tf_record_iterator");
    const cJSON *other = json_get(item, "dataset");
    const cJSON *error = json_get(want, "error");
    char *path = path_join(dir, golden_text(item, "file"));
    struct crew_err err = {0};

    (void)golden_same_int(
        report, "records before the error", -1,
        read_all(report, path, compression_of(item), NULL, NULL, &err),
        golden_int(golden_member(want, "records_ok")));
    compare_error(report, path, &err, error);
    if (other != NULL) {
        (void)golden_same_int(report, "dataset's records", -1,
                              golden_int(golden_member(other, "records_ok")),
                              golden_int(golden_member(want, "records_ok")));
        (void)golden_same_int(report, "dataset's error", -1,
                              cJSON_IsObject(json_get(other, "error")),
                              cJSON_IsObject(error));
        compare_wrapped(report, &err, json_get(other, "error"));
    }
    free(path);
}

static int compare_list(struct golden_report *report,
                        const char *dir,
                        const char *json,
                        const char *key,
                        void (*compare)(struct golden_report *,
                                        const char *,
                                        const cJSON *))
{
    cJSON *file = golden_load(dir, json);
    const cJSON *item;

    if (file == NULL) {
        return 66;
    }
    cJSON_ArrayForEach(item, golden_member(file, key))
    {
        golden_case(report, "%s", golden_text(item, "file"));
        compare(report, dir, item);
    }
    golden_end(report);
    cJSON_Delete(file);
    return 0;
}

int family_records(const char *dir, struct golden_report *report)
{
    int rc = compare_list(report, dir, "records.json", "files", compare_good);

    if (rc == 0) {
        rc =
            compare_list(report, dir, "corrupt.json", "cases", compare_corrupt);
    }
    return rc != 0 ? rc : records_examples(dir, report);
}
