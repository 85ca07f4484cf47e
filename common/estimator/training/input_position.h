/* SPDX-License-Identifier: Apache-2.0
 *
 * How far a trainer has read its input, in small files of its own beside the
 * checkpoints: <model_dir>/.crew/input-<task>-<step>. A pipeline is a function
 * of its seed, so that the number of batches read is all there is to it. */
#ifndef ESTIMATOR_INPUT_POSITION_H
#define ESTIMATOR_INPUT_POSITION_H

#include "base/env.h"

struct input_position {
    int64_t step;    /* global, when it was written */
    int64_t batches; /* read since the input's beginning */
    uint64_t seed;   /* of the shuffles */
    int64_t num_trainers, trainer_index;
};

/* `who`: "chief/0". Written whole or not at all. Older positions than the
 * newest `keep` (0: all are kept) go, and those of later steps, which are of a
 * life that has been rolled back. Errors of the files. */
CREW_MUST_CHECK int input_position_write(struct crew_env *,
                                         const char *model_dir,
                                         const char *who,
                                         const struct input_position *,
                                         int64_t keep,
                                         struct crew_err *);
/* The position of `step`, or else, without `exact`, the one nearest to it.
 * *found false when there is none. Errors: DATA_LOSS (65) a damaged file, those
 * of the files. */
CREW_MUST_CHECK int input_position_read(struct crew_env *,
                                        const char *model_dir,
                                        const char *who,
                                        int64_t step,
                                        bool exact,
                                        CREW_OUT bool *found,
                                        CREW_OUT struct input_position *,
                                        struct crew_err *);

#endif
