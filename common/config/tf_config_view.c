/* SPDX-License-Identifier: Apache-2.0
 * What is asked of a TF_CONFIG that has been read: may this process start, who
 * is it, and how it looks as JSON and in the log. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "config/py_text.h"
#include "config/tf_config.h"
#include "base/banned.h"

#define REFUSE(...) crew_err_exit(err, CREW_INVALID_ARGUMENT, 78, __VA_ARGS__)

/* ------------------------------------------------------------------- start */

int tf_config_check_role(const struct tf_config *tf, struct crew_err *err)
{
    if (tf->role == ROLE_OTHER) {
        return REFUSE(
            "Task type %.200s is not supported. Supported task types "
            "are ['chief', 'evaluator', 'master', 'ps', 'worker']",
            tf->task_type);
    }
    if (tf->role == ROLE_EVALUATOR && tf->index > 0) {
        return REFUSE(
            "For distributed training, there can only be one "
            "`evaluator` task (with task id 0).  Given task id "
            "%" PRId64,
            tf->index);
    }
    return CREW_OK;
}

/* An address and who has it. */
struct entry {
    struct address address;
    const char *job;
    int64_t index;
};

static int by_address(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = strcasecmp(x->address.host, y->address.host);

    if (order != 0) {
        return order;
    }
    return (x->address.port > y->address.port) -
           (x->address.port < y->address.port);
}

static int take_apart(const struct tf_config *tf,
                      const struct cluster_job *job,
                      const struct cluster_task *task,
                      struct entry *out,
                      struct crew_err *err)
{
    int rc;

    if (task->index < 0) {
        return REFUSE("TF_CONFIG: %s[%" PRId64
                      "]: a task index must not be "
                      "negative",
                      job->name, task->index);
    }
    rc = address_split(task->address, tf->strict, &out->address, err);
    if (rc != CREW_OK) {
        return crew_err_wrap(err, "TF_CONFIG: %s[%" PRId64 "]", job->name,
                             task->index);
    }
    if (out->address.port == 0) {
        return REFUSE("TF_CONFIG: %s[%" PRId64
                      "] is \"%.200s\": port 0 is no "
                      "port that others can reach; give one from 1 to 65535",
                      job->name, task->index, task->address);
    }
    out->job = job->name;
    out->index = task->index;
    return CREW_OK;
}

static int check_twice(struct entry *entries, size_t n, struct crew_err *err)
{
    char text[300];

    qsort(entries, n, sizeof entries[0], by_address);
    for (size_t i = 1; i < n; i++) {
        const struct entry *a = &entries[i - 1], *b = &entries[i];
        if (by_address(a, b) == 0) {
            return REFUSE(
                "TF_CONFIG: the address \"%s\" appears twice: "
                "%s[%" PRId64 "] and %s[%" PRId64 "]",
                address_text(&a->address, text, sizeof text), a->job, a->index,
                b->job, b->index);
        }
    }
    return CREW_OK;
}

int tf_config_check_addresses(const struct tf_config *tf, struct crew_err *err)
{
    struct entry *entries = NULL;
    size_t total = 0, n = 0;
    int rc = CREW_OK;

    if (tf->cluster == NULL) {
        return CREW_OK;
    }
    for (size_t i = 0; i < tf->cluster->n; i++) {
        total += tf->cluster->jobs[i].n;
    }
    entries = xcalloc(total, sizeof entries[0]);
    for (size_t i = 0; i < tf->cluster->n && rc == CREW_OK; i++) {
        const struct cluster_job *job = &tf->cluster->jobs[i];
        if (role_parse(job->name) == ROLE_OTHER) {
            continue; /* nobody of ours connects there */
        }
        for (size_t k = 0; k < job->n && rc == CREW_OK; k++) {
            rc = take_apart(tf, job, &job->tasks[k], &entries[n++], err);
        }
    }
    if (rc == CREW_OK) {
        rc = check_twice(entries, n, err);
    }
    free(entries);
    return rc;
}

/* Variables need a home: a ps, or the process of a chief that is alone. */
static int check_ps(const struct tf_config *tf, struct crew_err *err)
{
    bool trainer = tf->role == ROLE_CHIEF || tf->role == ROLE_WORKER;

    if (trainer && tf->num_ps_replicas == 0 && tf->num_worker_replicas > 1) {
        return REFUSE(
            "TF_CONFIG: a cluster with workers needs at least one "
            "\"ps\"; add \"ps\": [\"host:port\"]");
    }
    return CREW_OK;
}

