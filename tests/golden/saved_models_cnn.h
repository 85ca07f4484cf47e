/* SPDX-License-Identifier: Apache-2.0
 * The model mnist_cnn_raw, built and exported by ourselves. */
#ifndef GOLDEN_SAVED_MODELS_CNN_H
#define GOLDEN_SAVED_MODELS_CNN_H

#include "golden.h"

/* folder: that of the model. As a family, returns 0 or an exit code. */
int saved_models_cnn(const char *folder, struct golden_report *report);

#endif
