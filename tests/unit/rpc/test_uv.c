/* SPDX-License-Identifier: Apache-2.0
 * A peer and a server on the net of libuv: bulk without copies and without
 * allocation, losses, sockets of both kinds, addresses, the probe. */
#include "uv_bed.h"
#include "run_suite.h"

/* Count allocations, where no sanitizer has taken malloc. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
static _Atomic long allocations;
#ifndef SANITIZED
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
void *malloc(size_t n)
{
    allocations++;
    return __libc_malloc(n);
}
void *calloc(size_t count, size_t n)
{
    allocations++;
    return __libc_calloc(count, n);
}
void *realloc(void *p, size_t n)
{
    allocations++;
    return __libc_realloc(p, n);
}
#endif

#define PARTS 13

/* ----------------------------------------------------- a peer and a server */

struct rig {
    uv_loop_t loop;
    struct rpc_net *net;
    struct rpc_server *server;
    struct rpc_peer *peer;
    char address[128];
    Crew__Hello hello;
    Crew__Identity self;
    uint8_t *sink, *source, *back;
    int hellos, gone, server_closed, wrong_crcs;
    int ups, downs, closed, done, parts_back;
    char why[1200];
    struct crew_err err;
    struct rpc_call call;
};

static int on_hello(void *self,
                    struct rpc_session *s,
                    const Crew__Hello *hello,
                    Crew__HelloReply *reply,
                    Crew__Error *error)
{
    (void)s;
    (void)hello;
    (void)reply;
    (void)error;
    ((struct rig *)self)->hellos++;
    return CREW_OK;
}

static void on_request(void *self,
                       struct rpc_session *s,
                       enum rpc_method method,
                       uint64_t call_id,
                       const ProtobufCMessage *request)
{
    (void)self;
    (void)request;
    if (method == RPC_HEALTH) {
        Crew__HealthReply reply = CREW__HEALTH_REPLY__INIT;
        reply.global_step = 1234;
        rpc_reply(s, method, call_id, &reply.base);
    }
}

static void *server_dest(void *self,
                         struct rpc_session *s,
                         const struct rpc_in *in)
{
    struct rig *r = self;
    const Crew__PushPart *part = (const Crew__PushPart *)rpc_session_unpack(
        s, &crew__push_part__descriptor, in->header, in->head.header_len);

    return part != NULL ? r->sink + part->granule * MIB : NULL;
}

static void on_part(void *self,
                    struct rpc_session *s,
                    const struct rpc_in *in,
                    void *payload,
                    bool crc_ok)
{
    struct rig *r = self;
    Crew__ValuePart value = CREW__VALUE_PART__INIT;
    Crew__PushPullReply reply = CREW__PUSH_PULL_REPLY__INIT;

    r->wrong_crcs += !crc_ok;
    value.granule = (uint32_t)((size_t)((uint8_t *)payload - r->sink) / MIB);
    rpc_reply_part(s, RPC_PUSH_PULL, in->head.call_id, &value.base, payload,
                   in->head.payload_len, false);
    if ((in->head.flags & RPC_FLAG_END) != 0) {
        rpc_reply(s, RPC_PUSH_PULL, in->head.call_id, &reply.base);
    }
}

static void on_gone(void *self,
                    struct rpc_session *s,
                    const struct crew_err *why)
{
    (void)s;
    (void)why;
    ((struct rig *)self)->gone++;
}

static const struct rpc_handler handler = {.on_hello = on_hello,
                                           .on_request = on_request,
                                           .payload_dest = server_dest,
                                           .on_part = on_part,
                                           .on_gone = on_gone};

static void on_up(struct rpc_peer *peer, const Crew__HelloReply *reply)
{
    (void)reply;
    ((struct rig *)rpc_peer_self(peer))->ups++;
}

static void on_down(struct rpc_peer *peer,
                    const struct crew_err *why,
                    int attempt)
{
    struct rig *r = rpc_peer_self(peer);

    (void)attempt;
    r->downs++;
    (void)snprintf(r->why, sizeof r->why, "%s", why->msg);
}

static void on_refused(struct rpc_peer *peer, const Crew__Error *error)
{
    (void)peer;
    ck_abort_msg("refused: %s", error->text);
}

static void on_closed(struct rpc_peer *peer)
{
    ((struct rig *)rpc_peer_self(peer))->closed++;
}

static const struct rpc_peer_events peer_events = {on_up, on_down, on_refused,
                                                   on_closed};

