/* SPDX-License-Identifier: Apache-2.0
 *
 * Which rows of a table's granule have changed since when, so that a trainer
 * gets those rows and not the whole granule. A version is a place in the log;
 * it only rises. A trainer says which version it has; the log tells the rows
 * that have changed since, as long as it remembers. Pure. Threads: one. */
#ifndef PS_ROW_LOG_H
#define PS_ROW_LOG_H

#include <stdbool.h>
#include <stdint.h>

struct row_log {
    uint64_t version;
    uint32_t cap;   /* changes it remembers; 0: it is not kept */
    uint32_t *ring; /* (cap) the row of each change; borrowed */
    uint32_t *last; /* by row: the newest change, its lower 32 bits; borrowed */
};

/* How many changes a granule of so many rows remembers: when more have changed,
 * the whole is hardly longer. */
uint32_t row_log_cap(uint32_t rows);
void row_log_add(struct row_log *, uint32_t row);
/* All rows may have changed. */
void row_log_all(struct row_log *);
/* The log remembers all that has changed since `version`. */
bool row_log_knows(const struct row_log *, uint64_t version);
/* Whether change number `at`, from a known version up to log->version - 1, is
 * the newest of its row. */
bool row_log_newest(const struct row_log *, uint64_t at, uint32_t *row);

#endif
