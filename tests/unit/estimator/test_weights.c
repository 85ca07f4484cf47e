/* SPDX-License-Identifier: Apache-2.0
 * Weights to a checkpoint and back, checkpoints of other models, and what a
 * spec must hold. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem_fs.h"
#include "checkpoint/save.h"
#include "estimator/model/spec.h"
#include "estimator/weights/weights.h"
#include "run_suite.h"

static struct crew_env *env;

static void setup(void)
{
    struct crew_err err = {0};

    env = env_mem_new(1);
    ck_assert_int_eq(fs_make_dirs(env, "m/.crew", &err), 0);
}

static void teardown(void)
{
    env_mem_free(env);
}

static struct crew_graph *graph_of(const char *name, int64_t rows)
{
    struct crew_graph *g = graph_new();
    struct crew_init init = crew_init_truncated_normal(0, 1);
    struct crew_err err = {0};

    (void)crew_variable(g, name, crew_shape2(rows, 3), init);
    (void)crew_variable(g, "b", crew_shape1(3), (struct crew_init){0});
    ck_assert_int_eq(crew_graph_status(g, &err), 0);
    return g;
}

/* One optimizer for all. */
static struct optim_groups all_by(struct crew_optimizer o)
{
    struct optim_groups groups = {.n = 1};

    groups.group[0].scope = "";
    groups.group[0].optimizer = o;
    return groups;
}

static void save(struct weights *w, int64_t step)
{
    struct weights_table table;
    struct ckpt_history *history = NULL;
    struct ckpt_tensor tensors[16];
    struct crew_err err = {0};

    weights_table_init(&table, w, &step);
    for (int i = 0; i < table.n; i++) {
        tensors[i] = (struct ckpt_tensor){.name = table.entries[i].name,
                                          .dtype = table.entries[i].dtype,
                                          .shape = *table.entries[i].shape,
                                          .data = table.entries[i].data};
    }
    ck_assert_int_eq(ckpt_history_open(env, "m", 5, 10000, &history, &err), 0);
    ck_assert_msg(ckpt_save(history, step, 1, tensors, table.n, &err) == 0,
                  "%s", err.msg);
    ckpt_history_free(history);
    weights_table_release(&table);
}

START_TEST(everything_comes_back)
{
    struct optim_groups adam = all_by(crew_adam(0.1));
    struct crew_graph *g = graph_of("w", 4);
    struct weights a;
    struct weights b;
    struct crew_err err = {0};
    int64_t step = 0;

    ck_assert_int_eq(weights_new(g, &adam, true, &a, &err), 0);
    ck_assert_int_eq(weights_new(g, &adam, true, &b, &err), 0);
    weights_init(&a, g, 42);
    for (int i = 0; i < 12; i++) {
        a.vars[0].slot[0][i] = (float)i;
        a.vars[0].slot[1][i] = 0.5f * (float)i;
    }
    a.powers[0].beta1_power = 0.81f;
    save(&a, 77);
    ck_assert_msg(weights_restore(&b, env, "m/model.ckpt-77", &step, &err) == 0,
                  "%s", err.msg);
    ck_assert_int_eq(step, 77);
    ck_assert_int_eq(memcmp(a.vars[0].value, b.vars[0].value, 48), 0);
    ck_assert_int_eq(memcmp(a.vars[0].slot[0], b.vars[0].slot[0], 48), 0);
    ck_assert_int_eq(memcmp(a.vars[0].slot[1], b.vars[0].slot[1], 48), 0);
    ck_assert_float_eq(b.powers[0].beta1_power, 0.81f);
    weights_release(&a);
    weights_release(&b);
    graph_free(g);
}
END_TEST

