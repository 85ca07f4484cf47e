/* SPDX-License-Identifier: Apache-2.0
 * Cases of ops without a gradient: only their value and export are tried. */
#include "grad_cases.h"

#include "base/banned.h"

/* The batch that the test feeds, with labels beside it. */
static struct crew_node *fed(struct trial *t)
{
    struct crew_node *x =
        graph_input(t->g, "x", CREW_FLOAT, crew_shape2(-1, 4));

    t->labels = graph_input(t->g, "labels", CREW_INT32, crew_shape1(-1));
    return x;
}

struct crew_node *build_placeholder(struct trial *t)
{
    return fed(t);
}

struct crew_node *build_constant(struct trial *t)
{
    return crew_constant(t->g, 1.5f);
}

struct crew_node *build_argmax(struct trial *t)
{
    return crew_argmax(t->g, fed(t), -1);
}

struct crew_node *build_cast(struct trial *t)
{
    (void)fed(t);
    return crew_to_float(t->g, t->labels);
}

struct crew_node *build_one_hot(struct trial *t)
{
    (void)fed(t);
    return crew_one_hot(t->g, t->labels, 4); /* one label is no row of it */
}

static struct crew_node *in_range(struct trial *t, struct crew_node *x)
{
    union op_attr attr = {.range = {100, "too many", "too few"}};

    return graph_add(t->g, &op_label_range, "range", 1, &x, attr);
}

struct crew_node *build_label_range(struct trial *t)
{
    (void)fed(t);
    return in_range(t, t->labels);
}

struct crew_node *build_number_range(struct trial *t)
{
    return in_range(t, crew_square(t->g, fed(t)));
}

struct crew_node *build_column(struct trial *t)
{
    struct crew_node *x = fed(t);

    return graph_add(t->g, &op_column, "column", 1, &x,
                     (union op_attr){.size = 2});
}

struct crew_node *build_moments(struct trial *t)
{
    struct crew_node *x = fed(t);

    return graph_add(t->g, &op_moments, "moments", 1, &x, (union op_attr){0});
}

struct crew_node *build_moment(struct trial *t)
{
    struct crew_node *x = build_moments(t);

    return graph_add(t->g, &op_moment, "moment", 1, &x,
                     (union op_attr){.moment = {1, true}});
}
