/* SPDX-License-Identifier: Apache-2.0
 * EstimatorSpec's export_outputs: PredictOutput, ClassificationOutput,
 * RegressionOutput, with the checks and sentences of TensorFlow's
 * saved_model/model_utils/export_output.py. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "estimator/model/spec.h"
#include "graph/owner.h"
#include "tensor/tensor.h"
#include "base/banned.h"

/* What is wrong with an export is said when the model function returns. */
static void broken(struct crew_spec *spec, const char *signature, char *text)
{
    (void)crew_err_exit(&spec->broken, CREW_INVALID_ARGUMENT, 1,
                        "export '%s': %s", signature, text);
    free(text);
}

/* As Python prints it: Tensor("ArgMax:0", shape=(None,), dtype=int64). Owner:
 * caller. */
static char *tensor_text(const struct crew_node *n)
{
    struct strbuf out;

    if (n == NULL) {
        return xstrdup("None");
    }
    const struct crew_shape *shape = node_shape(n);

    strbuf_init(&out);
    strbuf_addf(&out, "Tensor(\"%s:0\", shape=(", node_name(n));
    for (int i = 0; i < shape->rank; i++) {
        strbuf_addstr(&out, i > 0 ? ", " : "");
        if (shape->dim[i] < 0) {
            strbuf_addstr(&out, "None");
        } else {
            strbuf_addf(&out, "%lld", (long long)shape->dim[i]);
        }
    }
    strbuf_addf(&out, "%s), dtype=%s)", shape->rank == 1 ? "," : "",
                dtype_name(node_dtype(n)));
    return strbuf_detach(&out);
}

static void broken_by(struct crew_spec *spec,
                      const char *signature,
                      const char *sentence,
                      const struct crew_node *n,
                      const char *fix)
{
    char *tensor = tensor_text(n);

    broken(spec, signature, xasprintf("%s; got %s%s", sentence, tensor, fix));
    free(tensor);
}

/* May the node be looked at? What is none is for the caller to refuse. */
static bool is_own(struct crew_spec *spec,
                   const char *signature,
                   const struct crew_node *n)
{
    if (n != NULL && !graph_owns(spec->graph, n)) {
        broken(spec, signature,
               xstrdup("an output must be from the default graph. It was not "
                       "created in this call of the model function"));
        return false;
    }
    return true;
}

/* Without a spec or a name there is nothing to do; false. */
static bool has_names(struct crew_spec *spec,
                      const char *signature,
                      const char *key)
{
    if (spec == NULL) {
        return false;
    }
    if (signature == NULL || key == NULL) {
        broken(spec, signature != NULL ? signature : "",
               xstrdup(signature == NULL ? "a signature's name is NULL"
                                         : "an output's key is NULL"));
        return false;
    }
    return true;
}

static struct spec_export *find(const struct crew_spec *spec, const char *key)
{
    for (int i = 0; i < spec->num_exports; i++) {
        if (strcmp(spec->exports[i].key, key) == 0) {
            return &spec->exports[i];
        }
    }
    return NULL;
}

/* A new export; NULL when there is one of that name. */
static struct spec_export *add(struct crew_spec *spec,
                               const char *key,
                               enum export_method method)
{
    if (find(spec, key) != NULL) {
        broken(spec, key, xstrdup("is given twice"));
        return NULL;
    }
    spec->exports = xrealloc(
        spec->exports, ((size_t)spec->num_exports + 1) * sizeof *spec->exports);
    spec->exports[spec->num_exports] =
        (struct spec_export){.key = key, .method = method};
    return &spec->exports[spec->num_exports++];
}

static void add_output(struct spec_export *e, struct export_tensor t)
{
    e->outputs =
        xrealloc(e->outputs, ((size_t)e->num_outputs + 1) * sizeof *e->outputs);
    e->outputs[e->num_outputs++] = t;
}

static bool is_integer(const struct crew_node *n)
{
    return node_dtype(n) == CREW_INT32 || node_dtype(n) == CREW_INT64;
}

/* Labels that can be used; those of ids may also be none. */
static bool check_labels(struct crew_spec *spec,
                         const char *signature,
                         const struct crew_labels *labels)
{
    const char *wrong = NULL;

    if (labels->names != NULL && labels->file != NULL) {
        wrong = "labels have names or a file, not both";
    } else if (labels->n < 0 || (labels->n == 0 && (labels->names != NULL ||
                                                    labels->file != NULL))) {
        wrong = "labels.n must say how many there are";
    }
    for (int64_t i = 0; labels->names != NULL && i < labels->n; i++) {
        wrong = labels->names[i] == NULL ? "a label is NULL" : wrong;
    }
    if (wrong != NULL) {
        broken(spec, signature, xstrdup(wrong));
    }
    return wrong == NULL;
}

/* ----------------------------------------------------------------- predict */

void crew_spec_signature(struct crew_spec *spec, const char *signature)
{
    if (has_names(spec, signature, "")) {
        (void)add(spec, signature, EXPORT_PREDICT);
    }
}

static void predict(struct crew_spec *spec,
                    const char *signature,
                    struct export_tensor t)
{
    struct spec_export *e = find(spec, signature);

