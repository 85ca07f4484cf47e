/* SPDX-License-Identifier: Apache-2.0
 * crew saved-model show --format json: what an export holds, in the shape of
 * the golden files of the family saved_models. */
#include <cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "checkpoint/bundle.h"
#include "cli/saved_model.h"
#include "io/pbguard.h"
#include "serving/show.h"
#include "base/banned.h"

static void add_number(cJSON *to, const char *key, int64_t v)
{
    (void)cJSON_AddNumberToObject(to, key, (double)v);
}

/* -------------------------------------------------------------- signatures */

static cJSON *info_json(const Tensorflow__TensorInfo *t, bool output)
{
    const Tensorflow__TensorShapeProto *s = t->tensor_shape;
    cJSON *json = cJSON_CreateObject();
    cJSON *shape;

    (void)cJSON_AddStringToObject(
        json, "name",
        t->encoding_case == TENSORFLOW__TENSOR_INFO__ENCODING_NAME ? t->name
                                                                   : "");
    (void)cJSON_AddStringToObject(json, "dtype", bundle_dtype_name(t->dtype));
    shape = cJSON_AddArrayToObject(json, "shape");
    for (size_t i = 0; s != NULL && i < s->n_dim; i++) {
        (void)cJSON_AddItemToArray(shape,
                                   cJSON_CreateNumber((double)s->dim[i]->size));
    }
    if (output || (s != NULL && s->unknown_rank)) {
        (void)cJSON_AddBoolToObject(json, "unknown_rank",
                                    s != NULL && s->unknown_rank);
    }
    return json;
}

static cJSON *side_json(Tensorflow__TensorInfoEntry *const *entries,
                        size_t n,
                        bool outputs)
{
    cJSON *json = cJSON_CreateObject();

    for (size_t i = 0; i < n; i++) {
        if (entries[i]->value != NULL) {
            (void)cJSON_AddItemToObject(json, entries[i]->key,
                                        info_json(entries[i]->value, outputs));
        }
    }
    return json;
}

static cJSON *signatures_json(const Tensorflow__MetaGraphDef *meta)
{
    cJSON *json = cJSON_CreateObject();

    for (size_t i = 0; i < meta->n_signature_def; i++) {
        const Tensorflow__SignatureDef *s = meta->signature_def[i]->value;
        cJSON *one = cJSON_CreateObject();

        (void)cJSON_AddItemToObject(json, meta->signature_def[i]->key, one);
        if (s != NULL) {
            (void)cJSON_AddStringToObject(one, "method_name", s->method_name);
            (void)cJSON_AddItemToObject(
                one, "inputs", side_json(s->inputs, s->n_inputs, false));
            (void)cJSON_AddItemToObject(
                one, "outputs", side_json(s->outputs, s->n_outputs, true));
        }
    }
    return json;
}

/* -------------------------------------------------------------- meta graph */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted, each once. `texts` is put in order. */
static cJSON *sorted_json(const char **texts, size_t n)
{
    cJSON *json = cJSON_CreateArray();

    if (n > 0) {
        qsort(texts, n, sizeof *texts, by_text);
    }
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || strcmp(texts[i - 1], texts[i]) != 0) {
            (void)cJSON_AddItemToArray(json, cJSON_CreateString(texts[i]));
        }
    }
    return json;
}

static cJSON *ops_json(const Tensorflow__GraphDef *g)
{
    const char **texts = xcalloc(g->n_node + 1, sizeof *texts);
    cJSON *json;

    for (size_t i = 0; i < g->n_node; i++) {
        texts[i] = g->node[i]->op;
    }
    json = sorted_json(texts, g->n_node);
    free(texts);
    return json;
}

static cJSON *collections_json(const Tensorflow__MetaGraphDef *m)
{
    const char **texts = xcalloc(m->n_collection_def + 1, sizeof *texts);
    cJSON *json;

    for (size_t i = 0; i < m->n_collection_def; i++) {
        texts[i] = m->collection_def[i]->key;
    }
    json = sorted_json(texts, m->n_collection_def);
    free(texts);
    return json;
}

static const Tensorflow__CollectionDef *collection(
    const Tensorflow__MetaGraphDef *m,
    const char *key)
{
    for (size_t i = 0; i < m->n_collection_def; i++) {
        if (strcmp(m->collection_def[i]->key, key) == 0) {
            return m->collection_def[i]->value;
        }
    }
    return NULL;
}

/* The names of the init op; null without one. */
static cJSON *main_op_json(const Tensorflow__MetaGraphDef *m)
{
    const Tensorflow__CollectionDef *c = collection(m, "saved_model_main_op");
    cJSON *json;

    if (c == NULL ||
        c->kind_case != TENSORFLOW__COLLECTION_DEF__KIND_NODE_LIST) {
        return cJSON_CreateNull();
    }
    json = cJSON_CreateArray();
    for (size_t i = 0; i < c->node_list->n_value; i++) {
        (void)cJSON_AddItemToArray(json,
                                   cJSON_CreateString(c->node_list->value[i]));
    }
    return json;
}

static const char *tensor_of(const Tensorflow__AssetFileDef *a)
{
    const Tensorflow__TensorInfo *t = a->tensor_info;

    return t != NULL &&
                   t->encoding_case == TENSORFLOW__TENSOR_INFO__ENCODING_NAME
               ? t->name
               : "";
}

