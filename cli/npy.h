/* SPDX-License-Identifier: Apache-2.0
 * Tensors in .npy files, read and written. */
#ifndef CLI_NPY_H
#define CLI_NPY_H

#include "serving/value.h"

/* Numbers and fixed-width bytes ('|S5'). Errors: NOT_FOUND (66), DATA_LOSS
 * (65). */
CREW_MUST_CHECK int npy_read(const char *path,
                             CREW_OUT struct value *,
                             struct crew_err *);
/* Strings are written as fixed-width bytes. */
CREW_MUST_CHECK int npy_write(const char *path,
                              const struct value *,
                              struct crew_err *);

#endif
