/* SPDX-License-Identifier: Apache-2.0
 * Options of a command's own among those of `crew run`. */
#ifndef CLI_OWN_OPTIONS_H
#define CLI_OWN_OPTIONS_H

#include <stddef.h>

/* An option with a value: "--dir". */
struct own_option {
    const char *name;
    const char *value; /* NULL: it was not given */
};
enum own_status { OWN_OK = 0, OWN_HELP, OWN_BAD };

/* Take those of the list out of argv; the rest, with argv[0], goes to `rest`
 * (room for argc). OWN_BAD has said on stderr which value is missing. */
enum own_status own_options(struct own_option *list,
                            size_t n,
                            const char *program,
                            int argc,
                            char **argv,
                            char **rest,
                            int *num_rest);

#endif
