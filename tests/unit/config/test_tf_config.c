/* SPDX-License-Identifier: Apache-2.0
 *
 * TF_CONFIG as launchers write it. TensorFlow's letter is compared with its own
 * answers by golden-check tf_config; here is what differs without `strict`,
 * every mistake with its message, and what a process checks before it starts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/tf_config.h"
#include "run_suite.h"

#define CHIEF "\"chief\": [\"h0:2222\"]"
#define PS "\"ps\": [\"h1:2222\", \"h2:2222\"]"
#define WORKERS "\"worker\": [\"h3:2222\", \"h4:2222\"]"
#define CLUSTER(jobs, task) "{\"cluster\": {" jobs "}, \"task\": {" task "}}"
#define TASK(type, index) "\"type\": \"" type "\", \"index\": " #index
#define ALL CHIEF ", " PS ", " WORKERS
#define SPEC                                                         \
    "ClusterSpec({'chief': ['h0:2222'], 'ps': ['h1:2222', "          \
    "'h2:2222'], 'worker': ['h3:2222', 'h4:2222']}) Note that these" \
    " values may be coming from the TF_CONFIG environment variable."
#define NO_CHIEF \
    "If \"cluster\" is set in TF_CONFIG, it must have one \"chief\" node."

/* Mistakes that are errors with and without `strict`. */
static const struct {
    const char *text, *want;
} wrong[] = {
    {"null",
     "TF_CONFIG must be a JSON object like {\"cluster\": {}, \"task\": "
     "{}}, not null"},
    {"[]",
     "TF_CONFIG must be a JSON object like {\"cluster\": {}, \"task\": "
     "{}}, not array"},
    {"\"chief\"",
     "TF_CONFIG must be a JSON object like {\"cluster\": {}, "
     "\"task\": {}}, not string"},
    {"3",
     "TF_CONFIG must be a JSON object like {\"cluster\": {}, \"task\": "
     "{}}, not number"},
    {"{\"cluster\": {" CHIEF "}",
     "TF_CONFIG: line 1, column 35: the text ends too early"},
    {"{'cluster': {}}",
     "TF_CONFIG: line 1, column 2: expected a key in double quotes"},
    {"{\"task\": {\"type\": \"worker\",}}",
     "TF_CONFIG: line 1, column 28: expected a key in double quotes"},
    {"{} x",
     "TF_CONFIG: line 1, column 4: something follows after the end of "
     "the value"},
    {"{\"task\": {}, \"task\": {}}",
     "TF_CONFIG: line 1, column 14: the key \"task\" appears twice"},
    {"{\"cluster\": null}",
     "`cluster` must be a dictionary mapping one or more job names to lists of "
     "network addresses, or a `ClusterDef` protocol buffer"},
    {"{\"cluster\": [\"h0:1\"]}",
     "`cluster` must be a dictionary mapping one or more job names to lists of "
     "network addresses, or a `ClusterDef` protocol buffer"},
    {"{\"task\": {" TASK("worker", 1) "}}",
     "If \"cluster\" is not set in TF_CONFIG, task index must be 0."},
    {"{\"task\": {" TASK("chief", 0) "}}",
     "If \"cluster\" is not set in TF_CONFIG, task type must be WORKER."},
    {"{\"task\": {" TASK("evaluator", 0) "}}",
     "If \"cluster\" is not set in TF_CONFIG, task type must be WORKER."},
    {"{\"task\": {\"type\": null}}",
     "If \"cluster\" is not set in TF_CONFIG, task type must be WORKER."},
    {"{\"cluster\": {}, \"task\": {" TASK("ps", 0) "}}",
     "If \"cluster\" is not set in TF_CONFIG, task type must be WORKER."},
    {"{\"task\": []}",
     "\"task\" in TF_CONFIG must be an object with \"type\" "
     "and \"index\", not array"},
    {"{\"task\": {\"index\": \"x\"}}",
     "task index in TF_CONFIG must be an integer, not 'x'"},
    {CLUSTER(PS, TASK("ps", 0)), NO_CHIEF},
    {CLUSTER(PS, TASK("evaluator", 0)), NO_CHIEF},
    {CLUSTER("\"worker\": [], " PS, TASK("ps", 0)), NO_CHIEF},
    {CLUSTER("\"chief\": [], " PS, TASK("ps", 0)),
     "The \"cluster\" in TF_CONFIG has a \"chief\" job without a task; list "
     "one address"},
    {CLUSTER("\"chief\": [\"a:1\", \"b:1\"], " PS, TASK("ps", 0)),
     "The \"cluster\" in TF_CONFIG must have only one \"chief\" node."},
    {CLUSTER("\"master\": [\"a:1\", \"b:1\"], " PS, TASK("ps", 0)),
     "The \"cluster\" in TF_CONFIG must have only one \"master\" node."},
    {CLUSTER("\"master\": [\"a:1\"], " ALL, TASK("master", 0)),
     "If `master` node exists in `cluster`, job `chief` is not supported."},
    {"{\"cluster\": {" ALL "}}",
     "If \"cluster\" is set in TF_CONFIG, task type must be set."},
    {"{\"cluster\": {" ALL "}, \"task\": \"worker\"}",
     "\"task\" in TF_CONFIG must be an object with \"type\" and \"index\", not "
     "string"},
    {CLUSTER(ALL, "\"index\": 0"),
     "If \"cluster\" is set in TF_CONFIG, task type must be set."},
    {CLUSTER(ALL, TASK("", 0)),
     "If \"cluster\" is set in TF_CONFIG, task type must be set."},
    {CLUSTER(ALL, "\"type\": null, \"index\": 0"),
     "If \"cluster\" is set in TF_CONFIG, task type must be set."},
    {CLUSTER(ALL, "\"type\": \"worker\""),
     "If \"cluster\" is set in TF_CONFIG, task index must be set."},
    {CLUSTER(ALL, TASK("worker", null)),
     "If \"cluster\" is set in TF_CONFIG, task index must be set."},
    {CLUSTER(ALL, TASK("worker", -1)),
     "Task index must be non-negative number."},
    {CLUSTER(ALL, TASK("evaluator", -1)),
     "Task index must be non-negative number."},
    {CLUSTER(ALL, TASK("worker", "")),
     "task index in TF_CONFIG must be an integer, not ''"},
    {CLUSTER(ALL, TASK("worker", "one")),
     "task index in TF_CONFIG must be an integer, not 'one'"},
    {CLUSTER(ALL, TASK("worker", [1])),
     "task index in TF_CONFIG must be an integer, not [1]"},
    {CLUSTER(ALL, TASK("worker", 2)),
     "2 is not a valid task_id for task_type worker in the "
     "cluster_spec: " SPEC},
    {CLUSTER(ALL, TASK("ps", 2)),
     "2 is not a valid task_id for task_type ps in the cluster_spec: " SPEC},
    {CLUSTER(ALL, TASK("chief", 1)),
     "1 is not a valid task_id for task_type chief in the cluster_spec: " SPEC},
    {CLUSTER(ALL, TASK("Worker", 0)),
     "Worker is not a valid task_type in the cluster_spec: " SPEC},
    {CLUSTER(ALL, TASK("trainer", 0)),
     "trainer is not a valid task_type in the cluster_spec: " SPEC},
    {CLUSTER(ALL, "\"type\": 5, \"index\": 0"),
     "5 is not a valid task_type in the cluster_spec: " SPEC},
    {CLUSTER(CHIEF ", \"worker\": \"h3:1\"", TASK("chief", 0)),
     "The tasks for job 'worker' must be a list or a dictionary from integers "
     "to strings."},
    {CLUSTER(CHIEF ", \"worker\": null", TASK("chief", 0)),
     "The tasks for job 'worker' must be a list or a dictionary from integers "
     "to strings."},
    {CLUSTER(CHIEF ", \"worker\": [2222]", TASK("chief", 0)),
     "Task address 2222 must be bytes or unicode"},
    {CLUSTER(CHIEF ", \"worker\": [null]", TASK("chief", 0)),
     "Task address None must be bytes or unicode"},
    {CLUSTER(CHIEF ", \"worker\": {\"a\": \"h3:1\"}", TASK("chief", 0)),
     "TF_CONFIG: \"a\" in job \"worker\" is no task index; write a number"},
    {CLUSTER(CHIEF ", \"worker\": {\"1\": \"a:1\", \"01\": \"b:1\"}",
             TASK("chief", 0)),
     "TF_CONFIG: job \"worker\" lists task 1 twice"},
    {CLUSTER(CHIEF ", " PS ", \"worker\": {\"1\": \"h4:1\"}",
             TASK("worker", 0)),
     "task 0 is not defined: the cluster in TF_CONFIG lists other tasks of job "
     "\"worker\""},
    {"{\"service\": \"x\"}",
     "If \"service\" is set in TF_CONFIG, it must be a "
     "dict. Given <class 'str'>"},
    {"{\"service\": 1.5}",
     "If \"service\" is set in TF_CONFIG, it must be a "
     "dict. Given <class 'float'>"},
    {"{\"model_dir\": \"\"}", "model_dir in TF_CONFIG should be non-empty."},
    {"{\"model_dir\": 3}",
     "\"model_dir\" in TF_CONFIG must be a string, not number"},
    {"{\"session_master\": []}",
     "\"session_master\" in TF_CONFIG must be a string, not array"},
};

