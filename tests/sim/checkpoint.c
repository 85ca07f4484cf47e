/* SPDX-License-Identifier: Apache-2.0
 * The simulator's checkpoints: the real ones, in memory. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "checkpoint/save.h"
#include "cluster/placement.h"
#include "sim.h"

#define MODEL_DIR "/model"

int sim_save(struct sim *sim,
             const struct trainer_var *vars,
             int64_t step,
             uint64_t epoch,
             struct crew_err *err)
{
    struct ckpt_tensor tensors[SIM_MAX_VARS + 1];
    int n = sim->model.num_vars;
    for (int i = 0; i < n; i++) {
        tensors[i] = (struct ckpt_tensor){vars[i].name, CREW_FLOAT,
                                          vars[i].shape, vars[i].value};
    }
    tensors[n] = (struct ckpt_tensor){"global_step", CREW_INT64,
                                      crew_scalar_shape(), &step};
    struct ckpt_history *history = NULL;
    int rc = ckpt_history_open(sim->env, MODEL_DIR, 0, 10000, &history, err);
    if (rc == CREW_OK) {
        rc = ckpt_save(history, step, epoch, tensors, n + 1, err);
        ckpt_history_free(history);
    }
    sim->saves += rc == CREW_OK;
    return rc;
}

static void read_into(struct sim *sim,
                      const char *prefix,
                      struct trainer_var *vars,
                      int64_t *step)
{
    struct crew_err err = {0};
    struct bundle_reader *r = NULL;
    int rc = bundle_reader_open(sim->env, prefix, &r, &err);
    for (int i = 0; rc == CREW_OK && i <= sim->model.num_vars; i++) {
        bool last = i == sim->model.num_vars;
        const char *name = last ? "global_step" : vars[i].name;
        const struct bundle_tensor *t = bundle_find(r, name);
        if (t == NULL) {
            sim_fail(sim, "%s has no %s", prefix, name);
            break;
        }
        rc = bundle_read(r, t, last ? (void *)step : (void *)vars[i].value,
                         &err);
    }
    if (rc != CREW_OK) {
        sim_fail(sim, "reading %s: %s", prefix, err.msg);
    }
    bundle_reader_free(r);
}

int64_t sim_restore(struct sim *sim, struct trainer_var *vars)
{
    struct crew_err err = {0};
    char *prefix = NULL;
    int64_t step = -1;
    for (int v = 0; v < sim->model.num_vars; v++) {
        for (int64_t i = 0; i < vars[v].n; i++) {
            vars[v].value[i] = sim_initial(v, i);
        }
    }
    if (ckpt_latest(sim->env, MODEL_DIR, &prefix, &step, &err) != CREW_OK) {
        sim_fail(sim, "looking for a checkpoint: %s", err.msg);
    }
    if (prefix != NULL) {
        read_into(sim, prefix, vars, &step);
        free(prefix);
        return step;
    }
    return -1;
}

struct found {
    int64_t steps[256];
    int n;
};

static void on_name(void *self, const char *name)
{
    struct found *f = self;
    char *end = NULL;
    if (strncmp(name, "model.ckpt-", 11) != 0) {
        return;
    }
    int64_t step = strtoll(name + 11, &end, 10);
    if (strcmp(end, ".index") == 0 && f->n < 256) {
        f->steps[f->n++] = step;
    }
}

/* Within a granule (of a table: within a row) all elements have had the same
 * number of updates; but in a table none has had fewer than the checkpoint's
 * steps. (Saves were checked against the ledger
 * when they were made; this looks at what is on the disk at the end.) */
static void check_file(struct sim *sim, int64_t step, struct trainer_var *vars)
{
    char prefix[64];
    int64_t inside = -1;
    (void)snprintf(prefix, sizeof(prefix), MODEL_DIR "/model.ckpt-%" PRId64,
                   step);
    read_into(sim, prefix, vars, &inside);
    if (inside != step) {
        sim_fail(sim, "%s holds global_step %" PRId64, prefix, inside);
    }
    if (replicas_sync(&sim->replicas)) {
        if (step == sim->max_steps) {
            oracle_check(sim, vars, step, "the last checkpoint");
        }
        return;
    }
    for (uint32_t id = 0; id < sim->placement->num_granules; id++) {
        const struct granule *g = &sim->placement->granules[id];
        int v = (int)g->variable;
        bool table = sim->model.table[v];
        int64_t run = table ? vars[v].n / sim->model.shape[v].dim[0] : g->count;
        double first = -1, least = table ? 0 : (double)step;
        for (int64_t i = g->offset; i < g->offset + g->count; i++) {
            double got = (double)(sim_initial(v, i) - vars[v].value[i]) /
                         (double)sim_gradient(v, i);
            first = (i - g->offset) % run == 0 ? got : first;
            if (got < first || got > first || got < least) {
                sim_fail(sim,
                         "%s: %s[%" PRId64
                         "] has had %g updates, its "
                         "neighbour %g",
                         prefix, vars[v].name, i, got, first);
                return;
            }
        }
    }
}

void sim_check_files(struct sim *sim)
{
    struct crew_err err = {0};
    struct found f = {.n = 0};
    struct trainer_var vars[SIM_MAX_VARS] = {{.name = NULL}};
    if (sim->env->fs->list(sim->env->fs, MODEL_DIR, on_name, &f, &err) !=
        CREW_OK) {
        sim_fail(sim, "%s", err.msg);
    }
    for (int v = 0; v < sim->model.num_vars; v++) {
        vars[v].name = sim->model.name[v];
        vars[v].n = sim->model.n[v];
        vars[v].value = xcalloc((size_t)vars[v].n + 1, sizeof(float));
    }
    bool final = false;
    for (int i = 0; i < f.n; i++) {
        check_file(sim, f.steps[i], vars);
        final = final || f.steps[i] == sim->max_steps;
    }
    if (!final) {
        sim_fail(sim, "there is no checkpoint of the last step, %" PRId64,
                 sim->max_steps);
    }
    for (int v = 0; v < sim->model.num_vars; v++) {
        free(vars[v].value);
    }
}
