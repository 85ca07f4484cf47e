/* SPDX-License-Identifier: Apache-2.0
 * Everything of saved_model.pb but its message: which signatures there are, and
 * the graph that they need. */
#include "export/build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "graph/emit.h"
#include "tensor/tensor.h"

#include "base/banned.h"

/* Above it weights go to variables/: a protobuf message has at most 2 GiB. */
#define MAX_CONSTANTS ((int64_t)1 << 30)

/* ------------------------------------------------- what can be served how */

/* "<tf.Tensor 'x:0' shape=(None, 784) dtype=float32>" */
static void add_tensor_text(struct strbuf *out, const struct crew_node *n)
{
    const struct crew_shape served = node_served_shape(n), *shape = &served;

    strbuf_addf(out, "<tf.Tensor '%s:0' shape=(", node_name(n));
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dim[i] < 0) {
            strbuf_addf(out, "%sNone", i > 0 ? ", " : "");
        } else {
            strbuf_addf(out, "%s%lld", i > 0 ? ", " : "",
                        (long long)shape->dim[i]);
        }
    }
    strbuf_addf(out, "%s) dtype=%s>", shape->rank == 1 ? "," : "",
                dtype_name(node_dtype(n)));
}

char *export_excluded(const struct export_request *q,
                      const struct export_signature *s,
                      bool alternative)
{
    struct strbuf text;
    const char *comma = "";

    if (s->method == EXPORT_PREDICT || s->method == EXPORT_EVAL ||
        (q->examples && !alternative)) {
        return NULL;
    }
    strbuf_init(&text);
    strbuf_addf(&text,
                "%s signatures can only accept a single tensor input of type "
                "tf.string. Please check to make sure that you have structured "
                "the serving_input_receiver_fn so that it creates a single "
                "string placeholder. If your model function expects multiple "
                "inputs, then use `tf.io.parse_example()` to parse the string "
                "into multiple tensors. Received: {",
                s->method == EXPORT_CLASSIFY ? "Classification" : "Regression");
    for (int i = 0; i < q->n_features; i++) {
        if (q->features[i].node != NULL) {
            strbuf_addf(&text, "%s'%s': ", comma, q->features[i].key);
            add_tensor_text(&text, q->features[i].node);
            comma = ", ";
        }
    }
    strbuf_addstr(&text, "}. Fix: let the exporter's receiver take Examples");
    return strbuf_detach(&text);
}

/* -------------------------------------------------------------- signatures */

/* Strings that were made already, for outputs that several signatures have. */
struct made {
    const struct export_tensor *tensor;
    const char *node;
    struct crew_shape shape;
};
struct maker {
    const struct export_request *q;
    struct export_build *b;
    struct made *made;
    int n_made;
};

/* "name:0", kept by the graphdef. */
static const char *tensor_name(struct graphdef *g, const char *node)
{
    char *own = xasprintf("%s:0", node);
    const char *kept = graphdef_keep(g, own);

    free(own);
    return kept;
}

static struct made *strings_of(struct maker *m, const struct export_tensor *t)
{
    struct made *new;

    for (int i = 0; i < m->n_made; i++) {
        if (m->made[i].tensor == t) {
            return &m->made[i];
        }
    }
    m->made = xrealloc(m->made, ((size_t)m->n_made + 1) * sizeof *m->made);
    new = &m->made[m->n_made++];
    new->tensor = t;
    new->node = export_labels(m->b->graph, t, &new->shape);
    return new;
}

static struct export_info node_info(struct graphdef *g,
                                    const char *key,
                                    const struct crew_node *n)
{
    return (struct export_info){
        key, tensor_name(g, graphdef_resolve(g, node_name(n))), node_dtype(n),
        node_served_shape(n)};
}

static void resolve_inputs(struct maker *m,
                           struct export_resolved *r,
                           bool alternative)
{
    const struct export_request *q = m->q;

    if (q->examples && !alternative) {
        r->in[r->n_in++] = (struct export_info){
            r->method == EXPORT_PREDICT ? "examples" : "inputs",
            EXAMPLES_PLACEHOLDER ":0", CREW_STRING, crew_shape1(-1)};
        return;
    }
    for (int i = 0; i < q->n_features; i++) {
        if (q->features[i].node != NULL) {
            r->in[r->n_in++] =
                node_info(m->b->graph, q->features[i].key, q->features[i].node);
        }
    }
}

static void resolve(struct maker *m,
                    const struct export_signature *s,
                    bool alternative)
{
    struct export_build *b = m->b;
    struct export_resolved *r = &b->signatures[b->n_signatures];
    char *why_not = export_excluded(m->q, s, alternative);

    if (why_not != NULL) {
        free(why_not);
        return;
    }
    r->key = s->key;
    r->method = s->method;
    if (alternative) {
        char *key = xasprintf("%s:%s", m->q->alternative, s->key);

        r->key = graphdef_keep(b->graph, key);
        free(key);
    }
    resolve_inputs(m, r, alternative);
    for (int i = 0; i < s->n_outputs; i++) {
        const struct export_tensor *t = &s->outputs[i];

        if (t->text == EXPORT_VALUE) {
            r->out[r->n_out++] = node_info(b->graph, t->key, t->node);
        } else {
            const struct made *made = strings_of(m, t);

            r->out[r->n_out++] = (struct export_info){
                t->key, tensor_name(b->graph, made->node),
                t->text == EXPORT_CLASS_IDS ? CREW_INT32 : CREW_STRING,
                made->shape};
        }
    }
    b->n_signatures++;
}

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct export_resolved *)a)->key,
                  ((const struct export_resolved *)b)->key);
}

