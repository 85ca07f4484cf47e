/* SPDX-License-Identifier: Apache-2.0
 * A hook whose arguments are wrong. Constructors give hooks by value and cannot
 * fail; what is wrong is said when the session begins, as a graph's first error
 * is. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "hooks/hooks.h"
#include "base/banned.h"

static int broken_begin(void *self,
                        struct crew_session *session,
                        struct crew_err *err)
{
    (void)session;
    return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1, "%s",
                         (const char *)self);
}

static const struct crew_hook_ops broken_ops = {
    .begin = broken_begin,
    .free = free,
};

struct crew_hook hook_broken(const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return (struct crew_hook){&broken_ops, xstrdup(text)};
}
