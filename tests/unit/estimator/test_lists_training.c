/* SPDX-License-Identifier: Apache-2.0
 * Lists of any length from a dataset to a trained table: a step's numbers are
 * TensorFlow 2.15's, of tf.nn.safe_embedding_lookup_sparse with max_norm 0.5,
 * or of tf.clip_by_average_norm of IndexedSlices; evaluation, prediction and
 * export of the same. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "run_suite.h"

static char model_dir[64];

static const struct trial {
    enum crew_combiner combiner;
    bool average; /* clip by the average norm; a table of zeros */
    double loss;
    float table[12];
} trials[] = {
    {CREW_COMBINE_MEAN,
     false,
     0.9086982,
     {-0.55f, -0.7f, -0.1f, 0, 0.1f, 0.2f, 0.5400001f, 0.22000006f, 0.5f, 0.6f,
      0.6250753f, 0.86555904f}},
    {CREW_COMBINE_SUM,
     false,
     2.729349,
     {-1.3f, -2.2f, -0.1f, 0, 0.1f, 0.2f, 1.2600002f, -0.31999978f, 0.5f, 0.6f,
      0.66253763f, 0.8327795f}},
    {CREW_COMBINE_SQRTN,
     false,
     1.3201437,
     {-0.70824826f, -1.0164965f, -0.1f, 0, 0.1f, 0.2f, 0.69191855f, 0.10606137f,
      0.5f, 0.6f, 0.6250753f, 0.86555904f}},
    /* Rows 1, 3 and 1 again have the gradients (3, 4), (1, 2) and (0.5, 0.5);
     * the table has 10 elements. */
    {CREW_COMBINE_SUM,
     true,
     0,
     {0, 0, -0.05715476f, -0.07348469f, 0, 0, -0.01632993f, -0.03265986f, 0,
      0}},
};
static const struct trial *trial;

/* --------------------------------------------------------------------- job */

static int lists_of(void *self,
                    const void *const *in,
                    void *const *out,
                    struct crew_err *err)
{
    static const int64_t ids[3][3] = {{0, 3, 3}, {0}, {5, -1}};
    static const float weights[3][3] = {{1, 2, 1}, {0}, {0.5f, 1}};
    static const int n[3] = {3, 0, 2}, ids_of_average[3] = {1, 3, 1};
    int64_t row = *(const int64_t *)in[0];

    (void)self;
    (void)err;
    for (int i = 0; i < (trial->average ? 1 : n[row]); i++) {
        crew_list_add_int(out[0],
                          trial->average ? ids_of_average[row] : ids[row][i]);
        crew_list_add_float(out[1], trial->average ? 1 : weights[row][i]);
    }
    memcpy(out[2], in[1], 2 * sizeof(float));
    return 0;
}

static int input_fn(const struct crew_input_ctx *ctx,
                    struct crew_dataset **out,
                    struct crew_err *err)
{
    static const struct crew_column rows[] = {
        {"row", CREW_INT64, {0, {0}}, false},
        {"target", CREW_FLOAT, {1, {2}}, false}};
    static const struct crew_column columns[] = {
        {"ids", CREW_INT64, {1, {-1}}, false},
        {"weights", CREW_FLOAT, {1, {-1}}, false},
        {"target", CREW_FLOAT, {1, {2}}, true}};
    static const int64_t row[3] = {0, 1, 2};
    static const float targets[2][6] = {{1, 2, 3, -1, 0.5f, 0.25f},
                                        {3, 4, 1, 2, 0.5f, 0.5f}};
    const void *data[] = {row, targets[trial->average]};
    struct crew_dataset *d = crew_dataset_arrays(rows, data, 2, 3);

    (void)ctx;
    (void)err;
    *out = crew_dataset_batch(crew_dataset_map(d, columns, 3, lists_of, NULL),
                              3, false);
    return CREW_OK;
}

/* init_fn: 0, 0.1, 0.2, ... - 0.3. */
static int begin_values(void *self,
                        struct crew_initial_values *values,
                        struct crew_err *err)
{
    struct crew_shape shape;
    float *x;

    (void)self;
    if (crew_initial_value(values, "table", &shape, &x, err) != CREW_OK) {
        return err->code;
    }
    for (int i = 0; i < 12 && !trial->average; i++) {
        x[i] = (float)(i / 10.0 - 0.3);
    }
    return CREW_OK;
}

static int model_fn(struct crew_graph *g,
                    const struct crew_features *in,
                    struct crew_node *target,
                    enum crew_mode mode,
                    const struct crew_params *params,
                    struct crew_spec *spec,
                    struct crew_err *err)
{
    struct crew_node *ids = crew_feature(in, "ids");
    struct crew_embedding how = {.combiner = trial->combiner,
                                 .max_norm = trial->average ? 0 : 0.5f,
                                 .weights = crew_feature(in, "weights")};
    struct crew_node *table = crew_variable(
        g, "table", crew_shape2(trial->average ? 5 : 6, 2), crew_init_zeros());
    struct crew_node *x =
        crew_safe_embedding_lookup_sparse(g, table, ids, how, -1);
    struct crew_optimizer sgd = crew_gradient_descent(1);

