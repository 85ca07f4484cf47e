/* SPDX-License-Identifier: Apache-2.0
 * Hash tables: vocabularies from constants or from a file of lines. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "base/fingerprint.h"
#include "base/mem.h"
#include "serving/broadcast.h"
#include "serving/op_tables.h"
#include "tensor/tensor.h"
#include "base/banned.h"

#define MAX_FILE ((size_t)1 << 30)

/* A key or a value: one of the two, by the table's dtype. */
struct cell {
    struct value_string text; /* owned */
    union {
        int64_t integer;
        double number;
    };
};

struct entry {
    struct cell key, value;
};

struct serving_table {
    int key_dtype, value_dtype;
    struct entry *entries;
    int64_t n, cap;
    int64_t *slots; /* entry + 1, 0: empty */
    uint64_t n_slots;
};

/* ------------------------------------------------------------------- cells */

static struct cell cell_of(const struct value *v, int64_t i)
{
    struct cell c = {.integer = 0};

    switch (v->dtype) {
        case CREW_STRING:
            c.text = v->str[i];
            break;
        case CREW_INT32:
            c.integer = v->i32[i];
            break;
        case CREW_INT64:
            c.integer = v->i64[i];
            break;
        case CREW_FLOAT:
            c.number = (double)v->f32[i];
            break;
        case CREW_DOUBLE:
            c.number = v->f64[i];
            break;
        default:
            c.integer = v->u8[i];
    }
    return c;
}

/* Into element i of a tensor; strings are borrowed. */
static void put_cell(struct value *v, int64_t i, const struct cell *c)
{
    switch (v->dtype) {
        case CREW_STRING:
            v->str[i] = c->text;
            break;
        case CREW_INT32:
            v->i32[i] = (int32_t)c->integer;
            break;
        case CREW_INT64:
            v->i64[i] = c->integer;
            break;
        case CREW_FLOAT:
            v->f32[i] = (float)c->number;
            break;
        case CREW_DOUBLE:
            v->f64[i] = c->number;
            break;
        default:
            v->b[i] = c->integer != 0;
    }
}

static bool same_cell(int dtype, const struct cell *a, const struct cell *b)
{
    if (dtype == CREW_STRING) {
        return a->text.n == b->text.n &&
               (a->text.n == 0 ||
                memcmp(a->text.data, b->text.data, a->text.n) == 0);
    }
    return a->integer == b->integer; /* the same bits, of a double too */
}

static uint64_t hash_cell(int dtype, const struct cell *c)
{
    return dtype == CREW_STRING ? fingerprint64(c->text.data, c->text.n)
                                : fingerprint64(&c->integer, sizeof c->integer);
}

static void keep_text(int dtype, struct cell *c)
{
    if (dtype == CREW_STRING) {
        char *own = xmalloc(c->text.n + 1);

        if (c->text.n > 0) {
            memcpy(own, c->text.data, c->text.n);
        }
        c->text.data = own;
    }
}

static const char *cell_text(int dtype,
                             const struct cell *c,
                             char *buf,
                             size_t size)
{
    if (dtype == CREW_STRING) {
        (void)snprintf(buf, size, "%.*s", c->text.n < 80 ? (int)c->text.n : 80,
                       c->text.data);
    } else if (dtype == CREW_FLOAT || dtype == CREW_DOUBLE) {
        (void)snprintf(buf, size, "%g", c->number);
    } else {
        (void)snprintf(buf, size, "%" PRId64, c->integer);
    }
    return buf;
}

/* ------------------------------------------------------------------- table */

static void table_free(struct serving_table *t)
{
    for (int64_t i = 0; i < t->n; i++) {
        if (t->key_dtype == CREW_STRING) {
            free((void *)(uintptr_t)t->entries[i].key.text.data);
        }
        if (t->value_dtype == CREW_STRING) {
            free((void *)(uintptr_t)t->entries[i].value.text.data);
        }
    }
    free(t->entries);
    free(t->slots);
    free(t);
}

static uint64_t slot_of(const struct serving_table *t, const struct cell *key)
{
    uint64_t s = hash_cell(t->key_dtype, key) & (t->n_slots - 1);

    while (t->slots[s] != 0 &&
           !same_cell(t->key_dtype, &t->entries[t->slots[s] - 1].key, key)) {
        s = (s + 1) & (t->n_slots - 1);
    }
    return s;
}

