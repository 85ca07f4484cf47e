/* SPDX-License-Identifier: Apache-2.0
 * crew: one tool, a table of sub-commands, a file for each. */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "cli/commands.h"
#include "estimator/role_main.h"
#include "base/banned.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"run", cmd_run,
     "train and evaluate: the role TF_CONFIG names, or all of it"},
    {"local", cmd_local, "a cluster of real processes on this machine"},
    {"tf-config", cmd_tf_config, "what a TF_CONFIG means here"},
    {"ckpt", cmd_ckpt, "list, show, verify and compare checkpoints"},
    {"events", cmd_events, "show event files"},
    {"records", cmd_records, "list, show, verify and parse TFRecord files"},
    {"evaluate", cmd_evaluate, "evaluate a checkpoint of a job"},
    {"export", cmd_export, "write a checkpoint as a SavedModel"},
    {"saved-model", cmd_saved_model, "show and run SavedModels"},
    {"predict", cmd_predict,
     "predictions of a checkpoint, or of an export for a file"},
    {"health", cmd_health, "ask a running process how it is"},
};

static void usage(FILE *out)
{
    (void)fputs("usage: crew COMMAND [options]\n\n", out);
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        (void)fprintf(out, "  %-11s %s\n", commands[i].name,
                      commands[i].summary);
    }
    (void)fputs(
        "\n  --version  version, libraries, kernels\n"
        "\n`crew COMMAND --help` explains a command. To begin:\n"
        "  crew run --job lib/mnist.so --model-dir runs/mnist\n",
        out);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";

    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 ||
        strcmp(name, "help") == 0) {
        usage(stdout);
        return 0;
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
        role_print_version("crew");
        return 0;
    }
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (strcmp(name, commands[i].name) == 0) {
            return commands[i].run(argc - 1, argv + 1);
        }
    }
    if (name[0] != '\0') {
        (void)fprintf(stderr, "crew: '%s' is no command\n\n", name);
    }
    usage(stderr);
    return 64;
}
