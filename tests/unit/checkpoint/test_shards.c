/* SPDX-License-Identifier: Apache-2.0
 * Bundles of several data files: written, merged as MergeV2Checkpoints does,
 * read in slices and ranges, and verified to the last byte. Whole checkpoints
 * of TensorFlow's are compared by golden-check checkpoints. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/mem_fs.h"
#include "checkpoint/bundle_impl.h"
#include "run_suite.h"

#include "base/banned.h"

static struct crew_env *env;

static void setup(void)
{
    struct crew_err err = {0};

    env = env_mem_new(1);
    ck_assert_int_eq(fs_make_dirs(env, "/c", &err), CREW_OK);
}

static void teardown(void)
{
    env_mem_free(env);
}

static const struct crew_shape two = {.rank = 1, .dim = {2}};
static const struct crew_shape matrix = {.rank = 2, .dim = {7, 4}};
static const struct crew_shape cube = {.rank = 3, .dim = {3, 4, 5}};

static struct bundle_writer *open_writer(const char *prefix, int n)
{
    struct bundle_writer *w = NULL;
    struct crew_err err = {0};

    ck_assert_msg(
        bundle_writer_open_shards(env, prefix, n, &w, &err) == CREW_OK, "%s",
        err.msg);
    return w;
}

static struct bundle_sums finish(struct bundle_writer *w)
{
    struct bundle_sums sums = {0};
    struct crew_err err = {0};

    ck_assert_msg(bundle_writer_finish(w, &sums, &err) == CREW_OK, "%s",
                  err.msg);
    bundle_writer_free(w);
    return sums;
}

static struct bundle_reader *open_reader(const char *prefix)
{
    struct bundle_reader *r = NULL;
    struct crew_err err = {0};

    ck_assert_msg(bundle_reader_open(env, prefix, &r, &err) == CREW_OK, "%s",
                  err.msg);
    return r;
}

static void add(struct bundle_writer *w, const char *name, float a, float b)
{
    struct crew_err err = {0};
    float v[] = {a, b};

    ck_assert_msg(
        bundle_writer_add(w, name, CREW_FLOAT, &two, v, &err) == CREW_OK, "%s",
        err.msg);
}

/* A slice of a variable whose element i is i. */
static void add_slice(struct bundle_writer *w,
                      const char *name,
                      const struct crew_shape *full,
                      const struct bundle_slice *s)
{
    struct crew_err err = {0};
    float values[64];
    int64_t n = 1;

    for (int d = 0; d < full->rank; d++) {
        n *= s->length[d];
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t rest = i, place = 0, at[3];

        for (int d = full->rank - 1; d >= 0; d--) {
            at[d] = s->start[d] + rest % s->length[d];
            rest /= s->length[d];
        }
        for (int d = 0; d < full->rank; d++) {
            place = place * full->dim[d] + at[d];
        }
        values[i] = (float)place;
    }
    ck_assert_msg(bundle_writer_add_slice(w, name, CREW_FLOAT, full, s, values,
                                          &err) == CREW_OK,
                  "%s", err.msg);
}

static char *file_bytes(const char *path, size_t *n)
{
    struct crew_err err = {0};
    char *bytes = NULL;

    ck_assert_msg(fs_read_file(env, path, 1 << 20, &bytes, n, &err) == CREW_OK,
                  "%s", err.msg);
    return bytes;
}

static void same_files(const char *a, const char *b)
{
    size_t na, nb;
    char *x = file_bytes(a, &na), *y = file_bytes(b, &nb);

    ck_assert_uint_eq(na, nb);
    ck_assert_int_eq(memcmp(x, y, na), 0);
    free(x);
    free(y);
}

/* matrix [7, 4] in rows over three shards, and plain ones. */
static void write_three(const char *prefix)
{
    static const struct bundle_slice parts[] = {
        {{0, 0}, {3, 4}}, {{3, 0}, {2, 4}}, {{5, 0}, {2, 4}}};
    struct bundle_writer *w = open_writer(prefix, 3);

    for (int i = 0; i < 3; i++) {
        bundle_writer_set_shard(w, i);
        add_slice(w, "m", &matrix, &parts[i]);
    }
    add(w, "z", 5, 6);
    bundle_writer_set_shard(w, 0);
    add(w, "a", 1, 2);
    (void)finish(w);
}

