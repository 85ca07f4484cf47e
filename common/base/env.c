/* SPDX-License-Identifier: Apache-2.0
 * What every env has in common. */
#include <stdio.h>

#include "base/env.h"
#include "base/banned.h"

void env_log(struct crew_env *env, enum env_level level, const char *fmt, ...)
{
    char text[2048];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    env->log(env, level, text);
}
