/* SPDX-License-Identifier: Apache-2.0
 * Allocation in two tiers; see mem.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/banned.h"

static _Thread_local int64_t fail_countdown;
static _Thread_local bool fail_for_ever;
static _Thread_local bool fail_fired;
static _Thread_local size_t most_bytes; /* 0: no limit */

static _Noreturn void out_of_memory(size_t size)
{
    (void)fprintf(stderr, "out of memory: %zu bytes\n", size);
    abort();
}

void *xmalloc(size_t size)
{
    void *p = malloc(size > 0 ? size : 1);

    if (p == NULL) {
        out_of_memory(size);
    }
    return p;
}

void *xcalloc(size_t count, size_t size)
{
    void *p = calloc(count > 0 ? count : 1, size > 0 ? size : 1);

    if (p == NULL) {
        out_of_memory(count * size);
    }
    return p;
}

void *xrealloc(void *p, size_t size)
{
    void *q = realloc(p, size > 0 ? size : 1);

    if (q == NULL) {
        out_of_memory(size);
    }
    return q;
}

char *xstrdup(const char *s)
{
    size_t n = strlen(s) + 1;

    return memcpy(xmalloc(n), s, n);
}

char *xasprintf(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0) {
        out_of_memory(0);
    }
    va_end(args);
    return text;
}

void mem_limit(size_t bytes)
{
    most_bytes = bytes;
}

void mem_fail_at(int64_t n, bool for_ever)
{
    fail_countdown = n;
    fail_for_ever = for_ever;
    fail_fired = false;
}

bool mem_fail_fired(void)
{
    return fail_fired;
}

static bool must_fail(void)
{
    if (fail_fired && fail_for_ever) {
        return true;
    }
    if (fail_countdown > 0 && --fail_countdown == 0) {
        fail_fired = true;
        return true;
    }
    return false;
}

int mem_try(size_t count,
            size_t size,
            const char *what,
            void **out,
            struct crew_err *err)
{
    size_t bytes;
    void *p;

    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX / 2) {
        return crew_err_set(err, CREW_RESOURCE_EXHAUSTED,
                            "%s: %zu elements of %zu bytes are too many", what,
                            count, size);
    }
    bytes = (bytes + 63) & ~(size_t)63;
    p = must_fail() || (most_bytes > 0 && bytes > most_bytes)
            ? NULL
            : aligned_alloc(64, bytes > 0 ? bytes : 64);
    if (p == NULL) {
        return crew_err_set(err, CREW_RESOURCE_EXHAUSTED,
                            "%s: no memory for %zu bytes", what, bytes);
    }
    *out = memset(p, 0, bytes);
    return CREW_OK;
}
