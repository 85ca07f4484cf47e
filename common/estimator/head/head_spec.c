/* SPDX-License-Identifier: Apache-2.0
 * create_estimator_spec: a call of a head. */
#include "estimator/head/head.h"
#include "graph/layers.h"
#include "graph/owner.h"
#include "base/banned.h"

/* The optimizer of CREW_TRAIN. What the job has said before stands for
 * train_op_fn. */
static void add_optimizer(const struct head_parts *p, struct crew_spec *spec)
{
    bool said = spec->optimizers.n > 0;

    if (said && p->args->optimizer != NULL) {
        (void)graph_fail(p->g,
                         "train_op_fn and optimizer cannot both be set. "
                         "crew_spec_minimize has been called");
    } else if (!said && p->args->optimizer == NULL) {
        (void)graph_fail(p->g,
                         "train_op_fn and optimizer cannot both be None. Fix: "
                         "an optimizer, or crew_spec_minimize before");
    } else if (!said) {
        crew_spec_minimize(spec, *p->args->optimizer);
    }
}

/* "loss" without a name is the Estimator's own. */
static void add_summaries(const struct head_parts *p, struct crew_spec *spec)
{
    const struct crew_head *h = p->head;

    if (h->o.name != NULL) {
        crew_spec_summary(spec, head_key(h, "loss"), p->total_loss);
    }
    if (!h->keras && h->reduction == CREW_LOSS_SUM) {
        crew_spec_summary(
            spec, head_key(h, "average_loss"),
            loss_reduce(p->g, p->unreduced, p->weights, CREW_LOSS_MEAN));
    }
    if (p->args->regularization_loss != NULL) {
        crew_spec_summary(spec, head_key(h, "regularization_loss"),
                          p->args->regularization_loss);
    }
}

static void fill(struct head_parts *p, struct crew_spec *spec)
{
    const char *name = p->head->o.name;
    enum crew_mode mode = p->args->mode;

    layer_push(p->g, NULL, name != NULL ? name : "head");
    head_check_logits(p);
    head_make_predictions(p);
    head_add_predictions(p, spec);
    if (mode == CREW_PREDICT) {
        head_add_exports(p, spec);
        crew_scope_pop(p->g);
        return;
    }
    head_make_losses(p);
    crew_spec_loss(spec, p->total_loss);
    if (mode == CREW_EVAL) {
        head_add_metrics(p, spec);
    }
    crew_scope_pop(p->g);
    if (mode == CREW_TRAIN) {
        add_optimizer(p, spec);
        add_summaries(p, spec);
    }
}

int crew_head_spec(struct crew_graph *g,
                   struct crew_head *head,
                   const struct crew_head_args *args,
                   struct crew_spec *spec,
                   struct crew_err *err)
{
    struct head_parts p = {.head = head, .g = g, .args = args};
    struct crew_err unheard = {0};

    err = err != NULL ? err : &unheard;
    if (g == NULL || args == NULL || spec == NULL) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "crew_head_spec: the %s is NULL",
                             g == NULL      ? "graph"
                             : args == NULL ? "args"
                                            : "spec");
    }
    if (!graph_keeps(g, head)) {
        (void)graph_fail(g, "crew_head_spec: the head is %s",
                         head == NULL ? "NULL" : "of another graph");
    } else if ((unsigned)args->mode > CREW_PREDICT) {
        (void)graph_fail(g, "crew_head_spec: mode=%d unrecognized",
                         (int)args->mode);
    } else {
        fill(&p, spec);
    }
    return crew_graph_status(g, err);
}
