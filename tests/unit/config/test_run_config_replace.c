/* SPDX-License-Identifier: Apache-2.0
 * RunConfig.replace, and the fields of RunConfig that mean something only in
 * part here, or nothing: what is accepted, what is refused and how. */
#include <stdlib.h>
#include <string.h>

#include "config/run_config.h"
#include "config/run_config_text.h"
#include "run_suite.h"

static struct crew_run_config rc;

static void set_up(void)
{
    crew_run_config_init(&rc);
}

/* replace(change), "" when all is well; rc is untouched otherwise. */
static const char *replace(const char *change)
{
    static struct crew_err err;
    struct crew_run_config before = rc;

    err = (struct crew_err){0};
    if (crew_run_config_replace(&rc, &change, 1, &err) != CREW_OK) {
        ck_assert_int_eq(crew_err_exit_code(&err), 64);
        ck_assert_mem_eq(&rc, &before, sizeof rc);
    }
    return err.msg;
}

/* The same by --config's JSON object. */
static const char *load(const char *json)
{
    static struct crew_err err;
    struct crew_params *params = params_new();
    struct crew_train_spec ts;
    struct crew_eval_spec es;

    err = (struct crew_err){0};
    crew_train_spec_init(&ts);
    crew_eval_spec_init(&es);
    ck_assert_int_eq(params_load_json(params, json, strlen(json), "x", &err),
                     CREW_OK);
    (void)run_config_apply(params, &rc, &ts, &es, &err);
    params_free(params);
    return err.msg;
}

START_TEST(defaults)
{
    ck_assert_ptr_null(rc.model_dir);
    ck_assert_ptr_null(rc.train_distribute);
    ck_assert_ptr_null(rc.eval_distribute);
    ck_assert_ptr_null(rc.experimental_distribute);
    ck_assert(rc.device_fn == NULL);
    ck_assert_ptr_null(rc.protocol);
    ck_assert_int_eq(rc.checkpoint_save_graph_def, 1);
    ck_assert_int_eq(rc.session_config.operation_timeout_in_ms, 0);
    ck_assert_ptr_null(rc.session_config.device_filters);
}
END_TEST

START_TEST(replaces)
{
    ck_assert_str_eq(replace("model_dir=m"), "");
    ck_assert_str_eq(rc.model_dir, "m");
    ck_assert_str_eq(replace("protocol=grpc+verbs"), "");
    ck_assert_str_eq(rc.protocol, "grpc+verbs");
    ck_assert_str_eq(replace("protocol=None"), "");
    ck_assert_ptr_null(rc.protocol);
    ck_assert_str_eq(replace("checkpoint_save_graph_def=False"), "");
    ck_assert_int_eq(rc.checkpoint_save_graph_def, 0);
    ck_assert_str_eq(replace("session_config.operation_timeout_in_ms=2500"),
                     "");
    ck_assert_int_eq(rc.session_config.operation_timeout_in_ms, 2500);
    ck_assert_str_eq(replace("train_distribute=None"), "");
    ck_assert_str_eq(replace("device_fn=None"), "");
}
END_TEST

START_TEST(one_way_of_saving_unsets_the_other)
{
    static const char *const both[] = {"save_checkpoints_steps=5",
                                       "save_checkpoints_secs=5"};
    struct crew_err err = {0};

    ck_assert_str_eq(replace("save_checkpoints_steps=5"), "");
    ck_assert_int_eq(rc.save_checkpoints_steps, 5);
    ck_assert(rc.save_checkpoints_secs == -1);
    ck_assert_str_eq(replace("save_checkpoints_secs=7"), "");
    ck_assert_int_eq(rc.save_checkpoints_steps, -1);
    ck_assert(rc.save_checkpoints_secs == 7);
    ck_assert_int_ne(crew_run_config_replace(&rc, both, 2, &err), CREW_OK);
    ck_assert_str_eq(err.msg,
                     "`save_checkpoints_steps` and `save_checkpoints_secs` "
                     "cannot be both set.");
}
END_TEST

static const struct {
    const char *change, *want;
} refused[] = {
    {"task_type=x",
     "Replacing task_type is not supported. Allowed properties are "
     "['model_dir', 'tf_random_seed', 'save_summary_steps', "
     "'save_checkpoints_steps', 'save_checkpoints_secs', 'session_config', "
     "'keep_checkpoint_max', 'keep_checkpoint_every_n_hours', "
     "'log_step_count_steps', 'train_distribute', 'device_fn', 'protocol', "
     "'eval_distribute', 'experimental_distribute', "
     "'experimental_max_worker_delay_secs', 'session_creation_timeout_secs', "
     "'checkpoint_save_graph_def']."},
    {"max_steps=5", "Replacing max_steps is not supported. Allowed"},
    {"model_dir=", "model_dir should be non-empty"},
    {"save_summary_steps=-1", "save_summary_steps should be >= 0"},
    {"protocol=http", "protocol should be grpc or grpc+verbs"},
    {"session_config=3", "session_config must be instance of ConfigProto"},
    {"device_fn=f",
     "device_fn must be callable with exactly one argument \"op\"."},
    {"train_distribute=MirroredStrategy",
     "train_distribute: there is no strategy \"MirroredStrategy\" here"},
    {"eval_distribute=x", "eval_distribute: there is no strategy \"x\" here"},
    {"experimental_distribute=x",
     "experimental_distribute: there is no strategy \"x\" here"},
    {"session_config.device_filters=/job:worker",
     "session_config.device_filters \"/job:worker\" lacks /job:ps"},
    {"session_config.operation_timeout_in_ms=-1",
     "session_config.operation_timeout_in_ms should be >= 0"},
    {"no value", "crew_run_config_replace: a change is \"name=value\", given"},
    {NULL, "crew_run_config_replace: a change is \"name=value\", given: NULL"},
};

