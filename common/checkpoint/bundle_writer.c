/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing a tensor bundle: the data as it comes, the index at the end. The
 * index's entries are packed as they are made; those of partitioned variables,
 * which list their slices, when the last slice is known. */
#include "checkpoint/bundle_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/crc32c.h"
#include "base/fingerprint.h"
#include "base/mem.h"
#include "checkpoint/slice_key.h"
#include "io/varint.h"

#include "base/banned.h"

enum { MAX_SHARDS = 65536, PIECE = 1 << 20 };

struct entry {
    struct strbuf key, value;
};

/* A partitioned variable; slices in the order of their shards. */
struct whole {
    char *name;
    int dtype;
    struct crew_shape shape;
    struct bundle_slice *slices;
    int *shards;
    size_t n;
};

struct shard {
    struct env_file *file;
    uint64_t bytes;
    uint32_t crc;
};

struct bundle_writer {
    struct crew_env *env;
    char *index_path;
    struct shard *shards;
    int num_shards, shard; /* the one that is written to */
    struct entry *entries;
    size_t n, cap;
    size_t *found; /* keys by hash: numbers of entries from 1, 0: free */
    size_t num_found;
    struct whole *wholes;
    size_t num_wholes;
};

static int create_shard(struct bundle_writer *w,
                        const char *path,
                        struct crew_err *err)
{
    struct env_fs *fs = w->env->fs;
    struct shard *s = &w->shards[w->num_shards];

    if (fs->create(fs, path, true, &s->file, err) == CREW_OK) {
        w->num_shards++;
    }
    return err->code;
}

static struct bundle_writer *new_writer(struct crew_env *env, int num_shards)
{
    struct bundle_writer *w = xcalloc(1, sizeof *w);

    w->env = env;
    w->shards = xcalloc((size_t)num_shards, sizeof *w->shards);
    return w;
}

int bundle_writer_open(struct crew_env *env,
                       const char *data_path,
                       const char *index_path,
                       struct bundle_writer **out,
                       struct crew_err *err)
{
    struct bundle_writer *w = new_writer(env, 1);

    if (create_shard(w, data_path, err) != CREW_OK) {
        bundle_writer_free(w);
        return err->code;
    }
    w->index_path = xstrdup(index_path);
    *out = w;
    return CREW_OK;
}

int bundle_writer_open_shards(struct crew_env *env,
                              const char *prefix,
                              int n,
                              struct bundle_writer **out,
                              struct crew_err *err)
{
    struct bundle_writer *w;

    PRE(n >= 1 && n <= MAX_SHARDS);
    w = new_writer(env, n);
    for (int i = 0; i < n && err->code == CREW_OK; i++) {
        char *path = bundle_data_path(prefix, i, n);

        (void)create_shard(w, path, err);
        free(path);
    }
    if (err->code != CREW_OK) {
        bundle_writer_free(w);
        return err->code;
    }
    w->index_path = xasprintf("%s.index", prefix);
    *out = w;
    return CREW_OK;
}

void bundle_writer_set_shard(struct bundle_writer *w, int shard)
{
    PRE(shard >= 0 && shard < w->num_shards);
    w->shard = shard;
}

void bundle_writer_free(struct bundle_writer *w)
{
    struct crew_err ignored = {0};

    if (w == NULL) {
        return;
    }
    for (int i = 0; i < w->num_shards; i++) {
        if (w->shards[i].file != NULL) {
            (void)w->env->fs->close(w->shards[i].file, &ignored);
        }
    }
    for (size_t i = 0; i < w->n; i++) {
        strbuf_release(&w->entries[i].key);
        strbuf_release(&w->entries[i].value);
    }
    for (size_t i = 0; i < w->num_wholes; i++) {
        free(w->wholes[i].name);
        free(w->wholes[i].slices);
        free(w->wholes[i].shards);
    }
    free(w->wholes);
    free(w->entries);
    free(w->found);
    free(w->shards);
    free(w->index_path);
    free(w);
}

/* ---------------------------------------------------------------- entries */

int bundle_compare_keys(const void *a, size_t na, const void *b, size_t nb)
{
    int order = memcmp(a, b, na < nb ? na : nb);

    return order != 0 ? order : (na > nb) - (na < nb);
}

static int by_key(const void *a, const void *b)
{
    const struct strbuf *x = &((const struct entry *)a)->key;
    const struct strbuf *y = &((const struct entry *)b)->key;

    return bundle_compare_keys(x->data, x->len, y->data, y->len);
}

/* Where the key's number is in w->found, or is to be. */
static size_t find_key(const struct bundle_writer *w, const struct strbuf *key)
{
    size_t mask = w->num_found - 1;
    size_t at = (size_t)fingerprint64(key->data, key->len) & mask;

    for (; w->found[at] != 0; at = (at + 1) & mask) {
        const struct strbuf *k = &w->entries[w->found[at] - 1].key;

        if (k->len == key->len && memcmp(k->data, key->data, k->len) == 0) {
            break;
        }
    }
    return at;
}