int tf_config_check_start(const struct tf_config *tf, struct crew_err *err)
{
    int rc = tf_config_check_role(tf, err);

    if (rc == CREW_OK) {
        rc = check_ps(tf, err);
    }
    return rc == CREW_OK ? tf_config_check_addresses(tf, err) : rc;
}

/* --------------------------------------------------------------------- who */

const char *tf_config_who(const struct tf_config *tf, char *buf, size_t size)
{
    if (tf->role == ROLE_LOCAL) {
        (void)snprintf(buf, size, "local");
    } else {
        (void)snprintf(
            buf, size, "%s/%" PRId64,
            tf->role == ROLE_OTHER ? tf->task_type : role_name(tf->role),
            tf->index);
    }
    return buf;
}

const char *tf_config_run_method(const struct tf_config *tf)
{
    struct crew_err ignored = {0};

    if (tf_config_check_role(tf, &ignored) != CREW_OK) {
        return NULL;
    }
    switch (tf->role) {
        case ROLE_LOCAL:
            return "run_local";
        case ROLE_CHIEF:
            return strcmp(tf->task_type, "master") == 0 ? "run_master"
                                                        : "run_chief";
        case ROLE_WORKER:
            return "run_worker";
        case ROLE_PS:
            return "run_ps";
        default:
            return "run_evaluator";
    }
}

int64_t tf_config_trainer_place(const struct tf_config *tf)
{
    bool has_chief;

    if (tf->role != ROLE_WORKER) {
        return 0;
    }
    has_chief = cluster_chief_job(tf->cluster) != NULL;
    /* Without a chief worker 0 is it, so the workers keep their numbers. */
    return has_chief ? tf->index + 1 : tf->index;
}

bool tf_config_is_only_node(const struct tf_config *tf)
{
    return tf->role == ROLE_CHIEF && tf->cluster != NULL &&
           tf->cluster->n == 1 && tf_config_num_trainers(tf) == 1 &&
           (tf->master == NULL || tf->master[0] == '\0');
}

double tf_config_start_delay(const struct tf_config *tf, double most)
{
    double delay = 5.0 * (double)tf_config_trainer_place(tf);

    return delay < most ? delay : most;
}

int64_t tf_config_num_trainers(const struct tf_config *tf)
{
    int64_t n = 1, least = tf_config_trainer_place(tf) + 1;

    if (tf->cluster != NULL) {
        n = cluster_count(tf->cluster, ROLE_CHIEF) +
            cluster_count(tf->cluster, ROLE_WORKER);
    }
    /* A sparse cluster may list fewer than there are. */
    return n > least ? n : least;
}

/* -------------------------------------------------------------------- JSON */

static cJSON *text_or_null(const char *text)
{
    return text != NULL ? cJSON_CreateString(text) : cJSON_CreateNull();
}

/* A list when the tasks are 0, 1, ..., else an object; empty is {}. */
static cJSON *job_to_json(const struct cluster_job *job)
{
    bool list = job->n > 0 && job->tasks[0].index == 0 &&
                cluster_job_length(job) == (int64_t)job->n;
    cJSON *json = list ? cJSON_CreateArray() : cJSON_CreateObject();
    char key[32];

    for (size_t i = 0; i < job->n; i++) {
        cJSON *address = cJSON_CreateString(job->tasks[i].address);
        if (list) {
            (void)cJSON_AddItemToArray(json, address);
        } else {
            (void)snprintf(key, sizeof key, "%" PRId64, job->tasks[i].index);
            (void)cJSON_AddItemToObject(json, key, address);
        }
    }
    return json;
}

static cJSON *cluster_to_json(const struct tf_config *tf)
{
    cJSON *json = cJSON_CreateObject();

    /* RunConfig empties the evaluator's. */
    if (tf->cluster != NULL && tf->role != ROLE_EVALUATOR) {
        for (size_t i = 0; i < tf->cluster->n; i++) {
            (void)cJSON_AddItemToObject(json, tf->cluster->jobs[i].name,
                                        job_to_json(&tf->cluster->jobs[i]));
        }
    }
    return json;
}

