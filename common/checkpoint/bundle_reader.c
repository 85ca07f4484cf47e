/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a tensor bundle: the index into a list of tensors, their bytes on demand.
 * Nothing in the files is believed: shapes, sizes, offsets and shard numbers are
 * checked against each other and the files before a byte is read, CRCs after. */
#include "checkpoint/bundle.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "checkpoint/slice_key.h"
#include "io/table.h"
#include "proto/tensorflow.pb-c.h"

#include "base/banned.h"

#define MAX_INDEX (1u << 30)
#define MAX_SHARDS 65536

struct bundle_reader {
    struct crew_env *env;
    char *prefix;
    struct table *table;
    int num_shards;
    struct env_file **shards; /* opened when first read */
    uint64_t *shard_sizes;
    struct bundle_tensor *tensors;
    Tensorflow__BundleEntryProto **entries; /* of tensors[i] */
    int n;
};

static int damaged(const struct bundle_reader *r, struct crew_err *err,
                   const char *what, const char *name)
{
    return crew_err_exit(err, CREW_DATA_LOSS, 65, "%s: %s %s", r->prefix, what,
                         name);
}

static size_t any_dtype_size(int dtype)
{
    switch (dtype) {
        case 17: /* uint16 */
        case 5:  /* int16 */
        case 14: /* bfloat16 */
        case 19: /* half */
            return 2;
        case 6: /* int8 */
            return 1;
        case 22: /* uint32 */
            return 4;
        case 8:  /* complex64 */
        case 23: /* uint64 */
            return 8;
        case 18: /* complex128 */
            return 16;
        default:
            return dtype_size((enum crew_dtype)dtype);
    }
}

static int get_shape(const struct bundle_reader *r, const char *name,
                     const Tensorflow__TensorShapeProto *proto,
                     struct crew_shape *shape, int64_t *count,
                     struct crew_err *err)
{
    struct crew_err bad = {0};

    *shape = (struct crew_shape){0};
    *count = 1;
    if (proto == NULL) {
        return CREW_OK;
    }
    if (proto->n_dim > CREW_MAX_RANK) {
        return damaged(r, err, "rank too high in bundle entry: key", name);
    }
    shape->rank = (int)proto->n_dim;
    for (size_t i = 0; i < proto->n_dim; i++) {
        shape->dim[i] = proto->dim[i]->size;
    }
    if (shape_count(shape, count, &bad) != CREW_OK) {
        return damaged(r, err, "Invalid tensor shape: key", name);
    }
    return CREW_OK;
}

static int check_entry(const struct bundle_reader *r, const char *name,
                       const Tensorflow__BundleEntryProto *e, int64_t count,
                       struct crew_err *err)
{
    size_t element = any_dtype_size(e->dtype);
    uint64_t bytes;

    if (e->shard_id < 0 || e->shard_id >= r->num_shards || e->offset < 0 ||
        e->size < 0) {
        return damaged(r, err, "Invalid shard, offset or size in bundle entry: key",
                       name);
    }
    if (element > 0 &&
        (__builtin_mul_overflow((uint64_t)count, element, &bytes) ||
         bytes != (uint64_t)e->size)) {
        return damaged(r, err, "Invalid size in bundle entry: key", name);
    }
    return CREW_OK;
}

static int add_tensor(struct bundle_reader *r, const struct table_entry *row,
                      struct crew_err *err)
{
    Tensorflow__BundleEntryProto *e = tensorflow__bundle_entry_proto__unpack(
        NULL, row->value_len, row->value);
    struct bundle_tensor *t = &r->tensors[r->n];
    char *name = xmalloc(row->key_len + 1);
    int64_t count;

