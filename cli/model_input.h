/* SPDX-License-Identifier: Apache-2.0
 * Tensors for a model from the command line: .npy files, literals, Examples. */
#ifndef CLI_MODEL_INPUT_H
#define CLI_MODEL_INPUT_H

#include "cli/literal.h"
#include "serving/value.h"

/* A nested list as a tensor of `dtype`. Errors: INVALID_ARGUMENT (64): rows of
 * different lengths, an element of another kind. */
CREW_MUST_CHECK int input_from_literal(const struct literal *,
                                       int dtype,
                                       CREW_OUT struct value *,
                                       struct crew_err *);
/* A list of dicts as a vector of serialized tf.Examples; the first element of a
 * feature's list says its kind, as in saved_model_cli. */
CREW_MUST_CHECK int input_examples(const struct literal *,
                                   CREW_OUT struct value *,
                                   struct crew_err *);
/* Numbers of one type as those of another; v is replaced. */
CREW_MUST_CHECK int input_cast(struct value *v, int dtype, struct crew_err *);
/* The newest version below a base folder, or the folder itself when it is an
 * export. Owner: caller, free(). Errors: NOT_FOUND (66). */
CREW_MUST_CHECK int input_model_dir(const char *dir,
                                    CREW_OUT char **out,
                                    struct crew_err *);

#endif