START_TEST(shards_come_back)
{
    struct bundle_reader *r;
    struct crew_err err = {0};
    float got[28], pair[2];

    write_three("/c/m");
    r = open_reader("/c/m");
    ck_assert_int_eq(bundle_num_shards(r), 3);
    ck_assert_int_eq(bundle_num_tensors(r), 3);
    ck_assert_int_eq(bundle_find(r, "m")->num_slices, 3);
    ck_assert_int_eq(bundle_find(r, "z")->shard, 2);
    ck_assert_uint_eq(bundle_find(r, "z")->offset, 32);
    ck_assert_int_eq(bundle_read(r, bundle_find(r, "m"), got, &err), CREW_OK);
    for (int i = 0; i < 28; i++) {
        ck_assert_float_eq(got[i], (float)i);
    }
    ck_assert_int_eq(bundle_read(r, bundle_find(r, "z"), pair, &err), CREW_OK);
    ck_assert_float_eq(pair[1], 6);
    ck_assert_int_eq(bundle_verify(r, &err), CREW_OK);
    bundle_reader_free(r);
}
END_TEST

START_TEST(a_shard_without_tensors_is_a_file_of_no_bytes)
{
    struct bundle_writer *w = open_writer("/c/m", 2);
    struct bundle_reader *r;
    struct crew_err err = {0};
    size_t n = 9;

    add(w, "a", 1, 2);
    (void)finish(w);
    free(file_bytes("/c/m.data-00001-of-00002", &n));
    ck_assert_uint_eq(n, 0);
    r = open_reader("/c/m");
    ck_assert_int_eq(bundle_verify(r, &err), CREW_OK);
    bundle_reader_free(r);
}
END_TEST

/* ----------------------------------------------------------------- merging */

/* Saver(sharded=True): every ps writes a part of its own, then they are
 * merged. */
static void write_part(const char *prefix, int i)
{
    static const struct bundle_slice parts[] = {
        {{0, 0}, {3, 4}}, {{3, 0}, {2, 4}}, {{5, 0}, {2, 4}}};
    struct bundle_writer *w = open_writer(prefix, 1);

    add_slice(w, "m", &matrix, &parts[i]);
    if (i == 2) {
        add(w, "z", 5, 6);
    }
    if (i == 0) {
        add(w, "a", 1, 2);
    }
    (void)finish(w);
}

START_TEST(merging_gives_what_writing_shards_gives)
{
    static const char *const parts[] = {"/c/t/p0", "/c/t/p1", "/c/t/p2"};
    struct crew_err err = {0};
    char got[64], want[64];

    ck_assert_int_eq(fs_make_dirs(env, "/c/t", &err), CREW_OK);
    for (int i = 0; i < 3; i++) {
        write_part(parts[i], i);
    }
    ck_assert_msg(bundle_merge(env, parts, 3, "/c/merged", &err) == CREW_OK,
                  "%s", err.msg);
    write_three("/c/m");
    same_files("/c/merged.index", "/c/m.index");
    for (int i = 0; i < 3; i++) {
        (void)snprintf(got, sizeof got, "/c/merged.data-%05d-of-00003", i);
        (void)snprintf(want, sizeof want, "/c/m.data-%05d-of-00003", i);
        same_files(got, want);
        (void)snprintf(got, sizeof got, "%s.index", parts[i]);
        ck_assert(!fs_exists(env, got));
    }
}
END_TEST

START_TEST(a_part_without_tensors_leaves_no_file)
{
    static const char *const parts[] = {"/c/p0", "/c/p1"};
    struct bundle_reader *r;
    struct crew_err err = {0};

    (void)finish(open_writer(parts[0], 1));
    write_part(parts[1], 0);
    ck_assert_int_eq(bundle_merge(env, parts, 2, "/c/m", &err), CREW_OK);
    ck_assert(fs_exists(env, "/c/m.data-00000-of-00001"));
    ck_assert(!fs_exists(env, "/c/p0.data-00000-of-00001"));
    r = open_reader("/c/m");
    ck_assert_int_eq(bundle_num_shards(r), 1);
    bundle_reader_free(r);
}
END_TEST