START_TEST(mistakes)
{
    for (int strict = 0; strict < 2; strict++) {
        struct crew_err err = {0};
        struct tf_config *tf = NULL;
        int rc = tf_config_parse(wrong[_i].text, strict == 1, &tf, &err);
        ck_assert_msg(rc == CREW_INVALID_ARGUMENT, "%s: accepted",
                      wrong[_i].text);
        ck_assert_ptr_null(tf);
        ck_assert_msg(strcmp(err.msg, wrong[_i].want) == 0,
                      "%s: got %s, want %s", wrong[_i].text, err.msg,
                      wrong[_i].want);
        ck_assert_int_eq(crew_err_exit_code(&err), 78);
    }
}
END_TEST

/* The config of a text that must be right. */
static struct tf_config *parse(const char *text)
{
    struct crew_err err = {0};
    struct tf_config *tf = NULL;
    int rc = tf_config_parse(text, false, &tf, &err);

    ck_assert_msg(rc == CREW_OK, "%s: %s", text != NULL ? text : "unset",
                  err.msg);
    return tf;
}

static void ck_strict_refuses(const char *text, const char *want)
{
    struct crew_err err = {0};
    struct tf_config *tf = NULL;

    ck_assert_int_ne(tf_config_parse(text, true, &tf, &err), CREW_OK);
    ck_assert_str_eq(err.msg, want);
    ck_assert_int_eq(crew_err_exit_code(&err), 78);
}

