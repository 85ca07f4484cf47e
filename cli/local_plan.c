/* SPDX-License-Identifier: Apache-2.0
 * Options, ports and TF_CONFIGs of `crew local`. */
#include "cli/local_plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "base/strbuf.h"
#include "base/banned.h"

#define MAX_TASKS 64
/* Below Linux's range for outgoing connections (32768 up), so that no
 * connection of a child takes a port that its sibling is about to listen on. */
#define FIRST_PORT 20000
#define NUM_PORTS 12000

static int parse_count(const char *option,
                       const char *text,
                       int least,
                       int most,
                       int *out,
                       struct crew_err *err)
{
    char *end;
    long n;

    errno = 0;
    n = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || n < least || n > most) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "%s wants a number from %d to %d, given '%s'",
                             option, least, most, text);
    }
    *out = (int)n;
    return CREW_OK;
}

/* An option that takes a number, at argv[*i]; false when it is another one. */
static bool count_option(int argc,
                         char **argv,
                         int *i,
                         struct local_options *o,
                         struct crew_err *err)
{
    const struct {
        const char *name;
        int least, most;
        int *out;
    } options[] = {{"--ps", 1, MAX_TASKS, &o->num_ps},
                   {"--workers", 0, MAX_TASKS, &o->num_workers},
                   {"--base-port", 1, 65535, &o->base_port}};

    for (size_t k = 0; k < sizeof options / sizeof options[0]; k++) {
        size_t n = strlen(options[k].name);
        const char *value = NULL;

        if (strncmp(argv[*i], options[k].name, n) != 0) {
            continue;
        }
        if (argv[*i][n] == '=') {
            value = argv[*i] + n + 1;
        } else if (argv[*i][n] == '\0' && *i + 1 < argc) {
            value = argv[++*i];
        } else if (argv[*i][n] != '\0') {
            continue;
        }
        (void)parse_count(options[k].name, value != NULL ? value : "",
                          options[k].least, options[k].most, options[k].out,
                          err);
        return true;
    }
    return false;
}

int local_options_parse(int argc,
                        char **argv,
                        struct local_options *out,
                        struct crew_err *err)
{
    struct local_options o = {.num_ps = 1, .num_workers = 1};
    int i = 1;

    for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            *out = (struct local_options){.help = true};
            return CREW_OK;
        }
        if (strcmp(argv[i], "--evaluator") == 0) {
            o.evaluator = true;
        } else if (strcmp(argv[i], "run") == 0) {
            i--; /* `--` was left out: what follows is clear anyway */
            break;
        } else if (!count_option(argc, argv, &i, &o, err)) {
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                                 "unknown option '%s'; see crew local --help",
                                 argv[i]);
        }
        if (err->code != CREW_OK) {
            return err->code;
        }
    }
    if (i + 1 >= argc || strcmp(argv[i + 1], "run") != 0) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "say what to run: crew local --ps 2 --workers 2 "
                             "-- run --job LIB.so --model-dir DIR");
    }
    o.run_args = argv + i + 2;
    o.num_run_args = argc - i - 2;
    if (o.num_ps + o.num_workers + 1 > MAX_TASKS ||
        (o.base_port > 0 && o.base_port + o.num_ps + o.num_workers > 65535)) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "%d ps and %d workers from port %d on: at most %d "
                             "tasks and port 65535",
                             o.num_ps, o.num_workers, o.base_port, MAX_TASKS);
    }
    *out = o;
    return CREW_OK;
}

static bool port_is_free(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port)};
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool free_now;

    if (fd < 0) {
        return false;
    }
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    free_now = bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
    (void)close(fd);
    return free_now;
}

static bool is_taken(const int *ports, int n, int port)
{
    for (int i = 0; i < n; i++) {
        if (ports[i] == port) {
            return true;
        }
    }
    return false;
}

static int choose_ports(int base_port, int n, int *ports, struct crew_err *err)
{
    struct crew_env *env = env_posix();
    struct rng rng = {.state = env->random(env)};
    int found = 0;

    if (base_port > 0) {
        for (int i = 0; i < n; i++) {
            ports[i] = base_port + i;
        }
        return CREW_OK;
    }
    for (int tries = 0; found < n && tries < 1000; tries++) {
        int port = FIRST_PORT + (int)rng_below(&rng, NUM_PORTS);

        if (!is_taken(ports, found, port) && port_is_free(port)) {
            ports[found++] = port;
        }
    }
    if (found < n) {
        return crew_err_exit(err, CREW_UNAVAILABLE, 138,
                             "found only %d of %d free ports from %d to %d; "
                             "give --base-port",
                             found, n, FIRST_PORT, FIRST_PORT + NUM_PORTS - 1);
    }
    return CREW_OK;
}

