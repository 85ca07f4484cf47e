/* SPDX-License-Identifier: Apache-2.0
 *
 * The fixed header of a frame, little endian:
 *
 *      0 magic u32         4 version u8     5 kind u8      6 method u16
 *      8 flags u32        12 header_len u32
 *     16 call_id u64      24 payload_len u64
 *     32 payload_crc32c u32                36 header_crc32c u32
 *
 * The last field covers the 36 bytes before it and the protobuf header. A
 * length is judged as soon as its 40 bytes are in, so that nothing is ever
 * allocated or waited for on a stranger's word. */
#include <stdio.h>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "rpc/frame.h"
#define CREW_BAN_MEMCPY
#include "base/banned.h"

#define CRC_AT 36u

static uint32_t crc_of(const uint8_t *wire, const uint8_t *header, size_t n)
{
    uint32_t crc = crc32c(wire, CRC_AT);

    return n > 0 ? crc32c_extend(crc, header, n) : crc;
}

void frame_encode(const struct rpc_head *head,
                  const uint8_t *header,
                  uint8_t wire[FRAME_HEAD_SIZE])
{
    put_le32(wire, FRAME_MAGIC);
    wire[4] = FRAME_VERSION;
    wire[5] = head->kind;
    put_le16(wire + 6, head->method);
    put_le32(wire + 8, head->flags);
    put_le32(wire + 12, head->header_len);
    put_le64(wire + 16, head->call_id);
    put_le64(wire + 24, head->payload_len);
    put_le32(wire + 32, head->payload_crc32c);
    put_le32(wire + CRC_AT, crc_of(wire, header, head->header_len));
}

/* The four bytes as text, so that "GET " and a TLS hello are recognised. */
static int bad_magic(const uint8_t *wire, struct crew_err *err)
{
    char text[5] = "....";

    for (int i = 0; i < 4; i++) {
        if (wire[i] >= 0x20 && wire[i] < 0x7f) {
            text[i] = (char)wire[i];
        }
    }
    return crew_err_set(err, CREW_DATA_LOSS,
                        "not a frame of Traincrew: it begins with %02x %02x "
                        "%02x %02x \"%s\"",
                        wire[0], wire[1], wire[2], wire[3], text);
}

static int judge(const struct rpc_head *head, struct crew_err *err)
{
    if (head->kind < RPC_REQUEST || head->kind > RPC_PART) {
        return crew_err_set(err, CREW_DATA_LOSS,
                            "frame of unknown kind %u; 1 to 4 are known",
                            head->kind);
    }
    if ((head->flags & ~(RPC_FLAG_END | RPC_FLAG_CRC)) != 0) {
        return crew_err_set(err, CREW_DATA_LOSS,
                            "frame with unknown flags 0x%x", head->flags);
    }
    if (head->header_len > RPC_MAX_HEADER) {
        return crew_err_set(err, CREW_DATA_LOSS,
                            "frame with a header of %u bytes; the limit is %u",
                            head->header_len, RPC_MAX_HEADER);
    }
    if (head->payload_len > RPC_MAX_PAYLOAD) {
        return crew_err_set(err, CREW_DATA_LOSS,
                            "frame with %llu bytes of payload; the limit is %u",
                            (unsigned long long)head->payload_len,
                            RPC_MAX_PAYLOAD);
    }
    if (head->payload_len > 0 && head->kind != RPC_PART) {
        return crew_err_set(err, CREW_DATA_LOSS,
                            "frame of kind %u with a payload; only parts "
                            "have one",
                            head->kind);
    }
    return CREW_OK;
}

int frame_decode(const uint8_t wire[FRAME_HEAD_SIZE],
                 struct rpc_head *head,
                 struct crew_err *err)
{
    struct rpc_head h;

    if (get_le32(wire) != FRAME_MAGIC) {
        return bad_magic(wire, err);
    }
    if (wire[4] != FRAME_VERSION) {
        return crew_err_set(err, CREW_DATA_LOSS,
                            "frame of version %u; this is version %u: run the "
                            "same release everywhere",
                            wire[4], FRAME_VERSION);
    }
    h.kind = wire[5];
    h.method = get_le16(wire + 6);
    h.flags = get_le32(wire + 8);
    h.header_len = get_le32(wire + 12);
    h.call_id = get_le64(wire + 16);
    h.payload_len = get_le64(wire + 24);
    h.payload_crc32c = get_le32(wire + 32);
    int code = judge(&h, err);
    if (code == CREW_OK) {
        *head = h;
    }
    return code;
}

int frame_check_crc(const uint8_t *wire,
                    const struct rpc_head *head,
                    struct crew_err *err)
{
    uint32_t got = get_le32(wire + CRC_AT);
    uint32_t want = crc_of(wire, wire + FRAME_HEAD_SIZE, head->header_len);

    if (got != want) {
        return crew_err_set(err, CREW_DATA_LOSS,
                            "frame with header CRC %08x, its bytes give %08x",
                            got, want);
    }
    return CREW_OK;
}
