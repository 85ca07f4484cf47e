/* SPDX-License-Identifier: Apache-2.0
 * Saves: every file operation made to fail, every byte flipped; retention,
 * epochs, and what a folder without a good checkpoint says. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/mem_fs.h"
#include "base/strbuf.h"
#include "checkpoint/crewdir.h"
#include "checkpoint/manifest.h"
#include "checkpoint/save.h"
#include "checkpoint/state.h"
#include "run_suite.h"

#include "base/banned.h"

#define DIR "/runs/m"
enum { N = 5 };

static struct crew_env *env;
static struct strbuf logged;

static void take_line(void *self, enum env_level level, const char *text)
{
    (void)self;
    (void)level;
    strbuf_addf(&logged, "%s\n", text);
}

static void setup(void)
{
    env = env_mem_new(1);
    strbuf_init(&logged);
    env_mem_on_log(env, take_line, NULL);
}

static void teardown(void)
{
    strbuf_release(&logged);
    env_mem_free(env);
}

static struct ckpt_history *open_history(int64_t max, double hours)
{
    struct ckpt_history *h = NULL;
    struct crew_err err = {0};

    ck_assert_msg(ckpt_history_open(env, DIR, max, hours, &h, &err) == CREW_OK,
                  "%s", err.msg);
    return h;
}

/* Save `step` with all values `value`. */
static int save(struct ckpt_history *h,
                int64_t step,
                float value,
                struct crew_err *err)
{
    float v[N];
    struct ckpt_tensor tensors[] = {
        {"w", CREW_FLOAT, {.rank = 1, .dim = {N}}, v},
        {"global_step", CREW_INT64, {0}, &step}};

    for (int i = 0; i < N; i++) {
        v[i] = value;
    }
    env_mem_advance(env, 1000000000);
    return ckpt_save(h, step, 0, tensors, 2, err);
}

static void must_save(struct ckpt_history *h, int64_t step, float value)
{
    struct crew_err err = {0};

    ck_assert_msg(save(h, step, value, &err) == CREW_OK, "%s", err.msg);
}

/* What ckpt_latest gives: the step, or -1; the values must all be one number,
 * which goes to *value, and global_step the step. */
static int64_t latest(float *value, struct crew_err *err)
{
    struct bundle_reader *r = NULL;
    float v[N];
    char *prefix = NULL;
    int64_t step = -7, inside = 0;

    if (ckpt_latest(env, DIR, &prefix, &step, err) != CREW_OK ||
        prefix == NULL) {
        return -1;
    }
    ck_assert_int_eq(bundle_reader_open(env, prefix, &r, err), CREW_OK);
    ck_assert_int_eq(bundle_read(r, bundle_find(r, "w"), v, err), CREW_OK);
    ck_assert_int_eq(
        bundle_read(r, bundle_find(r, "global_step"), &inside, err), CREW_OK);
    ck_assert_int_eq(inside, step);
    for (int i = 0; i < N; i++) {
        ck_assert(v[i] == v[0]);
    }
    *value = v[0];
    bundle_reader_free(r);
    free(prefix);
    return step;
}

static void count_temporary(void *self, const char *name)
{
    *(int *)self += strncmp(name, "tmp-", 4) == 0;
}

static int num_temporary(void)
{
    struct crew_err err = {0};
    int n = 0;

    ck_assert_int_eq(
        env->fs->list(env->fs, DIR "/.crew", count_temporary, &n, &err),
        CREW_OK);
    return n;
}

/* --------------------------------------------------------------- failures */

/* The n-th operation of a save fails, once or for ever: what there was, or what
 * was being saved, is chosen, whole; and the next save works. `again`: the save
 * is one of the step that there is, with other values. */
