/* SPDX-License-Identifier: Apache-2.0
 *
 * TF_CONFIG read as RunConfig reads it; see tf_config.h.
 *
 * The order of the checks is TensorFlow's, so that of several mistakes the same
 * one is reported: model_dir, service, cluster, chief, task type, task index,
 * membership, own address. Sources: tensorflow_estimator's run_config.py,
 * tensorflow's server_lib.py. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/py_text.h"
#include "config/tf_config.h"
#include "base/banned.h"

#define REFUSE(...) crew_err_exit(err, CREW_INVALID_ARGUMENT, 78, __VA_ARGS__)

/* ------------------------------------------------------------ small pieces */

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n\v\f")] == '\0';
}

/* A member that is a string or absent. None (null) gives NULL. */
static int read_text(const cJSON *json,
                     const char *key,
                     const char *fallback,
                     char **out,
                     struct crew_err *err)
{
    const cJSON *item = json != NULL ? json_get(json, key) : NULL;

    if (item != NULL && !cJSON_IsString(item) && !cJSON_IsNull(item)) {
        return REFUSE("\"%s\" in TF_CONFIG must be a string, not %s", key,
                      json_type_name(item));
    }
    if (item != NULL) {
        fallback = cJSON_IsString(item) ? item->valuestring : NULL;
    }
    *out = fallback != NULL ? xstrdup(fallback) : NULL;
    return CREW_OK;
}

static int read_model_dir(struct tf_config *tf,
                          const char *argument,
                          struct crew_err *err)
{
    char *dir = NULL;
    int rc;

    if (argument != NULL && argument[0] == '\0') {
        return REFUSE("model_dir should be non-empty.");
    }
    rc = read_text(tf->json, "model_dir", NULL, &dir, err);
    if (rc != CREW_OK) {
        return rc;
    }
    tf->model_dir = dir;
    if (dir != NULL && dir[0] == '\0') {
        return REFUSE("model_dir in TF_CONFIG should be non-empty.");
    }
    if (dir != NULL && argument != NULL && strcmp(dir, argument) != 0) {
        return REFUSE(TF_CONFIG_MODEL_DIR_DIFFERS, argument, dir);
    }
    if (dir == NULL && argument != NULL) {
        tf->model_dir = xstrdup(argument);
    }
    return CREW_OK;
}

static int read_service(struct tf_config *tf, struct crew_err *err)
{
    const cJSON *service = json_get(tf->json, "service");

    if (service == NULL || cJSON_IsNull(service)) {
        return CREW_OK;
    }
    if (!cJSON_IsObject(service)) {
        return REFUSE(
            "If \"service\" is set in TF_CONFIG, it must be a dict. "
            "Given %s",
            py_class(service));
    }
    tf->service = cJSON_Duplicate(service, true);
    return CREW_OK;
}

/* What Python takes for false. */
static bool is_falsy(const cJSON *item)
{
    return item == NULL || cJSON_IsNull(item) || cJSON_IsFalse(item) ||
           (cJSON_IsNumber(item) && item->valuedouble == 0) ||
           (cJSON_IsString(item) && item->valuestring[0] == '\0') ||
           ((cJSON_IsObject(item) || cJSON_IsArray(item)) &&
            item->child == NULL);
}

/* "task", which may be absent (NULL then). */
static int read_task(const struct tf_config *tf,
                     const cJSON **task,
                     struct crew_err *err)
{
    *task = json_get(tf->json, "task");
    if (*task != NULL && !cJSON_IsObject(*task)) {
        return REFUSE(
            "\"task\" in TF_CONFIG must be an object with \"type\" "
            "and \"index\", not %s",
            json_type_name(*task));
    }
    return CREW_OK;
}

static int read_index(const cJSON *item, int64_t *index, struct crew_err *err)
{
    struct strbuf text;
    int rc;

    if (py_int(item, index)) {
        return CREW_OK;
    }
    strbuf_init(&text);
    py_repr(&text, item);
    rc = REFUSE("task index in TF_CONFIG must be an integer, not %.200s",
                text.data);
    strbuf_release(&text);
    return rc;
}

/* -------------------------------------------------------------- local mode */

static int read_local(struct tf_config *tf, struct crew_err *err)
{
    const cJSON *task = NULL, *type, *index;
    int rc = read_task(tf, &task, err);

    if (rc != CREW_OK) {
        return rc;
    }
    type = task != NULL ? json_get(task, "type") : NULL;
    index = task != NULL ? json_get(task, "index") : NULL;
    if (index != NULL) {
        rc = read_index(index, &tf->task_id, err);
        if (rc != CREW_OK) {
            return rc;
        }
    }
    if (type != NULL &&
        (!cJSON_IsString(type) || strcmp(type->valuestring, "worker") != 0)) {
        return REFUSE(
            "If \"cluster\" is not set in TF_CONFIG, task type must "
            "be WORKER.");
    }
    if (tf->task_id != 0) {
        return REFUSE(
            "If \"cluster\" is not set in TF_CONFIG, task index must "
            "be 0.");
    }
    tf->role = ROLE_LOCAL;
    tf->task_type = xstrdup("worker");
    tf->is_chief = true;
    tf->num_worker_replicas = 1;
    rc = read_text(tf->json, "session_master", "", &tf->master, err);
    if (rc == CREW_OK) {
        rc = read_text(tf->json, "eval_session_master", "",
                       &tf->evaluation_master, err);
    }
    return rc;
}

