/* SPDX-License-Identifier: Apache-2.0
 * Checkpoints written again, and RestoreV2's slices; see the header. */
#include "checkpoints_more.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/mem_fs.h"
#include "base/strbuf.h"
#include "checkpoint/slice_key.h"
#include "checkpoint/value_text.h"
#include "config/json.h"
#include "base/banned.h"

/* ----------------------------------------------------------------- writing */

/* What the data file holds, in order: whole tensors and slices. */
struct piece {
    const struct bundle_tensor *t;
    int slice; /* -1: all of it */
    int shard;
    uint64_t offset, size;
    struct bundle_slice where;
};

struct pieces {
    struct piece *at;
    int n;
};

static void add_piece(struct pieces *p, struct piece piece)
{
    p->at = xrealloc(p->at, (size_t)(p->n + 1) * sizeof *p->at);
    p->at[p->n++] = piece;
}

static int by_place(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;

    if (x->shard != y->shard) {
        return x->shard < y->shard ? -1 : 1;
    }
    if (x->offset != y->offset) {
        return x->offset < y->offset ? -1 : 1;
    }
    /* Empty tensors share their offset with what follows. */
    if (x->size != y->size && (x->size == 0 || y->size == 0)) {
        return x->size == 0 ? -1 : 1;
    }
    return strcmp(x->t->name, y->t->name);
}

/* The slices of a tensor from the raw table. */
static void add_slices(struct pieces *p,
                       const struct table *table,
                       const struct bundle_tensor *t)
{
    int64_t row = table_find(table, t->name, strlen(t->name));
    const struct table_entry *bytes = table_entry(table, row);
    Tensorflow__BundleEntryProto *full = tensorflow__bundle_entry_proto__unpack(
        NULL, bytes->value_len, bytes->value);
    struct strbuf key;

    strbuf_init(&key);
    for (size_t i = 0; i < full->n_slices; i++) {
        struct piece piece = {.t = t, .slice = (int)i};
        Tensorflow__BundleEntryProto *e;

        slice_key(&key, t->name, full->slices[i]);
        bytes = table_entry(table, table_find(table, key.data, key.len));
        e = tensorflow__bundle_entry_proto__unpack(NULL, bytes->value_len,
                                                   bytes->value);
        piece.shard = e->shard_id;
        piece.offset = (uint64_t)e->offset;
        piece.size = (uint64_t)e->size;
        for (int d = 0; d < t->shape.rank; d++) {
            piece.where.start[d] = full->slices[i]->extent[d]->start;
            piece.where.length[d] = full->slices[i]->extent[d]->length;
        }
        add_piece(p, piece);
        tensorflow__bundle_entry_proto__free_unpacked(e, NULL);
    }
    strbuf_release(&key);
    tensorflow__bundle_entry_proto__free_unpacked(full, NULL);
}

static struct pieces find_pieces(const struct bundle_reader *r,
                                 const struct table *table)
{
    struct pieces p = {0};

    for (int i = 0; i < bundle_num_tensors(r); i++) {
        const struct bundle_tensor *t = bundle_tensor(r, i);

        if (t->num_slices > 0) {
            add_slices(&p, table, t);
        } else {
            add_piece(&p, (struct piece){.t = t,
                                         .slice = -1,
                                         .shard = t->shard,
                                         .offset = t->offset,
                                         .size = t->nbytes});
        }
    }
    if (p.n > 1) {
        qsort(p.at, (size_t)p.n, sizeof *p.at, by_place);
    }
    return p;
}

static int write_piece(struct bundle_writer *w,
                       struct bundle_reader *r,
                       const struct piece *p,
                       const char *data,
                       struct crew_err *err)
{
    struct bundle_strings strings = {0};

