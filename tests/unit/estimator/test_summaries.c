/* SPDX-License-Identifier: Apache-2.0
 * What a model function may say for TensorBoard, and the graph as it is shown.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem_fs.h"
#include "base/strbuf.h"
#include "estimator/model/graph_event.h"
#include "estimator/model/spec.h"
#include "graph/graphdef.h"
#include "io/pbguard.h"
#include "summary/event_reader.h"
#include "run_suite.h"

static struct crew_graph *g;
static struct crew_spec *spec;
static struct crew_node *x, *ids, *loss;

static void setup(void)
{
    g = graph_new();
    spec = spec_new(g);
    x = graph_input(g, "x", CREW_FLOAT, crew_shape4(-1, 4, 4, 3));
    ids = graph_input(g, "ids", CREW_INT64, crew_shape1(-1));
    struct crew_node *flat = crew_reshape(g, x, crew_shape2(-1, 48));
    struct crew_node *h = crew_dense(g, "hidden", flat, 5, CREW_RELU);

    h = crew_layer_norm(g, NULL, crew_dropout(g, h, 0.5f, CREW_TRAIN), 0.001f);
    h = crew_dense(g, "out", h, 3, CREW_LINEAR);
    loss = crew_sparse_softmax_cross_entropy(g, ids, h);
    crew_spec_loss(spec, loss);
    crew_spec_minimize(spec, crew_gradient_descent(0.1));
}

static void teardown(void)
{
    spec_free(spec);
    graph_free(g);
}

START_TEST(all_kinds_are_taken)
{
    struct crew_err err = {0};

    crew_spec_summary(spec, "scalar", loss);
    crew_spec_summary_histogram(spec, "ids", ids);
    crew_spec_summary_image(spec, "picture", x, 3);
    crew_spec_summary_text(spec, "note", "*hello*");
    crew_spec_summary_variables(spec, g);
    ck_assert_msg(spec_check(spec, CREW_TRAIN, &err) == CREW_OK, "%s", err.msg);
    ck_assert_int_eq(spec->num_summaries, 4 + 6);
    ck_assert_str_eq(spec->summaries[4].tag, "hidden/kernel");
    ck_assert_int_eq(spec->summaries[4].kind, HOOK_HISTOGRAM);
}
END_TEST

START_TEST(images_are_grey_or_coloured)
{
    struct crew_err err = {0};

    crew_spec_summary_image(
        spec, "x", graph_input(g, "y", CREW_FLOAT, crew_shape4(-1, 4, 4, _i)),
        1);
    ck_assert_int_eq(
        spec_check(spec, CREW_TRAIN, &err),
        _i == 1 || _i == 3 || _i == 4 ? CREW_OK : CREW_INVALID_ARGUMENT);
}
END_TEST

/* What TensorFlow 2.15 names the same calls; an op called "taken" is there. */
static const struct {
    const char *scope; /* NULL: none */
    const char *given;
    const char *tag;
    const char *note; /* NULL: nothing to say */
} tags[] = {
    {NULL, "plain", "plain", NULL},
    {NULL, "plain", "plain_1", NULL},
    {NULL, "plain", "plain_2", NULL},
    {NULL, "taken", "taken_1", NULL},
    {NULL, "ids", "ids", NULL}, /* an input is no op of TensorFlow's graph */
    {NULL, "a/b", "a/b", NULL},
    {NULL, "/lead", "lead",
     "Summary name /lead is illegal; using lead instead."},
    {NULL, "two words", "two_words",
     "Summary name two words is illegal; using two_words instead."},
    {NULL, "x:0", "x_0", "Summary name x:0 is illegal; using x_0 instead."},
    {NULL, "d\303\251j\303\240", "d_j_",
     "Summary name d\303\251j\303\240 is illegal; using d_j_ instead."},
    {"outer", "plain", "outer/plain", NULL},
    {"outer", "plain", "outer/plain_1", NULL},
    {"outer", "_under", "outer/_under", NULL},
};
enum { NUM_TAGS = sizeof tags / sizeof tags[0] };

static struct strbuf lines;

