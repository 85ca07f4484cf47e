/* SPDX-License-Identifier: Apache-2.0
 * The SavedModel message: MetaGraphDef with its signatures, and with the notes
 * for who must restore variables or fill tables. The maps are written in order
 * of their keys, so that the same model gives the same bytes. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "export/build.h"

#include "base/banned.h"

#define MAX_PROTO 0x7fffffffu
enum { MAX_COLLECTIONS = 3 };

/* A signature's tensor and the memory its messages live in. */
struct info {
    Tensorflow__TensorInfo tensor;
    Tensorflow__TensorInfoEntry entry;
    Tensorflow__TensorShapeProto shape;
    Tensorflow__TensorShapeProto__Dim dims[CREW_MAX_RANK];
    Tensorflow__TensorShapeProto__Dim *dim_list[CREW_MAX_RANK];
};

struct side { /* inputs or outputs */
    struct info infos[EXPORT_MAX_TENSORS];
    Tensorflow__TensorInfoEntry *list[EXPORT_MAX_TENSORS];
};

struct signature {
    Tensorflow__SignatureDef def;
    Tensorflow__SignatureEntry entry;
    struct side in, out;
};

/* Collections of an export with tables. */
struct asset {
    Tensorflow__AssetFileDef def;
    Tensorflow__TensorInfo tensor;
    Tensorflow__TensorShapeProto shape; /* a scalar */
    Tensorflow__Any any;
    char *name;
};
struct collections {
    Tensorflow__CollectionEntry entries[MAX_COLLECTIONS];
    Tensorflow__CollectionEntry *list[MAX_COLLECTIONS];
    Tensorflow__CollectionDef defs[MAX_COLLECTIONS];
    Tensorflow__CollectionDef__NodeList main_op, paths;
    Tensorflow__CollectionDef__AnyList files;
    size_t n;
    struct asset *assets;
    int n_assets;
    char **path_list;
    Tensorflow__Any **any_list;
    char *main_list[1];
};

static char *text(const char *s)
{
    return (char *)(uintptr_t)s; /* the messages do not change it */
}

/* -------------------------------------------------------------- signatures */

static void fill_info(struct info *i, const struct export_info *t)
{
    tensorflow__tensor_info__init(&i->tensor);
    tensorflow__tensor_info_entry__init(&i->entry);
    tensorflow__tensor_shape_proto__init(&i->shape);
    for (int d = 0; d < t->shape.rank; d++) {
        tensorflow__tensor_shape_proto__dim__init(&i->dims[d]);
        i->dims[d].size = t->shape.dim[d];
        i->dim_list[d] = &i->dims[d];
    }
    i->shape.n_dim = (size_t)t->shape.rank;
    i->shape.dim = i->dim_list;
    i->tensor.encoding_case = TENSORFLOW__TENSOR_INFO__ENCODING_NAME;
    i->tensor.name = text(t->tensor);
    i->tensor.dtype = (int32_t)t->dtype;
    i->tensor.tensor_shape = &i->shape;
    i->entry.key = text(t->key);
    i->entry.value = &i->tensor;
}

static int by_key(const void *a, const void *b)
{
    const Tensorflow__TensorInfoEntry *const *x = a, *const *y = b;

    return strcmp((*x)->key, (*y)->key);
}

static void fill_side(struct side *s, const struct export_info *infos, int n)
{
    for (int i = 0; i < n; i++) {
        fill_info(&s->infos[i], &infos[i]);
        s->list[i] = &s->infos[i].entry;
    }
    qsort((void *)s->list, (size_t)n, sizeof s->list[0], by_key);
}

