/* SPDX-License-Identifier: Apache-2.0
 * Every source of input, with each of its file operations failing in turn: the
 * error names the file, and of a read the place in it; nothing leaks. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem_fs.h"
#include "io/dataset.h"
#include "io/example.h"
#include "io/tfrecord.h"
#include "run_suite.h"

#include "base/banned.h"

enum { ROWS = 40000 };

static struct crew_env *env;

static void put(const char *path, const void *data, size_t n)
{
    struct crew_err err = {0};

    ck_assert_int_eq(fs_replace_file(env, path, data, n, &err), CREW_OK);
}

/* Larger than a window, so that there are several reads. */
static void put_all(void)
{
    static char npy[128 + ROWS * 8], images[16 + ROWS * 16], labels[8 + ROWS];
    static char csv[ROWS * 12];
    const char *head =
        "{'descr': '<i8', 'fortran_order': False, 'shape': (40000,), }\n";
    const char image_head[] = {0, 0, 8, 3, 0, 0, (char)0x9c, 0x40,
                               0, 0, 0, 4, 0, 0, 0,          4};
    const char label_head[] = {0, 0, 8, 1, 0, 0, (char)0x9c, 0x40};
    struct tfrecord_writer *w = NULL;
    struct example_writer e;
    struct crew_err err = {0};
    struct strbuf bytes;
    size_t n = strlen(head);

    memcpy(npy, "\x93NUMPY\x01", 8);
    npy[8] = (char)n;
    memcpy(npy + 10, head, n + 1);
    put("data.npy", npy, 10 + n + ROWS * sizeof(int64_t));
    memcpy(images, image_head, sizeof image_head);
    memcpy(labels, label_head, sizeof label_head);
    put("images", images, sizeof images);
    put("labels", labels, sizeof labels);
    for (int i = 0; i < ROWS; i++) {
        memcpy(csv + (size_t)i * 12, "12345678901\n", 12);
    }
    put("data.csv", csv, sizeof csv);
    strbuf_init(&bytes);
    example_writer_init(&e);
    ck_assert_int_eq(tfrecord_writer_open(env, "data.tfr", NULL, &w, &err), 0);
    for (int64_t id = 0; id < ROWS / 2; id++) {
        strbuf_reset(&bytes);
        example_add_ints(&e, "id", &id, 1);
        example_writer_finish(&e, &bytes);
        ck_assert_int_eq(tfrecord_writer_add(w, bytes.data, bytes.len, &err),
                         0);
    }
    ck_assert_int_eq(tfrecord_writer_close(w, &err), 0);
    example_writer_release(&e);
    strbuf_release(&bytes);
}

static struct crew_dataset *make(int which)
{
    static const struct crew_column column = {"id", CREW_INT64, {0}, false};
    static const struct crew_record_feature feature = {.name = "id",
                                                       .dtype = CREW_INT64};
    const struct crew_csv_column csv = {.name = "id", .dtype = CREW_INT64};
    const char *npy[] = {"data.npy"}, *records[] = {"data.tfr"};

    switch (which) {
        case 0:
            return dataset_npy(env, &column, npy, 1);
        case 1:
            return dataset_idx(env, "images", "labels", "x", 4, 4);
        case 2:
            return dataset_csv(env, "data.csv", &csv, 1, (struct crew_csv){0});
        default:
            return dataset_tfrecord(
                env, &(struct crew_tfrecord){.files = records, .num_files = 1},
                &feature, 1);
    }
}

static int read_all(int which, struct crew_err *err)
{
    static int64_t room[64];
    static float pixels[16];
    struct crew_dataset *d = make(which);
    void *out[2] = {which == 1 ? (void *)pixels : (void *)room, room + 32};
    int64_t rows;
    int n = 0;

    while (d->ops->next(d, out, &rows, err) == CREW_OK) {
        n++;
    }
    dataset_free(d);
    return n;
}

START_TEST(a_fault_names_the_file_and_the_place)
{
    static const char *const files[] = {"data.npy", "images", "data.csv",
                                        "data.tfr"};
    int faults = 0;

    env = env_mem_new(1);
    put_all();
    for (int64_t n = 1;; n++, faults++) {
        struct crew_err err = {0};
        int got;

        env_mem_fail_at(env, n, CREW_UNAVAILABLE, false);
        got = read_all(_i, &err);
        if (!env_mem_fail_fired(env)) {
            ck_assert_int_eq(err.code, CREW_OUT_OF_RANGE);
            ck_assert_int_eq(got, _i == 3 ? ROWS / 2 : ROWS);
            break;
        }
        if (err.code == CREW_OUT_OF_RANGE) {
            continue; /* it was the file's closing */
        }
        ck_assert_msg(err.code == CREW_UNAVAILABLE, "%s", err.msg);
        ck_assert_msg(strstr(err.msg, files[_i]) != NULL ||
                          strstr(err.msg, "labels") != NULL,
                      "%s", err.msg);
    }
    ck_assert_int_gt(faults, 3);
    env_mem_free(env);
}
END_TEST

/* The read that fails after the first window. */
START_TEST(a_late_fault_says_where)
{
    static const char *const words[] = {
        "byte 72: read data.npy", "byte 16: read images",
        "data.csv:21845: read data.csv", "record at 2621"};
    bool met = false;

    env = env_mem_new(1);
    put_all();
    for (int64_t n = 1; n < 12 && !met; n++) {
        struct crew_err err = {0};

        env_mem_fail_at(env, n, CREW_UNAVAILABLE, false);
        (void)read_all(_i, &err);
        met = strstr(err.msg, words[_i]) != NULL;
        ck_assert_msg(met || n < 11, "\"%s\", not \"%s\"", err.msg, words[_i]);
    }
    env_mem_free(env);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("input_faults");
    TCase *t = tcase_create("faults");

    tcase_add_loop_test(t, a_fault_names_the_file_and_the_place, 0, 4);
    tcase_add_loop_test(t, a_late_fault_says_where, 0, 4);
    suite_add_tcase(s, t);
    return run_suite(s);
}
