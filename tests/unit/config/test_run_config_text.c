/* SPDX-License-Identifier: Apache-2.0
 * "Using config": the letter of TensorFlow 2.15, but for line ends. */
#include <stdlib.h>
#include <string.h>

#include "config/run_config.h"
#include "config/run_config_text.h"
#include "run_suite.h"

#define SESSION                                                     \
    "allow_soft_placement: true graph_options { rewrite_options { " \
    "meta_optimizer_iterations: ONE } } , "
#define MIDDLE                                                             \
    "'_keep_checkpoint_max': 5, '_keep_checkpoint_every_n_hours': 10000, " \
    "'_log_step_count_steps': 100, '_train_distribute': None, "            \
    "'_device_fn': None, '_protocol': None, '_eval_distribute': None, "    \
    "'_experimental_distribute': None, "                                   \
    "'_experimental_max_worker_delay_secs': None, "                        \
    "'_session_creation_timeout_secs': 7200, "                             \
    "'_checkpoint_save_graph_def': True, "
#define TF_CONFIG(task)                                                    \
    "{\"cluster\": {\"ps\": [\"h:3\"], \"worker\": [\"h:2\"], \"chief\": " \
    "[\"h:1\"]}, \"task\": {\"type\": " task "}}"
#define CLUSTER                                                          \
    "'_service': None, '_cluster_spec': ClusterSpec({'chief': ['h:1'], " \
    "'ps': ['h:3'], 'worker': ['h:2']}), "

static struct crew_run_config rc;

static void set_up(void)
{
    struct crew_train_spec ts;
    struct crew_eval_spec es;

    run_config_defaults(&rc, &ts, &es);
}

static void expect(const char *text, const char *want)
{
    struct tf_config *tf = NULL;
    struct crew_err err = {0};
    char *got;

    if (text != NULL) {
        ck_assert_msg(tf_config_parse(text, false, &tf, &err) == CREW_OK, "%s",
                      err.msg);
    }
    got = run_config_log_text(&rc, tf, "a/b");
    ck_assert_str_eq(got, want);
    free(got);
    tf_config_free(tf);
}

START_TEST(alone)
{
    expect(NULL,
           "Using config: {'_model_dir': 'a/b', '_tf_random_seed': None, "
           "'_save_summary_steps': 100, '_save_checkpoints_steps': None, "
           "'_save_checkpoints_secs': 600, '_session_config': " SESSION MIDDLE
           "'_service': None, '_cluster_spec': ClusterSpec({}), "
           "'_task_type': 'worker', '_task_id': 0, "
           "'_global_id_in_cluster': 0, '_master': '', "
           "'_evaluation_master': '', '_is_chief': True, "
           "'_num_ps_replicas': 0, '_num_worker_replicas': 1}");
}
END_TEST

START_TEST(what_is_set)
{
    char *text;

    rc.tf_random_seed = 11;
    rc.save_checkpoints_steps = 250;
    rc.save_checkpoints_secs = -1;
    rc.save_summary_steps = 0;
    rc.experimental_max_worker_delay_secs = 7.5;
    text = run_config_log_text(&rc, NULL, "it's");
    ck_assert_ptr_nonnull(
        strstr(text,
               "{'_model_dir': \"it's\", '_tf_random_seed': 11, "
               "'_save_summary_steps': 0, '_save_checkpoints_steps': 250, "
               "'_save_checkpoints_secs': None, "));
    ck_assert_ptr_nonnull(
        strstr(text, "'_experimental_max_worker_delay_secs': 7.5, "));
    free(text);
}
END_TEST

#define HEAD                                                        \
    "Using config: {'_model_dir': 'a/b', '_tf_random_seed': None, " \
    "'_save_summary_steps': 100, '_save_checkpoints_steps': None, " \
    "'_save_checkpoints_secs': 600, '_session_config': "

START_TEST(each_role)
{
    expect(TF_CONFIG("\"chief\", \"index\": 0"), HEAD
           "device_filters: \"/job:ps\" device_filters: \"/job:chief\" " SESSION
               MIDDLE CLUSTER
           "'_task_type': 'chief', '_task_id': 0, '_evaluation_master': '', "
           "'_master': 'grpc://h:1', '_num_ps_replicas': 1, "
           "'_num_worker_replicas': 2, '_global_id_in_cluster': 0, "
           "'_is_chief': True}");
    expect(TF_CONFIG("\"worker\", \"index\": 0"), HEAD
           "device_filters: \"/job:ps\" device_filters: "
           "\"/job:worker/task:0\" " SESSION MIDDLE CLUSTER
           "'_task_type': 'worker', '_task_id': 0, '_evaluation_master': '', "
           "'_master': 'grpc://h:2', '_num_ps_replicas': 1, "
           "'_num_worker_replicas': 2, '_global_id_in_cluster': 1, "
           "'_is_chief': False}");
    expect(TF_CONFIG("\"ps\", \"index\": 0"), HEAD
           "device_filters: \"/job:ps\" device_filters: \"/job:worker\" "
           "device_filters: \"/job:chief\" device_filters: "
           "\"/job:master\" " SESSION MIDDLE CLUSTER
           "'_task_type': 'ps', '_task_id': 0, '_evaluation_master': '', "
           "'_master': 'grpc://h:3', '_num_ps_replicas': 1, "
           "'_num_worker_replicas': 2, '_global_id_in_cluster': 2, "
           "'_is_chief': False}");
    expect(TF_CONFIG("\"evaluator\", \"index\": 0"), HEAD SESSION MIDDLE
           "'_service': None, '_cluster_spec': ClusterSpec({}), "
           "'_task_type': 'evaluator', '_task_id': 0, "
           "'_evaluation_master': '', '_master': '', "
           "'_num_ps_replicas': 0, '_num_worker_replicas': 0, "
           "'_global_id_in_cluster': None, '_is_chief': False}");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("run_config_text");
    TCase *tc = tcase_create("run_config_text");

    tcase_add_checked_fixture(tc, set_up, NULL);
    tcase_add_test(tc, alone);
    tcase_add_test(tc, what_is_set);
    tcase_add_test(tc, each_role);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
