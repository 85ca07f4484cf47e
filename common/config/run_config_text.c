/* SPDX-License-Identifier: Apache-2.0
 * RunConfig as a line of log. The order of the last fields is Python's: they
 * are set by one function for a process alone and by another for a cluster's.
 */
#include "config/run_config_text.h"

#include <inttypes.h>
#include <string.h>

#include "config/py_text.h"
#include "base/banned.h"

static void add_text(struct strbuf *b, const char *key, const char *text)
{
    strbuf_addf(b, ", '_%s': ", key);
    if (text == NULL) {
        strbuf_addstr(b, "None");
    } else {
        py_repr_text(b, text);
    }
}

/* A number that is None when it is below `least`. */
static void add_number(struct strbuf *b,
                       const char *key,
                       double value,
                       double least)
{
    if (value < least) {
        strbuf_addf(b, ", '_%s': None", key);
    } else {
        strbuf_addf(b, ", '_%s': %.15g", key, value);
    }
}

static void add_bool(struct strbuf *b, const char *key, bool value)
{
    strbuf_addf(b, ", '_%s': %s", key, value ? "True" : "False");
}

static void add_filters(struct strbuf *b, const char *filters)
{
    while (*filters != '\0') {
        size_t n;

        filters += strspn(filters, ", ");
        n = strcspn(filters, ", ");
        if (n > 0) {
            strbuf_addf(b, "device_filters: \"%.*s\" ", (int)n, filters);
        }
        filters += n;
    }
}

static void add_setting(struct strbuf *b, const char *name, int64_t value)
{
    if (value > 0) {
        strbuf_addf(b, "%s: %" PRId64 " ", name, value);
    }
}

/* One that was given, as a ConfigProto is printed: by field number. False:
 * none was. */
static bool add_given(struct strbuf *b, const struct crew_session_config *c)
{
    size_t before = b->len;

    add_setting(b, "intra_op_parallelism_threads",
                c->intra_op_parallelism_threads);
    if (c->device_filters != NULL) {
        add_filters(b, c->device_filters);
    }
    add_setting(b, "inter_op_parallelism_threads",
                c->inter_op_parallelism_threads);
    add_setting(b, "operation_timeout_in_ms", c->operation_timeout_in_ms);
    return b->len > before;
}

/* Whom a task sees: TensorFlow's default session_config. */
static void add_session_config(struct strbuf *b,
                               const struct crew_session_config *given,
                               const struct tf_config *tf)
{
    strbuf_addstr(b, ", '_session_config': ");
    if (add_given(b, given)) {
        return;
    }
    if (tf != NULL && tf->role != ROLE_EVALUATOR) {
        strbuf_addstr(b, "device_filters: \"/job:ps\" ");
        if (tf->role == ROLE_WORKER) {
            strbuf_addf(b, "device_filters: \"/job:worker/task:%" PRId64 "\" ",
                        tf->task_id);
        } else if (tf->role == ROLE_PS) {
            strbuf_addstr(b,
                          "device_filters: \"/job:worker\" device_filters: "
                          "\"/job:chief\" device_filters: \"/job:master\" ");
        } else {
            strbuf_addf(b, "device_filters: \"/job:%s\" ", tf->task_type);
        }
    }
    strbuf_addstr(b,
                  "allow_soft_placement: true graph_options { rewrite_options "
                  "{ meta_optimizer_iterations: ONE } } ");
}

/* The job whose name comes next after `after`; NULL: no more. */
static const cJSON *next_job(const cJSON *cluster, const char *after)
{
    const cJSON *next = NULL;
    const cJSON *job;

    cJSON_ArrayForEach(job, cluster)
    {
        if ((after == NULL || strcmp(job->string, after) > 0) &&
            (next == NULL || strcmp(job->string, next->string) < 0)) {
            next = job;
        }
    }
    return next;
}

static void add_cluster(struct strbuf *b, const struct tf_config *tf)
{
    const cJSON *cluster =
        tf != NULL && tf->role != ROLE_EVALUATOR && tf->json != NULL
            ? json_get(tf->json, "cluster")
            : NULL;

    strbuf_addstr(b, ", '_service': ");
    if (tf != NULL && tf->service != NULL) {
        py_repr(b, tf->service);
    } else {
        strbuf_addstr(b, "None");
    }
    strbuf_addstr(b, ", '_cluster_spec': ClusterSpec({");
    for (const cJSON *job = next_job(cluster, NULL); job != NULL;
         job = next_job(cluster, job->string)) {
        strbuf_addstr(b, b->data[b->len - 1] == '{' ? "" : ", ");
        py_repr_text(b, job->string);
        strbuf_addstr(b, ": ");
        py_repr(b, job);
    }
    strbuf_addstr(b, "})");
}

