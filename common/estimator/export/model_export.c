/* SPDX-License-Identifier: Apache-2.0
 * EstimatorSpec.export_outputs and serving_input_receiver_fn, as Estimator puts
 * them together. */
#include "estimator/export/model_export.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "base/banned.h"

/* -------------------------------------------------------------- signatures */

static void add_signature(struct model_export *x, struct export_signature s)
{
    x->signatures[x->request.n_signatures++] = s;
}

static struct export_tensor tensor_of(const struct spec_prediction *p,
                                      const char *key)
{
    return (struct export_tensor){key, p->node, p->text, p->labels};
}

static struct export_signature all_predictions(struct model_export *x,
                                               const struct crew_spec *spec,
                                               const char *key)
{
    if (x->predictions == NULL) {
        x->predictions =
            xcalloc((size_t)spec->num_predictions + 1, sizeof *x->predictions);
        for (int i = 0; i < spec->num_predictions; i++) {
            x->predictions[i] =
                tensor_of(&spec->predictions[i], spec->predictions[i].key);
        }
    }
    return (struct export_signature){.key = key,
                                     .method = EXPORT_PREDICT,
                                     .outputs = x->predictions,
                                     .n_outputs = spec->num_predictions};
}

/* In the order in which Estimator has them in its log: as they were given, then
 * the default. */
static void fill_signatures(struct model_export *x,
                            const struct crew_spec *spec)
{
    x->signatures =
        xcalloc((size_t)spec->num_exports + 2, sizeof *x->signatures);
    for (int i = 0; i < spec->num_exports; i++) {
        const struct spec_export *e = &spec->exports[i];

        add_signature(
            x, e->num_outputs == 0
                   ? all_predictions(x, spec, e->key)
                   : (struct export_signature){.key = e->key,
                                               .method = e->method,
                                               .outputs = e->outputs,
                                               .n_outputs = e->num_outputs});
    }
    if (spec->num_exports == 0) {
        add_signature(x, all_predictions(x, spec, CREW_SERVING_DEFAULT));
    } else if (spec->num_exports == 1 &&
               strcmp(spec->exports[0].key, CREW_SERVING_DEFAULT) != 0) {
        struct export_signature s = x->signatures[0];

        s.key = CREW_SERVING_DEFAULT;
        add_signature(x, s);
    }
}

/* "loss", "predictions/<key>"; the metrics come behind them. Key and names as
 * TensorFlow's EvalOutput. */
static void fill_eval(struct model_export *x, const struct crew_spec *spec)
{
    struct export_request *q = &x->request;
    size_t n = (size_t)spec->num_predictions + 1;

    x->predictions = xcalloc(n, sizeof *x->predictions);
    x->keys = xcalloc(n, sizeof *x->keys);
    x->metrics = xcalloc((size_t)spec->num_metrics + 1, sizeof *x->metrics);
    x->predictions[0] =
        (struct export_tensor){.key = "loss", .node = spec->loss};
    for (int i = 0; i < spec->num_predictions; i++) {
        x->keys[i] = xasprintf("predictions/%s", spec->predictions[i].key);
        x->predictions[i + 1] = tensor_of(&spec->predictions[i], x->keys[i]);
    }
    x->num_keys = spec->num_predictions;
    for (int i = 0; i < spec->num_metrics; i++) {
        x->metrics[i] = (struct export_metric){spec->metrics[i].key,
                                               spec->metrics[i].metric};
    }
    q->eval = true;
    q->metrics = x->metrics;
    q->n_metrics = spec->num_metrics;
    x->signatures = xcalloc(1, sizeof *x->signatures);
    add_signature(x, (struct export_signature){.key = "eval",
                                               .method = EXPORT_EVAL,
                                               .outputs = x->predictions,
                                               .n_outputs = (int)n});
}

/* ---------------------------------------------------------------- receiver */

static const struct crew_example_feature *find_spelling(
    const struct crew_receiver *r,
    const char *name)
{
    for (int i = 0; i < r->num_features; i++) {
        if (strcmp(r->features[i].name, name) == 0) {
            return &r->features[i];
        }
    }
    return NULL;
}

static struct export_feature feature_of(const char *key,
                                        struct crew_node *node,
                                        const struct crew_example_feature *as)
{
    struct export_feature f = {.key = key, .node = node};

    if (node != NULL) {
        f.wire = node_dtype(node) == CREW_FLOAT ? CREW_FLOAT : CREW_INT64;
        f.var_len = node_is_ragged(node);
    }
    if (as != NULL) {
        f.wire = as->dtype != CREW_INVALID_DTYPE ? as->dtype : f.wire;
        f.scale = as->scale;
        f.default_value = as->default_value;
        f.var_len = f.var_len || as->var_len;
    }
    return f;
}

static bool has_feature(const struct model_export *x, const char *key)
{
    for (int i = 0; i < x->request.n_features; i++) {
        if (strcmp(x->features[i].key, key) == 0) {
            return true;
        }
    }
    return false;
}

