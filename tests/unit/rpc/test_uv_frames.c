/* SPDX-License-Identifier: Apache-2.0
 * Frames over real sockets: cut anywhere, hostile, to a slow reader; listening.
 */
#include "uv_bed.h"
#include "run_suite.h"

/* Cut in two at every byte, and into single bytes, the same frames come out. */
START_TEST(frames_may_be_cut_anywhere)
{
    static struct bed b;
    uint8_t stream[512];
    size_t n = make_stream(stream);
    char want[4000] = "";

    bed_open(&b);
    for (size_t cut = 0; cut <= n + 1; cut++) {
        int fd = stranger(b.port);
        b.catcher.frames = b.catcher.closes = 0;
        b.catcher.text[0] = '\0';
        if (cut <= n) {
            put(fd, stream, cut);
            (void)uv_run(&b.loop, UV_RUN_NOWAIT);
            (void)uv_run(&b.loop, UV_RUN_NOWAIT);
            put(fd, stream + cut, n - cut);
        } else {
            for (size_t i = 0; i < n; i++) {
                put(fd, stream + i, 1);
                (void)uv_run(&b.loop, UV_RUN_NOWAIT);
            }
        }
        turn_until(&b.loop, &b.catcher.frames, 5);
        if (cut == 0) {
            memcpy(want, b.catcher.text, sizeof want);
            ck_assert_int_eq(strncmp(want, "1:1:11:0:", 9), 0);
        }
        ck_assert_msg(strcmp(b.catcher.text, want) == 0,
                      "cut at %zu: got %s, want %s", cut, b.catcher.text, want);
        (void)close(fd);
        turn_until(&b.loop, &b.catcher.closes, 1);
        ck_assert_str_eq(b.catcher.why, "closed by the other end");
    }
    bed_close(&b);
}
END_TEST

/* Big frames written in random pieces: at most 64 KiB of each are copied. */
START_TEST(at_most_64_kib_of_a_frame_are_copied)
{
    static struct bed b;
    struct rng rng = {3};
    size_t one = FRAME_HEAD_SIZE + 9 + 300000;
    uint8_t *stream = malloc(20 * one);
    size_t n = 0, at = 0;

    bed_open(&b);
    for (uint16_t i = 0; i < 20; i++) {
        n += add_frame(stream + n, RPC_PART, i, 9, 300000);
    }
    uint64_t before = rpc_copied_bytes();
    int fd = stranger(b.port);
    while (at < n) {
        size_t piece = 1 + rng_below(&rng, 150000);
        piece = piece < n - at ? piece : n - at;
        put(fd, stream + at, piece);
        at += piece;
        (void)uv_run(&b.loop, UV_RUN_NOWAIT);
        (void)uv_run(&b.loop, UV_RUN_NOWAIT);
    }
    turn_until(&b.loop, &b.catcher.frames, 20);
    ck_assert_mem_eq(b.sink, stream + n - 300000, 300000);
    uint64_t copied = rpc_copied_bytes() - before;
    ck_assert_uint_le(copied, 20 * 65536);
    (void)close(fd);
    bed_close(&b);
    free(stream);
}
END_TEST

static const struct {
    const char *bytes;
    size_t n;
    const char *why;
} hostile[] = {
    {"GET / HTTP/1.1\r\nHost: x\r\n\r\n0123456789abcdef", 43,
     "not a frame of Traincrew: it begins with 47 45 54 20 \"GET \""},
    {"CREW\x01\x04\x05\x00\0\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0\0"
     "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
     40, "frame with a header of 4294967295 bytes; the limit is 65536"},
    {"CREW\x01\x04\x05\x00\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
     "\0\0\0\0\0\0\0\x80\0\0\0\0\0\0\0\0",
     40,
     "frame with 9223372036854775808 bytes of payload; the limit is 67108864"},
    {"CREW\x01\x01\x05\x00\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
     "\0\0\0\0\0\0\0\0\0\0\0\0\1\2\3\4",
     40, "frame with header CRC 04030201"},
    {"CREW\x01\x01", 6, "closed by the other end in the middle of a frame"},
};

START_TEST(hostile_bytes_end_the_connection)
{
    static struct bed b;
    char byte;

    bed_open(&b);
    int fd = stranger(b.port);
    put(fd, (const uint8_t *)hostile[_i].bytes, hostile[_i].n);
    if (hostile[_i].n < FRAME_HEAD_SIZE) {
        (void)shutdown(fd, SHUT_WR);
    }
    turn_until(&b.loop, &b.catcher.closes, 1);
    ck_assert_msg(
        strncmp(b.catcher.why, hostile[_i].why, strlen(hostile[_i].why)) == 0,
        "got \"%s\", want \"%s\"", b.catcher.why, hostile[_i].why);
    ck_assert_int_le(read(fd, &byte, 1), 0); /* nothing is answered */
    ck_assert_int_eq(b.catcher.frames, 0);
    (void)close(fd);
    bed_close(&b);
}
END_TEST