static void open_server(struct rig *r, const char *address)
{
    struct crew_err err = {0};
    int port = 0;

    ck_assert_msg(rpc_server_open(r->net, address, 16, &handler, r, &r->server,
                                  &port, &err) == CREW_OK,
                  "%s", err.msg);
    if (strncmp(address, "unix:", 5) == 0) {
        (void)snprintf(r->address, sizeof r->address, "%s", address);
    } else {
        (void)snprintf(r->address, sizeof r->address, "localhost:%d", port);
    }
}

static void open_peer(struct rig *r)
{
    r->peer = rpc_peer_open(r->net, "ps/0", r->address, &r->hello, 1,
                            &peer_events, r);
}

static void rig_open(struct rig *r)
{
    memset(r, 0, sizeof *r);
    ck_assert_int_eq(uv_loop_init(&r->loop), 0);
    r->net = uv_net_new(&r->loop);
    crew__hello__init(&r->hello);
    crew__identity__init(&r->self);
    r->self.incarnation = 1;
    r->hello.self = &r->self;
    r->sink = calloc(PARTS, MIB);
    r->source = calloc(PARTS, MIB);
    r->back = calloc(PARTS, MIB);
}

static void on_server_closed(void *self)
{
    ((struct rig *)self)->server_closed++;
}

static void close_server(struct rig *r)
{
    r->server_closed = 0;
    rpc_server_close(r->server, on_server_closed, r);
    turn_until(&r->loop, &r->server_closed, 1);
    r->server = NULL;
}

static void rig_close(struct rig *r)
{
    if (r->peer != NULL) {
        rpc_peer_close(r->peer);
        turn_until(&r->loop, &r->closed, 1);
    }
    if (r->server != NULL) {
        close_server(r);
    }
    uv_net_free(r->net);
    ck_assert_int_eq(uv_loop_close(&r->loop), 0);
    free(r->sink);
    free(r->source);
    free(r->back);
}

static void *call_dest(struct rpc_call *call, const struct rpc_in *in)
{
    struct rig *r = call->self;
    const Crew__ValuePart *part = (const Crew__ValuePart *)rpc_call_unpack(
        call, &crew__value_part__descriptor, in);

    return part != NULL ? r->back + part->granule * MIB : NULL;
}

static void call_part(struct rpc_call *call, const struct rpc_in *in)
{
    (void)in;
    ((struct rig *)call->self)->parts_back++;
}

static void call_done(struct rpc_call *call,
                      const ProtobufCMessage *reply,
                      const Crew__Error *error,
                      const struct crew_err *err)
{
    struct rig *r = call->self;

    (void)reply;
    (void)error;
    r->done++;
    r->err = *err;
}

static void begin_push(struct rig *r)
{
    Crew__PushPullRequest request = CREW__PUSH_PULL_REQUEST__INIT;
    Crew__PushPart part = CREW__PUSH_PART__INIT;

    r->call.payload_dest = call_dest;
    r->call.on_part = call_part;
    r->call.on_done = call_done;
    r->call.self = r;
    r->parts_back = 0;
    request.self = &r->self;
    part.self = &r->self;
    rpc_call_start(r->peer, &r->call, RPC_PUSH_PULL, &request.base, 10000);
    for (uint32_t i = 0; i < PARTS; i++) {
        part.granule = i;
        rpc_call_part(&r->call, &part.base, r->source + i * MIB, MIB, true,
                      i == PARTS - 1);
    }
}

static struct rig rig;

/* 13 MiB up and down, again and again: what comes back is what went, at most 64
 * KiB a frame are copied, and from the second round on nothing is allocated. */
START_TEST(bulk_is_neither_copied_nor_allocated)
{
    rig_open(&rig);
    open_server(&rig, "localhost:0");
    open_peer(&rig);
    turn_until(&rig.loop, &rig.ups, 1);
    long allocated = 0;
    uint64_t copied = 0;
    for (int round = 0; round < 12; round++) {
        for (size_t i = 0; i < PARTS * MIB; i++) {
            rig.source[i] = (uint8_t)(i * 31 + i / 1000 + (size_t)round);
        }
        long before = allocations;
        uint64_t copied_before = rpc_copied_bytes();
        rig.done = 0;
        begin_push(&rig);
        turn(&rig.loop, &rig.done, 1);
        if (round >= 2) { /* warm: sockets and pools have their sizes */
            allocated += allocations - before;
            copied += rpc_copied_bytes() - copied_before;
        }
        ck_assert_int_eq(rig.done, 1);
        ck_assert_msg(rig.err.code == CREW_OK, "%s", rig.err.msg);
        ck_assert_int_eq(rig.wrong_crcs, 0);
        ck_assert_int_eq(rig.parts_back, PARTS);
        ck_assert_int_eq(memcmp(rig.source, rig.back, PARTS * MIB), 0);
    }
    /* The pools of both sides may still grow to a whole push under way, which
     * is up to the kernel's timing; an allocation a message would be 280. */
    ck_assert_int_le(allocated, 2 * (PARTS + 1));
    uint64_t frames = 10 * (2 * PARTS + 2);
    ck_assert_uint_le(copied, frames * 65536);
    rig_close(&rig);
}
END_TEST