    memcpy(name, row->key, row->key_len);
    name[row->key_len] = '\0';
    if (e == NULL || strlen(name) != row->key_len) {
        damaged(r, err, "cannot parse the bundle entry of", name);
        goto fail;
    }
    *t = (struct bundle_tensor){.name = name, .dtype = e->dtype};
    if (get_shape(r, name, e->shape, &t->shape, &count, err) != CREW_OK) {
        goto fail;
    }
    t->num_slices = (int)e->n_slices;
    if (t->num_slices > 0) {
        if (__builtin_mul_overflow((uint64_t)count, any_dtype_size(e->dtype),
                                   &t->nbytes)) {
            damaged(r, err, "Invalid tensor shape: key", name);
            goto fail;
        }
    } else {
        if (check_entry(r, name, e, count, err) != CREW_OK) {
            goto fail;
        }
        t->nbytes = (uint64_t)e->size;
        t->crc32c = crc32c_unmask(e->crc32c);
        t->shard = e->shard_id;
        t->offset = (uint64_t)e->offset;
    }
    r->entries[r->n++] = e;
    return CREW_OK;
fail:
    free(name);
    tensorflow__bundle_entry_proto__free_unpacked(e, NULL);
    return err->code;
}

static int read_header(struct bundle_reader *r, struct crew_err *err)
{
    int64_t at = table_find(r->table, "", 0);
    Tensorflow__BundleHeaderProto *h = NULL;
    const struct table_entry *row;

    if (at < 0) {
        return damaged(r, err, "no header in the index", "");
    }
    row = table_entry(r->table, at);
    h = tensorflow__bundle_header_proto__unpack(NULL, row->value_len, row->value);
    if (h == NULL || h->num_shards < 1 || h->num_shards > MAX_SHARDS) {
        damaged(r, err, "bad header in the index", "");
    } else if (h->endianness != 0) {
        damaged(r, err, "written on a big-endian machine", "");
    } else if (h->version != NULL && h->version->min_consumer > 1) {
        damaged(r, err, "needs a newer reader", "");
    } else {
        r->num_shards = h->num_shards;
    }
    tensorflow__bundle_header_proto__free_unpacked(h, NULL);
    return err->code;
}

static int load(struct bundle_reader *r, struct crew_err *err)
{
    char *path = xasprintf("%s.index", r->prefix);
    char *bytes = NULL;
    size_t n = 0;
    int64_t rows;

    if (fs_read_file(r->env, path, MAX_INDEX, &bytes, &n, err) != CREW_OK ||
        table_parse(bytes, n, &r->table, err) != CREW_OK) {
        if (err->code == CREW_DATA_LOSS) {
            crew_err_wrap(err, "%s", path);
        }
        goto out;
    }
    if (read_header(r, err) != CREW_OK) {
        goto out;
    }
    rows = table_size(r->table);
    r->shards = xcalloc((size_t)r->num_shards, sizeof *r->shards);
    r->shard_sizes = xcalloc((size_t)r->num_shards, sizeof *r->shard_sizes);
    r->tensors = xcalloc((size_t)rows, sizeof *r->tensors);
    r->entries = xcalloc((size_t)rows, sizeof *r->entries);
    for (int64_t i = 0; i < rows && err->code == CREW_OK; i++) {
        const struct table_entry *row = table_entry(r->table, i);

        if (row->key_len > 0 && row->key[0] != 0) { /* no header, no slice */
            (void)add_tensor(r, row, err);
        }
    }
out:
    free(bytes);
    free(path);
    return err->code;
}

int bundle_reader_open(struct crew_env *env, const char *prefix,
                       struct bundle_reader **out, struct crew_err *err)
{
    struct bundle_reader *r = xcalloc(1, sizeof *r);

    r->env = env;
    r->prefix = xstrdup(prefix);
    if (load(r, err) != CREW_OK) {
        bundle_reader_free(r);
        return err->code;
    }
    *out = r;
    return CREW_OK;
}

