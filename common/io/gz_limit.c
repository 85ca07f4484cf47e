/* SPDX-License-Identifier: Apache-2.0
 * What a file that may be gzipped can hold at most. */
#include "io/gz_limit.h"

#include <sys/stat.h>

#include "base/banned.h"

enum { MOST_OF_ONE = 1032 };

bool gz_may_hold(const char *path, uint64_t bytes)
{
    struct stat st;

    return stat(path, &st) != 0 || !S_ISREG(st.st_mode) ||
           bytes / MOST_OF_ONE <= (uint64_t)st.st_size;
}
