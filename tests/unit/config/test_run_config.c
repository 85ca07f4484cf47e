/* SPDX-License-Identifier: Apache-2.0
 * RunConfig, TrainSpec and EvalSpec: defaults, --set by name, TensorFlow's
 * sentences (those of TensorFlow 2.15 for the same arguments). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "config/run_config.h"
#include "run_suite.h"

static struct crew_params *params;
static struct crew_run_config rc;
static struct crew_train_spec ts;
static struct crew_eval_spec es;

static int some_input(const struct crew_input_ctx *ctx,
                      struct crew_dataset **dataset,
                      struct crew_err *err)
{
    (void)ctx;
    (void)dataset;
    return crew_err_set(err, CREW_UNIMPLEMENTED, "no data");
}

static void reset(void)
{
    run_config_defaults(&rc, &ts, &es);
    ts.input_fn = some_input;
    es.input_fn = some_input;
}

static void set_up(void)
{
    params = params_new();
    reset();
}

static void tear_down(void)
{
    params_free(params);
}

static void set(const char *pair)
{
    struct crew_err err = {0};

    ck_assert_int_eq(params_set(params, pair, &err), CREW_OK);
}

static void set_default(const char *pair)
{
    struct crew_err err = {0};

    ck_assert_int_eq(params_set_default(params, pair, &err), CREW_OK);
}

static void load(const char *text)
{
    struct crew_err err = {0};

    ck_assert_int_eq(params_load_json(params, text, strlen(text), "x", &err),
                     CREW_OK);
}

/* Apply and validate; the message, "" when all is well. */
static const char *apply(void)
{
    static struct crew_err err;

    err = (struct crew_err){0};
    if (run_config_apply(params, &rc, &ts, &es, &err) == CREW_OK) {
        (void)run_config_validate(&rc, &ts, &es, &err);
    }
    if (err.code != CREW_OK) {
        ck_assert_int_eq(crew_err_exit_code(&err), 64);
    }
    return err.msg;
}

START_TEST(defaults_are_tensorflows)
{
    ck_assert_str_eq(apply(), "");
    ck_assert_int_eq(rc.tf_random_seed, -1);
    ck_assert_int_eq(rc.save_summary_steps, 100);
    ck_assert_int_eq(rc.save_checkpoints_steps, -1);
    ck_assert(rc.save_checkpoints_secs == 600);
    ck_assert_int_eq(rc.keep_checkpoint_max, 5);
    ck_assert(rc.keep_checkpoint_every_n_hours == 10000);
    ck_assert_int_eq(rc.log_step_count_steps, 100);
    ck_assert(rc.experimental_max_worker_delay_secs == 60);
    ck_assert(rc.session_creation_timeout_secs == 7200);
    ck_assert_int_eq(rc.sync, -1);
    ck_assert_int_eq(rc.max_staleness, -1);
    ck_assert_int_eq(ts.max_steps, -1);
    ck_assert_int_eq(es.steps, 100);
    ck_assert_ptr_null(es.name);
    ck_assert(es.start_delay_secs == 120);
    ck_assert(es.throttle_secs == 600);
    ck_assert_int_eq(es.num_exporters, 0);
}
END_TEST

START_TEST(every_field_can_be_set)
{
    set("tf_random_seed=7");
    set("save_summary_steps=0");
    set("save_checkpoints_secs=1.5");
    set("keep_checkpoint_max=0");
    set("keep_checkpoint_every_n_hours=0.5");
    set("log_step_count_steps=10");
    set("experimental_max_worker_delay_secs=0");
    set("session_creation_timeout_secs=30");
    set("sync=true");
    set("replicas_to_aggregate=3");
    set("total_num_replicas=4");
    set("max_staleness=0");
    set("max_steps=500");
    set("eval_steps=None");
    set("name=test");
    set("start_delay_secs=0");
    set("throttle_secs=0");
    ck_assert_str_eq(apply(), "");
    ck_assert_int_eq(rc.tf_random_seed, 7);
    ck_assert_int_eq(rc.save_summary_steps, 0);
    ck_assert(rc.save_checkpoints_secs == 1.5);
    ck_assert_int_eq(rc.save_checkpoints_steps, -1);
    ck_assert_int_eq(rc.keep_checkpoint_max, 0);
    ck_assert(rc.keep_checkpoint_every_n_hours == .5);
    ck_assert_int_eq(rc.log_step_count_steps, 10);
    ck_assert(rc.experimental_max_worker_delay_secs == 0);
    ck_assert(rc.session_creation_timeout_secs == 30);
    ck_assert_int_eq(rc.sync, 1);
    ck_assert_int_eq(rc.replicas_to_aggregate, 3);
    ck_assert_int_eq(rc.total_num_replicas, 4);
    ck_assert_int_eq(rc.max_staleness, 0);
    ck_assert_int_eq(ts.max_steps, 500);
    ck_assert_int_eq(es.steps, -1);
    ck_assert_str_eq(es.name, "test");
    ck_assert(es.start_delay_secs == 0);
    ck_assert(es.throttle_secs == 0);
}
END_TEST

