/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading a tensor bundle's index into a list of tensors; bundle_read.c reads
 * their bytes. Nothing in the file is believed: shapes, sizes, offsets and
 * shard numbers are checked against each other before a byte is read. */
#include "checkpoint/bundle_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "io/pbguard.h"

#include "base/banned.h"

#define MAX_INDEX (1u << 30)
#define MAX_SHARDS 65536
#define MAX_SLICES 65536 /* of one variable */

int bundle_damaged(const struct bundle_reader *r,
                   struct crew_err *err,
                   const char *what,
                   const char *name)
{
    return crew_err_exit(err, CREW_DATA_LOSS, 65, "%s: %s %s", r->prefix, what,
                         name);
}

char *bundle_data_path(const char *prefix, int shard, int num_shards)
{
    return xasprintf("%s.data-%05d-of-%05d", prefix, shard, num_shards);
}

int bundle_get_shape(const struct bundle_reader *r,
                     const char *name,
                     const Tensorflow__TensorShapeProto *proto,
                     struct crew_shape *shape,
                     int64_t *count,
                     struct crew_err *err)
{
    struct crew_err bad = {0};

    *shape = (struct crew_shape){0};
    *count = 1;
    if (proto == NULL) {
        return CREW_OK;
    }
    if (proto->n_dim > CREW_MAX_RANK) {
        return bundle_damaged(r, err, "rank too high in bundle entry: key",
                              name);
    }
    shape->rank = (int)proto->n_dim;
    for (size_t i = 0; i < proto->n_dim; i++) {
        shape->dim[i] = proto->dim[i]->size;
    }
    if (shape_count(shape, count, &bad) != CREW_OK) {
        return bundle_damaged(r, err, "Invalid tensor shape: key", name);
    }
    return CREW_OK;
}

int bundle_check_entry(const struct bundle_reader *r,
                       const char *name,
                       const Tensorflow__BundleEntryProto *e,
                       int64_t count,
                       struct bundle_stored *out,
                       struct crew_err *err)
{
    size_t element = bundle_dtype_size(e->dtype);
    uint64_t bytes;

    if (e->shard_id < 0 || e->shard_id >= r->num_shards || e->offset < 0 ||
        e->size < 0) {
        return bundle_damaged(
            r, err, "Invalid shard, offset or size in bundle entry: key", name);
    }
    if (element > 0 &&
        (__builtin_mul_overflow((uint64_t)count, element, &bytes) ||
         bytes != (uint64_t)e->size)) {
        return bundle_damaged(r, err, "Invalid size in bundle entry: key",
                              name);
    }
    *out = (struct bundle_stored){.shard = e->shard_id,
                                  .offset = (uint64_t)e->offset,
                                  .size = (uint64_t)e->size,
                                  .crc = crc32c_unmask(e->crc32c)};
    return CREW_OK;
}

static ProtobufCMessage *unpack(const ProtobufCMessageDescriptor *type,
                                const struct table_entry *row)
{
    ProtobufCMessage *message = NULL;
    struct crew_err ignored = {0};

    return pbguard_unpack(type, &pbguard_record, row->value, row->value_len,
                          &message, &ignored) == CREW_OK
               ? message
               : NULL;
}

Tensorflow__BundleEntryProto *bundle_unpack_entry(const struct table_entry *row)
{
    return (Tensorflow__BundleEntryProto *)unpack(
        &tensorflow__bundle_entry_proto__descriptor, row);
}

Tensorflow__BundleHeaderProto *bundle_unpack_header(
    const struct table_entry *row)
{
    return (Tensorflow__BundleHeaderProto *)unpack(
        &tensorflow__bundle_header_proto__descriptor, row);
}

/* What the entry says, into *t. */
static int take_entry(struct bundle_reader *r,
                      const Tensorflow__BundleEntryProto *e,
                      struct bundle_tensor *t,
                      struct crew_err *err)
{
    struct bundle_stored at;
    int64_t count;

    t->dtype = e->dtype;
    if (bundle_get_shape(r, t->name, e->shape, &t->shape, &count, err) !=
        CREW_OK) {
        return err->code;
    }
    if (e->n_slices > MAX_SLICES) {
        return bundle_damaged(r, err, "too many slices of", t->name);
    }
    t->num_slices = (int)e->n_slices;
    if (t->num_slices > 0) {
        return __builtin_mul_overflow((uint64_t)count,
                                      bundle_dtype_size(e->dtype), &t->nbytes)
                   ? bundle_damaged(r, err, "Invalid tensor shape: key",
                                    t->name)
                   : CREW_OK;
    }
    if (bundle_check_entry(r, t->name, e, count, &at, err) == CREW_OK) {
        t->nbytes = at.size;
        t->crc32c = at.crc;
        t->shard = at.shard;
        t->offset = at.offset;
    }
    return err->code;
}

/* Row i of the table is a tensor. */
static int add_tensor(struct bundle_reader *r, int64_t i, struct crew_err *err)
{
    const struct table_entry *row = table_entry(r->table, i);
    Tensorflow__BundleEntryProto *e = bundle_unpack_entry(row);
    char *name = xmalloc(row->key_len + 1);
    struct bundle_tensor t = {.name = name};

    memcpy(name, row->key, row->key_len);
    name[row->key_len] = '\0';
    if (e == NULL || strlen(name) != row->key_len) {
        bundle_damaged(r, err, "cannot parse the bundle entry of", name);
    } else {
        (void)take_entry(r, e, &t, err);
    }
    if (e != NULL) {
        tensorflow__bundle_entry_proto__free_unpacked(e, NULL);
    }
    if (err->code != CREW_OK) {
        free(name);
        return err->code;
    }
    r->tensors[r->n] = t;
    r->rows[r->n++] = i;
    return CREW_OK;
}

