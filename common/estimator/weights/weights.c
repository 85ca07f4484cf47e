/* SPDX-License-Identifier: Apache-2.0
 * Variables and slots by TensorFlow's names, in memory and in checkpoints. */
#include "estimator/weights/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "checkpoint/bundle.h"
#include "base/banned.h"

/* Differences of a model that are listed; more are counted. */
#define MAX_LISTED 8

static int alloc_var(struct trainer_var *v,
                     const struct graph_var *g,
                     int optimizer,
                     int num_slots,
                     struct crew_err *err)
{
    void *memory;

    *v = (struct trainer_var){.name = g->name,
                              .shape = g->shape,
                              .n = g->n,
                              .optimizer = optimizer,
                              .fixed = g->fixed};
    if (mem_try((size_t)g->n, sizeof(float), g->name, &memory, err) !=
        CREW_OK) {
        return err->code;
    }
    v->value = memory;
    for (int k = 0; k < num_slots; k++) {
        if (mem_try((size_t)g->n, sizeof(float), g->name, &memory, err) !=
            CREW_OK) {
            return err->code;
        }
        v->slot[k] = memory;
    }
    return CREW_OK;
}

static int find_optimizer(const struct optim_groups *groups,
                          const char *name,
                          int *out,
                          struct crew_err *err)
{
    int i = optim_group_of(groups, name);

    if (i < 0) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "variable %s: no optimizer trains it. Call "
                             "crew_spec_minimize() for what no scope of "
                             "crew_spec_minimize_scope() covers",
                             name);
    }
    *out = i;
    return CREW_OK;
}

/* What moves a fixed variable is an optimizer of its own, one for each decay;
 * without a source the decay does not matter: it moves to where it is. */
static int fixed_optimizer(struct weights *s,
                           const struct graph_var *g,
                           int *out,
                           struct crew_err *err)
{
    struct crew_optimizer o = {.kind = CREW_ASSIGN, .learning_rate = g->rest};
    double here, there;

    for (int i = 0; i < s->num_optimizers; i++) {
        if (s->optimizers[i].kind == CREW_ASSIGN &&
            optim_difference(&s->optimizers[i], &o, &here, &there) == NULL) {
            *out = i;
            return CREW_OK;
        }
    }
    if (s->num_optimizers == OPTIM_MAX_GROUPS) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "variable %s: more than %d optimizers and decays "
                             "of moving averages",
                             g->name, OPTIM_MAX_GROUPS);
    }
    s->powers[s->num_optimizers] = optim_powers_initial(&o);
    s->optimizers[s->num_optimizers] = o;
    *out = s->num_optimizers++;
    return CREW_OK;
}

int weights_new(const struct crew_graph *graph,
                const struct optim_groups *groups,
                bool with_slots,
                struct weights *out,
                struct crew_err *err)
{
    struct weights s = {.num_vars = graph_num_vars(graph)};

    for (int i = 0; groups != NULL && i < groups->n; i++) {
        s.optimizers[i] = groups->group[i].optimizer;
        s.powers[i] = optim_powers_initial(&s.optimizers[i]);
        s.num_optimizers++;
    }
    s.vars = xcalloc((size_t)s.num_vars + 1, sizeof *s.vars);
    for (int i = 0; i < s.num_vars; i++) {
        const struct graph_var *g = graph_var(graph, i);
        int o = 0;
        int num_slots = 0;

        if (groups != NULL && g->fixed) {
            (void)fixed_optimizer(&s, g, &o, err);
        } else if (groups != NULL &&
                   find_optimizer(groups, g->name, &o, err) == CREW_OK) {
            num_slots = with_slots ? optim_num_slots(&s.optimizers[o]) : 0;
        }
        if (err->code != CREW_OK ||
            alloc_var(&s.vars[i], g, o, num_slots, err) != CREW_OK) {
            weights_release(&s);
            return err->code;
        }
    }
    *out = s;
    return CREW_OK;
}