/* ------------------------------------------------------------ cluster mode */

/* What is looked at while a task finds its place in the cluster. */
struct placing {
    struct tf_config *tf;
    const struct cluster_job *chief; /* "chief" or "master"; NULL: none */
    bool sparse_ps; /* Kubeflow's dynamic form: knows its own address only */
};

static bool has_job(const struct tf_config *tf, const char *name)
{
    return cluster_job(tf->cluster, name) != NULL;
}

/* Whether the cluster can do without a chief: worker 0 is it. A ps of the
 * dynamic form sees no worker, only that there is such a job. */
static bool may_lack_chief(const struct tf_config *tf)
{
    const struct cluster_job *worker = cluster_job(tf->cluster, "worker");
    const cJSON *task = json_get(tf->json, "task");
    const cJSON *type = cJSON_IsObject(task) ? json_get(task, "type") : NULL;

    if (tf->strict || worker == NULL) {
        return false;
    }
    return worker->n > 0 ||
           (worker->sparse && type != NULL && cJSON_IsString(type) &&
            strcmp(type->valuestring, "ps") == 0);
}

static int check_chief(struct placing *p, struct crew_err *err)
{
    const struct tf_config *tf = p->tf;
    const char *name = has_job(tf, "master") ? "master" : "chief";

    if (has_job(tf, "master") && has_job(tf, "chief")) {
        return REFUSE(
            "If `master` node exists in `cluster`, job `chief` is "
            "not supported.");
    }
    p->chief = cluster_job(tf->cluster, name);
    if (p->chief == NULL) {
        if (may_lack_chief(tf)) {
            return CREW_OK;
        }
        return REFUSE(
            "If \"cluster\" is set in TF_CONFIG, it must have one "
            "\"%s\" node.",
            name);
    }
    if (p->chief->n == 0) {
        return REFUSE(
            "The \"cluster\" in TF_CONFIG has a \"%s\" job without a "
            "task; list one address",
            name);
    }
    if (cluster_job_length(p->chief) > 1) {
        return REFUSE(
            "The \"cluster\" in TF_CONFIG must have only one \"%s\" "
            "node.",
            name);
    }
    return CREW_OK;
}

/* ClusterSpec({'chief': ['a:1'], 'ps': {1: 'b:2'}}) as Python prints it. */
static void add_cluster_text(struct strbuf *b, const struct cluster *c)
{
    strbuf_addstr(b, "ClusterSpec({");
    for (size_t i = 0; i < c->n; i++) {
        const struct cluster_job *job = &c->jobs[i];
        bool list = job->n > 0 && cluster_job_length(job) == (int64_t)job->n &&
                    job->tasks[0].index == 0;
        strbuf_addstr(b, i > 0 ? ", " : "");
        py_repr_text(b, job->name);
        strbuf_addstr(b, list ? ": [" : ": {");
        for (size_t k = 0; k < job->n; k++) {
            strbuf_addstr(b, k > 0 ? ", " : "");
            if (!list) {
                strbuf_addf(b, "%" PRId64 ": ", job->tasks[k].index);
            }
            py_repr_text(b, job->tasks[k].address);
        }
        strbuf_addstr(b, list ? "]" : "}");
    }
    strbuf_addstr(b, "})");
}

/* TF's sentence about a task that is not in the cluster, on one line. */
static int not_in_cluster(const struct tf_config *tf,
                          const char *what,
                          struct crew_err *err)
{
    struct strbuf text;
    int rc;

    strbuf_init(&text);
    add_cluster_text(&text, tf->cluster);
    rc = REFUSE(
        "%s in the cluster_spec: %s Note that these values may be "
        "coming from the TF_CONFIG environment variable.",
        what, text.data);
    strbuf_release(&text);
    return rc;
}

/* A ps of Kubeflow's dynamic form lists its own address alone. */
static bool is_sparse_ps(const struct tf_config *tf)
{
    const struct cluster_job *ps = cluster_job(tf->cluster, "ps");
    const struct cluster_job *worker = cluster_job(tf->cluster, "worker");

    return !tf->strict && strcmp(tf->task_type, "ps") == 0 && ps != NULL &&
           ps->n == 1 && ps->tasks[0].index == 0 && worker != NULL &&
           worker->sparse;
}

