/* SPDX-License-Identifier: Apache-2.0
 *
 * One variable whose rows or columns belong to a vocabulary, from a checkpoint
 * with another one. Source: tensorflow/python/training/checkpoint_ops.py and
 * core/kernels/{generate_vocab_remapping,load_and_remap_matrix}_op.cc. */
#ifndef ESTIMATOR_WARM_VOCAB_H
#define ESTIMATOR_WARM_VOCAB_H

#include "checkpoint/bundle.h"

/* Do the sizes of `info` fit the variable? Unlike in TensorFlow a vector is
 * fine with axis 0. Errors: INVALID_ARGUMENT (exit 1), in TensorFlow's words.
 */
CREW_MUST_CHECK int warm_vocab_check(const struct crew_vocab_info *,
                                     const char *name,
                                     const struct crew_shape *,
                                     struct crew_err *);
/* Fill `data`, of `shape`: what the checkpoint has for the new vocabulary's
 * lines, the rest by the backup initializer. The initializer's fan is that of
 * the whole variable (TensorFlow's is that of the missing elements in a row).
 * Errors: as warm_start_weights. */
CREW_MUST_CHECK int warm_vocab_fill(const struct crew_vocab_info *,
                                    struct crew_env *,
                                    struct bundle_reader *,
                                    const char *name,
                                    const char *prev_name,
                                    const struct crew_shape *,
                                    uint64_t seed,
                                    float *data,
                                    struct crew_err *);

/* "[5, 3]" with sep ", ", as Python prints a list; a kernel's is ",". Returns
 * buf. */
const char *warm_list_text(const struct crew_shape *,
                           const char *sep,
                           char *buf,
                           size_t size);

#endif
