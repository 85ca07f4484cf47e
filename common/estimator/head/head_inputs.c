/* SPDX-License-Identifier: Apache-2.0
 * Logits, labels and weights as a head takes them: base_head.py's checks. */
#include <stdlib.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "estimator/head/head.h"
#include "graph/op.h"
#include "graph/owner.h"
#include "base/banned.h"

/* "(None, 3)" */
static char *shape_words(const struct crew_shape *shape)
{
    struct strbuf out;

    strbuf_init(&out);
    strbuf_addstr(&out, "(");
    for (int i = 0; i < shape->rank; i++) {
        strbuf_addstr(&out, i > 0 ? ", " : "");
        if (shape->dim[i] < 0) {
            strbuf_addstr(&out, "None");
        } else {
            strbuf_addf(&out, "%lld", (long long)shape->dim[i]);
        }
    }
    strbuf_addstr(&out, shape->rank == 1 ? ",)" : ")");
    return strbuf_detach(&out);
}

/* Is it a node of this graph, no list of any length? What is wrong is said. */
static bool is_dense(struct head_parts *p,
                     const char *what,
                     const struct crew_node *x)
{
    if (!graph_takes(p->g, what, x)) {
        return false;
    }
    if (x->ragged) {
        (void)graph_fail(p->g,
                         "%s: lists of any length (SparseTensor) are not "
                         "supported. Fix: a dense tensor",
                         what);
        return false;
    }
    return true;
}

/* (b) as (b, 1). */
static struct crew_node *as_column(struct crew_graph *g, struct crew_node *x)
{
    return x->shape.rank == 1
               ? crew_reshape(g, x, crew_shape2(x->shape.dim[0], 1))
               : x;
}

/* ------------------------------------------------------------------ logits */

void head_check_logits(struct head_parts *p)
{
    struct crew_node *x = p->args->logits;
    int64_t n = p->head->logits_dimension;
    char *shape;

    p->logits = graph_poison(p->g);
    if (!is_dense(p, "logits", x)) {
        return;
    }
    x = x->dtype == CREW_FLOAT ? x : crew_to_float(p->g, x);
    if (x->shape.rank == 2 && x->shape.dim[1] == n) {
        p->logits = x;
        return;
    }
    shape = shape_words(&x->shape);
    (void)graph_fail(p->g,
                     "logits shape must be [D0, D1, ... DN, logits_dimension], "
                     "got %s. logits_dimension is %lld, and there is one D "
                     "here, the batch",
                     shape, (long long)n);
    free(shape);
}

/* ------------------------------------------------------------------ labels */

static bool is_integer(const struct crew_node *x)
{
    return x->dtype == CREW_INT32 || x->dtype == CREW_INT64;
}

/* A label that is no class ends the run. */
static struct crew_node *in_range(struct head_parts *p,
                                  struct crew_node *x,
                                  int64_t n_classes,
                                  const char *message)
{
    union op_attr attr = {.range = {n_classes - 1, message, message}};

    if (message == NULL) {
        attr.range.above = p->head->keras ? "Labels must be <= n_classes - 1"
                                          : "Labels must <= n_classes - 1";
        attr.range.below =
            p->head->keras ? "Labels must be >= 0" : "Labels must >= 0";
    }
    return graph_add(p->g, &op_label_range, "check_label_range", 1, &x, attr);
}

/* Labels (b, n); NULL: they are not, which has been said. */
static struct crew_node *shaped(struct head_parts *p, struct crew_node *x)
{
    int64_t n = p->head->labels_dimension;
    const struct crew_shape *shape;

