/* SPDX-License-Identifier: Apache-2.0
 *
 * The family records, as far as framing goes: the records of each uncompressed
 * file with their length, sha256 and bytes, the files framed again, and how
 * many records a damaged file gives before which error. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "checkpoint/sha256.h"
#include "config/json.h"
#include "golden.h"
#include "golden_families.h"
#include "io/tfrecord.h"
#include "records_examples.h"
#include "base/banned.h"

static void compare_record(struct golden_report *report,
                           int64_t i,
                           const struct strbuf *record,
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

/* Read all; `want` NULL: only count. *again: the records framed again. */
static int64_t read_all(struct golden_report *report,
                        const char *path,
                        const cJSON *want,
                        struct strbuf *again,
                        struct crew_err *err)
{
    struct env_fs *fs = env_posix()->fs;
    struct crew_err ignored = {0};
    struct tfrecord_reader r;
    struct env_file *file = NULL;
    int64_t n = 0;

    if (fs->open(fs, path, &file, err) != CREW_OK) {
        return 0;
    }
    tfrecord_reader_init(&r, fs, file);
    while (tfrecord_next(&r, err) == CREW_OK) {
        if (want != NULL) {
            compare_record(report, n, &r.record, want);
            want = want->next;
        }
        tfrecord_frame(again, r.record.data, r.record.len);
        n++;
    }
    tfrecord_reader_release(&r);
    (void)fs->close(file, &ignored);
    return n;
}

static void compare_good(struct golden_report *report,
                         const char *dir,
                         const cJSON *item)
{
    const char *name = golden_text(item, "file");
    const cJSON *records = golden_member(item, "records");
    char *path = path_join(dir, name);
    struct crew_err err = {0};
    struct strbuf again;
    size_t n = 0;
    char *bytes;

    strbuf_init(&again);
    (void)golden_same_int(report, "records", -1,
                          read_all(report, path, records->child, &again, &err),
                          cJSON_GetArraySize(records));
    if (err.code != CREW_OUT_OF_RANGE) {
        golden_differ(report, "end", -1, err.msg, "the end of the file");
    }
    bytes = golden_bytes(dir, name, &n);
    if (bytes != NULL) {
        (void)golden_same_bytes(report, "framed again", again.data, again.len,
                                bytes, n);
    }
    free(bytes);
    strbuf_release(&again);
    free(path);
}

static void compare_corrupt(struct golden_report *report,
                            const char *dir,
                            const cJSON *item)
{
    const cJSON *want = golden_member(item, "tf_record_iterator");
    const cJSON *error = json_get(want, "error");
    char *path = path_join(dir, golden_text(item, "file"));
    struct crew_err err = {0};
    struct strbuf again;

    strbuf_init(&again);
    (void)golden_same_int(report, "records before the error", -1,
                          read_all(report, path, NULL, &again, &err),
                          golden_int(golden_member(want, "records_ok")));
    if (cJSON_IsObject(error) &&
        strcmp(golden_text(error, "type"), "NotFoundError") == 0) {
        (void)golden_same_text(report, "code", crew_code_name(err.code),
                               "NOT_FOUND");
    } else if (cJSON_IsObject(error)) {
        (void)golden_same_text(report, "error", err.msg,
                               golden_text(error, "message"));
        (void)golden_same_text(report, "code", crew_code_name(err.code),
                               "DATA_LOSS");
    } else if (err.code != CREW_OUT_OF_RANGE) {
        golden_differ(report, "error", -1, err.msg, "the end of the file");
    }
    strbuf_release(&again);
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
        if (golden_text(item, "compression")[0] == '\0') {
            golden_case(report, "%s", golden_text(item, "file"));
            compare(report, dir, item);
        }
    }
    golden_end(report);
    cJSON_Delete(file);
    return 0;
}

int family_records(const char *dir, struct golden_report *report)
{
    int rc = compare_list(report, dir, "records.json", "files", compare_good);

    if (rc == 0) {
        rc = compare_list(report, dir, "corrupt.json", "cases",
                          compare_corrupt);
    }
    return rc != 0 ? rc : records_examples(dir, report);
}
