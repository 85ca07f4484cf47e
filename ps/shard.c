/* SPDX-License-Identifier: Apache-2.0
 * Granules in memory, and the update rule applied to them once a step. */
#include "shard.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"

#include "base/banned.h"

#define MAX_ID ((uint32_t)1 << 24)
#define ALIGN_FLOATS 16 /* granules begin on cache lines */

static int64_t padded(int64_t count)
{
    return (count + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
}

/* Sets id_limit and max_bytes; no sum of elements overflows. */
static int measure(struct shard *s,
                   const struct shard_place *places,
                   struct crew_err *err)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < s->num_granules; i++) {
        const struct shard_place *p = &places[i];
        if (p->id >= MAX_ID || p->count <= 0 ||
            p->count > INT64_MAX / 8 - ALIGN_FLOATS - sum || p->width < 0 ||
            (p->width > 0 &&
             (p->count % p->width != 0 || p->count / p->width > UINT32_MAX))) {
            return crew_err_set(err, CREW_INVALID_ARGUMENT,
                                "granule %u has %lld elements", p->id,
                                (long long)p->count);
        }
        sum += padded(p->count);
        s->id_limit = p->id >= s->id_limit ? p->id + 1 : s->id_limit;
        int64_t ids = p->width > 0 ? p->count / p->width : 0;
        size_t bytes = (size_t)(p->count + ids) * sizeof(float);
        s->max_bytes = bytes > s->max_bytes ? bytes : s->max_bytes;
    }
    return CREW_OK;
}

/* Room for the values and, by the place of the slot, for those who have it. */
static int allocate_blocks(struct shard *s, struct crew_err *err)
{
    int rc = CREW_OK;
    for (uint32_t k = 0; rc == CREW_OK && k <= OPTIM_MAX_SLOTS; k++) {
        int64_t total = 0;
        for (uint32_t i = 0; i < s->num_granules; i++) {
            struct shard_granule *g = &s->granules[i];
            total += k < shard_parts(g) ? padded(g->count) : 0;
        }
        s->total = k == 0 ? total : s->total;
        if (total > 0 || k == 0) {
            rc = mem_try((size_t)total, sizeof(float), "variables",
                         &s->block[k], err);
        }
    }
    return rc;
}

/* Does the granule keep a log? Not when an update moves all of its rows. */
static bool is_logged(const struct shard_granule *g)
{
    return g->width > 0 && optim_moves_rows_only(g->optimizer);
}

static int allocate_logs(struct shard *s, struct crew_err *err)
{
    size_t total = 0, at = 0;
    for (uint32_t i = 0; i < s->num_granules; i++) {
        const struct shard_granule *g = &s->granules[i];
        total += is_logged(g) ? (size_t)g->rows + row_log_cap(g->rows) : 0;
    }
    if (total == 0) {
        return CREW_OK;
    }
    int rc = mem_try(total, sizeof(uint32_t), "logs of rows", &s->logs, err);
    for (uint32_t i = 0; rc == CREW_OK && i < s->num_granules; i++) {
        struct shard_granule *g = &s->granules[i];
        if (is_logged(g)) {
            uint32_t *place = (uint32_t *)s->logs + at;
            g->log = (struct row_log){.version = 1,
                                      .cap = row_log_cap(g->rows),
                                      .last = place,
                                      .ring = place + g->rows};
            at += (size_t)g->rows + g->log.cap;
        }
    }
    return rc;
}

static int allocate(struct shard *s, struct crew_err *err)
{
    void *p = NULL;
    int rc = mem_try((size_t)s->num_granules + 1, sizeof(s->granules[0]),
                     "granules", &p, err);
    s->granules = p;
    if (rc == CREW_OK) {
        rc = mem_try((size_t)s->id_limit + 1, sizeof(s->by_id[0]),
                     "granule ids", &p, err);
        s->by_id = rc == CREW_OK ? p : NULL;
    }
    if (rc == CREW_OK) {
        rc = mem_try(((size_t)s->num_granules + 1) * (size_t)s->num_members,
                     sizeof(s->last_seq[0]), "step numbers", &p, err);
        s->last_seq = rc == CREW_OK ? p : NULL;
    }
    return rc;
}