static void ck_who(const struct tf_config *tf, const char *want)
{
    char who[64];

    ck_assert_str_eq(tf_config_who(tf, who, sizeof who), want);
}

START_TEST(unset_empty_and_blank_are_local)
{
    static const char *const texts[] = {
        NULL,
        "",
        " \n\t",
        "{}",
        "{\"cluster\": {}}",
        "{\"environment\": \"x\"}",
        "{\"task\": {\"type\": \"worker\", \"index\": \"0\"}}"};
    struct tf_config *tf = parse(texts[_i]);

    ck_assert_int_eq(tf->role, ROLE_LOCAL);
    ck_assert(tf->is_chief && tf->cluster == NULL);
    ck_assert_int_eq(tf->num_worker_replicas, 1);
    ck_assert_int_eq(tf->num_ps_replicas, 0);
    ck_assert_str_eq(tf->master, "");
    ck_assert_int_eq(tf_config_num_trainers(tf), 1);
    ck_assert_int_eq(tf_config_trainer_place(tf), 0);
    ck_assert_str_eq(tf_config_run_method(tf), "run_local");
    ck_who(tf, "local");
    tf_config_free(tf);
}
END_TEST

START_TEST(strict_empty_is_an_error)
{
    ck_strict_refuses("",
                      "TF_CONFIG: line 1, column 1: the text ends too early");
    ck_strict_refuses(" ",
                      "TF_CONFIG: line 1, column 2: the text ends too early");
}
END_TEST

