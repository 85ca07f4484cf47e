/* SPDX-License-Identifier: Apache-2.0
 * What a file that may be gzipped can hold at most, before memory is taken for
 * what its header announces. */
#ifndef IO_GZ_LIMIT_H
#define IO_GZ_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

/* Whether the file can give so many bytes: deflate makes at most 1032 of one.
 * True where that cannot be told (a pipe). */
bool gz_may_hold(const char *path, uint64_t bytes);

#endif
