/* SPDX-License-Identifier: Apache-2.0
 * What the calls are made with, and where their errors are looked for. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/env.h"
#include "base/log.h"
#include "config/params.h"
#include "estimator/model/spec.h"
#include "hooks/hook_session.h"
#include "io/dataset.h"
#include "nulls.h"

#define ROWS_OF_DATA 16

struct crew_err the_err;
struct crew_graph *graph;
struct crew_node *a, *b, *ids;
struct crew_features *features;
struct crew_spec *spec;
struct crew_params *params;
struct crew_session *session;
struct crew_estimator *estimator;
char model_dir[64];
int (*in_init_fn)(struct crew_initial_values *);
int the_code;
struct crew_dataset *the_dataset;
struct crew_hook the_hook;

static float numbers[ROWS_OF_DATA];
static int64_t labels[ROWS_OF_DATA];
static struct crew_session the_session;

struct crew_dataset *some_dataset(const char *name)
{
    struct crew_column columns[] = {
        {name, CREW_FLOAT, {1, {1}}, false},
        {"y", CREW_INT64, {0, {0}}, true},
    };
    static const void *const data[] = {numbers, labels};

    return crew_dataset_arrays(columns, data, name[0] == 'x' ? 2 : 1,
                               ROWS_OF_DATA);
}

int input_fn(const struct crew_input_ctx *ctx,
             struct crew_dataset **dataset,
             struct crew_err *err)
{
    (void)err;
    *dataset = crew_dataset_batch(
        crew_dataset_repeat(some_dataset("x"), ctx->mode == CREW_TRAIN ? 8 : 1),
        ROWS_OF_DATA, true);
    return CREW_OK;
}

static int init_fn(void *self,
                   struct crew_initial_values *initial,
                   struct crew_err *err)
{
    (void)self, (void)err;
    if (in_init_fn != NULL) {
        the_code = in_init_fn(initial);
    }
    return CREW_OK;
}

static int model_fn(struct crew_graph *g,
                    const struct crew_features *in,
                    struct crew_node *y,
                    enum crew_mode mode,
                    const struct crew_params *unused,
                    struct crew_spec *s,
                    struct crew_err *err)
{
    struct crew_node *logits =
        crew_dense(g, NULL, crew_feature(in, "x"), 2, CREW_LINEAR);

    (void)unused;
    crew_spec_prediction(s, "logits", logits);
    if (mode != CREW_PREDICT) {
        crew_spec_loss(s, crew_sparse_softmax_cross_entropy(g, y, logits));
    }
    crew_spec_minimize(s, crew_gradient_descent(0.1));
    crew_spec_scaffold(s, (struct crew_scaffold){.init_fn = init_fn});
    return crew_graph_status(g, err);
}

const struct crew_job job = {CREW_ABI_VERSION, "nulls", model_fn, NULL};

static void fatal(const char *what, const struct crew_err *err)
{
    (void)fprintf(stderr, "%s: %s\n", what, err->msg);
    exit(1);
}

void bed_make_estimator(void)
{
    struct crew_estimator_args args = {.model_dir = model_dir};
    struct crew_train_args steps = {.max_steps = 1};
    struct crew_err err = {0};

    log_set_level(LOG_ERROR);
    (void)snprintf(model_dir, sizeof model_dir, "/tmp/crew-nulls-XXXXXX");
    if (mkdtemp(model_dir) == NULL ||
        crew_estimator_new(&job, &args, &estimator, &err) != CREW_OK ||
        crew_estimator_train(estimator, input_fn, &steps, &err) != CREW_OK) {
        fatal("the Estimator", &err);
    }
}

static void make_spec(void)
{
    spec = spec_new(graph);
    crew_spec_loss(spec, crew_reduce_mean(graph, a));
    crew_spec_prediction(spec, "good", a);
    crew_spec_minimize(spec, crew_gradient_descent(0.1));
}

static int evaluate(void *self,
                    struct memory_evaluation *what,
                    struct crew_err *err)
{
    (void)self, (void)what, (void)err;
    return CREW_OK;
}

void bed_make(void)
{
    static struct feature_entry entry;

    the_err = (struct crew_err){0};
    the_code = CREW_OK;
    the_dataset = NULL;
    the_hook = (struct crew_hook){0};
    graph = graph_new();
    a = graph_input(graph, "a", CREW_FLOAT, crew_shape2(-1, 4));
    b = graph_input(graph, "b", CREW_FLOAT, crew_shape2(-1, 4));
    ids = graph_input(graph, "ids", CREW_INT64, crew_shape1(-1));
    entry = (struct feature_entry){.key = "a", .node = a};
    features = features_new(graph, &entry, 1);
    make_spec();
    params = params_new();
    hook_session_init(&the_session, env_posix(), graph);
    session = &the_session;
    session->model_dir = model_dir;
    session->eval_dir = model_dir;
    session->is_chief = true;
    session->host.evaluate = evaluate;
}

static int judge_spec(struct crew_err *err)
{
    if (spec_check_nodes(spec, graph, err) == CREW_OK &&
        spec_check(spec, CREW_TRAIN, err) == CREW_OK &&
        spec_check(spec, CREW_EVAL, err) == CREW_OK) {
        (void)spec_check(spec, CREW_PREDICT, err);
    }
    return err->code;
}

static int judge_hook(struct crew_err *err)
{
    hook_session_add(session, the_hook);
    (void)hook_session_begin(session, err);
    hook_session_release(session);
    return err->code;
}

int bed_judge(enum kind kind, struct crew_err *err)
{
    switch (kind) {
        case POISONS:
            return crew_graph_status(graph, err);
        case SPEC:
            return judge_spec(err);
        case DATASET:
            (void)dataset_check(the_dataset, err);
            dataset_free(the_dataset);
            return err->code;
        case HOOK:
            return judge_hook(err);
        case PARAMS:
            return params_status(params, err);
        case REFUSED:
        case EXITS:
            *err = the_err;
            return the_code;
        default:
            return CREW_OK;
    }
}