static int read_header(struct bundle_reader *r, struct crew_err *err)
{
    int64_t at = table_find(r->table, "", 0);
    Tensorflow__BundleHeaderProto *h;

    if (at < 0) {
        return bundle_damaged(r, err, "no header in the index", "");
    }
    h = bundle_unpack_header(table_entry(r->table, at));
    if (h == NULL || h->num_shards < 1 || h->num_shards > MAX_SHARDS) {
        bundle_damaged(r, err, "bad header in the index", "");
    } else if (h->endianness != 0) {
        bundle_damaged(r, err, "written on a big-endian machine", "");
    } else if (h->version != NULL && h->version->min_consumer > 1) {
        bundle_damaged(r, err, "needs a newer reader", "");
    } else {
        r->num_shards = h->num_shards;
    }
    if (h != NULL) {
        tensorflow__bundle_header_proto__free_unpacked(h, NULL);
    }
    return err->code;
}

/* In TensorFlow's words, which differ by the block that is at fault. */
static int parse_table(struct bundle_reader *r,
                       const char *path,
                       const char *bytes,
                       size_t n,
                       struct crew_err *err)
{
    struct crew_err bad = {0};
    int64_t block = -1;

    if (table_parse(bytes, n, &r->table, &block, &bad) == CREW_OK) {
        return CREW_OK;
    }
    if (bad.code != CREW_DATA_LOSS) {
        return crew_err_set(err, bad.code, "%s: %s", path, bad.msg);
    }
    if (block == 0) {
        return crew_err_exit(
            err, CREW_DATA_LOSS, 65,
            "Unable to read file (%s). Perhaps the file is "
            "corrupt or was produced by a newer version of "
            "TensorFlow with format changes (failed to seek to "
            "header entry): %s",
            path, bad.msg);
    }
    return crew_err_exit(err, CREW_DATA_LOSS, 65, "%s: %s", path, bad.msg);
}

static int read_table(struct bundle_reader *r, struct crew_err *err)
{
    char *path = xasprintf("%s.index", r->prefix);
    struct crew_err bad = {0};
    char *bytes = NULL;
    size_t n = 0;

    if (fs_read_file(r->env, path, MAX_INDEX, &bytes, &n, &bad) == CREW_OK) {
        (void)parse_table(r, path, bytes, n, err);
    } else if (bad.code == CREW_NOT_FOUND) {
        crew_err_exit(err, CREW_NOT_FOUND, 66,
                      "Unsuccessful TensorSliceReader constructor: Failed to "
                      "find any matching files for %s",
                      r->prefix);
    } else {
        *err = bad;
    }
    free(bytes);
    free(path);
    return err->code;
}

static int make_room(struct bundle_reader *r, struct crew_err *err)
{
    size_t rows = (size_t)table_size(r->table), shards = (size_t)r->num_shards;
    void *tensors = NULL, *row_of = NULL, *files = NULL, *sizes = NULL;
    const char *what = "checkpoint index";

    if (mem_try(rows, sizeof *r->tensors, what, &tensors, err) == CREW_OK &&
        mem_try(rows, sizeof *r->rows, what, &row_of, err) == CREW_OK &&
        mem_try(shards, sizeof *r->shards, what, &files, err) == CREW_OK) {
        (void)mem_try(shards, sizeof *r->shard_sizes, what, &sizes, err);
    }
    r->tensors = tensors;
    r->rows = row_of;
    r->shards = files;
    r->shard_sizes = sizes;
    return err->code;
}

static int load(struct bundle_reader *r, struct crew_err *err)
{
    if (read_table(r, err) != CREW_OK || read_header(r, err) != CREW_OK ||
        make_room(r, err) != CREW_OK) {
        return err->code;
    }
    for (int64_t i = 0; i < table_size(r->table); i++) {
        const struct table_entry *row = table_entry(r->table, i);
        bool is_tensor = row->key_len > 0 && row->key[0] != 0;

        if (is_tensor && add_tensor(r, i, err) != CREW_OK) {
            break;
        }
    }
    return err->code;
}

int bundle_reader_open(struct crew_env *env,
                       const char *prefix,
                       struct bundle_reader **out,
                       struct crew_err *err)
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
        free((char *)r->tensors[i].name);
    }
    free(r->shards);
    free(r->shard_sizes);
    free(r->tensors);
    free(r->rows);
    bundle_slices_release(&r->slices);
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

int bundle_num_shards(const struct bundle_reader *r)
{
    return r->num_shards;
}

/* The table's order is that of unsigned bytes, as strcmp's. */
const struct bundle_tensor *bundle_find(const struct bundle_reader *r,
                                        const char *name)
{
    int low = 0, high = r->n;

    while (low < high) {
        int mid = low + (high - low) / 2;
        int order = strcmp(r->tensors[mid].name, name);

        if (order == 0) {
            return &r->tensors[mid];
        }
        if (order < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return NULL;
}

int bundle_lookup(const struct bundle_reader *r,
                  const char *name,
                  const struct bundle_tensor **out,
                  struct crew_err *err)
{
    const struct bundle_tensor *t = bundle_find(r, name);

    if (t == NULL) {
        return crew_err_exit(err, CREW_NOT_FOUND, 66,
                             "%s: Key %s not found in checkpoint", r->prefix,
                             name);
    }
    *out = t;
    return CREW_OK;
}