void bundle_reader_free(struct bundle_reader *r)
{
    struct crew_err ignored = {0};

    if (r == NULL) {
        return;
    }
    for (int i = 0; r->shards != NULL && i < r->num_shards; i++) {
        if (r->shards[i] != NULL) {
            (void)r->env->fs->close(r->shards[i], &ignored);
        }
    }
    for (int i = 0; i < r->n; i++) {
        tensorflow__bundle_entry_proto__free_unpacked(r->entries[i], NULL);
        free((char *)r->tensors[i].name);
    }
    free(r->shards);
    free(r->shard_sizes);
    free(r->tensors);
    free(r->entries);
    table_free(r->table);
    free(r->prefix);
    free(r);
}

int bundle_num_tensors(const struct bundle_reader *r)
{
    return r->n;
}

const struct bundle_tensor *bundle_tensor(const struct bundle_reader *r, int i)
{
    PRE(i >= 0 && i < r->n);
    return &r->tensors[i];
}

const struct bundle_tensor *bundle_find(const struct bundle_reader *r,
                                        const char *name)
{
    for (int i = 0; i < r->n; i++) {
        if (strcmp(r->tensors[i].name, name) == 0) {
            return &r->tensors[i];
        }
    }
    return NULL;
}

static int open_shard(struct bundle_reader *r, int shard, struct crew_err *err)
{
    struct env_stat st;
    char *path;

    if (r->shards[shard] != NULL) {
        return CREW_OK;
    }
    path = xasprintf("%s.data-%05d-of-%05d", r->prefix, shard, r->num_shards);
    if (r->env->fs->stat(r->env->fs, path, &st, err) == CREW_OK &&
        r->env->fs->open(r->env->fs, path, &r->shards[shard], err) == CREW_OK) {
        r->shard_sizes[shard] = st.size;
    }
    free(path);
    return err->code;
}

/* The bytes of one entry, whole, with its CRC checked. */
static int read_entry(struct bundle_reader *r, const char *name,
                      const Tensorflow__BundleEntryProto *e, void *data,
                      struct crew_err *err)
{
    uint64_t size = (uint64_t)e->size, offset = (uint64_t)e->offset;
    size_t got = 0;
    uint32_t crc;

    if (open_shard(r, e->shard_id, err) != CREW_OK) {
        return crew_err_wrap(err, "%s", name);
    }
    if (offset > r->shard_sizes[e->shard_id] ||
        size > r->shard_sizes[e->shard_id] - offset) {
        return crew_err_exit(err, CREW_DATA_LOSS, 65,
                             "TensorBundle at %s shard %d: %s needs %" PRIu64
                             " bytes at %" PRIu64 ", the file has %" PRIu64,
                             r->prefix, e->shard_id, name, size, offset,
                             r->shard_sizes[e->shard_id]);
    }
    if (r->env->fs->read(r->shards[e->shard_id], offset, data, (size_t)size, &got,
                         err) != CREW_OK) {
        return crew_err_wrap(err, "%s", name);
    }
    crc = crc32c(data, got);
    if (got != size || crc != crc32c_unmask(e->crc32c)) {
        return crew_err_exit(err, CREW_DATA_LOSS, 65,
                             "TensorBundle at %s shard %d (%" PRIu64
                             " bytes): Checksum does not match: stored %u vs. "
                             "calculated on the restored bytes %u: %s",
                             r->prefix, e->shard_id, size,
                             crc32c_unmask(e->crc32c), crc, name);
    }
    return CREW_OK;
}

/* Copy a slice (start, length per dimension) of `full` from its own dense bytes. */
static void place_slice(const struct crew_shape *full, const int64_t *start,
                        const int64_t *length, size_t element, const char *from,
                        char *to)
{
    int last = full->rank - 1;
    int64_t at[CREW_MAX_RANK] = {0};
    size_t run = (size_t)length[last] * element;

    for (int i = 0; i <= last; i++) {
        if (length[i] == 0) {
            return;
        }
    }
    for (;;) {
        int64_t place = 0;
        int d = last - 1;

        for (int i = 0; i <= last; i++) {
            place = place * full->dim[i] + start[i] + (i < last ? at[i] : 0);
        }
        memcpy(to + (size_t)place * element, from, run);
        from += run;
        while (d >= 0 && ++at[d] == length[d]) {
            at[d--] = 0;
        }
        if (d < 0) {
            return;
        }
    }
}

