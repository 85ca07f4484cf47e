/* SPDX-License-Identifier: Apache-2.0
 * An env whose files live in memory, for tests and the simulator: virtual
 * clock, seeded random numbers, silent log, and the n-th file operation made to
 * fail. Threads: one. */
#ifndef BASE_MEM_FS_H
#define BASE_MEM_FS_H

#include "base/env.h"

/* Owner: caller, env_mem_free(). */
struct crew_env *env_mem_new(uint64_t seed);
void env_mem_free(CREW_NULLABLE struct crew_env *);
/* Virtual time: now_ns() and wall_time() both move by it. */
void env_mem_advance(struct crew_env *, uint64_t ns);
/* The n-th file operation from now (n >= 1; 0 turns it off) fails with `code`
 * (RESOURCE_EXHAUSTED is a full disk), once or for ever after. */
void env_mem_fail_at(struct crew_env *, int64_t n, int code, bool for_ever);
bool env_mem_fail_fired(const struct crew_env *);
/* Where log lines go; NULL (the start): nowhere. */
void env_mem_on_log(struct crew_env *,
                    void (*line)(void *self, enum env_level, const char *),
                    void *self);

#endif
