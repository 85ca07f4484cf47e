/* SPDX-License-Identifier: Apache-2.0
 *
 * TF_CONFIG: who this process is and who the others are.
 *
 * The text is read as tf.estimator.RunConfig reads it, with TensorFlow's
 * sentences. `strict` is its letter; without it, as launchers need,
 *   - an empty or blank text is the same as none,
 *   - without a chief or master, worker 0 is the chief,
 *   - an evaluator may stand beside a master,
 *   - a ps of Kubeflow's dynamic form, which lists its own address only, may
 *     have any index,
 *   - an address may leave out its port (2222).
 * Addresses are looked at by tf_config_check_addresses, when a process starts.
 * All errors are INVALID_ARGUMENT with exit code 78. */
#ifndef CONFIG_TF_CONFIG_H
#define CONFIG_TF_CONFIG_H

#include "config/cluster.h"

/* TensorFlow's sentence on two model_dirs: RunConfig's and TF_CONFIG's. */
#define TF_CONFIG_MODEL_DIR_DIFFERS                            \
    "`model_dir` provided in RunConfig construct, if set, "    \
    "must have the same value as the model_dir in TF_CONFIG. " \
    "model_dir: %.250s TF_CONFIG[\"model_dir\"]: %.250s."

struct tf_config {
    enum crew_role role; /* a master is ROLE_CHIEF */
    int64_t index;       /* of the role: 0 for a chief */
    bool strict;
    struct cluster *cluster; /* as given, for the evaluator too; NULL: local */

    /* RunConfig's properties by their names. */
    char *task_type; /* as given: "master", or "worker" of a promoted worker */
    int64_t task_id; /* as given */
    bool is_chief;
    int64_t num_ps_replicas;
    int64_t num_worker_replicas; /* chief and workers; 0 for the evaluator */
    CREW_NULLABLE char *master;  /* "grpc://host:port", or "" */
    CREW_NULLABLE char *evaluation_master;
    int64_t global_id_in_cluster; /* -1: not defined (evaluator) */
    CREW_NULLABLE char *model_dir;
    CREW_NULLABLE cJSON *service; /* an object */
    CREW_NULLABLE cJSON *json;    /* all of TF_CONFIG; NULL when unset */
};

/* text NULL: TF_CONFIG is not set. Owner: caller, tf_config_free(). */
CREW_MUST_CHECK int tf_config_parse(CREW_NULLABLE const char *text,
                                    bool strict,
                                    CREW_OUT struct tf_config **out,
                                    struct crew_err *err);
/* The same, for a process that was given a --model-dir, which must be the one
 * of TF_CONFIG when that has one. out->model_dir is the one to use. */
CREW_MUST_CHECK int tf_config_parse_for(CREW_NULLABLE const char *text,
                                        CREW_NULLABLE const char *model_dir,
                                        bool strict,
                                        CREW_OUT struct tf_config **out,
                                        struct crew_err *err);
void tf_config_free(CREW_NULLABLE struct tf_config *);

/* What train_and_evaluate asks of the task: a type it knows, evaluator 0 only.
 * A cluster with workers also needs a ps. */
CREW_MUST_CHECK int tf_config_check_role(const struct tf_config *,
                                         struct crew_err *);
/* What a process asks before it listens or connects: every address can be taken
 * apart, no port is 0, no address appears twice. */
CREW_MUST_CHECK int tf_config_check_addresses(const struct tf_config *,
                                              struct crew_err *);
/* Both. */
CREW_MUST_CHECK int tf_config_check_start(const struct tf_config *,
                                          struct crew_err *);

/* "chief/0", "worker/2", "local": who a log line is from. Returns buf. */
const char *tf_config_who(const struct tf_config *, char *buf, size_t size);
/* "run_chief", "run_local", ...: what train_and_evaluate calls. NULL when
 * tf_config_check_role refuses. Owner: static. */
const char *tf_config_run_method(const struct tf_config *);
/* Trainers (chief and workers) and this one's place among them: the chief is 0,
 * workers follow by index. 1 and 0 for a process without a cluster. */
int64_t tf_config_num_trainers(const struct tf_config *);
int64_t tf_config_trainer_place(const struct tf_config *);
/* A trainer that is the whole cluster: it needs no server and no ps. */
bool tf_config_is_only_node(const struct tf_config *);
/* How long a worker waits before it trains, in seconds: 5 a place, at most
 * `most`. 0 for all others. */
double tf_config_start_delay(const struct tf_config *, double most);

/* The properties as the golden files have them, under RunConfig's names.
 * Owner: caller, cJSON_Delete(). */
cJSON *tf_config_to_json(const struct tf_config *);
/* "TF_CONFIG environment variable: {...}" as TensorFlow logs it before it looks
 * closer: the text of a Python dict. NULL when TF_CONFIG is unset, empty or no
 * JSON. Owner: caller, free(). */
char *tf_config_log_text(CREW_NULLABLE const char *text);
/* "Using model_dir in TF_CONFIG: DIR"; NULL: it has none. Owner: caller. */
char *tf_config_model_dir_text(const struct tf_config *);

#endif