static void keep_line(void *self, enum env_level level, const char *line)
{
    (void)self;
    ck_assert_int_eq(level, LOG_INFO);
    strbuf_addf(&lines, "%s\n", line);
}

START_TEST(tags_are_tensorflows)
{
    struct crew_env *env = env_mem_new(1);
    struct strbuf want;

    strbuf_init(&lines);
    strbuf_init(&want);
    env_mem_on_log(env, keep_line, NULL);
    (void)crew_named(g, crew_scale(g, loss, 2), "taken");
    for (int i = 0; i < NUM_TAGS; i++) {
        if (tags[i].scope != NULL) {
            crew_scope_push(g, tags[i].scope);
        }
        crew_spec_summary(spec, tags[i].given, loss);
        if (tags[i].scope != NULL) {
            crew_scope_pop(g);
        }
        ck_assert_str_eq(spec->summaries[i].tag, tags[i].tag);
        if (tags[i].note != NULL) {
            strbuf_addf(&want, "%s\n", tags[i].note);
        }
    }
    spec_log_notes(spec, env);
    ck_assert_str_eq(lines.data, want.data);
    strbuf_release(&want);
    strbuf_release(&lines);
    env_mem_free(env);
}
END_TEST

/* Variables keep their names, each once. */
START_TEST(scopes_of_scopes_and_variables)
{
    crew_scope_push(g, "a");
    crew_scope_push(g, "b");
    crew_spec_summary_text(spec, "note", "text");
    crew_spec_summary_image(spec, "pic", x, 1);
    crew_spec_summary_variables(spec, g);
    crew_spec_summary_variables(spec, g);
    ck_assert_str_eq(spec->summaries[0].tag, "a/b/note");
    ck_assert_str_eq(spec->summaries[1].tag, "a/b/pic");
    ck_assert_str_eq(spec->summaries[2].tag, "hidden/kernel");
    ck_assert_int_eq(spec->num_summaries, 2 + 6);
}
END_TEST

static struct crew_node *foreign;

