/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes the loader and the executor of SavedModels: the input is a
 * saved_model.pb; its init op and every output of every signature are run on
 * feeds of one element. Where the input can be unpacked, the same is done with
 * a model in which a few of its constants, attributes and edges are others:
 * bytes alone seldom find a way past the wire format. Oracle beyond "no crash":
 * an error has a text and an exit code that is documented. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/fingerprint.h"
#include "base/mem.h"
#include "base/mem_fs.h"
#include "base/rng.h"
#include "base/strbuf.h"
#include "kernels/blas.h"
#include "serving/model.h"
#include "serving/show.h"
#include "tensor/tensor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_INPUTS = 8, MOST_OUTPUTS = 400 };

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
    INVARIANT(exit_code >= 1 && exit_code <= 143);
}

/* Unknown dimensions are 1. */
static bool make_feed(const Tensorflow__TensorInfo *info, struct value *v)
{
    struct crew_shape shape;
    struct crew_err err = {0};

    if (value_shape_from_proto(info->tensor_shape, &shape, &err) != CREW_OK) {
        return false;
    }
    for (int i = 0; i < shape.rank; i++) {
        shape.dim[i] = shape.dim[i] < 0 ? 1 : shape.dim[i];
    }
    return value_new(v, info->dtype, &shape, &err) == CREW_OK;
}

/* One by one: an op that fails hides what comes behind it. */
static void run_outputs(struct serving_model *m,
                        const Tensorflow__SignatureDef *s,
                        const struct serving_feed *feeds,
                        int n_feeds)
{
    for (size_t i = 0; i < s->n_outputs && i < MOST_OUTPUTS; i++) {
        const Tensorflow__TensorInfo *info = s->outputs[i]->value;
        struct value out = {0};
        struct crew_err err = {0};
        const char *fetch;

        if (info == NULL ||
            info->encoding_case != TENSORFLOW__TENSOR_INFO__ENCODING_NAME) {
            continue;
        }
        fetch = info->name;
        if (serving_run(m, feeds, n_feeds, &fetch, 1, &out, &err) != CREW_OK) {
            check(&err);
        } else {
            value_release(&out);
        }
    }
}

static void run_signature(struct serving_model *m,
                          const Tensorflow__SignatureDef *s)
{
    struct serving_feed feeds[MOST_INPUTS];
    int n_feeds = 0;

    for (size_t i = 0; i < s->n_inputs && n_feeds < MOST_INPUTS; i++) {
        const Tensorflow__TensorInfo *info = s->inputs[i]->value;

        if (info != NULL &&
            info->encoding_case == TENSORFLOW__TENSOR_INFO__ENCODING_NAME &&
            make_feed(info, &feeds[n_feeds].value)) {
            feeds[n_feeds++].tensor = info->name;
        }
    }
    run_outputs(m, s, feeds, n_feeds);
    for (int i = 0; i < n_feeds; i++) {
        value_release(&feeds[i].value);
    }
}

static void run_all(struct serving_model *m)
{
    const Tensorflow__MetaGraphDef *meta = serving_meta_graph(m);

    for (size_t i = 0; i < meta->n_signature_def; i++) {
        if (meta->signature_def[i]->value != NULL) {
            run_signature(m, meta->signature_def[i]->value);
        }
    }
}

static void show(struct crew_env *env)
{
    Tensorflow__SavedModel *message = NULL;
    struct crew_err err = {0};
    struct strbuf text;

    strbuf_init(&text);
    if (saved_model_load(env, "/m", &message, &err) == CREW_OK) {
        show_tag_sets(message, &text);
        show_all(message, &text);
        tensorflow__saved_model__free_unpacked(message, NULL);
    } else {
        check(&err);
    }
    strbuf_release(&text);
}

/* --------------------------------------------------------------- mutations */

static int64_t odd_number(struct rng *r)
{
    static const int64_t odd[] = {
        0,         1,         2,         3,          7,         -1,
        -2,        -3,        8,         255,        INT32_MAX, INT32_MIN,
        INT64_MAX, INT64_MIN, 1ll << 20, 1ll << 31,  1ll << 40, 1ll << 62,
        65536,     1 << 24,   -65536,    -(1 << 24), 5,         31};

    return odd[rng_below(r, sizeof odd / sizeof odd[0])];
}

static void spoil_shape(struct rng *r, Tensorflow__TensorShapeProto *s)
{
    if (s != NULL && s->n_dim > 0) {
        s->dim[rng_below(r, s->n_dim)]->size = odd_number(r);
    }
}

static void spoil_tensor(struct rng *r, Tensorflow__TensorProto *t)
{
    uint64_t kind = rng_below(r, 4);

    if (kind == 0) {
        spoil_shape(r, t->tensor_shape);
    } else if (kind == 1 && rng_below(r, 4) == 0) {
        t->dtype = (int32_t)rng_below(r, 24);
    } else if (t->n_int_val > 0) {
        t->int_val[rng_below(r, t->n_int_val)] = (int32_t)odd_number(r);
    } else if (t->n_int64_val > 0) {
        t->int64_val[rng_below(r, t->n_int64_val)] = odd_number(r);
    } else if (t->n_float_val > 0) {
        t->float_val[rng_below(r, t->n_float_val)] = (float)odd_number(r);
    } else if (t->tensor_content.len >= 4) {
        size_t width =
            rng_below(r, 2) == 0 && t->tensor_content.len % 8 == 0 ? 8 : 4;
        int64_t v = odd_number(r);

        memcpy(t->tensor_content.data +
                   width * rng_below(r, t->tensor_content.len / width),
               &v, width);
    }
}

