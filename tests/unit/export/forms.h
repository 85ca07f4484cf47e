/* SPDX-License-Identifier: Apache-2.0
 *
 * The forms an export can have, as requests over one small model, for the tests
 * of this folder and for judge_by_tensorflow.py, which lets TensorFlow judge
 * them. The model takes x (-1, 4), a picture (-1, 2, 2), both float32, and a
 * word's id
 * (-1) int32, and gives a score for each of 3 classes and one number. */
#ifndef TESTS_UNIT_EXPORT_FORMS_H
#define TESTS_UNIT_EXPORT_FORMS_H

#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"
#include "export/saved_model.h"

enum form {
    FORM_TENSORS = 0, /* raw tensors, predict only */
    FORM_ALONE,       /* one signature with another name than the default */
    FORM_EXAMPLES,    /* tf.Examples: classify, regress, predict; and tensors */
    FORM_VARIABLES,   /* the same with variables/ */
    FORM_SPELT,       /* Examples with bytes, scales, defaults, VarLen */
    FORM_ASSETS,      /* labels from a file, assets.extra */
    FORM_BEST,        /* the best class only, as text; decimal texts */
    FORM_COUNT
};

#define FORM_MAX_VARS 8

struct form_export {
    struct crew_graph *graph;
    struct crew_node *x, *picture, *word, *scores, *best, *value;
    struct export_feature features[4];
    struct export_signature signatures[4];
    struct export_tensor predictions[4], classes[2], regression[1];
    float *data[FORM_MAX_VARS];
    const float *var_data[FORM_MAX_VARS];
    struct crew_asset extra[1];
    struct export_request request;
};

enum { FORM_CLASSES = 3, FORM_WORDS = 5, FORM_WIDTH = 2 };

static const char *const form_labels[FORM_CLASSES] = {"cat", "dog", "emu"};

static inline const char *form_name(enum form form)
{
    static const char *const names[FORM_COUNT] = {
        "tensors", "alone", "examples", "variables", "spelt", "assets", "best"};

    return names[form];
}

static inline void form_build(struct form_export *f)
{
    struct crew_graph *g = f->graph = graph_new();
    struct crew_node *parts[3], *table;

    f->x = graph_input(g, "x", CREW_FLOAT, crew_shape2(-1, 4));
    f->picture = graph_input(g, "picture", CREW_FLOAT,
                             (struct crew_shape){.rank = 3, .dim = {-1, 2, 2}});
    f->word = graph_input(g, "word", CREW_INT32, crew_shape1(-1));
    table = crew_variable(g, "embedding", crew_shape2(FORM_WORDS, FORM_WIDTH),
                          crew_init_constant(0));
    parts[0] = f->x;
    parts[1] = crew_reshape(g, f->picture, crew_shape2(-1, 4));
    parts[2] = crew_gather(g, table, f->word);
    struct crew_node *all = crew_concat(g, parts, 3, 1);
    f->scores = crew_named(
        g,
        crew_softmax(g,
                     crew_dense(g, "classes", all, FORM_CLASSES, CREW_LINEAR)),
        "softmax_tensor");
    f->best = crew_argmax(g, f->scores, 1);
    f->value = crew_dense(g, "number", all, 1, CREW_LINEAR);
}

/* Any numbers, but the same everywhere. */
static inline void form_fill(struct form_export *f)
{
    uint32_t state = 7;

    for (int v = 0; v < graph_num_vars(f->graph); v++) {
        int64_t n = graph_var(f->graph, v)->n;

        INVARIANT(v < FORM_MAX_VARS);
        f->data[v] = xcalloc((size_t)n, sizeof(float));
        for (int64_t i = 0; i < n; i++) {
            state = state * 1664525u + 1013904223u;
            f->data[v][i] = (float)(state >> 8) / (float)(1 << 24) - 0.5f;
        }
        f->var_data[v] = f->data[v];
    }
}