/* Which jobs RunConfig's default session config lets a task talk to. */
static cJSON *device_filters(const struct tf_config *tf)
{
    char own[64];
    const char *const ps_sees[] = {"/job:ps", "/job:worker", "/job:chief",
                                   "/job:master"};
    const char *const trainer_sees[] = {"/job:ps", own};
    enum crew_role role = role_parse(tf->task_type);

    if (tf->cluster == NULL || role == ROLE_EVALUATOR || role == ROLE_OTHER) {
        return cJSON_CreateNull();
    }
    if (role == ROLE_PS) {
        return cJSON_CreateStringArray((const char **)ps_sees, 4);
    }
    (void)snprintf(own, sizeof own, "/job:%s", tf->task_type);
    if (role == ROLE_WORKER) {
        (void)snprintf(own, sizeof own, "/job:worker/task:%" PRId64,
                       tf->task_id);
    }
    return cJSON_CreateStringArray((const char **)trainer_sees, 2);
}

/* The text of that session config. */
static cJSON *session_config(const cJSON *filters)
{
    struct strbuf text;
    const cJSON *filter;
    cJSON *json;

    if (cJSON_IsNull(filters)) {
        return cJSON_CreateNull();
    }
    strbuf_init(&text);
    cJSON_ArrayForEach(filter, filters)
    {
        strbuf_addf(&text, "device_filters: \"%s\"\n", filter->valuestring);
    }
    strbuf_addstr(&text,
                  "allow_soft_placement: true\n"
                  "graph_options {\n"
                  "  rewrite_options {\n"
                  "    meta_optimizer_iterations: ONE\n"
                  "  }\n"
                  "}\n");
    json = cJSON_CreateString(text.data);
    strbuf_release(&text);
    return json;
}

cJSON *tf_config_to_json(const struct tf_config *tf)
{
    cJSON *json = cJSON_CreateObject(), *filters = device_filters(tf);
    cJSON *id = tf->global_id_in_cluster < 0
                    ? cJSON_CreateNull()
                    : cJSON_CreateNumber((double)tf->global_id_in_cluster);
    cJSON *service = tf->service != NULL ? cJSON_Duplicate(tf->service, true)
                                         : cJSON_CreateNull();

    (void)cJSON_AddStringToObject(json, "task_type", tf->task_type);
    (void)cJSON_AddNumberToObject(json, "task_id", (double)tf->task_id);
    (void)cJSON_AddBoolToObject(json, "is_chief", tf->is_chief);
    (void)cJSON_AddItemToObject(json, "master", text_or_null(tf->master));
    (void)cJSON_AddItemToObject(json, "evaluation_master",
                                text_or_null(tf->evaluation_master));
    (void)cJSON_AddNumberToObject(json, "num_ps_replicas",
                                  (double)tf->num_ps_replicas);
    (void)cJSON_AddNumberToObject(json, "num_worker_replicas",
                                  (double)tf->num_worker_replicas);
    (void)cJSON_AddItemToObject(json, "global_id_in_cluster", id);
    (void)cJSON_AddItemToObject(json, "cluster_spec", cluster_to_json(tf));
    (void)cJSON_AddItemToObject(json, "model_dir", text_or_null(tf->model_dir));
    (void)cJSON_AddItemToObject(json, "service", service);
    (void)cJSON_AddTrueToObject(json, "device_fn_is_none");
    (void)cJSON_AddItemToObject(json, "device_filters", filters);
    (void)cJSON_AddItemToObject(json, "session_config",
                                session_config(filters));
    return json;
}

/* What Python takes for true, so that it is logged. */
static bool says_something(const cJSON *json)
{
    return cJSON_IsTrue(json) || json->child != NULL ||
           (cJSON_IsNumber(json) && json->valuedouble != 0) ||
           (cJSON_IsString(json) && json->valuestring[0] != '\0');
}

char *tf_config_log_text(const char *text)
{
    struct crew_err ignored = {0};
    struct strbuf line;
    cJSON *json = NULL;

    if (text == NULL || json_parse(text, strlen(text), "TF_CONFIG", &json,
                                   &ignored) != CREW_OK) {
        return NULL;
    }
    if (!says_something(json)) {
        cJSON_Delete(json);
        return NULL;
    }
    strbuf_init(&line);
    strbuf_addstr(&line, "TF_CONFIG environment variable: ");
    if (cJSON_IsString(json)) {
        strbuf_addstr(&line, json->valuestring);
    } else {
        py_repr_source(&line, json, text);
    }
    cJSON_Delete(json);
    return line.data;
}

char *tf_config_model_dir_text(const struct tf_config *tf)
{
    const cJSON *dir = json_get(tf->json, "model_dir");

    return cJSON_IsString(dir)
               ? xasprintf("Using model_dir in TF_CONFIG: %s", dir->valuestring)
               : NULL;
}
