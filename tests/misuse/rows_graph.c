/* SPDX-License-Identifier: Apache-2.0
 * Errors, parameters, optimizers, and the graph's functions that have more than
 * nodes for operands. */
#include "nulls.h"

static const int64_t boundaries[] = {1}, padding[CREW_MAX_RANK];
static const double values[] = {1, 2};
static const float thresholds[] = {0.5f};
static const int axes[] = {1};

static int fails(int code)
{
    return code == CREW_NOT_FOUND ? CREW_OK : CREW_UNKNOWN;
}

static struct crew_node *concat_of(struct crew_node *first,
                                   struct crew_node *second)
{
    struct crew_node *xs[] = {first, second};

    return crew_concat(graph, xs, 2, 1);
}

static struct crew_node *concat_in(struct crew_graph *g, bool null)
{
    struct crew_node *xs[] = {a, b};

    return crew_concat(g, null ? NULL : xs, 2, 1);
}

static int forward(void *self,
                   const struct crew_op_call *call,
                   struct crew_err *err)
{
    (void)self, (void)call, (void)err;
    return CREW_OK;
}

static struct crew_node *custom_of(const char *name,
                                   int (*f)(void *,
                                            const struct crew_op_call *,
                                            struct crew_err *),
                                   struct crew_node *in)
{
    struct crew_op op = {.name = name, .forward = f};

    return crew_custom_op(graph, &op, NULL, &in, 1);
}

static const struct crew_op mine = {.name = "mine", .forward = forward};
static struct crew_optimizer optimizer = {.kind = CREW_GRADIENT_DESCENT,
                                          .learning_rate = 0.1f};
static struct crew_embedding weighted(struct crew_node *weights)
{
    return (struct crew_embedding){.weights = weights};
}

static int push(struct crew_graph *g, const char *name)
{
    crew_scope_push(g, name);
    crew_scope_pop(g);
    return 0;
}

static struct crew_node *table(void)
{
    return crew_variable(graph, "table", crew_shape2(5, 2), crew_init_zeros());
}

static struct crew_node *scaled(void)
{
    return crew_scale(graph, a, 2);
}

static struct crew_node *per_id(void)
{
    return crew_to_float(graph, ids);
}

static const struct crew_op *op(void)
{
    return &mine;
}

static void *op_self(void)
{
    static int self;

    return &self;
}

static struct crew_node *const *operands(void)
{
    static struct crew_node *in[1];

    in[0] = a;
    return in;
}

static int moving(struct crew_graph *g, bool unused)
{
    struct crew_node *v =
        crew_variable_fixed(graph, "v", crew_scalar_shape(), crew_init_zeros());
    struct crew_node *value = crew_reduce_mean(graph, a);

    (void)unused;
    crew_assign_moving_average(g, P(v), P(value), 0.9);
    return 0;
}

static int scheduled(struct crew_schedule schedule)
{
    struct crew_optimizer o = crew_gradient_descent(0.1);

    o.schedule = schedule;
    crew_spec_minimize(spec, o);
    return 0;
}

#define ROWS(X)                                                               \
    X(REFUSED, crew_err_set, all,                                             \
      fails(crew_err_set(ERR, CREW_NOT_FOUND, N("%s"), "x")))                 \
    X(REFUSED, crew_err_exit, all,                                            \
      fails(crew_err_exit(ERR, CREW_NOT_FOUND, 1, N("%s"), "x")))             \
    X(CALM, crew_err_wrap, all, crew_err_wrap(ERR, N("%s"), "x"))             \
    X(CALM, crew_err_exit_code, all, crew_err_exit_code(ERR))                 \
    X(PARAMS, crew_params_float, key,                                         \
      crew_params_float(P(params), P("key"), 0.5))                            \
    X(PARAMS, crew_params_int, key, crew_params_int(P(params), P("key"), 5))  \
    X(PARAMS, crew_params_bool, key,                                          \
      crew_params_bool(P(params), P("key"), true))                            \
    X(PARAMS, crew_params_str, key,                                           \
      crew_params_str(P(params), P("key"), N("fallback")))                    \
    X(REFUSED, crew_graph_status, graph, crew_graph_status(P(graph), ERR))    \
    X(POISONS, crew_feature, key, crew_feature(P(features), P("a")))          \
    X(POISONS, crew_scope_push, name, push(P(graph), P("name")))              \
    X(CALM, crew_scope_pop, graph, crew_scope_pop(P(graph)))                  \
    X(POISONS, crew_variable, name,                                           \
      crew_variable(P(graph), P("name"), crew_shape1(2), crew_init_zeros()))  \
    X(POISONS, crew_variable_fixed, name,                                     \
      crew_variable_fixed(P(graph), P("name"), crew_shape1(2),                \
                          crew_init_zeros()))                                 \
    X(POISONS, crew_assign_moving_average, v, moving(P(graph), false))        \
    X(POISONS, crew_named, name,                                              \
      crew_named(P(graph), AS("a", scaled()), P("name")))                     \
    X(POISONS, crew_reduce, axes,                                             \
      crew_reduce(P(graph), CREW_REDUCE_SUM, P(a), P(axes), 1, false))        \
    X(POISONS, crew_dense, name,                                              \
      crew_dense(P(graph), N("name"), P(a), 2, CREW_RELU))                    \
    X(POISONS, crew_concat, list, concat_of(P(a), P(b)))                      \
    X(POISONS, crew_concat, graph, concat_in(P(graph), false))                \
    X(POISONS, crew_pad, before,                                              \
      crew_pad(P(graph), P(a), P(padding), P(padding)))                       \
    X(POISONS, crew_embedding_lookup_sparse, weights,                         \
      crew_embedding_lookup_sparse(P(graph), table(), P(ids),                 \
                                   weighted(N(per_id()))))                    \
    X(POISONS, crew_custom_op, op,                                            \
      crew_custom_op(P(graph), P(op()), N(op_self()), P(operands()), 1))      \
    X(POISONS, crew_custom_op, parts, custom_of(P("name"), P(forward), P(a))) \
    X(POISONS, crew_metric_recall_at_thresholds, thresholds,                  \
      crew_metric_recall_at_thresholds(P(graph), P(a), P(b), P(thresholds),   \
                                       1))                                    \
    X(CALM, crew_learning_rate, optimizer,                                    \
      crew_learning_rate(P(&optimizer), 5))                                   \
    X(SPEC, crew_piecewise_constant, lists,                                   \
      scheduled(crew_piecewise_constant(P(boundaries), P(values), 1)))

ROWS(ROW_FUNCTION)
const struct row graph_rows[] = {ROWS(ROW)};
const int num_graph_rows = NUM_OF(graph_rows);
