/* SPDX-License-Identifier: Apache-2.0
 * Where a failed assertion ends; see check.h. */
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/banned.h"

void check_failed(const char *file,
                  int line,
                  const char *what,
                  const char *expression)
{
    (void)fprintf(stderr, "%s:%d: %s failed: %s\n", file, line, what,
                  expression);
    abort();
}