    if (p->t->dtype == CREW_STRING) {
        if (bundle_read_strings(r, p->t, &strings, err) == CREW_OK) {
            (void)bundle_writer_add_strings(w, p->t->name, &p->t->shape,
                                            strings.at, err);
        }
        bundle_strings_release(&strings);
        return err->code;
    }
    if (p->slice >= 0) {
        return bundle_writer_add_slice(w, p->t->name, p->t->dtype, &p->t->shape,
                                       &p->where, data + p->offset, err);
    }
    return bundle_writer_add(w, p->t->name, p->t->dtype, &p->t->shape,
                             data + p->offset, err);
}

/* <dir>/<prefix><suffix> against a file of `env`. */
static void compare_file(struct golden_report *report,
                         struct crew_env *env,
                         const char *path,
                         const char *want_dir,
                         const char *want_file)
{
    struct crew_err err = {0};
    size_t num_got = 0, num_want = 0;
    char *got = NULL, *want = golden_bytes(want_dir, want_file, &num_want);

    if (want == NULL || fs_read_file(env, path, (size_t)1 << 30, &got, &num_got,
                                     &err) != CREW_OK) {
        golden_differ(report, want_file, -1, err.msg, "a file");
    } else {
        (void)golden_same_bytes(report, want_file, got, num_got, want,
                                num_want);
    }
    free(got);
    free(want);
}

/* The pieces of every shard, in order. */
static int write_pieces(struct bundle_writer *w,
                        struct bundle_reader *r,
                        const struct pieces *p,
                        char *const *data,
                        struct crew_err *err)
{
    for (int i = 0; i < p->n && err->code == CREW_OK; i++) {
        bundle_writer_set_shard(w, p->at[i].shard);
        (void)write_piece(w, r, &p->at[i], data[p->at[i].shard], err);
    }
    return err->code;
}

void checkpoints_write_again(struct golden_report *report,
                             struct bundle_reader *r,
                             const struct table *table,
                             const char *dir,
                             const char *prefix)
{
    int num_shards = bundle_num_shards(r);
    char **name = xcalloc((size_t)num_shards + 1, sizeof *name);
    char **data = xcalloc((size_t)num_shards, sizeof *data);
    struct crew_env *env = env_mem_new(1);
    struct pieces p = find_pieces(r, table);
    struct bundle_writer *w = NULL;
    struct bundle_sums sums;
    struct crew_err err = {0};
    char *to = path_join("/c", prefix);
    bool have = true;

    for (int i = 0; i < num_shards; i++) {
        size_t n = 0;

        name[i] = xasprintf("%s.data-%05d-of-%05d", prefix, i, num_shards);
        data[i] = golden_bytes(dir, name[i], &n);
        have = have && data[i] != NULL;
    }
    name[num_shards] = xasprintf("%s.index", prefix);
    if (have && fs_make_dirs(env, "/c", &err) == CREW_OK &&
        bundle_writer_open_shards(env, to, num_shards, &w, &err) == CREW_OK &&
        write_pieces(w, r, &p, data, &err) == CREW_OK) {
        (void)bundle_writer_finish(w, &sums, &err);
    }
    if (err.code != CREW_OK || !have) {
        golden_differ(report, "writing", -1, err.msg, "no error");
    }
    for (int i = 0; i <= num_shards; i++) {
        char *path = path_join("/c", name[i]);

        compare_file(report, env, path, dir, name[i]);
        free(path);
        free(name[i]);
    }
    for (int i = 0; i < num_shards; i++) {
        free(data[i]);
    }
    bundle_writer_free(w);
    env_mem_free(env);
    free(p.at);
    free(to);
    free(data);
    free(name);
}

/* ------------------------------------------------------------------ slices */

static int dtype_of(const char *text)
{
    for (int d = 1; d < 32; d++) {
        if (strcmp(bundle_dtype_name(d), text) == 0) {
            return d;
        }
    }
    return 0;
}

/* What was read against `expected`; float32 exactly: the files carry 9 digits.
 */