static void add_alone(struct strbuf *b)
{
    add_text(b, "task_type", "worker");
    add_number(b, "task_id", 0, 0);
    add_number(b, "global_id_in_cluster", 0, 0);
    add_text(b, "master", "");
    add_text(b, "evaluation_master", "");
    add_bool(b, "is_chief", true);
    add_number(b, "num_ps_replicas", 0, 0);
    add_number(b, "num_worker_replicas", 1, 0);
}

static void add_task(struct strbuf *b, const struct tf_config *tf)
{
    add_text(b, "task_type", tf->task_type);
    add_number(b, "task_id", (double)tf->task_id, 0);
    add_text(b, "evaluation_master",
             tf->evaluation_master != NULL ? tf->evaluation_master : "");
    add_text(b, "master", tf->master != NULL ? tf->master : "");
    add_number(b, "num_ps_replicas", (double)tf->num_ps_replicas, 0);
    add_number(b, "num_worker_replicas", (double)tf->num_worker_replicas, 0);
    add_number(b, "global_id_in_cluster", (double)tf->global_id_in_cluster, 0);
    add_bool(b, "is_chief", tf->is_chief);
}

char *run_config_log_text(const struct crew_run_config *rc,
                          const struct tf_config *tf,
                          const char *model_dir)
{
    struct strbuf b;

    strbuf_init(&b);
    strbuf_addstr(&b, "Using config: {'_model_dir': ");
    py_repr_text(&b, model_dir);
    add_number(&b, "tf_random_seed", (double)rc->tf_random_seed, 0);
    add_number(&b, "save_summary_steps", (double)rc->save_summary_steps, 0);
    add_number(&b, "save_checkpoints_steps", (double)rc->save_checkpoints_steps,
               0);
    add_number(&b, "save_checkpoints_secs", rc->save_checkpoints_secs, 0);
    add_session_config(&b, &rc->session_config, tf);
    add_number(&b, "keep_checkpoint_max", (double)rc->keep_checkpoint_max, 0);
    add_number(&b, "keep_checkpoint_every_n_hours",
               rc->keep_checkpoint_every_n_hours, 0);
    add_number(&b, "log_step_count_steps", (double)rc->log_step_count_steps, 1);
    add_text(&b, "train_distribute", NULL);
    add_text(&b, "device_fn", NULL);
    add_text(&b, "protocol", rc->protocol);
    add_text(&b, "eval_distribute", NULL);
    add_text(&b, "experimental_distribute", NULL);
    if (rc->experimental_max_worker_delay_secs == 60) {
        add_text(&b, "experimental_max_worker_delay_secs", NULL);
    } else {
        add_number(&b, "experimental_max_worker_delay_secs",
                   rc->experimental_max_worker_delay_secs, 0);
    }
    add_number(&b, "session_creation_timeout_secs",
               rc->session_creation_timeout_secs, 0);
    add_bool(&b, "checkpoint_save_graph_def",
             rc->checkpoint_save_graph_def != 0);
    add_cluster(&b, tf);
    if (tf == NULL) {
        add_alone(&b);
    } else {
        add_task(&b, tf);
    }
    strbuf_addstr(&b, "}");
    return strbuf_detach(&b);
}

char *run_config_no_effect_text(const struct crew_run_config *rc)
{
    const struct crew_session_config *c = &rc->session_config;
    struct strbuf b;

    strbuf_init(&b);
    if (c->intra_op_parallelism_threads > 1 ||
        c->inter_op_parallelism_threads > 1) {
        strbuf_addstr(&b,
                      "threads of session_config have no effect: a process "
                      "computes on one thread, more cores are used by more "
                      "workers; ");
    }
    if (rc->protocol != NULL && strcmp(rc->protocol, "grpc") != 0) {
        strbuf_addf(&b, "protocol %s has no effect: there is one; ",
                    rc->protocol);
    }
    if (b.len == 0) {
        strbuf_release(&b);
        return NULL;
    }
    b.data[b.len - 2] = '\0';
    return strbuf_detach(&b);
}