static bool fails_at(int64_t n, int code, bool for_ever, bool again, int *kept)
{
    int old = 0;
    struct ckpt_history *h;
    struct crew_err err = {0}, latest_err = {0}, unused = {0};
    float value = 0;
    int64_t step;
    bool fired;
    int rc;

    setup();
    h = open_history(5, 10000);
    must_save(h, 1, 10);
    must_save(h, 2, 20);
    env_mem_fail_at(env, n, code, for_ever);
    rc = save(h, again ? 2 : 3, 30, &err);
    fired = env_mem_fail_fired(env);
    env_mem_fail_at(env, 0, 0, false);

    step = latest(&value, &latest_err);
    ck_assert_msg(latest_err.code == CREW_OK, "operation %lld: %s",
                  (long long)n, latest_err.msg);
    if (rc == CREW_OK) {
        ck_assert_int_eq(step, again ? 2 : 3);
        ck_assert(value == 30);
    } else {
        ck_assert_int_eq(err.code, code);
        /* An error after the commit: the new one may be chosen already. */
        ck_assert_msg((step == 1 && value == 10 && again) ||
                          (step == 2 && value == 20) ||
                          (step == (again ? 2 : 3) && value == 30),
                      "operation %lld: step %lld with %g", (long long)n,
                      (long long)step, (double)value);
        old += value != 30;
        if (!for_ever) {
            ck_assert_int_le(num_temporary(), 1);
        }
    }
    if (code == CREW_RESOURCE_EXHAUSTED && rc != CREW_OK) {
        ck_assert_int_eq(crew_err_exit_code(&err), 74);
        ck_assert_ptr_nonnull(strstr(err.msg, "28 bytes"));
    }
    must_save(h, 4, 40);
    ck_assert_int_eq(latest(&value, &unused), 4);
    ck_assert(value == 40);
    ck_assert_int_eq(num_temporary(), 0);
    ckpt_history_free(h);
    teardown();
    *kept += old;
    return fired;
}

START_TEST(every_failing_operation_leaves_a_good_checkpoint)
{
    static const int codes[] = {CREW_RESOURCE_EXHAUSTED, CREW_UNAVAILABLE};
    int64_t n = 1;
    int kept = 0;

    while (fails_at(n, codes[_i & 1], (_i & 2) != 0, (_i & 4) != 0, &kept)) {
        n++;
    }
    ck_assert_int_gt(n, 20);    /* a save has many operations */
    ck_assert_int_gt(kept, 15); /* most of them before the commit */
}
END_TEST

/* The first save of a folder: afterwards there is none, or the new one. */
START_TEST(a_first_save_that_fails_leaves_none_or_all)
{
    bool fired = true;

    for (int64_t n = 1; fired; n++) {
        struct ckpt_history *h;
        struct crew_err err = {0}, latest_err = {0};
        float value = 0;
        int64_t step;

        setup();
        h = open_history(5, 10000);
        env_mem_fail_at(env, n, CREW_UNAVAILABLE, _i == 1);
        (void)save(h, 1, 10, &err);
        fired = env_mem_fail_fired(env);
        env_mem_fail_at(env, 0, 0, false);
        step = latest(&value, &latest_err);
        ck_assert_msg(latest_err.code == CREW_OK, "operation %lld: %s",
                      (long long)n, latest_err.msg);
        ck_assert(step == -1 || (step == 1 && value == 10));
        ck_assert(err.code != CREW_OK || step == 1);
        ckpt_history_free(h);
        teardown();
    }
}
END_TEST

/* A disk that fails while a start looks for its checkpoint is an error, and
 * never an older checkpoint or step 0. */
START_TEST(a_disk_error_is_no_damage)
{
    struct ckpt_history *h = open_history(5, 10000);
    bool fired = true;

    must_save(h, 1, 10);
    must_save(h, 2, 20);
    for (int64_t n = 1; fired; n++) {
        struct crew_err err = {0};
        char *prefix = NULL;
        int64_t step = -7;
        int rc;

        env_mem_fail_at(env, n, CREW_UNAVAILABLE, true);
        rc = ckpt_latest(env, DIR, &prefix, &step, &err);
        fired = env_mem_fail_fired(env);
        env_mem_fail_at(env, 0, 0, false);
        ck_assert_msg(
            rc != CREW_OK ||
                (prefix != NULL && strcmp(prefix, DIR "/model.ckpt-2") == 0),
            "operation %lld", (long long)n);
        ck_assert(rc == CREW_OK || rc == CREW_UNAVAILABLE);
        free(prefix);
    }
    ckpt_history_free(h);
}
END_TEST

