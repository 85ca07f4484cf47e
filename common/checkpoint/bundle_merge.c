/* SPDX-License-Identifier: Apache-2.0
 *
 * Making one checkpoint of several parts, as the op MergeV2Checkpoints does.
 * Every part is opened by the reader first, so that nothing is renamed before
 * all indices have been checked. Source: MergeBundles in
 * tensorflow/core/util/tensor_bundle/tensor_bundle.cc. */
#include "checkpoint/bundle_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"

#include "base/banned.h"

/* A data file of a part; from 1 on it has a number in the merged checkpoint. */
struct moved {
    char *from;
    int number; /* 0: nothing is in it */
};

/* A row of a part's table. */
struct row {
    const struct table_entry *at;
    int part, shard; /* shard: the number in the merged checkpoint */
};

struct merge {
    struct crew_env *env;
    const char *const *prefixes;
    const char *merged;
    int num_parts;
    struct bundle_reader **parts;
    struct moved *files; /* of all parts, one after the other */
    int *first_file;     /* of each part */
    int num_files, num_used;
    struct row *rows;
    size_t num_rows;
};

/* ---------------------------------------------------------------- reading */

static int add_files(struct merge *m, int part, struct crew_err *err)
{
    int n = bundle_num_shards(m->parts[part]);

    if (n > INT32_MAX - m->num_files) {
        return bundle_damaged(m->parts[part], err, "too many shards", "");
    }
    m->first_file[part] = m->num_files;
    m->files =
        xrealloc(m->files, (size_t)(m->num_files + n) * sizeof *m->files);
    for (int i = 0; i < n; i++) {
        m->files[m->num_files++] =
            (struct moved){.from = bundle_data_path(m->prefixes[part], i, n)};
    }
    return CREW_OK;
}

/* Data files are numbered as they are first met. */
static int add_rows(struct merge *m, int part, struct crew_err *err)
{
    const struct bundle_reader *r = m->parts[part];
    int64_t n = table_size(r->table);

    m->rows = xrealloc(m->rows, (m->num_rows + (size_t)n) * sizeof *m->rows);
    for (int64_t i = 0; i < n; i++) {
        const struct table_entry *at = table_entry(r->table, i);
        Tensorflow__BundleEntryProto *e;
        struct moved *file;

        if (at->key_len == 0) {
            continue;
        }
        e = bundle_unpack_entry(at);
        if (e == NULL || e->shard_id < 0 || e->shard_id >= r->num_shards) {
            bundle_damaged(r, err, "cannot parse a bundle entry", "");
        } else {
            file = &m->files[m->first_file[part] + e->shard_id];
            file->number = file->number > 0 ? file->number : ++m->num_used;
            m->rows[m->num_rows++] = (struct row){at, part, file->number - 1};
        }
        if (e != NULL) {
            tensorflow__bundle_entry_proto__free_unpacked(e, NULL);
        }
        if (err->code != CREW_OK) {
            break;
        }
    }
    return err->code;
}

static int by_key(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    int order = bundle_compare_keys(x->at->key, x->at->key_len, y->at->key,
                                    y->at->key_len);

    return order != 0 ? order : (x->part > y->part) - (x->part < y->part);
}

static int open_parts(struct merge *m, struct crew_err *err)
{
    for (int i = 0; i < m->num_parts; i++) {
        if (strcmp(m->prefixes[i], m->merged) == 0) {
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 65,
                                 "%s cannot be merged into itself", m->merged);
        }
        if (bundle_reader_open(m->env, m->prefixes[i], &m->parts[i], err) !=
                CREW_OK ||
            add_files(m, i, err) != CREW_OK || add_rows(m, i, err) != CREW_OK) {
            return err->code;
        }
    }
    if (m->num_rows > 1) {
        qsort(m->rows, m->num_rows, sizeof *m->rows, by_key);
    }
    return CREW_OK;
}

/* ----------------------------------------------------------- the new index */

/* "w" or a slice of it: the bytes that can be printed. */
static char *key_text(const struct table_entry *at)
{
    char *text = xmalloc(at->key_len + 1);

    for (size_t i = 0; i < at->key_len; i++) {
        char c = (char)at->key[i];
        text[i] = c >= 0x20 && c < 0x7f ? c : '?';
    }
    text[at->key_len] = '\0';
    return text;
}

