/* SPDX-License-Identifier: Apache-2.0
 *
 * The bytes of a bundle's tensors: from the data files, in one piece or as
 * slices that are put together, and string tensors. Sizes are compared with the
 * file before a byte is read, CRCs after; an error leaves what was read to the
 * caller to throw away. */
#include "checkpoint/bundle_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "checkpoint/slice_key.h"
#include "io/varint.h"

#include "base/banned.h"

enum { PIECE = 256 * 1024 };

static char *shard_path(const struct bundle_reader *r, int shard)
{
    return xasprintf("%s.data-%05d-of-%05d", r->prefix, shard, r->num_shards);
}

static int open_shard(struct bundle_reader *r, int shard, struct crew_err *err)
{
    struct env_fs *fs = r->env->fs;
    struct crew_err bad = {0};
    struct env_stat st;
    char *path;

    if (r->shards[shard] != NULL) {
        return CREW_OK;
    }
    path = shard_path(r, shard);
    if (fs->stat(fs, path, &st, &bad) == CREW_OK &&
        fs->open(fs, path, &r->shards[shard], &bad) == CREW_OK) {
        r->shard_sizes[shard] = st.size;
    } else if (bad.code == CREW_NOT_FOUND) {
        crew_err_exit(err, CREW_NOT_FOUND, 66, "%s; No such file or directory",
                      path);
    } else {
        *err = bad;
    }
    free(path);
    return err->code;
}

static int too_short(const struct bundle_reader *r,
                     const Tensorflow__BundleEntryProto *e,
                     struct crew_err *err)
{
    char *path = shard_path(r, e->shard_id);

    crew_err_exit(err, CREW_OUT_OF_RANGE, 65,
                  "%s has %" PRIu64 " bytes, %" PRId64 " at %" PRId64
                  " are wanted: Read less bytes than requested",
                  path, r->shard_sizes[e->shard_id], e->size, e->offset);
    free(path);
    return err->code;
}

static int wrong_sum(const struct bundle_reader *r,
                     const Tensorflow__BundleEntryProto *e,
                     uint32_t crc,
                     struct crew_err *err)
{
    return crew_err_exit(err, CREW_DATA_LOSS, 65,
                         "TensorBundle at %s shard %d (%" PRId64
                         " bytes): Checksum does not match: stored %u vs. "
                         "calculated on the restored bytes %u",
                         r->prefix, e->shard_id, e->size,
                         crc32c_unmask(e->crc32c), crc);
}

/* Open the entry's file and see that it is long enough. */
static int prepare(struct bundle_reader *r,
                   const Tensorflow__BundleEntryProto *e,
                   struct crew_err *err)
{
    uint64_t size = (uint64_t)e->size, offset = (uint64_t)e->offset, have;

    if (open_shard(r, e->shard_id, err) != CREW_OK) {
        return err->code;
    }
    have = r->shard_sizes[e->shard_id];
    return offset > have || size > have - offset ? too_short(r, e, err)
                                                 : CREW_OK;
}

/* The bytes of one entry, whole, into `data`; no CRC is checked. */
static int read_raw(struct bundle_reader *r,
                    const Tensorflow__BundleEntryProto *e,
                    void *data,
                    struct crew_err *err)
{
    size_t got = 0;

    if (prepare(r, e, err) != CREW_OK ||
        r->env->fs->read(r->shards[e->shard_id], (uint64_t)e->offset, data,
                         (size_t)e->size, &got, err) != CREW_OK) {
        return err->code;
    }
    return got == (size_t)e->size ? CREW_OK : too_short(r, e, err);
}

static int read_entry(struct bundle_reader *r,
                      const Tensorflow__BundleEntryProto *e,
                      void *data,
                      struct crew_err *err)
{
    uint32_t crc;

    if (read_raw(r, e, data, err) != CREW_OK) {
        return err->code;
    }
    crc = crc32c(data, (size_t)e->size);
    return crc == crc32c_unmask(e->crc32c) ? CREW_OK
                                           : wrong_sum(r, e, crc, err);
}

/* The same without room for all of it. */
static int verify_entry(struct bundle_reader *r,
                        const Tensorflow__BundleEntryProto *e,
                        struct crew_err *err)
{
    uint64_t at = (uint64_t)e->offset, left = (uint64_t)e->size;
    uint8_t *piece;
    uint32_t crc = 0;

