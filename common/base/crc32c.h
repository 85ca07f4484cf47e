/* SPDX-License-Identifier: Apache-2.0
 * CRC-32C (Castagnoli): by the CPU's instruction in three interleaved streams
 * where it has one, by table elsewhere. Threads: any. */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The CRC of what `crc` covered followed by n more bytes; begin with 0. */
uint32_t crc32c_extend(uint32_t crc, const void *data, size_t n);
/* The same without the CPU's instruction, for tests. */
uint32_t crc32c_extend_by_table(uint32_t crc, const void *data, size_t n);

static inline uint32_t crc32c(const void *data, size_t n)
{
    return crc32c_extend(0, data, n);
}

/* TensorFlow stores CRCs masked, so that a CRC of data that holds CRCs stays
 * sound. Source: tsl/lib/hash/crc32c.h. */
static inline uint32_t crc32c_mask(uint32_t crc)
{
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

static inline uint32_t crc32c_unmask(uint32_t masked)
{
    uint32_t rot = masked - 0xa282ead8u;
    return (rot >> 17) | (rot << 15);
}

#endif
