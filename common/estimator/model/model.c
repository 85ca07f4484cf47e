/* SPDX-License-Identifier: Apache-2.0
 * From a job to a graph: placeholders, model function, checks. */
#include "estimator/model/model.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/dataset_list.h"

#include "base/banned.h"

/* A placeholder's name must be a legal node name: letters, digits, "_.-/". */
static void input_name(const char *key, char *name, size_t size)
{
    size_t n = 0;

    for (; key[n] != '\0' && n + 1 < size; n++) {
        unsigned char c = (unsigned char)key[n];

        name[n] = (isalnum(c) || (n > 0 && strchr("_.-/", c) != NULL)) ? (char)c
                                                                       : '_';
    }
    name[n] = '\0';
    if (name[0] == '_') {
        name[0] = 'f';
    }
}

static struct crew_node *add_inputs(struct model *m,
                                    const struct dataset_spec *element)
{
    struct feature_entry features[DATASET_MAX_COMPONENTS];
    struct crew_node *label = NULL;
    int n = 0;

    m->element = *element;
    for (int i = 0; i < element->n; i++) {
        const struct dataset_component *c = &m->element.component[i];
        char name[sizeof c->name];

        if (c->is_label && m->mode == CREW_PREDICT) {
            continue;
        }
        input_name(c->name, name, sizeof name);
        m->inputs[i] = c->ragged
                           ? graph_input_ragged(m->graph, name, c->dtype)
                           : graph_input(m->graph, name, c->dtype, c->shape);
        if (c->is_label) {
            label = m->inputs[i];
        } else {
            features[n++] =
                (struct feature_entry){.key = c->name, .node = m->inputs[i]};
        }
    }
    m->num_inputs = element->n;
    m->features = features_new(m->graph, features, n);
    return label;
}

static const char *mode_name(enum crew_mode mode)
{
    return mode == CREW_TRAIN ? "train"
                              : (mode == CREW_EVAL ? "eval" : "infer");
}

static int call_model_fn(const struct crew_job *job,
                         const struct crew_params *params,
                         struct model *m,
                         struct crew_node *label,
                         struct crew_err *err)
{
    int code = job->model_fn(m->graph, m->features, label, m->mode, params,
                             m->spec, err);

    /* The graph's own first error says more than what came of it. */
    if (code == CREW_OK && crew_graph_status(m->graph, err) == CREW_OK) {
        return spec_check_nodes(m->spec, m->graph, err) == CREW_OK
                   ? spec_check(m->spec, m->mode, err)
                   : err->code;
    }
    if (err->code == CREW_OK) {
        bool known = code > CREW_OK && code <= CREW_DATA_LOSS;

        (void)crew_err_exit(err, known ? code : CREW_UNKNOWN, 1,
                            "the model function returned %s (%d) without a "
                            "message",
                            crew_code_name(code), code);
    }
    return err->code;
}

int model_build(const struct crew_job *job,
                const struct crew_params *params,
                enum crew_mode mode,
                const struct dataset_spec *element,
                struct model **out,
                struct crew_err *err)
{
    struct model *m = xcalloc(1, sizeof *m);
    struct crew_node *label;

    m->mode = mode;
    m->graph = graph_new();
    m->spec = spec_new(m->graph);
    label = add_inputs(m, element);
    if (label == NULL && mode != CREW_PREDICT) {
        (void)crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                            "You must provide a labels Tensor. Given: None. "
                            "Suggested troubleshooting steps: Check that your "
                            "data contains your label feature. Check that your "
                            "input_fn properly parses and returns labels.");
    } else if (call_model_fn(job, params, m, label, err) == CREW_OK) {
        *out = m;
        return CREW_OK;
    }
    if (err->exit_code == 0) {
        err->exit_code = 1;
    }
    (void)crew_err_wrap(err, "job %s, mode %s", job->name, mode_name(mode));
    model_free(m);
    return err->code;
}

void model_free(struct model *m)
{
    if (m == NULL) {
        return;
    }
    spec_free(m->spec);
    features_free(m->features);
    graph_free(m->graph);
    free(m);
}

int model_feeds(struct model *m,
                const struct dataset_batch *batch,
                struct plan_feed feeds[DATASET_MAX_COMPONENTS])
{
    int n = 0;

    for (int i = 0; i < m->num_inputs; i++) {
        if (m->inputs[i] == NULL) {
            continue; /* the label, which PREDICT is built without */
        }
        feeds[n] = (struct plan_feed){
            .input = m->inputs[i],
            .dtype = m->element.component[i].dtype,
            .data = batch->data[i],
        };
        if (m->element.component[i].ragged) {
            const struct dataset_lists *lists = batch->data[i];

            m->ragged[i] =
                (struct plan_ragged){lists->splits, lists->all.values};
            feeds[n].data = &m->ragged[i];
        }
        n++;
    }
    return n;
}