    if (prepare(r, e, err) != CREW_OK) {
        return err->code;
    }
    piece = xmalloc(PIECE);
    while (left > 0 && err->code == CREW_OK) {
        size_t want = left < PIECE ? (size_t)left : PIECE, got = 0;

        if (r->env->fs->read(r->shards[e->shard_id], at, piece, want, &got,
                             err) != CREW_OK) {
            break;
        }
        if (got == 0) {
            too_short(r, e, err);
            break;
        }
        crc = crc32c_extend(crc, piece, got);
        at += got;
        left -= got;
    }
    free(piece);
    if (err->code == CREW_OK && crc != crc32c_unmask(e->crc32c)) {
        return wrong_sum(r, e, crc, err);
    }
    return err->code;
}

/* ----------------------------------------------------------------- slices */

/* Copy a slice of `full` from its own dense bytes. */
static void place_slice(const struct crew_shape *full,
                        const struct bundle_slice *s,
                        size_t element,
                        const char *from,
                        char *to)
{
    int last = full->rank - 1;
    int64_t at[CREW_MAX_RANK] = {0};
    size_t run = (size_t)s->length[last] * element;

    for (int i = 0; i <= last; i++) {
        if (s->length[i] == 0) {
            return;
        }
    }
    for (;;) {
        int64_t place = 0;
        int d = last - 1;

        for (int i = 0; i <= last; i++) {
            place = place * full->dim[i] + s->start[i] + (i < last ? at[i] : 0);
        }
        memcpy(to + (size_t)place * element, from, run);
        from += run;
        while (d >= 0 && ++at[d] == s->length[d]) {
            at[d--] = 0;
        }
        if (d < 0) {
            return;
        }
    }
}

static int get_slice(const struct bundle_reader *r,
                     const struct bundle_tensor *t,
                     const Tensorflow__TensorSliceProto *proto,
                     struct bundle_slice *s,
                     struct crew_err *err)
{
    if (proto->n_extent != (size_t)t->shape.rank || t->shape.rank == 0) {
        return bundle_damaged(r, err, "bad slice of", t->name);
    }
    *s = (struct bundle_slice){0};
    for (int i = 0; i < t->shape.rank; i++) {
        const Tensorflow__TensorSliceProto__Extent *x = proto->extent[i];
        int64_t dim = t->shape.dim[i];
        bool whole = x->has_length_case !=
                     TENSORFLOW__TENSOR_SLICE_PROTO__EXTENT__HAS_LENGTH_LENGTH;

        s->start[i] = whole ? 0 : x->start;
        s->length[i] = whole ? dim : x->length;
        if (s->start[i] < 0 || s->length[i] < 0 || s->start[i] > dim ||
            s->length[i] > dim - s->start[i]) {
            return bundle_damaged(r, err, "bad slice of", t->name);
        }
    }
    return CREW_OK;
}

static bool overlap(const struct bundle_slice *a,
                    const struct bundle_slice *b,
                    int rank)
{
    for (int i = 0; i < rank; i++) {
        if (a->start[i] >= b->start[i] + b->length[i] ||
            b->start[i] >= a->start[i] + a->length[i]) {
            return false;
        }
    }
    return true;
}

/* All slices, which must cover the variable once: none overlaps another, and
 * their elements are as many as the variable's. Owner: caller. */
static int get_slices(const struct bundle_reader *r,
                      const struct bundle_tensor *t,
                      struct bundle_slice **out,
                      struct crew_err *err)
{
    const Tensorflow__BundleEntryProto *e = r->entries[t - r->tensors];
    uint64_t covered = 0, element = bundle_dtype_size(t->dtype);
    struct bundle_slice *s;
    void *room = NULL;

    if (mem_try(e->n_slices, sizeof *s, t->name, &room, err) != CREW_OK) {
        return err->code;
    }
    s = room;
    for (size_t i = 0; i < e->n_slices; i++) {
        uint64_t size = element;

        if (get_slice(r, t, e->slices[i], &s[i], err) != CREW_OK) {
            goto out;
        }
        for (int d = 0; d < t->shape.rank; d++) {
            size *= (uint64_t)s[i].length[d];
        }
        covered += size;
        for (size_t k = 0; k < i; k++) {
            if (overlap(&s[k], &s[i], t->shape.rank)) {
                bundle_damaged(r, err, "Overlapping slices of", t->name);
                goto out;
            }
        }
    }
    if (covered != t->nbytes) {
        bundle_damaged(r, err,
                       "Does not have sufficient slices for partitioned tensor",
                       t->name);
        goto out;
    }
    *out = s;
    room = NULL;
out:
    free(room);
    return err->code;
}

