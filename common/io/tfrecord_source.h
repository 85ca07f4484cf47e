/* SPDX-License-Identifier: Apache-2.0
 *
 * The bytes under a TFRecord reader: a file as it is, or inflated. */
#ifndef IO_TFRECORD_SOURCE_H
#define IO_TFRECORD_SOURCE_H

#include "io/tfrecord.h"

/* The size of TensorFlow's buffers too: what inflate() makes of a damaged
 * stream before it says so depends on it. */
#define TFRECORD_WINDOW ((size_t)256 * 1024)

/* What the first bytes of a file look like. */
CREW_MUST_CHECK int tfrecord_sniff(struct env_fs *,
                                   struct env_file *,
                                   CREW_OUT enum tfrecord_compression *,
                                   struct crew_err *);

/* Begin with a source that has fs and file set and all else zero. */
CREW_MUST_CHECK int tfrecord_source_begin(struct tfrecord_source *,
                                          enum tfrecord_compression,
                                          struct crew_err *);
void tfrecord_source_release(struct tfrecord_source *);
/* Have n bytes at window + begin, or at the end of the file fewer. Memory grows
 * with what is there, not with n. Errors: of the file; DATA_LOSS from inflate;
 * RESOURCE_EXHAUSTED. */
CREW_MUST_CHECK int tfrecord_source_need(struct tfrecord_source *,
                                         uint64_t n,
                                         struct crew_err *);
bool tfrecord_source_unfinished(const struct tfrecord_source *);

#endif
