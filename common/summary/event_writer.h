/* SPDX-License-Identifier: Apache-2.0
 *
 * TensorBoard's event files: a TFRecord stream of Event messages in
 * <dir>/events.out.tfevents.<secs>.<host>.<pid>.<n>. One writer a folder.
 * Events are written at once by one write(2), so that a reader follows a live
 * run and a crash loses nothing that was logged. A write that fails is reported
 * once by the next call and the writer goes quiet: a full disk does not stop
 * training. Source: tensorflow/core/util/events_writer.cc. */
#ifndef SUMMARY_EVENT_WRITER_H
#define SUMMARY_EVENT_WRITER_H

#include "base/env.h"

struct event_writer;

/* Make the folder if missing, the file, and its first record. Owner: caller. */
CREW_MUST_CHECK int event_writer_open(struct crew_env *,
                                      const char *dir,
                                      CREW_OUT struct event_writer **,
                                      struct crew_err *);
/* fsync and close. */
void event_writer_close(CREW_NULLABLE struct event_writer *);

struct event_scalar {
    const char *tag;
    float value;
};
/* One event with n scalars (simple_value). */
CREW_MUST_CHECK int event_scalars(struct event_writer *,
                                  int64_t step,
                                  const struct event_scalar *,
                                  int n,
                                  struct crew_err *);
/* A scalar string tensor without metadata: Estimator's `checkpoint_path` of an
 * evaluation. */
CREW_MUST_CHECK int event_text(struct event_writer *,
                               int64_t step,
                               const char *tag,
                               const char *text,
                               struct crew_err *);
enum event_session {
    EVENT_SESSION_START = 1,
    EVENT_SESSION_STOP = 2,
    EVENT_SESSION_CHECKPOINT = 3
};
CREW_MUST_CHECK int event_session_log(struct event_writer *,
                                      int64_t step,
                                      enum event_session,
                                      CREW_NULLABLE const char *checkpoint_path,
                                      struct crew_err *);
/* A serialised GraphDef for the Graphs tab. */
CREW_MUST_CHECK int event_graph(struct event_writer *,
                                const uint8_t *graph_def,
                                size_t n,
                                struct crew_err *);

#endif