void weights_release(struct weights *s)
{
    for (int i = 0; i < s->num_vars; i++) {
        free(s->vars[i].value);
        for (int k = 0; k < OPTIM_MAX_SLOTS; k++) {
            free(s->vars[i].slot[k]);
        }
    }
    free(s->vars);
    free(s->averaged);
    *s = (struct weights){0};
}

void weights_use_averages(struct weights *s, const struct optim_groups *groups)
{
    s->averaged = xcalloc((size_t)s->num_vars + 1, sizeof *s->averaged);
    for (int i = 0; i < s->num_vars; i++) {
        int o = optim_group_of(groups, s->vars[i].name);

        s->averaged[i] = o >= 0 && !s->vars[i].fixed &&
                         groups->group[o].optimizer.average.evaluate;
    }
}

void weights_init(struct weights *s,
                  const struct crew_graph *graph,
                  uint64_t seed)
{
    for (int i = 0; i < s->num_vars; i++) {
        struct trainer_var *v = &s->vars[i];

        graph_init_var(graph_var(graph, i), seed, v->value);
        for (int k = 0; k < OPTIM_MAX_SLOTS; k++) {
            if (v->slot[k] != NULL) {
                optim_slot_init(&s->optimizers[v->optimizer], k, v->n, v->value,
                                v->slot[k]);
            }
        }
    }
    for (int i = 0; i < s->num_optimizers; i++) {
        s->powers[i] = optim_powers_initial(&s->optimizers[i]);
    }
}

/* ------------------------------------------------------------------ tables */

static const struct crew_shape scalar = {0};

static void add_entry(struct weights_table *t,
                      char *name,
                      enum crew_dtype dtype,
                      const struct crew_shape *shape,
                      void *data)
{
    t->entries = xrealloc(t->entries, ((size_t)t->n + 1) * sizeof *t->entries);
    t->entries[t->n++] = (struct weights_entry){
        .name = name, .dtype = dtype, .shape = shape, .data = data};
}

static char *value_name(const struct weights *s, int i)
{
    return s->averaged != NULL && s->averaged[i]
               ? path_join(s->vars[i].name, "ExponentialMovingAverage")
               : xstrdup(s->vars[i].name);
}

/* The first Adam's beta1_power, the second's beta1_power_1, as in TensorFlow's
 * graph. */
static void add_powers(struct weights_table *t, struct weights *s)
{
    int n = 0;

    for (int i = 0; i < s->num_optimizers; i++) {
        char suffix[16] = "";

        if (!optim_has_powers(&s->optimizers[i])) {
            continue;
        }
        if (n > 0) {
            (void)snprintf(suffix, sizeof suffix, "_%d", n);
        }
        n++;
        add_entry(t, xasprintf("beta1_power%s", suffix), CREW_FLOAT, &scalar,
                  &s->powers[i].beta1_power);
        add_entry(t, xasprintf("beta2_power%s", suffix), CREW_FLOAT, &scalar,
                  &s->powers[i].beta2_power);
    }
}

void weights_table_init(struct weights_table *t,
                        struct weights *s,
                        int64_t *step)
{
    *t = (struct weights_table){0};
    for (int i = 0; i < s->num_vars; i++) {
        struct trainer_var *v = &s->vars[i];

        add_entry(t, value_name(s, i), CREW_FLOAT, &v->shape, v->value);
        for (int k = 0; k < OPTIM_MAX_SLOTS; k++) {
            if (v->slot[k] != NULL) {
                add_entry(
                    t,
                    path_join(v->name,
                              optim_slot_name(&s->optimizers[v->optimizer], k)),
                    CREW_FLOAT, &v->shape, v->slot[k]);
            }
        }
    }
    add_powers(t, s);
    add_entry(t, xstrdup("global_step"), CREW_INT64, &scalar, step);
}

void weights_table_release(struct weights_table *t)
{
    for (int i = 0; i < t->n; i++) {
        free(t->entries[i].name);
    }
    free(t->entries);
    *t = (struct weights_table){0};
}

/* --------------------------------------------------------------- restoring */

/* A list of differences that stays one readable line. */
struct differences {
    struct strbuf text;
    int n;
};