static void slow_sent(struct rpc_out *out, bool sent)
{
    *(int *)out->self += sent;
}

/* 40 MiB to a reader that sleeps first: the socket fills, the rest waits. */
START_TEST(a_slow_reader_gets_everything_in_order)
{
    static struct bed b;
    size_t n = 40 * MIB;
    uint8_t *data = malloc(n);
    struct rpc_out outs[40];
    size_t at = 0, total = 40 * (FRAME_HEAD_SIZE + MIB);
    uint8_t *got = malloc(total);

    bed_open(&b);
    for (size_t i = 0; i < n; i++) {
        data[i] = (uint8_t)(i * 7 + i / 65536);
    }
    int fd = stranger(b.port);
    for (int i = 0; i < 500 && b.catcher.conn == NULL; i++) {
        (void)uv_run(&b.loop, UV_RUN_NOWAIT);
    }
    ck_assert_ptr_nonnull(b.catcher.conn);
    static int sent;
    sent = 0;
    for (size_t i = 0; i < 40; i++) {
        outs[i] = (struct rpc_out){.head = {.kind = RPC_PART,
                                            .method = (uint16_t)i,
                                            .payload_len = MIB},
                                   .payload = data + i * MIB,
                                   .done = NULL};
    }
    for (size_t i = 0; i < 40; i++) {
        outs[i].done = slow_sent;
        outs[i].self = &sent;
        b.net->send(b.catcher.conn, &outs[i]);
    }
    ck_assert_int_eq(sent, 0);
    (void)uv_run(&b.loop, UV_RUN_NOWAIT);
    ck_assert_int_lt(sent, 40);
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    for (int i = 0; i < 200000 && at < total; i++) {
        ssize_t k = read(fd, got + at, total - at);
        at += k > 0 ? (size_t)k : 0;
        (void)uv_run(&b.loop, UV_RUN_NOWAIT);
    }
    ck_assert_uint_eq(at, total);
    turn_until(&b.loop, &sent, 40);
    for (size_t i = 0; i < 40; i++) {
        const uint8_t *frame = got + i * (FRAME_HEAD_SIZE + MIB);
        ck_assert_uint_eq(frame[6], i);
        ck_assert_int_eq(memcmp(frame + FRAME_HEAD_SIZE, data + i * MIB, MIB),
                         0);
    }
    (void)close(fd);
    bed_close(&b);
    free(data);
    free(got);
}
END_TEST

START_TEST(a_taken_port_is_said_so)
{
    static struct bed b;
    struct rpc_accept accept = {catch_accept, NULL};
    char address[64], want[128];
    struct crew_err err = {0};
    int port = -1;

    bed_open(&b);
    (void)snprintf(address, sizeof address, "127.0.0.1:%d", b.port);
    ck_assert_int_eq(b.net->listen(b.net, address, &accept, &port, &err),
                     CREW_UNAVAILABLE);
    (void)snprintf(want, sizeof want, "listen on %s: address already in use",
                   address);
    ck_assert_str_eq(err.msg, want);
    ck_assert_int_eq(crew_err_exit_code(&err), 138);
    ck_assert_int_eq(port, -1);
    bed_close(&b);
}
END_TEST

/* A host that is not loopback: all interfaces, so loopback too. */
START_TEST(another_host_means_all_interfaces)
{
    static struct bed b;
    struct crew_err err = {0};
    int port = 0;

    bed_open(&b);
    b.net->unlisten(b.net, &b.catcher.accept);
    ck_assert_int_eq(
        b.net->listen(b.net, "ps-0.jobs.svc:0", &b.catcher.accept, &port, &err),
        CREW_OK);
    int fd = stranger(port);
    uint8_t frame[64];
    put(fd, frame, add_frame(frame, RPC_RESPONSE, 4, 0, 0));
    turn_until(&b.loop, &b.catcher.frames, 1);
    ck_assert_int_eq(strncmp(b.catcher.conn->name, "127.0.0.1:", 10), 0);
    (void)close(fd);
    bed_close(&b);
}
END_TEST

static Suite *uv_frames_suite(void)
{
    Suite *suite = suite_create("uv_frames");
    TCase *c = tcase_create("uv_frames");

    tcase_set_timeout(c, 20);
    tcase_add_test(c, frames_may_be_cut_anywhere);
    tcase_add_test(c, at_most_64_kib_of_a_frame_are_copied);
    tcase_add_loop_test(c, hostile_bytes_end_the_connection, 0,
                        (int)COUNT_OF(hostile));
    tcase_add_test(c, a_slow_reader_gets_everything_in_order);
    tcase_add_test(c, a_taken_port_is_said_so);
    tcase_add_test(c, another_host_means_all_interfaces);
    suite_add_tcase(suite, c);
    return suite;
}

int main(void)
{
    return run_suite(uv_frames_suite());
}