static int describe_granules(struct shard *s,
                             const struct shard_place *places,
                             uint32_t num_optimizers,
                             struct crew_err *err)
{
    for (uint32_t i = 0; i < s->num_granules; i++) {
        const struct shard_place *p = &places[i];
        if (s->by_id[p->id] != 0) {
            return crew_err_set(err, CREW_INVALID_ARGUMENT,
                                "granule %u is declared twice", p->id);
        }
        if (p->optimizer >= num_optimizers) {
            return crew_err_set(err, CREW_INVALID_ARGUMENT,
                                "granule %u is of optimizer %u of %u", p->id,
                                p->optimizer, num_optimizers);
        }
        s->by_id[p->id] = i + 1;
        const struct crew_optimizer *o = &s->optimizers[p->optimizer];
        s->granules[i] = (struct shard_granule){
            .id = p->id,
            .variable = p->variable,
            .optimizer = o,
            .offset = p->offset,
            .count = p->count,
            .width = p->width,
            .rows = p->width > 0 ? (uint32_t)(p->count / p->width) : 0,
            .powers = optim_powers_initial(o)};
    }
    return CREW_OK;
}

static void place_granules(struct shard *s)
{
    int64_t at[1 + OPTIM_MAX_SLOTS] = {0};
    for (uint32_t i = 0; i < s->num_granules; i++) {
        struct shard_granule *g = &s->granules[i];
        for (uint32_t k = 0; k < shard_parts(g); k++) {
            float *place = (float *)s->block[k] + at[k];
            at[k] += padded(g->count);
            if (k == 0) {
                g->value = place;
            } else {
                g->slot[k - 1] = place;
            }
        }
    }
}

int shard_new(const struct crew_optimizer *optimizers,
              uint32_t num_optimizers,
              const struct shard_place *places,
              uint32_t num_granules,
              int num_members,
              struct shard **out,
              struct crew_err *err)
{
    PRE(num_optimizers <= OPTIM_MAX_GROUPS);
    for (uint32_t i = 0; i < num_optimizers; i++) {
        int rc = optim_check(&optimizers[i], err);
        if (rc != CREW_OK) {
            return rc;
        }
    }
    struct shard *s = xcalloc(1, sizeof(*s));
    for (uint32_t i = 0; i < num_optimizers; i++) {
        s->optimizers[i] = optimizers[i];
    }
    s->num_granules = num_granules;
    s->num_members = num_members;
    int rc = measure(s, places, err);
    rc = rc ? rc : allocate(s, err);
    rc = rc ? rc : describe_granules(s, places, num_optimizers, err);
    rc = rc ? rc : allocate_blocks(s, err);
    rc = rc ? rc : allocate_logs(s, err);
    if (rc != CREW_OK) {
        shard_free(s);
        return rc;
    }
    place_granules(s);
    *out = s;
    return CREW_OK;
}

void shard_free(struct shard *s)
{
    if (s == NULL) {
        return;
    }
    for (int k = 0; k <= OPTIM_MAX_SLOTS; k++) {
        free(s->block[k]);
    }
    free(s->logs);
    free(s->granules);
    free(s->by_id);
    free(s->last_seq);
    free(s);
}

struct shard_granule *shard_find(const struct shard *s, uint32_t id)
{
    if (s == NULL || id >= s->id_limit || s->by_id[id] == 0) {
        return NULL;
    }
    return &s->granules[s->by_id[id] - 1];
}

uint32_t shard_parts(const struct shard_granule *g)
{
    return 1 + (uint32_t)optim_num_slots(g->optimizer);
}

float *shard_slot(struct shard_granule *g, uint32_t slot)
{
    if (slot >= shard_parts(g)) {
        return NULL;
    }
    return slot == 0 ? g->value : g->slot[slot - 1];
}

void shard_set_loaded(struct shard_granule *g, uint32_t slot)
{
    g->loaded |= 1u << slot;
}

uint32_t shard_loaded(const struct shard *s)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->num_granules; i++) {
        uint32_t all = (1u << shard_parts(&s->granules[i])) - 1;
        n += s->granules[i].loaded == all;
    }
    return n;
}

void shard_restart(struct shard *s)
{
    for (uint32_t i = 0; i < s->num_granules; i++) {
        s->granules[i].loaded = 0;
        row_log_all(&s->granules[i].log);
    }
    for (int m = 0; m < s->num_members; m++) {
        shard_forget(s, m);
    }
}

