/* SPDX-License-Identifier: Apache-2.0
 * The text of saved_model_cli. Source:
 * tensorflow/python/tools/saved_model_cli.py. */
#include "serving/show.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/banned.h"

static const char *const dtype_names[] = {
    "DT_INVALID",  "DT_FLOAT",   "DT_DOUBLE", "DT_INT32",      "DT_UINT8",
    "DT_INT16",    "DT_INT8",    "DT_STRING", "DT_COMPLEX64",  "DT_INT64",
    "DT_BOOL",     "DT_QINT8",   "DT_QUINT8", "DT_QINT32",     "DT_BFLOAT16",
    "DT_QINT16",   "DT_QUINT16", "DT_UINT16", "DT_COMPLEX128", "DT_HALF",
    "DT_RESOURCE", "DT_VARIANT", "DT_UINT32", "DT_UINT64"};

const char *show_dtype(int dtype)
{
    int n = (int)(sizeof dtype_names / sizeof dtype_names[0]);

    return dtype_names[dtype > 0 && dtype < n ? dtype : 0];
}

/* -------------------------------------------------------------- signatures */

static void pad(struct strbuf *out, int indent)
{
    for (int i = 0; i < indent; i++) {
        strbuf_addstr(out, " ");
    }
}

static void add_shape(struct strbuf *out, const Tensorflow__TensorShapeProto *s)
{
    if (s != NULL && s->unknown_rank) {
        strbuf_addstr(out, "unknown_rank");
        return;
    }
    strbuf_addstr(out, "(");
    for (size_t i = 0; s != NULL && i < s->n_dim; i++) {
        strbuf_addf(out, "%s%lld", i > 0 ? ", " : "",
                    (long long)s->dim[i]->size);
    }
    strbuf_addstr(out, ")");
}

static int by_key(const void *a, const void *b)
{
    return strcmp((*(Tensorflow__TensorInfoEntry *const *)a)->key,
                  (*(Tensorflow__TensorInfoEntry *const *)b)->key);
}

static void add_side(struct strbuf *out,
                     Tensorflow__TensorInfoEntry *const *entries,
                     size_t n,
                     const char *side,
                     int indent)
{
    Tensorflow__TensorInfoEntry **sorted = xcalloc(n + 1, sizeof *sorted);

    if (n > 0) {
        memcpy(sorted, entries, n * sizeof *sorted);
        qsort(sorted, n, sizeof *sorted, by_key);
    }
    for (size_t i = 0; i < n; i++) {
        const Tensorflow__TensorInfo *t = sorted[i]->value;

        pad(out, indent);
        strbuf_addf(out, "  %s['%s'] tensor_info:\n", side, sorted[i]->key);
        if (t == NULL) {
            continue;
        }
        pad(out, indent);
        strbuf_addf(out, "      dtype: %s\n", show_dtype(t->dtype));
        pad(out, indent);
        strbuf_addstr(out, "      shape: ");
        add_shape(out, t->tensor_shape);
        strbuf_addstr(out, "\n");
        pad(out, indent);
        strbuf_addf(out, "      name: %s\n",
                    t->encoding_case == TENSORFLOW__TENSOR_INFO__ENCODING_NAME
                        ? t->name
                        : "");
    }
    free(sorted);
}

void show_signature(const Tensorflow__SignatureDef *s,
                    int indent,
                    struct strbuf *out)
{
    pad(out, indent);
    strbuf_addstr(out,
                  "The given SavedModel SignatureDef contains the "
                  "following input(s):\n");
    add_side(out, s->inputs, s->n_inputs, "inputs", indent);
    pad(out, indent);
    strbuf_addstr(out,
                  "The given SavedModel SignatureDef contains the "
                  "following output(s):\n");
    add_side(out, s->outputs, s->n_outputs, "outputs", indent);
    pad(out, indent);
    strbuf_addf(out, "Method name is: %s\n", s->method_name);
}

static int by_signature(const void *a, const void *b)
{
    return strcmp((*(Tensorflow__SignatureEntry *const *)a)->key,
                  (*(Tensorflow__SignatureEntry *const *)b)->key);
}

