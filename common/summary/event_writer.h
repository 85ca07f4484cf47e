/* SPDX-License-Identifier: Apache-2.0
 *
 * TensorBoard's event files: a TFRecord stream of Event messages in
 * <dir>/events.out.tfevents.<secs>.<host>.<pid>.<n>. One writer a folder.
 * Writing an event never fails for the caller and, after event_writer_start(),
 * never waits for the disk; event_file.h says what becomes of events that
 * cannot be written. A crash of the process loses what has not been written, a
 * crash of the machine what came after the last event_writer_sync(). Threads:
 * one. Source: tensorflow/core/util/events_writer.cc. */
#ifndef SUMMARY_EVENT_WRITER_H
#define SUMMARY_EVENT_WRITER_H

#include "summary/event_file.h"
#include "summary/event_summary.h"

struct event_writer;

/* Make the folder if missing, the file, and its first record; events are
 * written at once, by the caller. Owner: caller. Errors: those of the file
 * system. */
CREW_MUST_CHECK int event_writer_open(struct crew_env *,
                                      const char *dir,
                                      struct event_notice notice,
                                      CREW_OUT struct event_writer **,
                                      struct crew_err *);
/* From now on a thread writes them. Not with a mem_fs env. */
void event_writer_start(struct event_writer *);
/* fsync what has been written so far, soon. */
void event_writer_sync(struct event_writer *);
/* Write what is left, fsync and close; waits for the disk. */
void event_writer_close(CREW_NULLABLE struct event_writer *);

/* The values as one event. */
void event_write_summary(struct event_writer *,
                         int64_t step,
                         struct event_summary *);
/* The same with one scalar. */
void event_write_scalar(struct event_writer *,
                        int64_t step,
                        const char *tag,
                        float value);

enum event_session {
    EVENT_SESSION_START = 1,
    EVENT_SESSION_STOP = 2,
    EVENT_SESSION_CHECKPOINT = 3
};
void event_write_session(struct event_writer *,
                         int64_t step,
                         enum event_session,
                         CREW_NULLABLE const char *checkpoint_path);

/* A serialised GraphDef for the Graphs tab, then, as Estimator does, a
 * MetaGraphDef around it. */
void event_write_graph(struct event_writer *, const void *graph_def, size_t n);
/* A serialised RunMetadata, shown by its tag beside the graph. */
void event_write_run_metadata(struct event_writer *,
                              int64_t step,
                              const char *tag,
                              const void *run_metadata,
                              size_t n);
/* A line for the log that readers print; level: 10 debug, 20 info, 30 warning,
 * 40 error. */
void event_write_log(struct event_writer *,
                     int64_t step,
                     int level,
                     const char *message);

#endif
