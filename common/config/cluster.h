/* SPDX-License-Identifier: Apache-2.0
 *
 * Who is in the cluster: the jobs of TF_CONFIG's "cluster", as they were given.
 *
 * A job is a list of tasks, or an object of them with holes (sparse: the writer
 * knew only some of the tasks). Jobs of other names than chief, master, worker,
 * ps and evaluator are kept and ignored. Where there is no chief and no master,
 * worker 0 acts as chief: cluster_address(ROLE_CHIEF) is worker 0's then, and
 * there is no ROLE_WORKER 0. Threads: any, it never changes. */
#ifndef CONFIG_CLUSTER_H
#define CONFIG_CLUSTER_H

#include "config/json.h"

/* The numbers are those of crew_rpc.proto's Role. ROLE_OTHER: a job of another
 * name, which Traincrew has nothing to do for. */
enum crew_role {
    ROLE_LOCAL = 0,
    ROLE_CHIEF = 1,
    ROLE_WORKER = 2,
    ROLE_PS = 3,
    ROLE_EVALUATOR = 4,
    ROLE_OTHER = 6
};

/* "local", "chief", ...; "other". */
const char *role_name(enum crew_role);
/* The inverse ("master" is chief); ROLE_OTHER for any other name. */
enum crew_role role_parse(const char *name);

struct cluster_task {
    int64_t index;
    char *address; /* as given */
};

struct cluster_job {
    char *name;  /* as given: a master stays "master" */
    bool sparse; /* given as an object */
    size_t n;
    struct cluster_task *tasks; /* by ascending index */
};

struct cluster {
    size_t n;
    struct cluster_job *jobs; /* by name */
};

/* From TF_CONFIG's "cluster". Errors: INVALID_ARGUMENT, exit 78, with TF's
 * sentence where it has one. Owner: caller, cluster_free(). */
CREW_MUST_CHECK int cluster_new(const cJSON *json,
                                CREW_OUT struct cluster **,
                                struct crew_err *);
void cluster_free(CREW_NULLABLE struct cluster *);

/* The job of that name, or NULL. */
const struct cluster_job *cluster_job(const struct cluster *, const char *name);
/* The task, or NULL. */
const struct cluster_task *cluster_job_task(
    CREW_NULLABLE const struct cluster_job *,
    int64_t index);
/* TF's idea of a job's length: the highest index + 1. */
int64_t cluster_job_length(CREW_NULLABLE const struct cluster_job *);
/* The chief's job: "chief", else "master", else NULL. */
const struct cluster_job *cluster_chief_job(const struct cluster *);

/* The address as given, or NULL when the cluster does not list the task. */
const char *cluster_address(const struct cluster *,
                            enum crew_role,
                            int64_t index);
/* How many tasks of the role are listed; a promoted worker counts as chief. */
int64_t cluster_count(const struct cluster *, enum crew_role);

/* The cluster as every process of one job writes it: JSON without spaces,
 * chief, ps and worker in this order, master as chief, addresses as "host:port"
 * with "grpc://" gone and 2222 filled in. Owner: caller, free(). */
char *cluster_canonical(const struct cluster *);

/* Whether two canonical texts name different clusters; `buf` gets the first
 * difference in words: `ps[1] is "b:2222" here, "c:2222" there`. What a sparse
 * job does not list is no difference. */
bool cluster_difference(const char *here,
                        const char *there,
                        char *buf,
                        size_t size);

/* --------------------------------------------------------------- addresses */

#define ADDRESS_DEFAULT_PORT 2222

struct address {
    char host[256];    /* without brackets */
    uint16_t port;     /* may be 0 */
    bool ipv6;         /* the host was in brackets */
    bool default_port; /* the text named no port */
};

/* "host:port", "host", "[v6]:port", with or without "grpc://" in front. strict:
 * a port is wanted. Errors: INVALID_ARGUMENT, exit 78, with TF's sentence. */
CREW_MUST_CHECK int address_split(const char *text,
                                  bool strict,
                                  CREW_OUT struct address *,
                                  struct crew_err *);
/* "host:port" or "[v6]:port". Returns buf. */
const char *address_text(const struct address *, char *buf, size_t size);
/* localhost, 127.x, ::1. */
bool address_is_loopback(const struct address *);

#endif
