/* SPDX-License-Identifier: Apache-2.0
 * Variables and slots by TensorFlow's names, in memory and in checkpoints. */
#include "estimator/weights.h"

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
                     int num_slots,
                     struct crew_err *err)
{
    void *memory;

    *v = (struct trainer_var){.name = g->name, .shape = g->shape, .n = g->n};
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

int weights_new(const struct crew_graph *graph,
                const struct crew_optimizer *optimizer,
                bool with_slots,
                struct weights *out,
                struct crew_err *err)
{
    struct weights s = {.num_vars = graph_num_vars(graph)};
    int num_slots = 0;

    if (optimizer != NULL) {
        s.optimizer = *optimizer;
        s.powers = optim_powers_initial(optimizer);
        num_slots = with_slots ? optim_num_slots(optimizer) : 0;
    }
    s.vars = xcalloc((size_t)s.num_vars + 1, sizeof *s.vars);
    for (int i = 0; i < s.num_vars; i++) {
        if (alloc_var(&s.vars[i], graph_var(graph, i), num_slots, err) !=
            CREW_OK) {
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
    *s = (struct weights){0};
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
                optim_slot_init(&s->optimizer, k, v->n, v->value, v->slot[k]);
            }
        }
    }
    if (s->optimizer.kind != 0) {
        s->powers = optim_powers_initial(&s->optimizer);
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

void weights_table_init(struct weights_table *t,
                        struct weights *s,
                        int64_t *step)
{
    *t = (struct weights_table){0};
    for (int i = 0; i < s->num_vars; i++) {
        struct trainer_var *v = &s->vars[i];

        add_entry(t, xstrdup(v->name), CREW_FLOAT, &v->shape, v->value);
        for (int k = 0; k < OPTIM_MAX_SLOTS; k++) {
            if (v->slot[k] != NULL) {
                add_entry(t,
                          path_join(v->name, optim_slot_name(&s->optimizer, k)),
                          CREW_FLOAT, &v->shape, v->slot[k]);
            }
        }
    }
    if (s->optimizer.kind != 0 && optim_has_powers(&s->optimizer)) {
        add_entry(t, xstrdup("beta1_power"), CREW_FLOAT, &scalar,
                  &s->powers.beta1_power);
        add_entry(t, xstrdup("beta2_power"), CREW_FLOAT, &scalar,
                  &s->powers.beta2_power);
    }
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

static void compare_unknown(const struct weights_table *table,
                            struct bundle_reader *reader,
                            struct differences *d)
{
    for (int i = 0; i < bundle_num_tensors(reader); i++) {
        const char *name = bundle_tensor(reader, i)->name;
        bool known = false;

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
        compare(&table, reader, s->optimizer.kind != 0, err) != CREW_OK) {
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