void shard_forget(struct shard *s, int member)
{
    PRE(member >= 0 && member < s->num_members);
    uint64_t *row = &s->last_seq[(size_t)member * s->num_granules];
    for (uint32_t i = 0; i < s->num_granules; i++) {
        row[i] = 0;
    }
}

/* The test that proves that the simulator notices doubled gradients is built
 * without. */
bool shard_first_time(struct shard *s,
                      const struct shard_granule *g,
                      int member,
                      uint64_t seq)
{
    PRE(member >= 0 && member < s->num_members);
    size_t place = (size_t)(g - s->granules);
    uint64_t *last = &s->last_seq[(size_t)member * s->num_granules + place];
#ifndef CREW_TEST_NO_DEDUPE
    if (seq <= *last) {
        return false;
    }
#endif
    *last = seq;
    return true;
}

bool shard_has(const struct shard *s,
               const struct shard_granule *g,
               int member,
               uint64_t seq)
{
    PRE(member >= 0 && member < s->num_members);
    size_t place = (size_t)(g - s->granules);
    return s->last_seq[(size_t)member * s->num_granules + place] >= seq;
}

bool shard_apply(struct shard *s,
                 struct shard_granule *g,
                 int member,
                 uint64_t seq,
                 float learning_rate,
                 int64_t global_step,
                 const float *grad)
{
    if (!shard_first_time(s, g, member, seq)) {
        return false;
    }
    shard_update(g, learning_rate, global_step, grad);
    return true;
}

bool shard_apply_rows(struct shard *s,
                      struct shard_granule *g,
                      int member,
                      uint64_t seq,
                      float learning_rate,
                      int64_t global_step,
                      const struct optim_rows *rows)
{
    if (!shard_first_time(s, g, member, seq)) {
        return false;
    }
    shard_update_rows(g, learning_rate, global_step, rows);
    return true;
}

size_t shard_row_bytes(const struct shard_granule *g)
{
    return sizeof(uint32_t) + (size_t)g->width * sizeof(float);
}

bool shard_fits(const struct shard_granule *g, uint64_t bytes)
{
    if (g->width == 0) {
        return bytes == (uint64_t)g->count * sizeof(float);
    }
    return bytes % shard_row_bytes(g) == 0 &&
           bytes / shard_row_bytes(g) <= g->rows;
}

int shard_read_rows(const struct shard_granule *g,
                    const void *payload,
                    uint64_t bytes,
                    struct optim_rows *out,
                    struct crew_err *err)
{
    const uint32_t *rows = payload;
    int64_t n = (int64_t)(bytes / shard_row_bytes(g));
    PRE(g->width > 0 && shard_fits(g, bytes));
    for (int64_t i = 0; i < n; i++) {
        if (rows[i] >= g->rows || (i > 0 && rows[i] <= rows[i - 1])) {
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 70,
                                 "granule %u: row %u in place %lld of a "
                                 "gradient: rows must ascend and be below %u",
                                 g->id, rows[i], (long long)i, g->rows);
        }
    }
    *out = (struct optim_rows){.n = n,
                               .width = g->width,
                               .rows = rows,
                               .values = (const float *)payload + n};
    return CREW_OK;
}

void shard_update_rows(struct shard_granule *g,
                       float learning_rate,
                       int64_t global_step,
                       const struct optim_rows *rows)
{
    struct optim_step step = {.powers = g->powers,
                              .learning_rate = learning_rate,
                              .global_step = global_step};
    optim_apply_rows(g->optimizer, &step, g->rows, g->value, g->slot, rows);
    optim_powers_advance(g->optimizer, &g->powers);
    for (int64_t i = 0; i < rows->n; i++) {
        row_log_add(&g->log, rows->rows[i]);
    }
}

void shard_update(struct shard_granule *g,
                  float learning_rate,
                  int64_t global_step,
                  const float *grad)
{
    struct optim_step step = {.powers = g->powers,
                              .learning_rate = learning_rate,
                              .global_step = global_step};
    optim_apply(g->optimizer, &step, g->count, g->value, g->slot, grad);
    optim_powers_advance(g->optimizer, &g->powers);
}
