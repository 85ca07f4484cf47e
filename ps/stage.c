/* SPDX-License-Identifier: Apache-2.0
 * Gradients that wait, and the updates made of them. */
#include "stage.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/mem.h"

#include "base/banned.h"

static size_t place_of(const struct stage *s, const struct shard_granule *g)
{
    return (size_t)(g - s->shard->granules);
}

static struct stage_tag *tag_of(const struct stage *s, size_t place, int member)
{
    return &s->tags[(size_t)member * s->shard->num_granules + place];
}

static float *sum_of(const struct stage *s,
                     const struct shard_granule *g,
                     int member)
{
    return s->sums[member] + (g->value - (const float *)s->shard->block[0]);
}

static struct replicas_rows *table_of(const struct stage *s,
                                      const struct shard_granule *g,
                                      int member)
{
    return &s->tables[member][place_of(s, g)];
}

int stage_new(struct shard *shard, struct stage **out, struct crew_err *err)
{
    struct stage *s = xcalloc(1, sizeof(*s));
    void *p = NULL;
    s->shard = shard;
    size_t members = (size_t)shard->num_members;
    s->sums = xcalloc(members, sizeof(s->sums[0]));
    s->tables = xcalloc(members, sizeof(s->tables[0]));
    s->numbers = xcalloc(members, sizeof(s->numbers[0]));
    int rc =
        mem_try(((size_t)shard->num_granules + 1) * (size_t)shard->num_members,
                sizeof(s->tags[0]), "gradients that wait", &p, err);
    if (rc != CREW_OK) {
        stage_free(s);
        return rc;
    }
    s->tags = p;
    *out = s;
    return CREW_OK;
}

void stage_free(struct stage *s)
{
    if (s == NULL) {
        return;
    }
    for (int i = 0; i < s->shard->num_members; i++) {
        free(s->sums[i]);
        free(s->tables[i]);
        free(s->numbers[i]);
    }
    free(s->sums);
    free(s->tables);
    free(s->numbers);
    free(s->tags);
    free(s);
}

void stage_begin(struct stage *s, int64_t global_step)
{
    size_t n = (size_t)s->shard->num_granules * (size_t)s->shard->num_members;
    s->step = global_step;
    for (size_t i = 0; i < n; i++) {
        s->tags[i] = (struct stage_tag){.step = -1};
    }
}

/* For each row of a table: that it is in the sum, and how often. */
static void place_tables(struct stage *s, int member)
{
    uint32_t *at = s->numbers[member];
    for (uint32_t i = 0; i < s->shard->num_granules; i++) {
        const struct shard_granule *g = &s->shard->granules[i];
        s->tables[member][i] =
            (struct replicas_rows){.width = g->width,
                                   .sum = sum_of(s, g, member),
                                   .rows = at,
                                   .count = at + g->rows};
        at += 2 * (size_t)g->rows;
    }
}

int stage_room(struct stage *s, int member, struct crew_err *err)
{
    const char *what = "a trainer's gradients";
    const struct shard *shard = s->shard;
    size_t rows = 0;
    void *sums = NULL, *tables = NULL, *numbers = NULL;
    PRE(member >= 0 && member < shard->num_members);
    if (s->sums[member] != NULL) {
        return CREW_OK;
    }
    for (uint32_t i = 0; i < shard->num_granules; i++) {
        rows += shard->granules[i].rows;
    }
    int rc = mem_try((size_t)shard->total + 1, sizeof(float), what, &sums, err);
    rc = rc ? rc
            : mem_try((size_t)shard->num_granules + 1,
                      sizeof(struct replicas_rows), what, &tables, err);
    rc = rc ? rc : mem_try(2 * rows + 1, sizeof(uint32_t), what, &numbers, err);
    if (rc != CREW_OK) {
        free(sums);
        free(tables);
        return rc;
    }
    s->sums[member] = sums;
    s->tables[member] = tables;
    s->numbers[member] = numbers;
    place_tables(s, member);
    return CREW_OK;
}

static bool same_batch(const struct stage_tag *t,
                       uint64_t incarnation,
                       uint64_t seq)
{
    return t->incarnation == incarnation && t->seq == seq;
}

/* May the batch be put there? */
static bool fits(const struct stage *s,
                 const struct stage_tag *here,
                 const struct stage_tag *tag)
{
    return tag->step == s->step &&
           (tag->batches == 1 ||
            (here->step == tag->step && here->incarnation == tag->incarnation &&
             here->batches + 1 == tag->batches));
}

