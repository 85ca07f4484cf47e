/* SPDX-License-Identifier: Apache-2.0
 * Declarations: optimizers off the wire, and how two of them differ in words.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "declare.h"
#include "run_suite.h"

/* A DECLARE of variables a (2, 3) and b (4), a granule each, b by the second
 * optimizer. */
struct call {
    Crew__DeclareRequest q;
    Crew__Identity self;
    Crew__Variable vars[2], *var_list[2];
    Crew__Granule granules[2], *granule_list[2];
    Crew__Optimizer optimizers[2], *optimizer_list[2];
    int64_t dims[3];
    int64_t boundaries[CREW_MAX_BOUNDARIES + 1];
    float values[CREW_MAX_BOUNDARIES + 2];
};

static void fill(struct call *c)
{
    *c = (struct call){.dims = {2, 3, 4}};
    crew__declare_request__init(&c->q);
    crew__identity__init(&c->self);
    c->self.seq = 1;
    c->q.self = &c->self;
    for (int i = 0; i < 2; i++) {
        crew__variable__init(&c->vars[i]);
        c->vars[i].name = (char *)(uintptr_t)(i == 0 ? "a" : "b");
        c->vars[i].dtype = CREW_FLOAT;
        c->vars[i].n_dims = i == 0 ? 2 : 1;
        c->vars[i].dims = i == 0 ? c->dims : c->dims + 2;
        c->vars[i].optimizer = (uint32_t)i;
        c->var_list[i] = &c->vars[i];
        crew__granule__init(&c->granules[i]);
        c->granules[i].id = c->granules[i].variable = (uint32_t)i;
        c->granules[i].count = i == 0 ? 6 : 4;
        c->granule_list[i] = &c->granules[i];
        crew__optimizer__init(&c->optimizers[i]);
        c->optimizer_list[i] = &c->optimizers[i];
    }
    c->optimizers[0].kind = CREW_MOMENTUM;
    c->optimizers[0].learning_rate = 0.5f;
    c->optimizers[1].kind = CREW_FTRL;
    c->optimizers[1].l2_shrinkage = 0.25f;
    c->optimizers[1].schedule = CREW_PIECEWISE_CONSTANT;
    c->boundaries[0] = 10;
    c->values[0] = 1;
    c->values[1] = 2;
    c->optimizers[1].n_boundaries = 1;
    c->optimizers[1].boundaries = c->boundaries;
    c->optimizers[1].n_values = 2;
    c->optimizers[1].values = c->values;
    c->q.n_variables = c->q.n_granules = c->q.n_optimizers = 2;
    c->q.variables = c->var_list;
    c->q.granules = c->granule_list;
    c->q.optimizers = c->optimizer_list;
    c->q.last = 1;
}

START_TEST(tables_hold_whole_rows)
{
    struct call c;
    struct declaration a, b;
    struct crew_err err = {0};

    fill(&c);
    declare_init(&a);
    declare_init(&b);
    ck_assert_int_eq(declare_add(&a, &c.q, &err), CREW_OK);
    ck_assert_int_eq(a.places[0].width, 0);
    c.vars[0].table = true;
    ck_assert_int_eq(declare_add(&b, &c.q, &err), CREW_OK);
    ck_assert_int_eq(b.places[0].width, 3);
    ck_assert_int_eq(declare_compare(&a, &b, &err), CREW_FAILED_PRECONDITION);
    ck_assert_str_eq(err.msg,
                     "model differs from the chief's: variable a has gradients "
                     "of single rows here, of the whole at the chief");
    err = (struct crew_err){0};
    c.granules[0].count = 4;
    ck_assert_int_eq(declare_add(&b, &c.q, &err), CREW_INVALID_ARGUMENT);
    ck_assert_str_eq(err.msg, "granule 0 does not hold whole rows of a");
    c.vars[0].n_dims = 0;
    ck_assert_int_eq(declare_add(&b, &c.q, &err), CREW_INVALID_ARGUMENT);
    declare_release(&a);
    declare_release(&b);
}
END_TEST

