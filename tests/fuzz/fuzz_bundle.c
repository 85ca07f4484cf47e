/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes the reader of checkpoints: the input is two bytes of the index's
 * length, the index, and the data. An index that is no sound table, as no
 * fuzzer guesses CRCs, is then taken for a recipe of one, with right CRCs.
 * Every tensor is read. Oracle beyond "no crash": errors are those the reader
 * documents; a tensor in parts is the same as whole. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/mem_fs.h"
#include "checkpoint/bundle_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(struct crew_env *env,
                const char *path,
                const void *data,
                size_t n)
{
    struct env_file *f = NULL;
    struct crew_err err = {0};

    INVARIANT(env->fs->create(env->fs, path, false, &f, &err) == CREW_OK);
    INVARIANT(env->fs->write(f, data, n, &err) == CREW_OK);
    INVARIANT(env->fs->close(f, &err) == CREW_OK);
}

static void check(const struct crew_err *err)
{
    int exit_code = crew_err_exit_code(err);

    INVARIANT(err->msg[0] != '\0');
    INVARIANT(exit_code == 65 || exit_code == 66 ||
              err->code == CREW_RESOURCE_EXHAUSTED ||
              err->code == CREW_UNIMPLEMENTED ||
              err->code == CREW_INVALID_ARGUMENT);
}

static void read_one(struct bundle_reader *r, const struct bundle_tensor *t)
{
    struct bundle_strings strings = {0};
    struct crew_err err = {0};
    void *to = NULL;

    if (bundle_dtype_size(t->dtype) == 0) {
        if (bundle_read_strings(r, t, &strings, &err) == CREW_OK) {
            bundle_strings_release(&strings);
        } else {
            check(&err);
        }
        return;
    }
    if (mem_try(t->nbytes, 1, "a tensor", &to, &err) == CREW_OK &&
        bundle_read(r, t, to, &err) != CREW_OK) {
        check(&err);
    }
    free(to);
}

/* In pieces, and through a slice, the same as whole. */
static void read_parts(struct bundle_reader *r, const struct bundle_tensor *t)
{
    size_t element = bundle_dtype_size(t->dtype);
    struct bundle_slice box = {0};
    struct crew_err err = {0};
    void *whole = NULL, *part = NULL;
    int64_t n = element > 0 ? (int64_t)(t->nbytes / element) : 0;

    if (n == 0 || t->shape.rank == 0 ||
        mem_try(t->nbytes, 1, "a tensor", &whole, &err) != CREW_OK ||
        mem_try(t->nbytes, 1, "a tensor", &part, &err) != CREW_OK ||
        bundle_read(r, t, whole, &err) != CREW_OK) {
        goto out;
    }
    for (int64_t at = 0; at < n; at += n / 3 + 1) {
        int64_t length = n - at < n / 3 + 1 ? n - at : n / 3 + 1;

        INVARIANT(bundle_read_range(r, t, at, length,
                                    (char *)part + (size_t)at * element,
                                    &err) == CREW_OK);
    }
    INVARIANT(memcmp(whole, part, t->nbytes) == 0);
    memcpy(box.length, t->shape.dim, sizeof box.length);
    memset(part, 0, t->nbytes);
    INVARIANT(bundle_read_slice(r, t, &box, part, &err) == CREW_OK);
    INVARIANT(memcmp(whole, part, t->nbytes) == 0);
out:
    free(whole);
    free(part);
}

/* ------------------------------------------------------------------ recipes */

enum { MOST_ROWS = 64 };

struct row {
    const uint8_t *key, *value;
    size_t key_len, value_len;
};

static int by_key(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    size_t n = x->key_len < y->key_len ? x->key_len : y->key_len;
    int order = n > 0 ? memcmp(x->key, y->key, n) : 0;

    return order != 0 ? order
                      : (x->key_len > y->key_len) - (x->key_len < y->key_len);
}

/* A row's value; where it says which bytes of the data, their CRC is right. */
static void add_row(struct table_builder *b,
                    const struct row *row,
                    const uint8_t *data,
                    size_t size)
{
    const struct table_entry given = {row->key, row->key_len, row->value,
                                      row->value_len};
    Tensorflow__BundleEntryProto *e =
        row->key_len > 0 ? bundle_unpack_entry(&given) : NULL;
    struct strbuf value;

    strbuf_init(&value);
    if (e == NULL) {
        strbuf_add(&value, row->value, row->value_len);
    } else {
        if (e->offset >= 0 && e->size >= 0 && (size_t)e->offset <= size &&
            (size_t)e->size <= size - (size_t)e->offset) {
            e->crc32c = crc32c_mask(crc32c(data + e->offset, (size_t)e->size));
        }
        bundle_pack(&value, &e->base);
        tensorflow__bundle_entry_proto__free_unpacked(e, NULL);
    }
    table_builder_add(b, row->key, row->key_len, value.data, value.len);
    strbuf_release(&value);
}

/* The bytes are rows, of each a byte of the key's length and one of the
 * value's: a sound table of them. */
static void cook(struct strbuf *index,
                 const uint8_t *p,
                 size_t n,
                 const uint8_t *data,
                 size_t size)
{
    struct table_builder *b = table_builder_new(index);
    struct row rows[MOST_ROWS];
    size_t count = 0;

    for (size_t i = 0; count < MOST_ROWS && i + 2 <= n; count++) {
        size_t key = p[i], value = p[i + 1];

        i += 2;
        key = key < n - i ? key : n - i;
        value = value < n - i - key ? value : n - i - key;
        rows[count] = (struct row){p + i, p + i + key, key, value};
        i += key + value;
    }
    if (count > 0) {
        qsort(rows, count, sizeof *rows, by_key);
    }
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || by_key(&rows[i - 1], &rows[i]) < 0) {
            add_row(b, &rows[i], data, size);
        }
    }
    table_builder_finish(b);
}

static void read_all(struct crew_env *env)
{
    struct bundle_reader *r = NULL;
    struct crew_err err = {0};

    if (bundle_reader_open(env, "/m/c", &r, &err) != CREW_OK) {
        check(&err);
        return;
    }
    for (int i = 0; i < bundle_num_tensors(r); i++) {
        read_one(r, bundle_tensor(r, i));
        read_parts(r, bundle_tensor(r, i));
    }
    if (bundle_verify(r, &err) != CREW_OK) {
        check(&err);
    }
    bundle_reader_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct table *table = NULL;
    struct crew_env *env;
    struct crew_err err = {0};
    struct strbuf index;
    size_t n;

    if (size < 2 || size > 1 << 20) {
        return 0;
    }
    n = (size_t)data[0] | (size_t)data[1] << 8;
    n = n > size - 2 ? size - 2 : n;
    env = env_mem_new(1);
    mem_limit(4u << 20);
    strbuf_init(&index);
    INVARIANT(env->fs->mkdir(env->fs, "/m", &err) == CREW_OK);
    put(env, "/m/c.index", data + 2, n);
    put(env, "/m/c.data-00000-of-00001", data + 2 + n, size - 2 - n);
    read_all(env);
    if (table_parse(data + 2, n, &table, NULL, &err) != CREW_OK) {
        cook(&index, data + 2, n, data + 2 + n, size - 2 - n);
        put(env, "/m/c.index", index.data, index.len);
        read_all(env);
    }
    table_free(table);
    strbuf_release(&index);
    env_mem_free(env);
    mem_limit(0);
    return 0;
}
