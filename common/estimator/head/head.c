/* SPDX-License-Identifier: Apache-2.0
 * Making heads: TensorFlow's checks of their arguments. */
#include "estimator/head/head.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "base/banned.h"

static const char *const kind_names[] = {
    [HEAD_BINARY] = "BinaryClassHead",
    [HEAD_MULTI_CLASS] = "MultiClassHead",
    [HEAD_MULTI_LABEL] = "MultiLabelHead",
    [HEAD_REGRESSION] = "RegressionHead",
    [HEAD_POISSON] = "PoissonRegressionHead",
    [HEAD_LOGISTIC] = "LogisticRegressionHead"};

bool head_is_regression(const struct crew_head *h)
{
    return h->kind >= HEAD_REGRESSION;
}

char *head_keep(struct crew_graph *g, char *text)
{
    graph_own(g, text, free);
    return text;
}

const char *head_key(const struct crew_head *h, const char *key)
{
    return h->o.name == NULL
               ? head_keep(h->graph, xstrdup(key))
               : head_keep(h->graph, xasprintf("%s/%s", key, h->o.name));
}

struct crew_labels head_labels(const struct crew_head *h)
{
    return (struct crew_labels){
        .names = h->o.label_vocabulary,
        .n = h->kind == HEAD_BINARY ? 2 : h->logits_dimension};
}

int64_t crew_head_logits_dimension(const struct crew_head *h)
{
    return h != NULL ? h->logits_dimension : 0;
}

/* ----------------------------------------------------------------- options */

static void fault(struct crew_head *h, char *text)
{
    (void)graph_fail(h->graph, "%s: %s", kind_names[h->kind], text);
    free(text);
}

static void *copied(struct crew_graph *g, const void *data, size_t size)
{
    void *own = xmalloc(size + 1);

    memcpy(own, data, size);
    graph_own(g, own, free);
    return own;
}

static void copy_words(struct crew_head *h)
{
    struct crew_head_options *o = &h->o;
    size_t n = (size_t)o->vocabulary_size;
    const char **words;

    if (o->name != NULL) {
        o->name = head_keep(h->graph, xstrdup(o->name));
    }
    if (o->weight_column != NULL) {
        o->weight_column = head_keep(h->graph, xstrdup(o->weight_column));
    }
    if (o->label_vocabulary == NULL) {
        return;
    }
    words = xcalloc(n + 1, sizeof *words);
    graph_own(h->graph, (void *)words, free);
    for (size_t i = 0; i < n; i++) {
        const char *word = o->label_vocabulary[i];

        if (word == NULL) {
            fault(h, xasprintf("label_vocabulary[%zu] is NULL", i));
        }
        words[i] = head_keep(h->graph, xstrdup(word != NULL ? word : ""));
    }
    o->label_vocabulary = words;
}

static void copy_numbers(struct crew_head *h)
{
    struct crew_head_options *o = &h->o;

    if (o->thresholds != NULL) {
        o->thresholds = copied(h->graph, o->thresholds,
                               (size_t)o->num_thresholds * sizeof(float));
    }
    if (o->classes_for_class_based_metrics != NULL) {
        o->classes_for_class_based_metrics =
            copied(h->graph, o->classes_for_class_based_metrics,
                   (size_t)o->num_classes_for_metrics * sizeof(int64_t));
    }
}

/* Numbers that go with no list, or a list without a number: they count as
 * neither from here on. */
static void check_lists(struct crew_head *h)
{
    struct crew_head_options *o = &h->o;

    if (o->num_thresholds < 0 ||
        (o->num_thresholds > 0) != (o->thresholds != NULL)) {
        fault(h, xasprintf("thresholds and num_thresholds (%d) do not go "
                           "together",
                           o->num_thresholds));
        o->thresholds = NULL;
        o->num_thresholds = 0;
    }
    if (o->vocabulary_size < 0 ||
        (o->vocabulary_size > 0) != (o->label_vocabulary != NULL)) {
        fault(h, xasprintf("label_vocabulary and vocabulary_size (%lld) do not "
                           "go together",
                           (long long)o->vocabulary_size));
        o->label_vocabulary = NULL;
        o->vocabulary_size = 0;
    }
    if (o->num_classes_for_metrics < 0 ||
        (o->num_classes_for_metrics > 0) !=
            (o->classes_for_class_based_metrics != NULL)) {
        fault(h, xasprintf("classes_for_class_based_metrics and "
                           "num_classes_for_metrics (%d) do not go together",
                           o->num_classes_for_metrics));
        o->classes_for_class_based_metrics = NULL;
        o->num_classes_for_metrics = 0;
    }
}

