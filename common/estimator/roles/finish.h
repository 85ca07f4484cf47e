/* SPDX-License-Identifier: Apache-2.0
 * The ways a training process ends, and what it says. */
#ifndef ESTIMATOR_FINISH_H
#define ESTIMATOR_FINISH_H

#include "estimator/training/train.h"

/* For DONE: "max_steps reached", ... */
const char *finish_reason(const struct training *);

/* Stopped by a signal, everything saved: says how to resume. The exit code. */
int finish_signalled(const struct training *);

/* Stopped by another process (STOP_TOLD): says why. The exit code. */
int finish_told(const struct training *);

/* The cluster said at the start that its job has ended (OUT_OF_RANGE). The exit
 * code. */
int finish_too_late(const struct training *);

/* The goal is reached (a chief): writes DONE, if that is wanted, and tells the
 * cluster; what fails is a warning. True: an evaluator will be waited for. */
bool finish_announce(struct training *, bool write_done);

/* An error: logs it; if the cluster still hears us (a chief), tells it. The
 * exit code. A wait that a signal ended is no error. */
int finish_failed(struct training *, const struct crew_err *);

#endif