static void add_job(struct strbuf *json,
                    const char *job,
                    const int *ports,
                    int n)
{
    if (n == 0) {
        return;
    }
    strbuf_addf(json, "%s\"%s\": [",
                json->data[json->len - 1] == '{' ? "" : ", ", job);
    for (int i = 0; i < n; i++) {
        strbuf_addf(json, "%s\"127.0.0.1:%d\"", i > 0 ? ", " : "", ports[i]);
    }
    strbuf_addstr(json, "]");
}

/* The task's arguments: what the user gave, with the waits of a cluster of many
 * hosts turned off where the user did not set them. */
static char **task_args(const struct local_options *o,
                        const char *folder,
                        const char *program)
{
    static const char *const quick[] = {
        "--default", "experimental_max_worker_delay_secs=0",
        "--default", "start_delay_secs=0",
        "--default", "throttle_secs=5",
    };
    size_t num_quick = sizeof quick / sizeof quick[0];
    char **args =
        xcalloc((size_t)o->num_run_args + num_quick + 2, sizeof *args);
    size_t n = 0;

    args[n++] = path_join(folder, program);
    for (size_t i = 0; i < num_quick; i++) {
        args[n++] = xstrdup(quick[i]);
    }
    for (int i = 0; i < o->num_run_args; i++) {
        args[n++] = xstrdup(o->run_args[i]);
    }
    return args;
}

static void add_tasks(struct local_plan *plan,
                      const struct local_options *o,
                      const char *folder,
                      const char *cluster,
                      const char *type,
                      int count)
{
    static const struct {
        const char *type, *program;
    } programs[] = {{"ps", "crew-ps"},
                    {"chief", "crew-chief"},
                    {"worker", "crew-worker"},
                    {"evaluator", "crew-evaluator"}};

    for (int i = 0; i < count; i++) {
        struct local_task *t = &plan->tasks[plan->num_tasks++];

        for (size_t k = 0; k < sizeof programs / sizeof programs[0]; k++) {
            if (strcmp(programs[k].type, type) == 0) {
                t->program = programs[k].program;
            }
        }
        (void)snprintf(t->name, sizeof t->name, "%s/%d", type, i);
        t->tf_config = xasprintf(
            "{\"cluster\": %s, \"task\": {\"type\": \"%s\", \"index\": %d}}",
            cluster, type, i);
        t->args = task_args(o, folder, t->program);
        t->is_chief = strcmp(type, "chief") == 0;
    }
}

int local_plan_make(const struct local_options *o,
                    const char *folder,
                    struct local_plan *out,
                    struct crew_err *err)
{
    int ports[MAX_TASKS + 1];
    struct strbuf cluster;
    struct local_plan plan = {0};

    if (choose_ports(o->base_port, o->num_ps + 1 + o->num_workers, ports,
                     err) != CREW_OK) {
        return err->code;
    }
    strbuf_init(&cluster);
    strbuf_addstr(&cluster, "{");
    add_job(&cluster, "chief", ports, 1);
    add_job(&cluster, "worker", ports + 1, o->num_workers);
    add_job(&cluster, "ps", ports + 1 + o->num_workers, o->num_ps);
    strbuf_addstr(&cluster, "}");

    plan.tasks = xcalloc(MAX_TASKS + 1, sizeof *plan.tasks);
    add_tasks(&plan, o, folder, cluster.data, "ps", o->num_ps);
    add_tasks(&plan, o, folder, cluster.data, "chief", 1);
    add_tasks(&plan, o, folder, cluster.data, "worker", o->num_workers);
    add_tasks(&plan, o, folder, cluster.data, "evaluator",
              o->evaluator ? 1 : 0);
    strbuf_release(&cluster);
    *out = plan;
    return CREW_OK;
}

void local_plan_release(struct local_plan *plan)
{
    for (int i = 0; i < plan->num_tasks; i++) {
        struct local_task *t = &plan->tasks[i];

        for (size_t k = 0; t->args[k] != NULL; k++) {
            free(t->args[k]);
        }
        free(t->args);
        free(t->tf_config);
    }
    free(plan->tasks);
    *plan = (struct local_plan){0};
}
