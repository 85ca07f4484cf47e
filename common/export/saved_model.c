/* SPDX-License-Identifier: Apache-2.0
 * Packing and writing a SavedModel; see saved_model.h. */
#include "export/saved_model.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "graph/emit.h"

#include "base/banned.h"

#define PREDICT_METHOD "tensorflow/serving/predict"
#define SERVING_DEFAULT "serving_default"
#define MAX_TENSORS 64
#define MAX_PROTO 0x7fffffffu
enum { TRIES = 10 };

/* A signature's tensor and the memory its messages live in. */
struct info {
    Tensorflow__TensorInfo tensor;
    Tensorflow__TensorInfoEntry entry;
    Tensorflow__TensorShapeProto shape;
    Tensorflow__TensorShapeProto__Dim dims[CREW_MAX_RANK];
    Tensorflow__TensorShapeProto__Dim *dim_list[CREW_MAX_RANK];
    char *name;
};

struct side { /* inputs or outputs */
    struct info infos[MAX_TENSORS];
    Tensorflow__TensorInfoEntry *list[MAX_TENSORS];
    int n;
};

static void fill_info(struct info *i, const struct export_tensor *t)
{
    const struct crew_shape *shape = node_shape(t->node);

    tensorflow__tensor_info__init(&i->tensor);
    tensorflow__tensor_info_entry__init(&i->entry);
    tensorflow__tensor_shape_proto__init(&i->shape);
    for (int d = 0; d < shape->rank; d++) {
        tensorflow__tensor_shape_proto__dim__init(&i->dims[d]);
        i->dims[d].size = shape->dim[d];
        i->dim_list[d] = &i->dims[d];
    }
    i->shape.n_dim = (size_t)shape->rank;
    i->shape.dim = i->dim_list;
    i->name = xasprintf("%s:0", node_name(t->node));
    i->tensor.encoding_case = TENSORFLOW__TENSOR_INFO__ENCODING_NAME;
    i->tensor.name = i->name;
    i->tensor.dtype = (int32_t)node_dtype(t->node);
    i->tensor.tensor_shape = &i->shape;
    i->entry.key = (char *)(uintptr_t)t->key;
    i->entry.value = &i->tensor;
}

static void fill_side(struct side *s,
                      const struct export_tensor *tensors,
                      int n)
{
    for (int i = 0; i < n; i++) {
        fill_info(&s->infos[i], &tensors[i]);
        s->list[i] = &s->infos[i].entry;
    }
    s->n = n;
}

static void release_side(struct side *s)
{
    for (int i = 0; i < s->n; i++) {
        free(s->infos[i].name);
    }
}

static void fill_signature(Tensorflow__SignatureDef *def,
                           Tensorflow__SignatureEntry *entry,
                           const char *key,
                           struct side *in,
                           struct side *out)
{
    tensorflow__signature_def__init(def);
    tensorflow__signature_entry__init(entry);
    def->n_inputs = (size_t)in->n;
    def->inputs = in->list;
    def->n_outputs = (size_t)out->n;
    def->outputs = out->list;
    def->method_name = (char *)PREDICT_METHOD;
    entry->key = (char *)(uintptr_t)key;
    entry->value = def;
}

static int pack(const struct export_request *q,
                const Tensorflow__GraphDef *graph,
                uint8_t **bytes,
                size_t *n,
                struct crew_err *err)
{
    Tensorflow__SavedModel model = TENSORFLOW__SAVED_MODEL__INIT;
    Tensorflow__MetaGraphDef meta = TENSORFLOW__META_GRAPH_DEF__INIT;
    Tensorflow__MetaGraphDef__MetaInfoDef info =
        TENSORFLOW__META_GRAPH_DEF__META_INFO_DEF__INIT;
    Tensorflow__MetaGraphDef *metas[] = {&meta};
    Tensorflow__SignatureDef defs[2];
    Tensorflow__SignatureEntry entries[2], *list[] = {&entries[0], &entries[1]};
    struct side *in = xcalloc(1, sizeof *in), *out = xcalloc(1, sizeof *out);
    char *tags[] = {(char *)"serve"};
    void *packed = NULL;
    size_t size;

    fill_side(in, q->inputs, q->n_inputs);
    fill_side(out, q->outputs, q->n_outputs);
    fill_signature(&defs[0], &entries[0], SERVING_DEFAULT, in, out);
    meta.n_signature_def = 1;
    if (q->signature != NULL && strcmp(q->signature, SERVING_DEFAULT) != 0) {
        fill_signature(&defs[1], &entries[1], q->signature, in, out);
        meta.n_signature_def = 2;
    }
    meta.signature_def = list;
    info.n_tags = 1;
    info.tags = tags;
    info.tensorflow_version = (char *)"2.15.0";
    info.tensorflow_git_version = (char *)"unknown";
    info.stripped_default_attrs = 1;
    meta.meta_info_def = &info;
    meta.graph_def = (Tensorflow__GraphDef *)(uintptr_t)graph;
    model.saved_model_schema_version = 1;
    model.n_meta_graphs = 1;
    model.meta_graphs = metas;

    size = protobuf_c_message_get_packed_size(&model.base);
    if (size > MAX_PROTO) {
        crew_err_exit(
            err, CREW_RESOURCE_EXHAUSTED, 1,
            "the exported model is %zu bytes; a protobuf message holds "
            "at most 2 GiB",
            size);
    } else if (mem_try(size, 1, "SavedModel", &packed, err) == CREW_OK) {
        *n = protobuf_c_message_pack(&model.base, packed);
        *bytes = packed;
    }
    release_side(in);
    release_side(out);
    free(in);
    free(out);
    return err->code;
}