START_TEST(the_usual_cluster)
{
    struct tf_config *tf = parse(CLUSTER(ALL, TASK("worker", "1")));

    ck_assert_int_eq(tf->role, ROLE_WORKER);
    ck_assert_int_eq(tf->index, 1);
    ck_assert(!tf->is_chief);
    ck_assert_str_eq(tf->master, "grpc://h4:2222");
    ck_assert_int_eq(tf->num_ps_replicas, 2);
    ck_assert_int_eq(tf->num_worker_replicas, 3);
    ck_assert_int_eq(tf->global_id_in_cluster, 2);
    ck_assert_str_eq(cluster_address(tf->cluster, ROLE_PS, 1), "h2:2222");
    ck_assert_ptr_null(cluster_address(tf->cluster, ROLE_PS, 2));
    ck_assert_int_eq(tf_config_num_trainers(tf), 3);
    ck_assert_int_eq(tf_config_trainer_place(tf), 2);
    ck_who(tf, "worker/1");
    tf_config_free(tf);
}
END_TEST

START_TEST(worker_0_is_chief_where_there_is_none)
{
    const char *zero = CLUSTER(PS ", " WORKERS, TASK("worker", 0));
    struct tf_config *tf = parse(zero);

    ck_assert_int_eq(tf->role, ROLE_CHIEF);
    ck_assert_int_eq(tf->index, 0);
    ck_assert(tf->is_chief);
    ck_assert_str_eq(tf->task_type, "worker");
    ck_assert_int_eq(tf->num_worker_replicas, 2);
    ck_assert_int_eq(tf->global_id_in_cluster, 0);
    ck_assert_int_eq(tf_config_num_trainers(tf), 2);
    ck_assert_str_eq(tf_config_run_method(tf), "run_chief");
    ck_assert_str_eq(cluster_address(tf->cluster, ROLE_CHIEF, 0), "h3:2222");
    ck_assert_ptr_null(cluster_address(tf->cluster, ROLE_WORKER, 0));
    ck_assert_str_eq(cluster_address(tf->cluster, ROLE_WORKER, 1), "h4:2222");
    ck_assert_int_eq(cluster_count(tf->cluster, ROLE_CHIEF), 1);
    ck_assert_int_eq(cluster_count(tf->cluster, ROLE_WORKER), 1);
    ck_who(tf, "chief/0");
    tf_config_free(tf);
    ck_strict_refuses(zero, NO_CHIEF);

    tf = parse(CLUSTER(PS ", " WORKERS, TASK("worker", 1)));
    ck_assert_int_eq(tf->role, ROLE_WORKER);
    ck_assert(!tf->is_chief);
    ck_assert_int_eq(tf->global_id_in_cluster, 1);
    ck_assert_int_eq(tf_config_trainer_place(tf), 1);
    ck_who(tf, "worker/1");
    tf_config_free(tf);

    tf = parse(CLUSTER(PS ", " WORKERS, TASK("ps", 1)));
    ck_assert_int_eq(tf->global_id_in_cluster, 3);
    tf_config_free(tf);
    tf = parse(CLUSTER(PS ", " WORKERS, TASK("evaluator", 0)));
    ck_assert_int_eq(tf->role, ROLE_EVALUATOR);
    tf_config_free(tf);
}
END_TEST

START_TEST(the_evaluator_knows_the_cluster)
{
    struct tf_config *tf = parse(CLUSTER(ALL, TASK("evaluator", 0)));
    cJSON *json = tf_config_to_json(tf);

    ck_assert_int_eq(tf->global_id_in_cluster, -1);
    ck_assert_int_eq(tf->num_worker_replicas, 0);
    ck_assert_str_eq(cluster_address(tf->cluster, ROLE_PS, 0), "h1:2222");
    ck_assert_ptr_null(json_get(json, "cluster_spec")->child);
    ck_assert(cJSON_IsNull(json_get(json, "global_id_in_cluster")));
    ck_assert_int_eq(tf_config_num_trainers(tf), 3);
    cJSON_Delete(json);
    tf_config_free(tf);
}
END_TEST

