/* SPDX-License-Identifier: Apache-2.0
 * The C library's allocator with a counter before it. */
#include "allocations.h"

#include <stdatomic.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#endif

static _Atomic uint64_t calls;

uint64_t allocations(void)
{
    return atomic_load(&calls);
}

void allocations_look(struct allocation_spans *s)
{
    uint64_t now = allocations();
    if (s->before > 0 && now - s->before < s->least) {
        s->least = now - s->before;
    }
    s->before = now;
}

#if defined(SANITIZED) || !defined(__GLIBC__)

bool allocations_counted(void)
{
    return false;
}

#else

bool allocations_counted(void)
{
    return true;
}

/* NOLINTBEGIN(bugprone-reserved-identifier, cert-dcl37-c, cert-dcl51-cpp,
   readability-inconsistent-declaration-parameter-name) */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size)
{
    atomic_fetch_add(&calls, 1);
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    atomic_fetch_add(&calls, 1);
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
    atomic_fetch_add(&calls, 1);
    return __libc_realloc(p, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    atomic_fetch_add(&calls, 1);
    return __libc_memalign(alignment, size);
}

/* NOLINTEND(bugprone-reserved-identifier, cert-dcl37-c, cert-dcl51-cpp,
   readability-inconsistent-declaration-parameter-name) */

#endif