START_TEST(none_is_what_it_is_in_estimator)
{
    load(
        "{\"tf_random_seed\": null, \"keep_checkpoint_max\": null, "
        "\"log_step_count_steps\": null, \"max_steps\": null, \"name\": null, "
        "\"save_checkpoints_secs\": null, "
        "\"experimental_max_worker_delay_secs\": null}");
    rc.experimental_max_worker_delay_secs = 5;
    ts.max_steps = 7;
    es.name = "x";
    ck_assert_str_eq(apply(), "");
    ck_assert_int_eq(rc.tf_random_seed, -1);
    ck_assert_int_eq(rc.keep_checkpoint_max, 0);
    ck_assert_int_eq(rc.log_step_count_steps, 0);
    ck_assert(rc.experimental_max_worker_delay_secs == 60);
    ck_assert_int_eq(ts.max_steps, -1);
    ck_assert_ptr_null(es.name);
    ck_assert(rc.save_checkpoints_secs == -1);
    ck_assert_int_eq(rc.save_checkpoints_steps, -1);
}
END_TEST

static const struct {
    const char *pair, *want;
} refused[] = {
    {"save_checkpoints_steps=-1", "save_checkpoints_steps should be >= 0"},
    {"save_checkpoints_secs=-1", "save_checkpoints_secs should be >= 0"},
    {"tf_random_seed=1.5", "tf_random_seed must be integer."},
    {"tf_random_seed=x", "tf_random_seed must be integer."},
    {"save_summary_steps=-1", "save_summary_steps should be >= 0"},
    {"keep_checkpoint_max=-1", "keep_checkpoint_max should be >= 0"},
    {"keep_checkpoint_every_n_hours=0",
     "keep_checkpoint_every_n_hours should be > 0"},
    {"log_step_count_steps=0", "log_step_count_steps should be > 0"},
    {"experimental_max_worker_delay_secs=1.5",
     "experimental_max_worker_delay_secs must be an integer if set."},
    {"experimental_max_worker_delay_secs=-1",
     "experimental_max_worker_delay_secs should be >= 0"},
    {"session_creation_timeout_secs=0",
     "session_creation_timeout_secs should be > 0"},
    {"sync=perhaps", "sync must be true or false, given: perhaps"},
    {"replicas_to_aggregate=0", "replicas_to_aggregate should be > 0"},
    {"max_staleness=-1", "max_staleness should be >= 0"},
    {"max_steps=0", "Must specify max_steps > 0, given: 0"},
    {"max_steps=-5", "Must specify max_steps > 0, given: -5"},
    {"max_steps=1.5", "max_steps must be an integer, given: 1.5"},
    {"eval_steps=0", "Must specify steps > 0, given: 0"},
    {"eval_steps=-1", "Must specify steps > 0, given: -1"},
    {"start_delay_secs=-1", "Must specify start_delay_secs >= 0, given: -1"},
    {"throttle_secs=-1", "Must specify throttle_secs >= 0, given: -1"},
    {"throttle_secs=soon", "throttle_secs must be a number, given: soon"},
};

START_TEST(refuses)
{
    struct crew_run_config before = rc;

    set(refused[_i].pair);
    ck_assert_str_eq(apply(), refused[_i].want);
    ck_assert_mem_eq(&rc, &before, sizeof rc); /* untouched on error */
}
END_TEST

#define BOTH                                                       \
    "`save_checkpoints_steps` and `save_checkpoints_secs` cannot " \
    "be both set."