START_TEST(a_master_is_the_chief)
{
    const char *evaluator = CLUSTER("\"master\": [\"h0:1\"], " PS ", " WORKERS,
                                    TASK("evaluator", 0));
    struct tf_config *tf = parse(
        CLUSTER("\"master\": [\"h0:1\"], " PS ", " WORKERS, TASK("master", 0)));

    ck_assert_int_eq(tf->role, ROLE_CHIEF);
    ck_assert_str_eq(tf->task_type, "master");
    ck_assert_str_eq(tf_config_run_method(tf), "run_master");
    ck_assert_str_eq(cluster_address(tf->cluster, ROLE_CHIEF, 0), "h0:1");
    ck_who(tf, "chief/0");
    tf_config_free(tf);
    tf = parse(evaluator);
    ck_assert_int_eq(tf->role, ROLE_EVALUATOR);
    tf_config_free(tf);
    ck_strict_refuses(evaluator,
                      "If `master` node exists in `cluster`, "
                      "task_type `evaluator` is not supported.");
}
END_TEST

/* Kubeflow with enableDynamicWorker: each ps lists itself alone, each worker
 * itself and all ps. */
START_TEST(kubeflow_dynamic)
{
    const char *ps3 =
        CLUSTER("\"worker\": {}, \"ps\": [\"job-ps-3:2222\"]", TASK("ps", 3));
    const char *worker3 =
        CLUSTER("\"worker\": {\"3\": \"w3:2222\"}, " PS, TASK("worker", 3));
    struct tf_config *tf = parse(ps3);

    ck_assert_int_eq(tf->role, ROLE_PS);
    ck_assert_int_eq(tf->index, 3);
    ck_assert_str_eq(tf->master, "grpc://job-ps-3:2222");
    ck_assert_str_eq(cluster_address(tf->cluster, ROLE_PS, 3), "job-ps-3:2222");
    ck_assert_ptr_null(cluster_address(tf->cluster, ROLE_PS, 0));
    tf_config_free(tf);
    ck_strict_refuses(ps3, NO_CHIEF);

    tf = parse(worker3);
    ck_assert_int_eq(tf->role, ROLE_WORKER);
    ck_assert_int_eq(tf->index, 3);
    ck_assert_int_eq(tf->num_ps_replicas, 2);
    ck_assert_int_eq(tf_config_trainer_place(tf), 3);
    ck_assert_int_eq(tf_config_num_trainers(tf), 4);
    tf_config_free(tf);

    tf = parse(
        CLUSTER("\"worker\": {\"0\": \"w0:2222\"}, " PS, TASK("worker", 0)));
    ck_assert_int_eq(tf->role, ROLE_CHIEF);
    tf_config_free(tf);
}
END_TEST

START_TEST(kubeflow_dynamic_without_peers_is_useless)
{
    struct crew_err err = {0};
    struct tf_config *tf = NULL;

    ck_assert_int_ne(tf_config_parse(CLUSTER("\"worker\": {}, \"ps\": []",
                                             TASK("evaluator", 0)),
                                     false, &tf, &err),
                     CREW_OK);
    ck_assert_str_eq(err.msg, NO_CHIEF);
}
END_TEST

START_TEST(launchers_extras_are_ignored)
{
    struct tf_config *tf = parse(
        "{\"cluster\": {" ALL
        ", \"evaluator\": [\"e:2222\"], "
        "\"tensorboard\": [\"t\"]}, \"task\": {\"type\": \"worker\", "
        "\"index\": 1, \"trial\": \"7\", \"cloud\": \"x\"}, "
        "\"job\": {\"a\": [1]}, \"environment\": \"cloud\", "
        "\"rpc_layer\": \"grpc\", \"model_dir\": \"gs\", \"service\": {}}");

    ck_assert_int_eq(tf->role, ROLE_WORKER);
    ck_assert_str_eq(tf->model_dir, "gs");
    ck_assert_ptr_nonnull(tf->service);
    tf_config_free(tf);
}
END_TEST

