/* SPDX-License-Identifier: Apache-2.0
 *
 * SIGINT and SIGTERM. The first asks the process to save and to stop; it is
 * given 25 seconds (launchers kill after 30). The second ends it at once. As
 * PID 1 of a container signals without a handler are ignored, so both are
 * always handled. Threads: the training thread asks; the handler runs on any.
 */
#ifndef ESTIMATOR_SIGNALS_H
#define ESTIMATOR_SIGNALS_H

#include "crew.h"

void signals_install(void);
/* The first signal that came, 0 before. */
int signals_pending(void);
/* What the handler calls to end a wait early; must be async-signal-safe. NULL:
 * nothing. A signal that has come already calls it now. */
void signals_on_interrupt(void (*interrupt)(void *), void *arg);
/* CANCELLED with exit code 128 + the signal's number when one has come. */
CREW_MUST_CHECK int signals_check(struct crew_err *);
/* Sleep; ends early when a signal comes. */
void signals_sleep(double secs);

#endif
