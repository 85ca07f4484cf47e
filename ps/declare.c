/* SPDX-License-Identifier: Apache-2.0
 * Builds a declaration from DECLARE calls, and finds the first difference
 * between two. Everything here comes from the wire and is checked. */
#include "declare.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "tensor/tensor.h"

#include "base/banned.h"

#define MAX_VARS ((uint32_t)1 << 20)
#define MAX_PLACES ((uint32_t)1 << 24)
#define MAX_NAME 1024

void declare_init(struct declaration *d)
{
    *d = (struct declaration){.next_call = 1};
}

static void empty(struct declaration *d)
{
    for (uint32_t i = 0; i < d->num_vars; i++) {
        free(d->vars[i].name);
    }
    d->num_vars = 0;
    d->num_places = 0;
    d->next_call = 1;
    d->complete = false;
}

void declare_release(struct declaration *d)
{
    empty(d);
    free(d->vars);
    free(d->places);
    declare_init(d);
}

/* Room for `more` in a growing array, doubling. */
static int grow(void **array,
                uint32_t num,
                uint32_t *cap,
                size_t more,
                size_t size,
                uint32_t limit,
                struct crew_err *err)
{
    if (more > limit - num) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "more than %u variables or granules", limit);
    }
    uint32_t need = num + (uint32_t)more;
    if (need <= *cap) {
        return CREW_OK;
    }
    uint32_t want = need < 64 ? 64 : need + need / 2;
    *array = xrealloc(*array, want * size);
    *cap = want;
    return CREW_OK;
}

static int add_var(struct declaration *d,
                   const Crew__Variable *v,
                   struct crew_err *err)
{
    if (v->name == NULL || v->name[0] == '\0' || strlen(v->name) > MAX_NAME ||
        v->dtype != CREW_FLOAT || v->n_dims > CREW_MAX_RANK) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "variable %.80s: not a float32 of at most %d "
                            "dimensions with a name",
                            v->name != NULL ? v->name : "", CREW_MAX_RANK);
    }
    struct declare_var out = {.dtype = v->dtype};
    out.shape.rank = (int)v->n_dims;
    for (size_t i = 0; i < v->n_dims; i++) {
        out.shape.dim[i] = v->dims[i];
    }
    int rc = shape_count(&out.shape, &out.n, err);
    if (rc != CREW_OK) {
        return crew_err_wrap(err, "variable %s", v->name);
    }
    out.name = xstrdup(v->name);
    d->vars[d->num_vars++] = out;
    return CREW_OK;
}

static int add_place(struct declaration *d,
                     const Crew__Granule *g,
                     struct crew_err *err)
{
    if (g->variable >= d->num_vars ||
        g->count > (uint64_t)d->vars[g->variable].n || g->count == 0 ||
        g->offset > (uint64_t)d->vars[g->variable].n - g->count ||
        g->count > ((uint64_t)64 << 20) / sizeof(float)) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "granule %u does not lie in a variable", g->id);
    }
    d->places[d->num_places++] =
        (struct shard_place){.id = g->id,
                             .variable = g->variable,
                             .offset = (int64_t)g->offset,
                             .count = (int64_t)g->count};
    return CREW_OK;
}

static void set_optimizer(struct declaration *d, const Crew__Optimizer *o)
{
    d->optimizer = (struct crew_optimizer){
        .kind = (enum crew_optimizer_kind)o->kind,
        .learning_rate = o->learning_rate,
        .momentum = o->momentum,
        .use_nesterov = o->use_nesterov != 0,
        .beta1 = o->beta1,
        .beta2 = o->beta2,
        .epsilon = o->epsilon,
    };
}

static int add_all(struct declaration *d,
                   const Crew__DeclareRequest *r,
                   struct crew_err *err)
{
    void *vars = d->vars, *places = d->places;
    int rc = grow(&vars, d->num_vars, &d->cap_vars, r->n_variables,
                  sizeof(d->vars[0]), MAX_VARS, err);
    d->vars = vars;
    rc = rc ? rc
            : grow(&places, d->num_places, &d->cap_places, r->n_granules,
                   sizeof(d->places[0]), MAX_PLACES, err);
    d->places = places;
    for (size_t i = 0; rc == CREW_OK && i < r->n_variables; i++) {
        rc = add_var(d, r->variables[i], err);
    }
    for (size_t i = 0; rc == CREW_OK && i < r->n_granules; i++) {
        rc = add_place(d, r->granules[i], err);
    }
    return rc;
}

