/* SPDX-License-Identifier: Apache-2.0
 *
 * Assertions for bugs, on in every build but DCHECK, and checked casts of void
 * pointers. What users, files or peers send is never asserted: it returns an
 * error. */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#include <stdint.h>

/* Print "file:line: what failed: expression" and abort. */
_Noreturn void check_failed(const char *file,
                            int line,
                            const char *what,
                            const char *expression);

#define CHECK_AS(what, x) \
    ((x) ? (void)0 : check_failed(__FILE__, __LINE__, what, #x))
#define PRE(x) CHECK_AS("precondition", x)
#define POST(x) CHECK_AS("postcondition", x)
#define INVARIANT(x) CHECK_AS("invariant", x)
#ifdef NDEBUG
#define DCHECK(x) ((void)0)
#else
#define DCHECK(x) CHECK_AS("debug check", x)
#endif

/* A struct that travels through a void pointer begins with
 * `uint32_t magic`, set to its <NAME>_MAGIC while alive and to 0 when freed:
 *     struct peer *p = CREW_CAST(struct peer, PEER_MAGIC, handle->data); */
static inline void *check_magic(void *p,
                                uint32_t magic,
                                const char *file,
                                int line)
{
    if (p == 0 || *(const uint32_t *)p != magic) {
        check_failed(file, line, "magic number of a", "pointer");
    }
    return p;
}
#define CREW_CAST(type, magic, p) \
    ((type *)check_magic((p), (magic), __FILE__, __LINE__))

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The struct that embeds `member`. */
#define CONTAINER_OF(pointer, type, member) \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#endif
