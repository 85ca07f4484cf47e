/* SPDX-License-Identifier: Apache-2.0
 *
 * The hot path: one pass over a regular example. Every length is checked
 * against what encloses it and must fill it exactly; whatever is not so is left
 * to parse_exact(). Which key comes next is guessed from the example before, so
 * that the guess's check (key, tags and the key's length in one comparison) is
 * all that most entries need. */
#include <string.h>

#include "base/check.h"
#include "io/parse_example_impl.h"
#include "io/parse_example_wire.h"
#include "base/banned.h"

/* A length of one or two bytes; NULL when longer. */
static inline const uint8_t *short_length(const uint8_t *p,
                                          const uint8_t *end,
                                          size_t *n)
{
    if (p < end && p[0] < 0x80) {
        *n = p[0];
        return p + 1;
    }
    if (end - p >= 2 && p[1] < 0x80) {
        *n = (size_t)(p[0] & 0x7f) | (size_t)p[1] << 7;
        return p + 2;
    }
    return NULL;
}

/* The same of any size below 2^31. */
static inline const uint8_t *length_at(const uint8_t *p,
                                       const uint8_t *end,
                                       size_t *n)
{
    const uint8_t *q = short_length(p, end, n);
    uint64_t v;

    if (q == NULL) {
        q = wire_varint_slow(p, end, &v);
        if (q == NULL || v > INT32_MAX) {
            return NULL;
        }
        *n = (size_t)v;
    }
    return q;
}

/* A tag and a length that reaches exactly to `end`: the byte after them. */
static inline const uint8_t *whole(const uint8_t *p,
                                   const uint8_t *end,
                                   uint8_t tag)
{
    size_t n;

    if (p == end || *p != tag) {
        return NULL;
    }
    p = length_at(p + 1, end, &n);
    return p != NULL && n == (size_t)(end - p) ? p : NULL;
}

/* ------------------------------------------------------------------- values
 * [v, end): the Feature, not empty. Anything but PARSE_DONE leaves the slot as
 * it was, or is undone by parse_exact(). */

/* Lists that are unpacked, in pieces or otherwise unusual. */
static enum parse_outcome any_list(struct parse_run *run,
                                   int f,
                                   const uint8_t *v,
                                   const uint8_t *end)
{
    const struct spec_feature *feature = &run->spec->feature[f];
    struct slot *s = &run->out->slot[f];
    bool fixed = feature->is.kind == PARSE_FIXED;
    struct value_list list;

    if (*v != feature->tag ||
        !list_find(feature, v + 1, (size_t)(end - v) - 1,
                   fixed ? feature->stride : -1, &list) ||
        (fixed ? list.n != feature->stride : list.n % feature->stride != 0)) {
        return PARSE_IRREGULAR;
    }
    if (fixed) {
        list_copy(
            feature, &list,
            s->values + (size_t)(run->i * feature->stride) * feature->size);
        return PARSE_DONE;
    }
    return list_append(run, f, &list) == CREW_OK ? PARSE_DONE : PARSE_FAILED;
}

/* Where k more values of a list that may have any number of them go; indices
 * are written. NULL: no memory. */
static inline void *append(struct parse_run *run,
                           const struct spec_feature *feature,
                           struct slot *s,
                           int f,
                           int64_t k)
{
    void *to;

    if (s->n + k > s->cap && slot_fit(run, f, k) != CREW_OK) {
        return NULL;
    }
    to = s->values + (size_t)s->n * feature->size;
    if (s->indices != NULL) {
        int64_t *row = s->indices + 2 * s->n;

        for (int64_t j = 0; j < k; j++) {
            row[2 * j] = run->i;
            row[2 * j + 1] = j;
        }
    }
    s->n += k;
    return to;
}

static inline enum parse_outcome floats(struct parse_run *run,
                                        const struct spec_feature *feature,
                                        struct slot *s,
                                        int f,
                                        const uint8_t *v,
                                        const uint8_t *end)
{
    bool fixed = feature->is.kind == PARSE_FIXED;
    size_t n = (size_t)(end - v);
    const uint8_t *data;
    float *to;

    if (n == 8 && wire_load32(v) == 0x040a0612) { /* one packed float */
        data = v + 4;
    } else {
        data = whole(v, end, TAG_BYTES_2);
        data =
            data != NULL && data != end ? whole(data, end, TAG_BYTES_1) : NULL;
        if (data == NULL) {
            return any_list(run, f, v, end);
        }
    }
    n = (size_t)(end - data);
    if (n % 4 != 0 || (fixed ? (int64_t)(n / 4) != feature->stride
                             : (int64_t)(n / 4) % feature->stride != 0)) {
        return PARSE_IRREGULAR;
    }
    if (n == 0) {
        return PARSE_DONE;
    }
    to = fixed ? (float *)(void *)s->values + run->i * feature->stride
               : append(run, feature, s, f, (int64_t)(n / 4));
    if (to == NULL) {
        return PARSE_FAILED;
    }
    if (n == 4) {
        memcpy(to, data, 4);
    } else {
        memcpy(to, data, n);
    }
    return PARSE_DONE;
}

