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
    d->num_optimizers = 0;
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
    struct declare_var out = {
        .dtype = v->dtype, .optimizer = v->optimizer, .table = v->table != 0};
    out.shape.rank = (int)v->n_dims;
    for (size_t i = 0; i < v->n_dims; i++) {
        out.shape.dim[i] = v->dims[i];
    }
    int rc = shape_count(&out.shape, &out.n, err);
    if (rc != CREW_OK) {
        return crew_err_wrap(err, "variable %s", v->name);
    }
    if (out.table && (out.shape.rank < 1 || out.n < 1)) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "variable %s: a table has rows", v->name);
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
    const struct declare_var *v = &d->vars[g->variable];
    int64_t width = v->table ? v->n / v->shape.dim[0] : 0;
    if (width > 0 &&
        (g->offset % (uint64_t)width != 0 || g->count % (uint64_t)width != 0)) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "granule %u does not hold whole rows of %s", g->id,
                            v->name);
    }
    d->places[d->num_places++] =
        (struct shard_place){.id = g->id,
                             .variable = g->variable,
                             .optimizer = d->vars[g->variable].optimizer,
                             .offset = (int64_t)g->offset,
                             .count = (int64_t)g->count,
                             .width = width};
    return CREW_OK;
}

static int set_optimizer(struct crew_optimizer *out,
                         const Crew__Optimizer *o,
                         struct crew_err *err)
{
    struct crew_optimizer new = {.kind = (enum crew_optimizer_kind)o->kind};
#define OPTIM_FIELD(member, name, type) new.member = (type)o->name;
#include "optim/fields.h"
#undef OPTIM_FIELD
    if (o->n_boundaries > CREW_MAX_BOUNDARIES ||
        o->n_values != (o->n_boundaries > 0 ? o->n_boundaries + 1 : 0)) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "a schedule of %zu boundaries and %zu values",
                            o->n_boundaries, o->n_values);
    }
    new.schedule.num_boundaries = (int32_t)o->n_boundaries;
    for (size_t i = 0; i < o->n_boundaries; i++) {
        new.schedule.boundaries[i] = o->boundaries[i];
    }
    for (size_t i = 0; i < o->n_values; i++) {
        new.schedule.values[i] = o->values[i];
    }
    *out = new;
    return CREW_OK;
}

static int set_optimizers(struct declaration *d,
                          const Crew__DeclareRequest *r,
                          struct crew_err *err)
{
    if (r->n_optimizers > OPTIM_MAX_GROUPS) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT, "%zu optimizers",
                            r->n_optimizers);
    }
    d->num_optimizers = (uint32_t)r->n_optimizers;
    int rc = CREW_OK;
    for (size_t i = 0; rc == CREW_OK && i < r->n_optimizers; i++) {
        rc = set_optimizer(&d->optimizers[i], r->optimizers[i], err);
    }
    return rc;
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
    return rc ? rc : set_optimizers(d, r, err);
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
    d->complete = r->last != 0;
    return CREW_OK;
}

#define DIFFERS(...)                                 \
    crew_err_exit(err, CREW_FAILED_PRECONDITION, 78, \
                  "model differs from the chief's: " __VA_ARGS__)

static const char *gradient_kind(const struct declare_var *v)
{
    return v->table ? "single rows" : "the whole";
}

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
        if (a->vars[i].table != b->vars[i].table) {
            return DIFFERS(
                "variable %s has gradients of %s here, of %s at the "
                "chief",
                b->vars[i].name, gradient_kind(&b->vars[i]),
                gradient_kind(&a->vars[i]));
        }
        if (a->vars[i].optimizer != b->vars[i].optimizer) {
            return DIFFERS(
                "variable %s is trained by optimizer %u here, by "
                "optimizer %u at the chief",
                b->vars[i].name, b->vars[i].optimizer, a->vars[i].optimizer);
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
    double there = 0, here = 0;
    const char *what = optim_difference(a, b, &there, &here);
    return what == NULL
               ? CREW_OK
               : DIFFERS("the optimizer's %s is %g here, %g at the chief", what,
                         here, there);
}

static int compare_all_optimizers(const struct declaration *a,
                                  const struct declaration *b,
                                  struct crew_err *err)
{
    if (a->num_optimizers != b->num_optimizers) {
        return DIFFERS("it has %u optimizers here, %u at the chief",
                       b->num_optimizers, a->num_optimizers);
    }
    int rc = CREW_OK;
    for (uint32_t i = 0; rc == CREW_OK && i < a->num_optimizers; i++) {
        rc = compare_optimizers(&a->optimizers[i], &b->optimizers[i], err);
    }
    return rc;
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
    rc = rc ? rc : compare_all_optimizers(a, b, err);
    return rc ? rc : compare_places(a, b, err);
}