/* --------------------------------------------------------------- damage */

/* Flip each byte of a file of checkpoint 2. Whatever is chosen is right; and
 * when it is not 2 as it was, the log says so. */
static void flip_all(const char *path, bool always_told)
{
    struct crew_err err = {0};
    char *bytes = NULL;
    size_t n = 0;
    int passed_over = 0;

    ck_assert_int_eq(fs_read_file(env, path, 100000, &bytes, &n, &err),
                     CREW_OK);
    ck_assert_uint_gt(n, 20);
    for (size_t i = 0; i < n; i++) {
        float value = 0;
        int64_t step;

        strbuf_reset(&logged);
        bytes[i] = (char)(bytes[i] ^ 0x20);
        ck_assert_int_eq(fs_replace_file(env, path, bytes, n, &err), CREW_OK);
        step = latest(&value, &err);
        ck_assert_msg(err.code == CREW_OK, "byte %zu: %s", i, err.msg);
        ck_assert_msg(step == 1 || step == 2, "byte %zu", i);
        ck_assert(value == (step == 1 ? 10 : 20));
        ck_assert_msg(logged.len > 0 || (!always_told && step == 2), "byte %zu",
                      i);
        passed_over += step == 1;
        bytes[i] = (char)(bytes[i] ^ 0x20);
    }
    ck_assert_int_eq(fs_replace_file(env, path, bytes, n, &err), CREW_OK);
    ck_assert_msg(!always_told || passed_over > 0 || strstr(path, "manifest"),
                  "no flip was found");
    free(bytes);
}

START_TEST(every_flipped_byte_is_told)
{
    struct ckpt_history *h = open_history(5, 10000);
    struct crew_err err = {0};
    float value;

    must_save(h, 1, 10);
    must_save(h, 2, 20);
    flip_all(DIR "/model.ckpt-2.index", true);
    flip_all(DIR "/model.ckpt-2.data-00000-of-00001", true);
    flip_all(DIR "/.crew/model.ckpt-2.manifest", true);
    flip_all(DIR "/checkpoint", false);
    strbuf_reset(&logged);
    ck_assert_int_eq(latest(&value, &err), 2);
    ck_assert_str_eq(logged.data, "");
    ckpt_history_free(h);
}
END_TEST

/* Where there is a manifest, each byte of each file counts, also those that no
 * CRC of TensorFlow's covers. */
START_TEST(manifests_find_every_flipped_byte)
{
    static const char *const files[] = {DIR "/model.ckpt-1.index",
                                        DIR "/model.ckpt-1.data-00000-of-00001",
                                        DIR "/.crew/model.ckpt-1.manifest"};
    struct ckpt_history *h = open_history(5, 10000);
    struct crew_err err = {0};
    char *bytes = NULL;
    bool found = false;
    size_t n = 0;

    must_save(h, 1, 10);
    ck_assert_int_eq(manifest_check(env, DIR "/model.ckpt-1", &found, &err),
                     CREW_OK);
    ck_assert(found);
    ck_assert_int_eq(manifest_check(env, DIR "/model.ckpt-2", &found, &err),
                     CREW_OK);
    ck_assert(!found);
    ck_assert_int_eq(fs_read_file(env, files[_i], 100000, &bytes, &n, &err),
                     CREW_OK);
    for (size_t bit = 0; bit < 8 * n; bit++) {
        struct crew_err bad = {0};

        bytes[bit / 8] ^= (char)(1 << bit % 8);
        ck_assert_int_eq(fs_replace_file(env, files[_i], bytes, n, &err),
                         CREW_OK);
        ck_assert_msg(manifest_check(env, DIR "/model.ckpt-1", &found, &bad) ==
                              CREW_DATA_LOSS &&
                          bad.exit_code == 65,
                      "bit %zu of %s", bit, files[_i]);
        bytes[bit / 8] ^= (char)(1 << bit % 8);
    }
    free(bytes);
    ckpt_history_free(h);
}
END_TEST