static int duplicate(const struct merge *m,
                     const struct row *row,
                     struct crew_err *err)
{
    char *key = key_text(row->at);

    crew_err_exit(err, CREW_INVALID_ARGUMENT, 65,
                  "Duplicate tensor keyed by %s encountered, when merging "
                  "prefix: %s",
                  key, m->prefixes[row->part]);
    free(key);
    return err->code;
}

static bool same_kind(const Tensorflow__BundleEntryProto *a,
                      const Tensorflow__BundleEntryProto *b)
{
    size_t n = a->shape == NULL ? 0 : a->shape->n_dim;

    if (a->dtype != b->dtype || n != (b->shape == NULL ? 0 : b->shape->n_dim)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (a->shape->dim[i]->size != b->shape->dim[i]->size) {
            return false;
        }
    }
    return true;
}

/* The slices of *from move behind those of *to. */
static void take_slices(Tensorflow__BundleEntryProto *to,
                        Tensorflow__BundleEntryProto *from)
{
    size_t n = to->n_slices + from->n_slices;

    to->slices = xrealloc(to->slices, n * sizeof(to->slices[0]));
    memcpy(to->slices + to->n_slices, from->slices,
           from->n_slices * sizeof(from->slices[0]));
    to->n_slices = n;
    from->n_slices = 0;
}

/* Rows i..end have one key: a variable of which several parts have slices. */
static int join_rows(const struct merge *m,
                     Tensorflow__BundleEntryProto *e,
                     size_t i,
                     size_t end,
                     struct crew_err *err)
{
    for (size_t k = i + 1; k < end && err->code == CREW_OK; k++) {
        Tensorflow__BundleEntryProto *more = bundle_unpack_entry(m->rows[k].at);

        if (more == NULL || e->n_slices == 0 || more->n_slices == 0 ||
            !same_kind(e, more)) {
            duplicate(m, &m->rows[k], err);
        } else {
            take_slices(e, more);
        }
        if (more != NULL) {
            tensorflow__bundle_entry_proto__free_unpacked(more, NULL);
        }
    }
    return err->code;
}

/* Row i and those after it with the same key, as one entry. */
static int add_row(const struct merge *m,
                   struct table_builder *table,
                   size_t *i,
                   struct crew_err *err)
{
    const struct row *row = &m->rows[*i];
    Tensorflow__BundleEntryProto *e = bundle_unpack_entry(row->at);
    struct strbuf bytes;
    size_t end = *i + 1;

    INVARIANT(e != NULL);
    while (end < m->num_rows &&
           bundle_compare_keys(row->at->key, row->at->key_len,
                               m->rows[end].at->key,
                               m->rows[end].at->key_len) == 0) {
        end++;
    }
    e->shard_id = row->shard;
    if (join_rows(m, e, *i, end, err) == CREW_OK) {
        strbuf_init(&bytes);
        bundle_pack(&bytes, &e->base);
        table_builder_add(table, row->at->key, row->at->key_len, bytes.data,
                          bytes.len);
        strbuf_release(&bytes);
    }
    tensorflow__bundle_entry_proto__free_unpacked(e, NULL);
    *i = end;
    return err->code;
}

/* That of the first part, whose version the others must have. */
static int add_header(const struct merge *m,
                      struct table_builder *table,
                      struct crew_err *err)
{
    Tensorflow__BundleHeaderProto *h;
    struct strbuf first, bytes;

    strbuf_init(&first);
    strbuf_init(&bytes);
    for (int i = 0; i < m->num_parts && err->code == CREW_OK; i++) {
        struct strbuf *to = i == 0 ? &first : &bytes;

        h = bundle_unpack_header(table_entry(m->parts[i]->table, 0));
        INVARIANT(h != NULL);
        h->num_shards = m->num_used > 0 ? m->num_used : 1;
        strbuf_reset(to);
        bundle_pack(to, &h->base);
        tensorflow__bundle_header_proto__free_unpacked(h, NULL);
        if (i > 0 && (first.len != bytes.len ||
                      memcmp(first.data, bytes.data, first.len) != 0)) {
            crew_err_exit(err, CREW_INVALID_ARGUMENT, 65,
                          "Merging bundles with different format versions: "
                          "%s is of another one",
                          m->prefixes[i]);
        }
    }
    table_builder_add(table, "", 0, first.data, first.len);
    strbuf_release(&first);
    strbuf_release(&bytes);
    return err->code;
}