static int check_receiver(const struct crew_receiver *r, struct crew_err *err)
{
    if (r->num_features < 0 || r->num_features > CREW_MAX_EXAMPLE_FEATURES) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "a receiver has at most %d features, given: %d",
                             CREW_MAX_EXAMPLE_FEATURES, r->num_features);
    }
    if (r->kind != CREW_RECEIVER_EXAMPLES && r->num_features > 0) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "a receiver of tensors takes the features as they "
                             "are. Fix: kind CREW_RECEIVER_EXAMPLES, or no "
                             "`features`");
    }
    if (r->num_features > 0 && r->features == NULL) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "a receiver has %d features, but its features is "
                             "NULL",
                             r->num_features);
    }
    for (int i = 0; i < r->num_features; i++) {
        const char *name = r->features[i].name;

        if (name == NULL) {
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                                 "the receiver's features[%d]: its name is "
                                 "NULL",
                                 i);
        }
        if (find_spelling(r, name) != &r->features[i]) {
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                                 "the receiver's feature '%s' is there twice",
                                 name);
        }
    }
    return CREW_OK;
}

static int fill_features(struct model_export *x,
                         const struct model *m,
                         const struct crew_receiver *r,
                         struct crew_err *err)
{
    struct export_request *q = &x->request;

    if (check_receiver(r, err) != CREW_OK) {
        return err->code;
    }
    x->features = xcalloc((size_t)(m->num_inputs + r->num_features) + 1,
                          sizeof *x->features);
    x->component = xcalloc((size_t)(m->num_inputs + r->num_features) + 1,
                           sizeof *x->component);
    for (int i = 0; i < m->num_inputs; i++) {
        const char *key = m->element.component[i].name;

        if (m->inputs[i] != NULL) {
            x->component[q->n_features] = i;
            x->features[q->n_features++] =
                feature_of(key, m->inputs[i], find_spelling(r, key));
        }
    }
    for (int i = 0; i < r->num_features; i++) {
        if (!has_feature(x, r->features[i].name)) {
            x->component[q->n_features] = -1;
            x->features[q->n_features++] =
                feature_of(r->features[i].name, NULL, &r->features[i]);
        }
    }
    return CREW_OK;
}

/* What evaluates is sent tensors: the features, and the label as TensorFlow's
 * build_supervised_input_receiver_fn_from_input_fn calls it. */
static int fill_supervised(struct model_export *x,
                           const struct model *m,
                           struct crew_err *err)
{
    struct export_request *q = &x->request;

    x->features = xcalloc((size_t)m->num_inputs + 1, sizeof *x->features);
    x->component = xcalloc((size_t)m->num_inputs + 1, sizeof *x->component);
    for (int i = 0; i < m->num_inputs; i++) {
        const struct dataset_component *c = &m->element.component[i];

        if (!c->is_label && strcmp(c->name, "label") == 0) {
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                                 "export in mode eval: the feature 'label' has "
                                 "the name of the label's input. Fix: rename "
                                 "the feature");
        }
        x->component[q->n_features] = i;
        x->features[q->n_features++] =
            feature_of(c->is_label ? "label" : c->name, m->inputs[i], NULL);
    }
    return CREW_OK;
}

/* -------------------------------------------------------------------- both */

static enum crew_export_weights where_weights_go(
    const struct crew_exporter *exporter,
    const struct crew_params *params)
{
    struct params_value given;
    bool variables = crew_params_bool(
        params, "export_variables", exporter->weights == CREW_EXPORT_VARIABLES);

    if (!params_take(params, "export_variables", &given)) {
        return exporter->weights;
    }
    return variables ? CREW_EXPORT_VARIABLES : CREW_EXPORT_CONSTANTS;
}

int model_export_init(struct model_export *out,
                      const struct model *m,
                      const struct crew_exporter *exporter,
                      const struct crew_params *params,
                      struct crew_err *err)
{
    static const struct crew_exporter defaults = {.kind = CREW_EXPORTER_FINAL};
    const struct crew_exporter *e = exporter != NULL ? exporter : &defaults;
    struct model_export x = {.request = {.graph = m->graph}};

    if (m->mode == CREW_TRAIN) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1, "%s",
                             MODEL_EXPORT_NO_TRAIN);
    }
    if (m->mode == CREW_EVAL) {
        fill_eval(&x, m->spec);
        (void)fill_supervised(&x, m, err);
    } else {
        fill_signatures(&x, m->spec);
        (void)fill_features(&x, m, &e->receiver, err);
    }
    if (err->code != CREW_OK) {
        model_export_release(&x);
        return err->code;
    }
    x.request.features = x.features;
    x.request.signatures = x.signatures;
    if (m->mode == CREW_PREDICT) {
        x.request.examples = e->receiver.kind == CREW_RECEIVER_EXAMPLES;
        x.request.alternative = e->receiver.tensors_alternative;
    }
    x.request.weights = where_weights_go(e, params);
    x.request.global_step = -1;
    x.request.extra = e->assets_extra;
    x.request.n_extra = e->num_assets_extra;
    *out = x;
    return CREW_OK;
}

void model_export_release(struct model_export *x)
{
    free(x->signatures);
    free(x->predictions);
    for (int i = 0; i < x->num_keys; i++) {
        free(x->keys[i]);
    }
    free((void *)x->keys);
    free(x->metrics);
    free(x->features);
    free(x->component);
    free((void *)x->values);
    *x = (struct model_export){0};
}

void model_export_values(struct model_export *x,
                         const struct weights *weights,
                         int64_t global_step)
{
    x->values = xcalloc((size_t)weights->num_vars + 1, sizeof *x->values);
    for (int i = 0; i < weights->num_vars; i++) {
        x->values[i] = weights->vars[i].value;
    }
    x->request.var_data = x->values;
    x->request.global_step = global_step;
}
