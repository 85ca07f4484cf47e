/* SPDX-License-Identifier: Apache-2.0
 * SHA-256 (FIPS 180-4), to tell contents apart in listings; nothing secret goes
 * through it. */
#ifndef CHECKPOINT_SHA256_H
#define CHECKPOINT_SHA256_H

#include <stddef.h>
#include <stdint.h>

struct sha256 {
    uint32_t state[8];
    uint64_t bytes;
    uint8_t block[64];
};

void sha256_init(struct sha256 *);
void sha256_add(struct sha256 *, const void *data, size_t n);
/* The digest as 64 hex digits and a NUL. */
void sha256_hex(struct sha256 *, char text[65]);

#endif