    x = as_column(p->g, x);
    shape = &x->shape;
    if (graph_broken(p->g)) {
        return NULL;
    }
    if (shape->rank == 2 && shape->dim[1] == n) {
        return x;
    }
    if (shape->rank < 2) {
        (void)graph_fail(p->g,
                         "labels must have rank at least 2.  Received rank %d, "
                         "shape ()",
                         shape->rank);
    } else if (shape->dim[shape->rank - 1] != n) {
        (void)graph_fail(
            p->g,
            "Mismatched label shape. Expected labels dimension=%lld.  Received "
            "%lld. Suggested Fix: If your classifier expects one-hot encoding "
            "label, check your n_classes argument to the estimator and/or the "
            "shape of your label. Otherwise, check the shape of your label.",
            (long long)n, (long long)shape->dim[shape->rank - 1]);
    } else {
        char *text = shape_words(shape);

        (void)graph_fail(
            p->g,
            "labels shape must be [D0, D1, ... DN, %lld]. Suggested Fix: check "
            "your n_classes argument to the head and/or the shape of your "
            "label., expected_labels_shape: (None, %lld). labels_shape: %s.",
            (long long)n, (long long)n, text);
        free(text);
    }
    return NULL;
}

void head_check_labels(struct head_parts *p)
{
    struct crew_head *h = p->head;
    struct crew_node *x = p->args->labels;

    p->labels = graph_poison(p->g);
    if (x == NULL) {
        (void)graph_fail(
            p->g,
            "You must provide a labels Tensor. Given: None. Suggested "
            "troubleshooting steps: Check that your data contains your label "
            "feature. Check that your input_fn properly parses and returns "
            "labels.");
        return;
    }
    if (!is_dense(p, "labels", x) || (x = shaped(p, x)) == NULL) {
        return;
    }
    if (h->kind == HEAD_MULTI_CLASS && !is_integer(x)) {
        (void)graph_fail(p->g,
                         "Labels dtype should be integer. Instead got <dtype: "
                         "'%s'>.",
                         dtype_name(x->dtype));
        return;
    }
    if (h->kind == HEAD_MULTI_LABEL) {
        p->labels = in_range(p, x, 2,
                             "labels must be an integer indicator Tensor with "
                             "values in [0, 1]");
    } else if (h->kind == HEAD_MULTI_CLASS) {
        p->labels = in_range(p, x, h->logits_dimension, NULL);
    } else {
        x = x->dtype == CREW_FLOAT ? x : crew_to_float(p->g, x);
        p->labels = h->kind == HEAD_BINARY ? in_range(p, x, 2, NULL)
                    : h->kind == HEAD_LOGISTIC
                        ? in_range(p, x, 2, "Labels must be in range [0, 1]")
                        : x;
    }
}

/* ----------------------------------------------------------------- weights */

static void wrong_weights(struct head_parts *p, const struct crew_node *w)
{
    char *a = shape_words(&p->logits->shape), *b = shape_words(&w->shape);

    (void)graph_fail(p->g,
                     "weights shape must be [D0, D1, ... DN]%s [D0, D1, ... "
                     "DN, 1]%s, logits_shape: %s. weights_shape: %s.",
                     head_is_regression(p->head) ? "," : " or",
                     head_is_regression(p->head)
                         ? " or [D0, D1, ... DN, logits_dimension]"
                         : "",
                     a, b);
    free(a);
    free(b);
}

void head_find_weights(struct head_parts *p)
{
    const char *column = p->head->o.weight_column;
    struct crew_node *w = p->args->weights;

    if (w == NULL && column == NULL) {
        return;
    }
    if (w != NULL && column != NULL) {
        (void)graph_fail(
            p->g, "weights and weight_column '%s' cannot both be set.", column);
        return;
    }
    if (w == NULL && p->args->features == NULL) {
        (void)graph_fail(p->g,
                         "weight_column '%s' is a feature, but features is "
                         "NULL. Fix: hand over the model function's",
                         column);
        return;
    }
    w = w != NULL ? w : crew_feature(p->args->features, column);
    if (!is_dense(p, "weights", w)) {
        return;
    }
    w = as_column(p->g, w->dtype == CREW_FLOAT ? w : crew_to_float(p->g, w));
    if (graph_broken(p->g)) {
        return;
    }
    if (w->shape.rank == 2 &&
        (w->shape.dim[1] == 1 ||
         (head_is_regression(p->head) &&
          w->shape.dim[1] == p->head->logits_dimension))) {
        p->weights = w;
        return;
    }
    wrong_weights(p, w);
}