static void check_thresholds(struct crew_head *h)
{
    bool multi = h->kind == HEAD_MULTI_LABEL;

    if (h->o.num_thresholds > 0 && !multi && h->kind != HEAD_BINARY) {
        fault(h, xstrdup("has no thresholds. Fix: leave them out"));
    }
    for (int i = 0; i < h->o.num_thresholds; i++) {
        float t = h->o.thresholds[i];

        if (!(t > 0.0f && t < 1.0f)) { /* NaN too */
            fault(h, multi ? xasprintf("thresholds must be in (0, 1) range. "
                                       "Given: %g",
                                       (double)t)
                           : xasprintf("thresholds not in (0, 1): %g.",
                                       (double)t));
        }
    }
}

static void check_vocabulary(struct crew_head *h)
{
    int64_t n = h->o.vocabulary_size, wanted = head_labels(h).n;

    if (n == 0) {
        return;
    }
    if (head_is_regression(h)) {
        fault(h, xstrdup("has no label_vocabulary. Fix: leave it out"));
    } else if (n != wanted) {
        fault(h, h->kind == HEAD_MULTI_LABEL
                     ? xasprintf("Length of label_vocabulary must be n_classes "
                                 "(%lld). Given: %lld",
                                 (long long)wanted, (long long)n)
                     : xasprintf("\"label_vocabulary\" does not have "
                                 "\"n_classes\" items. "
                                 "len(label_vocabulary)=%lld, n_classes=%lld",
                                 (long long)n, (long long)wanted));
    }
}

static void check_classes(struct crew_head *h)
{
    if (h->o.num_classes_for_metrics > 0 && h->kind != HEAD_MULTI_LABEL) {
        fault(h, xstrdup("has no classes_for_class_based_metrics. Fix: leave "
                         "them out"));
    }
    for (int i = 0; i < h->o.num_classes_for_metrics; i++) {
        int64_t c = h->o.classes_for_class_based_metrics[i];

        if (c < 0 || c >= h->logits_dimension) {
            fault(h,
                  xasprintf("All classes_for_class_based_metrics must be in "
                            "range [0, %lld]. Given: %lld",
                            (long long)h->logits_dimension - 1, (long long)c));
        }
    }
}

static void check_functions(struct crew_head *h)
{
    if (h->o.inverse_link_fn != NULL && h->kind != HEAD_REGRESSION) {
        fault(h, xstrdup("has no inverse_link_fn. Fix: RegressionHead has"));
    }
    if (h->o.loss_fn != NULL &&
        (h->kind == HEAD_POISSON || h->kind == HEAD_LOGISTIC)) {
        fault(h, xstrdup("has no loss_fn. Fix: RegressionHead has"));
    }
    if (h->o.no_full_loss && h->kind != HEAD_POISSON) {
        fault(h, xstrdup("has no compute_full_loss. Fix: "
                         "PoissonRegressionHead has"));
    }
}

