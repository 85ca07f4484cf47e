/* SPDX-License-Identifier: Apache-2.0
 * The part of the family records that is about tf.Example and parse_example. */
#ifndef GOLDEN_RECORDS_EXAMPLES_H
#define GOLDEN_RECORDS_EXAMPLES_H

#include "golden.h"

/* examples.json, wire.json and parse_example.json of the folder. Returns 0 or
 * an exit code, as a family does. */
int records_examples(const char *dir, struct golden_report *);

#endif
