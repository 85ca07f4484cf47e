/* SPDX-License-Identifier: Apache-2.0
 *
 * What makes an integer of a word: a bucket of its hash, or its place in a
 * vocabulary. Threads: any, once it is made. */
#ifndef IO_WORD_IDS_H
#define IO_WORD_IDS_H

#include "tensor/tensor.h"

struct word_ids {
    int64_t buckets; /* of all words, or of those that are not in the
                        vocabulary, behind it; 0: none */
    char **words;
    int64_t n;
    int64_t *slots; /* (mask + 1): a word's place, or -1 */
    uint64_t mask;
};

/* What is wrong with such a request, or NULL. One or both are to be given when
 * `wanted`, else none. */
const char *word_ids_refuse(bool wanted,
                            int64_t hash_buckets,
                            CREW_NULLABLE const char *const *vocabulary,
                            int64_t vocabulary_size);
/* Words are copied. Owner: caller, word_ids_release(). */
void word_ids_make(struct word_ids *,
                   int64_t hash_buckets,
                   CREW_NULLABLE const char *const *vocabulary,
                   int64_t vocabulary_size);
void word_ids_release(struct word_ids *);
/* The bucket, or the place (of a word that is there twice the first; -1: it is
 * not there and there are no buckets). */
int64_t word_ids_of(const struct word_ids *, const char *word, size_t n);

#endif
