/* SPDX-License-Identifier: Apache-2.0
 * EstimatorSpec, and the public functions that fill it. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "estimator/model/spec.h"
#include "optim/optim.h"
#include "tensor/tensor.h"
#include "base/banned.h"

struct crew_spec *spec_new(const struct crew_graph *graph)
{
    struct crew_spec *spec = xcalloc(1, sizeof *spec);

    spec->graph = graph;
    strbuf_init(&spec->notes);
    return spec;
}

void spec_free(struct crew_spec *spec)
{
    if (spec == NULL) {
        return;
    }
    for (int i = 0; i < spec->num_hooks; i++) {
        hook_free(spec->hooks[i].hook);
    }
    for (int i = 0; i < spec->num_exports; i++) {
        free(spec->exports[i].outputs);
    }
    for (int i = 0; i < spec->num_summaries; i++) {
        free(spec->summaries[i].tag);
    }
    for (int i = 0; i < spec->num_pictures; i++) {
        free(spec->pictures[i].tag);
    }
    free(spec->pictures);
    strbuf_release(&spec->notes);
    free(spec->exports);
    free(spec->predictions);
    free(spec->metrics);
    free(spec->summaries);
    free(spec->hooks);
    free(spec);
}

static void *grown(void *items, int n, size_t size)
{
    return xrealloc(items, ((size_t)n + 1) * size);
}

void spec_predict(struct crew_spec *spec, struct spec_prediction p)
{
    if (spec == NULL) {
        return;
    }
    if (p.key == NULL) {
        (void)crew_err_exit(&spec->broken, CREW_INVALID_ARGUMENT, 1,
                            "a prediction's key is NULL");
        return;
    }
    for (int i = 0; i < spec->num_predictions; i++) {
        if (strcmp(spec->predictions[i].key, p.key) == 0) {
            (void)crew_err_exit(&spec->broken, CREW_INVALID_ARGUMENT, 1,
                                "prediction '%s' is given twice", p.key);
            return;
        }
    }
    spec->predictions = grown(spec->predictions, spec->num_predictions,
                              sizeof *spec->predictions);
    spec->predictions[spec->num_predictions++] = p;
}

void crew_spec_prediction(struct crew_spec *spec,
                          const char *key,
                          struct crew_node *node)
{
    spec_predict(spec, (struct spec_prediction){.key = key, .node = node});
}

void crew_spec_loss(struct crew_spec *spec, struct crew_node *loss)
{
    if (spec != NULL) {
        spec->loss = loss;
    }
}

void crew_spec_scaffold(struct crew_spec *spec, struct crew_scaffold scaffold)
{
    if (spec == NULL) {
        return;
    }
    if (scaffold.max_to_keep < 0 ||
        !(scaffold.keep_checkpoint_every_n_hours >= 0)) {
        (void)crew_err_exit(&spec->broken, CREW_INVALID_ARGUMENT, 1,
                            "scaffold: max_to_keep and "
                            "keep_checkpoint_every_n_hours should be >= 0, "
                            "given: %lld and %g",
                            (long long)scaffold.max_to_keep,
                            scaffold.keep_checkpoint_every_n_hours);
    }
    spec->scaffold = scaffold;
}

void crew_spec_minimize(struct crew_spec *spec, struct crew_optimizer optimizer)
{
    crew_spec_minimize_scope(spec, "", optimizer);
}

void crew_spec_minimize_scope(struct crew_spec *spec,
                              const char *scope,
                              struct crew_optimizer optimizer)
{
    struct optim_groups *all;
    struct crew_err err = {0};
    int i = 0;

    if (spec == NULL) {
        return;
    }
    all = &spec->optimizers;
    if (scope == NULL) {
        (void)crew_err_exit(&spec->broken, CREW_INVALID_ARGUMENT, 1,
                            "crew_spec_minimize_scope: the scope is NULL");
        return;
    }
    if (optim_check(&optimizer, &err) != CREW_OK) {
        (void)crew_err_exit(&spec->broken, err.code, 1, "%s", err.msg);
        return;
    }
    while (i < all->n && strcmp(all->group[i].scope, scope) != 0) {
        i++;
    }
    if (i == OPTIM_MAX_GROUPS) {
        (void)crew_err_exit(&spec->broken, CREW_INVALID_ARGUMENT, 1,
                            "more than %d scopes with an optimizer each",
                            OPTIM_MAX_GROUPS);
        return;
    }
    all->group[i].scope = scope;
    all->group[i].optimizer = optimizer;
    all->n = i == all->n ? i + 1 : all->n;
}

static bool has_key(const struct crew_spec *spec, const char *key)
{
    for (int i = 0; i < spec->num_metrics; i++) {
        if (strcmp(spec->metrics[i].key, key) == 0) {
            return true;
        }
    }
    for (int i = 0; i < spec->num_pictures; i++) {
        if (strcmp(spec->pictures[i].tag, key) == 0) {
            return true;
        }
    }
    return false;
}

bool spec_take_key(struct crew_spec *spec, const char *key)
{
    if (spec == NULL) {
        return false;
    }
    if (key == NULL) {
        (void)crew_err_exit(&spec->broken, CREW_INVALID_ARGUMENT, 1,
                            "a metric's key is NULL");
        return false;
    }
    if (has_key(spec, key)) {
        (void)crew_err_exit(&spec->broken, CREW_INVALID_ARGUMENT, 1,
                            "metric '%s' is given twice", key);
        return false;
    }
    if (strcmp(key, "loss") == 0 || strcmp(key, "global_step") == 0) {
        (void)crew_err_exit(&spec->broken, CREW_INVALID_ARGUMENT, 1,
                            "Metric with name \"%s\" is not allowed, because "
                            "Estimator already defines a default metric with "
                            "the same name.",
                            key);
        return false;
    }
    return true;
}

void crew_spec_metric(struct crew_spec *spec,
                      const char *key,
                      struct crew_metric *metric)
{
    if (!spec_take_key(spec, key)) {
        return;
    }
    spec->metrics =
        grown(spec->metrics, spec->num_metrics, sizeof *spec->metrics);
    spec->metrics[spec->num_metrics++] =
        (struct spec_metric){.key = key, .metric = metric};
}

static void add_hook(struct crew_spec *spec,
                     struct crew_hook hook,
                     enum spec_hook_kind kind)
{
    if (spec == NULL) {
        hook_free(hook);
        return;
    }
    spec->hooks = grown(spec->hooks, spec->num_hooks, sizeof *spec->hooks);
    spec->hooks[spec->num_hooks++] =
        (struct spec_hook){.hook = hook, .kind = kind};
}

void crew_spec_hook(struct crew_spec *spec,
                    const struct crew_hook_ops *ops,
                    void *self,
                    bool chief_only)
{
    add_hook(spec, (struct crew_hook){ops, self},
             chief_only ? SPEC_TRAINING_CHIEF : SPEC_TRAINING);
}

void crew_spec_training_hook(struct crew_spec *spec, struct crew_hook hook)
{
    add_hook(spec, hook, SPEC_TRAINING);
}

void crew_spec_training_chief_hook(struct crew_spec *spec,
                                   struct crew_hook hook)
{
    add_hook(spec, hook, SPEC_TRAINING_CHIEF);
}

void crew_spec_evaluation_hook(struct crew_spec *spec, struct crew_hook hook)
{
    add_hook(spec, hook, SPEC_EVALUATION);
}

void crew_spec_prediction_hook(struct crew_spec *spec, struct crew_hook hook)
{
    add_hook(spec, hook, SPEC_PREDICTION);
}

void spec_give_hooks(struct crew_spec *spec,
                     enum spec_hook_kind kind,
                     struct crew_session *session)
{
    for (int i = 0; i < spec->num_hooks; i++) {
        struct spec_hook *h = &spec->hooks[i];

        if (h->kind == kind && h->hook.ops != NULL) {
            hook_session_add(session, h->hook);
            h->hook = (struct crew_hook){0};
        }
    }
}

int spec_check_scalar(const struct crew_node *node,
                      const char *what,
                      struct crew_err *err)
{
    const struct crew_shape *shape = node_shape(node);
    char text[128];

    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] != 1) {
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                                 "%s must be scalar, given shape: %s", what,
                                 shape_text(shape, text, sizeof text));
        }
    }
    if (node_dtype(node) != CREW_FLOAT) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "%s must be float32, given: %s", what,
                             dtype_name(node_dtype(node)));
    }
    return CREW_OK;
}

static int check_loss(const struct crew_spec *spec, struct crew_err *err)
{
    if (spec->loss == NULL) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1, "Missing loss.");
    }
    return spec_check_scalar(spec->loss, "Loss", err);
}

int spec_check(const struct crew_spec *spec,
               enum crew_mode mode,
               struct crew_err *err)
{
    if (spec->broken.code != CREW_OK) {
        return crew_err_exit(err, spec->broken.code, spec->broken.exit_code,
                             "%s", spec->broken.msg);
    }
    if (mode == CREW_PREDICT) {
        return spec->num_predictions > 0
                   ? spec_check_exports(spec, err)
                   : crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                                   "Missing predictions.");
    }
    if (check_loss(spec, err) != CREW_OK ||
        spec_check_summaries(spec, err) != CREW_OK) {
        return err->code;
    }
    if (mode == CREW_TRAIN && spec->optimizers.n == 0) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "Missing train_op. Call crew_spec_minimize() in "
                             "the model function");
    }
    return CREW_OK;
}