static void spoil_list(struct rng *r, Tensorflow__AttrValue__ListValue *l)
{
    if (l->n_i > 0) {
        l->i[rng_below(r, l->n_i)] = odd_number(r);
    } else if (l->n_type > 0) {
        l->type[rng_below(r, l->n_type)] = (int32_t)rng_below(r, 24);
    } else if (l->n_shape > 0) {
        spoil_shape(r, l->shape[rng_below(r, l->n_shape)]);
    } else if (l->n_f > 0) {
        l->f[rng_below(r, l->n_f)] = (float)odd_number(r);
    }
}

static void spoil_attr(struct rng *r, Tensorflow__AttrValue *v)
{
    switch (v != NULL ? v->value_case
                      : TENSORFLOW__ATTR_VALUE__VALUE__NOT_SET) {
        case TENSORFLOW__ATTR_VALUE__VALUE_LIST:
            spoil_list(r, v->list);
            break;
        case TENSORFLOW__ATTR_VALUE__VALUE_I:
            v->i = odd_number(r);
            break;
        case TENSORFLOW__ATTR_VALUE__VALUE_F:
            v->f = (float)odd_number(r);
            break;
        case TENSORFLOW__ATTR_VALUE__VALUE_B:
            v->b = !v->b;
            break;
        case TENSORFLOW__ATTR_VALUE__VALUE_TYPE:
            v->type = (int32_t)rng_below(r, 24);
            break;
        case TENSORFLOW__ATTR_VALUE__VALUE_SHAPE:
            spoil_shape(r, v->shape);
            break;
        case TENSORFLOW__ATTR_VALUE__VALUE_TENSOR:
            spoil_tensor(r, v->tensor);
            break;
        default:
            break;
    }
}

/* Constants most of all: they are the arguments of the ops. */
static void spoil_graph(struct rng *r, Tensorflow__GraphDef *g)
{
    Tensorflow__NodeDef *n = g->node[rng_below(r, g->n_node)];
    Tensorflow__NodeDef *other = g->node[rng_below(r, g->n_node)];
    uint64_t kind = rng_below(r, 16);

    if (kind == 0) { /* both stay owners of one name each */
        char *op = n->op;

        n->op = other->op;
        other->op = op;
    } else if (kind < 4 && n->n_input > 0 && other->n_input > 0) {
        char **a = &n->input[rng_below(r, n->n_input)];
        char **b = &other->input[rng_below(r, other->n_input)];
        char *name = *a;

        *a = *b;
        *b = name;
    } else if (n->n_attr > 0) {
        spoil_attr(r, n->attr[rng_below(r, n->n_attr)]->value);
    }
}

/* --------------------------------------------------------------- one model */

static void run_model(const uint8_t *data, size_t size)
{
    static const char words[] = "red 4\ngreen\t5 6\nblue 7";
    struct crew_env *env = env_mem_new(1);
    struct serving_model *m = NULL;
    struct crew_err err = {0};

    INVARIANT(fs_make_dirs(env, "/m/assets", &err) == CREW_OK);
    put(env, "/m/assets/columns.txt", words, sizeof words - 1);
    put(env, "/m/saved_model.pb", data, size);
    show(env);
    if (serving_model_open(env, "/m", &m, &err) == CREW_NOT_FOUND) {
        err = (struct crew_err){0};
        (void)serving_model_open_tag(env, "/m", "eval", &m, &err);
    }
    if (err.code == CREW_OK) {
        run_all(m);
        serving_model_close(m);
    } else {
        check(&err);
    }
    env_mem_free(env);
}

static void run_spoiled(const uint8_t *data, size_t size)
{
    struct rng r = {fingerprint64(data, size)};
    Tensorflow__SavedModel *m =
        tensorflow__saved_model__unpack(NULL, size, data);
    Tensorflow__GraphDef *g =
        m != NULL && m->n_meta_graphs > 0 ? m->meta_graphs[0]->graph_def : NULL;

    for (uint64_t i = 0; g != NULL && g->n_node > 0 && i < 8; i++) {
        spoil_graph(&r, g);
    }
    if (g != NULL && g->n_node > 0) {
        size_t n = tensorflow__saved_model__get_packed_size(m);
        uint8_t *bytes = xmalloc(n);

        run_model(bytes, tensorflow__saved_model__pack(m, bytes));
        free(bytes);
    }
    if (m != NULL) {
        tensorflow__saved_model__free_unpacked(m, NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Tensorflow__SavedModel *whole = NULL;
    struct crew_env *env = env_mem_new(1);
    struct crew_err err = {0};

    INVARIANT(blas_load(&err) == CREW_OK);
    mem_limit(4u << 20);
    run_model(data, size);
    INVARIANT(fs_make_dirs(env, "/m", &err) == CREW_OK);
    put(env, "/m/saved_model.pb", data, size);
    if (saved_model_load(env, "/m", &whole, &err) == CREW_OK) {
        tensorflow__saved_model__free_unpacked(whole, NULL);
        run_spoiled(data, size); /* the guard let it pass */
    }
    env_mem_free(env);
    mem_limit(0);
    return 0;
}
