/* SPDX-License-Identifier: Apache-2.0
 * The arguments of fashion_cnn, read as Python's argparse reads them. */
#ifndef FASHION_ARGS_H
#define FASHION_ARGS_H

#include <stdbool.h>
#include <stdint.h>

/* What no number is given for: None. */
#define NOT_GIVEN INT64_MIN

struct fashion_args {
    const char *mode, *model_dir, *eval_name, *optimizer; /* NULL: not given */
    int64_t steps, max_steps, batch, examples, epochs, save_steps, log_steps;
    int64_t summary_steps, keep_max, logging_hook, eval_steps, throttle;
    int64_t start_delay, nan_at, rng_seed, pace;
    double lr;
    bool exporters;
};

/* False after argparse's message; the exit code is then 2. `a` points into
 * argv. */
bool fashion_args_parse(struct fashion_args *a, int argc, char **argv);

#endif