/* Node 1 is NULL, 2 is of a graph that has gone. */
START_TEST(nodes_that_are_none)
{
    struct crew_graph *other = graph_new();
    struct crew_err err = {0};

    foreign = graph_input(other, "x", CREW_FLOAT, crew_shape1(1));
    graph_free(other);
    crew_spec_summary(spec, "s", _i == 1 ? NULL : foreign);
    ck_assert_int_eq(spec_check_nodes(spec, g, &err), CREW_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(
        strstr(err.msg, _i == 1 ? "summary 's' is of a Tensor, given: None"
                                : "summary with \"s\" must be from the "
                                  "default graph."));
}
END_TEST

static void no_scalar(void)
{
    crew_spec_summary(spec, "x", x);
}

static void no_image(void)
{
    crew_spec_summary_image(spec, "x", loss, 3);
}

static void no_floats(void)
{
    struct crew_node *whole =
        graph_input(g, "whole", CREW_INT64, crew_shape4(-1, 4, 4, 1));

    crew_spec_summary_image(spec, "x", whole, 3);
}

static void no_outputs(void)
{
    crew_spec_summary_image(spec, "x", x, 0);
}

static void no_tag(void)
{
    crew_spec_summary_histogram(spec, NULL, x);
}

static void underscore(void)
{
    crew_spec_summary(spec, "<loss>", loss);
}

static void nothing_left(void)
{
    crew_spec_summary_text(spec, "//", "text");
}

static const struct {
    void (*say)(void);
    const char *message;
} misuses[] = {
    {no_scalar, "summary 'x': A summary must be scalar, given shape: "},
    {no_image, "summary 'x': Tensor must be 4-D with last dim 1, 3, or 4, not"},
    {no_floats, "summary 'x': images must be float32, given: int64"},
    {no_outputs, "summary 'x': max_outputs is 0. Fix: at least 1"},
    {no_tag, "a summary's tag is NULL"},
    {underscore,
     "summary '<loss>': '_loss_' is not a valid root scope name. A root scope "
     "name has to match the following pattern: "
     "^[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*$"},
    {nothing_left, "summary '//': '' is not a valid root scope name."},
};

START_TEST(misuse_is_told)
{
    struct crew_err err = {0};

    misuses[_i].say();
    ck_assert_int_eq(spec_check(spec, CREW_TRAIN, &err), CREW_INVALID_ARGUMENT);
    ck_assert_msg(strstr(err.msg, misuses[_i].message) == err.msg, "%s",
                  err.msg);
    ck_assert_int_eq(crew_err_exit_code(&err), 1);
}
END_TEST

/* The event that holds the graph. Owner: caller. */
static Tensorflow__GraphDef *shown_graph(struct crew_env *env)
{
    const struct event_notice nobody = {0};
    struct event_writer *w = NULL;
    struct event_reader *r = NULL;
    Tensorflow__Event *e = NULL;
    ProtobufCMessage *graph = NULL;
    struct crew_err err = {0};
    char **files = NULL;
    int n = 0;

    ck_assert_int_eq(event_writer_open(env, "/m", nobody, &w, &err), CREW_OK);
    graph_event_write(w, g);
    event_writer_close(w);
    ck_assert_int_eq(event_files(env, "/m", &files, &n, &err), CREW_OK);
    ck_assert_int_eq(event_reader_open(env, files[0], &r, &err), CREW_OK);
    for (int i = 0; i < 2; i++) {
        tensorflow__event__free_unpacked(e, NULL);
        e = NULL;
        ck_assert_int_eq(event_reader_next(r, &e, &err), CREW_OK);
    }
    ck_assert_int_eq(e->what_case, TENSORFLOW__EVENT__WHAT_GRAPH_DEF);
    ck_assert_int_eq(
        pbguard_unpack(&tensorflow__graph_def__descriptor, &pbguard_record,
                       e->graph_def.data, e->graph_def.len, &graph, &err),
        CREW_OK);
    tensorflow__event__free_unpacked(e, NULL);
    event_reader_close(r);
    event_files_free(files, n);
    return (Tensorflow__GraphDef *)graph;
}

static const Tensorflow__NodeDef *find(const Tensorflow__GraphDef *graph,
                                       const char *name)
{
    for (size_t i = 0; i < graph->n_node; i++) {
        if (strcmp(graph->node[i]->name, name) == 0) {
            return graph->node[i];
        }
    }
    return NULL;
}

/* Every node once, every input a node, also of ops that are not exported. */
START_TEST(the_graph_is_shown_whole)
{
    struct crew_env *env = env_mem_new(1);
    Tensorflow__GraphDef *graph = shown_graph(env);
    const Tensorflow__NodeDef *node;
    int dropouts = 0;

    for (size_t i = 0; i < graph->n_node; i++) {
        node = graph->node[i];
        ck_assert_msg(find(graph, node->name) == node, "%s twice", node->name);
        for (size_t k = 0; k < node->n_input; k++) {
            ck_assert_msg(find(graph, node->input[k]) != NULL, "%s of %s",
                          node->input[k], node->name);
        }
        dropouts += strcmp(node->op, "Dropout") == 0;
    }
    ck_assert_int_eq(dropouts, 1);
    node = find(graph, node_name(loss));
    ck_assert_ptr_nonnull(node);
    ck_assert_str_eq(node->attr[node->n_attr - 1]->key, "_output_shapes");
    node = find(graph, "hidden/kernel");
    ck_assert_str_eq(node->op, "VarHandleOp");
    ck_assert_uint_lt(tensorflow__graph_def__get_packed_size(graph), 8000);
    tensorflow__graph_def__free_unpacked(graph, NULL);
    env_mem_free(env);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("summaries");
    TCase *tc = tcase_create("summaries");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, all_kinds_are_taken);
    tcase_add_loop_test(tc, images_are_grey_or_coloured, 1, 6);
    tcase_add_loop_test(tc, misuse_is_told, 0,
                        (int)(sizeof misuses / sizeof misuses[0]));
    tcase_add_test(tc, tags_are_tensorflows);
    tcase_add_test(tc, scopes_of_scopes_and_variables);
    tcase_add_loop_test(tc, nodes_that_are_none, 1, 3);
    tcase_add_test(tc, the_graph_is_shown_whole);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