/* The entry of slice i; what it says must fit. Owner: caller. */
static Tensorflow__BundleEntryProto *slice_entry(struct bundle_reader *r,
                                                 const struct bundle_tensor *t,
                                                 size_t i,
                                                 const struct bundle_slice *s,
                                                 struct crew_err *err)
{
    Tensorflow__BundleEntryProto *e = NULL;
    struct crew_shape shape;
    struct strbuf key;
    int64_t row, count;

    strbuf_init(&key);
    slice_key(&key, t->name, r->entries[t - r->tensors]->slices[i]);
    row = table_find(r->table, key.data, key.len);
    strbuf_release(&key);
    if (row >= 0) {
        e = bundle_unpack_entry(table_entry(r->table, row));
    }
    if (e == NULL) {
        bundle_damaged(r, err, "a slice is missing of", t->name);
    } else if (bundle_get_shape(r, t->name, e->shape, &shape, &count, err) ==
                   CREW_OK &&
               bundle_check_entry(r, t->name, e, count, err) == CREW_OK &&
               (shape.rank != t->shape.rank || e->dtype != t->dtype ||
                memcmp(shape.dim, s->length,
                       (size_t)shape.rank * sizeof s->length[0]) != 0)) {
        bundle_damaged(r, err, "a slice has another shape of", t->name);
    }
    if (err->code != CREW_OK && e != NULL) {
        tensorflow__bundle_entry_proto__free_unpacked(e, NULL);
        e = NULL;
    }
    return e;
}

/* Into `data`, or nowhere when it is NULL. */
static int read_slice(struct bundle_reader *r,
                      const struct bundle_tensor *t,
                      size_t i,
                      const struct bundle_slice *s,
                      char *data,
                      struct crew_err *err)
{
    Tensorflow__BundleEntryProto *e = slice_entry(r, t, i, s, err);
    void *bytes = NULL;

    if (e == NULL) {
        return err->code;
    }
    if (data == NULL) {
        (void)verify_entry(r, e, err);
    } else if (mem_try((size_t)e->size, 1, t->name, &bytes, err) == CREW_OK &&
               read_entry(r, e, bytes, err) == CREW_OK) {
        place_slice(&t->shape, s, bundle_dtype_size(t->dtype), bytes, data);
    }
    free(bytes);
    tensorflow__bundle_entry_proto__free_unpacked(e, NULL);
    return err->code;
}

static int read_slices(struct bundle_reader *r,
                       const struct bundle_tensor *t,
                       char *data,
                       struct crew_err *err)
{
    struct bundle_slice *s = NULL;

    if (get_slices(r, t, &s, err) != CREW_OK) {
        return err->code;
    }
    for (size_t i = 0; i < (size_t)t->num_slices; i++) {
        if (read_slice(r, t, i, &s[i], data, err) != CREW_OK) {
            break;
        }
    }
    free(s);
    return err->code;
}

int bundle_read(struct bundle_reader *r,
                const struct bundle_tensor *t,
                void *data,
                struct crew_err *err)
{
    if (bundle_dtype_size(t->dtype) == 0) {
        return crew_err_set(err, CREW_UNIMPLEMENTED,
                            "%s: dtype %s (%d) cannot be read as numbers",
                            t->name, bundle_dtype_name(t->dtype), t->dtype);
    }
    if (t->num_slices > 0) {
        (void)read_slices(r, t, data, err);
    } else {
        (void)read_entry(r, r->entries[t - r->tensors], data, err);
    }
    return err->code == CREW_OK ? CREW_OK : crew_err_wrap(err, "%s", t->name);
}

/* ---------------------------------------------------------------- strings */

uint32_t bundle_crc_of_length(uint32_t crc, uint64_t length)
{
    uint8_t bytes[8];

    put_le64(bytes, length);
    return crc32c_extend(crc, bytes, length > UINT32_MAX ? 8 : 4);
}

