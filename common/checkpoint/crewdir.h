/* SPDX-License-Identifier: Apache-2.0
 *
 * Our own files in <model_dir>/.crew/: epoch-N, one a life of a chief, made by
 * exclusive creation, so that exactly one process owns a number; and DONE,
 * which says that the job has ended, at which step and why. */
#ifndef CHECKPOINT_CREWDIR_H
#define CHECKPOINT_CREWDIR_H

#include "base/env.h"

/* Make <model_dir> and <model_dir>/.crew. Errors: PERMISSION_DENIED, ... with
 * exit code 73 and the path. */
CREW_MUST_CHECK int crewdir_make(struct crew_env *,
                                 const char *model_dir,
                                 struct crew_err *);
/* Take the next epoch: one more than the highest there is, from 1. */
CREW_MUST_CHECK int crewdir_claim_epoch(struct crew_env *,
                                        const char *model_dir,
                                        const char *who,
                                        CREW_OUT uint64_t *epoch,
                                        struct crew_err *);
/* The highest epoch claimed; 0: none. */
CREW_MUST_CHECK int crewdir_highest_epoch(struct crew_env *,
                                          const char *model_dir,
                                          CREW_OUT uint64_t *epoch,
                                          struct crew_err *);

struct crewdir_done {
    int64_t step;
    char reason[256];
};
CREW_MUST_CHECK int crewdir_write_done(struct crew_env *,
                                       const char *model_dir,
                                       int64_t step,
                                       const char *reason,
                                       struct crew_err *);
/* *found false when there is none. */
CREW_MUST_CHECK int crewdir_read_done(struct crew_env *,
                                      const char *model_dir,
                                      CREW_OUT bool *found,
                                      CREW_OUT struct crewdir_done *,
                                      struct crew_err *);
CREW_MUST_CHECK int crewdir_remove_done(struct crew_env *,
                                        const char *model_dir,
                                        struct crew_err *);

#endif