    if (t.node == NULL) {
        broken_by(spec, signature, "Prediction output value must be a Tensor",
                  NULL, "");
        return;
    }
    if (e == NULL) {
        e = add(spec, signature, EXPORT_PREDICT);
    } else if (e->method != EXPORT_PREDICT || e->num_outputs == 0) {
        broken(spec, signature, xstrdup("is given twice"));
        return;
    }
    for (int i = 0; i < e->num_outputs; i++) {
        if (strcmp(e->outputs[i].key, t.key) == 0) {
            broken(spec, signature,
                   xasprintf("the output '%s' is given twice", t.key));
            return;
        }
    }
    add_output(e, t);
}

void crew_spec_export_predict(struct crew_spec *spec,
                              const char *signature,
                              const char *key,
                              struct crew_node *node)
{
    if (has_names(spec, signature, key) && is_own(spec, signature, node)) {
        predict(spec, signature,
                (struct export_tensor){.key = key, .node = node});
    }
}

void crew_spec_export_predict_labels(struct crew_spec *spec,
                                     const char *signature,
                                     const char *key,
                                     struct crew_node *class_ids,
                                     struct crew_labels labels)
{
    struct export_tensor t = {key, class_ids, EXPORT_ID_LABELS, labels};

    if (!has_names(spec, signature, key) ||
        !is_own(spec, signature, class_ids)) {
        return;
    }
    if (class_ids != NULL && !is_integer(class_ids)) {
        broken_by(spec, signature, "class ids must be integers", class_ids, "");
    } else if (check_labels(spec, signature, &labels)) {
        predict(spec, signature, t);
    }
}

/* ---------------------------------------------------- classify and regress */

/* The batch in front, and that many dimensions. */
static bool has_rank(const struct crew_node *n, int least, int most)
{
    const struct crew_shape *shape = node_shape(n);

    return shape->rank >= least && shape->rank <= most && shape->dim[0] < 0;
}

static bool check_classes(struct crew_spec *spec,
                          const char *signature,
                          const struct crew_node *scores,
                          const struct crew_node *ids,
                          const struct crew_labels *labels)
{
    const struct crew_shape *s = scores != NULL ? node_shape(scores) : NULL;

    if (scores != NULL && node_dtype(scores) != CREW_FLOAT) {
        broken_by(spec, signature,
                  "Classification scores must be a float32 Tensor", scores, "");
    } else if (ids != NULL && !is_integer(ids)) {
        broken_by(spec, signature,
                  "Classification classes must be a string Tensor", ids,
                  ". Fix: give integer class ids, they become their labels");
    } else if (scores == NULL && ids == NULL) {
        broken(spec, signature,
               xstrdup("Cannot create a ClassificationOutput with empty "
                       "arguments. At least one of `scores` and `classes` must "
                       "be defined."));
    } else if (scores != NULL && !has_rank(scores, 2, 2)) {
        broken_by(spec, signature, "scores must be (batch, classes)", scores,
                  "");
    } else if (ids != NULL && !has_rank(ids, 1, 2)) {
        broken_by(spec, signature, "class ids must be (batch) or (batch, k)",
                  ids, "");
    } else if (ids == NULL && labels->n > 0 && labels->n != s->dim[1]) {
        broken_by(spec, signature, "there are not as many labels as scores",
                  scores, "");
    } else if (ids != NULL && scores != NULL &&
               s->dim[1] !=
                   (node_shape(ids)->rank == 1 ? 1 : node_shape(ids)->dim[1])) {
        broken_by(spec, signature, "there are not as many class ids as scores",
                  scores, "");
    } else {
        return check_labels(spec, signature, labels);
    }
    return false;
}

void crew_spec_export_classify(struct crew_spec *spec,
                               const char *signature,
                               struct crew_node *scores,
                               struct crew_node *class_ids,
                               struct crew_labels labels)
{
    struct spec_export *e;

    if (!has_names(spec, signature, "") || !is_own(spec, signature, scores) ||
        !is_own(spec, signature, class_ids) ||
        !check_classes(spec, signature, scores, class_ids, &labels)) {
        return;
    }
    e = add(spec, signature, EXPORT_CLASSIFY);
    if (e == NULL) {
        return;
    }
    if (class_ids != NULL) {
        add_output(e, (struct export_tensor){"classes", class_ids,
                                             EXPORT_BEST_LABELS, labels});
    } else if (labels.n > 0) {
        add_output(e, (struct export_tensor){"classes", scores,
                                             EXPORT_CLASS_LABELS, labels});
    }
    if (scores != NULL) {
        add_output(e, (struct export_tensor){.key = "scores", .node = scores});
    }
}

void crew_spec_export_regress(struct crew_spec *spec,
                              const char *signature,
                              struct crew_node *value)
{
    struct spec_export *e;

    if (!has_names(spec, signature, "") || !is_own(spec, signature, value)) {
        return;
    }
    if (value == NULL || node_dtype(value) != CREW_FLOAT) {
        broken_by(spec, signature,
                  "Regression output value must be a float32 Tensor", value,
                  "");
        return;
    }
    e = add(spec, signature, EXPORT_REGRESS);
    if (e != NULL) {
        add_output(e, (struct export_tensor){.key = "outputs", .node = value});
    }
}

int spec_check_exports(const struct crew_spec *spec, struct crew_err *err)
{
    if (spec->num_exports > 1 && find(spec, CREW_SERVING_DEFAULT) == NULL) {
        return crew_err_exit(
            err, CREW_INVALID_ARGUMENT, 1,
            "Multiple `export_outputs` were provided, but none of them are "
            "specified as the default. Use CREW_SERVING_DEFAULT to specify a "
            "default.");
    }
    return CREW_OK;
}
