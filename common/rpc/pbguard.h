/* SPDX-License-Identifier: Apache-2.0
 * What stands between packed bytes from the wire and protobuf-c: a scan that
 * refuses what would make it recurse, merge or swell, and a bump arena to
 * unpack into. Threads: one an arena; the scan any. */
#ifndef RPC_PBGUARD_H
#define RPC_PBGUARD_H

#include <protobuf-c/protobuf-c.h>

#include "crew.h"

#define PBGUARD_MAX_DEPTH 16
#define PBGUARD_MAX_UNKNOWN 4096u   /* bytes of unknown fields a message */
#define PBGUARD_MAX_ELEMENTS 32768u /* fields and packed elements a message */

/* Would unpacking these n bytes as `type` be harmless? Iterative; linear in n.
 * Errors: DATA_LOSS, one line naming the field. */
CREW_MUST_CHECK int pbguard_check(const ProtobufCMessageDescriptor *type,
                                  const uint8_t *data,
                                  size_t n,
                                  struct crew_err *err);

/* A bump allocator of fixed size. Its memory is taken once, and touched only as
 * far as messages need it. */
#define ARENA_SIZE (4u << 20)
struct arena {
    ProtobufCAllocator allocator;
    uint8_t *base;
    size_t used, most; /* now, and the most ever */
};
void arena_init(struct arena *);
void arena_release(struct arena *);
/* All that was unpacked is gone. */
void arena_reset(struct arena *);

/* pbguard_check and unpack. The message lives until the arena's reset.
 * Errors: DATA_LOSS. */
CREW_MUST_CHECK int arena_unpack(struct arena *,
                                 const ProtobufCMessageDescriptor *type,
                                 const uint8_t *data,
                                 size_t n,
                                 CREW_OUT const ProtobufCMessage **message,
                                 struct crew_err *err);

#endif