START_TEST(two_parts_with_one_tensor_stay_as_they_are)
{
    static const char *const parts[] = {"/c/p0", "/c/p1"};
    struct crew_err err = {0};

    for (int i = 0; i < 2; i++) {
        struct bundle_writer *w = open_writer(parts[i], 1);

        add(w, "a", 1, 2);
        (void)finish(w);
    }
    ck_assert_int_eq(bundle_merge(env, parts, 2, "/c/m", &err),
                     CREW_INVALID_ARGUMENT);
    ck_assert_str_eq(err.msg,
                     "Duplicate tensor keyed by a encountered, when "
                     "merging prefix: /c/p1");
    ck_assert(!fs_exists(env, "/c/m.index"));
    for (int i = 0; i < 2; i++) {
        struct bundle_reader *r = open_reader(parts[i]);

        err = (struct crew_err){0};
        (void)bundle_verify_tensor(r, bundle_find(r, "a"), &err);
        ck_assert_int_eq(err.code, CREW_OK);
        bundle_reader_free(r);
    }
}
END_TEST

/* Whatever operation fails: the parts are whole, or the merged one is. */
START_TEST(a_merge_that_fails_loses_nothing)
{
    static const char *const parts[] = {"/c/p0", "/c/p1"};
    bool fired = true;

    for (int64_t at = 1; fired; at++) {
        struct crew_err err = {0}, bad = {0};
        struct bundle_reader *r = NULL;

        teardown();
        setup();
        write_part(parts[0], 0);
        write_part(parts[1], 1);
        env_mem_fail_at(env, at, CREW_UNAVAILABLE, false);
        (void)bundle_merge(env, parts, 2, "/c/m", &err);
        fired = env_mem_fail_fired(env);
        env_mem_fail_at(env, 0, 0, false);
        if (fs_exists(env, "/c/m.index")) {
            r = open_reader("/c/m");
            ck_assert_int_eq(bundle_num_shards(r), 2);
            ck_assert_msg(
                bundle_verify_tensor(r, bundle_find(r, "a"), &bad) == CREW_OK,
                "%d: %s", (int)at, bad.msg);
            bundle_reader_free(r);
            continue;
        }
        ck_assert_int_ne(err.code, CREW_OK);
        for (int i = 0; i < 2; i++) {
            r = open_reader(parts[i]);
            (void)bundle_verify_tensor(r, bundle_find(r, i == 0 ? "a" : "m"),
                                       &bad);
            ck_assert_msg(i == 1 || bad.code == CREW_OK, "%d: %s", (int)at,
                          bad.msg);
            bundle_reader_free(r);
        }
    }
}
END_TEST

/* ------------------------------------------------------- slices and ranges */

/* cube [3, 4, 5], stored whole, in rows, in columns, or in blocks. */
static void write_cube(int how)
{
    static const int64_t cuts[4][3] = {
        {3, 4, 5}, {1, 4, 5}, {3, 4, 2}, {2, 3, 2}};
    struct bundle_writer *w = open_writer("/c/m", 2);
    int shard = 0;

    for (int64_t a = 0; a < 3; a += cuts[how][0]) {
        for (int64_t b = 0; b < 4; b += cuts[how][1]) {
            for (int64_t c = 0; c < 5; c += cuts[how][2]) {
                struct bundle_slice s = {.start = {a, b, c}};

                for (int d = 0; d < 3; d++) {
                    int64_t left = cube.dim[d] - s.start[d];

                    s.length[d] = left < cuts[how][d] ? left : cuts[how][d];
                }
                bundle_writer_set_shard(w, shard++ % 2);
                add_slice(w, "v", &cube, &s);
            }
        }
    }
    (void)finish(w);
}

static void check_box(struct bundle_reader *r, const struct bundle_slice *box)
{
    struct crew_err err = {0};
    float got[61];
    int64_t n = 0, all = box->length[0] * box->length[1] * box->length[2];

    got[all] = -7;
    ck_assert_msg(
        bundle_read_slice(r, bundle_find(r, "v"), box, got, &err) == CREW_OK,
        "%s", err.msg);
    for (int64_t a = 0; a < box->length[0]; a++) {
        for (int64_t b = 0; b < box->length[1]; b++) {
            for (int64_t c = 0; c < box->length[2]; c++) {
                int64_t place =
                    ((box->start[0] + a) * 4 + box->start[1] + b) * 5 +
                    box->start[2] + c;

                ck_assert_float_eq(got[n++], (float)place);
            }
        }
    }
    ck_assert_float_eq(got[all], -7);
}

