/* SPDX-License-Identifier: Apache-2.0
 * The free list of frames to send; see out_pool.h. */
#include <stdlib.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "rpc/out_pool.h"
#define CREW_BAN_MEMCPY
#include "base/banned.h"

void out_pool_release(struct out_pool *pool)
{
    PRE(pool->under_way == 0);
    while (pool->free_list != NULL) {
        struct out_frame *f = pool->free_list;
        pool->free_list = f->next;
        free(f);
    }
}

static struct out_frame *take(struct out_pool *pool)
{
    struct out_frame *f = pool->free_list;

    if (f != NULL) {
        pool->free_list = f->next;
    } else {
        f = xcalloc(1, sizeof *f);
        f->pool = pool;
        pool->made++;
    }
    pool->under_way++;
    f->next = NULL;
    f->owner = NULL;
    return f;
}

struct out_frame *out_take(struct out_pool *pool,
                           struct rpc_head head,
                           const ProtobufCMessage *message,
                           const void *payload,
                           size_t n)
{
    size_t header_len = protobuf_c_message_get_packed_size(message);

    PRE(n <= RPC_MAX_PAYLOAD);
    PRE(head.kind == RPC_PART || n == 0);
    if (header_len > RPC_MAX_HEADER) {
        return NULL;
    }
    struct out_frame *f = take(pool);
    uint8_t *header = f->inline_header;
    if (header_len > OUT_INLINE) {
        header = f->big = xmalloc(header_len);
    }
    (void)protobuf_c_message_pack(message, header);
    head.header_len = (uint32_t)header_len;
    head.payload_len = n;
    head.payload_crc32c =
        (head.flags & RPC_FLAG_CRC) != 0 ? crc32c(payload, n) : 0;
    f->out.head = head;
    f->out.header = header;
    f->out.payload = n > 0 ? payload : NULL;
    return f;
}

void out_give(struct out_frame *f)
{
    struct out_pool *pool = f->pool;

    INVARIANT(pool->under_way > 0);
    free(f->big);
    f->big = NULL;
    f->next = pool->free_list;
    pool->free_list = f;
    pool->under_way--;
}