/* Sorted by key. Owner: caller, free(). */
static Tensorflow__SignatureEntry **sorted_signatures(
    const Tensorflow__MetaGraphDef *m)
{
    Tensorflow__SignatureEntry **list =
        xcalloc(m->n_signature_def + 1, sizeof *list);

    if (m->n_signature_def > 0) {
        memcpy(list, m->signature_def, m->n_signature_def * sizeof *list);
        qsort(list, m->n_signature_def, sizeof *list, by_signature);
    }
    return list;
}

void show_signature_keys(const Tensorflow__MetaGraphDef *m, struct strbuf *out)
{
    Tensorflow__SignatureEntry **list = sorted_signatures(m);

    strbuf_addstr(out,
                  "The given SavedModel MetaGraphDef contains "
                  "SignatureDefs with the following keys:\n");
    for (size_t i = 0; i < m->n_signature_def; i++) {
        strbuf_addf(out, "SignatureDef key: \"%s\"\n", list[i]->key);
    }
    free(list);
}

/* --------------------------------------------------------------------- ops */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_tags(const Tensorflow__MetaGraphDef *m,
                     const char *quote,
                     struct strbuf *out)
{
    const Tensorflow__MetaGraphDef__MetaInfoDef *info = m->meta_info_def;

    for (size_t i = 0; info != NULL && i < info->n_tags; i++) {
        strbuf_addf(out, "%s%s%s%s", i > 0 ? ", " : "", quote, info->tags[i],
                    quote);
    }
}

void show_ops(const Tensorflow__MetaGraphDef *m, struct strbuf *out)
{
    size_t n = m->graph_def != NULL ? m->graph_def->n_node : 0;
    const char **ops = xcalloc(n + 1, sizeof *ops);
    bool first = true;

    for (size_t i = 0; i < n; i++) {
        ops[i] = m->graph_def->node[i]->op;
    }
    qsort(ops, n, sizeof *ops, by_text);
    strbuf_addstr(out, "The MetaGraph with tag set [");
    add_tags(m, "'", out);
    strbuf_addstr(out, "] contains the following ops: {");
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || strcmp(ops[i], ops[i - 1]) != 0) {
            strbuf_addf(out, "%s'%s'", first ? "" : ", ", ops[i]);
            first = false;
        }
    }
    strbuf_addstr(out, "}\n");
    free(ops);
}

/* --------------------------------------------------------------------- all */

void show_all(const Tensorflow__SavedModel *model, struct strbuf *out)
{
    for (size_t i = 0; i < model->n_meta_graphs; i++) {
        const Tensorflow__MetaGraphDef *m = model->meta_graphs[i];
        Tensorflow__SignatureEntry **list = sorted_signatures(m);

        strbuf_addstr(out, "\nMetaGraphDef with tag-set: '");
        add_tags(m, "", out);
        strbuf_addstr(out, "' contains the following SignatureDefs:\n");
        for (size_t k = 0; k < m->n_signature_def; k++) {
            strbuf_addf(out, "\nsignature_def['%s']:\n", list[k]->key);
            if (list[k]->value != NULL) {
                show_signature(list[k]->value, 2, out);
            }
        }
        free(list);
        show_ops(m, out);
    }
}

void show_tag_sets(const Tensorflow__SavedModel *model, struct strbuf *out)
{
    strbuf_addstr(out,
                  "The given SavedModel contains the following "
                  "tag-sets:\n");
    for (size_t i = 0; i < model->n_meta_graphs; i++) {
        strbuf_addstr(out, "'");
        add_tags(model->meta_graphs[i], "", out);
        strbuf_addstr(out, "'\n");
    }
}

const Tensorflow__MetaGraphDef *show_find(const Tensorflow__SavedModel *model,
                                          const char *tags)
{
    for (size_t i = 0; i < model->n_meta_graphs; i++) {
        const Tensorflow__MetaGraphDef *m = model->meta_graphs[i];
        struct strbuf text;
        bool same;

        strbuf_init(&text);
        for (size_t k = 0;
             m->meta_info_def != NULL && k < m->meta_info_def->n_tags; k++) {
            strbuf_addf(&text, "%s%s", k > 0 ? "," : "",
                        m->meta_info_def->tags[k]);
        }
        same = strcmp(text.data, tags) == 0;
        strbuf_release(&text);
        if (same) {
            return m;
        }
    }
    return NULL;
}
