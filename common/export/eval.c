/* SPDX-License-Identifier: Apache-2.0
 * The metrics of an export of the EVAL graph, as TensorFlow's
 * saved_model/model_utils/export_output.py (EvalOutput) names them. */
#include <stdlib.h>

#include "base/mem.h"
#include "export/build.h"
#include "metrics/metrics.h"

#include "base/banned.h"

int export_metric_inputs(const struct export_request *q,
                         struct crew_node **nodes)
{
    struct crew_node *own[METRIC_MAX_INPUTS];
    int n = 0;

    for (int i = 0; i < q->n_metrics; i++) {
        int count = metric_inputs(q->metrics[i].metric, own);

        for (int k = 0; nodes != NULL && k < count; k++) {
            nodes[n + k] = own[k];
        }
        n += count;
    }
    return n;
}

static struct export_info output(struct graphdef *g,
                                 const char *key,
                                 const char *what,
                                 const char *node,
                                 const struct crew_shape *shape)
{
    char *own_key = xasprintf("metrics/%s/%s", key, what);
    char *own_tensor = xasprintf("%s:0", node);
    struct export_info info = {graphdef_keep(g, own_key),
                               graphdef_keep(g, own_tensor), CREW_FLOAT,
                               *shape};

    free(own_tensor);
    free(own_key);
    return info;
}

int export_metrics(const struct export_request *q,
                   struct graphdef *g,
                   struct export_resolved *r,
                   struct crew_err *err)
{
    for (int i = 0; i < q->n_metrics; i++) {
        const struct export_metric *m = &q->metrics[i];
        struct metric_nodes nodes;

        if (metric_emit(m->metric, g, &nodes, err) != CREW_OK) {
            return crew_err_wrap(err, "metric '%s'", m->key);
        }
        r->out[r->n_out++] =
            output(g, m->key, "value", nodes.value, &nodes.shape);
        r->out[r->n_out++] =
            output(g, m->key, "update_op", nodes.update, &nodes.shape);
    }
    return CREW_OK;
}
