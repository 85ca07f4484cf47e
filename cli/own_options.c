/* SPDX-License-Identifier: Apache-2.0
 * Options of a command's own among those of `crew run`. */
#include "cli/own_options.h"

#include <stdio.h>
#include <string.h>

#include "base/banned.h"

/* Take argv[i] (and its value) if it is one of them: how many words. 0: it is
 * none; -1: the value is missing. */
static int take(struct own_option *list, size_t n, int argc, char **argv, int i)
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

enum own_status own_options(struct own_option *list,
                            size_t n,
                            const char *program,
                            int argc,
                            char **argv,
                            char **rest,
                            int *num_rest)
{
    *num_rest = 0;
    for (int i = 0; i < argc;) {
        int words = i == 0 ? 0 : take(list, n, argc, argv, i);

        if (i > 0 &&
            (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
            return OWN_HELP;
        }
        if (words < 0) {
            (void)fprintf(stderr, "%s: %s needs a value\n", program, argv[i]);
            return OWN_BAD;
        }
        if (words == 0) {
            rest[(*num_rest)++] = argv[i++];
        }
        i += words;
    }
    return OWN_OK;
}
