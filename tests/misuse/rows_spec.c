/* SPDX-License-Identifier: Apache-2.0
 * What a model function hands over. */
#include "nulls.h"

static int freed;

static void count_free(void *self)
{
    (void)self;
    freed++;
}

static const struct crew_hook_ops hook_ops = {.free = count_free};

static const struct crew_hook_ops *ops(void)
{
    return &hook_ops;
}

static struct crew_hook hook_of(const struct crew_hook_ops *of)
{
    return (struct crew_hook){of, NULL};
}

static struct crew_metric *metric(void)
{
    return crew_metric_mean(graph, a);
}

static struct crew_node *scalar(void)
{
    return crew_reduce_mean(graph, a);
}

static struct crew_node *image(void)
{
    return crew_reshape(graph, a, (struct crew_shape){4, {-1, 2, 2, 1}});
}

static struct crew_labels labels_of(const char *name)
{
    static const char *names[4];

    for (int i = 0; i < 4; i++) {
        names[i] = i == 0 ? name : "other";
    }
    return (struct crew_labels){.names = names, .n = 4};
}

static struct crew_node *logit(void)
{
    return crew_dense(graph, NULL, a, 1, CREW_LINEAR);
}

static struct crew_head *head(void)
{
    return crew_regression_head(graph, 1, NULL);
}

static struct crew_head_args *head_args(void)
{
    static struct crew_head_args args;

    args = (struct crew_head_args){
        .mode = CREW_PREDICT, .features = features, .logits = logit()};
    return &args;
}

static struct crew_head_args *args_of(struct crew_node *logits)
{
    struct crew_head_args *args = head_args();

    args->logits = logits;
    return args;
}

#define OPTIONS N(&(struct crew_head_options){0})

#define ROWS(X)                                                               \
    X(POISONS, crew_binary_class_head, all,                                   \
      crew_binary_class_head(P(graph), OPTIONS))                              \
    X(POISONS, crew_multi_class_head, all,                                    \
      crew_multi_class_head(P(graph), 3, OPTIONS))                            \
    X(POISONS, crew_multi_label_head, all,                                    \
      crew_multi_label_head(P(graph), 3, OPTIONS))                            \
    X(POISONS, crew_regression_head, all,                                     \
      crew_regression_head(P(graph), 1, OPTIONS))                             \
    X(POISONS, crew_poisson_regression_head, all,                             \
      crew_poisson_regression_head(P(graph), 1, OPTIONS))                     \
    X(POISONS, crew_logistic_regression_head, all,                            \
      crew_logistic_regression_head(P(graph), OPTIONS))                       \
    X(CALM, crew_head_logits_dimension, head,                                 \
      crew_head_logits_dimension(P(head())))                                  \
    X(REFUSED, crew_head_spec, all,                                           \
      crew_head_spec(P(graph), AS("head", head()), AS("args", head_args()),   \
                     P(spec), ERR))                                           \
    X(REFUSED, crew_head_spec, parts,                                         \
      crew_head_spec(graph, head(), args_of(AS("logits", logit())), spec,     \
                     ERR))                                                    \
    X(SPEC, crew_spec_prediction, all,                                        \
      (crew_spec_prediction(P(spec), P("key"), P(a)), 0))                     \
    X(SPEC, crew_spec_loss, all, (crew_spec_loss(P(spec), P(scalar())), 0))   \
    X(SPEC, crew_spec_minimize, all,                                          \
      (crew_spec_minimize(P(spec), crew_gradient_descent(0.1)), 0))           \
    X(SPEC, crew_spec_minimize_scope, all,                                    \
      (crew_spec_minimize_scope(P(spec), P("scope"),                          \
                                crew_gradient_descent(0.1)),                  \
       0))                                                                    \
    X(SPEC, crew_spec_metric, all,                                            \
      (crew_spec_metric(P(spec), P("key"), P(metric())), 0))                  \
    X(SPEC, crew_spec_metric_image, all,                                      \
      (crew_spec_metric_image(P(spec), P("key"), P(image()), 1), 0))          \
    X(SPEC, crew_spec_metric_histogram, all,                                  \
      (crew_spec_metric_histogram(P(spec), P("key"), P(a)), 0))               \
    X(SPEC, crew_spec_metric_text, all,                                       \
      (crew_spec_metric_text(P(spec), P("key"), P("text")), 0))               \
    X(SPEC, crew_spec_signature, all,                                         \
      (crew_spec_signature(P(spec), P("signature")), 0))                      \
    X(SPEC, crew_spec_export_predict, all,                                    \
      (crew_spec_export_predict(P(spec), P("signature"), P("key"), P(a)), 0)) \
    X(SPEC, crew_spec_export_predict_labels, all,                             \
      (crew_spec_export_predict_labels(P(spec), P("signature"), P("key"),     \
                                       P(ids), labels_of(P("name"))),         \
       0))                                                                    \
    X(SPEC, crew_spec_export_classify, all,                                   \
      (crew_spec_export_classify(P(spec), P("signature"), P(a), N(NULL),      \
                                 labels_of(P("name"))),                       \
       0))                                                                    \
    X(SPEC, crew_spec_export_regress, all,                                    \
      (crew_spec_export_regress(P(spec), P("signature"), P(regressed())), 0)) \
    X(SPEC, crew_spec_summary, all,                                           \
      (crew_spec_summary(P(spec), P("tag"), P(scalar())), 0))                 \
    X(SPEC, crew_spec_summary_histogram, all,                                 \
      (crew_spec_summary_histogram(P(spec), P("tag"), P(a)), 0))              \
    X(SPEC, crew_spec_summary_variables, all,                                 \
      (crew_spec_summary_variables(P(spec), P(graph)), 0))                    \
    X(SPEC, crew_spec_summary_image, all,                                     \
      (crew_spec_summary_image(P(spec), P("name"), P(image()), 3), 0))        \
    X(SPEC, crew_spec_summary_text, all,                                      \
      (crew_spec_summary_text(P(spec), P("tag"), P("text")), 0))              \
    X(SPEC, crew_spec_scaffold, all,                                          \
      (crew_spec_scaffold(P(spec), (struct crew_scaffold){0}), 0))            \
    X(SPEC, crew_spec_hook, all,                                              \
      (crew_spec_hook(P(spec), P(ops()), N("self"), false), 0))               \
    X(SPEC, crew_spec_training_hook, all,                                     \
      (crew_spec_training_hook(P(spec), hook_of(P(ops()))), 0))               \
    X(SPEC, crew_spec_training_chief_hook, all,                               \
      (crew_spec_training_chief_hook(P(spec), hook_of(P(ops()))), 0))         \
    X(SPEC, crew_spec_evaluation_hook, all,                                   \
      (crew_spec_evaluation_hook(P(spec), hook_of(P(ops()))), 0))             \
    X(SPEC, crew_spec_prediction_hook, all,                                   \
      (crew_spec_prediction_hook(P(spec), hook_of(P(ops()))), 0))

static struct crew_node *regressed(void)
{
    return crew_reshape(graph, scalar(), crew_shape1(1));
}

ROWS(ROW_FUNCTION)
const struct row spec_rows[] = {ROWS(ROW)};
const int num_spec_rows = NUM_OF(spec_rows);
