/* SPDX-License-Identifier: Apache-2.0
 * Elements as numbers, whatever their dtype. Internal to serving/. Integers go
 * through int64, so that none loses digits; what a double has no integer for
 * becomes the lowest one, as x86's conversions give (TensorFlow leaves it
 * undefined). */
#ifndef SERVING_NUMBER_H
#define SERVING_NUMBER_H

#include <math.h>

#include "serving/value.h"

static inline bool number_is_integer(int dtype)
{
    return dtype == CREW_INT32 || dtype == CREW_INT64 || dtype == CREW_UINT8 ||
           dtype == SERVING_INT8;
}

static inline bool number_is_float(int dtype)
{
    return dtype == CREW_FLOAT || dtype == CREW_DOUBLE;
}

/* bool is none. */
static inline bool number_is(int dtype)
{
    return number_is_integer(dtype) || number_is_float(dtype);
}

static inline double number_double(const struct value *v, int64_t i)
{
    switch (v->dtype) {
        case CREW_FLOAT:
            return (double)v->f32[i];
        case CREW_DOUBLE:
            return v->f64[i];
        case CREW_INT32:
            return v->i32[i];
        case CREW_INT64:
            return (double)v->i64[i];
        case SERVING_INT8:
            return ((const int8_t *)v->data)[i];
        default: /* uint8, bool */
            return v->u8[i];
    }
}

/* Of a value of integers or bool. */
static inline int64_t number_int(const struct value *v, int64_t i)
{
    switch (v->dtype) {
        case CREW_INT32:
            return v->i32[i];
        case CREW_INT64:
            return v->i64[i];
        case SERVING_INT8:
            return ((const int8_t *)v->data)[i];
        default: /* uint8, bool */
            return v->u8[i];
    }
}

/* Into a value of integers or bool; the high bits are dropped. */
static inline void number_put_int(struct value *v, int64_t i, int64_t x)
{
    switch (v->dtype) {
        case CREW_INT32:
            v->i32[i] = (int32_t)x;
            break;
        case CREW_INT64:
            v->i64[i] = x;
            break;
        case CREW_BOOL:
            v->b[i] = x != 0;
            break;
        default: /* uint8, int8 */
            v->u8[i] = (uint8_t)x;
    }
}

/* Into a value of floats or doubles. */
static inline void number_put_double(struct value *v, int64_t i, double x)
{
    if (v->dtype == CREW_FLOAT) {
        v->f32[i] = (float)x;
    } else {
        v->f64[i] = x;
    }
}

/* Towards zero, for an integer type of `dtype`. */
static inline int64_t number_truncated(double x, int dtype)
{
    if (dtype == CREW_INT64) {
        return x >= -0x1p63 && x < 0x1p63 ? (int64_t)x : INT64_MIN;
    }
    return x > -0x1p31 - 1.0 && x < 0x1p31 ? (int64_t)x : INT32_MIN;
}

/* Is element i less than element j of the same value? NaN never is. */
static inline bool number_less(const struct value *v, int64_t i, int64_t j)
{
    return number_is_integer(v->dtype)
               ? number_int(v, i) < number_int(v, j)
               : number_double(v, i) < number_double(v, j);
}

#endif
