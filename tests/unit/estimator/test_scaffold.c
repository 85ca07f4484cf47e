/* SPDX-License-Identifier: Apache-2.0
 * A scaffold: init_fn changes what a fresh training begins with, once; its
 * saver says how many checkpoints stay. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "base/log.h"
#include "base/strbuf.h"
#include "run_suite.h"
#include "two_columns.h"

static float features[32];
static int64_t labels[16];
static char dir[64];
static int inits; /* calls of init_fn */

static int input_fn(const struct crew_input_ctx *ctx,
                    struct crew_dataset **out,
                    struct crew_err *err)
{
    (void)ctx, (void)err;
    *out = crew_dataset_batch(
        crew_dataset_repeat(two_columns(features, labels, 16), -1), 16, true);
    return CREW_OK;
}

/* The bias begins at 3; self is another name to ask for. */
static int init_fn(void *self,
                   struct crew_initial_values *values,
                   struct crew_err *err)
{
    const char *name = self != NULL ? self : "dense/bias";
    struct crew_shape shape;
    float *bias;

    inits++;
    if (strcmp(name, "silence") == 0) {
        return 7;
    }
    if (crew_initial_value(values, name, &shape, &bias, err) != CREW_OK) {
        return err->code;
    }
    ck_assert_int_eq(shape.rank, 1);
    ck_assert_int_eq(shape.dim[0], 2);
    bias[0] = 3;
    return CREW_OK;
}

static int model_fn(struct crew_graph *g,
                    const struct crew_features *in,
                    struct crew_node *y,
                    enum crew_mode mode,
                    const struct crew_params *params,
                    struct crew_spec *spec,
                    struct crew_err *err)
{
    const char *name = crew_params_str(params, "variable", NULL);
    struct crew_scaffold scaffold = {
        .init_fn = init_fn,
        .init_self = (void *)(uintptr_t)name,
        .saver = true,
        .max_to_keep = crew_params_int(params, "keep", 0)};

    (void)two_classes(g, in, y, mode, spec);
    crew_spec_minimize(spec, crew_gradient_descent(0)); /* nothing moves */
    crew_spec_scaffold(spec, scaffold);
    return crew_graph_status(g, err);
}

static const struct crew_job job = {CREW_ABI_VERSION, "scaffold", model_fn,
                                    NULL};

static int train(const char *const *params,
                 int n,
                 int64_t max_steps,
                 struct crew_err *err)
{
    struct crew_estimator_args args = {
        .model_dir = dir, .params = params, .num_params = n};
    struct crew_train_args steps = {.max_steps = max_steps};
    struct crew_estimator *e = NULL;

    ck_assert_msg(crew_estimator_new(&job, &args, &e, err) == CREW_OK, "%s",
                  err->msg);
    (void)crew_estimator_train(e, input_fn, &steps, err);
    crew_estimator_free(e);
    return err->code;
}

static float first_bias(void)
{
    struct crew_estimator_args args = {.model_dir = dir};
    struct crew_estimator *e = NULL;
    struct crew_err err = {0};
    enum crew_dtype dtype;
    struct crew_shape shape;
    void *data = NULL;
    float value;

    ck_assert_int_eq(crew_estimator_new(&job, &args, &e, &err), CREW_OK);
    ck_assert_msg(crew_estimator_get_variable_value(
                      e, "dense/bias", &dtype, &shape, &data, &err) == CREW_OK,
                  "%s", err.msg);
    memcpy(&value, data, sizeof value);
    free(data);
    crew_estimator_free(e);
    return value;
}

static bool has_checkpoint(int step)
{
    char path[128];

    (void)snprintf(path, sizeof path, "%s/model.ckpt-%d.index", dir, step);
    return fs_exists(env_posix(), path);
}

static void set_up(void)
{
    log_set_level(LOG_ERROR);
    inits = 0;
    (void)snprintf(dir, sizeof dir, "/tmp/crew-scaffold-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void tear_down(void)
{
    struct crew_err err = {0};

    ck_assert_int_eq(fs_remove_tree(env_posix(), dir, &err), CREW_OK);
}

START_TEST(init_fn_runs_when_nothing_is_restored)
{
    struct crew_err err = {0};

    ck_assert_msg(train(NULL, 0, 1, &err) == CREW_OK, "%s", err.msg);
    ck_assert_int_eq(inits, 1);
    ck_assert(first_bias() == 3.0f);
    ck_assert_msg(train(NULL, 0, 2, &err) == CREW_OK, "%s", err.msg);
    ck_assert_int_eq(inits, 1); /* that one was restored */
}
END_TEST

START_TEST(init_fn_fails)
{
    static const char *const unknown[] = {"variable=nobody"};
    static const char *const silent[] = {"variable=silence"};
    struct crew_err err = {0};

    ck_assert_int_eq(train(unknown, 1, 1, &err), CREW_NOT_FOUND);
    ck_assert_int_eq(crew_err_exit_code(&err), 1);
    ck_assert_str_eq(err.msg,
                     "the scaffold's init_fn: crew_initial_value: there is no "
                     "variable \"nobody\" in the model");
    err = (struct crew_err){0};
    ck_assert_int_ne(train(silent, 1, 1, &err), CREW_OK);
    ck_assert_int_eq(crew_err_exit_code(&err), 1);
    ck_assert_str_eq(err.msg,
                     "the scaffold's init_fn: it returned 7 without a message");
}
END_TEST

/* RunConfig would keep 5. */
START_TEST(the_saver_says_how_many_stay)
{
    static const char *const two[] = {"keep=2", "save_checkpoints_steps=1"};
    struct crew_err err = {0};

    ck_assert_msg(train(two, 2, 6, &err) == CREW_OK, "%s", err.msg);
    ck_assert(!has_checkpoint(4));
    ck_assert(has_checkpoint(5));
    ck_assert(has_checkpoint(6));
}
END_TEST

START_TEST(zero_keeps_all)
{
    static const char *const all[] = {"save_checkpoints_steps=1"};
    struct crew_err err = {0};

    ck_assert_msg(train(all, 1, 7, &err) == CREW_OK, "%s", err.msg);
    ck_assert(has_checkpoint(0));
    ck_assert(has_checkpoint(7));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scaffold");
    TCase *tc = tcase_create("scaffold");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, init_fn_runs_when_nothing_is_restored);
    tcase_add_test(tc, init_fn_fails);
    tcase_add_test(tc, the_saver_says_how_many_stay);
    tcase_add_test(tc, zero_keeps_all);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
