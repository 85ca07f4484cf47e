/* SPDX-License-Identifier: Apache-2.0
 *
 * What a BestExporter remembers: the best evaluation so far. It is looked for
 * in the event files when the process first asks, so that a restart does not
 * export what is worse. Unlike TensorFlow, whose first export in a process is
 * unconditional: here it is when there is no export yet. Threads: one. */
#ifndef ESTIMATOR_BEST_EXPORTER_H
#define ESTIMATOR_BEST_EXPORTER_H

#include "base/env.h"

struct best_memory {
    bool loaded;
    struct crew_eval_result best; /* values NULL: there is none; owned */
};

/* Where to look, and what for. All of it is borrowed. */
struct best_place {
    struct crew_env *env;
    const char *model_dir;
    const char *eval_dir; /* of this evaluation's events */
    const char *base;     /* of the exports */
};

/* Is `current` to be exported? Logs what TensorFlow does. Errors: the compare
 * function's, and the file system's. */
CREW_MUST_CHECK int best_is_due(struct best_memory *,
                                const struct best_place *,
                                const struct crew_exporter *,
                                const struct crew_eval_result *current,
                                CREW_OUT bool *due,
                                struct crew_err *);
/* It has been exported: that is the best one now. */
void best_exported(struct best_memory *,
                   const struct best_place *,
                   const struct crew_exporter *,
                   const struct crew_eval_result *current);
void best_release(struct best_memory *);

/* *to is released first. Owner: eval_result_release(). */
void eval_result_copy(struct crew_eval_result *to,
                      const struct crew_eval_result *from);
void eval_result_release(struct crew_eval_result *);

#endif