/* At most half of it is taken. */
static void grow_found(struct bundle_writer *w)
{
    if (2 * (w->n + 1) <= w->num_found) {
        return;
    }
    free(w->found);
    w->num_found = w->num_found == 0 ? 64 : 2 * w->num_found;
    w->found = xcalloc(w->num_found, sizeof *w->found);
    for (size_t i = 0; i < w->n; i++) {
        w->found[find_key(w, &w->entries[i].key)] = i + 1;
    }
}

static int check_new(struct bundle_writer *w,
                     const struct strbuf *key,
                     const char *name,
                     struct crew_err *err)
{
    grow_found(w);
    return w->found[find_key(w, key)] == 0
               ? CREW_OK
               : crew_err_set(err, CREW_ALREADY_EXISTS,
                              "Duplicate tensor keyed by %s", name);
}

void bundle_pack(struct strbuf *out, const ProtobufCMessage *message)
{
    size_t n = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = xmalloc(n);

    (void)protobuf_c_message_pack(message, bytes);
    strbuf_add(out, bytes, n);
    free(bytes);
}

/* The key is new. */
static void add_entry(struct bundle_writer *w,
                      const struct strbuf *key,
                      const ProtobufCMessage *message)
{
    struct entry *e;

    if (w->n == w->cap) {
        w->cap = w->cap == 0 ? 32 : 2 * w->cap;
        w->entries = xrealloc(w->entries, w->cap * sizeof *w->entries);
    }
    w->found[find_key(w, key)] = w->n + 1;
    e = &w->entries[w->n++];
    strbuf_init(&e->key);
    strbuf_init(&e->value);
    strbuf_add(&e->key, key->data, key->len);
    bundle_pack(&e->value, message);
}

/* A TensorShapeProto with room for its dimensions. */
struct shape_room {
    Tensorflow__TensorShapeProto proto;
    Tensorflow__TensorShapeProto__Dim dims[CREW_MAX_RANK];
    Tensorflow__TensorShapeProto__Dim *list[CREW_MAX_RANK];
};

static Tensorflow__TensorShapeProto *shape_proto(struct shape_room *room,
                                                 int rank,
                                                 const int64_t *dims)
{
    tensorflow__tensor_shape_proto__init(&room->proto);
    for (int i = 0; i < rank; i++) {
        tensorflow__tensor_shape_proto__dim__init(&room->dims[i]);
        room->dims[i].size = dims[i];
        room->list[i] = &room->dims[i];
    }
    room->proto.n_dim = (size_t)rank;
    room->proto.dim = room->list;
    return &room->proto;
}

/* The entry of the `size` bytes that were just written at the end of the shard.
 */
static void add_stored(struct bundle_writer *w,
                       const struct strbuf *key,
                       int dtype,
                       int rank,
                       const int64_t *dims,
                       uint64_t size,
                       uint32_t crc)
{
    Tensorflow__BundleEntryProto entry = TENSORFLOW__BUNDLE_ENTRY_PROTO__INIT;
    struct shape_room room;

    entry.dtype = dtype;
    entry.shape = shape_proto(&room, rank, dims);
    entry.shard_id = w->shard;
    entry.offset = (int64_t)(w->shards[w->shard].bytes - size);
    entry.size = (int64_t)size;
    entry.crc32c = crc32c_mask(crc);
    add_entry(w, key, &entry.base);
}

/* Onto the shard; the CRC of each piece is computed while it is warm. *crc: of
 * these bytes. */
static int write_data(struct bundle_writer *w,
                      const void *data,
                      size_t n,
                      uint32_t *crc,
                      struct crew_err *err)
{
    struct shard *s = &w->shards[w->shard];
    const uint8_t *p = data;

    *crc = 0;
    for (size_t at = 0; at < n;) {
        size_t piece = n - at < PIECE ? n - at : PIECE;

        *crc = crc32c_extend(*crc, p + at, piece);
        if (w->env->fs->write(s->file, p + at, piece, err) != CREW_OK) {
            return err->code;
        }
        at += piece;
    }
    s->crc = bundle_join_crcs(s->crc, *crc, n);
    s->bytes += n;
    return CREW_OK;
}

/* ---------------------------------------------------------------- tensors */

static int add_numbers(struct bundle_writer *w,
                       const struct strbuf *key,
                       const char *name,
                       int dtype,
                       const struct crew_shape *shape,
                       const void *data,
                       struct crew_err *err)
{
    uint32_t crc;
    int64_t count;
    size_t size;

