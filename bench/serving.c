/* SPDX-License-Identifier: Apache-2.0
 * The row of serving: a dense model through the executor of exports, against
 * its matrix products alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/mem_fs.h"
#include "bench.h"
#include "kernels/blas.h"
#include "kernels/kernels.h"
#include "serving/model.h"

#include "base/banned.h"

enum { BATCH = 64, LAYERS = 3, NODES = 2 + 5 * LAYERS };

static const int64_t widths[LAYERS + 1] = {40, 256, 128, 10};

/* The message of a model: each layer a matrix, a bias, and two or three ops. */
struct maker {
    Tensorflow__SavedModel model;
    Tensorflow__MetaGraphDef meta, *metas[1];
    Tensorflow__MetaGraphDef__MetaInfoDef info;
    Tensorflow__GraphDef graph;
    Tensorflow__NodeDef node[NODES], *nodes[NODES];
    Tensorflow__AttrEntry attr[NODES], *attrs[NODES][1];
    Tensorflow__AttrValue value[NODES];
    Tensorflow__TensorProto tensor[NODES];
    Tensorflow__TensorShapeProto shape[NODES];
    Tensorflow__TensorShapeProto__Dim dim[NODES][2], *dims[NODES][2];
    float fill; /* of every constant: one value stands for all */
    char names[NODES][16];
    char *inputs[NODES][2], *tags[1];
    char tag[8];
};

/* The next node, named after its number. */
static Tensorflow__NodeDef *add(struct maker *m, char *op)
{
    size_t i = m->graph.n_node++;
    Tensorflow__NodeDef *n = &m->node[i];

    tensorflow__node_def__init(n);
    (void)snprintf(m->names[i], sizeof m->names[i], "n%zu", i);
    n->name = m->names[i];
    n->op = op;
    n->input = m->inputs[i];
    m->nodes[i] = n;
    return n;
}

static char *constant(struct maker *m, char *op, int rank, int64_t a, int64_t b)
{
    size_t i = m->graph.n_node;
    Tensorflow__NodeDef *n = add(m, op);
    const int64_t sizes[] = {a, b};

    tensorflow__attr_entry__init(&m->attr[i]);
    tensorflow__attr_value__init(&m->value[i]);
    tensorflow__tensor_proto__init(&m->tensor[i]);
    tensorflow__tensor_shape_proto__init(&m->shape[i]);
    for (int d = 0; d < rank; d++) {
        tensorflow__tensor_shape_proto__dim__init(&m->dim[i][d]);
        m->dim[i][d].size = sizes[d];
        m->dims[i][d] = &m->dim[i][d];
    }
    m->shape[i].dim = m->dims[i];
    m->shape[i].n_dim = (size_t)rank;
    m->tensor[i].dtype = CREW_FLOAT;
    m->tensor[i].tensor_shape = &m->shape[i];
    m->tensor[i].float_val = &m->fill;
    m->tensor[i].n_float_val = 1;
    m->value[i].value_case = TENSORFLOW__ATTR_VALUE__VALUE_TENSOR;
    m->value[i].tensor = &m->tensor[i];
    m->attr[i].key = (char *)(uintptr_t) "value";
    m->attr[i].value = &m->value[i];
    m->attrs[i][0] = &m->attr[i];
    n->attr = m->attrs[i];
    n->n_attr = 1;
    return n->name;
}

static void make_model(struct maker *m)
{
    static char placeholder[] = "Placeholder", constants[] = "Const",
                matmul[] = "MatMul", bias[] = "BiasAdd", relu[] = "Relu";
    char *x = add(m, placeholder)->name;

    m->fill = 0.01f;
    for (int i = 0; i < LAYERS; i++) {
        char *w = constant(m, constants, 2, widths[i], widths[i + 1]);
        char *b = constant(m, constants, 1, widths[i + 1], 0);
        char *const operands[] = {w, b};
        char *const ops[] = {matmul, bias};

        for (int k = 0; k < 2; k++) {
            Tensorflow__NodeDef *n = add(m, ops[k]);

            n->input[0] = x;
            n->input[1] = operands[k];
            n->n_input = 2;
            x = n->name;
        }
        Tensorflow__NodeDef *n = add(m, relu);

        n->input[0] = x;
        n->n_input = 1;
        x = n->name;
    }
}

