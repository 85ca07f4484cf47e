/* SPDX-License-Identifier: Apache-2.0
 * Jobs and tasks of TF_CONFIG's "cluster"; see cluster.h. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/cluster.h"
#include "config/py_text.h"
#include "base/banned.h"

static const char *const role_names[] = {
    [ROLE_LOCAL] = "local",         [ROLE_CHIEF] = "chief",
    [ROLE_WORKER] = "worker",       [ROLE_PS] = "ps",
    [ROLE_EVALUATOR] = "evaluator",
};

const char *role_name(enum crew_role role)
{
    return (int)role >= 0 && role <= ROLE_EVALUATOR ? role_names[role]
                                                    : "other";
}

enum crew_role role_parse(const char *name)
{
    if (strcmp(name, "master") == 0) {
        return ROLE_CHIEF;
    }
    for (int i = ROLE_CHIEF; i <= ROLE_EVALUATOR; i++) {
        if (strcmp(name, role_names[i]) == 0) {
            return (enum crew_role)i;
        }
    }
    return ROLE_OTHER;
}

static int by_name(const void *a, const void *b)
{
    const struct cluster_job *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static int by_index(const void *a, const void *b)
{
    const struct cluster_task *x = a, *y = b;

    return (x->index > y->index) - (x->index < y->index);
}

/* "The tasks for job ..." in TF's words, or ours for what Python trips over. */
static int wrong_job(struct crew_err *err, const char *name)
{
    struct strbuf text;
    int rc;

    strbuf_init(&text);
    py_repr_text(&text, name);
    rc = crew_err_exit(err, CREW_INVALID_ARGUMENT, 78,
                       "The tasks for job %.200s must be a list or a "
                       "dictionary from integers to strings.",
                       text.data);
    strbuf_release(&text);
    return rc;
}

static int wrong_address(struct crew_err *err, const cJSON *address)
{
    struct strbuf text;
    int rc;

    strbuf_init(&text);
    py_str(&text, address);
    rc = crew_err_exit(err, CREW_INVALID_ARGUMENT, 78,
                       "Task address %.200s must be bytes or unicode",
                       text.data);
    strbuf_release(&text);
    return rc;
}

static int read_job(const cJSON *json,
                    struct cluster_job *job,
                    struct crew_err *err)
{
    const cJSON *task;
    int64_t index = 0;

    job->sparse = cJSON_IsObject(json);
    if (!job->sparse && !cJSON_IsArray(json)) {
        return wrong_job(err, job->name);
    }
    job->tasks =
        xcalloc((size_t)cJSON_GetArraySize(json), sizeof job->tasks[0]);
    cJSON_ArrayForEach(task, json)
    {
        if (job->sparse && !py_int_text(task->string, &index)) {
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 78,
                                 "TF_CONFIG: \"%.100s\" in job \"%.100s\" is "
                                 "no task index; write a number",
                                 task->string, job->name);
        }
        if (!cJSON_IsString(task)) {
            return wrong_address(err, task);
        }
        job->tasks[job->n++] =
            (struct cluster_task){index, xstrdup(task->valuestring)};
        index++;
    }
    qsort(job->tasks, job->n, sizeof job->tasks[0], by_index);
    for (size_t i = 1; i < job->n; i++) {
        if (job->tasks[i].index == job->tasks[i - 1].index) {
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 78,
                                 "TF_CONFIG: job \"%.100s\" lists task %lld "
                                 "twice",
                                 job->name, (long long)job->tasks[i].index);
        }
    }
    return CREW_OK;
}

int cluster_new(const cJSON *json, struct cluster **out, struct crew_err *err)
{
    struct cluster *c;
    const cJSON *job;
    int rc = CREW_OK;

    if (!cJSON_IsObject(json)) {
        return crew_err_exit(
            err, CREW_INVALID_ARGUMENT, 78,
            "`cluster` must be a dictionary mapping one or more job names to "
            "lists of network addresses, or a `ClusterDef` protocol buffer");
    }
    c = xcalloc(1, sizeof *c);
    c->jobs = xcalloc((size_t)cJSON_GetArraySize(json), sizeof c->jobs[0]);
    cJSON_ArrayForEach(job, json)
    {
        c->jobs[c->n].name = xstrdup(job->string);
        rc = read_job(job, &c->jobs[c->n++], err);
        if (rc != CREW_OK) {
            cluster_free(c);
            return rc;
        }
    }
    qsort(c->jobs, c->n, sizeof c->jobs[0], by_name);
    *out = c;
    return CREW_OK;
}

void cluster_free(struct cluster *c)
{
    if (c == NULL) {
        return;
    }
    for (size_t i = 0; i < c->n; i++) {
        for (size_t k = 0; k < c->jobs[i].n; k++) {
            free(c->jobs[i].tasks[k].address);
        }
        free(c->jobs[i].tasks);
        free(c->jobs[i].name);
    }
    free(c->jobs);
    free(c);
}

const struct cluster_job *cluster_job(const struct cluster *c, const char *name)
{
    for (size_t i = 0; i < c->n; i++) {
        if (strcmp(c->jobs[i].name, name) == 0) {
            return &c->jobs[i];
        }
    }
    return NULL;
}

const struct cluster_task *cluster_job_task(const struct cluster_job *job,
                                            int64_t index)
{
    for (size_t i = 0; job != NULL && i < job->n; i++) {
        if (job->tasks[i].index == index) {
            return &job->tasks[i];
        }
    }
    return NULL;
}

int64_t cluster_job_length(const struct cluster_job *job)
{
    return job == NULL || job->n == 0 ? 0 : job->tasks[job->n - 1].index + 1;
}

const struct cluster_job *cluster_chief_job(const struct cluster *c)
{
    const struct cluster_job *job = cluster_job(c, "chief");

    return job != NULL ? job : cluster_job(c, "master");
}

/* Worker 0 where it has to be the chief, else NULL. */
static const struct cluster_task *promoted(const struct cluster *c)
{
    return cluster_chief_job(c) != NULL
               ? NULL
               : cluster_job_task(cluster_job(c, "worker"), 0);
}

const char *cluster_address(const struct cluster *c,
                            enum crew_role role,
                            int64_t index)
{
    const struct cluster_task *task = NULL;

    if (role == ROLE_CHIEF) {
        task = cluster_job_task(cluster_chief_job(c), index);
        if (task == NULL && index == 0) {
            task = promoted(c);
        }
    } else if (role == ROLE_WORKER || role == ROLE_PS ||
               role == ROLE_EVALUATOR) {
        task = cluster_job_task(cluster_job(c, role_name(role)), index);
        if (role == ROLE_WORKER && task == promoted(c)) {
            task = NULL;
        }
    }
    return task != NULL ? task->address : NULL;
}

int64_t cluster_count(const struct cluster *c, enum crew_role role)
{
    const struct cluster_job *job;

    if (role == ROLE_CHIEF) {
        job = cluster_chief_job(c);
        return (job != NULL ? (int64_t)job->n : 0) + (promoted(c) != NULL);
    }
    job = cluster_job(c, role_name(role));
    return (job != NULL ? (int64_t)job->n : 0) -
           (role == ROLE_WORKER && promoted(c) != NULL);
}