    PRE(bundle_dtype_size(dtype) > 0);
    if (check_new(w, key, name, err) != CREW_OK) {
        return err->code;
    }
    if (shape_count(shape, &count, err) != CREW_OK) {
        return crew_err_wrap(err, "%s", name);
    }
    size = (size_t)count * bundle_dtype_size(dtype);
    if (write_data(w, data, size, &crc, err) != CREW_OK) {
        return crew_err_wrap(err, "%s (%zu bytes)", name, size);
    }
    add_stored(w, key, dtype, shape->rank, shape->dim, size, crc);
    return CREW_OK;
}

/* The key of a plain tensor; borrowed from `name`. */
static struct strbuf plain_key(const char *name)
{
    return (struct strbuf){.data = (char *)(uintptr_t)name,
                           .len = strlen(name)};
}

int bundle_writer_add(struct bundle_writer *w,
                      const char *name,
                      int dtype,
                      const struct crew_shape *shape,
                      const void *data,
                      struct crew_err *err)
{
    struct strbuf key = plain_key(name);

    return add_numbers(w, &key, name, dtype, shape, data, err);
}

int bundle_writer_add_strings(struct bundle_writer *w,
                              const char *name,
                              const struct crew_shape *shape,
                              const struct bundle_string *at,
                              struct crew_err *err)
{
    struct strbuf key = plain_key(name), bytes;
    uint8_t sum[4];
    uint32_t crc = 0, unused;
    int64_t n;

    if (check_new(w, &key, name, err) != CREW_OK ||
        shape_count(shape, &n, err) != CREW_OK) {
        return err->code;
    }
    strbuf_init(&bytes);
    for (int64_t i = 0; i < n; i++) {
        varint_put(&bytes, at[i].n);
        crc = bundle_crc_of_length(crc, at[i].n);
    }
    put_le32(sum, crc32c_mask(crc));
    strbuf_add(&bytes, sum, sizeof sum);
    crc = crc32c_extend(crc, sum, sizeof sum);
    for (int64_t i = 0; i < n; i++) {
        strbuf_add(&bytes, at[i].data, at[i].n);
        crc = crc32c_extend(crc, at[i].data, at[i].n);
    }
    if (write_data(w, bytes.data, bytes.len, &unused, err) == CREW_OK) {
        add_stored(w, &key, CREW_STRING, shape->rank, shape->dim, bytes.len,
                   crc);
    } else {
        crew_err_wrap(err, "%s (%zu bytes)", name, bytes.len);
    }
    strbuf_release(&bytes);
    return err->code;
}

/* ----------------------------------------------------------------- slices */

/* A TensorSliceProto with room for its extents. */
struct slice_room {
    Tensorflow__TensorSliceProto proto;
    Tensorflow__TensorSliceProto__Extent extents[CREW_MAX_RANK];
    Tensorflow__TensorSliceProto__Extent *list[CREW_MAX_RANK];
};

static Tensorflow__TensorSliceProto *slice_proto(struct slice_room *room,
                                                 int rank,
                                                 const struct bundle_slice *s)
{
    tensorflow__tensor_slice_proto__init(&room->proto);
    for (int i = 0; i < rank; i++) {
        Tensorflow__TensorSliceProto__Extent *x = &room->extents[i];

        tensorflow__tensor_slice_proto__extent__init(x);
        x->start = s->start[i];
        x->has_length_case =
            TENSORFLOW__TENSOR_SLICE_PROTO__EXTENT__HAS_LENGTH_LENGTH;
        x->length = s->length[i];
        room->list[i] = x;
    }
    room->proto.n_extent = (size_t)rank;
    room->proto.extent = room->list;
    return &room->proto;
}

static struct whole *find_whole(struct bundle_writer *w,
                                const char *name,
                                int dtype,
                                const struct crew_shape *full)
{
    struct whole *v;

    /* The slices of a variable come one after the other as a rule. */
    for (size_t i = w->num_wholes; i > 0; i--) {
        if (strcmp(w->wholes[i - 1].name, name) == 0) {
            return &w->wholes[i - 1];
        }
    }
    w->wholes = xrealloc(w->wholes, (w->num_wholes + 1) * sizeof *w->wholes);
    v = &w->wholes[w->num_wholes++];
    *v = (struct whole){.name = xstrdup(name), .dtype = dtype, .shape = *full};
    return v;
}

/* TensorFlow lists them in the order of the parts that it merges. */
static void remember_slice(struct bundle_writer *w,
                           const char *name,
                           int dtype,
                           const struct crew_shape *full,
                           const struct bundle_slice *s)
{
    struct whole *v = find_whole(w, name, dtype, full);
    size_t i = v->n++;

    PRE(v->dtype == dtype && shape_equal(&v->shape, full));
    v->slices = xrealloc(v->slices, v->n * sizeof *v->slices);
    v->shards = xrealloc(v->shards, v->n * sizeof *v->shards);
    for (; i > 0 && v->shards[i - 1] > w->shard; i--) {
        v->slices[i] = v->slices[i - 1];
        v->shards[i] = v->shards[i - 1];
    }
    v->slices[i] = *s;
    v->shards[i] = w->shard;
}