static void fill_signature(struct signature *s, const struct export_resolved *r)
{
    static const char *const methods[] = {
        [EXPORT_PREDICT] = "tensorflow/serving/predict",
        [EXPORT_CLASSIFY] = "tensorflow/serving/classify",
        [EXPORT_REGRESS] = "tensorflow/serving/regress",
        [EXPORT_EVAL] = "tensorflow/supervised/eval",
    };

    tensorflow__signature_def__init(&s->def);
    tensorflow__signature_entry__init(&s->entry);
    fill_side(&s->in, r->in, r->n_in);
    fill_side(&s->out, r->out, r->n_out);
    s->def.n_inputs = (size_t)r->n_in;
    s->def.inputs = s->in.list;
    s->def.n_outputs = (size_t)r->n_out;
    s->def.outputs = s->out.list;
    s->def.method_name = text(methods[r->method]);
    s->entry.key = text(r->key);
    s->entry.value = &s->def;
}

/* ------------------------------------------------------------- collections */

static Tensorflow__CollectionDef *add_collection(struct collections *c,
                                                 const char *key)
{
    Tensorflow__CollectionDef *def = &c->defs[c->n];
    Tensorflow__CollectionEntry *entry = &c->entries[c->n];

    tensorflow__collection_def__init(def);
    tensorflow__collection_entry__init(entry);
    entry->key = text(key);
    entry->value = def;
    c->list[c->n++] = entry;
    return def;
}

static void fill_asset(struct asset *a, const struct graphdef_asset *from)
{
    tensorflow__asset_file_def__init(&a->def);
    tensorflow__tensor_info__init(&a->tensor);
    tensorflow__any__init(&a->any);
    a->name = xasprintf("%s:0", from->node);
    a->tensor.encoding_case = TENSORFLOW__TENSOR_INFO__ENCODING_NAME;
    a->tensor.name = a->name;
    a->def.tensor_info = &a->tensor;
    a->def.filename = text(from->file);
    a->any.type_url = text("type.googleapis.com/tensorflow.AssetFileDef");
    a->any.value.len = protobuf_c_message_get_packed_size(&a->def.base);
    a->any.value.data = xmalloc(a->any.value.len);
    (void)protobuf_c_message_pack(&a->def.base, a->any.value.data);
}

/* As TensorFlow's Estimator notes assets: in two collections, one entry a
 * table; the field asset_file_def stays empty. */
static void fill_assets(struct collections *c, const struct graphdef_notes *n)
{
    Tensorflow__CollectionDef *def;

    c->n_assets = n->num_assets;
    c->assets = xcalloc((size_t)c->n_assets + 1, sizeof *c->assets);
    c->path_list = xcalloc((size_t)c->n_assets + 1, sizeof *c->path_list);
    c->any_list = xcalloc((size_t)c->n_assets + 1, sizeof *c->any_list);
    tensorflow__collection_def__node_list__init(&c->paths);
    tensorflow__collection_def__any_list__init(&c->files);
    for (int i = 0; i < c->n_assets; i++) {
        fill_asset(&c->assets[i], &n->assets[i]);
        c->path_list[i] = c->assets[i].name;
        c->any_list[i] = &c->assets[i].any;
    }
    c->paths.n_value = c->files.n_value = (size_t)c->n_assets;
    c->paths.value = c->path_list;
    c->files.value = c->any_list;
    def = add_collection(c, "asset_filepaths");
    def->kind_case = TENSORFLOW__COLLECTION_DEF__KIND_NODE_LIST;
    def->node_list = &c->paths;
    def = add_collection(c, "saved_model_assets");
    def->kind_case = TENSORFLOW__COLLECTION_DEF__KIND_ANY_LIST;
    def->any_list = &c->files;
}

static void fill_collections(struct collections *c,
                             const struct export_build *b)
{
    const struct graphdef_notes *notes = graphdef_notes(b->graph);
    Tensorflow__CollectionDef *def;

    if (notes->num_assets > 0) {
        fill_assets(c, notes);
    }
    if (b->main_op != NULL) {
        tensorflow__collection_def__node_list__init(&c->main_op);
        c->main_list[0] = text(b->main_op);
        c->main_op.n_value = 1;
        c->main_op.value = c->main_list;
        def = add_collection(c, "saved_model_main_op");
        def->kind_case = TENSORFLOW__COLLECTION_DEF__KIND_NODE_LIST;
        def->node_list = &c->main_op;
    }
}

