/* SPDX-License-Identifier: Apache-2.0
 *
 * TensorFlow's dtypes by number: bytes of an element and both of their names.
 * Source: tensorflow/core/framework/types.proto, types.cc. */
#include "checkpoint/bundle.h"

#include "base/check.h"

#include "base/banned.h"

struct dtype_row {
    uint8_t size;         /* 0: no fixed size */
    const char *name;     /* as Python says it */
    const char *cpp_name; /* as TensorFlow's own messages do */
};

static const struct dtype_row rows[] = {
    [1] = {4, "float32", "float"},
    [2] = {8, "float64", "double"},
    [3] = {4, "int32", "int32"},
    [4] = {1, "uint8", "uint8"},
    [5] = {2, "int16", "int16"},
    [6] = {1, "int8", "int8"},
    [7] = {0, "string", "string"},
    [8] = {8, "complex64", "complex64"},
    [9] = {8, "int64", "int64"},
    [10] = {1, "bool", "bool"},
    [11] = {1, "qint8", "qint8"},
    [12] = {1, "quint8", "quint8"},
    [13] = {4, "qint32", "qint32"},
    [14] = {2, "bfloat16", "bfloat16"},
    [15] = {2, "qint16", "qint16"},
    [16] = {2, "quint16", "quint16"},
    [17] = {2, "uint16", "uint16"},
    [18] = {16, "complex128", "complex128"},
    [19] = {2, "float16", "half"},
    [20] = {0, "resource", "resource"},
    [21] = {0, "variant", "variant"},
    [22] = {4, "uint32", "uint32"},
    [23] = {8, "uint64", "uint64"},
    [24] = {1, "float8_e5m2", "float8_e5m2"},
    [25] = {1, "float8_e4m3fn", "float8_e4m3fn"},
    [29] = {1, "int4", "int4"},
    [30] = {1, "uint4", "uint4"},
};

static const struct dtype_row *find_row(int dtype)
{
    static const struct dtype_row unknown = {0, "unknown", "unknown"};
    bool known = dtype >= 0 && (size_t)dtype < COUNT_OF(rows) &&
                 rows[dtype].name != NULL;

    return known ? &rows[dtype] : &unknown;
}

size_t bundle_dtype_size(int dtype)
{
    return find_row(dtype)->size;
}

const char *bundle_dtype_name(int dtype)
{
    return find_row(dtype)->name;
}

const char *bundle_dtype_cpp_name(int dtype)
{
    return find_row(dtype)->cpp_name;
}
