/* SPDX-License-Identifier: Apache-2.0
 *
 * <model_dir>/.crew/model.ckpt-N.manifest: which chief (epoch) wrote a
 * checkpoint, and size and CRC-32C of its whole files. TensorFlow's format has
 * bytes that no CRC of its own covers (the index's footer); this covers them.
 * Lines of text; the last one is the CRC-32C of those before it. */
#ifndef CHECKPOINT_MANIFEST_H
#define CHECKPOINT_MANIFEST_H

#include "checkpoint/bundle.h"

struct manifest {
    int64_t step;
    uint64_t epoch;
    struct bundle_sums sums;
};

CREW_MUST_CHECK int manifest_write(struct crew_env *,
                                   const char *path,
                                   const struct manifest *,
                                   struct crew_err *);
/* *found false when there is none. Errors: DATA_LOSS. */
CREW_MUST_CHECK int manifest_read(struct crew_env *,
                                  const char *path,
                                  CREW_OUT bool *found,
                                  CREW_OUT struct manifest *,
                                  struct crew_err *);
/* Whether the files of the checkpoint <prefix> are those of the manifest, byte
 * for byte as far as a CRC can tell; also false when they cannot be read. */
bool manifest_fits(struct crew_env *,
                   const char *prefix,
                   const struct manifest *);
/* That the files of <prefix> are those of the manifest in .crew/ beside them;
 * *found false when there is none. Errors: DATA_LOSS (exit 65), they are not,
 * or it is damaged itself. */
CREW_MUST_CHECK int manifest_check(struct crew_env *,
                                   const char *prefix,
                                   CREW_OUT bool *found,
                                   struct crew_err *);

#endif
