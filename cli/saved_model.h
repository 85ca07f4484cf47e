/* SPDX-License-Identifier: Apache-2.0
 * What the files of `crew saved-model` share. */
#ifndef CLI_SAVED_MODEL_H
#define CLI_SAVED_MODEL_H

#include "crew.h"
#include "proto/tensorflow.pb-c.h"

/* saved_model_cli's options; NULL: not given. */
struct saved_model_args {
    const char *dir, *tag_set, *signature, *inputs, *exprs, *examples, *outdir,
        *format;
    bool all, list_ops, overwrite;
};

/* `run` on the export in `dir`: prints and writes the outputs. */
CREW_MUST_CHECK int saved_model_run(const struct saved_model_args *,
                                    const char *dir,
                                    struct crew_err *);
/* `show --format json`: {"version", "meta_graph", "signatures"} of one
 * MetaGraph. Owner: caller, free(). */
char *saved_model_json(const Tensorflow__SavedModel *,
                       const Tensorflow__MetaGraphDef *,
                       const char *dir);

#endif