/* May it be taken in? If so, it is known from now on. */
static enum stage_answer admit(struct stage *s,
                               const struct shard_granule *g,
                               int member,
                               const struct stage_tag *tag)
{
    struct stage_tag *here = tag_of(s, place_of(s, g), member);
    if (!shard_first_time(s->shard, g, member, tag->seq)) {
        return STAGE_DUPLICATE;
    }
    if (tag->step < s->step) {
        return STAGE_LATE;
    }
    if (!fits(s, here, tag)) {
        return STAGE_WRONG;
    }
    *here = *tag;
    return STAGE_TAKEN;
}

enum stage_answer stage_add(struct stage *s,
                            struct shard_granule *g,
                            int member,
                            const struct stage_tag *tag,
                            const float *grad)
{
    enum stage_answer answer = admit(s, g, member, tag);
    if (answer == STAGE_TAKEN) {
        replicas_add(g->count, sum_of(s, g, member), grad, tag->batches == 1);
    }
    return answer;
}

enum stage_answer stage_add_rows(struct stage *s,
                                 struct shard_granule *g,
                                 int member,
                                 const struct stage_tag *tag,
                                 const struct optim_rows *rows)
{
    enum stage_answer answer = admit(s, g, member, tag);
    if (answer == STAGE_TAKEN && tag->batches == 1) {
        replicas_rows_clear(table_of(s, g, member));
    }
    if (answer == STAGE_TAKEN) {
        replicas_rows_add(table_of(s, g, member), rows);
    }
    return answer;
}

uint32_t stage_count(const struct stage *s,
                     int member,
                     uint64_t incarnation,
                     uint64_t seq)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->shard->num_granules; i++) {
        n += same_batch(tag_of(s, i, member), incarnation, seq);
    }
    return n;
}

static bool all_here(const struct stage *s, const struct sync_update *u)
{
    for (int k = 0; k < u->n; k++) {
        const struct sync_part *p = &u->parts[k];
        if (p->member < 0 || p->member >= s->shard->num_members ||
            p->batches == 0 || (k > 0 && p->member <= p[-1].member)) {
            return false;
        }
        for (uint32_t i = 0; i < s->shard->num_granules; i++) {
            const struct stage_tag *t = tag_of(s, i, p->member);
            if (!same_batch(t, p->incarnation, p->seq) || t->step != u->step ||
                t->batches != p->batches) {
                return false;
            }
        }
    }
    return u->n > 0;
}

/* Each row's mean is that of the gradients that have it. */
static void update_table(struct stage *s,
                         struct shard_granule *g,
                         const struct sync_update *u)
{
    int first = u->parts[0].member;
    struct replicas_rows *sum = table_of(s, g, first);
    for (int k = 1; k < u->n; k++) {
        replicas_rows_merge(sum, table_of(s, g, u->parts[k].member));
    }
    struct optim_rows mean = replicas_rows_mean(sum);
    shard_update_rows(g, tag_of(s, place_of(s, g), first)->learning_rate,
                      u->step, &mean);
}

/* The sum grows in the place of the first. */
static void update(struct stage *s,
                   struct shard_granule *g,
                   const struct sync_update *u)
{
    float *sum = sum_of(s, g, u->parts[0].member);
    int64_t count = u->parts[0].batches;
    for (int k = 1; k < u->n; k++) {
        replicas_add(g->count, sum, sum_of(s, g, u->parts[k].member), false);
        count += u->parts[k].batches;
    }
    if (count > 1) {
        replicas_divide(g->count, sum, count);
    }
    const struct stage_tag *t = tag_of(s, place_of(s, g), u->parts[0].member);
    float rate = optim_rate_of_mean(g->optimizer, t->learning_rate, count);
    shard_update(g, rate, u->step, sum);
}

int stage_commit(struct stage *s,
                 const struct sync_update *u,
                 bool *made,
                 struct crew_err *err)
{
    *made = false;
    if (u->step < s->step) {
        return CREW_OK;
    }
    if (u->step > s->step || !all_here(s, u)) {
        return crew_err_exit(err, CREW_INTERNAL, 70,
                             "the update of step %lld cannot be made at step "
                             "%lld: not all of its gradients are here",
                             (long long)u->step, (long long)s->step);
    }
    for (uint32_t i = 0; i < s->shard->num_granules; i++) {
        struct shard_granule *g = &s->shard->granules[i];
        if (g->width > 0) {
            update_table(s, g, u);
        } else {
            update(s, g, u);
        }
    }
    s->step++;
    *made = true;
    return CREW_OK;
}