/* n lengths, the masked CRC of them, the bytes. */
static int split_strings(const struct bundle_reader *r,
                         const Tensorflow__BundleEntryProto *e,
                         const uint8_t *p,
                         struct bundle_strings *s,
                         struct crew_err *err)
{
    const uint8_t *end = p + e->size;
    uint32_t crc = 0, stored;

    for (int64_t i = 0; i < s->n; i++) {
        uint64_t length = 0;

        p = varint_get(p, end, &length);
        if (p == NULL) {
            return bundle_damaged(r, err, "bad lengths of", "strings");
        }
        crc = bundle_crc_of_length(crc, length);
        s->at[i].n = (size_t)length;
    }
    if (end - p < 4) {
        return bundle_damaged(r, err, "bad lengths of", "strings");
    }
    stored = crc32c_unmask(get_le32(p));
    if (crc != stored) {
        return crew_err_exit(err, CREW_DATA_LOSS, 65,
                             "The length checksum does not match: expected "
                             "%08u but actual is %08u",
                             stored, crc);
    }
    crc = crc32c_extend(crc, p, (size_t)(end - p));
    if (crc != crc32c_unmask(e->crc32c)) {
        return wrong_sum(r, e, crc, err);
    }
    p += 4;
    for (int64_t i = 0; i < s->n; i++) {
        if (s->at[i].n > (size_t)(end - p)) {
            return bundle_damaged(r, err, "bad lengths of", "strings");
        }
        s->at[i].data = p;
        p += s->at[i].n;
    }
    return p == end ? CREW_OK
                    : bundle_damaged(r, err, "bad lengths of", "strings");
}

static int read_strings(struct bundle_reader *r,
                        const struct bundle_tensor *t,
                        struct bundle_strings *s,
                        struct crew_err *err)
{
    const Tensorflow__BundleEntryProto *e = r->entries[t - r->tensors];
    void *at = NULL;

    if (t->dtype != CREW_STRING || t->num_slices > 0) {
        return crew_err_set(err, CREW_UNIMPLEMENTED, "no tensor of strings");
    }
    if (shape_count(&t->shape, &s->n, err) != CREW_OK ||
        prepare(r, e, err) != CREW_OK) {
        return err->code;
    }
    if ((uint64_t)s->n > (uint64_t)e->size) { /* a length has at least a byte */
        return bundle_damaged(r, err, "Invalid size in bundle entry: key",
                              t->name);
    }
    if (mem_try((size_t)e->size, 1, t->name, &s->store, err) != CREW_OK ||
        mem_try((size_t)s->n, sizeof *s->at, t->name, &at, err) != CREW_OK) {
        return err->code;
    }
    s->at = at;
    if (e->size == 0) {
        return CREW_OK; /* no strings, not even the CRC of no lengths */
    }
    if (read_raw(r, e, s->store, err) != CREW_OK) {
        return err->code;
    }
    return split_strings(r, e, s->store, s, err);
}

int bundle_read_strings(struct bundle_reader *r,
                        const struct bundle_tensor *t,
                        struct bundle_strings *out,
                        struct crew_err *err)
{
    struct bundle_strings s = {0};

    if (read_strings(r, t, &s, err) != CREW_OK) {
        bundle_strings_release(&s);
        return crew_err_wrap(err, "%s", t->name);
    }
    *out = s;
    return CREW_OK;
}

void bundle_strings_release(struct bundle_strings *s)
{
    free(s->at);
    free(s->store);
    *s = (struct bundle_strings){0};
}

/* ----------------------------------------------------------------- verify */

static int verify_tensor(struct bundle_reader *r,
                         const struct bundle_tensor *t,
                         struct crew_err *err)
{
    struct bundle_strings strings = {0};

    if (t->dtype == CREW_STRING && t->num_slices == 0) {
        (void)bundle_read_strings(r, t, &strings, err);
        bundle_strings_release(&strings);
        return err->code;
    }
    if (t->num_slices > 0) {
        (void)read_slices(r, t, NULL, err);
    } else {
        (void)verify_entry(r, r->entries[t - r->tensors], err);
    }
    return err->code == CREW_OK ? CREW_OK : crew_err_wrap(err, "%s", t->name);
}

int bundle_verify(struct bundle_reader *r, struct crew_err *err)
{
    for (int i = 0; i < r->n; i++) {
        if (verify_tensor(r, &r->tensors[i], err) != CREW_OK) {
            break;
        }
    }
    return err->code;
}