START_TEST(model_dirs_must_agree)
{
    static const struct {
        const char *text, *argument, *want, *error;
    } table[] = {
        {"{}", NULL, NULL, NULL},
        {"{}", "/m", "/m", NULL},
        {NULL, "/m", "/m", NULL},
        {"{\"model_dir\": \"/m\"}", NULL, "/m", NULL},
        {"{\"model_dir\": \"/m\"}", "/m", "/m", NULL},
        {"{\"model_dir\": null}", "/m", "/m", NULL},
        {"{}", "", NULL, "model_dir should be non-empty."},
        {"{\"model_dir\": \"/m/\"}", "/m", NULL,
         "`model_dir` provided in RunConfig construct, if set, must have the "
         "same value as the model_dir in TF_CONFIG. model_dir: /m "
         "TF_CONFIG[\"model_dir\"]: /m/."},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct crew_err err = {0};
        struct tf_config *tf = NULL;
        int rc = tf_config_parse_for(table[i].text, table[i].argument, false,
                                     &tf, &err);
        if (table[i].error != NULL) {
            ck_assert_int_ne(rc, CREW_OK);
            ck_assert_str_eq(err.msg, table[i].error);
        } else {
            ck_assert_int_eq(rc, CREW_OK);
            ck_assert_pstr_eq(tf->model_dir, table[i].want);
        }
        tf_config_free(tf);
    }
}
END_TEST

/* ------------------------------------------------------------------- start */

static const struct {
    const char *text, *want; /* NULL: may start */
} starts[] = {
    {NULL, NULL},
    {CLUSTER(ALL, TASK("chief", 0)), NULL},
    {CLUSTER(CHIEF, TASK("chief", 0)), NULL},
    {CLUSTER(CHIEF, TASK("evaluator", 0)), NULL},
    {CLUSTER(CHIEF ", " PS ", \"worker\": [\"h9\", \"grpc://h8\", \"[::1]:1\"]",
             TASK("worker", 0)),
     NULL},
    {CLUSTER(ALL ", \"tensorboard\": [\"no address\", \"h0:2222\"]",
             TASK("chief", 0)),
     NULL},
    {CLUSTER(CHIEF ", " WORKERS, TASK("worker", 0)),
     "TF_CONFIG: a cluster with workers needs at least one \"ps\"; add \"ps\": "
     "[\"host:port\"]"},
    {CLUSTER(ALL, TASK("evaluator", 1)),
     "For distributed training, there can only be one `evaluator` task (with "
     "task id 0).  Given task id 1"},
    {CLUSTER(ALL ", \"other\": [\"x:1\"]", TASK("other", 0)),
     "Task type other is not supported. Supported task types are ['chief', "
     "'evaluator', 'master', 'ps', 'worker']"},
    {CLUSTER(CHIEF ", " PS ", \"worker\": [\"h0:2222\"]", TASK("chief", 0)),
     "TF_CONFIG: the address \"h0:2222\" appears twice: chief[0] and "
     "worker[0]"},
    {CLUSTER(CHIEF ", \"ps\": [\"a:1\", \"A:1\"]", TASK("chief", 0)),
     "TF_CONFIG: the address \"a:1\" appears twice: ps[0] and ps[1]"},
    {CLUSTER(CHIEF ", \"ps\": [\"a\", \"grpc://a:2222\"]", TASK("chief", 0)),
     "TF_CONFIG: the address \"a:2222\" appears twice: ps[0] and ps[1]"},
    {CLUSTER(CHIEF ", \"ps\": [\"a:0\"]", TASK("chief", 0)),
     "TF_CONFIG: ps[0] is \"a:0\": port 0 is no port that others can reach; "
     "give one from 1 to 65535"},
    {CLUSTER(CHIEF ", \"ps\": [\"a:65536\"]", TASK("chief", 0)),
     "TF_CONFIG: ps[0]: Could not interpret \"a:65536\" as a host-port pair. "
     "The port is a number from 1 to 65535."},
    {CLUSTER(CHIEF ", \"ps\": [\"a:http\"]", TASK("chief", 0)),
     "TF_CONFIG: ps[0]: Could not interpret \"a:http\" as a host-port pair. "
     "The port is a number from 1 to 65535."},
    {CLUSTER(CHIEF ", \"ps\": [\"\"]", TASK("chief", 0)),
     "TF_CONFIG: ps[0]: Could not interpret \"\" as a host-port pair. The host "
     "cannot be read."},
    {CLUSTER(CHIEF ", \"ps\": {\"-1\": \"a:1\"}", TASK("chief", 0)),
     "TF_CONFIG: ps[-1]: a task index must not be negative"},
};