static enum parse_outcome many_ints(struct parse_run *run,
                                    const struct spec_feature *feature,
                                    struct slot *s,
                                    int f,
                                    const uint8_t *p,
                                    const uint8_t *end)
{
    int64_t before = s->n;
    uint64_t v;

    for (int64_t k = 0; p < end; k++) {
        if (s->n == s->cap && slot_fit(run, f, 1) != CREW_OK) {
            return PARSE_FAILED;
        }
        p = wire_varint(p, end, &v);
        if (p == NULL) {
            return PARSE_IRREGULAR;
        }
        ((int64_t *)(void *)s->values)[s->n] = (int64_t)v;
        if (s->indices != NULL) {
            s->indices[2 * s->n] = run->i;
            s->indices[2 * s->n + 1] = k;
        }
        s->n++;
    }
    return (s->n - before) % feature->stride == 0 ? PARSE_DONE
                                                  : PARSE_IRREGULAR;
}

static inline enum parse_outcome ints(struct parse_run *run,
                                      const struct spec_feature *feature,
                                      struct slot *s,
                                      int f,
                                      const uint8_t *v,
                                      const uint8_t *end)
{
    const uint8_t *p = whole(v, end, TAG_BYTES_3);
    int64_t *to;
    uint64_t value;

    p = p != NULL && p != end ? whole(p, end, TAG_BYTES_1) : NULL;
    if (p == NULL) {
        return any_list(run, f, v, end);
    }
    if (feature->is.kind != PARSE_FIXED) {
        return many_ints(run, feature, s, f, p, end);
    }
    to = (int64_t *)(void *)s->values + run->i * feature->stride;
    for (int64_t k = 0; k < feature->stride; k++) {
        p = wire_varint(p, end, &value);
        if (p == NULL) {
            return PARSE_IRREGULAR;
        }
        to[k] = (int64_t)value;
    }
    return p == end ? PARSE_DONE : PARSE_IRREGULAR;
}

static enum parse_outcome many_strings(struct parse_run *run,
                                       const struct spec_feature *feature,
                                       struct slot *s,
                                       int f,
                                       const uint8_t *p,
                                       const uint8_t *end)
{
    bool fixed = feature->is.kind == PARSE_FIXED;
    int64_t k = 0;

    for (; p < end; k++) {
        struct example_bytes *to;
        size_t n;

        if (*p != TAG_BYTES_1 || (p = length_at(p + 1, end, &n)) == NULL ||
            n > (size_t)(end - p) || (fixed && k == feature->stride)) {
            return PARSE_IRREGULAR;
        }
        if (!fixed && s->n == s->cap && slot_fit(run, f, 1) != CREW_OK) {
            return PARSE_FAILED;
        }
        to = (struct example_bytes *)(void *)s->values +
             (fixed ? run->i * feature->stride + k : s->n);
        *to = (struct example_bytes){(const char *)p, n};
        if (!fixed) {
            if (s->indices != NULL) {
                s->indices[2 * s->n] = run->i;
                s->indices[2 * s->n + 1] = k;
            }
            s->n++;
        }
        p += n;
    }
    return (fixed ? k == feature->stride : k % feature->stride == 0)
               ? PARSE_DONE
               : PARSE_IRREGULAR;
}

static inline enum parse_outcome strings(struct parse_run *run,
                                         const struct spec_feature *feature,
                                         struct slot *s,
                                         int f,
                                         const uint8_t *v,
                                         const uint8_t *end)
{
    size_t n = (size_t)(end - v);
    struct example_bytes *to;
    const uint8_t *p;

    /* One string: 0a <n-2> 0a <n-4> bytes. */
    if (n >= 4 && n < 0x80 && feature->stride == 1 &&
        wire_load32(v) ==
            (0x000a000au | (uint32_t)(n - 2) << 8 | (uint32_t)(n - 4) << 24)) {
        to = feature->is.kind == PARSE_FIXED
                 ? (struct example_bytes *)(void *)s->values + run->i
                 : append(run, feature, s, f, 1);
        if (to == NULL) {
            return PARSE_FAILED;
        }
        *to = (struct example_bytes){(const char *)v + 4, n - 4};
        return PARSE_DONE;
    }
    p = whole(v, end, TAG_BYTES_1);
    return p == NULL ? any_list(run, f, v, end)
                     : many_strings(run, feature, s, f, p, end);
}