START_TEST(files_of_every_shorter_length)
{
    static const char *const paths[] = {
        DIR "/model.ckpt-2.index", DIR "/model.ckpt-2.data-00000-of-00001"};
    struct ckpt_history *h = open_history(5, 10000);
    struct crew_err err = {0};
    char *bytes = NULL;
    float value = 0;
    size_t n = 0;

    must_save(h, 1, 10);
    must_save(h, 2, 20);
    ck_assert_int_eq(fs_read_file(env, paths[_i], 100000, &bytes, &n, &err),
                     CREW_OK);
    for (size_t k = 0; k < n; k++) {
        ck_assert_int_eq(fs_replace_file(env, paths[_i], bytes, k, &err),
                         CREW_OK);
        ck_assert_int_eq(latest(&value, &err), 1);
    }
    free(bytes);
    ckpt_history_free(h);
}
END_TEST

static void put(const char *path, const char *text)
{
    struct crew_err err = {0};

    ck_assert_int_eq(fs_replace_file(env, path, text, strlen(text), &err),
                     CREW_OK);
}

/* Never silently from step 0: damaged ones only, a state that names what is
 * gone, a state that cannot be read. Nothing is touched. */
START_TEST(no_good_checkpoint_is_an_error)
{
    struct ckpt_history *h = open_history(5, 10000);
    struct crew_err err = {0};
    char *prefix = NULL;
    int64_t step;

    must_save(h, 1, 10);
    if (_i == 0) {
        put(DIR "/model.ckpt-1.index", "x");
    } else {
        ck_assert_int_eq(
            env->fs->unlink(env->fs, DIR "/model.ckpt-1.index", &err), CREW_OK);
    }
    if (_i == 2) {
        put(DIR "/checkpoint", "garbage {{{");
    }
    ck_assert_int_eq(ckpt_latest(env, DIR, &prefix, &step, &err),
                     CREW_DATA_LOSS);
    ck_assert_int_eq(crew_err_exit_code(&err), 65);
    ck_assert_ptr_nonnull(strstr(err.msg, "refusing to start from step 0"));
    ck_assert(fs_exists(env, DIR "/model.ckpt-1.data-00000-of-00001"));
    ckpt_history_free(h);
}
END_TEST

START_TEST(an_empty_or_missing_folder_has_none)
{
    struct crew_err err = {0};
    char *prefix = NULL;
    int64_t step = 5;

    if (_i == 1) {
        ck_assert_int_eq(fs_make_dirs(env, DIR, &err), CREW_OK);
    }
    ck_assert_int_eq(ckpt_latest(env, DIR, &prefix, &step, &err), CREW_OK);
    ck_assert_ptr_null(prefix);
    ck_assert_int_eq(step, -1);
    ck_assert_ptr_null(ckpt_named(env, DIR));
}
END_TEST

/* The state file rules, as in TensorFlow; the log tells of the newer one. */
START_TEST(the_state_file_can_name_an_older_one)
{
    struct ckpt_history *h = open_history(5, 10000);
    struct crew_err err = {0};
    float value = 0;
    char *named;

    must_save(h, 1, 10);
    must_save(h, 2, 20);
    put(DIR "/checkpoint", "model_checkpoint_path: \"model.ckpt-1\"\n");
    ck_assert_int_eq(latest(&value, &err), 1);
    ck_assert_ptr_nonnull(strstr(logged.data, "model.ckpt-2 is newer"));
    named = ckpt_named(env, DIR);
    ck_assert_str_eq(named, DIR "/model.ckpt-1");
    free(named);
    ckpt_history_free(h);
}
END_TEST

/* The state file alone makes no checkpoint, and no older one is taken instead,
 * as TensorFlow's latest_checkpoint does. */
