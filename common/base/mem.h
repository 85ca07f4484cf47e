/* SPDX-License-Identifier: Apache-2.0
 *
 * Two tiers of allocation. Small, fixed sizes: x*, which end the process when
 * there is no memory. Sizes that come from a file, the wire or a model:
 * mem_try, which returns RESOURCE_EXHAUSTED and is what tests make fail
 * (mem_fail_at). */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "crew.h"

void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *p, size_t size);
char *xstrdup(const char *s);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Room for count elements of `size` bytes, zeroed, aligned to 64 bytes; free()
 * releases it. `what` names it in the message.
 * Errors: RESOURCE_EXHAUSTED when the product overflows or memory is short. */
CREW_MUST_CHECK int mem_try(size_t count,
                            size_t size,
                            const char *what,
                            CREW_OUT void **out,
                            struct crew_err *err);

/* Tests: let the n-th mem_try from now fail (n >= 1; 0 turns it off), once or
 * for ever after. mem_fail_fired() tells whether it came to that. */
void mem_fail_at(int64_t n, bool for_ever);
bool mem_fail_fired(void);

/* Fuzzers: refuse every mem_try of more than so many bytes; 0: no limit. */
void mem_limit(size_t bytes);

#endif
