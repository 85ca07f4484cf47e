/* SPDX-License-Identifier: Apache-2.0
 * The fixed header: known bytes, refusals, the dump of docs/protocol.md, and
 * the table of methods. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "proto/crew_rpc.pb-c.h"
#include "rpc/frame.h"
#include "rpc/methods.h"
#include "run_suite.h"

/* A PULL with call_id 258, two bytes of header and no payload; the CRC was
 * worked out by another program, bit by bit. */
static const uint8_t known[42] = {
    0x43, 0x52, 0x45, 0x57, 1, 1, 7, 0, 1,    0,    0,    0,    2,    0,
    0,    0,    2,    1,    0, 0, 0, 0, 0,    0,    0,    0,    0,    0,
    0,    0,    0,    0,    0, 0, 0, 0, 0xe9, 0x45, 0x02, 0x9c, 0x10, 0x01};

static const struct rpc_head known_head = {.kind = RPC_REQUEST,
                                           .method = RPC_PULL,
                                           .flags = RPC_FLAG_END,
                                           .header_len = 2,
                                           .call_id = 258};

START_TEST(known_bytes)
{
    static const uint8_t header[] = {0x10, 0x01};
    uint8_t wire[FRAME_HEAD_SIZE];
    struct rpc_head head;
    struct crew_err err = {0};

    frame_encode(&known_head, header, wire);
    ck_assert_mem_eq(wire, known, FRAME_HEAD_SIZE);
    ck_assert_int_eq(frame_decode(known, &head, &err), CREW_OK);
    ck_assert_int_eq(frame_check_crc(known, &head, &err), CREW_OK);
    ck_assert_uint_eq(head.kind, RPC_REQUEST);
    ck_assert_uint_eq(head.method, RPC_PULL);
    ck_assert_uint_eq(head.flags, RPC_FLAG_END);
    ck_assert_uint_eq(head.header_len, 2);
    ck_assert_uint_eq(head.call_id, 258);
    ck_assert_uint_eq(head.payload_len, 0);
}
END_TEST

/* One bit wrong anywhere: no frame. */
START_TEST(every_bit_counts)
{
    for (size_t bit = 0; bit < sizeof known * 8; bit++) {
        uint8_t wire[sizeof known];
        struct rpc_head head = {0};
        struct crew_err err = {0};
        memcpy(wire, known, sizeof wire);
        wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
        bool sound = frame_decode(wire, &head, &err) == CREW_OK &&
                     head.header_len <= 2 &&
                     frame_check_crc(wire, &head, &err) == CREW_OK;
        ck_assert_msg(!sound, "bit %zu flipped, and the frame is taken", bit);
    }
}
END_TEST

static const struct {
    size_t at;
    uint8_t bytes[8];
    size_t n;
    const char *line;
} bad[] = {
    {0, "GET ", 4,
     "not a frame of Traincrew: it begins with 47 45 54 20 \"GET \""},
    {0,
     {0x16, 3, 1, 0},
     4,
     "not a frame of Traincrew: it begins with 16 03 01 00 \"....\""},
    {4,
     {2},
     1,
     "frame of version 2; this is version 1: run the same release everywhere"},
    {5, {0}, 1, "frame of unknown kind 0; 1 to 4 are known"},
    {5, {5}, 1, "frame of unknown kind 5; 1 to 4 are known"},
    {8, {4}, 1, "frame with unknown flags 0x4"},
    {12,
     {1, 0, 1, 0},
     4,
     "frame with a header of 65537 bytes; the limit is 65536"},
    {12,
     {0xff, 0xff, 0xff, 0xff},
     4,
     "frame with a header of 4294967295 bytes; the limit is 65536"},
    {24,
     {1, 0, 0, 4},
     4,
     "frame with 67108865 bytes of payload; the limit is 67108864"},
    {24,
     {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
     8,
     "frame with 18446744073709551615 bytes of payload; the limit is 67108864"},
    {24, {1}, 1, "frame of kind 1 with a payload; only parts have one"},
};

START_TEST(bad_headers_are_refused_in_words)
{
    uint8_t wire[sizeof known];
    struct rpc_head head = {.call_id = 77};
    struct crew_err err = {0};

    memcpy(wire, known, sizeof wire);
    memcpy(wire + bad[_i].at, bad[_i].bytes, bad[_i].n);
    ck_assert_int_eq(frame_decode(wire, &head, &err), CREW_DATA_LOSS);
    ck_assert_str_eq(err.msg, bad[_i].line);
    ck_assert_uint_eq(head.call_id, 77); /* outputs untouched on error */
}
END_TEST

START_TEST(the_limits_themselves_are_taken)
{
    struct rpc_head head = {.kind = RPC_PART,
                            .method = RPC_PUSH_PULL,
                            .header_len = RPC_MAX_HEADER,
                            .payload_len = RPC_MAX_PAYLOAD,
                            .call_id = UINT64_MAX};
    uint8_t *wire = calloc(1, FRAME_HEAD_SIZE + RPC_MAX_HEADER);
    struct rpc_head got;
    struct crew_err err = {0};

    frame_encode(&head, wire + FRAME_HEAD_SIZE, wire);
    ck_assert_int_eq(frame_decode(wire, &got, &err), CREW_OK);
    ck_assert_int_eq(frame_check_crc(wire, &got, &err), CREW_OK);
    ck_assert_uint_eq(got.payload_len, RPC_MAX_PAYLOAD);
    ck_assert_uint_eq(got.call_id, UINT64_MAX);
    free(wire);
}
END_TEST

/* The bytes of the block ```hexdump of docs/protocol.md. */
static size_t read_dump(uint8_t *to, size_t most)
{
    FILE *f = fopen(GOLDEN_DIR "/../../docs/protocol.md", "r");
    char line[256];
    bool inside = false;
    size_t n = 0;

    ck_assert_msg(f != NULL, "docs/protocol.md is not there");
    while (fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, "```", 3) == 0) {
            inside = strncmp(line, "```hexdump", 10) == 0;
            continue;
        }
        char *at = line;
        unsigned long offset = inside ? strtoul(at, &at, 16) : 0;
        while (inside && *at != '\n' && *at != '\0') {
            char *end;
            unsigned long byte = strtoul(at, &end, 16);
            if (end == at) {
                break;
            }
            ck_assert_msg(n < most && byte < 256, "dump: too long");
            ck_assert_msg(offset <= n && n < offset + 16, "dump: offset %lx",
                          offset);
            to[n++] = (uint8_t)byte;
            at = end;
        }
    }
    (void)fclose(f);
    return n;
}

