/* SPDX-License-Identifier: Apache-2.0
 *
 * The file behind an event_writer: a queue of packed events and what empties
 * it, the calling thread or, after event_file_start(), a thread of its own, so
 * that a slow disk never holds up training.
 *
 * What is queued is written by one write(2), at once. Of a disk that stalls,
 * EVENT_QUEUE_MOST bytes are waited for; then new events are dropped (the older
 * ones stay: a curve gets a gap). When a write fails, what is queued is lost
 * and a new file is begun EVENT_RETRY_SECS later (a record that was cut would
 * make the rest of the old one unreadable). Each of these is told once, through
 * notice(), and so is that it is over.
 *
 * Threads: event_file_add() and the others by one thread; notice() is called by
 * any. */
#ifndef SUMMARY_EVENT_FILE_H
#define SUMMARY_EVENT_FILE_H

#include "base/env.h"
#include "proto/tensorflow.pb-c.h"

enum { EVENT_QUEUE_MOST = 32 << 20, EVENT_RETRY_SECS = 60 };

struct event_file;

/* What has happened, as a sentence without a full stop. */
struct event_notice {
    void (*told)(void *self, const char *text);
    void *self;
};

/* Make the folder if missing, the file, and its first record. Owner: caller. */
CREW_MUST_CHECK int event_file_open(struct crew_env *,
                                    const char *dir,
                                    struct event_notice notice,
                                    CREW_OUT struct event_file **,
                                    struct crew_err *);
/* From now on a thread writes. Without one it goes on as before. */
void event_file_start(struct event_file *);
/* Stamp the event with the time and queue it. */
void event_file_add(struct event_file *, Tensorflow__Event *);
/* What has been queued is to be on the disk soon: fsync. */
void event_file_sync(struct event_file *);
/* Write what is queued, fsync, close. Waits for the disk. */
void event_file_close(CREW_NULLABLE struct event_file *);

#endif