int bundle_writer_add_slice(struct bundle_writer *w,
                            const char *name,
                            int dtype,
                            const struct crew_shape *full,
                            const struct bundle_slice *s,
                            const void *data,
                            struct crew_err *err)
{
    struct crew_shape shape = *full;
    struct slice_room room;
    struct strbuf key;

    memcpy(shape.dim, s->length, sizeof shape.dim);
    if (shape_equal(&shape, full)) {
        return bundle_writer_add(w, name, dtype, full, data, err);
    }
    strbuf_init(&key);
    slice_key(&key, name, slice_proto(&room, full->rank, s));
    if (add_numbers(w, &key, name, dtype, &shape, data, err) == CREW_OK) {
        remember_slice(w, name, dtype, full, s);
    }
    strbuf_release(&key);
    return err->code;
}

static int add_whole(struct bundle_writer *w,
                     const struct whole *v,
                     struct crew_err *err)
{
    Tensorflow__BundleEntryProto entry = TENSORFLOW__BUNDLE_ENTRY_PROTO__INIT;
    struct slice_room *rooms = xcalloc(v->n, sizeof *rooms);
    Tensorflow__TensorSliceProto **list = xcalloc(v->n, sizeof *list);
    struct strbuf key = plain_key(v->name);
    struct shape_room shape;

    for (size_t i = 0; i < v->n; i++) {
        list[i] = slice_proto(&rooms[i], v->shape.rank, &v->slices[i]);
    }
    entry.dtype = v->dtype;
    entry.shard_id = v->shards[0];
    entry.shape = shape_proto(&shape, v->shape.rank, v->shape.dim);
    entry.n_slices = v->n;
    entry.slices = list;
    if (check_new(w, &key, v->name, err) == CREW_OK) {
        add_entry(w, &key, &entry.base);
    }
    free(list);
    free(rooms);
    return err->code;
}

/* -------------------------------------------------------------- the index */

static void build_index(struct bundle_writer *w, struct strbuf *out)
{
    Tensorflow__VersionDef version = TENSORFLOW__VERSION_DEF__INIT;
    Tensorflow__BundleHeaderProto header =
        TENSORFLOW__BUNDLE_HEADER_PROTO__INIT;
    struct table_builder *table = table_builder_new(out);
    struct strbuf bytes;

    version.producer = 1;
    header.num_shards = w->num_shards;
    header.version = &version;
    strbuf_init(&bytes);
    bundle_pack(&bytes, &header.base);
    table_builder_add(table, "", 0, bytes.data, bytes.len);
    strbuf_release(&bytes);
    if (w->n > 0) {
        qsort(w->entries, w->n, sizeof *w->entries, by_key);
    }
    for (size_t i = 0; i < w->n; i++) {
        const struct entry *e = &w->entries[i];

        table_builder_add(table, e->key.data, e->key.len, e->value.data,
                          e->value.len);
    }
    table_builder_finish(table);
}

static int write_index(struct bundle_writer *w,
                       struct bundle_sums *sums,
                       struct crew_err *err)
{
    struct env_fs *fs = w->env->fs;
    struct crew_err close_err = {0};
    struct env_file *file = NULL;
    struct strbuf bytes;

    strbuf_init(&bytes);
    build_index(w, &bytes);
    sums->index_bytes = bytes.len;
    sums->index_crc = crc32c(bytes.data, bytes.len);
    if (fs->create(fs, w->index_path, true, &file, err) == CREW_OK) {
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

static int finish_shard(struct bundle_writer *w,
                        struct shard *s,
                        struct bundle_sums *sums,
                        struct crew_err *err)
{
    struct env_file *file = s->file;

    if (w->env->fs->sync(file, err) != CREW_OK) {
        return err->code;
    }
    s->file = NULL;
    sums->data_crc = bundle_join_crcs(sums->data_crc, s->crc, s->bytes);
    sums->data_bytes += s->bytes;
    return w->env->fs->close(file, err);
}

int bundle_writer_finish(struct bundle_writer *w,
                         struct bundle_sums *out,
                         struct crew_err *err)
{
    struct bundle_sums sums = {0};

    for (size_t i = 0; i < w->num_wholes; i++) {
        if (add_whole(w, &w->wholes[i], err) != CREW_OK) {
            return err->code;
        }
    }
    for (int i = 0; i < w->num_shards; i++) {
        if (finish_shard(w, &w->shards[i], &sums, err) != CREW_OK) {
            return err->code;
        }
    }
    if (write_index(w, &sums, err) == CREW_OK) {
        *out = sums;
    }
    return err->code;
}
