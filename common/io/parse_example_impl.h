/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of parse_example share.
 *
 * An example is read by parse_fast(): one pass, values decoded where they are
 * met, keys guessed from the example before. It takes only what is regular and
 * sound; anything else (a key twice, value before key, clipped lengths, every
 * error) it leaves to parse_exact(), which begins anew and does what
 * TensorFlow does in TensorFlow's order. */
#ifndef IO_PARSE_EXAMPLE_IMPL_H
#define IO_PARSE_EXAMPLE_IMPL_H

#include "io/parse_example.h"

struct spec_feature {
    struct parse_feature is; /* key and defaults are copies */
    size_t size;             /* bytes of a value */
    int64_t stride;          /* values of an example (FIXED) or step */
    uint8_t tag;             /* of the kind within a Feature */
    /* How a map entry of this key begins: 0a <n> key 12; its first 16 bytes
     * also as words. prefix_n 0: the key is too long for that. */
    size_t prefix_n;
    uint8_t *prefix;
    uint64_t word[2], mask[2];
    int64_t zero[2]; /* the padding when none was given */
};

/* Keys to features, open addressing; a free place holds UINT32_MAX. */
struct key_table {
    uint32_t *place;
    uint32_t mask;
};

struct parse_spec {
    int n, num_context;
    bool sequence;
    struct spec_feature *feature;
    struct key_table context, lists;
};

/* The feature of that key, or -1. */
int spec_find(const struct parse_spec *,
              const struct key_table *,
              const uint8_t *key,
              size_t n);

struct buffer {
    void *data;
    size_t cap; /* bytes */
};
/* Room for `bytes`; the first `keep` stay. */
CREW_MUST_CHECK int buffer_fit(struct buffer *,
                               size_t bytes,
                               size_t keep,
                               struct crew_err *);

/* A column under construction. */
struct slot {
    uint8_t *values; /* = value_buffer.data; strings: struct example_bytes */
    int64_t n, cap;  /* values in it, room for values */
    int64_t *indices;
    int64_t *splits; /* values before example i; batch + 1 */
    int64_t longest; /* most values of an example */
    uint64_t seen;   /* serial of the example that wrote here last */
    struct buffer value_buffer, index_buffer, split_buffer, padded;
    struct buffer outer_buffer; /* feature lists: steps before example i */
};

struct map_entry {
    int feature;
    const uint8_t *value;
    size_t n;
};

struct parse_output {
    struct slot *slot;
    struct parse_column *column;
    uint32_t *next; /* which feature followed it last time; [n]: the first */
    int n, cap;
    bool ready;
    int64_t batch;
    uint64_t serial; /* of the example that is being parsed */
    struct buffer entries;
};

struct parse_run {
    const struct parse_spec *spec;
    struct parse_output *out;
    const struct example_bytes *serialized, *names;
    int64_t batch, i; /* i: the example that is being parsed */
    bool single;
    bool recount; /* slot.longest is not to be trusted */
    struct crew_err *err;
};

/* Places for n columns. */
CREW_MUST_CHECK int output_fit(struct parse_output *, int n, struct crew_err *);
/* Room for k more values (and their indices) of feature f. */
CREW_MUST_CHECK int slot_fit(struct parse_run *, int f, int64_t k);
/* Example i is done: it has all values from splits[i] on. */
static inline void slot_end_example(struct slot *s, int64_t i)
{
    int64_t count = s->n - s->splits[i];

    s->splits[i + 1] = s->n;
    s->longest = count > s->longest ? count : s->longest;
}

enum parse_outcome { PARSE_DONE, PARSE_IRREGULAR, PARSE_FAILED };

/* *found: how many features of the spec it had. */
enum parse_outcome parse_fast(struct parse_run *, int *found);
/* Returns CREW_OK or the error's code. */
CREW_MUST_CHECK int parse_exact(struct parse_run *);
/* Defaults and empty rows of what the example lacks. */
CREW_MUST_CHECK int parse_missing(struct parse_run *);

/* A list within a Feature: what follows the Feature's tag. */
struct value_list {
    const uint8_t *data, *end;
    bool packed;
    int64_t n;
};
/* False: TensorFlow cannot parse it. room: how many values there is room for,
 * or -1 for any; n may come out larger (it is then only good for a message). */
bool list_find(const struct spec_feature *,
               const uint8_t *p,
               size_t n,
               int64_t room,
               struct value_list *);
/* Its n values to `to`. */
void list_copy(const struct spec_feature *,
               const struct value_list *,
               void *to);
/* As values of feature f of example i, with indices. */
CREW_MUST_CHECK int list_append(struct parse_run *,
                                int f,
                                const struct value_list *);

/* ---------------------------------------------------------------- messages */

/* n bytes as text of one line: what is no UTF-8, and control bytes, as \xNN;
 * "..." where it does not fit. Returns buf. */
const char *parse_text(const void *data, size_t n, char *buf, size_t size);
/* "[2,?]". Returns buf. */
const char *parse_shape_text(const struct crew_shape *,
                             bool steps,
                             char *buf,
                             size_t size);
/* "float", "int64", "string" */
const char *parse_dtype_text(enum crew_dtype);
/* The example's name or "<unknown>". Returns buf. */
const char *parse_name(const struct parse_run *, char *buf, size_t size);
/* "Name: ..., Key: ..., Index: ...  <what>" */
int parse_fail(struct parse_run *, int feature, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