/* ----------------------------------------------------------------- entries */

static inline enum parse_outcome feature_values(struct parse_run *run,
                                                int f,
                                                const uint8_t *v,
                                                const uint8_t *end,
                                                int *found)
{
    const struct spec_feature *feature = &run->spec->feature[f];
    struct slot *s = &run->out->slot[f];
    enum parse_outcome got = PARSE_DONE;

    if (v == end && (feature->is.kind <= PARSE_FIXED_SEQUENCE || run->single)) {
        return PARSE_DONE; /* no kind: as if it were not there */
    }
    if (s->seen == run->out->serial) {
        return PARSE_IRREGULAR; /* a key twice */
    }
    s->seen = run->out->serial;
    (*found)++;
    if (v != end) {
        got = feature->tag == TAG_BYTES_2 ? floats(run, feature, s, f, v, end)
              : feature->tag == TAG_BYTES_1
                  ? strings(run, feature, s, f, v, end)
                  : ints(run, feature, s, f, v, end);
    }
    if (s->splits != NULL) {
        slot_end_example(s, run->i);
    }
    return got;
}

/* Whether [p, end) begins as the feature's entries do. */
static inline bool starts_with(const struct spec_feature *f,
                               const uint8_t *p,
                               const uint8_t *end)
{
    size_t n = (size_t)(end - p);

    if (n >= 16) {
        if (((wire_load64(p) ^ f->word[0]) & f->mask[0]) != 0 ||
            ((wire_load64(p + 8) ^ f->word[1]) & f->mask[1]) != 0) {
            return false;
        }
        return f->prefix_n <= 16
                   ? f->prefix_n > 0
                   : f->prefix_n <= n &&
                         memcmp(p + 16, f->prefix + 16, f->prefix_n - 16) == 0;
    }
    return f->prefix_n > 0 && f->prefix_n <= n &&
           memcmp(p, f->prefix, f->prefix_n) == 0;
}

/* The entry's key looked up: the feature, -1 for an unknown one, -2 for what
 * is irregular; *p moves behind the value's tag. */
static int find_key(const struct parse_run *run,
                    const uint8_t **p,
                    const uint8_t *end)
{
    const uint8_t *key;
    size_t n;

    if (*p == end || **p != TAG_BYTES_1) {
        return -2;
    }
    key = length_at(*p + 1, end, &n);
    if (key == NULL || n >= (size_t)(end - key) || key[n] != TAG_BYTES_2) {
        return -2;
    }
    *p = key + n + 1;
    return spec_find(run->spec, &run->spec->context, key, n);
}

/* The entry [p, end), which comes after feature `last`'s. Returns the feature,
 * -1 for an unknown one, -2 - outcome otherwise. */
static inline int one_entry(struct parse_run *run,
                            uint32_t last,
                            const uint8_t *p,
                            const uint8_t *end,
                            int *found)
{
    int f = (int)run->out->next[last];
    enum parse_outcome got;
    size_t n;

    if (starts_with(&run->spec->feature[f], p, end)) {
        p += run->spec->feature[f].prefix_n;
    } else {
        f = find_key(run, &p, end);
        if (f == -2) {
            return -2 - (int)PARSE_IRREGULAR;
        }
        if (f >= 0) {
            run->out->next[last] = (uint32_t)f;
        }
    }
    p = length_at(p, end, &n);
    if (p == NULL || n != (size_t)(end - p)) {
        return -2 - (int)PARSE_IRREGULAR;
    }
    if (f < 0) {
        return -1;
    }
    got = feature_values(run, f, p, end, found);
    return got == PARSE_DONE ? f : -2 - (int)got;
}

enum parse_outcome parse_fast(struct parse_run *run, int *found)
{
    const struct example_bytes *s = &run->serialized[run->i];
    const uint8_t *p = (const uint8_t *)s->data, *end;
    uint32_t last = (uint32_t)run->spec->n;

    if (s->n == 0) {
        return PARSE_DONE;
    }
    end = p + s->n;
    p = whole(p, end, TAG_BYTES_1);
    if (p == NULL || run->spec->n == 0) {
        return PARSE_IRREGULAR;
    }
    while (p < end) {
        const uint8_t *entry;
        size_t n;
        int f;

        if (*p != TAG_BYTES_1 || (entry = length_at(p + 1, end, &n)) == NULL ||
            n > (size_t)(end - entry)) {
            return PARSE_IRREGULAR;
        }
        p = entry + n;
        f = one_entry(run, last, entry, p, found);
        if (f < -1) {
            return (enum parse_outcome)(-2 - f);
        }
        last = f >= 0 ? (uint32_t)f : last;
    }
    return PARSE_DONE;
}
