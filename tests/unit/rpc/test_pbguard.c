/* SPDX-License-Identifier: Apache-2.0
 * The guard in front of protobuf-c: hostile bytes of every kind it knows, and
 * random ones; the arena's bounds. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/rng.h"
#include "proto/crew_rpc.pb-c.h"
#include "rpc/methods.h"
#include "rpc/net.h"
#include "io/pbguard.h"
#include "run_suite.h"

static void check_refused(const ProtobufCMessageDescriptor *type,
                          const void *data,
                          size_t n,
                          const char *line)
{
    struct crew_err err = {0};

    ck_assert_int_eq(pbguard_check(type, &pbguard_wire, data, n, &err),
                     CREW_DATA_LOSS);
    ck_assert_msg(strcmp(err.msg, line) == 0, "got \"%s\", want \"%s\"",
                  err.msg, line);
}

static void check_taken(const ProtobufCMessageDescriptor *type,
                        const void *data,
                        size_t n)
{
    struct crew_err err = {0};

    ck_assert_msg(pbguard_check(type, &pbguard_wire, data, n, &err) == CREW_OK,
                  "%s", err.msg);
}

#define LITERAL(bytes) (bytes), sizeof(bytes) - 1

START_TEST(honest_messages_pass)
{
    struct arena arena;
    uint8_t packed[4096];
    int64_t dims[] = {3, 3, 1, 32};
    Crew__Variable v = CREW__VARIABLE__INIT, *vs[2] = {&v, &v};
    Crew__Granule g = CREW__GRANULE__INIT, *gs[3] = {&g, &g, &g};
    Crew__DeclareRequest d = CREW__DECLARE_REQUEST__INIT;
    Crew__Identity self = CREW__IDENTITY__INIT;
    Crew__Optimizer o = CREW__OPTIMIZER__INIT, *os[1] = {&o};
    const ProtobufCMessage *message;
    struct crew_err err = {0};

    arena_init(&arena);
    v.name = (char *)(uintptr_t) "conv2d/kernel";
    v.n_dims = 4;
    v.dims = dims;
    g.count = 288;
    self.incarnation = 5;
    o.learning_rate = 0.1f;
    d.self = &self;
    d.n_optimizers = 1;
    d.optimizers = os;
    d.n_variables = 2;
    d.variables = vs;
    d.n_granules = 3;
    d.granules = gs;
    size_t n = crew__declare_request__pack(&d, packed);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(
            arena_unpack(&arena, &crew__declare_request__descriptor, packed, n,
                         &message, &err),
            CREW_OK);
        const Crew__DeclareRequest *got = (const Crew__DeclareRequest *)message;
        ck_assert_uint_eq(got->n_granules, 3);
        ck_assert_str_eq(got->variables[1]->name, "conv2d/kernel");
        ck_assert_int_eq(got->variables[1]->dims[3], 32);
        arena_reset(&arena);
    }
    /* Cut anywhere it is refused, or a shorter sound message. */
    for (size_t cut = 0; cut < n; cut++) {
        struct crew_err ignored = {0};
        if (pbguard_check(&crew__declare_request__descriptor, &pbguard_wire,
                          packed, cut, &ignored) == CREW_OK) {
            ck_assert_int_eq(
                arena_unpack(&arena, &crew__declare_request__descriptor, packed,
                             cut, &message, &err),
                CREW_OK);
        }
    }
    arena_release(&arena);
}
END_TEST

START_TEST(a_singular_field_twice_is_refused)
{
    /* epoch, then epoch; self {} then self {}: each merge would copy the first
     */
    check_refused(&crew__identity__descriptor, LITERAL("\x08\x01\x08\x02"),
                  "message Identity: singular field twice: epoch");
    check_refused(&crew__push_part__descriptor, LITERAL("\x0a\x00\x0a\x00"),
                  "message PushPart: singular field twice: self");
    check_refused(&crew__push_part__descriptor,
                  LITERAL("\x0a\x04\x18\x01\x18\x01"),
                  "message PushPart: singular field twice: index");
    /* repeated ones may be */
    check_taken(&crew__declare_request__descriptor,
                LITERAL("\x1a\x00\x1a\x00\x1a\x00"));
}
END_TEST

START_TEST(unknown_bulk_is_refused)
{
    uint8_t data[6000] = {0xa2, 0x06, 0}; /* field 100, length-delimited */
    size_t most = pbguard_wire.unknown;

    data[2] = (uint8_t)((most - 4) & 0x7f) | 0x80;
    data[3] = (uint8_t)((most - 4) >> 7);
    check_taken(&crew__identity__descriptor, data, most);
    data[2] = (uint8_t)((most - 3) & 0x7f) | 0x80;
    data[3] = (uint8_t)((most - 3) >> 7);
    check_refused(&crew__identity__descriptor, data, most + 1,
                  "message Identity: more than 4096 bytes of unknown fields");
    /* in small pieces too */
    for (size_t i = 0; i < sizeof data; i += 3) {
        data[i] = 0xa0; /* field 100, varint */
        data[i + 1] = 0x06;
        data[i + 2] = 1;
    }
    check_refused(&crew__identity__descriptor, data, sizeof data,
                  "message Identity: more than 4096 bytes of unknown fields");
}
END_TEST