static void resolve_all(const struct export_request *q, struct export_build *b)
{
    struct maker m = {.q = q, .b = b};

    b->signatures =
        xcalloc(2 * (size_t)q->n_signatures + 1, sizeof *b->signatures);
    for (int i = 0; i < q->n_signatures; i++) {
        resolve(&m, &q->signatures[i], false);
        if (q->examples && q->alternative != NULL) {
            resolve(&m, &q->signatures[i], true);
        }
    }
    qsort(b->signatures, (size_t)b->n_signatures, sizeof *b->signatures,
          by_key);
    free(m.made);
}

/* ------------------------------------------------------------------- graph */

static int check_request(const struct export_request *q, struct crew_err *err)
{
    if (q->n_features < 1 || q->n_features > EXPORT_MAX_TENSORS) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "export: %d features. Fix: 1 to %d", q->n_features,
                             EXPORT_MAX_TENSORS);
    }
    for (int i = 0; i < q->n_signatures; i++) {
        const struct export_signature *s = &q->signatures[i];

        int n = s->n_outputs + 2 * q->n_metrics;

        if (n < 1 || n > EXPORT_MAX_TENSORS) {
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                                 "export: signature '%s' has %d outputs. Fix: "
                                 "1 to %d",
                                 s->key, n, EXPORT_MAX_TENSORS);
        }
    }
    return CREW_OK;
}

/* Whether the weights are beside the graph. */
static bool wants_variables(const struct export_request *q)
{
    int64_t bytes = 0;

    for (int i = 0; i < graph_num_vars(q->graph); i++) {
        bytes += graph_var(q->graph, i)->n * (int64_t)sizeof(float);
    }
    return q->weights == CREW_EXPORT_VARIABLES ||
           (q->weights == CREW_EXPORT_AUTO && bytes > MAX_CONSTANTS);
}

static int emit_graph(const struct export_request *q,
                      struct export_build *b,
                      struct crew_err *err)
{
    struct emit_options o = {.var_data = q->var_data,
                             .variables = wants_variables(q),
                             .without_feed = q->examples};
    size_t room = (size_t)q->n_features + (size_t)export_metric_inputs(q, NULL);
    struct crew_node **needed;
    int n = 0;

    for (int i = 0; i < q->n_signatures; i++) {
        room += (size_t)q->signatures[i].n_outputs;
    }
    needed = xcalloc(room + 1, sizeof *needed);
    for (int i = 0; i < q->n_features; i++) {
        if (q->features[i].node != NULL) { /* also one that nothing reads */
            needed[n++] = q->features[i].node;
        }
    }
    for (int i = 0; i < q->n_signatures; i++) {
        for (int k = 0; k < q->signatures[i].n_outputs; k++) {
            needed[n++] = q->signatures[i].outputs[k].node;
        }
    }
    n += export_metric_inputs(q, &needed[n]);
    (void)graph_emit_with(q->graph, needed, n, &o, b->graph, err);
    free((void *)needed);
    return err->code;
}

int export_build(const struct export_request *q,
                 struct export_build *out,
                 struct crew_err *err)
{
    struct export_build b = {.graph = graphdef_new(), .eval = q->eval};

    if (check_request(q, err) != CREW_OK ||
        (q->examples && export_receiver(q, b.graph, err) != CREW_OK) ||
        emit_graph(q, &b, err) != CREW_OK) {
        goto out;
    }
    resolve_all(q, &b);
    if (q->eval &&
        export_metrics(q, b.graph, &b.signatures[0], err) != CREW_OK) {
        goto out;
    }
    b.variables = graphdef_notes(b.graph)->num_vars > 0;
    if (b.variables) {
        graphdef_restore(b.graph);
    }
    b.main_op = graphdef_main_op(b.graph);
    if (graphdef_check_names(b.graph, err) == CREW_OK) {
        *out = b;
        return CREW_OK;
    }
out:
    export_build_release(&b);
    return err->code;
}

void export_build_release(struct export_build *b)
{
    graphdef_free(b->graph);
    free(b->signatures);
    *b = (struct export_build){0};
}

int saved_model_pack(const struct export_request *q,
                     uint8_t **bytes,
                     size_t *n,
                     struct crew_err *err)
{
    struct export_build b = {0};

    if (export_build(q, &b, err) == CREW_OK) {
        (void)export_build_pack(&b, bytes, n, err);
    }
    export_build_release(&b);
    return err->code;
}
