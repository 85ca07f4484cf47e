/* SPDX-License-Identifier: Apache-2.0
 *
 * crew-ps: a parameter server. Takes the flags of crew run, so that one command
 * line serves all roles, but never loads a model: it learns names, shapes and
 * update rule from the chief.
 *
 * Ends with the code the chief tells, with 138 when no chief comes, with 130 or
 * 143 on a signal (the second one ends it at once). */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/run_config.h"
#include "config/tf_config.h"
#include "ps.h"
#include "rpc/uv_net.h"

#include "base/banned.h"

#define PORT_RETRY_MS 30000u
#define PORT_RETRY_EVERY_MS 250u

struct server {
    uv_loop_t loop;
    struct rpc_net *net;
    uv_signal_t signals[2];
    uv_timer_t retry;
    struct ps *ps;
    struct ps_options options;
    struct tf_config *tf;
    char *address, *cluster;
    unsigned waited_ms;
    int signals_seen;
    int exit_code;
};

struct flags {
    const char *bind, *model_dir, *log_level;
    bool insecure_network, strict, quiet;
    struct crew_params *params;
};

static const struct option long_options[] = {
    {"job", required_argument, NULL, 'x'},
    {"config", required_argument, NULL, 'x'},
    {"status-addr", required_argument, NULL, 'x'},
    {"model-dir", required_argument, NULL, 'm'},
    {"set", required_argument, NULL, 's'},
    {"default", required_argument, NULL, 'd'},
    {"bind", required_argument, NULL, 'b'},
    {"insecure-network", no_argument, NULL, 'i'},
    {"strict-tf-config", no_argument, NULL, 't'},
    {"log-level", required_argument, NULL, 'l'},
    {"quiet", no_argument, NULL, 'q'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'v'},
    {NULL, 0, NULL, 0},
};

static void print_help(void)
{
    (void)printf(
        "usage: TF_CONFIG=... crew-ps [options]\n"
        "\n"
        "The role ps of a cluster: holds variables, applies gradients. Takes "
        "the "
        "options of\ncrew run; these count here:\n"
        "\n"
        "  --bind ADDR            listen here instead of on TF_CONFIG's "
        "address\n"
        "  --insecure-network     allow addresses other than loopback without\n"
        "                         authentication\n"
        "  --strict-tf-config     read TF_CONFIG exactly as TensorFlow does\n"
        "  --set session_creation_timeout_secs=S   how long to wait for a "
        "chief\n"
        "  --log-level LEVEL      debug, info, warn or error\n"
        "  --quiet                only warnings and errors\n"
        "  --help, --version\n"
        "\n"
        "Next: crew health, crew tf-config check\n");
}

/* Returns the exit code to end with at once, or -1 to go on. */
static int parse_flags(int argc,
                       char **argv,
                       struct flags *f,
                       struct crew_err *err)
{
    int c;

    opterr = 1;
    while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        switch (c) {
            case 'm':
                f->model_dir = optarg;
                break;
            case 'b':
                f->bind = optarg;
                break;
            case 'i':
                f->insecure_network = true;
                break;
            case 't':
                f->strict = true;
                break;
            case 'l':
                f->log_level = optarg;
                break;
            case 'q':
                f->quiet = true;
                break;
            case 's':
                (void)params_set(f->params, optarg, err);
                break;
            case 'd':
                (void)params_set_default(f->params, optarg, err);
                break;
            case 'x':
                break;
            case 'h':
                print_help();
                return 0;
            case 'v':
                (void)printf("crew-ps %s\n", CREW_VERSION);
                return 0;
            default:
                return 64;
        }
    }
    if (optind < argc) {
        crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                      "unexpected argument '%s'; --help lists the options",
                      argv[optind]);
    }
    return -1;
}

static int set_log(const struct flags *f, struct crew_err *err)
{
    enum env_level level = f->quiet ? LOG_WARN : LOG_INFO;

    if (f->log_level != NULL && log_level_parse(f->log_level, &level) != 0) {
        return crew_err_exit(
            err, CREW_INVALID_ARGUMENT, 64,
            "--log-level is \"%s\". Fix: debug, info, warn or error",
            f->log_level);
    }
    log_set_level(level);
    return CREW_OK;
}

static int read_tf_config(struct server *s,
                          const struct flags *f,
                          struct crew_err *err)
{
    char who[64];
    char *text;

    if (tf_config_parse_for(getenv("TF_CONFIG"), f->model_dir, f->strict,
                            &s->tf, err) != CREW_OK) {
        return err->code;
    }
    if (s->tf->cluster == NULL || s->tf->role != ROLE_PS) {
        return crew_err_exit(
            err, CREW_FAILED_PRECONDITION, 78,
            "crew-ps is the role ps, but TF_CONFIG's task is %s; "
            "start crew-%s, or crew run",
            tf_config_who(s->tf, who, sizeof who),
            s->tf->cluster == NULL ? "ps with a cluster"
                                   : role_name(s->tf->role));
    }
    log_set_who(tf_config_who(s->tf, who, sizeof who));
    text = tf_config_log_text(getenv("TF_CONFIG"));
    if (text != NULL) {
        log_line(LOG_INFO, text);
        free(text);
    }
    return tf_config_check_start(s->tf, err);
}

static int find_address(struct server *s,
                        const struct flags *f,
                        struct crew_err *err)
{
    const char *own = f->bind;
    struct address address;
    char text[300];

