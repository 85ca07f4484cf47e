/* SPDX-License-Identifier: Apache-2.0
 * crew export: a checkpoint as a SavedModel. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "estimator/role_main.h"
#include "base/banned.h"

static const char usage[] =
    "usage: crew export --job LIB.so --model-dir DIR --dir BASE [options]\n\n"
    "Write the newest checkpoint of DIR as a SavedModel to a new folder "
    "BASE/<time>,\nas Estimator.export_saved_model does, and print its "
    "path.\n\n"
    "  --checkpoint-path PREFIX  this checkpoint, not the newest\n"
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
    "Next: saved_model_cli show --all --dir BASE/<time>\n";

/* The options that are this command's own; the rest is `crew run`'s. */
struct own {
    const char *name;
    const char *value;
};

/* Take argv[i] (and its value) if it is one of them: how many words. 0: it is
 * none; -1: the value is missing. */
static int take(struct own *list, size_t n, int argc, char **argv, int i)
{
    for (size_t k = 0; k < n; k++) {
        size_t length = strlen(list[k].name);

        if (strncmp(argv[i], list[k].name, length) != 0) {
            continue;
        }
        if (argv[i][length] == '=') {
            list[k].value = argv[i] + length + 1;
            return list[k].value[0] != '\0' ? 1 : -1;
        }
        if (argv[i][length] == '\0') {
            list[k].value = i + 1 < argc ? argv[i + 1] : NULL;
            return i + 1 < argc ? 2 : -1;
        }
    }
    return 0;
}

int cmd_export(int argc, char **argv)
{
    struct own own[] = {
        {"--dir", NULL}, {"--checkpoint-path", NULL}, {"--exporter", NULL}};
    char **rest = xcalloc((size_t)argc + 1, sizeof *rest);
    int n = 0, code = 64;

    for (int i = 0; i < argc;) {
        int words = i == 0 ? 0 : take(own, COUNT_OF(own), argc, argv, i);

        if (i > 0 &&
            (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
            (void)fputs(usage, stdout);
            code = 0;
            goto out;
        }
        if (words < 0) {
            (void)fprintf(stderr, "crew export: %s needs a value\n", argv[i]);
            goto out;
        }
        if (words == 0) {
            rest[n++] = argv[i++];
        }
        i += words;
    }
    if (own[0].value == NULL) {
        (void)fputs("crew export: where to? give --dir BASE\n", stderr);
    } else {
        code = role_export(n, rest, own[0].value, own[1].value, own[2].value);
    }
out:
    free((void *)rest);
    return code;
}