/* A close in the midst of it: the memory is the caller's again once on_done
 * came. */
START_TEST(a_close_midway_completes_once)
{
    rig_open(&rig);
    open_server(&rig, "localhost:0");
    open_peer(&rig);
    turn_until(&rig.loop, &rig.ups, 1);
    begin_push(&rig);
    for (int i = 0; i < _i; i++) {
        (void)uv_run(&rig.loop, UV_RUN_NOWAIT);
    }
    rpc_peer_close(rig.peer);
    turn_until(&rig.loop, &rig.closed, 1);
    rig.peer = NULL;
    ck_assert_int_eq(rig.done, 1);
    ck_assert(rig.err.code == CREW_CANCELLED || rig.err.code == CREW_OK);
    free(rig.source); /* nobody reads it any more; the sanitizer looks */
    rig.source = NULL;
    turn_until(&rig.loop, &rig.gone, 1);
    rig_close(&rig);
}
END_TEST

START_TEST(a_server_that_comes_back_is_found)
{
    char address[128];

    rig_open(&rig);
    open_server(&rig, "localhost:0");
    open_peer(&rig);
    turn_until(&rig.loop, &rig.ups, 1);
    begin_push(&rig);
    (void)snprintf(address, sizeof address, "%s", rig.address);
    close_server(&rig);
    turn_until(&rig.loop, &rig.done, 1);
    turn_until(&rig.loop, &rig.downs, 1);
    ck_assert_int_eq(rig.done, 1);
    ck_assert(rig.err.code == CREW_UNAVAILABLE || rig.err.code == CREW_OK);
    open_server(&rig, address);
    turn_until(&rig.loop, &rig.ups, 2);
    rig_close(&rig);
}
END_TEST

START_TEST(nobody_there_is_said_so)
{
    rig_open(&rig);
    open_server(&rig, "localhost:0");
    close_server(&rig);
    open_peer(&rig);
    turn_until(&rig.loop, &rig.downs, 2);
    char want[200];
    (void)snprintf(want, sizeof want, "ps/0 at %s: connection refused",
                   rig.address);
    ck_assert_str_eq(rig.why, want);
    rig_close(&rig);
}
END_TEST

START_TEST(a_bad_address_is_said_so)
{
    rig_open(&rig);
    (void)snprintf(rig.address, sizeof rig.address, "nowhere");
    open_peer(&rig);
    turn_until(&rig.loop, &rig.downs, 1);
    ck_assert_str_eq(rig.why,
                     "ps/0 at nowhere: address \"nowhere\": no port; "
                     "write host:port");
    rig_close(&rig);
}
END_TEST

START_TEST(unix_sockets_serve_too)
{
    char path[64], address[80];
    struct crew_err err = {0};
    struct rpc_server *second = NULL;
    int port;

    (void)snprintf(path, sizeof path, "/tmp/crew-test-%d.sock", (int)getpid());
    (void)snprintf(address, sizeof address, "unix:%s", path);
    rig_open(&rig);
    open_server(&rig, address);
    open_peer(&rig);
    turn_until(&rig.loop, &rig.ups, 1);
    begin_push(&rig);
    turn_until(&rig.loop, &rig.done, 1);
    ck_assert_msg(rig.err.code == CREW_OK, "%s", rig.err.msg);
    ck_assert_int_eq(rpc_server_open(rig.net, address, 4, &handler, &rig,
                                     &second, &port, &err),
                     CREW_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.msg, "address already in use"));
    ck_assert_ptr_null(second);
    rig_close(&rig);
    /* A file that a dead process left behind does not block. */
    int fd = open(path, O_CREAT | O_RDWR, 0600);
    ck_assert_int_ge(fd, 0);
    (void)close(fd);
    rig_open(&rig);
    open_server(&rig, address);
    open_peer(&rig);
    turn_until(&rig.loop, &rig.ups, 1);
    rig_close(&rig);
    (void)unlink(path);
}
END_TEST

/* --------------------------------------------------------- addresses, probe */