int saved_model_pack(const struct export_request *q,
                     uint8_t **bytes,
                     size_t *n,
                     struct crew_err *err)
{
    struct crew_node *outputs[MAX_TENSORS * 2];
    struct graphdef *graph;
    int count = 0;

    if (q->n_outputs < 1 || q->n_outputs > MAX_TENSORS || q->n_inputs < 1 ||
        q->n_inputs > MAX_TENSORS) {
        return crew_err_exit(
            err, CREW_INVALID_ARGUMENT, 1,
            "export: %d inputs and %d outputs. Fix: 1 to %d of "
            "each",
            q->n_inputs, q->n_outputs, MAX_TENSORS);
    }
    for (int i = 0; i < q->n_inputs; i++) {
        outputs[count++] = q->inputs[i].node; /* also one that nothing reads */
    }
    for (int i = 0; i < q->n_outputs; i++) {
        outputs[count++] = q->outputs[i].node;
    }
    graph = graphdef_new();
    if (graph_emit(q->graph, outputs, count, q->var_data, graph, err) ==
        CREW_OK) {
        (void)pack(q, graphdef_message(graph), bytes, n, err);
    }
    graphdef_free(graph);
    return err->code;
}

/* Write saved_model.pb and the empty folder variables/, as TensorFlow's builder
 * makes it, into `dir`, durably. */
static int fill_dir(struct crew_env *env,
                    const char *dir,
                    const uint8_t *bytes,
                    size_t n,
                    struct crew_err *err)
{
    char *variables = path_join(dir, "variables");
    char *pb = path_join(dir, "saved_model.pb");
    struct env_fs *fs = env->fs;
    struct env_file *file = NULL;
    struct crew_err close_err = {0};

    if (fs_make_dirs(env, dir, err) != CREW_OK ||
        fs->mkdir(fs, variables, err) != CREW_OK ||
        fs->create(fs, pb, true, &file, err) != CREW_OK) {
        goto out;
    }
    if (fs->write(file, bytes, n, err) == CREW_OK) {
        (void)fs->sync(file, err);
    }
    if (fs->close(file, &close_err) != CREW_OK && err->code == CREW_OK) {
        *err = close_err;
    }
    if (err->code == CREW_OK) {
        (void)fs->sync_dir(fs, dir, err);
    }
out:
    free(pb);
    free(variables);
    return err->code;
}

/* The first free name from the wall clock's second on. */
static int free_timestamp(struct crew_env *env,
                          const char *base,
                          int64_t *stamp,
                          struct crew_err *err)
{
    int64_t now = (int64_t)env->wall_time(env);

    for (int64_t t = now; t < now + TRIES; t++) {
        char *path = xasprintf("%s/%" PRId64, base, t);
        bool taken = fs_exists(env, path);

        free(path);
        if (!taken) {
            *stamp = t;
            return CREW_OK;
        }
    }
    return crew_err_set(
        err, CREW_ALREADY_EXISTS,
        "Failed to obtain a unique export directory name after %d "
        "attempts in %s",
        TRIES, base);
}

int saved_model_write(struct crew_env *env,
                      const char *base,
                      const struct export_request *q,
                      char **dir,
                      struct crew_err *err)
{
    char *temporary = NULL, *final = NULL;
    uint8_t *bytes = NULL;
    int64_t stamp = 0;
    size_t n = 0;

    if (saved_model_pack(q, &bytes, &n, err) != CREW_OK ||
        free_timestamp(env, base, &stamp, err) != CREW_OK) {
        goto out;
    }
    temporary = xasprintf("%s/temp-%" PRId64, base, stamp);
    final = xasprintf("%s/%" PRId64, base, stamp);
    if (fs_remove_tree(env, temporary, err) != CREW_OK ||
        fill_dir(env, temporary, bytes, n, err) != CREW_OK ||
        env->fs->rename(env->fs, temporary, final, err) != CREW_OK ||
        env->fs->sync_dir(env->fs, base, err) != CREW_OK) {
        struct crew_err ignored = {0};
        (void)fs_remove_tree(env, temporary, &ignored);
        goto out;
    }
    *dir = final;
    final = NULL;
out:
    free(final);
    free(temporary);
    free(bytes);
    return err->code;
}

/* --------------------------------------------------------------- retention */

struct versions {
    int64_t *stamp;
    int n;
};

static void collect(void *self, const char *name)
{
    struct versions *v = self;
    char *end = NULL;

    if (name[0] < '0' || name[0] > '9') {
        return;
    }
    int64_t stamp = strtoll(name, &end, 10);
    if (*end == '\0') {
        v->stamp = xrealloc(v->stamp, (size_t)(v->n + 1) * sizeof *v->stamp);
        v->stamp[v->n++] = stamp;
    }
}

static int oldest_first(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return x < y ? -1 : x > y ? 1 : 0;
}

int saved_model_prune(struct crew_env *env,
                      const char *base,
                      int64_t keep,
                      struct crew_err *err)
{
    struct versions v = {0};

    if (keep > 0 && env->fs->list(env->fs, base, collect, &v, err) == CREW_OK) {
        qsort(v.stamp, (size_t)v.n, sizeof *v.stamp, oldest_first);
        for (int i = 0; i < v.n - keep && err->code == CREW_OK; i++) {
            char *path = xasprintf("%s/%" PRId64, base, v.stamp[i]);

            (void)fs_remove_tree(env, path, err);
            free(path);
        }
    }
    free(v.stamp);
    return err->code;
}
