/* SPDX-License-Identifier: Apache-2.0
 * The mean of something, and accuracy, which is the mean of being right. */
#include "metrics/metrics.h"

#include <stdlib.h>

#include "base/mem.h"
#include "graph/node.h"

#include "base/banned.h"

struct crew_metric {
    struct crew_node *values; /* the mean of this ... */
    struct crew_node *labels; /* ... or of values == labels, if not NULL */
};

static struct crew_metric *add_metric(struct crew_graph *g,
                                      struct crew_node *values,
                                      struct crew_node *labels)
{
    struct crew_metric *m = xcalloc(1, sizeof *m);

    m->values = values;
    m->labels = labels;
    graph_own(g, m, free);
    return m;
}

struct crew_metric *crew_metric_mean(struct crew_graph *g, struct crew_node *x)
{
    if (!graph_broken(g) && x == NULL) {
        (void)graph_fail(g, "crew_metric_mean: its operand is NULL");
    } else if (!graph_broken(g) && x->dtype != CREW_FLOAT) {
        (void)graph_fail(g, "crew_metric_mean: %s is %s, must be float32",
                         x->name, dtype_name(x->dtype));
    }
    return add_metric(g, x, NULL);
}

struct crew_metric *crew_metric_accuracy(struct crew_graph *g,
                                         struct crew_node *labels,
                                         struct crew_node *classes)
{
    if (!graph_broken(g) && (labels == NULL || classes == NULL)) {
        (void)graph_fail(g,
                         "crew_metric_accuracy: %s are NULL. Fix: make no "
                         "metrics in CREW_PREDICT",
                         labels == NULL ? "labels" : "classes");
    } else if (!graph_broken(g) &&
               (labels->dtype == CREW_FLOAT || classes->dtype == CREW_FLOAT ||
                !shape_equal(&labels->shape, &classes->shape))) {
        (void)graph_fail(
            g,
            "crew_metric_accuracy: %s and %s must be integers of one "
            "shape",
            labels->name, classes->name);
    }
    return add_metric(g, classes, labels);
}

int metric_inputs(const struct crew_metric *m, struct crew_node *nodes[2])
{
    nodes[0] = m->values;
    nodes[1] = m->labels;
    return m->labels == NULL ? 1 : 2;
}

static int64_t count_of(const struct crew_shape *shape)
{
    int64_t n = 1;

    for (int i = 0; i < shape->rank; i++) {
        n *= shape->dim[i];
    }
    return n;
}

void metric_update(const struct crew_metric *m,
                   struct metric_state *s,
                   const struct plan *p)
{
    struct crew_shape shape;
    const void *values = plan_value(p, m->values, &shape);
    int64_t n = count_of(&shape);

    if (m->labels == NULL) {
        for (int64_t i = 0; i < n; i++) {
            s->total += (double)((const float *)values)[i];
        }
    } else {
        const int64_t *labels = plan_value(p, m->labels, &shape);

        for (int64_t i = 0; i < n; i++) {
            s->total += ((const int64_t *)values)[i] == labels[i] ? 1.0 : 0.0;
        }
    }
    s->count += (double)n;
}

float metric_value(const struct metric_state *s)
{
    return s->count == 0.0 ? 0.0f : (float)(s->total / s->count);
}