static const struct {
    const char *address;
    bool insecure;
    int code;
    const char *text;
} binds[] = {
    {"127.0.0.1:2222", false, CREW_OK, ""},
    {"127.9.9.9:1", false, CREW_OK, ""},
    {"localhost:2222", false, CREW_OK, ""},
    {"[::1]:2222", false, CREW_OK, ""},
    {"unix:/run/x.sock", false, CREW_OK, ""},
    {"10.0.0.7:2222", true, CREW_OK, ""},
    {"10.0.0.7:2222", false, CREW_FAILED_PRECONDITION,
     "refusing to listen on 10.0.0.7:2222 without authentication"},
    {"0.0.0.0:2222", false, CREW_FAILED_PRECONDITION, "--insecure-network"},
    {":2222", false, CREW_FAILED_PRECONDITION, "loopback"},
    {"localhost.example.com:1", false, CREW_FAILED_PRECONDITION, "tunnel"},
    {"worker-0", false, CREW_INVALID_ARGUMENT, "no port"},
    {"h:70000", true, CREW_INVALID_ARGUMENT, "65535"},
    {"h:-1", true, CREW_INVALID_ARGUMENT, "65535"},
    {"h:12x", true, CREW_INVALID_ARGUMENT, "65535"},
    {"::1:80", true, CREW_INVALID_ARGUMENT, "stands in [ ]"},
    {"unix:", true, CREW_INVALID_ARGUMENT, "1 to 107 bytes"},
};

START_TEST(only_loopback_without_leave)
{
    struct crew_err err = {0};
    int code = rpc_check_bind(binds[_i].address, binds[_i].insecure, &err);

    ck_assert_msg(code == binds[_i].code, "%s: got %d (%s), want %d",
                  binds[_i].address, code, err.msg, binds[_i].code);
    ck_assert_msg(strstr(err.msg, binds[_i].text) != NULL,
                  "%s: got \"%s\", want \"%s\"", binds[_i].address, err.msg,
                  binds[_i].text);
    ck_assert(code == CREW_OK || crew_err_exit_code(&err) == 78);
}
END_TEST

/* A server on a thread of its own, until told to stop. */
struct served {
    struct rig rig;
    atomic_bool ready, stop;
};

static void *serve(void *arg)
{
    struct served *s = arg;

    rig_open(&s->rig);
    open_server(&s->rig, "127.0.0.1:0");
    atomic_store(&s->ready, true);
    while (!atomic_load(&s->stop)) {
        (void)uv_run(&s->rig.loop, UV_RUN_NOWAIT);
        (void)usleep(200);
    }
    rig_close(&s->rig);
    return NULL;
}

START_TEST(a_living_process_is_healthy)
{
    static struct served s;
    Crew__HealthReply *reply = NULL;
    struct crew_err err = {0};
    pthread_t thread;

    ck_assert_int_eq(pthread_create(&thread, NULL, serve, &s), 0);
    while (!atomic_load(&s.ready)) {
        (void)usleep(100);
    }
    ck_assert_msg(rpc_probe(s.rig.address, 4000, &reply, &err) == CREW_OK, "%s",
                  err.msg);
    ck_assert_int_eq(reply->global_step, 1234);
    crew__health_reply__free_unpacked(reply, NULL);
    atomic_store(&s.stop, true);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

/* It listens, the kernel takes the connection, and nobody answers. */
START_TEST(a_stopped_process_is_not)
{
    static struct bed b;
    Crew__HealthReply *reply = NULL;
    char address[64];
    struct crew_err err = {0};

    bed_open(&b);
    (void)snprintf(address, sizeof address, "127.0.0.1:%d", b.port);
    ck_assert_int_eq(rpc_probe(address, 200, &reply, &err),
                     CREW_DEADLINE_EXCEEDED);
    ck_assert_ptr_nonnull(strstr(err.msg, "no answer in time"));
    bed_close(&b);
    err = (struct crew_err){0};
    ck_assert_int_eq(rpc_probe(address, 2000, &reply, &err), CREW_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.msg, "connection refused"));
    ck_assert_ptr_null(reply);
}
END_TEST

static Suite *uv_suite(void)
{
    Suite *suite = suite_create("uv");
    TCase *c = tcase_create("uv");

    tcase_set_timeout(c, 20);
    tcase_add_test(c, bulk_is_neither_copied_nor_allocated);
    tcase_add_loop_test(c, a_close_midway_completes_once, 0, 8);
    tcase_add_test(c, a_server_that_comes_back_is_found);
    tcase_add_test(c, nobody_there_is_said_so);
    tcase_add_test(c, a_bad_address_is_said_so);
    tcase_add_test(c, unix_sockets_serve_too);
    tcase_add_loop_test(c, only_loopback_without_leave, 0,
                        (int)COUNT_OF(binds));
    tcase_add_test(c, a_living_process_is_healthy);
    tcase_add_test(c, a_stopped_process_is_not);
    suite_add_tcase(suite, c);
    return suite;
}

int main(void)
{
    return run_suite(uv_suite());
}
