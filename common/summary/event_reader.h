/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads TensorBoard's event files, those of a folder in the order of their
 * names. Threads: one a reader. */
#ifndef SUMMARY_EVENT_READER_H
#define SUMMARY_EVENT_READER_H

#include "base/env.h"
#include "proto/tensorflow.pb-c.h"

struct event_reader;

CREW_MUST_CHECK int event_reader_open(struct crew_env *,
                                      const char *path,
                                      CREW_OUT struct event_reader **,
                                      struct crew_err *);
void event_reader_close(CREW_NULLABLE struct event_reader *);
/* The next event. OUT_OF_RANGE at the end; also when the last record is cut
 * short, which a file that is being written may be, but only while less than
 * its header is there; DATA_LOSS in TensorFlow's words. Owner: caller,
 * tensorflow__event__free_unpacked(). */
CREW_MUST_CHECK int event_reader_next(struct event_reader *,
                                      CREW_OUT Tensorflow__Event **,
                                      struct crew_err *);

/* Paths of the event files ("tfevents" in the name) of a folder, in order; of a
 * file, the file itself. Owner: caller, event_files_free. */
CREW_MUST_CHECK int event_files(struct crew_env *,
                                const char *path,
                                CREW_OUT char ***files,
                                CREW_OUT int *n,
                                struct crew_err *);
void event_files_free(CREW_NULLABLE char **files, int n);

#endif