static int read_slice(struct bundle_reader *r, const struct bundle_tensor *t,
                      const Tensorflow__TensorSliceProto *slice, char *data,
                      uint64_t *covered, struct crew_err *err)
{
    int64_t start[CREW_MAX_RANK], length[CREW_MAX_RANK];
    Tensorflow__BundleEntryProto *e = NULL;
    struct crew_shape shape;
    struct strbuf key;
    void *bytes = NULL;
    int64_t at, count;

    if (slice->n_extent != (size_t)t->shape.rank || t->shape.rank == 0) {
        return damaged(r, err, "bad slice of", t->name);
    }
    for (int i = 0; i < t->shape.rank; i++) {
        const Tensorflow__TensorSliceProto__Extent *x = slice->extent[i];
        bool whole = x->has_length_case !=
                     TENSORFLOW__TENSOR_SLICE_PROTO__EXTENT__HAS_LENGTH_LENGTH;

        start[i] = whole ? 0 : x->start;
        length[i] = whole ? t->shape.dim[i] : x->length;
        if (start[i] < 0 || length[i] < 0 || start[i] > t->shape.dim[i] ||
            length[i] > t->shape.dim[i] - start[i]) {
            return damaged(r, err, "bad slice of", t->name);
        }
    }
    strbuf_init(&key);
    slice_key(&key, t->name, slice);
    at = table_find(r->table, key.data, key.len);
    if (at >= 0) {
        const struct table_entry *row = table_entry(r->table, at);
        e = tensorflow__bundle_entry_proto__unpack(NULL, row->value_len, row->value);
    }
    strbuf_release(&key);
    if (e == NULL) {
        return damaged(r, err, "a slice is missing of", t->name);
    }
    if (get_shape(r, t->name, e->shape, &shape, &count, err) != CREW_OK ||
        check_entry(r, t->name, e, count, err) != CREW_OK) {
        goto out;
    }
    if (shape.rank != t->shape.rank || e->dtype != t->dtype ||
        memcmp(shape.dim, length, (size_t)shape.rank * sizeof *length) != 0) {
        damaged(r, err, "a slice has another shape of", t->name);
        goto out;
    }
    if (mem_try((size_t)e->size, 1, t->name, &bytes, err) == CREW_OK &&
        read_entry(r, t->name, e, bytes, err) == CREW_OK) {
        place_slice(&t->shape, start, length, any_dtype_size(t->dtype), bytes, data);
        *covered += (uint64_t)e->size;
    }
out:
    free(bytes);
    tensorflow__bundle_entry_proto__free_unpacked(e, NULL);
    return err->code;
}

int bundle_read(struct bundle_reader *r, const struct bundle_tensor *t, void *data,
                struct crew_err *err)
{
    const Tensorflow__BundleEntryProto *e = r->entries[t - r->tensors];
    uint64_t covered = 0;

    if (any_dtype_size(t->dtype) == 0) {
        return crew_err_set(err, CREW_UNIMPLEMENTED,
                            "%s: dtype %d cannot be read", t->name, t->dtype);
    }
    if (t->num_slices == 0) {
        return read_entry(r, t->name, e, data, err);
    }
    for (size_t i = 0; i < e->n_slices; i++) {
        if (read_slice(r, t, e->slices[i], data, &covered, err) != CREW_OK) {
            return err->code;
        }
    }
    if (covered < t->nbytes) {
        return crew_err_exit(err, CREW_DATA_LOSS, 65,
                             "%s: Does not have sufficient slices for "
                             "partitioned tensor %s",
                             r->prefix, t->name);
    }
    return CREW_OK;
}
