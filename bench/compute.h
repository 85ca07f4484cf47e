/* SPDX-License-Identifier: Apache-2.0
 * Rows of compute.c that fill a file of their own. */
#ifndef BENCH_COMPUTE_H
#define BENCH_COMPUTE_H

#include "bench.h"

int bench_cnn_step(CREW_OUT struct bench_result *, struct crew_err *);

#endif