static int build_index(const struct merge *m,
                       struct strbuf *out,
                       struct crew_err *err)
{
    struct table_builder *table = table_builder_new(out);

    if (add_header(m, table, err) == CREW_OK) {
        for (size_t i = 0; i < m->num_rows && err->code == CREW_OK;) {
            (void)add_row(m, table, &i, err);
        }
    }
    table_builder_finish(table);
    return err->code;
}

/* -------------------------------------------------------------- the renames */

/* The first n files to their new names, or back. */
static int rename_files(struct merge *m,
                        int n,
                        bool back,
                        int *done,
                        struct crew_err *err)
{
    struct env_fs *fs = m->env->fs;

    for (*done = 0; *done < n; ++*done) {
        const struct moved *f = &m->files[*done];
        char *to;

        if (f->number == 0) {
            continue;
        }
        to = bundle_data_path(m->merged, f->number - 1, m->num_used);
        (void)fs->rename(fs, back ? to : f->from, back ? f->from : to, err);
        free(to);
        if (err->code != CREW_OK && !back) {
            break;
        }
    }
    return err->code;
}

/* Best effort, as there: the checkpoint is complete. */
static void remove_parts(struct merge *m)
{
    struct crew_err ignored = {0};

    for (int i = 0; i < m->num_parts; i++) {
        char *index = xasprintf("%s.index", m->prefixes[i]);

        (void)m->env->fs->unlink(m->env->fs, index, &ignored);
        free(index);
    }
    for (int i = 0; i < m->num_files; i++) {
        if (m->files[i].number == 0) {
            (void)m->env->fs->unlink(m->env->fs, m->files[i].from, &ignored);
        }
    }
}

static int make_folder(const struct merge *m, struct crew_err *err)
{
    char *dir = xstrdup(m->merged), *slash = strrchr(dir, '/');

    if (slash != NULL && slash != dir) {
        *slash = '\0';
        (void)fs_make_dirs(m->env, dir, err);
    }
    free(dir);
    return err->code;
}

/* No index ever stands beside data that is not its own. */
static int remove_old(const struct merge *m,
                      const char *index_path,
                      struct crew_err *err)
{
    return fs_exists(m->env, index_path)
               ? m->env->fs->unlink(m->env->fs, index_path, err)
               : CREW_OK;
}

static int write_merged(struct merge *m, struct crew_err *err)
{
    char *index_path = xasprintf("%s.index", m->merged);
    struct crew_err ignored = {0};
    struct strbuf index;
    int done = 0, undone;

    strbuf_init(&index);
    if (build_index(m, &index, err) == CREW_OK &&
        make_folder(m, err) == CREW_OK &&
        remove_old(m, index_path, err) == CREW_OK) {
        if (rename_files(m, m->num_files, false, &done, err) == CREW_OK) {
            (void)fs_replace_file(m->env, index_path, index.data, index.len,
                                  err);
        }
        if (err->code == CREW_OK) {
            remove_parts(m);
        } else if (!fs_exists(m->env, index_path)) {
            (void)rename_files(m, done, true, &undone, &ignored);
        }
    }
    strbuf_release(&index);
    free(index_path);
    return err->code;
}

int bundle_merge(struct crew_env *env,
                 const char *const *prefixes,
                 int n,
                 const char *merged,
                 struct crew_err *err)
{
    struct merge m = {
        .env = env, .prefixes = prefixes, .merged = merged, .num_parts = n};

    PRE(n >= 1);
    m.parts = xcalloc((size_t)n, sizeof *m.parts);
    m.first_file = xcalloc((size_t)n, sizeof *m.first_file);
    if (open_parts(&m, err) == CREW_OK) {
        (void)write_merged(&m, err);
    }
    for (int i = 0; i < n; i++) {
        bundle_reader_free(m.parts[i]);
    }
    for (int i = 0; i < m.num_files; i++) {
        free(m.files[i].from);
    }
    free(m.parts);
    free(m.first_file);
    free(m.files);
    free(m.rows);
    return err->code;
}