/* Every box there is. */
START_TEST(every_slice_of_every_partition)
{
    struct bundle_reader *r;
    struct bundle_slice x = {.start = {0}};

    write_cube(_i);
    r = open_reader("/c/m");
    for (x.start[0] = 0; x.start[0] < 3; x.start[0]++) {
        for (x.start[1] = 0; x.start[1] < 4; x.start[1]++) {
            for (x.start[2] = 0; x.start[2] < 5; x.start[2]++) {
                for (int64_t k = 0; k < 3 * 4 * 5; k++) {
                    x.length[0] = 1 + k / 20;
                    x.length[1] = 1 + k / 5 % 4;
                    x.length[2] = 1 + k % 5;
                    if (x.start[0] + x.length[0] <= 3 &&
                        x.start[1] + x.length[1] <= 4 &&
                        x.start[2] + x.length[2] <= 5) {
                        check_box(r, &x);
                    }
                }
            }
        }
    }
    bundle_reader_free(r);
}
END_TEST

START_TEST(every_range_of_every_partition)
{
    struct bundle_reader *r;
    struct crew_err err = {0};
    float got[61];

    write_cube(_i);
    r = open_reader("/c/m");
    for (int64_t first = 0; first <= 60; first++) {
        for (int64_t n = 0; first + n <= 60; n++) {
            got[n] = -7;
            ck_assert_int_eq(
                bundle_read_range(r, bundle_find(r, "v"), first, n, got, &err),
                CREW_OK);
            for (int64_t i = 0; i < n; i++) {
                ck_assert_float_eq(got[i], (float)(first + i));
            }
            ck_assert_float_eq(got[n], -7);
        }
    }
    bundle_reader_free(r);
}
END_TEST

START_TEST(slices_outside_are_refused)
{
    static const struct bundle_slice boxes[] = {
        {{-1, 0, 0}, {1, 1, 1}},        {{0, 0, 0}, {4, 1, 1}},
        {{3, 0, 0}, {1, 1, 1}},         {{0, 0, 0}, {1, -1, 1}},
        {{0, 0, 1}, {1, 1, INT64_MAX}},
    };
    struct bundle_reader *r;
    struct crew_err err = {0};
    float got[60];

    write_cube(1);
    r = open_reader("/c/m");
    ck_assert_int_eq(
        bundle_read_slice(r, bundle_find(r, "v"), &boxes[_i], got, &err),
        CREW_INVALID_ARGUMENT);
    ck_assert_str_eq(err.msg, "v: the slice is not within its shape");
    bundle_reader_free(r);
}
END_TEST

START_TEST(a_slice_reads_only_what_it_touches)
{
    struct bundle_slice first = {{0, 0, 0}, {1, 4, 5}};
    struct bundle_slice second = {{1, 0, 0}, {1, 4, 5}};
    struct bundle_reader *r;
    struct crew_err err = {0};
    size_t n;
    char *bytes;
    float got[60];

    write_cube(1); /* rows 0 and 2 in shard 0, row 1 in shard 1 */
    bytes = file_bytes("/c/m.data-00001-of-00002", &n);
    bytes[7] ^= 1;
    ck_assert_int_eq(
        fs_replace_file(env, "/c/m.data-00001-of-00002", bytes, n, &err),
        CREW_OK);
    free(bytes);
    r = open_reader("/c/m");
    ck_assert_int_eq(
        bundle_read_slice(r, bundle_find(r, "v"), &first, got, &err), CREW_OK);
    ck_assert_int_eq(
        bundle_read_slice(r, bundle_find(r, "v"), &second, got, &err),
        CREW_DATA_LOSS);
    bundle_reader_free(r);
}
END_TEST

/* ------------------------------------------------------------------- bytes */

/* Every kind of entry: a slice, a scalar, strings, an empty one, bool, half. */
static void write_all_kinds(void)
{
    struct crew_shape scalar = {0}, none = {.rank = 2, .dim = {0, 3}};
    struct bundle_string words[] = {{"ab", 2}, {"", 0}};
    struct bundle_writer *w = open_writer("/c/m", 2);
    struct crew_err err = {0};
    uint16_t half[] = {0x3c00, 0xc000};
    uint8_t yes[] = {1, 0};
    int64_t step = 7;

    add_slice(w, "m", &matrix, &(struct bundle_slice){{0, 0}, {3, 4}});
    ck_assert_int_eq(bundle_writer_add_strings(w, "words", &two, words, &err),
                     CREW_OK);
    ck_assert_int_eq(
        bundle_writer_add(w, "none", CREW_FLOAT, &none, NULL, &err), CREW_OK);
    bundle_writer_set_shard(w, 1);
    add_slice(w, "m", &matrix, &(struct bundle_slice){{3, 0}, {4, 4}});
    ck_assert_int_eq(
        bundle_writer_add(w, "global_step", CREW_INT64, &scalar, &step, &err),
        CREW_OK);
    ck_assert_int_eq(bundle_writer_add(w, "half", 19, &two, half, &err),
                     CREW_OK);
    ck_assert_int_eq(bundle_writer_add(w, "yes", CREW_BOOL, &two, yes, &err),
                     CREW_OK);
    (void)finish(w);
}