static int open_model(struct crew_env *env,
                      struct serving_model **model,
                      struct crew_err *err)
{
    struct maker *m = xcalloc(1, sizeof *m);
    uint8_t *bytes;
    size_t n;

    tensorflow__saved_model__init(&m->model);
    tensorflow__meta_graph_def__init(&m->meta);
    tensorflow__meta_graph_def__meta_info_def__init(&m->info);
    tensorflow__graph_def__init(&m->graph);
    (void)snprintf(m->tag, sizeof m->tag, "serve");
    m->tags[0] = m->tag;
    m->info.tags = m->tags;
    m->info.n_tags = 1;
    m->graph.node = m->nodes;
    m->meta.meta_info_def = &m->info;
    m->meta.graph_def = &m->graph;
    m->metas[0] = &m->meta;
    m->model.meta_graphs = m->metas;
    m->model.n_meta_graphs = 1;
    make_model(m);
    n = tensorflow__saved_model__get_packed_size(&m->model);
    bytes = xmalloc(n);
    (void)tensorflow__saved_model__pack(&m->model, bytes);
    if (fs_make_dirs(env, "/m", err) == CREW_OK &&
        fs_replace_file(env, "/m/saved_model.pb", bytes, n, err) == CREW_OK) {
        (void)serving_model_open(env, "/m", model, err);
    }
    free(bytes);
    free(m);
    return err->code;
}

/* What both sides need. */
struct job {
    struct serving_model *model;
    struct serving_feed feed;
    float *w[LAYERS], *x[LAYERS + 1];
    struct crew_err err;
};

static void run_model(void *self)
{
    struct job *j = self;
    const char *fetch = "n15:0"; /* the last node: 1 + 5 a layer, from 0 on */
    struct value out = {0};

    if (j->err.code == CREW_OK && serving_run(j->model, &j->feed, 1, &fetch, 1,
                                              &out, &j->err) == CREW_OK) {
        value_release(&out);
    }
}

static void run_products(void *self)
{
    struct job *j = self;

    for (int i = 0; i < LAYERS; i++) {
        k_matmul(false, false, BATCH, widths[i + 1], widths[i], j->x[i],
                 j->w[i], false, j->x[i + 1]);
    }
}

static int predict_dense(struct bench_result *r, struct crew_err *err)
{
    struct crew_env *env = env_mem_new(1);
    struct crew_shape shape = {.rank = 2, .dim = {BATCH, widths[0]}};
    struct job j = {.feed = {.tensor = "n0:0"}};
    struct bench_time ours, limit;

    if (blas_load(&j.err) == CREW_OK &&
        open_model(env, &j.model, &j.err) == CREW_OK &&
        value_new(&j.feed.value, CREW_FLOAT, &shape, &j.err) == CREW_OK) {
        for (int i = 0; i <= LAYERS; i++) {
            j.x[i] = xcalloc(BATCH * (size_t)widths[i], sizeof(float));
            if (i < LAYERS) {
                j.w[i] =
                    xcalloc((size_t)(widths[i] * widths[i + 1]), sizeof(float));
            }
        }
        ours = bench_measure(1, run_model, &j);
        limit = bench_measure(1, run_products, &j);
        r->ours = BATCH / ours.median / 1e3;
        r->limit = BATCH / limit.median / 1e3;
        r->unit = "k ex/s";
        (void)snprintf(r->note, sizeof r->note,
                       "40-256-128-10, %d at a time, through the executor of "
                       "exports; limit: its matrix products",
                       BATCH);
    }
    for (int i = 0; i <= LAYERS; i++) {
        free(j.x[i]);
        free(i < LAYERS ? j.w[i] : NULL);
    }
    value_release(&j.feed.value);
    serving_model_close(j.model);
    env_mem_free(env);
    *err = j.err;
    return err->code;
}

const struct bench_row bench_serving_rows[] = {
    {"predict-dense", "a dense model's export, against its matrix products",
     predict_dense},
    {NULL, NULL, NULL},
};
