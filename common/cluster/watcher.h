/* SPDX-License-Identifier: Apache-2.0
 * The evaluator's link to ps 0: news of saves and of the end, and the report
 * that the last export is written. A network thread keeps it; without a ps 0
 * that answers the evaluator still works from model_dir. Functions block at
 * most as long as asked and are called by one thread. */
#ifndef CLUSTER_WATCHER_H
#define CLUSTER_WATCHER_H

#include "cluster/trainer.h"

struct watcher;

struct watcher_news {
    int64_t saved_step; /* newest save told by ps 0; -1: none */
    bool ended;         /* the job has ended: see end */
    struct trainer_end end;
    bool lost; /* ps 0 was there and has not answered for 30 s */
};

/* Uses env, tf, insecure_network, on_wait, on_notice, self of the options.
 * status: a "host:port" or Unix path to answer crew health on, or NULL. */
CREW_MUST_CHECK int watcher_open(const struct trainer_options *,
                                 CREW_NULLABLE const char *status,
                                 CREW_OUT struct watcher **,
                                 struct crew_err *);
/* Wait until the news differ from *news, at most `secs`; fills it. CANCELLED
 * when interrupted. */
CREW_MUST_CHECK int watcher_wait(struct watcher *,
                                 double secs,
                                 struct watcher_news *news,
                                 struct crew_err *);
/* A result for the chief's progress line. Never blocks. */
void watcher_report(struct watcher *, int64_t step, const char *line);
/* The final export is written; waits until ps 0 knows, at most 10 s. */
CREW_MUST_CHECK int watcher_done(struct watcher *, struct crew_err *);
void watcher_interrupt(struct watcher *);
void watcher_close(CREW_NULLABLE struct watcher *);

#endif
