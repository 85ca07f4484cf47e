/* SPDX-License-Identifier: Apache-2.0
 *
 * A job with embeddings, for tests and measurements: --set rows= and width= of
 * the first table, which is looked up in two ways; a second, small one; and one
 * that an L2 regularizer makes dense. --set optimizer= names the rule,
 * dense=true regularizes the first as well. */
#include <stdio.h>
#include <string.h>

#include <crew.h>

enum { SAMPLES = 512, IDS = 10, SMALL = 97 };

static int64_t ids[SAMPLES][IDS];
static int32_t labels[SAMPLES];

static struct crew_optimizer optimizer_of(const struct crew_params *params)
{
    const char *name = crew_params_str(params, "optimizer", "adagrad");
    struct crew_optimizer o = crew_adagrad(0.1);

    if (strcmp(name, "adam") == 0) {
        o = crew_adam(0.01);
    } else if (strcmp(name, "lazy_adam") == 0) {
        o = crew_adam(0.01);
        o.lazy = true;
    } else if (strcmp(name, "momentum") == 0) {
        o = crew_momentum(0.1, 0.9, false);
    } else if (strcmp(name, "ftrl") == 0) {
        o = crew_ftrl(0.1);
        o.l1 = 0.001f;
    }
    if (crew_params_bool(params, "clip", false)) {
        o.clip = crew_clip_by_global_norm(0.05);
        o.average.decay = 0.9f;
    }
    return o;
}

static int model_fn(struct crew_graph *g,
                    const struct crew_features *features,
                    struct crew_node *label,
                    enum crew_mode mode,
                    const struct crew_params *params,
                    struct crew_spec *spec,
                    struct crew_err *err)
{
    struct crew_init init = crew_init_uniform(-0.1, 0.1);
    struct crew_embedding mean = {.combiner = CREW_COMBINE_MEAN};
    struct crew_node *id = crew_feature(features, "ids");
    int64_t rows = crew_params_int(params, "rows", 40000);
    int64_t width = crew_params_int(params, "width", 16);
    struct crew_node *big =
        crew_variable(g, "big/embeddings", crew_shape2(rows, width), init);
    struct crew_node *small =
        crew_variable(g, "small/embeddings", crew_shape2(SMALL, 4), init);
    struct crew_node *dense =
        crew_variable(g, "dense/embeddings", crew_shape2(rows / 8, 4), init);
    struct crew_node *first = crew_feature(features, "first");
    struct crew_node *x[] = {
        crew_embedding_lookup_sparse(g, big, id, mean),
        crew_gather(g, big, crew_feature(features, "other")),
        crew_gather(g, small, first),
        crew_gather(g, dense, first),
    };
    struct crew_node *logits =
        crew_dense(g, "out", crew_concat(g, x, 4, 1), 3, CREW_LINEAR);

    crew_spec_prediction(spec, "probabilities", crew_softmax(g, logits));
    if (mode != CREW_PREDICT) {
        struct crew_node *loss =
            crew_sparse_softmax_cross_entropy(g, label, logits);

        loss = crew_add(g, loss, crew_l2_regularizer(g, dense, 0.01));
        if (crew_params_bool(params, "dense", false)) {
            loss = crew_add(g, loss, crew_l2_regularizer(g, big, 1e-6));
        }
        crew_spec_loss(spec, loss);
    }
    crew_spec_minimize(spec, optimizer_of(params));
    return crew_graph_status(g, err);
}

static int input_fn(const struct crew_input_ctx *ctx,
                    struct crew_dataset **dataset,
                    struct crew_err *err)
{
    static int64_t first[SAMPLES], other[SAMPLES];
    const struct crew_column columns[] = {
        {"ids", CREW_INT64, crew_shape1(IDS), false},
        {"first", CREW_INT64, crew_scalar_shape(), false},
        {"other", CREW_INT64, crew_scalar_shape(), false},
        {"label", CREW_INT32, crew_scalar_shape(), true},
    };
    const void *const data[] = {ids, first, other, labels};
    uint64_t rows = (uint64_t)crew_params_int(ctx->params, "rows", 40000);
    uint64_t x = 88172645463325252u;
    struct crew_dataset *d;

    (void)err;
    for (int i = 0; i < SAMPLES; i++) {
        for (int k = 0; k < IDS; k++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            ids[i][k] = (int64_t)(x % rows); /* some of them twice */
        }
        ids[i][1] = i % 3 == 0 ? ids[i][0] : ids[i][1];
        first[i] = ids[i][0] % SMALL;
        other[i] = ids[i / 2][2];
        labels[i] = (int32_t)(ids[i][0] % 3);
    }
    d = crew_dataset_arrays(columns, data, 4, SAMPLES);
    d = ctx->mode == CREW_TRAIN ? crew_dataset_repeat(d, -1) : d;
    *dataset = crew_dataset_batch(d, 8, false);
    return CREW_OK;
}

static int configure(const struct crew_params *params,
                     struct crew_run_config *rc,
                     struct crew_train_spec *train,
                     struct crew_eval_spec *eval,
                     struct crew_err *err)
{
    (void)params, (void)err;
    rc->tf_random_seed = 7;
    train->input_fn = input_fn;
    eval->input_fn = input_fn;
    eval->steps = 2;
    return CREW_OK;
}

static const struct crew_job job = {CREW_ABI_VERSION, "embed", model_fn,
                                    configure};
CREW_JOB(job);
