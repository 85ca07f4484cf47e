/* SPDX-License-Identifier: Apache-2.0
 * Words as integers: open addressing over fingerprints, half empty. */
#include "io/word_ids.h"

#include <stdlib.h>
#include <string.h>

#include "base/fingerprint.h"
#include "base/mem.h"

#include "base/banned.h"

const char *word_ids_refuse(bool wanted,
                            int64_t hash_buckets,
                            const char *const *vocabulary,
                            int64_t vocabulary_size)
{
    bool given = hash_buckets > 0 || vocabulary_size > 0;

    if (wanted != given) {
        return given ? "hash_buckets and vocabulary are for strings"
                     : "a string needs hash_buckets or a vocabulary, which "
                       "make an integer of it";
    }
    if (hash_buckets < 0 || vocabulary_size < 0) {
        return "give hash_buckets, or a vocabulary and its size";
    }
    if (vocabulary_size > 0 && vocabulary == NULL) {
        return "its vocabulary is NULL";
    }
    for (int64_t i = 0; i < vocabulary_size; i++) {
        if (vocabulary[i] == NULL) {
            return "a word of its vocabulary is NULL";
        }
    }
    return NULL;
}

void word_ids_make(struct word_ids *ids,
                   int64_t hash_buckets,
                   const char *const *vocabulary,
                   int64_t vocabulary_size)
{
    uint64_t size = 2;

    *ids = (struct word_ids){.buckets = hash_buckets};
    if (vocabulary_size == 0) {
        return;
    }
    while (size < 2 * (uint64_t)vocabulary_size) {
        size *= 2;
    }
    ids->n = vocabulary_size;
    ids->mask = size - 1;
    ids->words = xcalloc((size_t)ids->n, sizeof *ids->words);
    ids->slots = xcalloc(size, sizeof *ids->slots);
    for (uint64_t i = 0; i < size; i++) {
        ids->slots[i] = -1;
    }
    for (int64_t i = 0; i < ids->n; i++) {
        const char *word = vocabulary[i];
        uint64_t at = fingerprint64(word, strlen(word)) & ids->mask;

        ids->words[i] = xstrdup(word);
        while (ids->slots[at] >= 0) {
            at = (at + 1) & ids->mask;
        }
        ids->slots[at] = i;
    }
}

void word_ids_release(struct word_ids *ids)
{
    for (int64_t i = 0; i < ids->n; i++) {
        free(ids->words[i]);
    }
    free(ids->words);
    free(ids->slots);
    *ids = (struct word_ids){0};
}

int64_t word_ids_of(const struct word_ids *ids, const char *word, size_t n)
{
    uint64_t at;

    if (ids->n == 0) {
        return hash_bucket_fast(word, n, ids->buckets);
    }
    at = fingerprint64(word, n) & ids->mask;
    for (; ids->slots[at] >= 0; at = (at + 1) & ids->mask) {
        const char *w = ids->words[ids->slots[at]];

        if (strlen(w) == n && memcmp(w, word, n) == 0) {
            break;
        }
    }
    return ids->slots[at] < 0 && ids->buckets > 0
               ? ids->n + hash_bucket_fast(word, n, ids->buckets)
               : ids->slots[at];
}