static void add_difference(struct differences *d, const char *text)
{
    if (d->n++ < MAX_LISTED) {
        strbuf_addf(&d->text, "%s%s", d->n > 1 ? "; " : "", text);
    }
}

static void compare_entry(const struct weights_entry *e,
                          struct bundle_reader *reader,
                          struct differences *d)
{
    const struct bundle_tensor *t = bundle_find(reader, e->name);
    char has[128];
    char wants[128];
    char *text;

    if (t == NULL) {
        text = xasprintf("%s is missing", e->name);
    } else if (t->dtype != (int)e->dtype) {
        text = xasprintf("%s has dtype %s, the model's %s", e->name,
                         dtype_name((enum crew_dtype)t->dtype),
                         dtype_name(e->dtype));
    } else if (!shape_equal(&t->shape, e->shape)) {
        text = xasprintf("%s has shape %s, the model's %s", e->name,
                         shape_text(&t->shape, has, sizeof has),
                         shape_text(e->shape, wants, sizeof wants));
    } else {
        return;
    }
    add_difference(d, text);
    free(text);
}

/* Is it what another optimizer has left: a slot of one of the model's
 * variables, or Adam's powers? Estimator takes no notice of those. */
static bool is_leftover(const struct weights_table *table, const char *name)
{
    const char *last = strrchr(name, '/');

    last = last == NULL ? name : last + 1;
    if (strcmp(last, "beta1_power") == 0 || strcmp(last, "beta2_power") == 0) {
        return true;
    }
    for (int k = 0; k < table->n; k++) {
        size_t n = strlen(table->entries[k].name);

        if (strncmp(table->entries[k].name, name, n) == 0 && name[n] == '/') {
            return true;
        }
    }
    return false;
}

static void compare_unknown(const struct weights_table *table,
                            struct bundle_reader *reader,
                            struct differences *d)
{
    for (int i = 0; i < bundle_num_tensors(reader); i++) {
        const char *name = bundle_tensor(reader, i)->name;
        bool known = is_leftover(table, name);

        for (int k = 0; k < table->n && !known; k++) {
            known = strcmp(table->entries[k].name, name) == 0;
        }
        if (!known) {
            char *text = xasprintf("%s is not in the model", name);

            add_difference(d, text);
            free(text);
        }
    }
}

/* all: nothing in the checkpoint may be left over either. */
static int compare(const struct weights_table *table,
                   struct bundle_reader *reader,
                   bool all,
                   struct crew_err *err)
{
    struct differences d = {.n = 0};

    strbuf_init(&d.text);
    for (int i = 0; i < table->n; i++) {
        compare_entry(&table->entries[i], reader, &d);
    }
    if (all) {
        compare_unknown(table, reader, &d);
    }
    if (d.n > MAX_LISTED) {
        strbuf_addf(&d.text, "; and %d more", d.n - MAX_LISTED);
    }
    if (d.n > 0) {
        (void)crew_err_exit(err, CREW_FAILED_PRECONDITION, 78,
                            "it is a checkpoint of another model: %s. Give "
                            "another --model-dir, or the settings it was "
                            "trained with",
                            d.text.data);
    }
    strbuf_release(&d.text);
    return err->code;
}

int weights_restore(struct weights *s,
                    struct crew_env *env,
                    const char *prefix,
                    int64_t *global_step,
                    struct crew_err *err)
{
    struct bundle_reader *reader = NULL;
    struct weights_table table;
    int64_t step = 0;

    weights_table_init(&table, s, &step);
    if (bundle_reader_open(env, prefix, &reader, err) != CREW_OK ||
        compare(&table, reader, s->num_optimizers > 0, err) != CREW_OK) {
        goto out;
    }
    for (int i = 0; i < table.n; i++) {
        const struct weights_entry *e = &table.entries[i];

        if (bundle_read(reader, bundle_find(reader, e->name), e->data, err) !=
            CREW_OK) {
            goto out;
        }
    }
    *global_step = step;
out:
    bundle_reader_free(reader);
    weights_table_release(&table);
    return err->code == CREW_OK ? CREW_OK : crew_err_wrap(err, "%s", prefix);
}