static int check_membership(struct placing *p,
                            const cJSON *type,
                            struct crew_err *err)
{
    struct tf_config *tf = p->tf;
    const struct cluster_job *job =
        cJSON_IsString(type) ? cluster_job(tf->cluster, tf->task_type) : NULL;
    char what[300];

    if (job == NULL) {
        (void)snprintf(what, sizeof what, "%.200s is not a valid task_type",
                       tf->task_type);
        return not_in_cluster(tf, what, err);
    }
    p->sparse_ps = is_sparse_ps(tf);
    if (tf->task_id >= cluster_job_length(job) && !p->sparse_ps) {
        (void)snprintf(what, sizeof what,
                       "%" PRId64
                       " is not a valid task_id for task_type %.200s",
                       tf->task_id, tf->task_type);
        return not_in_cluster(tf, what, err);
    }
    return CREW_OK;
}

static int read_place(struct placing *p, struct crew_err *err)
{
    struct tf_config *tf = p->tf;
    const cJSON *task = NULL, *type, *index;
    struct strbuf name;
    int rc = read_task(tf, &task, err);

    if (rc != CREW_OK) {
        return rc;
    }
    type = task != NULL ? json_get(task, "type") : NULL;
    index = task != NULL ? json_get(task, "index") : NULL;
    if (is_falsy(type)) {
        return REFUSE(
            "If \"cluster\" is set in TF_CONFIG, task type must be "
            "set.");
    }
    if (index == NULL || cJSON_IsNull(index)) {
        return REFUSE(
            "If \"cluster\" is set in TF_CONFIG, task index must be "
            "set.");
    }
    rc = read_index(index, &tf->task_id, err);
    if (rc != CREW_OK) {
        return rc;
    }
    if (tf->task_id < 0) {
        return REFUSE("Task index must be non-negative number.");
    }
    strbuf_init(&name);
    py_str(&name, type);
    tf->task_type = name.data;
    if (strcmp(tf->task_type, "evaluator") == 0) {
        return CREW_OK;
    }
    return check_membership(p, type, err);
}

/* Give the one address that a ps of the dynamic form lists its own index, and
 * let the job be one with holes. */
static void settle_sparse_ps(struct tf_config *tf)
{
    for (size_t i = 0; i < tf->cluster->n; i++) {
        struct cluster_job *job = &tf->cluster->jobs[i];
        if (strcmp(job->name, "ps") == 0) {
            job->tasks[0].index = tf->task_id;
            job->sparse = true;
        }
    }
}

static int find_master(struct tf_config *tf, struct crew_err *err)
{
    const struct cluster *c = tf->cluster;
    const struct cluster_task *own;

    if (json_get(tf->json, "session_master") != NULL) {
        return read_text(tf->json, "session_master", "", &tf->master, err);
    }
    if (c->n == 1 && cluster_job_length(&c->jobs[0]) == 1) {
        tf->master = xstrdup("");
        return CREW_OK;
    }
    own = cluster_job_task(cluster_job(c, tf->task_type), tf->task_id);
    if (own == NULL) {
        return REFUSE("task %" PRId64
                      " is not defined: the cluster in "
                      "TF_CONFIG lists other tasks of job \"%.200s\"",
                      tf->task_id, tf->task_type);
    }
    tf->master = xasprintf("grpc://%s", own->address);
    return CREW_OK;
}

/* Add the job's length to *next, unless it is ours: then *found. */
static int count_job(const struct tf_config *tf,
                     const struct cluster_job *job,
                     int64_t *next,
                     bool *found,
                     struct crew_err *err)
{
    if (job == NULL || *found) {
        return CREW_OK;
    }
    if (strcmp(job->name, tf->task_type) == 0) {
        *found = true;
        return CREW_OK;
    }
    if (tf->strict && job->n == 0) {
        return REFUSE(
            "The \"cluster\" in TF_CONFIG has a job \"%.200s\" "
            "without a task; leave it out",
            job->name);
    }
    *next += cluster_job_length(job);
    return CREW_OK;
}

/* The chief is 0, then come the jobs by name, the ps last. */
static int find_global_id(struct placing *p, struct crew_err *err)
{
    struct tf_config *tf = p->tf;
    const struct cluster_job *ps = cluster_job(tf->cluster, "ps");
    const struct cluster_job *first =
        p->chief != NULL ? p->chief : cluster_job(tf->cluster, "worker");
    int64_t next = 0;
    bool found = false;
    int rc = count_job(tf, first, &next, &found, err);

    for (size_t i = 0; i < tf->cluster->n && rc == CREW_OK; i++) {
        const struct cluster_job *job = &tf->cluster->jobs[i];
        if (job != first && job != ps) {
            rc = count_job(tf, job, &next, &found, err);
        }
    }
    if (rc == CREW_OK) {
        rc = count_job(tf, ps, &next, &found, err);
    }
    tf->global_id_in_cluster = next + tf->task_id;
    return rc;
}