static const struct cell *table_find(const struct serving_table *t,
                                     const struct cell *key)
{
    int64_t at = t->n_slots > 0 ? t->slots[slot_of(t, key)] : 0;

    return at > 0 ? &t->entries[at - 1].value : NULL;
}

/* Twice the room, all entries put in anew. */
static int grow(struct serving_table *t, struct crew_err *err)
{
    uint64_t n_slots = t->n_slots == 0 ? 64 : 2 * t->n_slots;
    void *slots = NULL, *entries = NULL;

    if (mem_try(n_slots, sizeof *t->slots, "a table", &slots, err) != CREW_OK ||
        mem_try(n_slots / 2, sizeof *t->entries, "a table", &entries, err) !=
            CREW_OK) {
        free(slots);
        return err->code;
    }
    if (t->n > 0) {
        memcpy(entries, t->entries, (size_t)t->n * sizeof *t->entries);
    }
    free(t->entries);
    free(t->slots);
    t->entries = entries;
    t->slots = slots;
    t->n_slots = n_slots;
    t->cap = (int64_t)(n_slots / 2);
    for (int64_t i = 0; i < t->n; i++) {
        t->slots[slot_of(t, &t->entries[i].key)] = i + 1;
    }
    return CREW_OK;
}

static int table_add(struct op_call *call,
                     struct serving_table *t,
                     struct cell key,
                     struct cell value)
{
    const struct cell *have = table_find(t, &key);
    char k[100], a[100], b[100];

    if (have != NULL && same_cell(t->value_dtype, have, &value)) {
        return CREW_OK;
    }
    if (have != NULL) {
        return op_fail(call, CREW_FAILED_PRECONDITION,
                       "HashTable has different value for same key. Key %s has "
                       "%s and trying to add value %s",
                       cell_text(t->key_dtype, &key, k, sizeof k),
                       cell_text(t->value_dtype, have, a, sizeof a),
                       cell_text(t->value_dtype, &value, b, sizeof b));
    }
    if (t->n == t->cap && grow(t, call->err) != CREW_OK) {
        return call->err->code;
    }
    keep_text(t->key_dtype, &key);
    keep_text(t->value_dtype, &value);
    t->entries[t->n] = (struct entry){key, value};
    t->slots[slot_of(t, &key)] = ++t->n;
    return CREW_OK;
}

/* --------------------------------------------------------------------- ops */

static int none(const Tensorflow__NodeDef *node, struct crew_err *err)
{
    (void)node;
    (void)err;
    return 0;
}

static int run_hash_table(struct op_call *call)
{
    struct serving_resource *r = NULL;
    char name[512];

    (void)op_attr_string(call->node, "shared_name", "", name, sizeof name);
    if (serving_resource_get(call->model,
                             name[0] != '\0' ? name : call->node->name,
                             SERVING_TABLE, &r, call->err) != CREW_OK) {
        return call->err->code;
    }
    if (r->table == NULL) {
        r->table = xcalloc(1, sizeof *r->table);
        r->table->key_dtype = op_attr_type(call->node, "key_dtype", 0);
        r->table->value_dtype = op_attr_type(call->node, "value_dtype", 0);
        r->free_table = table_free;
    }
    call->out[0] = (struct value){.dtype = SERVING_RESOURCE, .n = 1};
    call->out[0].resource = r;
    return CREW_OK;
}

/* The table of input 0; NULL: err is set. */
static struct serving_table *table_of(struct op_call *call)
{
    if (op_want_dtype(call, 0, SERVING_RESOURCE) != CREW_OK) {
        return NULL;
    }
    if (call->in[0].resource->kind != SERVING_TABLE) {
        (void)op_fail(call, CREW_INVALID_ARGUMENT, "'%s' is no table",
                      call->in[0].resource->name);
        return NULL;
    }
    return call->in[0].resource->table;
}

static int run_import(struct op_call *call)
{
    struct serving_table *t = table_of(call);

    if (t == NULL || op_want_dtype(call, 1, t->key_dtype) != CREW_OK ||
        op_want_dtype(call, 2, t->value_dtype) != CREW_OK) {
        return call->err->code;
    }
    if (call->in[1].n != call->in[2].n) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "%" PRId64 " keys but %" PRId64 " values", call->in[1].n,
                       call->in[2].n);
    }
    for (int64_t i = 0; i < call->in[1].n; i++) {
        if (table_add(call, t, cell_of(&call->in[1], i),
                      cell_of(&call->in[2], i)) != CREW_OK) {
            return call->err->code;
        }
    }
    return CREW_OK;
}

