/* SPDX-License-Identifier: Apache-2.0
 *
 * Checkpoints of a model_dir: model.ckpt-<step>.{index,data-00000-of-00001},
 * the text file `checkpoint` that names them, and our own files under .crew/.
 *
 * Happy path of a save: write everything in .crew/tmp-<step>-<nonce>/, fsync,
 * rename the data, rename the index (from now on it is a checkpoint), fsync the
 * folder, replace `checkpoint`, remove what retention lets go. Failure modes:
 * any error removes the temporary folder and leaves the checkpoints there were;
 * the next save is a new try. A crash leaves at most a temporary folder,
 * removed by the next save. */
#ifndef CHECKPOINT_SAVE_H
#define CHECKPOINT_SAVE_H

#include "checkpoint/bundle.h"

struct ckpt_tensor {
    const char *name;
    enum crew_dtype dtype;
    struct crew_shape shape;
    const void *data;
};

/* Which checkpoints are kept: RunConfig's keep_checkpoint_max (0: all) and
 * keep_checkpoint_every_n_hours. One per process that saves. */
struct ckpt_history;
/* Begin from the `checkpoint` file there is. Owner: caller, ckpt_history_free.
 */
CREW_MUST_CHECK int ckpt_history_open(struct crew_env *,
                                      const char *model_dir,
                                      int64_t keep_max,
                                      double keep_every_n_hours,
                                      CREW_OUT struct ckpt_history **,
                                      struct crew_err *);
void ckpt_history_free(CREW_NULLABLE struct ckpt_history *);

/* Save the tensors, in the order of their names as TensorFlow's Saver does, as
 * model.ckpt-<step>. Errors: RESOURCE_EXHAUSTED (exit 74) disk full, with the
 * size; FAILED_PRECONDITION (exit 1) a float that is not finite, naming it;
 * ABORTED (exit 138) the epoch has been taken over by another chief. */
CREW_MUST_CHECK int ckpt_save(struct ckpt_history *,
                              int64_t step,
                              uint64_t epoch,
                              const struct ckpt_tensor *,
                              int n,
                              struct crew_err *);

/* The newest checkpoint that opens and whose tensors' CRCs hold; *prefix NULL
 * and *step -1 when the folder never had one. A damaged newer one is told to
 * env->log and passed over. Errors: DATA_LOSS (exit 65) there are checkpoints
 * but none is good: nothing is touched. Owner: caller, free(). */
CREW_MUST_CHECK int ckpt_latest(struct crew_env *,
                                const char *model_dir,
                                CREW_OUT char **prefix,
                                CREW_OUT int64_t *step,
                                struct crew_err *);

/* What the `checkpoint` file names now, without opening it:
 * <model_dir>/model.ckpt-N if its .index exists, else NULL
 * (tf.train.latest_checkpoint). Owner: caller. */
char *ckpt_named(struct crew_env *, const char *model_dir);
/* N of ".../model.ckpt-N"; -1 when it has none. */
int64_t ckpt_step(const char *prefix);

#endif
