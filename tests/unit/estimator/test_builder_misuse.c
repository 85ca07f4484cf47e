/* SPDX-License-Identifier: Apache-2.0
 *
 * Every builder of crew.h with operands that are none: NULL, of another graph,
 * of a graph that has been freed; and without a graph. The first of it sticks
 * in the graph with words and exit code 1, and nothing is looked at that may be
 * gone (AddressSanitizer watches). A builder of crew.h that the table lacks
 * makes the test fail. */
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "run_suite.h"
#include "graph/graph.h"
#include "estimator/builder_rows.h"

static struct crew_node *input_of(struct crew_graph *g, const char *name)
{
    return graph_input(g, name, CREW_FLOAT, crew_shape2(-1, 4));
}

/* The words for a bad a; b alone may be met after another fault. */
static void ck_bad(const struct builder *row,
                   struct crew_node *bad,
                   bool is_first,
                   const char *words)
{
    struct crew_graph *g = graph_new();
    struct crew_node *good = input_of(g, "good");
    struct crew_err err = {0};
    const void *result =
        row->call(g, is_first ? bad : good, is_first ? good : bad);

    ck_assert_msg(crew_graph_status(g, &err) != CREW_OK,
                  "%s takes an operand that is %s", row->name, words);
    ck_assert_int_eq(crew_err_exit_code(&err), 1);
    ck_assert_msg(!is_first || strstr(err.msg, words) != NULL ||
                      (bad == NULL && strstr(err.msg, "None") != NULL),
                  "%s: %s", row->name, err.msg);
    ck_assert_msg(result != NULL, "%s returns NULL", row->name);
    graph_free(g);
}

START_TEST(operands_that_are_none)
{
    struct crew_graph *other = graph_new(), *freed = graph_new();
    struct crew_node *foreign = input_of(other, "foreign");
    struct crew_node *gone = input_of(freed, "gone");
    struct crew_graph *heir;

    /* Allocators give memory away again at once: to this graph, then, and not
     * to a node of the one that is tested, which nobody could tell apart. */
    graph_free(freed);
    heir = graph_new();
    (void)input_of(heir, "heir");
    for (int i = 0; i < NUM_BUILDERS; i++) {
        bool one = builders[i].operands != NONE;
        bool two =
            builders[i].operands == TWO || builders[i].operands == METRIC2;

        if (one) {
            ck_bad(&builders[i], NULL, true, "NULL");
            ck_bad(&builders[i], foreign, true, "of another graph");
            ck_bad(&builders[i], gone, true, "of another graph");
        }
        if (two) {
            ck_bad(&builders[i], NULL, false, "NULL");
            ck_bad(&builders[i], foreign, false, "of another graph");
            ck_bad(&builders[i], gone, false, "of another graph");
        }
    }
    graph_free(other);
    graph_free(heir);
}
END_TEST

START_TEST(no_graph)
{
    struct crew_graph *g = graph_new();
    struct crew_node *good = input_of(g, "good");
    struct crew_err err = {0};

    for (int i = 0; i < NUM_BUILDERS; i++) {
        const void *result = builders[i].call(NULL, good, good);

        ck_assert_msg(result != NULL || builders[i].operands >= METRIC1,
                      "%s returns NULL", builders[i].name);
    }
    crew_scope_push(NULL, "x");
    crew_scope_pop(NULL);
    crew_assign_moving_average(NULL, good, good, 0.5);
    ck_assert_ptr_nonnull(crew_feature(NULL, "x"));
    ck_assert_int_eq(crew_graph_status(g, &err), CREW_OK);
    ck_assert_int_ne(crew_graph_status(NULL, &err), CREW_OK);
    ck_assert_ptr_nonnull(strstr(err.msg, "the graph is NULL"));
    /* What comes of it is no operand of a graph. */
    err = (struct crew_err){0};
    (void)crew_add(g, good, crew_constant(NULL, 1));
    ck_assert_int_ne(crew_graph_status(g, &err), CREW_OK);
    ck_assert_ptr_nonnull(strstr(err.msg, "of another graph"));
    graph_free(g);
}
END_TEST

