/* SPDX-License-Identifier: Apache-2.0
 * Writing a tensor bundle of one shard: data as it comes, the index at the end. */
#include "checkpoint/bundle.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "io/table.h"
#include "proto/tensorflow.pb-c.h"

#include "base/banned.h"

struct entry {
    char *name;
    enum crew_dtype dtype;
    struct crew_shape shape;
    uint64_t offset, size;
    uint32_t crc;
};

struct bundle_writer {
    struct crew_env *env;
    char *index_path;
    struct env_file *data;
    uint64_t offset;
    uint32_t data_crc;
    struct entry *entries;
    int n, cap;
};

int bundle_writer_open(struct crew_env *env, const char *data_path,
                       const char *index_path, struct bundle_writer **out,
                       struct crew_err *err)
{
    struct env_file *data = NULL;
    struct bundle_writer *w;

    if (env->fs->create(env->fs, data_path, true, &data, err) != CREW_OK) {
        return err->code;
    }
    w = xcalloc(1, sizeof *w);
    w->env = env;
    w->data = data;
    w->index_path = xstrdup(index_path);
    *out = w;
    return CREW_OK;
}

void bundle_writer_free(struct bundle_writer *w)
{
    struct crew_err ignored = {0};

    if (w == NULL) {
        return;
    }
    if (w->data != NULL) {
        (void)w->env->fs->close(w->data, &ignored);
    }
    for (int i = 0; i < w->n; i++) {
        free(w->entries[i].name);
    }
    free(w->entries);
    free(w->index_path);
    free(w);
}

int bundle_writer_add(struct bundle_writer *w, const char *name,
                      enum crew_dtype dtype, const struct crew_shape *shape,
                      const void *data, struct crew_err *err)
{
    struct entry *e;
    int64_t count;
    size_t size;

    PRE(dtype_size(dtype) > 0);
    if (shape_count(shape, &count, err) != CREW_OK) {
        return crew_err_wrap(err, "%s", name);
    }
    for (int i = 0; i < w->n; i++) {
        if (strcmp(w->entries[i].name, name) == 0) {
            return crew_err_set(err, CREW_ALREADY_EXISTS,
                                "Duplicate tensor keyed by %s", name);
        }
    }
    size = (size_t)count * dtype_size(dtype);
    if (w->env->fs->write(w->data, data, size, err) != CREW_OK) {
        return crew_err_wrap(err, "%s (%zu bytes)", name, size);
    }
    if (w->n == w->cap) {
        w->cap = w->cap == 0 ? 32 : 2 * w->cap;
        w->entries = xrealloc(w->entries, (size_t)w->cap * sizeof *w->entries);
    }
    e = &w->entries[w->n++];
    *e = (struct entry){.name = xstrdup(name),
                        .dtype = dtype,
                        .shape = *shape,
                        .offset = w->offset,
                        .size = size,
                        .crc = crc32c(data, size)};
    w->offset += size;
    w->data_crc = crc32c_extend(w->data_crc, data, size);
    return CREW_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name,
                  ((const struct entry *)b)->name);
}

static void add_message(struct table_builder *table, const char *key,
                        const ProtobufCMessage *message)
{
    size_t n = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = xmalloc(n);

    (void)protobuf_c_message_pack(message, bytes);
    table_builder_add(table, key, strlen(key), bytes, n);
    free(bytes);
}

static void add_header(struct table_builder *table)
{
    Tensorflow__VersionDef version = TENSORFLOW__VERSION_DEF__INIT;
    Tensorflow__BundleHeaderProto header = TENSORFLOW__BUNDLE_HEADER_PROTO__INIT;

    version.producer = 1;
    header.num_shards = 1;
    header.version = &version;
    add_message(table, "", &header.base);
}

static void add_entry(struct table_builder *table, const struct entry *e)
{
    Tensorflow__BundleEntryProto entry = TENSORFLOW__BUNDLE_ENTRY_PROTO__INIT;
    Tensorflow__TensorShapeProto shape = TENSORFLOW__TENSOR_SHAPE_PROTO__INIT;
    Tensorflow__TensorShapeProto__Dim dims[CREW_MAX_RANK];
    Tensorflow__TensorShapeProto__Dim *dim_list[CREW_MAX_RANK];

    for (int i = 0; i < e->shape.rank; i++) {
        tensorflow__tensor_shape_proto__dim__init(&dims[i]);
        dims[i].size = e->shape.dim[i];
        dim_list[i] = &dims[i];
    }
    shape.n_dim = (size_t)e->shape.rank;
    shape.dim = dim_list;
    entry.dtype = (int32_t)e->dtype;
    entry.shape = &shape;
    entry.offset = (int64_t)e->offset;
    entry.size = (int64_t)e->size;
    entry.crc32c = crc32c_mask(e->crc);
    add_message(table, e->name, &entry.base);
}

static int write_index(struct bundle_writer *w, uint32_t *crc,
                       struct crew_err *err)
{
    struct env_fs *fs = w->env->fs;
    struct env_file *file = NULL;
    struct table_builder *table;
    struct strbuf bytes;

    strbuf_init(&bytes);
    table = table_builder_new(&bytes);
    add_header(table);
    qsort(w->entries, (size_t)w->n, sizeof *w->entries, by_name);
    for (int i = 0; i < w->n; i++) {
        add_entry(table, &w->entries[i]);
    }
    table_builder_finish(table);
    *crc = crc32c(bytes.data, bytes.len);
    if (fs->create(fs, w->index_path, true, &file, err) == CREW_OK) {
        struct crew_err close_err = {0};

        if (fs->write(file, bytes.data, bytes.len, err) == CREW_OK) {
            (void)fs->sync(file, err);
        }
        if (fs->close(file, &close_err) != CREW_OK && err->code == CREW_OK) {
            *err = close_err;
        }
    }
    strbuf_release(&bytes);
    return err->code;
}

int bundle_writer_finish(struct bundle_writer *w, uint32_t *data_crc,
                         uint32_t *index_crc, struct crew_err *err)
{
    struct env_file *data = w->data;
    uint32_t crc = 0;

    if (w->env->fs->sync(data, err) != CREW_OK) {
        return err->code;
    }
    w->data = NULL;
    if (w->env->fs->close(data, err) != CREW_OK ||
        write_index(w, &crc, err) != CREW_OK) {
        return err->code;
    }
    *data_crc = w->data_crc;
    *index_crc = crc;
    return CREW_OK;
}
