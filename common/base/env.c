/* SPDX-License-Identifier: Apache-2.0
 * What every env has in common. */
#include <stdio.h>
#include <stdlib.h>

#include "base/env.h"
#include "base/mem.h"
#include "base/banned.h"

void env_log(struct crew_env *env, enum env_level level, const char *fmt, ...)
{
    char text[2048];
    char *whole;
    va_list args, again;
    int n;

    va_start(args, fmt);
    va_copy(again, args);
    n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (n < (int)sizeof text) {
        env->log(env, level, text);
    } else { /* a batch of a LoggingTensorHook */
        whole = xmalloc((size_t)n + 1);
        (void)vsnprintf(whole, (size_t)n + 1, fmt, again);
        env->log(env, level, whole);
        free(whole);
    }
    va_end(again);
}
