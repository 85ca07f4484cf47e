/* SPDX-License-Identifier: Apache-2.0
 * crew export: a checkpoint as a SavedModel. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/own_options.h"
#include "estimator/role_main.h"
#include "base/banned.h"

static const char usage[] =
    "usage: crew export --job LIB.so --model-dir DIR --dir BASE [options]\n\n"
    "Write the newest checkpoint of DIR as a SavedModel to a new folder "
    "BASE/<time>,\nas Estimator.export_saved_model does, and print its "
    "path.\n\n"
    "  --checkpoint-path PREFIX  this checkpoint, not the newest\n"
    "  --mode MODE               predict; or eval: the graph with loss and "
    "metrics, to\n"
    "                            evaluate elsewhere; train is refused\n"
    "  --exporter NAME           with the options of the job's exporter of "
    "this name;\n"
    "                            by default those of its first one\n"
    "  --config, --set           as for crew run; what changes the model must "
    "be as\n"
    "                            it was for training\n"
    "  --set export_variables=true  weights in variables/, not in "
    "saved_model.pb\n\n"
    "Exit codes: 0; 64 usage; 66 no checkpoint; 78 a checkpoint of another "
    "model.\n"
    "Next: crew saved-model show --all --dir BASE/<time>\n";

int cmd_export(int argc, char **argv)
{
    struct own_option own[] = {{"--dir", NULL},
                               {"--checkpoint-path", NULL},
                               {"--exporter", NULL},
                               {"--mode", "predict"}};
    char **rest = xcalloc((size_t)argc + 1, sizeof *rest);
    int n = 0, code = 64;

    switch (
        own_options(own, COUNT_OF(own), "crew export", argc, argv, rest, &n)) {
        case OWN_HELP:
            (void)fputs(usage, stdout);
            code = 0;
            goto out;
        case OWN_BAD:
            goto out;
        default:
            break;
    }
    if (own[0].value == NULL) {
        (void)fputs("crew export: where to? give --dir BASE\n", stderr);
    } else {
        code = role_export(n, rest, own[0].value, own[1].value, own[2].value,
                           own[3].value);
    }
out:
    free((void *)rest);
    return code;
}