static void release_collections(struct collections *c)
{
    for (int i = 0; i < c->n_assets; i++) {
        free(c->assets[i].name);
        free(c->assets[i].any.value.data);
    }
    free(c->assets);
    free((void *)c->path_list);
    free((void *)c->any_list);
}

/* ----------------------------------------------------------------- message */

static void fill_saver(Tensorflow__SaverDef *saver)
{
    tensorflow__saver_def__init(saver);
    saver->filename_tensor_name = text("save/Const:0");
    saver->save_tensor_name = text("save/Identity:0");
    saver->restore_op_name = text("save/restore_all");
    saver->max_to_keep = 5;
    saver->sharded = 1;
    saver->keep_checkpoint_every_n_hours = 10000;
    saver->version = 2; /* V2 */
}

static int pack_message(const ProtobufCMessage *message,
                        uint8_t **bytes,
                        size_t *n,
                        struct crew_err *err)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    void *packed = NULL;

    if (size > MAX_PROTO) {
        return crew_err_exit(
            err, CREW_RESOURCE_EXHAUSTED, 1,
            "the exported model is %zu bytes; a protobuf message holds "
            "at most 2 GiB. Fix: --set export_variables=true",
            size);
    }
    if (mem_try(size, 1, "SavedModel", &packed, err) == CREW_OK) {
        *n = protobuf_c_message_pack(message, packed);
        *bytes = packed;
    }
    return err->code;
}

static void fill_meta(Tensorflow__MetaGraphDef *meta,
                      Tensorflow__MetaGraphDef__MetaInfoDef *info,
                      Tensorflow__SaverDef *saver,
                      struct collections *collections,
                      const struct export_build *b)
{
    tensorflow__meta_graph_def__meta_info_def__init(info);
    info->tensorflow_version = text("2.15.0");
    info->tensorflow_git_version = text("unknown");
    info->stripped_default_attrs = 1;
    meta->meta_info_def = info;
    meta->graph_def =
        (Tensorflow__GraphDef *)(uintptr_t)graphdef_message(b->graph);
    if (b->variables) {
        fill_saver(saver);
        meta->saver_def = saver;
    }
    fill_collections(collections, b);
    meta->n_collection_def = collections->n;
    meta->collection_def = collections->list;
}

int export_build_pack(const struct export_build *b,
                      uint8_t **bytes,
                      size_t *n,
                      struct crew_err *err)
{
    Tensorflow__SavedModel model = TENSORFLOW__SAVED_MODEL__INIT;
    Tensorflow__MetaGraphDef meta = TENSORFLOW__META_GRAPH_DEF__INIT;
    Tensorflow__MetaGraphDef *metas[] = {&meta};
    Tensorflow__MetaGraphDef__MetaInfoDef info;
    Tensorflow__SaverDef saver;
    struct collections collections = {.n = 0};
    size_t count = (size_t)b->n_signatures;
    struct signature *signatures = xcalloc(count + 1, sizeof *signatures);
    Tensorflow__SignatureEntry **list = xcalloc(count + 1, sizeof *list);
    char *tags[] = {text(b->eval ? "eval" : "serve")};

    for (size_t i = 0; i < count; i++) {
        fill_signature(&signatures[i], &b->signatures[i]);
        list[i] = &signatures[i].entry;
    }
    fill_meta(&meta, &info, &saver, &collections, b);
    info.n_tags = 1;
    info.tags = tags;
    meta.n_signature_def = count;
    meta.signature_def = list;
    model.saved_model_schema_version = 1;
    model.n_meta_graphs = 1;
    model.meta_graphs = metas;
    (void)pack_message(&model.base, bytes, n, err);
    release_collections(&collections);
    free((void *)list);
    free(signatures);
    return err->code;
}