static void check_reduction(struct crew_head *h)
{
    static const enum crew_loss_reduction reductions[] = {
        [CREW_HEAD_SUM_OVER_BATCH_SIZE] = CREW_LOSS_SUM_OVER_BATCH_SIZE,
        [CREW_HEAD_SUM] = CREW_LOSS_SUM,
        [CREW_HEAD_MEAN] = CREW_LOSS_MEAN,
        [CREW_HEAD_SUM_BY_NONZERO_WEIGHTS] = CREW_LOSS_SUM_BY_NONZERO_WEIGHTS};
    int given = (int)h->o.loss_reduction;

    h->reduction = h->keras ? CREW_LOSS_SUM_OVER_BATCH_SIZE : CREW_LOSS_SUM;
    if (given == CREW_HEAD_DEFAULT) {
        return;
    }
    if (given < 0 ||
        given > (h->keras ? CREW_HEAD_SUM : CREW_HEAD_SUM_BY_NONZERO_WEIGHTS)) {
        fault(h, xasprintf("Invalid loss_reduction: %d. See enum "
                           "crew_head_reduction for valid options.%s",
                           given,
                           given == CREW_HEAD_MEAN ||
                                   given == CREW_HEAD_SUM_BY_NONZERO_WEIGHTS
                               ? " This one is of version 1"
                               : ""));
        return;
    }
    h->reduction = reductions[given];
}

static struct crew_head *head_new(struct crew_graph *g,
                                  enum head_kind kind,
                                  int64_t logits_dimension,
                                  const struct crew_head_options *o)
{
    struct crew_head *h;

    if (g == NULL) {
        return NULL;
    }
    h = xcalloc(1, sizeof *h);
    graph_own(g, h, free);
    h->graph = g;
    h->kind = kind;
    h->logits_dimension = logits_dimension;
    h->labels_dimension = kind == HEAD_MULTI_CLASS ? 1 : logits_dimension;
    if (o != NULL) {
        h->o = *o;
    }
    h->keras = h->o.version != 1;
    if (h->o.version < 0 || h->o.version > 2) {
        fault(h, xasprintf("version is %d. Fix: 1 or 2", h->o.version));
    }
    check_lists(h);
    check_thresholds(h);
    check_vocabulary(h);
    check_classes(h);
    check_functions(h);
    check_reduction(h);
    copy_words(h);
    copy_numbers(h);
    return h;
}

/* ------------------------------------------------------------------- heads */

struct crew_head *crew_binary_class_head(struct crew_graph *g,
                                         const struct crew_head_options *o)
{
    return head_new(g, HEAD_BINARY, 1, o);
}

struct crew_head *crew_multi_class_head(struct crew_graph *g,
                                        int64_t n_classes,
                                        const struct crew_head_options *o)
{
    if (n_classes <= 2) {
        (void)graph_fail(g, "MultiClassHead: n_classes must be > 2: %lld.",
                         (long long)n_classes);
        n_classes = 3;
    }
    return head_new(g, HEAD_MULTI_CLASS, n_classes, o);
}

struct crew_head *crew_multi_label_head(struct crew_graph *g,
                                        int64_t n_classes,
                                        const struct crew_head_options *o)
{
    if (n_classes < 2) {
        (void)graph_fail(g,
                         "MultiLabelHead: n_classes must be > 1 for "
                         "multi-label classification. Given: %lld",
                         (long long)n_classes);
        n_classes = 2;
    }
    return head_new(g, HEAD_MULTI_LABEL, n_classes, o);
}

static struct crew_head *regression(struct crew_graph *g,
                                    enum head_kind kind,
                                    int64_t label_dimension,
                                    const struct crew_head_options *o)
{
    if (label_dimension < 1) {
        (void)graph_fail(g, "%s: Invalid label_dimension %lld.",
                         kind_names[kind], (long long)label_dimension);
        label_dimension = 1;
    }
    return head_new(g, kind, label_dimension, o);
}

struct crew_head *crew_regression_head(struct crew_graph *g,
                                       int64_t label_dimension,
                                       const struct crew_head_options *o)
{
    return regression(g, HEAD_REGRESSION, label_dimension, o);
}

struct crew_head *crew_poisson_regression_head(
    struct crew_graph *g,
    int64_t label_dimension,
    const struct crew_head_options *o)
{
    return regression(g, HEAD_POISSON, label_dimension, o);
}

struct crew_head *crew_logistic_regression_head(
    struct crew_graph *g,
    const struct crew_head_options *o)
{
    return regression(g, HEAD_LOGISTIC, 1, o);
}
