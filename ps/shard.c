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

/* Sets id_limit and max_count, and gives the padded sum of elements. */
static int measure(struct shard *s,
                   const struct shard_place *places,
                   int64_t *total,
                   struct crew_err *err)
{
    int64_t sum = 0;
    for (uint32_t i = 0; i < s->num_granules; i++) {
        const struct shard_place *p = &places[i];
        if (p->id >= MAX_ID || p->count <= 0 ||
            p->count > INT64_MAX / 8 - ALIGN_FLOATS - sum) {
            return crew_err_set(err, CREW_INVALID_ARGUMENT,
                                "granule %u has %lld elements", p->id,
                                (long long)p->count);
        }
        sum += padded(p->count);
        s->id_limit = p->id >= s->id_limit ? p->id + 1 : s->id_limit;
        s->max_count = p->count > s->max_count ? p->count : s->max_count;
    }
    *total = sum;
    return CREW_OK;
}

static int allocate(struct shard *s, int64_t total, struct crew_err *err)
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
    for (int k = 0; rc == CREW_OK && k <= s->num_slots; k++) {
        rc = mem_try((size_t)total, sizeof(float), "variables", &s->block[k],
                     err);
    }
    return rc;
}

static int place_granules(struct shard *s,
                          const struct shard_place *places,
                          struct crew_err *err)
{
    int64_t at = 0;
    for (uint32_t i = 0; i < s->num_granules; i++) {
        const struct shard_place *p = &places[i];
        struct shard_granule *g = &s->granules[i];
        if (s->by_id[p->id] != 0) {
            return crew_err_set(err, CREW_INVALID_ARGUMENT,
                                "granule %u is declared twice", p->id);
        }
        s->by_id[p->id] = i + 1;
        *g = (struct shard_granule){
            .id = p->id,
            .variable = p->variable,
            .offset = p->offset,
            .count = p->count,
            .powers = optim_powers_initial(&s->optimizer)};
        g->value = (float *)s->block[0] + at;
        for (int k = 0; k < s->num_slots; k++) {
            g->slot[k] = (float *)s->block[1 + k] + at;
        }
        at += padded(p->count);
    }
    return CREW_OK;
}

int shard_new(const struct crew_optimizer *optimizer,
              const struct shard_place *places,
              uint32_t num_granules,
              int num_members,
              struct shard **out,
              struct crew_err *err)
{
    int rc = optim_check(optimizer, err);
    if (rc != CREW_OK) {
        return rc;
    }
    struct shard *s = xcalloc(1, sizeof(*s));
    s->optimizer = *optimizer;
    s->num_slots = optim_num_slots(optimizer);
    s->num_granules = num_granules;
    s->num_members = num_members;
    int64_t total = 0;
    rc = measure(s, places, &total, err);
    rc = rc ? rc : allocate(s, total, err);
    rc = rc ? rc : place_granules(s, places, err);
    if (rc != CREW_OK) {
        shard_free(s);
        return rc;
    }
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

float *shard_slot(const struct shard *s, struct shard_granule *g, uint32_t slot)
{
    if (slot > (uint32_t)s->num_slots) {
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
    uint32_t all = (2u << s->num_slots) - 1, n = 0;
    for (uint32_t i = 0; i < s->num_granules; i++) {
        n += s->granules[i].loaded == all;
    }
    return n;
}

void shard_restart(struct shard *s)
{
    for (uint32_t i = 0; i < s->num_granules; i++) {
        s->granules[i].loaded = 0;
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

/* Remembers the step; false when it is not newer than the last one. The test
 * that proves that the simulator notices doubled gradients is built without. */
static bool first_time(struct shard *s,
                       const struct shard_granule *g,
                       int member,
                       uint64_t seq)
{
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

bool shard_apply(struct shard *s,
                 struct shard_granule *g,
                 int member,
                 uint64_t seq,
                 const float *grad)
{
    PRE(member >= 0 && member < s->num_members);
    if (!first_time(s, g, member, seq)) {
        return false;
    }
    struct optim_step step = optim_step_at(&s->optimizer, &g->powers, 0);
    optim_apply(&s->optimizer, &step, g->count, g->value, g->slot, grad);
    optim_powers_advance(&s->optimizer, &g->powers);
    return true;
}