static inline void form_fill_outputs(struct form_export *f, enum form form)
{
    struct crew_labels names = {.names = form_labels, .n = FORM_CLASSES};
    struct crew_labels none = {.names = NULL};

    f->predictions[0] = (struct export_tensor){.key = "id", .node = f->best};
    f->predictions[1] =
        (struct export_tensor){.key = "scores", .node = f->scores};
    f->predictions[2] = (struct export_tensor){.key = "best",
                                               .node = f->best,
                                               .text = EXPORT_ID_LABELS,
                                               .labels = names};
    f->classes[0] = (struct export_tensor){.key = "classes",
                                           .node = f->scores,
                                           .text = EXPORT_CLASS_LABELS,
                                           .labels = names};
    f->classes[1] = f->predictions[1];
    f->regression[0] =
        (struct export_tensor){.key = "outputs", .node = f->value};
    if (form == FORM_BEST) {
        f->predictions[2].labels = none;
        f->classes[0].node = f->best;
        f->classes[0].text = EXPORT_BEST_LABELS;
    }
}

static inline void form_fill_signatures(struct form_export *f, enum form form)
{
    const struct export_signature predict = {"predict", EXPORT_PREDICT,
                                             f->predictions, 3};
    const struct export_signature classify = {"serving_default",
                                              EXPORT_CLASSIFY, f->classes, 2};
    const struct export_signature regress = {"regress", EXPORT_REGRESS,
                                             f->regression, 1};

    f->request.signatures = f->signatures;
    if (form == FORM_TENSORS || form == FORM_ALONE) {
        f->signatures[0] = predict;
        f->signatures[1] = predict;
        f->signatures[1].key = "serving_default";
        f->request.n_signatures = form == FORM_ALONE ? 1 : 2;
        return;
    }
    f->signatures[0] = classify;
    f->signatures[1] = regress;
    f->signatures[2] = predict;
    f->request.n_signatures = 3;
    if (form == FORM_BEST) {
        f->signatures[0].n_outputs = 1;
    }
}

static inline void form_fill_features(struct form_export *f, enum form form)
{
    static const float four[] = {0.25f, 0.5f, 0.75f, 1.0f};
    static const int64_t three = 3;

    f->features[0] =
        (struct export_feature){.key = "x", .node = f->x, .wire = CREW_FLOAT};
    f->features[1] = (struct export_feature){
        .key = "picture", .node = f->picture, .wire = CREW_FLOAT};
    f->features[2] = (struct export_feature){
        .key = "word", .node = f->word, .wire = CREW_INT64};
    f->request.features = f->features;
    f->request.n_features = 3;
    if (form == FORM_SPELT) {
        f->features[0].var_len = true; /* fewer than four: 0 */
        f->features[1].wire = CREW_UINT8;
        f->features[1].scale = 1.0 / 255;
        f->features[2].default_value = &three;
        f->features[3] = (struct export_feature){
            .key = "tags", .wire = CREW_STRING, .var_len = true};
        f->request.n_features = 4;
    } else if (form == FORM_BEST) {
        f->features[0].wire = CREW_INT64;
        f->features[0].scale = 0.5;
        f->features[1].default_value = four;
    }
}

/* label_file: lines "cat", "dog", "emu"; FORM_ASSETS takes it. */
static inline void form_init(struct form_export *f,
                             enum form form,
                             const char *label_file)
{
    *f = (struct form_export){.graph = NULL};
    form_build(f);
    form_fill(f);
    f->request.graph = f->graph;
    form_fill_outputs(f, form);
    form_fill_signatures(f, form);
    form_fill_features(f, form);
    f->request.var_data = f->var_data;
    f->request.global_step = 50;
    f->request.examples = form >= FORM_EXAMPLES;
    if (form == FORM_EXAMPLES || form == FORM_VARIABLES) {
        f->request.alternative = "tensors";
    }
    if (form == FORM_VARIABLES) {
        f->request.weights = CREW_EXPORT_VARIABLES;
    }
    if (form == FORM_ASSETS) {
        struct crew_labels file = {.file = label_file, .n = FORM_CLASSES};

        f->predictions[2].labels = file;
        f->classes[0].labels = file;
        f->extra[0] = (struct crew_asset){"notes/labels.txt", label_file};
        f->request.extra = f->extra;
        f->request.n_extra = 1;
    }
}

static inline void form_release(struct form_export *f)
{
    graph_free(f->graph);
    for (int i = 0; i < FORM_MAX_VARS; i++) {
        free(f->data[i]);
    }
}

#endif
