/* SPDX-License-Identifier: Apache-2.0
 * What stands between packed bytes from a peer or a file and protobuf-c: a scan
 * that refuses what would make it recurse, merge or swell, and two places to
 * unpack into: a bump arena (the wire) and the heap with a cap (files).
 * Threads: one an arena; the rest any. */
#ifndef IO_PBGUARD_H
#define IO_PBGUARD_H

#include <protobuf-c/protobuf-c.h>

#include "crew.h"

#define PBGUARD_MAX_DEPTH 16

/* How much one packed message may ask for. */
struct pbguard_limits {
    size_t unknown;  /* bytes of unknown fields */
    size_t elements; /* fields and packed elements */
    size_t memory;   /* bytes on the heap; pbguard_unpack only */
};
/* Headers of our RPC: small by rule. */
extern const struct pbguard_limits pbguard_wire;
/* Records of files of TensorFlow's: index entries, events. */
extern const struct pbguard_limits pbguard_record;

/* Would unpacking these n bytes as `type` be harmless? Iterative; linear in n.
 * Errors: DATA_LOSS, one line naming the field. */
CREW_MUST_CHECK int pbguard_check(const ProtobufCMessageDescriptor *type,
                                  const struct pbguard_limits *,
                                  const uint8_t *data,
                                  size_t n,
                                  struct crew_err *err);

/* pbguard_check and unpack on the heap. Owner: caller,
 * protobuf_c_message_free_unpacked(message, NULL) or the type's own. Errors:
 * DATA_LOSS, exit 65; also above limits->memory. */
CREW_MUST_CHECK int pbguard_unpack(const ProtobufCMessageDescriptor *type,
                                   const struct pbguard_limits *,
                                   const uint8_t *data,
                                   size_t n,
                                   CREW_OUT ProtobufCMessage **message,
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

/* pbguard_check by pbguard_wire and unpack. The message lives until the arena's
 * reset. Errors: DATA_LOSS. */
CREW_MUST_CHECK int arena_unpack(struct arena *,
                                 const ProtobufCMessageDescriptor *type,
                                 const uint8_t *data,
                                 size_t n,
                                 CREW_OUT const ProtobufCMessage **message,
                                 struct crew_err *err);

#endif