    if (own == NULL) {
        own = cluster_address(s->tf->cluster, ROLE_PS, s->tf->index);
    }
    if (own ==
        NULL) { /* Kubeflow's sparse entry: our own address is the first */
        own = cluster_address(s->tf->cluster, ROLE_PS, 0);
    }
    if (address_split(own, false, &address, err) != CREW_OK) {
        return err->code;
    }
    s->address = xstrdup(address_text(&address, text, sizeof text));
    return rpc_check_bind(s->address, f->insecure_network, err);
}

static void fail(struct server *s, const struct crew_err *err)
{
    log_line(LOG_ERROR, err->msg);
    s->exit_code = crew_err_exit_code(err);
}

/* ----------------------------------------------------------------- running */

static void on_notice(void *self, enum env_level level, const char *line)
{
    (void)self;
    log_line(level, line);
}

static void close_handles(struct server *s)
{
    for (int i = 0; i < 2; i++) {
        uv_close((uv_handle_t *)&s->signals[i], NULL);
    }
    uv_close((uv_handle_t *)&s->retry, NULL);
}

static void on_ps_closed(void *self)
{
    close_handles(self);
}

static void on_over(void *self, int exit_code)
{
    struct server *s = self;

    s->exit_code = exit_code;
    ps_close(s->ps, on_ps_closed, s);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct server *s = handle->data;

    if (s->signals_seen++ > 0) {
        _exit(128 + signum);
    }
    if (s->ps == NULL) { /* still waiting for the port */
        s->exit_code = 128 + signum;
        close_handles(s);
        return;
    }
    log_line(LOG_INFO,
             signum == SIGINT ? "SIGINT: stopping" : "SIGTERM: stopping");
    ps_stop(
        s->ps, 128 + signum,
        signum == SIGINT ? "a ps was interrupted" : "a ps was told to stop");
}

static void try_listen(uv_timer_t *timer)
{
    struct server *s = timer->data;
    struct crew_err err = {0};
    char line[600];
    int port = 0;

    if (ps_open(&s->options, &s->ps, &port, &err) == CREW_OK) {
        (void)snprintf(line, sizeof line, "Start server. Listening on %s",
                       s->address);
        log_line(LOG_INFO, line);
        return;
    }
    /* An earlier life of this task may still be leaving the port. */
    if (err.code == CREW_UNAVAILABLE && s->waited_ms < PORT_RETRY_MS) {
        if (s->waited_ms == 0) {
            (void)snprintf(line, sizeof line, "%.500s; trying for 30 s",
                           err.msg);
            log_line(LOG_WARN, line);
        }
        s->waited_ms += PORT_RETRY_EVERY_MS;
        (void)uv_timer_start(&s->retry, try_listen, PORT_RETRY_EVERY_MS, 0);
        return;
    }
    fail(s, &err);
    close_handles(s);
}

static void serve(struct server *s)
{
    static const int numbers[] = {SIGINT, SIGTERM};

    INVARIANT(uv_loop_init(&s->loop) == 0);
    s->net = uv_net_new(&s->loop);
    s->options.net = s->net;
    for (int i = 0; i < 2; i++) {
        (void)uv_signal_init(&s->loop, &s->signals[i]);
        s->signals[i].data = s;
        (void)uv_signal_start(&s->signals[i], on_signal, numbers[i]);
    }
    (void)uv_timer_init(&s->loop, &s->retry);
    s->retry.data = s;
    (void)uv_timer_start(&s->retry, try_listen, 0, 0);
    (void)uv_run(&s->loop, UV_RUN_DEFAULT);
    uv_net_free(s->net);
    (void)uv_loop_close(&s->loop);
}

static int prepare(struct server *s,
                   const struct flags *f,
                   struct crew_err *err)
{
    struct crew_run_config rc;
    struct crew_train_spec ts;
    struct crew_eval_spec es;
    struct crew_env *env = env_posix();

    if (set_log(f, err) != CREW_OK || read_tf_config(s, f, err) != CREW_OK ||
        find_address(s, f, err) != CREW_OK) {
        return err->code;
    }
    run_config_defaults(&rc, &ts, &es);
    if (run_config_apply(f->params, &rc, &ts, &es, err) != CREW_OK) {
        return err->code;
    }
    s->cluster = cluster_canonical(s->tf->cluster);
    s->options = (struct ps_options){
        .index = (uint32_t)s->tf->index,
        .incarnation = env->random(env) | 1,
        .address = s->address,
        .cluster = s->cluster,
        .num_workers =
            (uint32_t)cluster_job_length(cluster_job(s->tf->cluster, "worker")),
        .session_creation_timeout_secs = rc.session_creation_timeout_secs,
        .on_notice = on_notice,
        .on_over = on_over,
        .self = s,
    };
    return CREW_OK;
}

int main(int argc, char **argv)
{
    struct server s = {0};
    struct flags f = {.params = params_new()};
    struct crew_err err = {0};
    int at_once;

    (void)signal(SIGPIPE, SIG_IGN);
    log_set_who("ps");
    at_once = parse_flags(argc, argv, &f, &err);
    if (at_once >= 0) {
        s.exit_code = at_once;
    } else if (err.code != CREW_OK || prepare(&s, &f, &err) != CREW_OK) {
        fail(&s, &err);
    } else {
        log_line(LOG_INFO, "Not using Distribute Coordinator.");
        serve(&s);
    }
    tf_config_free(s.tf);
    params_free(f.params);
    free(s.address);
    free(s.cluster);
    return s.exit_code;
}
