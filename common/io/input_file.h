/* SPDX-License-Identifier: Apache-2.0
 *
 * A file of input that is read from its beginning to its end, plain or gzipped,
 * through the environment's files. Errors name the file and the byte of it
 * (of its content, when it is gzipped). Threads: one. */
#ifndef IO_INPUT_FILE_H
#define IO_INPUT_FILE_H

#include "io/tfrecord.h"

struct input_file {
    const char *path; /* borrowed */
    uint64_t at;      /* bytes given so far */
    struct tfrecord_source source;
};

/* Errors: NOT_FOUND (66) with `fix`; those of env->fs->open. Owner: caller,
 * input_file_close(), after success only. */
CREW_MUST_CHECK int input_file_open(struct input_file *,
                                    struct crew_env *,
                                    const char *path,
                                    const char *fix,
                                    struct crew_err *);
void input_file_close(struct input_file *);
/* Whether the file can give so many bytes, before memory is taken for what its
 * header announces: deflate makes at most 1032 of one. True where that cannot
 * be told. */
bool input_file_may_hold(const struct input_file *, uint64_t bytes);
/* n bytes. DATA_LOSS (65): "truncated", or corrupt; those of the file. */
CREW_MUST_CHECK int input_file_read(struct input_file *,
                                    void *to,
                                    size_t n,
                                    struct crew_err *);
/* Nothing follows, and a gzip file's own end is right. DATA_LOSS (65). */
CREW_MUST_CHECK int input_file_end(struct input_file *, struct crew_err *);

#endif