START_TEST(the_named_checkpoint_must_be_there)
{
    static const char *const states[] = {
        "model_checkpoint_path: \"model.ckpt-3\"\n",
        "model_checkpoint_path: \"/elsewhere/model.ckpt-1\"\n",
        "model_checkpoint_path: \"\"\n", "what is this?"};
    struct ckpt_history *h = open_history(5, 10000);

    must_save(h, 1, 10);
    put(DIR "/model.ckpt-3.data-00000-of-00001", "x");
    put(DIR "/checkpoint", states[_i]);
    ck_assert_ptr_null(ckpt_named(env, DIR));
    ckpt_history_free(h);
}
END_TEST

/* ------------------------------------------------------------------ rules */

START_TEST(a_value_that_is_not_finite_is_not_saved)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    static const char *const texts[] = {"nan", "inf", "-inf"};
    struct ckpt_history *h = open_history(5, 10000);
    float v[] = {1, 2, bad[_i]}, value;
    struct ckpt_tensor t = {
        "dense/bias", CREW_FLOAT, {.rank = 1, .dim = {3}}, v};
    struct crew_err err = {0}, unused = {0};
    char want[100];

    must_save(h, 1, 10);
    ck_assert_int_eq(ckpt_save(h, 2, 0, &t, 1, &err), CREW_FAILED_PRECONDITION);
    (void)snprintf(want, sizeof want,
                   "checkpoint not saved: dense/bias[2] is %s", texts[_i]);
    ck_assert_ptr_nonnull(strstr(err.msg, want));
    ck_assert_int_eq(crew_err_exit_code(&err), 1);
    ck_assert_int_eq(latest(&value, &unused), 1);
    ck_assert_int_eq(num_temporary(), 0);
    ckpt_history_free(h);
}
END_TEST

static bool has(int64_t step)
{
    char *path = xasprintf(DIR "/model.ckpt-%lld.index", (long long)step);
    bool there = fs_exists(env, path);

    free(path);
    return there;
}

/* One a day is kept of saves every 6 hours, beside the newest two. */
START_TEST(every_n_hours_one_is_kept_for_good)
{
    struct ckpt_history *h = open_history(2, 24);
    const uint64_t six_hours = 6 * 3600 * 1000000000ull;

    for (int64_t step = 1; step <= 12; step++) {
        env_mem_advance(env, six_hours);
        must_save(h, step, 1);
        if (step == 6) { /* a restart in between changes nothing */
            ckpt_history_free(h);
            h = open_history(2, 24);
        }
    }
    for (int64_t step = 1; step <= 12; step++) {
        bool kept = step == 4 || step == 8 || step >= 11;
        ck_assert_msg(has(step) == kept, "step %lld", (long long)step);
    }
    ckpt_history_free(h);
}
END_TEST

/* 0: all. */
START_TEST(so_many_are_kept)
{
    static const int keep[] = {5, 1, 0};
    struct ckpt_history *h = open_history(keep[_i], 10000);

    for (int64_t step = 1; step <= 7; step++) {
        must_save(h, step, 1);
        for (int64_t i = 1; i <= step; i++) {
            ck_assert_msg(has(i) == (keep[_i] == 0 || i > step - keep[_i]),
                          "keep %d: %lld after %lld", keep[_i], (long long)i,
                          (long long)step);
        }
    }
    ckpt_history_free(h);
}
END_TEST

/* TensorFlow removes one a save, and would never come down to 2. */
START_TEST(a_lower_number_after_a_restart)
{
    struct ckpt_history *h = open_history(5, 10000);

    for (int64_t step = 1; step <= 5; step++) {
        must_save(h, step, 1);
    }
    ckpt_history_free(h);
    h = open_history(2, 10000);
    must_save(h, 6, 1);
    for (int64_t step = 1; step <= 6; step++) {
        ck_assert_msg(has(step) == (step >= 5), "step %lld", (long long)step);
    }
    ckpt_history_free(h);
}
END_TEST

/* TensorFlow's own checkpoints, several data files and a .meta, go by the same
 * rule. */
