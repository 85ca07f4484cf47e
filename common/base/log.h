/* SPDX-License-Identifier: Apache-2.0
 *
 * The process's log: one line on stderr,
 *   <RFC 3339 time with ms>Z <LEVEL> <role>/<index> <text>
 * as one write(2), above the progress line if there is one. Bytes below 0x20 of
 * the text are escaped. Threads: any. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/env.h"

/* Who is speaking: "chief/0". Until then the program's name. */
void log_set_who(const char *who);
void log_set_level(enum env_level lowest);
/* 0, or -1 when `name` is no level (debug, info, warn, error). */
int log_level_parse(const char *name, CREW_OUT enum env_level *);
void log_line(enum env_level, const char *text);

/* The progress line: redrawn in place on a terminal, erased with "". Shown only
 * if stderr is a terminal, TERM is not dumb, CI is not set. */
bool log_progress_wanted(void);
void log_progress(const char *text);

#endif