static void ck_saving(int64_t steps, double secs)
{
    ck_assert_str_eq(apply(), "");
    ck_assert_msg(
        rc.save_checkpoints_steps == steps && rc.save_checkpoints_secs == secs,
        "got %lld, %g, want %lld, %g", (long long)rc.save_checkpoints_steps,
        rc.save_checkpoints_secs, (long long)steps, secs);
}

START_TEST(setting_steps_unsets_secs)
{
    set("save_checkpoints_steps=500");
    ck_saving(500, -1);
}
END_TEST

START_TEST(setting_secs_unsets_steps)
{
    rc.save_checkpoints_steps = 500; /* configure() */
    set("save_checkpoints_secs=30");
    ck_saving(-1, 30);
}
END_TEST

START_TEST(configure_may_set_steps_alone)
{
    rc.save_checkpoints_steps = 500;
    ck_saving(500, -1);
}
END_TEST

START_TEST(both_in_one_layer)
{
    set("save_checkpoints_steps=1");
    set("save_checkpoints_secs=1");
    ck_assert_str_eq(apply(), BOTH);
}
END_TEST

START_TEST(both_in_json)
{
    load("{\"save_checkpoints_steps\": 1, \"save_checkpoints_secs\": 1}");
    ck_assert_str_eq(apply(), BOTH);
}
END_TEST

START_TEST(both_by_configure)
{
    rc.save_checkpoints_steps = 1;
    rc.save_checkpoints_secs = 1;
    ck_assert_str_eq(apply(), BOTH);
}
END_TEST

START_TEST(set_wins_over_json)
{
    load("{\"save_checkpoints_secs\": 9}");
    set("save_checkpoints_steps=5");
    ck_saving(5, -1);
    tear_down();
    set_up();
    load("{\"save_checkpoints_steps\": 9}");
    set("save_checkpoints_secs=5");
    ck_saving(-1, 5);
}
END_TEST

START_TEST(one_none_and_one_value)
{
    set("save_checkpoints_steps=None");
    set("save_checkpoints_secs=5");
    ck_saving(-1, 5);
    tear_down();
    set_up();
    set("save_checkpoints_steps=5");
    set("save_checkpoints_secs=None");
    ck_saving(5, -1);
}
END_TEST

START_TEST(zero_steps_mean_no_checkpoints)
{
    set("save_checkpoints_steps=0");
    ck_saving(0, -1);
}
END_TEST

/* --default fills in what neither configure() nor the user has chosen. */
START_TEST(defaults_are_the_lowest)
{
    set_default("throttle_secs=5");
    set_default("start_delay_secs=0");
    set_default("experimental_max_worker_delay_secs=0");
    set_default("save_checkpoints_steps=50");
    es.start_delay_secs = 30; /* configure() */
    set("experimental_max_worker_delay_secs=7");
    ck_saving(50, -1);
    ck_assert(es.throttle_secs == 5);
    ck_assert(es.start_delay_secs == 30);
    ck_assert(rc.experimental_max_worker_delay_secs == 7);
}
END_TEST

START_TEST(a_default_does_not_undo_configure)
{
    set_default("save_checkpoints_secs=5");
    rc.save_checkpoints_steps = 500;
    ck_saving(500, -1);
}
END_TEST

START_TEST(fields_are_known_keys)
{
    struct crew_err err = {0};

    set("max_steps=5");
    ck_assert_int_eq(params_unused(params, &err), CREW_OK);
    ck_assert_str_eq(run_config_field(0), "model_dir");
    ck_assert_ptr_nonnull(run_config_field(32));
    ck_assert_ptr_null(run_config_field(33));
}
END_TEST

START_TEST(what_configure_may_not_leave)
{
    rc.keep_checkpoint_max = -2;
    ck_assert_str_eq(apply(), "keep_checkpoint_max should be >= 0");
    reset();
    ts.max_steps = 0;
    ck_assert_str_eq(apply(), "Must specify max_steps > 0, given: 0");
    reset();
    es.throttle_secs = (double)NAN;
    ck_assert_str_eq(apply(), "Must specify throttle_secs >= 0, given: nan");
    reset();
    rc.log_step_count_steps = 0; /* crew.h: off */
    ck_assert_str_eq(apply(), "");
    ts.input_fn = NULL;
    ck_assert_str_eq(apply(), "`input_fn` must be callable, given: None");
    reset();
    es.input_fn = NULL;
    ck_assert_str_eq(apply(), "`input_fn` must be callable, given: None");
}
END_TEST

