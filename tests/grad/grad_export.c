/* SPDX-License-Identifier: Apache-2.0
 * A case's graph as TensorFlow would read it: emitted, run by our executor, its
 * value compared with that of forward. With GRAD_EXPORT_DIR=DIR the GraphDefs
 * and values are also written there, for tools/check_grad_exports.py. */
#include <check.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grad_cases.h"
#include "graph/emit.h"
#include "serving/executor.h"

#include "base/banned.h"

/* What was computed in two ways. */
struct both {
    const struct grad_case *c;
    const struct crew_node *y;
    struct crew_shape shape;
    int64_t n;
    const void *ours; /* float32, or int64 of any other dtype */
    const struct value *theirs;
};

static double our_number(const struct both *b, int64_t i)
{
    return b->y->dtype == CREW_FLOAT ? (double)((const float *)b->ours)[i]
                                     : (double)((const int64_t *)b->ours)[i];
}

static double their_number(const struct both *b, int64_t i)
{
    switch (b->theirs->dtype) {
        case CREW_FLOAT:
            return (double)b->theirs->f32[i];
        case CREW_INT32:
            return (double)b->theirs->i32[i];
        default:
            return (double)b->theirs->i64[i];
    }
}

static void compare(const struct both *b)
{
    double most = 0.0;

    ck_assert_msg(b->theirs->n == b->n, "%s: %d elements, forward has %d",
                  b->c->what, (int)b->theirs->n, (int)b->n);
    ck_assert_msg(b->theirs->shape.rank == b->shape.rank,
                  "%s: of rank %d, forward %d", b->c->what,
                  b->theirs->shape.rank, b->shape.rank);
    for (int64_t i = 0; i < b->n; i++) {
        most = fmax(most, fabs(our_number(b, i)));
    }
    for (int64_t i = 0; i < b->n; i++) {
        double got = their_number(b, i), want = our_number(b, i);

        ck_assert_msg(fabs(got - want) <= 1e-5 * most + 1e-6,
                      "%s: [%d] exported %.9g, forward %.9g", b->c->what,
                      (int)i, got, want);
    }
}

/* The op itself is among the nodes; one that TensorFlow has no op for ends with
 * a node of its name. */
static void check_nodes(const struct grad_case *c,
                        const struct crew_node *y,
                        const Tensorflow__GraphDef *def)
{
    bool found = (c->op->flags & OP_MANY_NODES) != 0 &&
                 strcmp(def->node[def->n_node - 1]->name, node_name(y)) == 0;

    for (size_t i = 0; i < def->n_node; i++) {
        found |= strcmp(def->node[i]->op, c->op->tf_name) == 0;
    }
    ck_assert_msg(found, "%s: no %s among the nodes", c->what, c->op->tf_name);
}

/* Numbers of every variable, and the plan bound to them. */
static void bind(const struct crew_graph *g, struct plan *p, float **value)
{
    ck_assert_int_le(graph_num_vars(g), MAX_VARS);
    for (int i = 0; i < graph_num_vars(g); i++) {
        const struct graph_var *v = graph_var(g, i);

        value[i] = aligned_alloc(64, (size_t)(v->n * 4 + 63) / 64 * 64);
        graph_init_var(v, 77, value[i]);
        plan_bind_var(p, i, value[i]);
    }
}

static void run_executor(const struct grad_case *c,
                         const struct trial *t,
                         const Tensorflow__GraphDef *def,
                         const char *fetch,
                         struct value *out)
{
    struct crew_shape x = crew_shape2(BATCH, 4), labels = crew_shape1(BATCH);
    struct serving_feed feeds[2] = {{.tensor = "x:0"}, {.tensor = "labels:0"}};
    struct serving_feed take[2];
    struct executor *e = NULL;
    struct crew_err err = {0};
    int n = 0;

    ck_assert_int_eq(value_new(&feeds[0].value, CREW_FLOAT, &x, &err), 0);
    ck_assert_int_eq(value_new(&feeds[1].value, CREW_INT32, &labels, &err), 0);
    memcpy(feeds[0].value.f32, feed_x, sizeof feed_x);
    memcpy(feeds[1].value.i32, feed_labels, sizeof feed_labels);
    ck_assert_msg(executor_new(def, NULL, &e, &err) == CREW_OK, "%s: %s",
                  c->what, err.msg);
    for (int i = 0; i < 2; i++) { /* those that the graph takes */
        if (executor_node(e, i == 0 ? "x" : "labels") != NULL) {
            take[n++] = feeds[i];
        }
    }
    ck_assert_msg(executor_run(e, take, t->labels != NULL ? n : 0, &fetch, 1,
                               out, &err) == CREW_OK,
                  "%s: %s", c->what, err.msg);
    executor_free(e);
    value_release(&feeds[0].value);
    value_release(&feeds[1].value);
}

/* DIR/<case>.pb and DIR/<case>.txt: the tensor's name, then its numbers. */
static void write_files(const struct both *b, struct graphdef *def)
{
    const char *dir = getenv("GRAD_EXPORT_DIR");
    char path[512];
    uint8_t *bytes;
    size_t n;
    FILE *f;

    if (dir == NULL) {
        return;
    }
    n = tensorflow__graph_def__get_packed_size(graphdef_message(def));
    bytes = malloc(n + 1);
    (void)tensorflow__graph_def__pack(graphdef_message(def), bytes);
    (void)snprintf(path, sizeof path, "%s/%s.pb", dir, b->c->what);
    f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    (void)fclose(f);
    free(bytes);
    (void)snprintf(path, sizeof path, "%s/%s.txt", dir, b->c->what);
    f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    (void)fprintf(f, "%s:0\n", node_name(b->y));
    for (int64_t i = 0; i < b->n; i++) {
        (void)fprintf(f, "%.9g\n", our_number(b, i));
    }
    (void)fclose(f);
}

void check_export(const struct grad_case *c,
                  const struct trial *t,
                  struct crew_node *y)
{
    struct graphdef *def = graphdef_new();
    struct both b = {.c = c, .y = y};
    float *value[MAX_VARS] = {NULL};
    struct plan_feed feeds[2];
    struct crew_err err = {0};
    struct value out = {0};
    struct plan *p = NULL;
    char fetch[256];

    ck_assert_msg(plan_new(t->g, &y, 1, NULL, BATCH, &p, &err) == CREW_OK,
                  "%s: %s", c->what, err.msg);
    bind(t->g, p, value);
    ck_assert_msg(plan_forward(p, feeds, trial_feeds(t, feeds), BATCH, 11, 22,
                               &err) == CREW_OK &&
                      graph_emit(t->g, &y, 1, (const float *const *)value, def,
                                 &err) == CREW_OK,
                  "%s: %s", c->what, err.msg);
    check_nodes(c, y, graphdef_message(def));
    (void)snprintf(fetch, sizeof fetch, "%s:0", node_name(y));
    run_executor(c, t, graphdef_message(def), fetch, &out);
    b.ours = plan_value(p, y, &b.shape);
    b.n = node_count(y, BATCH);
    b.theirs = &out;
    compare(&b);
    write_files(&b, def);
    value_release(&out);
    for (int i = 0; i < MAX_VARS; i++) {
        free(value[i]);
    }
    plan_free(p);
    graphdef_free(def);
}