START_TEST(the_dump_in_the_docs_is_what_the_docs_say)
{
    uint8_t wire[256];
    size_t n = read_dump(wire, sizeof wire);
    struct rpc_head head;
    struct crew_err err = {0};
    static const float values[] = {1.0f, -0.5f};

    ck_assert_uint_eq(n, 76);
    ck_assert_msg(frame_decode(wire, &head, &err) == CREW_OK, "%s", err.msg);
    ck_assert_msg(frame_check_crc(wire, &head, &err) == CREW_OK, "%s", err.msg);
    ck_assert_uint_eq(head.kind, RPC_PART);
    ck_assert_uint_eq(head.method, RPC_PUSH_PULL);
    ck_assert_uint_eq(head.flags, RPC_FLAG_END | RPC_FLAG_CRC);
    ck_assert_uint_eq(head.call_id, 9);
    ck_assert_uint_eq(head.header_len, 28);
    ck_assert_uint_eq(head.payload_len, sizeof values);
    const uint8_t *payload = wire + FRAME_HEAD_SIZE + head.header_len;
    ck_assert_mem_eq(payload, values, sizeof values);
    ck_assert_uint_eq(crc32c(payload, sizeof values), head.payload_crc32c);
    Crew__PushPart *part =
        crew__push_part__unpack(NULL, head.header_len, wire + FRAME_HEAD_SIZE);
    ck_assert_ptr_nonnull(part);
    ck_assert_uint_eq(part->granule, 5);
    ck_assert_float_eq(part->learning_rate, 0.5f);
    ck_assert_int_eq(part->global_step, 40);
    ck_assert_uint_eq(part->self->epoch, 3);
    ck_assert_uint_eq(part->self->role, CREW__ROLE__ROLE_WORKER);
    ck_assert_uint_eq(part->self->index, 1);
    ck_assert_uint_eq(part->self->incarnation, 0x1122334455667788u);
    ck_assert_uint_eq(part->self->seq, 17);
    crew__push_part__free_unpacked(part, NULL);
}
END_TEST

/* methods.c against the list in methods.h, and the table of the docs. */
START_TEST(methods_have_their_messages)
{
#define ROW(number, method, request, reply)                             \
    ck_assert_str_eq(rpc_method_name(number), #method);                 \
    ck_assert_str_eq(rpc_method_request(number)->short_name, #request); \
    ck_assert_str_eq(rpc_method_reply(number)->short_name, #reply);
    RPC_METHODS(ROW)
#undef ROW
    ck_assert_str_eq(rpc_method_name(0), "?");
    ck_assert_ptr_null(rpc_method_request(-1));
    ck_assert_ptr_null(rpc_method_reply(15));
}
END_TEST

static Suite *frame_suite(void)
{
    Suite *suite = suite_create("frame");
    TCase *c = tcase_create("frame");

    tcase_add_test(c, known_bytes);
    tcase_add_test(c, every_bit_counts);
    tcase_add_loop_test(c, bad_headers_are_refused_in_words, 0,
                        (int)COUNT_OF(bad));
    tcase_add_test(c, the_limits_themselves_are_taken);
    tcase_add_test(c, the_dump_in_the_docs_is_what_the_docs_say);
    tcase_add_test(c, methods_have_their_messages);
    suite_add_tcase(suite, c);
    return suite;
}

int main(void)
{
    return run_suite(frame_suite());
}