START_TEST(refuses)
{
    const char *got = replace(refused[_i].change);

    ck_assert_msg(strncmp(got, refused[_i].want, strlen(refused[_i].want)) == 0,
                  "got %s, want %s", got, refused[_i].want);
}
END_TEST

START_TEST(nothing_to_change)
{
    struct crew_err err = {0};

    ck_assert_int_ne(crew_run_config_replace(NULL, NULL, 0, &err), CREW_OK);
    ck_assert_ptr_nonnull(strstr(err.msg, "the RunConfig is NULL"));
    err = (struct crew_err){0};
    ck_assert_int_ne(crew_run_config_replace(&rc, NULL, 1, &err), CREW_OK);
    ck_assert_ptr_nonnull(strstr(err.msg, "changes is NULL"));
}
END_TEST

static void some_device(void)
{
}

START_TEST(a_device_function)
{
    struct crew_err err = {0};

    rc.device_fn = some_device;
    ck_assert_int_ne(run_config_validate_run(&rc, &err), CREW_OK);
    ck_assert_ptr_nonnull(strstr(err.msg, "device_fn: there are no devices"));
}
END_TEST

START_TEST(session_config_as_an_object)
{
    ck_assert_str_eq(
        load("{\"session_config\": {\"intra_op_parallelism_threads\": 4, "
             "\"operation_timeout_in_ms\": 9000}}"),
        "");
    ck_assert_int_eq(rc.session_config.intra_op_parallelism_threads, 4);
    ck_assert_int_eq(rc.session_config.operation_timeout_in_ms, 9000);
    /* The whole of it is replaced. */
    ck_assert_str_eq(load("{\"session_config\": {}}"), "");
    ck_assert_int_eq(rc.session_config.operation_timeout_in_ms, 0);
    ck_assert_str_eq(load("{\"session_config\": 3}"),
                     "session_config must be instance of ConfigProto");
    ck_assert_ptr_nonnull(
        strstr(load("{\"session_config\": {\"gpu_options\": 1}}"),
               "session_config.gpu_options has no meaning here"));
}
END_TEST

static void ck_text(const char *part)
{
    char *text = run_config_log_text(&rc, NULL, "a");

    ck_assert_msg(strstr(text, part) != NULL, "%s lacks %s", text, part);
    free(text);
}

START_TEST(in_the_log)
{
    rc.session_config.intra_op_parallelism_threads = 4;
    rc.session_config.inter_op_parallelism_threads = 2;
    rc.session_config.device_filters = "/job:ps, /job:worker/task:1";
    rc.session_config.operation_timeout_in_ms = 60000;
    rc.checkpoint_save_graph_def = 0;
    rc.protocol = "grpc";
    ck_text(
        "'_session_config': intra_op_parallelism_threads: 4 device_filters: "
        "\"/job:ps\" device_filters: \"/job:worker/task:1\" "
        "inter_op_parallelism_threads: 2 operation_timeout_in_ms: 60000 , ");
    ck_text("'_protocol': 'grpc', ");
    ck_text("'_checkpoint_save_graph_def': False, ");
}
END_TEST

START_TEST(what_has_no_effect_is_said)
{
    char *text;

    ck_assert_ptr_null(run_config_no_effect_text(&rc));
    rc.session_config.inter_op_parallelism_threads = 2;
    rc.protocol = "grpc+verbs";
    text = run_config_no_effect_text(&rc);
    ck_assert_str_eq(
        text,
        "threads of session_config have no effect: a process computes on one "
        "thread, more cores are used by more workers; protocol grpc+verbs has "
        "no effect: there is one");
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("run_config_replace");
    TCase *tc = tcase_create("run_config_replace");

    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_add_test(tc, defaults);
    tcase_add_test(tc, replaces);
    tcase_add_test(tc, one_way_of_saving_unsets_the_other);
    tcase_add_loop_test(tc, refuses, 0, sizeof refused / sizeof refused[0]);
    tcase_add_test(tc, nothing_to_change);
    tcase_add_test(tc, a_device_function);
    tcase_add_test(tc, session_config_as_an_object);
    tcase_add_test(tc, in_the_log);
    tcase_add_test(tc, what_has_no_effect_is_said);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