static cJSON *asset_files_json(const Tensorflow__MetaGraphDef *m)
{
    cJSON *json = cJSON_CreateArray();

    for (size_t i = 0; i < m->n_asset_file_def; i++) {
        cJSON *one = cJSON_CreateObject();

        (void)cJSON_AddStringToObject(one, "filename",
                                      m->asset_file_def[i]->filename);
        (void)cJSON_AddStringToObject(one, "tensor",
                                      tensor_of(m->asset_file_def[i]));
        (void)cJSON_AddItemToArray(json, one);
    }
    return json;
}

/* What Estimator writes instead: messages in a collection. */
static cJSON *asset_collection_json(const Tensorflow__MetaGraphDef *m)
{
    const Tensorflow__CollectionDef *c = collection(m, "saved_model_assets");
    cJSON *json = cJSON_CreateArray();
    bool any =
        c != NULL && c->kind_case == TENSORFLOW__COLLECTION_DEF__KIND_ANY_LIST;

    for (size_t i = 0; any && i < c->any_list->n_value; i++) {
        const ProtobufCBinaryData *bytes = &c->any_list->value[i]->value;
        ProtobufCMessage *message = NULL;
        struct crew_err ignored = {0};
        cJSON *pair;

        if (pbguard_unpack(&tensorflow__asset_file_def__descriptor,
                           &pbguard_record, bytes->data, bytes->len, &message,
                           &ignored) != CREW_OK) {
            continue;
        }
        const Tensorflow__AssetFileDef *a = (Tensorflow__AssetFileDef *)message;
        pair = cJSON_CreateArray();
        (void)cJSON_AddItemToArray(pair, cJSON_CreateString(tensor_of(a)));
        (void)cJSON_AddItemToArray(pair, cJSON_CreateString(a->filename));
        (void)cJSON_AddItemToArray(json, pair);
        tensorflow__asset_file_def__free_unpacked(
            (Tensorflow__AssetFileDef *)message, NULL);
    }
    return json;
}

static void add_info(cJSON *to,
                     const Tensorflow__MetaGraphDef__MetaInfoDef *info)
{
    cJSON *tags = cJSON_AddArrayToObject(to, "tags");

    for (size_t i = 0; info != NULL && i < info->n_tags; i++) {
        (void)cJSON_AddItemToArray(tags, cJSON_CreateString(info->tags[i]));
    }
    (void)cJSON_AddStringToObject(to, "meta_graph_version",
                                  info != NULL ? info->meta_graph_version : "");
    (void)cJSON_AddStringToObject(to, "tensorflow_version",
                                  info != NULL ? info->tensorflow_version : "");
    (void)cJSON_AddBoolToObject(to, "stripped_default_attrs",
                                info != NULL && info->stripped_default_attrs);
}

static void add_saver(cJSON *to, const Tensorflow__SaverDef *s)
{
    cJSON *json;

    (void)cJSON_AddBoolToObject(to, "has_saver_def", s != NULL);
    if (s == NULL) {
        return;
    }
    json = cJSON_AddObjectToObject(to, "saver_def");
    (void)cJSON_AddStringToObject(json, "filename_tensor_name",
                                  s->filename_tensor_name);
    (void)cJSON_AddStringToObject(json, "save_tensor_name",
                                  s->save_tensor_name);
    (void)cJSON_AddStringToObject(json, "restore_op_name", s->restore_op_name);
    add_number(json, "max_to_keep", s->max_to_keep);
    (void)cJSON_AddBoolToObject(json, "sharded", s->sharded);
    add_number(json, "version", s->version);
}

static cJSON *meta_json(const Tensorflow__SavedModel *m,
                        const Tensorflow__MetaGraphDef *meta)
{
    const Tensorflow__GraphDef *g = meta->graph_def;
    cJSON *json = cJSON_CreateObject(), *versions;

    add_number(json, "saved_model_schema_version",
               m->saved_model_schema_version);
    add_info(json, meta->meta_info_def);
    if (g != NULL) {
        versions = cJSON_AddObjectToObject(json, "graph_versions");
        add_number(versions, "producer",
                   g->versions != NULL ? g->versions->producer : 0);
        add_number(versions, "min_consumer",
                   g->versions != NULL ? g->versions->min_consumer : 0);
        add_number(json, "nodes", (int64_t)g->n_node);
        (void)cJSON_AddItemToObject(json, "ops", ops_json(g));
    }
    (void)cJSON_AddItemToObject(json, "collections", collections_json(meta));
    (void)cJSON_AddItemToObject(json, "main_op", main_op_json(meta));
    (void)cJSON_AddItemToObject(json, "asset_files", asset_files_json(meta));
    (void)cJSON_AddItemToObject(json, "asset_collection",
                                asset_collection_json(meta));
    add_saver(json, meta->saver_def);
    return json;
}

char *saved_model_json(const Tensorflow__SavedModel *m,
                       const Tensorflow__MetaGraphDef *meta,
                       const char *dir)
{
    cJSON *json = cJSON_CreateObject();
    const char *slash = strrchr(dir, '/');
    char *text;

    (void)cJSON_AddStringToObject(json, "version",
                                  slash != NULL ? slash + 1 : dir);
    (void)cJSON_AddItemToObject(json, "meta_graph", meta_json(m, meta));
    (void)cJSON_AddItemToObject(json, "signatures", signatures_json(meta));
    text = cJSON_PrintUnformatted(json);
    cJSON_Delete(json);
    return text;
}