/* handle, keys, default_value. */
static int run_find(struct op_call *call)
{
    struct serving_table *t = table_of(call);
    const struct value *keys = &call->in[1];
    struct value chosen = {0};
    struct cell fallback;

    if (t == NULL || op_want_dtype(call, 1, t->key_dtype) != CREW_OK ||
        op_want_dtype(call, 2, t->value_dtype) != CREW_OK) {
        return call->err->code;
    }
    if (call->in[2].n != 1) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "default_value must be a scalar");
    }
    fallback = cell_of(&call->in[2], 0);
    if (value_new(&chosen, t->value_dtype, &keys->shape, call->err) !=
        CREW_OK) {
        return call->err->code;
    }
    for (int64_t i = 0; i < keys->n; i++) {
        struct cell key = cell_of(keys, i);
        const struct cell *found = table_find(t, &key);

        put_cell(&chosen, i, found != NULL ? found : &fallback);
    }
    if (t->value_dtype != CREW_STRING) {
        call->out[0] = chosen;
        return CREW_OK;
    }
    (void)value_new_strings(&call->out[0], &chosen.shape, chosen.str,
                            call->err);
    value_release(&chosen);
    return call->err->code;
}

static int run_size(struct op_call *call)
{
    struct serving_table *t = table_of(call);
    struct crew_shape scalar = crew_scalar_shape();

    if (t != NULL &&
        value_new(&call->out[0], CREW_INT64, &scalar, call->err) == CREW_OK) {
        call->out[0].i64[0] = t->n;
    }
    return call->err->code;
}

/* ------------------------------------------------------- tables from files */

enum { WHOLE_LINE = -2, LINE_NUMBER = -1 };

struct lines {
    struct op_call *call;
    const char *path;
    int64_t key_index, value_index, vocab_size, offset;
    char delimiter;
    int64_t next; /* lines so far */
};

/* Column `index` of a line; false: there are not so many. */
static bool column(const struct lines *l,
                   struct value_string line,
                   int64_t index,
                   struct value_string *out,
                   int64_t *columns)
{
    size_t from = 0;
    bool found = false;

    *columns = 0;
    for (size_t i = 0; i <= line.n; i++) {
        if (i == line.n || line.data[i] == l->delimiter) {
            if (*columns == index) {
                *out = (struct value_string){line.data + from, i - from};
                found = true;
            }
            (*columns)++;
            from = i + 1;
        }
    }
    return found;
}

/* A field as a value of the table's dtype. */
static int parse_cell(const struct lines *l,
                      struct value_string s,
                      int dtype,
                      struct cell *c)
{
    char text[64], *end = text;

    c->text = s;
    if (dtype == CREW_STRING) {
        return CREW_OK;
    }
    (void)snprintf(text, sizeof text, "%.*s", s.n < 63 ? (int)s.n : 63, s.data);
    errno = 0;
    if (dtype == CREW_FLOAT || dtype == CREW_DOUBLE) {
        c->number = strtod(text, &end);
    } else {
        c->integer = strtoll(text, &end, 10);
    }
    if (end == text || *end != '\0' || errno != 0 || s.n > 62) {
        return op_fail(l->call, CREW_INVALID_ARGUMENT,
                       "Field %s in line %" PRId64 " is not a valid %s.", text,
                       l->next, dtype_name((enum crew_dtype)dtype));
    }
    return CREW_OK;
}

static int take(const struct lines *l,
                struct value_string line,
                int64_t index,
                int dtype,
                struct cell *c)
{
    struct value_string field = line;
    int64_t columns = 0;

    *c = (struct cell){.integer = l->next + l->offset};
    if (index == LINE_NUMBER) {
        return CREW_OK;
    }
    if (index >= 0 && !column(l, line, index, &field, &columns)) {
        return op_fail(l->call, CREW_INVALID_ARGUMENT,
                       "Invalid number of columns in %s line %" PRId64
                       " (%.*s) : expected at least %" PRId64 " got %" PRId64,
                       l->path, l->next, line.n < 80 ? (int)line.n : 80,
                       line.data, index + 1, columns);
    }
    return parse_cell(l, field, dtype, c);
}