START_TEST(start)
{
    struct crew_err err = {0};
    struct tf_config *tf = parse(starts[_i].text);
    int rc = tf_config_check_start(tf, &err);

    if (starts[_i].want == NULL) {
        ck_assert_msg(rc == CREW_OK, "%s: %s",
                      starts[_i].text != NULL ? starts[_i].text : "unset",
                      err.msg);
    } else {
        ck_assert_int_eq(rc, CREW_INVALID_ARGUMENT);
        ck_assert_str_eq(err.msg, starts[_i].want);
        ck_assert_int_eq(crew_err_exit_code(&err), 78);
    }
    tf_config_free(tf);
}
END_TEST

START_TEST(strict_start_wants_a_port)
{
    struct crew_err err = {0};
    struct tf_config *tf = NULL;

    ck_assert_int_eq(
        tf_config_parse(CLUSTER(CHIEF ", \"ps\": [\"a\"]", TASK("chief", 0)),
                        true, &tf, &err),
        CREW_OK);
    ck_assert_int_ne(tf_config_check_addresses(tf, &err), CREW_OK);
    ck_assert_str_eq(err.msg,
                     "TF_CONFIG: ps[0]: Could not interpret \"a\" as a "
                     "host-port pair.");
    tf_config_free(tf);
}
END_TEST

static const struct {
    const char *config, *line;
} logged[] = {
    {"{\"service\": {\"a\": [1, 2.5, null, true, \"it's\"]}}",
     "TF_CONFIG environment variable: {'service': {'a': [1, 2.5, None, True, "
     "\"it's\"]}}"},
    {"[0]", "TF_CONFIG environment variable: [0]"},
    {"\"chief\"", "TF_CONFIG environment variable: chief"},
    {"3", "TF_CONFIG environment variable: 3"},
    {"{\"cluster\": \"x\"}",
     "TF_CONFIG environment variable: {'cluster': 'x'}"},
    {"[1.0, 1, 0.1, 1e3, -2.50, 1e22, 1E-7, 0.0001, 123456789012345678901]",
     "TF_CONFIG environment variable: [1.0, 1, 0.1, 1000.0, -2.5, 1e+22, "
     "1e-07, 0.0001, 123456789012345678901]"},
    {"{\"7\": [\"8, \\\" 9\", 2.0]}",
     "TF_CONFIG environment variable: {'7': ['8, \" 9', 2.0]}"},
    {"{}", NULL},
    {"\"\"", NULL},
    {"0", NULL},
    {"null", NULL},
    {"false", NULL},
    {"{", NULL},
    {NULL, NULL},
};

START_TEST(the_log_line)
{
    char *text = tf_config_log_text(logged[_i].config);

    if (logged[_i].line == NULL) {
        ck_assert_ptr_null(text);
    } else {
        ck_assert_str_eq(text, logged[_i].line);
    }
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tf_config");
    TCase *tc = tcase_create("tf_config");

    tcase_add_loop_test(tc, mistakes, 0, (int)(sizeof wrong / sizeof wrong[0]));
    tcase_add_loop_test(tc, unset_empty_and_blank_are_local, 0, 7);
    tcase_add_test(tc, strict_empty_is_an_error);
    tcase_add_test(tc, the_usual_cluster);
    tcase_add_test(tc, worker_0_is_chief_where_there_is_none);
    tcase_add_test(tc, the_evaluator_knows_the_cluster);
    tcase_add_test(tc, a_master_is_the_chief);
    tcase_add_test(tc, kubeflow_dynamic);
    tcase_add_test(tc, kubeflow_dynamic_without_peers_is_useless);
    tcase_add_test(tc, launchers_extras_are_ignored);
    tcase_add_test(tc, model_dirs_must_agree);
    tcase_add_loop_test(tc, start, 0, (int)(sizeof starts / sizeof starts[0]));
    tcase_add_test(tc, strict_start_wants_a_port);
    tcase_add_test(tc, the_log_line);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