/* Each on a graph of its own: the message has the words. */
static void ck_words(void (*build)(struct crew_graph *), const char *words)
{
    struct crew_graph *g = graph_new();
    struct crew_err err = {0};

    build(g);
    ck_assert_int_ne(crew_graph_status(g, &err), CREW_OK);
    ck_assert_msg(strstr(err.msg, words) != NULL, "%s lacks %s", err.msg,
                  words);
    graph_free(g);
}

static void null_scope(struct crew_graph *g)
{
    crew_scope_push(g, NULL);
    crew_scope_pop(g);
}

static void null_variable(struct crew_graph *g)
{
    (void)crew_variable(g, NULL, crew_shape1(1), crew_init_constant(0));
}

static void null_name(struct crew_graph *g)
{
    (void)crew_named(g, crew_constant(g, 1), NULL);
}

static void null_operands(struct crew_graph *g)
{
    (void)crew_concat(g, NULL, 2, 0);
}

static void null_op(struct crew_graph *g)
{
    struct crew_node *in[] = {crew_constant(g, 1)};

    (void)crew_custom_op(g, NULL, NULL, in, 1);
}

static void null_axes(struct crew_graph *g)
{
    (void)crew_reduce(g, CREW_REDUCE_SUM, input_of(g, "x"), NULL, 1, false);
}

static void null_padding(struct crew_graph *g)
{
    (void)crew_pad(g, input_of(g, "x"), NULL, no_padding);
}

static void no_reduction(struct crew_graph *g)
{
    (void)crew_reduce(g, (enum crew_reduction)9, input_of(g, "x"), NULL, 0,
                      false);
}

static void null_thresholds(struct crew_graph *g)
{
    struct crew_node *x = input_of(g, "x");

    (void)crew_metric_recall_at_thresholds(g, x, x, NULL, 3);
}

static void null_average(struct crew_graph *g)
{
    crew_assign_moving_average(g, NULL, input_of(g, "x"), 0.5);
}

START_TEST(names_and_lists_that_are_none)
{
    ck_words(null_scope, "crew_scope_push: the name is NULL");
    ck_words(null_variable, "crew_variable: the name is NULL");
    ck_words(null_name, "the name is NULL");
    ck_words(null_operands, "crew_concat: 0 operands");
    ck_words(null_op, "the struct crew_op is NULL");
    ck_words(null_axes, "crew_reduce: axes is NULL");
    ck_words(null_padding, "crew_pad: before is NULL");
    ck_words(no_reduction, "there is no reduction 9");
    ck_words(null_thresholds, "thresholds is NULL");
    ck_words(null_average, "crew_assign_moving_average: its operand is NULL");
}
END_TEST

/* The text of common/crew.h. */
static char *header(void)
{
    static const char path[] = GOLDEN_DIR "/../../common/crew.h";
    struct crew_err err = {0};
    char *text = NULL;
    size_t n;

    ck_assert_msg(
        fs_read_file(env_posix(), path, 1 << 20, &text, &n, &err) == CREW_OK,
        "%s", err.msg);
    return text;
}

/* What returns a node or a metric has a row; crew_feature is not of a graph. */
START_TEST(the_table_is_whole)
{
    static const char *const kinds[] = {"struct crew_node *crew_",
                                        "struct crew_metric *crew_"};
    char *text = header();
    int found = 0;

    for (int k = 0; k < 2; k++) {
        const char *at = text;

        while ((at = strstr(at, kinds[k])) != NULL) {
            const char *name = strstr(at, "*crew_") + 1;
            size_t n = strcspn(name, "(,; ");
            bool known = strncmp(name, "crew_feature", n) == 0 ||
                         name[n] != '(' || memchr(name, '#', n) != NULL;

            for (int i = 0; i < NUM_BUILDERS && !known; i++) {
                known = strlen(builders[i].name) == n &&
                        strncmp(builders[i].name, name, n) == 0;
            }
            ck_assert_msg(known, "the table lacks %.*s", (int)n, name);
            found++;
            at = name;
        }
    }
    ck_assert_int_gt(found, 90);
    free(text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("builder_misuse");
    TCase *tc = tcase_create("cases");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, operands_that_are_none);
    tcase_add_test(tc, no_graph);
    tcase_add_test(tc, names_and_lists_that_are_none);
    tcase_add_test(tc, the_table_is_whole);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