START_TEST(exporters)
{
    crew_eval_spec_add_exporter(&es, CREW_EXPORTER_LATEST, "latest");
    crew_eval_spec_add_exporter(&es, CREW_EXPORTER_FINAL, "final");
    ck_assert_str_eq(apply(), "");
    ck_assert_int_eq(es.exporters[0].exports_to_keep, 5);
    ck_assert_int_eq(es.exporters[1].kind, CREW_EXPORTER_FINAL);
    es.exporters[0].exports_to_keep = -1;
    ck_assert_str_eq(apply(),
                     "`exports_to_keep`, if provided, must be positive number");
    es.exporters[0].exports_to_keep = 0;
    ck_assert_str_eq(apply(), "");
    crew_eval_spec_add_exporter(&es, CREW_EXPORTER_BEST, NULL);
    ck_assert_str_eq(es.exporters[2].name, "best_exporter");
    ck_assert_int_eq(es.exporters[2].exports_to_keep, 5);
    es.exporters[2].exports_to_keep = -2;
    ck_assert_str_eq(apply(),
                     "`exports_to_keep`, if provided, must be a positive "
                     "number. Got -2");
    es.exporters[2].exports_to_keep = 5;
    es.exporters[2].kind = (enum crew_exporter_kind)9;
    ck_assert_str_eq(apply(),
                     "`exporters` must be an Exporter, an iterable of "
                     "Exporter, or `None`, found one of kind 9.");
}
END_TEST

#define NAMES                                                                \
    "`exporters` must have unique names. Such a name cannot be `None`. All " \
    "exporter names: "
#define EMPTY                                                               \
    "An Exporter cannot have a name that is `None` or empty. All exporter " \
    "names: "

START_TEST(exporters_that_are_refused)
{
    crew_eval_spec_add_exporter(&es, CREW_EXPORTER_LATEST, "a");
    crew_eval_spec_add_exporter(&es, CREW_EXPORTER_FINAL, "a");
    ck_assert_str_eq(apply(), NAMES "['a', 'a']");
    es.exporters[1].name = "";
    ck_assert_str_eq(apply(), EMPTY "['a', '']");
    es.exporters[1].name = NULL;
    ck_assert_str_eq(apply(), EMPTY "['a', None]");
    es.exporters[1].name = "../x";
    ck_assert_ptr_nonnull(strstr(apply(), "must be the name of one folder"));
    es.exporters[1].name = "b";
    crew_eval_spec_add_exporter(&es, CREW_EXPORTER_FINAL, "c");
    crew_eval_spec_add_exporter(&es, CREW_EXPORTER_FINAL, "d");
    ck_assert_str_eq(apply(), "");
    crew_eval_spec_add_exporter(&es, CREW_EXPORTER_FINAL, "e");
    ck_assert_str_eq(apply(), "an EvalSpec has at most 4 exporters, given: 5");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("run_config");
    TCase *tc = tcase_create("run_config");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_add_test(tc, defaults_are_tensorflows);
    tcase_add_test(tc, every_field_can_be_set);
    tcase_add_test(tc, none_is_what_it_is_in_estimator);
    tcase_add_loop_test(tc, refuses, 0,
                        (int)(sizeof refused / sizeof refused[0]));
    tcase_add_test(tc, setting_steps_unsets_secs);
    tcase_add_test(tc, setting_secs_unsets_steps);
    tcase_add_test(tc, configure_may_set_steps_alone);
    tcase_add_test(tc, both_in_one_layer);
    tcase_add_test(tc, both_in_json);
    tcase_add_test(tc, both_by_configure);
    tcase_add_test(tc, set_wins_over_json);
    tcase_add_test(tc, one_none_and_one_value);
    tcase_add_test(tc, zero_steps_mean_no_checkpoints);
    tcase_add_test(tc, defaults_are_the_lowest);
    tcase_add_test(tc, a_default_does_not_undo_configure);
    tcase_add_test(tc, fields_are_known_keys);
    tcase_add_test(tc, what_configure_may_not_leave);
    tcase_add_test(tc, exporters);
    tcase_add_test(tc, exporters_that_are_refused);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
