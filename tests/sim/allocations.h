/* SPDX-License-Identifier: Apache-2.0
 * How often this process has called malloc, calloc, realloc or
 * aligned_alloc. Threads: any. */
#ifndef SIM_ALLOCATIONS_H
#define SIM_ALLOCATIONS_H

#include <stdbool.h>
#include <stdint.h>

/* A sanitizer has the allocator for itself: then nothing is counted. */
bool allocations_counted(void);
uint64_t allocations(void);

/* The fewest allocations between two looks: what any such span has at least. */
struct allocation_spans {
    uint64_t before; /* at the newest look; 0: none yet */
    uint64_t least;  /* UINT64_MAX at first */
};
void allocations_look(struct allocation_spans *);

#endif
