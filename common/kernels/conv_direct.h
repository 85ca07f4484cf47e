/* SPDX-License-Identifier: Apache-2.0
 * Convolution without columns. Internal to kernels/; the arguments are those of
 * kernels.h. Threads: any, on disjoint outputs. */
#ifndef KERNELS_CONV_DIRECT_H
#define KERNELS_CONV_DIRECT_H

#include "kernels/conv2d.h"

/* Is it for this shape, with the instruction set in use? */
bool conv_direct_fits(const struct conv2d_dims *);
/* The same for backward. input_too: d_x is wanted. */
bool conv_direct_fits_backward(const struct conv2d_dims *, bool input_too);
/* Bytes, for forward and backward, whatever the instruction set. */
size_t conv_direct_scratch(const struct conv2d_dims *);

void conv_direct(const struct conv2d_dims *,
                 const float *x,
                 const float *filter,
                 float *y,
                 float *scratch);
void conv_direct_backward(const struct conv2d_dims *,
                          const float *x,
                          const float *filter,
                          const float *dy,
                          bool add_x,
                          CREW_NULLABLE float *d_x,
                          float *d_filter,
                          float *scratch);

#endif
