/* SPDX-License-Identifier: Apache-2.0
 * Whole granules, or the rows that have changed. */
#include "answer.h"

#include <stdlib.h>

#include "base/mem.h"
#include "rpc/copy.h"

#include "base/banned.h"

#define CHUNK_BYTES ((size_t)1 << 18)
/* Of one call, however often a trainer sends its parts. */
#define MOST_BYTES ((size_t)1 << 30)

struct answer_chunk {
    struct answer_chunk *next;
    size_t size, used;
    float data[];
};

void answer_begin(struct answer_room *r, const struct shard *s)
{
    uint32_t n = s != NULL ? s->num_granules : 0;
    if (n > r->num_versions) {
        r->versions = xrealloc(r->versions, n * sizeof(r->versions[0]));
        r->num_versions = n;
    }
    for (uint32_t i = 0; i < n; i++) {
        r->versions[i] = 0;
    }
    r->at = r->first;
    r->taken = 0;
    if (r->at != NULL) {
        r->at->used = 0;
    }
}

void answer_release(struct answer_room *r)
{
    while (r->first != NULL) {
        struct answer_chunk *next = r->first->next;
        free(r->first);
        r->first = next;
    }
    free(r->versions);
    *r = (struct answer_room){0};
}

/* The shard may be another than when the call began. */
void answer_note(struct answer_room *r,
                 const struct shard *s,
                 const struct shard_granule *g,
                 uint64_t version)
{
    size_t place = (size_t)(g - s->granules);
    if (place < r->num_versions) {
        r->versions[place] = version;
    }
}

uint64_t answer_noted(const struct answer_room *r,
                      const struct shard *s,
                      const struct shard_granule *g)
{
    size_t place = (size_t)(g - s->granules);
    return place < r->num_versions ? r->versions[place] : 0;
}

static struct answer_chunk *add_chunk(struct answer_room *r, size_t bytes)
{
    struct crew_err ignored = {0};
    size_t size = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
    void *p = NULL;
    if (mem_try(1, sizeof(struct answer_chunk) + size, "rows", &p, &ignored) !=
        CREW_OK) {
        return NULL;
    }
    struct answer_chunk *c = p;
    c->size = size;
    if (r->at != NULL) {
        c->next = r->at->next;
        r->at->next = c;
    } else {
        r->first = c;
    }
    return c;
}

/* NULL: no memory, or too much of it. */
static void *take(struct answer_room *r, size_t bytes)
{
    struct answer_chunk *c = r->at;
    if (bytes > MOST_BYTES - r->taken) {
        return NULL;
    }
    while (c != NULL && c->size - c->used < bytes) {
        c = c->next;
        if (c != NULL) {
            c->used = 0;
            r->at = c;
        }
    }
    if (c == NULL && (c = add_chunk(r, bytes)) == NULL) {
        return NULL;
    }
    void *place = (char *)c->data + c->used;
    c->used += bytes;
    r->at = c;
    r->taken += bytes;
    return place;
}

static uint32_t count_changed(const struct row_log *log, uint64_t since)
{
    uint32_t n = 0, row;
    for (uint64_t at = since; at < log->version; at++) {
        n += row_log_newest(log, at, &row);
    }
    return n;
}

/* The changed rows' numbers, then their values. */
static void gather(const struct shard_granule *g,
                   uint64_t since,
                   uint32_t n,
                   void *to)
{
    uint32_t *rows = to;
    float *values = (float *)to + n;
    for (uint64_t at = since; at < g->log.version; at++) {
        if (row_log_newest(&g->log, at, rows)) {
            rpc_copy(values, g->value + *rows * g->width,
                     (size_t)g->width * sizeof(float));
            rows++;
            values += g->width;
        }
    }
}

void answer_value(struct answer_room *r,
                  struct rpc_session *session,
                  enum rpc_method method,
                  uint64_t call_id,
                  const struct shard_granule *g,
                  uint64_t version,
                  Crew__ValuePart *part,
                  bool crc)
{
    const void *from = g->value;
    size_t bytes = (size_t)g->count * sizeof(float);
    part->granule = g->id;
    part->version = g->log.version;
    if (version != 0 && row_log_knows(&g->log, version)) {
        uint32_t n = count_changed(&g->log, version);
        size_t some = n * shard_row_bytes(g);
        void *place = some < bytes ? take(r, some) : NULL;
        if (place != NULL) {
            gather(g, version, n, place);
            part->rows = true;
            from = place;
            bytes = some;
            crc = true;
        }
    }
    rpc_reply_part(session, method, call_id, &part->base, from, bytes, crc);
}
