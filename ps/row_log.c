/* SPDX-License-Identifier: Apache-2.0
 * A ring of changes, and for each row the newest of its own. */
#include "row_log.h"

#include "base/banned.h"

uint32_t row_log_cap(uint32_t rows)
{
    return rows / 2 + 1;
}

void row_log_add(struct row_log *log, uint32_t row)
{
    if (log->cap == 0) {
        return;
    }
    log->ring[log->version % log->cap] = row;
    log->last[row] = (uint32_t)log->version;
    log->version++;
}

void row_log_all(struct row_log *log)
{
    log->version += (uint64_t)log->cap + 1;
}

bool row_log_knows(const struct row_log *log, uint64_t version)
{
    return log->cap > 0 && version <= log->version &&
           log->version - version <= log->cap;
}

bool row_log_newest(const struct row_log *log, uint64_t at, uint32_t *row)
{
    *row = log->ring[at % log->cap];
    return log->last[*row] == (uint32_t)at;
}
