/* SPDX-License-Identifier: Apache-2.0
 * Initializers that the golden samples do not have: orthogonal, identity,
 * uniform_unit_scaling; and what is refused. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "graph/graph.h"
#include "run_suite.h"

#include "base/banned.h"

static const struct {
    int64_t rows, columns;
} sizes[] = {{5, 5}, {300, 7}, {7, 300}, {200, 160}, {1, 4}, {4, 1}};

/* The vectors of the longer side are orthogonal and of length `gain`. */
START_TEST(orthogonal_is)
{
    int64_t rows = sizes[_i].rows, columns = sizes[_i].columns;
    bool wide = rows < columns;
    int64_t n = wide ? rows : columns, length = wide ? columns : rows;
    int64_t along = wide ? 1 : columns, across = wide ? columns : 1;
    struct graph_var v = {.name = (char[]){"v"},
                          .shape = crew_shape2(rows, columns),
                          .init = crew_init_orthogonal(1.5),
                          .n = rows * columns};
    float *x = calloc((size_t)v.n, sizeof *x);

    graph_init_var(&v, 11, x);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j <= i; j++) {
            double dot = 0.0;

            for (int64_t k = 0; k < length; k++) {
                dot += (double)x[i * across + k * along] *
                       (double)x[j * across + k * along];
            }
            ck_assert_msg(fabs(dot - (i == j ? 2.25 : 0.0)) < 2e-6,
                          "%d x %d: (%d, %d) is %g", (int)rows, (int)columns,
                          (int)i, (int)j, dot);
        }
    }
    free(x);
}
END_TEST

/* Of a filter all dimensions but the last are the rows, as in TensorFlow. */
START_TEST(orthogonal_filters_are_flattened)
{
    struct graph_var v = {.name = (char[]){"v"},
                          .shape = crew_shape4(3, 3, 2, 4),
                          .init = crew_init_orthogonal(1),
                          .n = 72};
    float x[72];
    double dot = 0.0;

    graph_init_var(&v, 11, x);
    for (int k = 0; k < 18; k++) {
        dot += (double)x[4 * k] * (double)x[4 * k + 3];
    }
    ck_assert_double_lt(fabs(dot), 1e-6);
}
END_TEST

START_TEST(identity_is)
{
    struct graph_var v = {.name = (char[]){"v"},
                          .shape = crew_shape2(2, 3),
                          .init = crew_init_identity(2),
                          .n = 6};
    static const float want[] = {2, 0, 0, 0, 2, 0};
    float x[6];

    graph_init_var(&v, 11, x);
    ck_assert_int_eq(memcmp(x, want, sizeof want), 0);
}
END_TEST

/* factor sqrt(3 / inputs), of which the deviation is factor / sqrt(inputs). */
START_TEST(unit_scaling_keeps_the_scale)
{
    struct graph_var v = {.name = (char[]){"v"},
                          .shape = crew_shape4(3, 4, 5, 1000),
                          .init = crew_init_uniform_unit_scaling(1.3),
                          .n = 60000};
    double limit = 1.3 * sqrt(3.0 / 60.0), sum = 0.0, squares = 0.0;
    float *x = calloc(60000, sizeof *x);

    graph_init_var(&v, 11, x);
    for (int i = 0; i < 60000; i++) {
        ck_assert_double_le(fabs((double)x[i]), limit + 1e-7);
        sum += (double)x[i];
        squares += (double)x[i] * (double)x[i];
    }
    ck_assert_double_lt(fabs(sum / 60000), 5 * limit / sqrt(3.0 * 60000));
    ck_assert_double_lt(fabs(sqrt(squares / 60000) * sqrt(60.0) / 1.3 - 1),
                        4 / sqrt(60000.0));
    free(x);
}
END_TEST

START_TEST(shapes_that_do_not_fit_are_refused)
{
    struct crew_graph *g = graph_new();
    struct crew_err err = {0};

    (void)crew_variable(
        g, "v", crew_shape1(3),
        _i == 0 ? crew_init_identity(1) : crew_init_orthogonal(1));
    ck_assert_int_eq(crew_graph_status(g, &err), CREW_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(strstr(err.msg, _i == 0
                                              ? "only be used for 2D matrices"
                                              : "at least two-dimensional"));
    graph_free(g);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("init");
    TCase *t = tcase_create("init");

    tcase_add_loop_test(t, orthogonal_is, 0,
                        (int)(sizeof sizes / sizeof sizes[0]));
    tcase_add_test(t, orthogonal_filters_are_flattened);
    tcase_add_test(t, identity_is);
    tcase_add_test(t, unit_scaling_keeps_the_scale);
    tcase_add_loop_test(t, shapes_that_do_not_fit_are_refused, 0, 2);
    suite_add_tcase(s, t);
    return run_suite(s);
}