    (void)mode;
    (void)params;
    if (trial->average) {
        sgd.clip = crew_clip_by_average_norm(0.01);
    }
    crew_spec_prediction(spec, "x", x);
    if (target != NULL) {
        crew_spec_loss(
            spec, crew_reduce(g, CREW_REDUCE_SUM, crew_mul(g, x, target), NULL,
                              0, false));
    }
    crew_spec_minimize(spec, sgd);
    crew_spec_scaffold(spec, (struct crew_scaffold){.init_fn = begin_values});
    return crew_graph_status(g, err);
}

static const struct crew_job job = {CREW_ABI_VERSION, "lists", model_fn, NULL};

/* ------------------------------------------------------------------- tests */

static void setup(void)
{
    (void)snprintf(model_dir, sizeof model_dir, "/tmp/crew_lists_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(model_dir));
}

static void teardown(void)
{
    struct crew_err err = {0};

    ck_assert_int_eq(fs_remove_tree(env_posix(), model_dir, &err), CREW_OK);
}

#define NEAR(x, want) ck_assert_double_eq_tol((double)(x), (double)(want), 2e-6)

static void check_table(const struct crew_estimator *e)
{
    enum crew_dtype dtype;
    struct crew_shape shape;
    struct crew_err err = {0};
    void *data = NULL;

    ck_assert_msg(crew_estimator_get_variable_value(e, "table", &dtype, &shape,
                                                    &data, &err) == CREW_OK,
                  "%s", err.msg);
    for (int i = 0; i < (int)shape.dim[0] * 2; i++) {
        NEAR(((float *)data)[i], trial->table[i]);
    }
    free(data);
}

static struct crew_estimator *trained(void)
{
    struct crew_estimator_args args = {.model_dir = model_dir};
    struct crew_train_args once = {.max_steps = 1};
    struct crew_estimator *e = NULL;
    struct crew_err err = {0};

    ck_assert_msg(crew_estimator_new(&job, &args, &e, &err) == CREW_OK &&
                      crew_estimator_train(e, input_fn, &once, &err) == CREW_OK,
                  "%s", err.msg);
    return e;
}

START_TEST(a_step_is_tensorflows)
{
    trial = &trials[_i];
    struct crew_estimator *e = trained();

    check_table(e);
    crew_estimator_free(e);
}
END_TEST

/* After the step; the row without ids is zeros. */
START_TEST(evaluated_and_predicted)
{
    struct crew_results *results = NULL;
    struct crew_predictions *all = NULL;
    struct crew_prediction p;
    struct crew_err err = {0};
    int n = 0;

    trial = &trials[2];
    struct crew_estimator *e = trained();
    ck_assert_int_eq(crew_estimator_evaluate(e, input_fn, NULL, &results, &err),
                     CREW_OK);
    ck_assert(crew_results_get(results, "loss", 99) < trial->loss);
    ck_assert_int_eq(crew_estimator_predict(e, input_fn, NULL, &all, &err),
                     CREW_OK);
    for (; crew_predictions_next(all, &p, &err) == CREW_OK; n++) {
        const float *x = p.values[0].value.data;

        ck_assert((n == 1) == (x[0] == 0.0f && x[1] == 0.0f));
    }
    ck_assert_int_eq(n, 3);
    crew_predictions_free(all);
    crew_results_free(results);
    crew_estimator_free(e);
}
END_TEST

static void check_export(struct crew_estimator *e,
                         const struct crew_exporter *how,
                         const char *says)
{
    struct crew_export_args args = {.input_fn = input_fn, .exporter = how};
    struct crew_err err = {0};
    char *dir = NULL;
    char base[80];

    (void)snprintf(base, sizeof base, "%s/export", model_dir);
    (void)crew_estimator_export_saved_model(e, base, CREW_PREDICT, &args, &dir,
                                            &err);
    if (says == NULL) {
        ck_assert_msg(err.code == CREW_OK, "%s", err.msg);
    } else {
        ck_assert_ptr_nonnull(strstr(err.msg, says));
    }
    free(dir);
}

START_TEST(exported_in_every_form)
{
    const int64_t nothing = 0;
    const struct crew_example_feature spelt = {.name = "ids",
                                               .default_value = &nothing};
    struct crew_exporter how = {.warmup = true};

    trial = &trials[0];
    struct crew_estimator *e = trained();
    check_export(e, &how, NULL);
    how.receiver.kind = CREW_RECEIVER_EXAMPLES;
    how.receiver.tensors_alternative = "tensors";
    check_export(e, &how, NULL);
    how.receiver.features = &spelt;
    how.receiver.num_features = 1;
    check_export(e, &how, "it is a list of any length, which is taken as it");
    crew_estimator_free(e);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("lists_training");
    TCase *tc = tcase_create("lists_training");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, a_step_is_tensorflows, 0,
                        (int)(sizeof trials / sizeof trials[0]));
    tcase_add_test(tc, evaluated_and_predicted);
    tcase_add_test(tc, exported_in_every_form);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
