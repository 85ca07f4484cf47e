/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes the reader of frames. Oracle beyond "no crash": the same frames and
 * the same end, however the bytes are cut into pieces.
 *
 * The first byte: bit 0, the rest is a recipe for sound frames (with a right
 * CRC, which no fuzzer guesses) instead of raw bytes; bit 1, one byte of them
 * is then spoiled; the others seed the cutting. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/rng.h"
#include "rpc/uv_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 1 << 17 };

/* What came of one reading: a checksum a frame, in order. */
struct reading {
    uint64_t sum;
    int frames;
    bool closed;
    char why[200];
    uint8_t *sink;
};

static uv_loop_t loop;
static struct rpc_net *net;

static void *dest(struct rpc_conn *conn, const struct rpc_in *in)
{
    struct reading *r = conn->self;

    return in->head.payload_len <= MOST ? r->sink : NULL;
}

static uint64_t mix(uint64_t sum, const uint8_t *data, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        sum = (sum ^ data[i]) * 0x100000001b3u;
    }
    return sum;
}

static void on_frame(struct rpc_conn *conn,
                     const struct rpc_in *in,
                     void *payload)
{
    struct reading *r = conn->self;

    r->frames++;
    r->sum = mix(r->sum, in->header, in->head.header_len);
    r->sum = mix(r->sum, payload, in->head.payload_len);
    r->sum = r->sum * 31 + in->head.kind + in->head.call_id;
}

static void on_close(struct rpc_conn *conn, const struct crew_err *why)
{
    struct reading *r = conn->self;

    r->closed = true;
    (void)snprintf(r->why, sizeof r->why, "%.190s", why->msg);
}

static void on_open(struct rpc_conn *conn)
{
    (void)conn;
}

static const struct rpc_conn_events events = {on_open, dest, on_frame,
                                              on_close};

/* Feed the bytes in pieces; seed 0: as long as they go. */
static struct reading read_stream(const uint8_t *bytes, size_t n, uint64_t seed)
{
    static uint8_t sink[MOST];
    struct reading r = {.sum = 1, .sink = sink};
    struct rng rng = {seed};
    struct uv_conn *conn =
        uv_conn_of(net->connect(net, "unix:/nobody/listens", &events, &r));

    for (size_t at = 0; at < n && !conn->closing;) {
        uv_buf_t place;
        uv_read_place(conn, &place);
        PRE(place.len > 0);
        size_t piece = n - at < place.len ? n - at : place.len;
        if (seed != 0) {
            uint64_t most = rng_below(&rng, 4) == 0 ? piece : 1 + piece % 50;
            piece = 1 + rng_below(&rng, most < piece ? most : piece);
        }
        memcpy(place.base, bytes + at, piece);
        uv_read_took(conn, piece);
        at += piece;
    }
    net->close(&conn->base);
    while (!r.closed) {
        (void)uv_run(&loop, UV_RUN_NOWAIT);
    }
    return r;
}

/* Each four bytes of the recipe are a frame. */
static size_t cook(const uint8_t *recipe, size_t n, uint8_t *to)
{
    size_t at = 0;

    for (size_t i = 0; i + 4 <= n && at + 70000 < MOST; i += 4) {
        struct rpc_head head = {.kind = (uint8_t)(1 + recipe[i] % 4),
                                .method = recipe[i] / 4,
                                .flags = recipe[i + 1] & 3,
                                .header_len = recipe[i + 2],
                                .call_id = i};
        if (head.kind == RPC_PART) {
            head.payload_len = (uint64_t)recipe[i + 3] * recipe[i + 3];
        }
        uint8_t *header = to + at + FRAME_HEAD_SIZE;
        memset(header, recipe[i + 3], head.header_len + head.payload_len);
        frame_encode(&head, header, to + at);
        at += FRAME_HEAD_SIZE + head.header_len + head.payload_len;
    }
    return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t cooked[MOST];
    const uint8_t *bytes = data + 1;
    size_t n = size - 1;

    if (size < 2 || size > 4096) {
        return 0;
    }
    if (net == NULL) {
        PRE(uv_loop_init(&loop) == 0);
        net = uv_net_new(&loop);
    }
    if ((data[0] & 1) != 0) {
        n = cook(data + 1, size - 1, cooked);
        bytes = cooked;
        if ((data[0] & 2) != 0 && n > 0) {
            cooked[(data[size - 1] * 251u + data[0]) % n] ^= 0x10;
        }
    }
    struct reading whole = read_stream(bytes, n, 0);
    struct reading cut = read_stream(bytes, n, data[0] + 1u);
    INVARIANT(whole.frames == cut.frames);
    INVARIANT(whole.sum == cut.sum);
    INVARIANT(strcmp(whole.why, cut.why) == 0);
    return 0;
}
