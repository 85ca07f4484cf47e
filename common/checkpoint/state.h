/* SPDX-License-Identifier: Apache-2.0
 *
 * The text file `checkpoint` (a CheckpointState in protobuf's text form): which
 * checkpoint is the newest, which are kept, since when. Paths are relative to
 * its folder. Source: tensorflow/python/checkpoint/checkpoint_management.py. */
#ifndef CHECKPOINT_STATE_H
#define CHECKPOINT_STATE_H

#include "base/env.h"

struct state_entry {
    char *path; /* as written: "model.ckpt-100" or absolute */
    double timestamp;
};
struct ckpt_state {
    char *newest;            /* NULL: no file, or one that names none */
    struct state_entry *all; /* oldest first */
    int n;
    double last_preserved; /* 0: not there */
    bool damaged; /* there is a file, but it is no CheckpointState or names none
                   */
};

/* A missing file is an empty state. One that cannot be parsed is ignored as a
 * whole, as in TensorFlow: an empty state, `damaged`, and a warning in
 * env->log. Owner: caller, state_release. */
CREW_MUST_CHECK int state_read(struct crew_env *,
                               const char *model_dir,
                               CREW_OUT struct ckpt_state *,
                               struct crew_err *);
/* Replace the file. */
CREW_MUST_CHECK int state_write(struct crew_env *,
                                const char *model_dir,
                                const struct ckpt_state *,
                                struct crew_err *);
/* Append (taken out first if it was there), now the newest. */
void state_append(struct ckpt_state *, const char *path, double timestamp);
void state_remove(struct ckpt_state *, int i);
void state_release(struct ckpt_state *);

#endif
