/* SPDX-License-Identifier: Apache-2.0
 *
 * The bytes of a bundle's tensors from the data files: plain tensors and
 * strings; bundle_slices.c reads partitioned variables. Sizes are compared with
 * the file before a byte is read, CRCs after; an error leaves what was read to
 * the caller to throw away. */
#include "checkpoint/bundle_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "io/varint.h"

#include "base/banned.h"

/* Small enough to be in the cache still when its CRC is computed. */
enum { PIECE = 256 * 1024 };

static int open_shard(struct bundle_reader *r, int shard, struct crew_err *err)
{
    struct env_fs *fs = r->env->fs;
    struct crew_err bad = {0};
    struct env_stat st;
    char *path;

    if (r->shards[shard] != NULL) {
        return CREW_OK;
    }
    path = bundle_data_path(r->prefix, shard, r->num_shards);
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
                     const struct bundle_stored *e,
                     struct crew_err *err)
{
    char *path = bundle_data_path(r->prefix, e->shard, r->num_shards);

    crew_err_exit(err, CREW_OUT_OF_RANGE, 65,
                  "%s has %" PRIu64 " bytes, %" PRIu64 " at %" PRIu64
                  " are wanted: Read less bytes than requested",
                  path, r->shard_sizes[e->shard], e->size, e->offset);
    free(path);
    return err->code;
}

static int check_sum(const struct bundle_reader *r,
                     const struct bundle_stored *e,
                     uint32_t crc,
                     struct crew_err *err)
{
    if (crc == e->crc) {
        return CREW_OK;
    }
    return crew_err_exit(err, CREW_DATA_LOSS, 65,
                         "TensorBundle at %s shard %d (%" PRIu64
                         " bytes): Checksum does not match: stored %08u vs. "
                         "calculated on the restored bytes %u",
                         r->prefix, e->shard, e->size, e->crc, crc);
}

/* Open the file and see that it is long enough. */
static int prepare(struct bundle_reader *r,
                   const struct bundle_stored *e,
                   struct crew_err *err)
{
    uint64_t have;

    if (open_shard(r, e->shard, err) != CREW_OK) {
        return err->code;
    }
    have = r->shard_sizes[e->shard];
    return e->offset > have || e->size > have - e->offset ? too_short(r, e, err)
                                                          : CREW_OK;
}

static int read_exactly(struct bundle_reader *r,
                        const struct bundle_stored *e,
                        uint64_t at,
                        void *data,
                        size_t n,
                        struct crew_err *err)
{
    size_t got = 0;

    if (r->env->fs->read(r->shards[e->shard], e->offset + at, data, n, &got,
                         err) != CREW_OK) {
        return err->code;
    }
    return got == n ? CREW_OK : too_short(r, e, err);
}

struct bundle_stored bundle_stored_of(const struct bundle_tensor *t)
{
    return (struct bundle_stored){.shard = t->shard,
                                  .offset = t->offset,
                                  .size = t->nbytes,
                                  .crc = t->crc32c};
}

int bundle_read_bytes(struct bundle_reader *r,
                      const struct bundle_stored *e,
                      uint64_t at,
                      void *data,
                      size_t n,
                      struct crew_err *err)
{
    return prepare(r, e, err) == CREW_OK ? read_exactly(r, e, at, data, n, err)
                                         : err->code;
}

/* Whole into `data`: the CRC of each piece while it is warm. */
static int read_whole(struct bundle_reader *r,
                      const struct bundle_stored *e,
                      uint8_t *data,
                      struct crew_err *err)
{
    uint32_t crc = 0;

    if (prepare(r, e, err) != CREW_OK) {
        return err->code;
    }
    for (uint64_t at = 0; at < e->size;) {
        size_t n = e->size - at < PIECE ? (size_t)(e->size - at) : PIECE;

        if (read_exactly(r, e, at, data + at, n, err) != CREW_OK) {
            return err->code;
        }
        crc = crc32c_extend(crc, data + at, n);
        at += n;
    }
    return check_sum(r, e, crc, err);
}

int bundle_read_pieces(struct bundle_reader *r,
                       const struct bundle_stored *e,
                       bundle_piece_fn each,
                       void *self,
                       struct crew_err *err)
{
    uint8_t *piece;
    uint32_t crc = 0;

    if (prepare(r, e, err) != CREW_OK) {
        return err->code;
    }
    piece = xmalloc(PIECE);
    for (uint64_t at = 0; at < e->size && err->code == CREW_OK;) {
        size_t n = e->size - at < PIECE ? (size_t)(e->size - at) : PIECE;

        if (read_exactly(r, e, at, piece, n, err) == CREW_OK) {
            crc = crc32c_extend(crc, piece, n);
            if (each != NULL) {
                each(self, piece, n);
            }
        }
        at += n;
    }
    free(piece);
    return err->code == CREW_OK ? check_sum(r, e, crc, err) : err->code;
}

int bundle_read(struct bundle_reader *r,
                const struct bundle_tensor *t,
                void *data,
                struct crew_err *err)
{
    struct bundle_stored at = bundle_stored_of(t);

    if (bundle_dtype_size(t->dtype) == 0) {
        return crew_err_set(err, CREW_UNIMPLEMENTED,
                            "%s: dtype %s (%d) cannot be read as numbers",
                            t->name, bundle_dtype_name(t->dtype), t->dtype);
    }
    if (t->num_slices > 0) {
        (void)bundle_read_sliced(r, t, data, err);
    } else {
        (void)read_whole(r, &at, data, err);
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
                         const struct bundle_stored *e,
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
    if (check_sum(r, e, crc, err) != CREW_OK) {
        return err->code;
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
    struct bundle_stored e = bundle_stored_of(t);
    void *at = NULL;

    if (t->dtype != CREW_STRING || t->num_slices > 0) {
        return crew_err_set(err, CREW_UNIMPLEMENTED, "no tensor of strings");
    }
    if (shape_count(&t->shape, &s->n, err) != CREW_OK ||
        prepare(r, &e, err) != CREW_OK) {
        return err->code;
    }
    if ((uint64_t)s->n > e.size) { /* a length has at least a byte */
        return bundle_damaged(r, err, "Invalid size in bundle entry: key",
                              t->name);
    }
    if (mem_try((size_t)e.size, 1, t->name, &s->store, err) != CREW_OK ||
        mem_try((size_t)s->n, sizeof *s->at, t->name, &at, err) != CREW_OK) {
        return err->code;
    }
    s->at = at;
    if (e.size == 0) {
        return CREW_OK; /* no strings, not even the CRC of no lengths */
    }
    if (bundle_read_bytes(r, &e, 0, s->store, (size_t)e.size, err) != CREW_OK) {
        return err->code;
    }
    return split_strings(r, &e, s->store, s, err);
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