START_TEST(retention_removes_all_files_of_a_checkpoint)
{
    struct ckpt_history *h;
    struct crew_err err = {0};

    ck_assert_int_eq(fs_make_dirs(env, DIR, &err), CREW_OK);
    put(DIR "/model.ckpt-7.index", "x");
    put(DIR "/model.ckpt-7.meta", "x");
    put(DIR "/model.ckpt-7.data-00000-of-00002", "x");
    put(DIR "/model.ckpt-7.data-00001-of-00002", "x");
    put(DIR "/model.ckpt-70.index", "x");
    put(DIR "/checkpoint",
        "model_checkpoint_path: \"model.ckpt-7\"\n"
        "all_model_checkpoint_paths: \"model.ckpt-6\"\n"
        "all_model_checkpoint_paths: \"model.ckpt-7\"\n");
    h = open_history(1, 10000);
    must_save(h, 8, 1);
    ck_assert(!fs_exists(env, DIR "/model.ckpt-7.index"));
    ck_assert(!fs_exists(env, DIR "/model.ckpt-7.meta"));
    ck_assert(!fs_exists(env, DIR "/model.ckpt-7.data-00000-of-00002"));
    ck_assert(!fs_exists(env, DIR "/model.ckpt-7.data-00001-of-00002"));
    ck_assert(fs_exists(env, DIR "/model.ckpt-70.index"));
    ck_assert(has(8));
    ckpt_history_free(h);
}
END_TEST

/* A restart saves the step it has restored: the same bytes stay where they are.
 */
START_TEST(the_same_checkpoint_is_not_written_again)
{
    struct ckpt_history *h = open_history(5, 10000);
    struct env_stat before, after;
    struct crew_err err = {0};
    float value;

    must_save(h, 1, 10);
    ck_assert_int_eq(
        env->fs->stat(env->fs, DIR "/model.ckpt-1.index", &before, &err),
        CREW_OK);
    must_save(h, 1, 10);
    ck_assert_int_eq(
        env->fs->stat(env->fs, DIR "/model.ckpt-1.index", &after, &err),
        CREW_OK);
    ck_assert(before.mtime == after.mtime);
    must_save(h, 1, 11);
    ck_assert_int_eq(latest(&value, &err), 1);
    ck_assert(value == 11);
    ck_assert_str_eq(logged.data, "");
    ckpt_history_free(h);
}
END_TEST

START_TEST(a_chief_whose_epoch_is_over_writes_nothing)
{
    struct ckpt_history *h = open_history(5, 10000);
    struct ckpt_tensor t = {"v", CREW_FLOAT, {0}, &(float){1}};
    struct crew_err err = {0};
    uint64_t mine = 0, other = 0;

    ck_assert_int_eq(crewdir_claim_epoch(env, DIR, "a", &mine, &err), CREW_OK);
    ck_assert_int_eq(ckpt_save(h, 1, mine, &t, 1, &err), CREW_OK);
    ck_assert_int_eq(crewdir_claim_epoch(env, DIR, "b", &other, &err), CREW_OK);
    ck_assert_uint_eq(other, mine + 1);
    ck_assert_int_eq(ckpt_save(h, 2, mine, &t, 1, &err), CREW_ABORTED);
    ck_assert_int_eq(crew_err_exit_code(&err), 138);
    ck_assert(!has(2));
    ckpt_history_free(h);
}
END_TEST

START_TEST(done_is_written_read_and_removed)
{
    struct crewdir_done done = {0};
    struct crew_err err = {0};
    bool found = true;

    ck_assert_int_eq(crewdir_make(env, DIR, &err), CREW_OK);
    ck_assert_int_eq(crewdir_read_done(env, DIR, &found, &done, &err), CREW_OK);
    ck_assert(!found);
    ck_assert_int_eq(crewdir_write_done(env, DIR, 500, "max_steps", &err),
                     CREW_OK);
    ck_assert_int_eq(crewdir_read_done(env, DIR, &found, &done, &err), CREW_OK);
    ck_assert(found);
    ck_assert_int_eq(done.step, 500);
    ck_assert_str_eq(done.reason, "max_steps");
    ck_assert_int_eq(crewdir_remove_done(env, DIR, &err), CREW_OK);
    ck_assert_int_eq(crewdir_remove_done(env, DIR, &err), CREW_OK);
    ck_assert_int_eq(crewdir_read_done(env, DIR, &found, &done, &err), CREW_OK);
    ck_assert(!found);
    put(DIR "/.crew/DONE", "nonsense");
    ck_assert_int_eq(crewdir_read_done(env, DIR, &found, &done, &err),
                     CREW_DATA_LOSS);
}
END_TEST