int declare_add(struct declaration *d,
                const Crew__DeclareRequest *r,
                struct crew_err *err)
{
    uint64_t call = r->self->seq;
    if (call == 1) {
        empty(d);
    }
    if (call + 1 == d->next_call) {
        return CREW_OK; /* repeated */
    }
    if (call != d->next_call) {
        return crew_err_set(err, CREW_ABORTED, "DECLARE out of order");
    }
    int rc = add_all(d, r, err);
    if (rc != CREW_OK) {
        empty(d);
        return rc;
    }
    d->next_call = call + 1;
    if (r->optimizer != NULL) {
        set_optimizer(d, r->optimizer);
    }
    d->complete = r->last != 0;
    return CREW_OK;
}

#define DIFFERS(...)                                 \
    crew_err_exit(err, CREW_FAILED_PRECONDITION, 78, \
                  "model differs from the chief's: " __VA_ARGS__)

static int compare_vars(const struct declaration *a,
                        const struct declaration *b,
                        struct crew_err *err)
{
    char here[128], there[128];
    uint32_t n = a->num_vars < b->num_vars ? a->num_vars : b->num_vars;
    for (uint32_t i = 0; i < n; i++) {
        if (strcmp(a->vars[i].name, b->vars[i].name) != 0) {
            return DIFFERS("variable %u is %s here, %s at the chief", i,
                           b->vars[i].name, a->vars[i].name);
        }
        if (!shape_equal(&a->vars[i].shape, &b->vars[i].shape)) {
            return DIFFERS("variable %s is float32 %s here, %s at the chief",
                           b->vars[i].name,
                           shape_text(&b->vars[i].shape, here, sizeof(here)),
                           shape_text(&a->vars[i].shape, there, sizeof(there)));
        }
    }
    if (a->num_vars > n) {
        return DIFFERS("variable %s is missing here", a->vars[n].name);
    }
    if (b->num_vars > n) {
        return DIFFERS("variable %s is missing at the chief", b->vars[n].name);
    }
    return CREW_OK;
}

static int compare_optimizers(const struct crew_optimizer *a,
                              const struct crew_optimizer *b,
                              struct crew_err *err)
{
    if (a->kind != b->kind) {
        const char *here = optim_kind_name(b->kind);
        return DIFFERS("its optimizer is %s here, %s at the chief",
                       here != NULL ? here : "unknown",
                       optim_kind_name(a->kind));
    }
    const struct {
        const char *what;
        float a, b;
    } rows[] = {{"learning_rate", a->learning_rate, b->learning_rate},
                {"momentum", a->momentum, b->momentum},
                {"use_nesterov", a->use_nesterov, b->use_nesterov},
                {"beta1", a->beta1, b->beta1},
                {"beta2", a->beta2, b->beta2},
                {"epsilon", a->epsilon, b->epsilon}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].a < rows[i].b || rows[i].a > rows[i].b) {
            return DIFFERS("the optimizer's %s is %g here, %g at the chief",
                           rows[i].what, (double)rows[i].b, (double)rows[i].a);
        }
    }
    return CREW_OK;
}

static int compare_places(const struct declaration *a,
                          const struct declaration *b,
                          struct crew_err *err)
{
    bool same = a->num_places == b->num_places;
    for (uint32_t i = 0; same && i < a->num_places; i++) {
        const struct shard_place *x = &a->places[i], *y = &b->places[i];
        same = x->id == y->id && x->variable == y->variable &&
               x->offset == y->offset && x->count == y->count;
    }
    return same ? CREW_OK
                : DIFFERS(
                      "it is dealt out to the parameter servers in another "
                      "way. Use one release everywhere");
}

int declare_compare(const struct declaration *a,
                    const struct declaration *b,
                    struct crew_err *err)
{
    int rc = compare_vars(a, b, err);
    rc = rc ? rc : compare_optimizers(&a->optimizer, &b->optimizer, err);
    return rc ? rc : compare_places(a, b, err);
}
