/* SPDX-License-Identifier: Apache-2.0
 *
 * The frame of crew-bench. A row measures one figure of ours and its limit, the
 * "twin": what the machine does at best at the same thing (a loop of
 * multiply-adds, memcpy, a raw socket), measured in the same run. Only the
 * ratio of the two can be compared between machines. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdint.h>

#include "crew.h"

/* What a row found. unit: of `ours` and `limit`. goal: the smallest acceptable
 * ours/limit (the largest when lower_is_better); 0: for information only. */
struct bench_result {
    double ours, limit;
    const char *unit;
    double goal;
    bool lower_is_better;
    char note[160]; /* how the figure came about, or empty */
};

struct bench_row {
    const char *name;
    const char *what; /* one line for --list */
    int (*run)(CREW_OUT struct bench_result *, struct crew_err *);
};

/* Tables of rows, one a topic, each ended by a row without a name. */
extern const struct bench_row bench_compute_rows[];
extern const struct bench_row bench_kernel_rows[];
extern const struct bench_row bench_transport_rows[];
extern const struct bench_row bench_parse_rows[];
extern const struct bench_row bench_records_rows[];
extern const struct bench_row bench_ckpt_rows[];
extern const struct bench_row bench_serving_rows[];

/* Seconds on the monotonic clock. */
double bench_now(void);

/* Shortest and middle time of one call, over as many calls as `seconds` hold
 * (at least 3), after one call that does not count. */
struct bench_time {
    double best, median;
};
struct bench_time bench_measure(double seconds,
                                void (*call)(void *self),
                                void *self);

/* The core's fp32 multiply-add peak in GFLOP/s, measured once a run. */
double bench_fma_peak(void);

#endif
