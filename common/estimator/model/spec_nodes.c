/* SPDX-License-Identifier: Apache-2.0
 *
 * EstimatorSpec's checks of types and graphs: what a model function has handed
 * over must be tensors, metrics and hooks, and the tensors this graph's own.
 * Nothing that is pointed to is looked at before that is known. Source:
 * tensorflow_estimator's model_fn.py. */
#include "estimator/model/spec.h"
#include "graph/owner.h"
#include "base/banned.h"

/* name: a foreign node's own cannot be asked for, its graph may be gone. */
static int not_of_graph(const char *what,
                        const char *name,
                        struct crew_err *err)
{
    return crew_err_exit(
        err, CREW_INVALID_ARGUMENT, 1,
        "%s with \"%s\" must be from the default graph. Possible causes of "
        "this "
        "error include: 1) %s was created outside the context of the default "
        "graph. 2) The object passed through to EstimatorSpec was not created "
        "in the most recent call to \"model_fn\".",
        what, name, what);
}

static int check_predictions(const struct crew_spec *spec,
                             const struct crew_graph *graph,
                             struct crew_err *err)
{
    for (int i = 0; i < spec->num_predictions; i++) {
        const struct spec_prediction *p = &spec->predictions[i];

        if (p->node == NULL) {
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                                 "predictions[%s] must be Tensor, given: None",
                                 p->key);
        }
        if (!graph_owns(graph, p->node)) {
            return not_of_graph("prediction values", p->key, err);
        }
    }
    return CREW_OK;
}

static int check_summaries(const struct spec_summary *all,
                           int n,
                           const char *what,
                           const struct crew_graph *graph,
                           struct crew_err *err)
{
    for (int i = 0; i < n; i++) {
        const struct spec_summary *s = &all[i];

        if (s->kind == HOOK_TEXT ? s->text == NULL : s->node == NULL) {
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                                 "%s '%s' is of a Tensor, given: None", what,
                                 s->tag);
        }
        if (s->kind != HOOK_TEXT && !graph_owns(graph, s->node)) {
            return not_of_graph(what, s->tag, err);
        }
    }
    return CREW_OK;
}

static int check_hooks(const struct crew_spec *spec, struct crew_err *err)
{
    for (int i = 0; i < spec->num_hooks; i++) {
        if (spec->hooks[i].hook.ops == NULL) {
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                                 "All hooks must be SessionRunHook instances, "
                                 "given: one without ops");
        }
    }
    return CREW_OK;
}

int spec_check_nodes(const struct crew_spec *spec,
                     const struct crew_graph *graph,
                     struct crew_err *err)
{
    if (spec->loss != NULL && !graph_owns(graph, spec->loss)) {
        return not_of_graph("loss", "a node of another graph", err);
    }
    for (int i = 0; i < spec->num_metrics; i++) {
        if (spec->metrics[i].metric == NULL) {
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                                 "Values of eval_metric_ops must be "
                                 "(metric_value, update_op) tuples, given: "
                                 "None for key: %s",
                                 spec->metrics[i].key);
        }
        if (!graph_keeps(graph, spec->metrics[i].metric)) {
            return not_of_graph("eval_metric_ops", spec->metrics[i].key, err);
        }
    }
    if (check_predictions(spec, graph, err) != CREW_OK ||
        check_summaries(spec->summaries, spec->num_summaries, "summary", graph,
                        err) != CREW_OK ||
        check_summaries(spec->pictures, spec->num_pictures, "metric", graph,
                        err) != CREW_OK) {
        return err->code;
    }
    return check_hooks(spec, err);
}
