/* SPDX-License-Identifier: Apache-2.0
 * More of the family checkpoints: writing again, and reading in slices. */
#ifndef GOLDEN_CHECKPOINTS_MORE_H
#define GOLDEN_CHECKPOINTS_MORE_H

#include "checkpoint/bundle.h"
#include "golden.h"
#include "io/table.h"

/* The tensors and slices of every shard in the order of their offsets, written
 * by our writer, must give the files of <dir>/<prefix>. */
void checkpoints_write_again(struct golden_report *,
                             struct bundle_reader *,
                             const struct table *,
                             const char *dir,
                             const char *prefix);
/* `slice_reads` of expected.json: name, shape_and_slice and dtype of a
 * RestoreV2, and what it gave. reads NULL: none. */
void checkpoints_slice_reads(struct golden_report *,
                             struct bundle_reader *,
                             CREW_NULLABLE const cJSON *reads);

#endif
