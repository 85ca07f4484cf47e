/* SPDX-License-Identifier: Apache-2.0
 * Arguments as argparse takes them: "--name value" and "--name=value", a name
 * may be cut short as long as one alone begins so. */
#include "fashion_args.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT, INTEGER, FRACTION, FLAG };

#define AT(member) offsetof(struct fashion_args, member)

static const struct argument {
    const char *name;
    enum kind kind;
    size_t at;
} arguments[] = {
    {"--mode", TEXT, AT(mode)},
    {"--model_dir", TEXT, AT(model_dir)},
    {"--eval_name", TEXT, AT(eval_name)},
    {"--optimizer", TEXT, AT(optimizer)},
    {"--steps", INTEGER, AT(steps)},
    {"--max_steps", INTEGER, AT(max_steps)},
    {"--batch", INTEGER, AT(batch)},
    {"--examples", INTEGER, AT(examples)},
    {"--epochs", INTEGER, AT(epochs)},
    {"--save_steps", INTEGER, AT(save_steps)},
    {"--log_steps", INTEGER, AT(log_steps)},
    {"--summary_steps", INTEGER, AT(summary_steps)},
    {"--keep_max", INTEGER, AT(keep_max)},
    {"--logging_hook", INTEGER, AT(logging_hook)},
    {"--eval_steps", INTEGER, AT(eval_steps)},
    {"--throttle", INTEGER, AT(throttle)},
    {"--start_delay", INTEGER, AT(start_delay)},
    {"--nan_at", INTEGER, AT(nan_at)},
    {"--rng_seed", INTEGER, AT(rng_seed)},
    {"--pace", INTEGER, AT(pace)},
    {"--lr", FRACTION, AT(lr)},
    {"--exporters", FLAG, AT(exporters)},
};
#define NUM_ARGUMENTS (sizeof arguments / sizeof arguments[0])

static const struct fashion_args defaults = {
    .optimizer = "sgd",
    .steps = NOT_GIVEN,
    .max_steps = NOT_GIVEN,
    .batch = 32,
    .examples = 2000,
    .epochs = NOT_GIVEN,
    .save_steps = 100,
    .log_steps = 50,
    .summary_steps = 100,
    .keep_max = 5,
    .logging_hook = NOT_GIVEN,
    .eval_steps = 10,
    .nan_at = NOT_GIVEN,
    .rng_seed = 1,
    .pace = NOT_GIVEN,
    .lr = 0.05,
};

static bool refuse(const char *what, const char *name, const char *why)
{
    (void)fprintf(stderr, "fashion_cnn.py: error: %s%s%s\n", what, name, why);
    return false;
}

/* The argument whose name begins with the first n bytes, if it is the only one
 * or has no more. */
static const struct argument *find_argument(const char *name, size_t n)
{
    const struct argument *found = NULL;

    for (size_t i = 0; i < NUM_ARGUMENTS; i++) {
        if (n < 3 || strncmp(arguments[i].name, name, n) != 0) {
            continue;
        }
        if (arguments[i].name[n] == '\0') {
            return &arguments[i];
        }
        if (found != NULL) {
            return NULL;
        }
        found = &arguments[i];
    }
    return found;
}

static bool set_argument(struct fashion_args *a,
                         const struct argument *arg,
                         const char *value)
{
    void *place = (char *)a + arg->at;
    char why[200];
    char *end = NULL;

    errno = 0;
    if (arg->kind == TEXT) {
        *(const char **)place = value;
        return true;
    }
    if (arg->kind == INTEGER) {
        *(int64_t *)place = strtoll(value, &end, 10);
    } else {
        *(double *)place = strtod(value, &end);
    }
    if (errno == EINVAL || end == value || *end != '\0') {
        (void)snprintf(why, sizeof why, ": invalid %s value: '%s'",
                       arg->kind == INTEGER ? "int" : "float", value);
        return refuse("argument ", arg->name, why);
    }
    return true;
}

/* "--steps" with a value in `next`, or none. */
static bool needs_value(const char *next)
{
    return next == NULL || strncmp(next, "--", 2) == 0;
}

bool fashion_args_parse(struct fashion_args *a, int argc, char **argv)
{
    *a = defaults;
    for (int i = 1; i < argc; i++) {
        const char *equals = strchr(argv[i], '=');
        size_t n =
            equals != NULL ? (size_t)(equals - argv[i]) : strlen(argv[i]);
        const struct argument *arg = find_argument(argv[i], n);

        if (arg == NULL) {
            return refuse("unrecognized arguments: ", argv[i], "");
        }
        if (arg->kind == FLAG) {
            if (equals != NULL) {
                return refuse("argument ", arg->name,
                              ": ignored explicit argument");
            }
            *(bool *)((char *)a + arg->at) = true;
            continue;
        }
        if (equals == NULL && needs_value(argv[i + 1])) {
            return refuse("argument ", arg->name, ": expected one argument");
        }
        if (!set_argument(a, arg, equals != NULL ? equals + 1 : argv[++i])) {
            return false;
        }
    }
    return a->mode != NULL ||
           refuse("the following arguments are required: ", "--mode", "");
}