static int derive_member(struct placing *p, struct crew_err *err)
{
    struct tf_config *tf = p->tf;
    const struct cluster_job *ps = cluster_job(tf->cluster, "ps");
    const struct cluster_job *worker = cluster_job(tf->cluster, "worker");
    bool promoted = p->chief == NULL && tf->task_id == 0 &&
                    strcmp(tf->task_type, "worker") == 0;
    int rc;

    if (p->sparse_ps) {
        settle_sparse_ps(tf);
    }
    tf->num_ps_replicas = ps != NULL ? (int64_t)ps->n : 0;
    tf->num_worker_replicas = (worker != NULL ? (int64_t)worker->n : 0) +
                              (p->chief != NULL ? (int64_t)p->chief->n : 0);
    tf->is_chief = promoted || (p->chief != NULL &&
                                strcmp(tf->task_type, p->chief->name) == 0);
    tf->role = promoted ? ROLE_CHIEF : role_parse(tf->task_type);
    tf->index = tf->task_id;
    tf->evaluation_master = xstrdup("");
    rc = find_master(tf, err);
    if (rc == CREW_OK) {
        rc = find_global_id(p, err);
    }
    return rc;
}

static int derive_evaluator(struct placing *p, struct crew_err *err)
{
    struct tf_config *tf = p->tf;

    if (tf->strict && p->chief != NULL &&
        strcmp(p->chief->name, "master") == 0) {
        return REFUSE(
            "If `master` node exists in `cluster`, task_type "
            "`evaluator` is not supported.");
    }
    tf->role = ROLE_EVALUATOR;
    tf->index = tf->task_id;
    tf->global_id_in_cluster = -1;
    tf->master = xstrdup("");
    return read_text(tf->json, "eval_session_master", "",
                     &tf->evaluation_master, err);
}

static int read_cluster(struct tf_config *tf, struct crew_err *err)
{
    struct placing p = {.tf = tf};
    int rc = check_chief(&p, err);

    if (rc == CREW_OK) {
        rc = read_place(&p, err);
    }
    if (rc != CREW_OK) {
        return rc;
    }
    return strcmp(tf->task_type, "evaluator") == 0 ? derive_evaluator(&p, err)
                                                   : derive_member(&p, err);
}

/* ------------------------------------------------------------------- whole */

static int read_json(struct tf_config *tf,
                     const char *model_dir,
                     struct crew_err *err)
{
    const cJSON *cluster = json_get(tf->json, "cluster");
    int rc;

    if (!cJSON_IsObject(tf->json)) {
        return REFUSE(
            "TF_CONFIG must be a JSON object like {\"cluster\": {}, "
            "\"task\": {}}, not %s",
            json_type_name(tf->json));
    }
    rc = read_model_dir(tf, model_dir, err);
    if (rc == CREW_OK) {
        rc = read_service(tf, err);
    }
    if (rc == CREW_OK && cluster != NULL) {
        rc = cluster_new(cluster, &tf->cluster, err);
    }
    if (rc == CREW_OK && tf->cluster != NULL && tf->cluster->n == 0) {
        cluster_free(tf->cluster);
        tf->cluster = NULL;
    }
    if (rc != CREW_OK) {
        return rc;
    }
    return tf->cluster != NULL ? read_cluster(tf, err) : read_local(tf, err);
}

int tf_config_parse_for(const char *text,
                        const char *model_dir,
                        bool strict,
                        struct tf_config **out,
                        struct crew_err *err)
{
    struct tf_config *tf;
    cJSON *json = NULL;
    int rc;

    if (text == NULL || (!strict && is_blank(text))) {
        text = "{}";
    }
    rc = json_parse(text, strlen(text), "TF_CONFIG", &json, err);
    if (rc != CREW_OK) {
        return rc;
    }
    tf = xcalloc(1, sizeof *tf);
    tf->strict = strict;
    tf->json = json;
    rc = read_json(tf, model_dir, err);
    if (rc != CREW_OK) {
        tf_config_free(tf);
        return rc;
    }
    *out = tf;
    return CREW_OK;
}

int tf_config_parse(const char *text,
                    bool strict,
                    struct tf_config **out,
                    struct crew_err *err)
{
    return tf_config_parse_for(text, NULL, strict, out, err);
}

void tf_config_free(struct tf_config *tf)
{
    if (tf == NULL) {
        return;
    }
    cluster_free(tf->cluster);
    free(tf->task_type);
    free(tf->master);
    free(tf->evaluation_master);
    free(tf->model_dir);
    cJSON_Delete(tf->service);
    cJSON_Delete(tf->json);
    free(tf);
}