/* As protobuf writes them, and read as they were. */
START_TEST(paths_of_any_bytes_are_kept)
{
    static const char path[] = "a\n\t\x01\x7f\xc3\xa9\"'\\b";
    struct ckpt_state s = {0}, again = {0};
    struct crew_err err = {0};
    char *text = NULL;
    size_t n = 0;

    ck_assert_int_eq(fs_make_dirs(env, DIR, &err), CREW_OK);
    state_append(&s, path, 1);
    ck_assert_int_eq(state_write(env, DIR, &s, &err), CREW_OK);
    ck_assert_int_eq(
        fs_read_file(env, DIR "/checkpoint", 1000, &text, &n, &err), CREW_OK);
    ck_assert_ptr_nonnull(
        strstr(text,
               "model_checkpoint_path: "
               "\"a\\n\\t\\001\\177\\303\\251\\\"\\'\\\\b\"\n"));
    ck_assert_int_eq(state_read(env, DIR, &again, &err), CREW_OK);
    ck_assert_str_eq(again.newest, path);
    free(text);
    state_release(&s);
    state_release(&again);
}
END_TEST

START_TEST(steps_of_prefixes)
{
    ck_assert_int_eq(ckpt_step("a-b/model.ckpt-0"), 0);
    ck_assert_int_eq(ckpt_step("model.ckpt-9000000000"), 9000000000ll);
    ck_assert_int_eq(ckpt_step("model.ckpt"), -1);
    ck_assert_int_eq(ckpt_step("model.ckpt-"), -1);
    ck_assert_int_eq(ckpt_step("model.ckpt-5x"), -1);
    ck_assert_int_eq(ckpt_step("model.ckpt--5"), 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("save");
    TCase *own = tcase_create("failures"), *tc = tcase_create("save");

    tcase_add_loop_test(own, every_failing_operation_leaves_a_good_checkpoint,
                        0, 8);
    tcase_add_loop_test(own, a_first_save_that_fails_leaves_none_or_all, 0, 2);
    suite_add_tcase(suite, own);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_disk_error_is_no_damage);
    tcase_add_loop_test(tc, manifests_find_every_flipped_byte, 0, 3);
    tcase_add_test(tc, every_flipped_byte_is_told);
    tcase_add_loop_test(tc, files_of_every_shorter_length, 0, 2);
    tcase_add_loop_test(tc, no_good_checkpoint_is_an_error, 0, 3);
    tcase_add_loop_test(tc, an_empty_or_missing_folder_has_none, 0, 2);
    tcase_add_test(tc, the_state_file_can_name_an_older_one);
    tcase_add_loop_test(tc, the_named_checkpoint_must_be_there, 0, 4);
    tcase_add_loop_test(tc, so_many_are_kept, 0, 3);
    tcase_add_test(tc, a_lower_number_after_a_restart);
    tcase_add_loop_test(tc, a_value_that_is_not_finite_is_not_saved, 0, 3);
    tcase_add_test(tc, every_n_hours_one_is_kept_for_good);
    tcase_add_test(tc, retention_removes_all_files_of_a_checkpoint);
    tcase_add_test(tc, the_same_checkpoint_is_not_written_again);
    tcase_add_test(tc, a_chief_whose_epoch_is_over_writes_nothing);
    tcase_add_test(tc, done_is_written_read_and_removed);
    tcase_add_test(tc, paths_of_any_bytes_are_kept);
    tcase_add_test(tc, steps_of_prefixes);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