START_TEST(too_many_elements_are_refused)
{
    static uint8_t data[RPC_MAX_HEADER];
    size_t n = sizeof data;

    /* Variable.dims packed: 65,532 one-byte numbers */
    memset(data, 1, n);
    data[0] = 0x1a;
    data[1] = (uint8_t)((n - 4) & 0x7f) | 0x80;
    data[2] = (uint8_t)((n - 4) >> 7 & 0x7f) | 0x80;
    data[3] = (uint8_t)((n - 4) >> 14);
    check_refused(&crew__variable__descriptor, data, n,
                  "message Variable: more than 32768 elements");
    /* 32,768 empty variables: 2 bytes each, 80 when unpacked, pass the guard,
     * and the arena bounds what protobuf-c makes of them */
    for (size_t i = 0; i < n; i += 2) {
        data[i] = 0x12;
        data[i + 1] = 0;
    }
    check_taken(&crew__declare_request__descriptor, data, n);
    struct arena arena;
    const ProtobufCMessage *message = NULL;
    struct crew_err err = {0};
    arena_init(&arena);
    (void)!arena_unpack(&arena, &crew__declare_request__descriptor, data, n,
                        &message, &err);
    ck_assert_uint_le(arena.most, ARENA_SIZE);
    ck_assert(message != NULL || err.code == CREW_DATA_LOSS);
    arena_release(&arena);
}
END_TEST

/* Our schema does not nest in itself; a message that does is made here. */
extern const ProtobufCMessageDescriptor nest_descriptor;
static const ProtobufCFieldDescriptor nest_fields[] = {
    {.name = "inner",
     .id = 1,
     .label = PROTOBUF_C_LABEL_NONE,
     .type = PROTOBUF_C_TYPE_MESSAGE,
     .descriptor = &nest_descriptor},
};
const ProtobufCMessageDescriptor nest_descriptor = {
    .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
    .short_name = "Nest",
    .n_fields = 1,
    .fields = nest_fields};

/* `depth` messages, each but the innermost holding the next. */
static size_t nest(uint8_t *to, int depth)
{
    size_t n = 0;

    for (int i = 1; i < depth; i++) {
        to[n++] = 0x0a;
        to[n++] = (uint8_t)(2 * (depth - 1 - i));
    }
    return n;
}

START_TEST(deep_nesting_is_refused)
{
    uint8_t data[200];

    check_taken(&nest_descriptor, data, nest(data, PBGUARD_MAX_DEPTH));
    check_refused(&nest_descriptor, data, nest(data, PBGUARD_MAX_DEPTH + 1),
                  "message Nest: nested deeper than 16 messages at inner");
    check_refused(&nest_descriptor, data, nest(data, 60),
                  "message Nest: nested deeper than 16 messages at inner");
}
END_TEST

START_TEST(malformed_bytes_are_refused)
{
    const ProtobufCMessageDescriptor *type = &crew__hello__descriptor;

    check_refused(type, LITERAL("\x00"),
                  "message Hello: malformed field number");
    check_refused(type, LITERAL("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
                  "message Hello: malformed field number");
    check_refused(type, LITERAL("\x08"),
                  "message Hello: malformed or cut field protocol");
    check_refused(type, LITERAL("\x08\x80"),
                  "message Hello: malformed or cut field protocol");
    check_refused(type,
                  LITERAL("\x22\x05"
                          "ab"),
                  "message Hello: malformed or cut field cluster");
    check_refused(type, LITERAL("\x22\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
                  "message Hello: malformed or cut field cluster");
    check_refused(type, LITERAL("\x0b"), /* a group */
                  "message Hello: malformed or cut field protocol");
    check_refused(type, LITERAL("\x0d\x01\x00\x00\x00"),
                  "message Hello: wrong wire type of field protocol");
    check_refused(type,
                  LITERAL("\x22\x03"
                          "a\0b"),
                  "message Hello: NUL in the text of field cluster");
    check_refused(type, LITERAL("\x12\x03\x21\x01\x02"),
                  "message Hello: malformed or cut field incarnation");
}
END_TEST

/* Whatever comes: no fault of memory (the sanitizers look), and within the
 * arena; what is unpacked packs again. */
START_TEST(random_bytes_do_no_harm)
{
    struct rng rng = {20260101};
    struct arena arena;
    int taken = 0;
    static uint8_t data[256], packed[4096];

    arena_init(&arena);
    for (int round = 0; round < 60000; round++) {
        size_t n = rng_below(&rng, 40);
        int method = 1 + (int)rng_below(&rng, 14);
        const ProtobufCMessage *message;
        struct crew_err err = {0};
        for (size_t i = 0; i < n; i++) {
            /* mostly small numbers: field tags, short lengths */
            uint64_t r = rng_next(&rng);
            data[i] = (uint8_t)((r & 0x300) != 0 ? r & 0x2f : r);
        }
        arena_reset(&arena);
        if (arena_unpack(&arena, rpc_method_request(method), data, n, &message,
                         &err) == CREW_OK) {
            size_t size = protobuf_c_message_get_packed_size(message);
            ck_assert_uint_le(size, sizeof packed);
            ck_assert_uint_eq(protobuf_c_message_pack(message, packed), size);
            taken++;
        } else {
            ck_assert_int_eq(err.code, CREW_DATA_LOSS);
        }
    }
    ck_assert_int_gt(taken, 1000);
    arena_release(&arena);
}
END_TEST

static Suite *guard_suite(void)
{
    Suite *suite = suite_create("pbguard");
    TCase *c = tcase_create("pbguard");

    tcase_add_test(c, honest_messages_pass);
    tcase_add_test(c, a_singular_field_twice_is_refused);
    tcase_add_test(c, unknown_bulk_is_refused);
    tcase_add_test(c, too_many_elements_are_refused);
    tcase_add_test(c, deep_nesting_is_refused);
    tcase_add_test(c, malformed_bytes_are_refused);
    tcase_add_test(c, random_bytes_do_no_harm);
    suite_add_tcase(suite, c);
    return suite;
}

int main(void)
{
    return run_suite(guard_suite());
}