static void compare_values(struct golden_report *report,
                           const char *what,
                           int dtype,
                           const void *data,
                           const struct bundle_slice *box,
                           int rank,
                           const cJSON *expected)
{
    const cJSON *dims = golden_member(expected, "shape"), *want;
    struct strbuf text;
    int64_t i = 0, n = 1;

    (void)golden_same_text(report, what, bundle_dtype_name(dtype),
                           golden_text(expected, "dtype"));
    (void)golden_same_int(report, "rank", -1, rank, cJSON_GetArraySize(dims));
    for (int d = 0; d < rank && d < cJSON_GetArraySize(dims); d++) {
        n *= box->length[d];
        (void)golden_same_int(report, what, d, box->length[d],
                              golden_int(cJSON_GetArrayItem(dims, d)));
    }
    (void)golden_same_int(
        report, "values", -1, n,
        cJSON_GetArraySize(golden_member(expected, "values")));
    strbuf_init(&text);
    cJSON_ArrayForEach(want, golden_member(expected, "values"))
    {
        if (i == n) {
            break;
        }
        strbuf_reset(&text);
        value_text(&text, dtype, data, i, false);
        if (strtod(text.data, NULL) != golden_number(want)) {
            char wanted[40];

            (void)snprintf(wanted, sizeof wanted, "%.9g", golden_number(want));
            golden_differ(report, what, i, text.data, wanted);
        }
        i++;
    }
    strbuf_release(&text);
}

/* As RestoreV2: by name, slice and dtype. Owner of *data: caller. */
static int restore(struct bundle_reader *r,
                   const char *name,
                   const char *spec,
                   int dtype,
                   const struct bundle_tensor **t,
                   struct bundle_slice *box,
                   void **data,
                   struct crew_err *err)
{
    size_t bytes;

    if (bundle_lookup(r, name, t, err) != CREW_OK ||
        bundle_want_dtype(*t, dtype, err) != CREW_OK ||
        bundle_parse_slice(*t, spec, box, err) != CREW_OK) {
        return err->code;
    }
    bytes = bundle_dtype_size(dtype);
    for (int d = 0; d < (*t)->shape.rank; d++) {
        bytes *= (size_t)box->length[d];
    }
    if (mem_try(bytes, 1, name, data, err) == CREW_OK) {
        (void)(spec[0] == '\0' ? bundle_read(r, *t, *data, err)
                               : bundle_read_slice(r, *t, box, *data, err));
    }
    return err->code;
}

/* TensorFlow's text is the end of ours; where its shape functions have found
 * the error, the node's name follows. What TensorFlow alone cannot do (half in
 * slices) is no error of ours. */
static void compare_refusal(struct golden_report *report,
                            const char *what,
                            const struct crew_err *err,
                            const char *want)
{
    const char *node = strstr(want, " for '{{node");
    size_t n = node != NULL ? (size_t)(node - want) : strlen(want);
    size_t got = strlen(err->msg);

    if (strcmp(want, "Dtype half not supported.") == 0) {
        (void)golden_same_text(report, what,
                               err->code == CREW_OK ? "ok" : err->msg, "ok");
    } else if (got < n || strncmp(err->msg + got - n, want, n) != 0) {
        golden_differ(report, what, -1, err->code == CREW_OK ? "ok" : err->msg,
                      want);
    }
}

void checkpoints_slice_reads(struct golden_report *report,
                             struct bundle_reader *r,
                             const cJSON *reads)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, reads)
    {
        const char *name = golden_text(item, "name");
        const char *spec = golden_text(item, "shape_and_slice");
        int dtype = dtype_of(golden_text(item, "dtype"));
        const cJSON *error = json_get(item, "error");
        const struct bundle_tensor *t = NULL;
        struct bundle_slice box = {0};
        struct crew_err err = {0};
        char *what = xasprintf("%s '%s'", name, spec);
        void *data = NULL;

        (void)restore(r, name, spec, dtype, &t, &box, &data, &err);
        if (error != NULL) {
            compare_refusal(report, what, &err, golden_text(error, "message"));
        } else if (err.code != CREW_OK) {
            golden_differ(report, what, -1, err.msg, "values");
        } else {
            compare_values(report, what, dtype, data, &box, t->shape.rank,
                           golden_member(item, "expected"));
        }
        free(data);
        free(what);
    }
}