/* All names, dtypes, shapes and values as one text; false: an error. */
static bool read_all(struct strbuf *out)
{
    struct bundle_reader *r = NULL;
    struct crew_err err = {0};

    strbuf_reset(out);
    if (bundle_reader_open(env, "/c/m", &r, &err) != CREW_OK) {
        return false;
    }
    for (int i = 0; i < bundle_num_tensors(r) && err.code == CREW_OK; i++) {
        const struct bundle_tensor *t = bundle_tensor(r, i);
        char shape[128], values[512];
        struct bundle_strings s = {0};

        strbuf_addf(out, "%s %d %s ", t->name, t->dtype,
                    shape_text(&t->shape, shape, sizeof shape));
        if (t->dtype == CREW_STRING) {
            if (bundle_read_strings(r, t, &s, &err) == CREW_OK) {
                for (int64_t k = 0; k < s.n; k++) {
                    strbuf_add(out, s.at[k].data, s.at[k].n);
                    strbuf_addstr(out, ";");
                }
            }
            bundle_strings_release(&s);
        } else if (t->nbytes > sizeof values) {
            err.code = CREW_DATA_LOSS; /* far larger than anything written */
        } else if (bundle_read(r, t, values, &err) == CREW_OK) {
            strbuf_add(out, values, t->nbytes);
        }
    }
    bundle_reader_free(r);
    return err.code == CREW_OK;
}

static const char *const files[] = {"/c/m.index", "/c/m.data-00000-of-00002",
                                    "/c/m.data-00001-of-00002"};

/* A flipped bit is an error when read, or changes nothing of what is read. */
START_TEST(every_flipped_bit_is_found_or_harmless)
{
    struct strbuf want, got;
    size_t n;
    char *bytes;
    size_t first = SIZE_MAX; /* byte with a bit that nothing depends on */

    strbuf_init(&want);
    strbuf_init(&got);
    write_all_kinds();
    ck_assert(read_all(&want));
    bytes = file_bytes(files[_i], &n);
    for (size_t bit = 0; bit < 8 * n; bit++) {
        struct crew_err err = {0};

        bytes[bit / 8] ^= (char)(1 << (bit % 8));
        ck_assert_int_eq(fs_replace_file(env, files[_i], bytes, n, &err),
                         CREW_OK);
        if (read_all(&got)) {
            first = first < bit / 8 ? first : bit / 8;
            ck_assert(bit / 8 < first + 13 || bit / 8 >= n - 48);
            ck_assert_msg(got.len == want.len &&
                              memcmp(got.data, want.data, got.len) == 0,
                          "bit %d of %s changed what is read", (int)bit,
                          files[_i]);
        }
        bytes[bit / 8] ^= (char)(1 << (bit % 8));
    }
    /* In the data there is none; in the index, those of the metaindex (an empty
     * block of 13 bytes), which nobody reads, and of the footer (48). */
    if (_i > 0) {
        ck_assert_uint_eq(first, SIZE_MAX);
    } else {
        ck_assert_uint_lt(first, n - 48 - 13);
        ck_assert_mem_eq(bytes + first, "\0\0\0\0\1\0\0\0", 8);
    }
    free(bytes);
    strbuf_release(&want);
    strbuf_release(&got);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("shards");
    TCase *tc = tcase_create("shards");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, shards_come_back);
    tcase_add_test(tc, a_shard_without_tensors_is_a_file_of_no_bytes);
    tcase_add_test(tc, merging_gives_what_writing_shards_gives);
    tcase_add_test(tc, a_part_without_tensors_leaves_no_file);
    tcase_add_test(tc, two_parts_with_one_tensor_stay_as_they_are);
    tcase_add_test(tc, a_merge_that_fails_loses_nothing);
    tcase_add_loop_test(tc, every_slice_of_every_partition, 0, 4);
    tcase_add_loop_test(tc, every_range_of_every_partition, 0, 4);
    tcase_add_loop_test(tc, slices_outside_are_refused, 0, 5);
    tcase_add_test(tc, a_slice_reads_only_what_it_touches);
    tcase_add_loop_test(tc, every_flipped_bit_is_found_or_harmless, 0, 3);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
