/* SPDX-License-Identifier: Apache-2.0
 *
 * TensorFlow's hashes of strings, bit for bit: what feature columns and tables
 * are indexed by. Pure; threads: any. */
#ifndef BASE_FINGERPRINT_H
#define BASE_FINGERPRINT_H

#include <stddef.h>
#include <stdint.h>

/* tsl::Fingerprint64: farmhashna::Hash64. Stable for ever. */
uint64_t fingerprint64(const void *data, size_t n);
/* tsl::FingerprintCat64: two fingerprints into one; the order counts. What
 * crossed columns are folded with. */
uint64_t fingerprint_cat64(uint64_t a, uint64_t b);
/* The seed of a cross whose column was given no hash_key. */
#define CROSS_HASH_KEY 0xDECAFCAFFEu

/* tsl::StrongKeyedHash: SipHash-2-4 with the key's two words. */
uint64_t strong_hash64(const uint64_t key[2], const void *data, size_t n);
/* tsl::Hash64, what StringToHashBucket (deprecated) uses. */
uint64_t legacy_hash64(const void *data, size_t n);

/* StringToHashBucketFast: fingerprint64 modulo num_buckets (>= 1). */
int64_t hash_bucket_fast(const void *data, size_t n, int64_t num_buckets);

#endif