/* The checkpoint: w (4, 3) and b (3), trained with momentum. */
static const struct {
    const char *name;
    int64_t rows;
    enum crew_optimizer_kind kind; /* 0: values only */
    const char *says;              /* NULL: restores */
} models[] = {
    {"w", 4, CREW_MOMENTUM, NULL},
    {"w", 4, 0, NULL},
    {"w", 5, CREW_MOMENTUM, "w has shape (4, 3), the model's (5, 3)"},
    {"v", 4, CREW_MOMENTUM, "v is missing; v/Momentum is missing"},
    {"v", 4, CREW_MOMENTUM, "w is not in the model"},
    {"w", 4, CREW_GRADIENT_DESCENT, NULL}, /* slots of another optimizer */
    {"w", 4, CREW_ADAM, "w/Adam is missing; w/Adam_1 is missing"},
};

START_TEST(another_model_is_told_apart)
{
    struct optim_groups momentum = all_by(crew_momentum(0.1, 0.9, false));
    struct optim_groups other = all_by(crew_adam(0.1));
    struct crew_graph *g = graph_of("w", 4);
    struct crew_graph *h = graph_of(models[_i].name, models[_i].rows);
    struct weights saved;
    struct weights w;
    struct crew_err err = {0};
    int64_t step = -5;

    ck_assert_int_eq(weights_new(g, &momentum, true, &saved, &err), 0);
    weights_init(&saved, g, 42);
    save(&saved, 9);
    other.group[0].optimizer.kind = models[_i].kind;
    ck_assert_int_eq(
        weights_new(h, models[_i].kind == 0 ? NULL : &other, true, &w, &err),
        0);
    (void)weights_restore(&w, env, "m/model.ckpt-9", &step, &err);
    if (models[_i].says == NULL) {
        ck_assert_msg(err.code == 0, "%s", err.msg);
        ck_assert_int_eq(step, 9);
    } else {
        ck_assert_int_eq(crew_err_exit_code(&err), 78);
        ck_assert_msg(strstr(err.msg, models[_i].says) != NULL, "got: %s",
                      err.msg);
        ck_assert_int_eq(step, -5);
    }
    weights_release(&saved);
    weights_release(&w);
    graph_free(g);
    graph_free(h);
}
END_TEST

static bool has_entry(struct weights *w, const char *name)
{
    struct weights_table table;
    int64_t step = 0;
    bool found = false;

    weights_table_init(&table, w, &step);
    for (int i = 0; i < table.n; i++) {
        found = found || strcmp(table.entries[i].name, name) == 0;
    }
    weights_table_release(&table);
    return found;
}

/* Two Adams and an averaged RMSProp: who trains what, and under which names it
 * is kept. */
START_TEST(an_optimizer_a_scope)
{
    static const char *const names[] = {
        "dnn/w",         "dnn/w/Adam",
        "dnn/w/Adam_1",  "b",
        "b/RMSProp",     "b/RMSProp_1",
        "beta1_power",   "beta2_power",
        "beta1_power_1", "beta2_power_1",
        "b/RMSProp_2",   "b/ExponentialMovingAverage",
        "global_step",
    };
    struct crew_spec *spec = spec_new(NULL);
    struct crew_graph *g = graph_of("dnn/w", 4);
    struct crew_optimizer rmsprop = crew_rmsprop(0.1);
    struct weights a;
    struct weights b;
    struct weights values;
    struct crew_err err = {0};
    int64_t step = 0;

    rmsprop.centered = true;
    rmsprop.average.decay = 0.5f;
    rmsprop.average.evaluate = true;
    crew_spec_minimize_scope(spec, "nothing/", crew_adam(0.1));
    crew_spec_minimize_scope(spec, "dnn/", crew_adam(0.1));
    crew_spec_minimize(spec, rmsprop);
    ck_assert_int_eq(spec->optimizers.n, 3);
    ck_assert_int_eq(weights_new(g, &spec->optimizers, true, &a, &err), 0);
    ck_assert_int_eq(weights_new(g, &spec->optimizers, true, &b, &err), 0);
    ck_assert_int_eq(a.vars[0].optimizer, 1);
    ck_assert_int_eq(a.vars[1].optimizer, 2);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        ck_assert_msg(has_entry(&a, names[i]), "no %s", names[i]);
    }
    weights_init(&a, g, 42);
    ck_assert_float_eq(a.vars[1].slot[0][2], 1);
    a.vars[1].slot[3][2] = 7;
    a.powers[1].beta2_power = 0.5f;
    save(&a, 3);
    ck_assert_msg(weights_restore(&b, env, "m/model.ckpt-3", &step, &err) == 0,
                  "%s", err.msg);
    ck_assert_float_eq(b.vars[1].slot[3][2], 7);
    ck_assert_float_eq(b.powers[1].beta2_power, 0.5f);
    ck_assert_float_eq(b.powers[0].beta2_power, 0.999f);
    /* For evaluation: the average stands for the value. */
    ck_assert_int_eq(weights_new(g, NULL, false, &values, &err), 0);
    weights_use_averages(&values, &spec->optimizers);
    ck_assert_int_eq(
        weights_restore(&values, env, "m/model.ckpt-3", &step, &err), 0);
    ck_assert_float_eq(values.vars[1].value[2], 7);
    ck_assert_int_eq(memcmp(values.vars[0].value, a.vars[0].value, 48), 0);
    weights_release(&a);
    weights_release(&b);
    weights_release(&values);
    spec_free(spec);
    graph_free(g);
}
END_TEST