static int add_line(struct lines *l,
                    struct serving_table *t,
                    struct value_string line,
                    size_t position)
{
    struct cell key, value;

    if (line.n == 0) {
        return op_fail(l->call, CREW_INVALID_ARGUMENT,
                       "Invalid content in %s: empty line found at position "
                       "%zu.",
                       l->path, position);
    }
    if (take(l, line, l->key_index, t->key_dtype, &key) != CREW_OK ||
        take(l, line, l->value_index, t->value_dtype, &value) != CREW_OK ||
        table_add(l->call, t, key, value) != CREW_OK) {
        return l->call->err->code;
    }
    l->next++;
    return CREW_OK;
}

static int add_file(struct lines *l,
                    struct serving_table *t,
                    const char *text,
                    size_t n)
{
    size_t from = 0;

    while (from < n && (l->vocab_size < 0 || l->next < l->vocab_size)) {
        const char *end = memchr(text + from, '\n', n - from);
        size_t to = end != NULL ? (size_t)(end - text) : n;
        struct value_string line = {text + from, to - from};

        from = to + 1;
        if (add_line(l, t, line, from) != CREW_OK) {
            return l->call->err->code;
        }
    }
    if (l->vocab_size >= 0 && l->next < l->vocab_size) {
        return op_fail(l->call, CREW_INVALID_ARGUMENT,
                       "Invalid vocab_size in %s: expected %" PRId64
                       " but got %" PRId64 ".",
                       l->path, l->vocab_size, l->next);
    }
    return CREW_OK;
}

static int check_attributes(struct op_call *call,
                            const struct lines *l,
                            const struct serving_table *t)
{
    if (l->key_index < WHOLE_LINE || l->value_index < WHOLE_LINE ||
        l->vocab_size < -1 || l->vocab_size == 0) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "key_index, value_index or vocab_size is out of range");
    }
    if ((l->key_index == LINE_NUMBER && t->key_dtype != CREW_INT64) ||
        (l->value_index == LINE_NUMBER && t->value_dtype != CREW_INT64)) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "Key index for line number requires int64");
    }
    return CREW_OK;
}

/* handle, filename. */
static int run_from_file(struct op_call *call)
{
    struct serving_table *t = table_of(call);
    struct lines l = {.call = call,
                      .key_index = op_attr_int(call->node, "key_index", -2),
                      .value_index = op_attr_int(call->node, "value_index", -1),
                      .vocab_size = op_attr_int(call->node, "vocab_size", -1),
                      .offset = op_attr_int(call->node, "offset", 0)};
    int64_t before = t != NULL ? t->n : 0;
    char delimiter[8], *path, *text = NULL;
    size_t n = 0;

    if (t == NULL || op_want_dtype(call, 1, CREW_STRING) != CREW_OK ||
        check_attributes(call, &l, t) != CREW_OK) {
        return call->err->code;
    }
    if (call->in[1].n != 1) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "filename should be a single string");
    }
    (void)op_attr_string(call->node, "delimiter", "\t", delimiter,
                         sizeof delimiter);
    l.delimiter = delimiter[0];
    path =
        xasprintf("%.*s", (int)call->in[1].str[0].n, call->in[1].str[0].data);
    l.path = path;
    if (!serving_path_inside(call->model, path)) {
        (void)op_fail(call, CREW_INVALID_ARGUMENT,
                      "the file %.200s is no asset of the model", path);
    } else if (fs_read_file(serving_env(call->model), path, MAX_FILE, &text, &n,
                            call->err) == CREW_OK) {
        (void)add_file(&l, t, text, n);
        if (call->err->code == CREW_OK && before > 0 && t->n != before) {
            (void)op_fail(call, CREW_FAILED_PRECONDITION,
                          "Table was already initialized with different data.");
        }
    }
    free(text);
    free(path);
    return call->err->code;
}

const struct serving_op serving_ops_lookup[] = {
    {"HashTableV2", run_hash_table, NULL, 0, 0},
    {"LookupTableImportV2", run_import, none, 3, 3},
    {"InitializeTableV2", run_import, none, 3, 3},
    {"InitializeTableFromTextFileV2", run_from_file, none, 2, 2},
    {"LookupTableFindV2", run_find, NULL, 3, 3},
    {"LookupTableSizeV2", run_size, NULL, 1, 1},
    {NULL, NULL, NULL, 0, 0},
};