START_TEST(optimizers_arrive)
{
    struct call c;
    struct declaration d;
    struct crew_err err = {0};

    fill(&c);
    declare_init(&d);
    ck_assert_int_eq(declare_add(&d, &c.q, &err), CREW_OK);
    ck_assert(d.complete);
    ck_assert_uint_eq(d.num_optimizers, 2);
    ck_assert_int_eq(d.optimizers[0].kind, CREW_MOMENTUM);
    ck_assert_float_eq(d.optimizers[0].learning_rate, 0.5f);
    ck_assert_float_eq(d.optimizers[1].l2_shrinkage, 0.25f);
    ck_assert_int_eq(d.optimizers[1].schedule.kind, CREW_PIECEWISE_CONSTANT);
    ck_assert_int_eq(d.optimizers[1].schedule.num_boundaries, 1);
    ck_assert_int_eq(d.optimizers[1].schedule.boundaries[0], 10);
    ck_assert_float_eq(d.optimizers[1].schedule.values[1], 2);
    ck_assert_uint_eq(d.places[0].optimizer, 0);
    ck_assert_uint_eq(d.places[1].optimizer, 1);
    declare_release(&d);
}
END_TEST

/* What a worker changes, and what it is told. */
static void change(struct call *c, int what)
{
    switch (what) {
        case 0:
            c->optimizers[1].l2_shrinkage = 0;
            break;
        case 1:
            c->boundaries[0] = 11;
            break;
        case 2:
            c->vars[1].optimizer = 0;
            break;
        case 3:
            c->q.n_optimizers = 1;
            c->vars[1].optimizer = 1;
            break;
        case 4:
            c->optimizers[0].kind = CREW_ADAM;
            break;
        default:
            c->optimizers[0].clip = CREW_CLIP_BY_GLOBAL_NORM;
            c->optimizers[0].clip_norm = 5;
            break;
    }
}
static const char *const told[] = {
    "the optimizer's l2_shrinkage is 0 here, 0.25 at the chief",
    "the optimizer's boundaries is 11 here, 10 at the chief",
    "variable b is trained by optimizer 0 here, by optimizer 1 at the chief",
    "it has 1 optimizers here, 2 at the chief",
    "its optimizer is Adam here, Momentum at the chief",
    "the optimizer's clip is 4 here, 0 at the chief",
};

START_TEST(differences_in_words)
{
    struct call c;
    struct declaration chiefs, mine;
    struct crew_err err = {0};
    char want[200];

    fill(&c);
    declare_init(&chiefs);
    declare_init(&mine);
    ck_assert_int_eq(declare_add(&chiefs, &c.q, &err), CREW_OK);
    ck_assert_int_eq(declare_add(&mine, &c.q, &err), CREW_OK);
    ck_assert_int_eq(declare_compare(&chiefs, &mine, &err), CREW_OK);
    change(&c, _i);
    ck_assert_int_eq(declare_add(&mine, &c.q, &err), CREW_OK);
    ck_assert_int_eq(declare_compare(&chiefs, &mine, &err),
                     CREW_FAILED_PRECONDITION);
    (void)snprintf(want, sizeof(want), "model differs from the chief's: %s",
                   told[_i]);
    ck_assert_str_eq(err.msg, want);
    ck_assert_int_eq(err.exit_code, 78);
    declare_release(&chiefs);
    declare_release(&mine);
}
END_TEST

START_TEST(what_cannot_be)
{
    struct call c;
    struct declaration d;
    struct crew_err err = {0};
    Crew__Optimizer *many[OPTIM_MAX_GROUPS + 1];

    declare_init(&d);
    fill(&c);
    c.optimizers[1].n_boundaries = CREW_MAX_BOUNDARIES + 1;
    c.optimizers[1].n_values = CREW_MAX_BOUNDARIES + 2;
    ck_assert_int_eq(declare_add(&d, &c.q, &err), CREW_INVALID_ARGUMENT);
    err = (struct crew_err){0};
    fill(&c);
    c.optimizers[1].n_values = 1;
    ck_assert_int_eq(declare_add(&d, &c.q, &err), CREW_INVALID_ARGUMENT);
    ck_assert_str_eq(err.msg, "a schedule of 1 boundaries and 1 values");
    err = (struct crew_err){0};
    fill(&c);
    for (size_t i = 0; i <= OPTIM_MAX_GROUPS; i++) {
        many[i] = &c.optimizers[0];
    }
    c.q.n_optimizers = OPTIM_MAX_GROUPS + 1;
    c.q.optimizers = many;
    ck_assert_int_eq(declare_add(&d, &c.q, &err), CREW_INVALID_ARGUMENT);
    ck_assert_uint_eq(d.num_vars, 0);
    declare_release(&d);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("declare");
    TCase *t = tcase_create("declare");
    tcase_add_test(t, optimizers_arrive);
    tcase_add_test(t, tables_hold_whole_rows);
    tcase_add_loop_test(t, differences_in_words, 0,
                        (int)(sizeof(told) / sizeof(told[0])));
    tcase_add_test(t, what_cannot_be);
    suite_add_tcase(s, t);
    return run_suite(s);
}