START_TEST(nobody_trains_it)
{
    struct crew_spec *spec = spec_new(NULL);
    struct crew_graph *g = graph_of("dnn/w", 4);
    struct weights w;
    struct crew_err err = {0};

    crew_spec_minimize_scope(spec, "dnn/", crew_adam(0.1));
    ck_assert_int_eq(weights_new(g, &spec->optimizers, true, &w, &err),
                     CREW_INVALID_ARGUMENT);
    ck_assert_int_eq(err.exit_code, 1);
    ck_assert_ptr_nonnull(strstr(err.msg, "variable b: no optimizer"));
    spec_free(spec);
    graph_free(g);
}
END_TEST

START_TEST(a_spec_in_tensorflows_words)
{
    struct crew_graph *g = graph_of("w", 4);
    struct crew_spec *spec = spec_new(NULL);
    struct crew_node *loss = crew_reduce_mean(g, graph_var(g, 0)->node);
    struct crew_err err[6] = {{0}};

    ck_assert_int_ne(spec_check(spec, CREW_PREDICT, &err[0]), 0);
    ck_assert_str_eq(err[0].msg, "Missing predictions.");
    ck_assert_int_ne(spec_check(spec, CREW_EVAL, &err[1]), 0);
    ck_assert_str_eq(err[1].msg, "Missing loss.");
    crew_spec_loss(spec, graph_var(g, 0)->node);
    ck_assert_int_ne(spec_check(spec, CREW_EVAL, &err[2]), 0);
    ck_assert_str_eq(err[2].msg, "Loss must be scalar, given shape: (4, 3)");
    crew_spec_loss(spec, loss);
    ck_assert_int_eq(spec_check(spec, CREW_EVAL, &err[3]), 0);
    ck_assert_int_ne(spec_check(spec, CREW_TRAIN, &err[3]), 0);
    ck_assert_ptr_nonnull(strstr(err[3].msg, "Missing train_op."));
    crew_spec_minimize(spec, crew_adam(0.001));
    ck_assert_int_eq(spec_check(spec, CREW_TRAIN, &err[4]), 0);
    crew_spec_metric(spec, "loss", NULL);
    ck_assert_int_ne(spec_check(spec, CREW_EVAL, &err[5]), 0);
    ck_assert_ptr_nonnull(
        strstr(err[5].msg, "Metric with name \"loss\" is not allowed"));
    spec_free(spec);
    graph_free(g);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("weights");
    TCase *tcase = tcase_create("weights");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, everything_comes_back);
    tcase_add_loop_test(tcase, another_model_is_told_apart, 0,
                        (int)(sizeof models / sizeof models[0]));
    tcase_add_test(tcase, an_optimizer_a_scope);
    tcase_add_test(tcase, nobody_trains_it);
    tcase_add_test(tcase, a_spec_in_tensorflows_words);
    suite_add_tcase(suite, tcase);
    return run_suite(suite);
}
