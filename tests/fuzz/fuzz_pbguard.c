/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes the guard and the arena with every message of the protocol. Oracle
 * beyond "no crash": what is taken stays within the arena and packs to bytes
 * that are taken again and pack to themselves. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "proto/crew_rpc.pb-c.h"
#include "rpc/methods.h"
#include "io/pbguard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *type_of(uint8_t choice)
{
    static const ProtobufCMessageDescriptor *const parts[] = {
        &crew__push_part__descriptor, &crew__value_part__descriptor,
        &crew__load_part__descriptor, &crew__error__descriptor};
    int method = 1 + choice % 14;

    switch (choice / 14 % 3) {
        case 0:
            return rpc_method_request(method);
        case 1:
            return rpc_method_reply(method);
        default:
            return parts[choice % COUNT_OF(parts)];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena arena;
    const ProtobufCMessage *message, *again;
    struct crew_err err = {0};

    if (size < 1 || size > 65537) {
        return 0;
    }
    if (arena.base == NULL) {
        arena_init(&arena);
    }
    const ProtobufCMessageDescriptor *type = type_of(data[0]);
    arena_reset(&arena);
    if (arena_unpack(&arena, type, data + 1, size - 1, &message, &err) !=
        CREW_OK) {
        INVARIANT(err.code == CREW_DATA_LOSS && err.msg[0] != '\0');
        return 0;
    }
    INVARIANT(arena.used <= ARENA_SIZE);
    size_t n = protobuf_c_message_get_packed_size(message);
    uint8_t *packed = xmalloc(n), *repacked = xmalloc(n);
    (void)protobuf_c_message_pack(message, packed);
    arena_reset(&arena);
    /* A packed field that came in many pieces may be shorter now, not longer.
     */
    INVARIANT(arena_unpack(&arena, type, packed, n, &again, &err) == CREW_OK);
    INVARIANT(protobuf_c_message_get_packed_size(again) == n);
    (void)protobuf_c_message_pack(again, repacked);
    INVARIANT(memcmp(packed, repacked, n) == 0);
    free(packed);
    free(repacked);
    return 0;
}
