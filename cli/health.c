/* SPDX-License-Identifier: Apache-2.0
 * crew health: does a process of the cluster answer within a second? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "config/tf_config.h"
#include "rpc/uv_net.h"
#include "base/banned.h"

#define TIMEOUT_MS 1000

static const char usage[] =
    "usage: crew health [HOST:PORT | PATH]\n\n"
    "Ask a running process for a sign of life. Without an address: the task "
    "that\n"
    "TF_CONFIG names. The evaluator answers on its --status-addr, by default "
    "on\n"
    "MODEL_DIR/.crew/evaluator.sock. Exit code 0: it answered within a second; "
    "1: it\n"
    "did not.\n\n"
    "Next: crew ckpt ls MODEL_DIR\n";

/* TF_CONFIG's own task. Owner: caller. */
static char *own_address(struct crew_err *err)
{
    struct tf_config *tf = NULL;
    const char *given = NULL;
    char *address = NULL;

    if (tf_config_parse(getenv("TF_CONFIG"), false, &tf, err) != CREW_OK) {
        return NULL;
    }
    if (tf->cluster != NULL) {
        given = cluster_address(tf->cluster, tf->role, tf->index);
    }
    if (given == NULL) {
        (void)crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                            "TF_CONFIG gives this task no address; say which "
                            "process to ask: crew health HOST:PORT or PATH");
    } else {
        struct address parts;
        char text[300];

        if (address_split(given, false, &parts, err) == CREW_OK) {
            address = xstrdup(address_text(&parts, text, sizeof text));
        }
    }
    tf_config_free(tf);
    return address;
}

/* A path may be given as it is. Owner: caller. */
static char *given_address(const char *text)
{
    return strchr(text, '/') != NULL && strncmp(text, "unix:", 5) != 0
               ? xasprintf("unix:%s", text)
               : xstrdup(text);
}

int cmd_health(int argc, char **argv)
{
    struct crew_err err = {0};
    Crew__HealthReply *reply = NULL;
    char *address;

    if (argc > 1 &&
        (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        (void)fputs(usage, stdout);
        return 0;
    }
    if (argc > 2 || (argc == 2 && argv[1][0] == '-')) {
        (void)fputs(usage, stderr);
        return 64;
    }
    address = argc == 2 ? given_address(argv[1]) : own_address(&err);
    if (address == NULL) {
        (void)fprintf(stderr, "crew health: %s\n", err.msg);
        return crew_err_exit_code(&err);
    }
    if (rpc_probe(address, TIMEOUT_MS, &reply, &err) != CREW_OK) {
        (void)fprintf(stderr, "crew health: %s: %s\n", address, err.msg);
        free(address);
        return 1;
    }
    (void)printf("%s: ok, step %lld, up for %.0f s\n", address,
                 (long long)reply->global_step, reply->uptime_secs);
    crew__health_reply__free_unpacked(reply, NULL);
    free(address);
    return 0;
}
