/* SPDX-License-Identifier: Apache-2.0
 * Servers over a net in memory: strangers, limits, closing. Time is virtual. */
#include "peer_rig.h"
#include "run_suite.h"

static struct rig rig;

/* ------------------------------------------------ the server and strangers */

/* A stranger's connection: what it sends is made by hand. */
struct stranger {
    struct fake_conn *conn;
    int answers, errors, closed;
    char text[200];
    uint32_t kind;
};

static void stranger_open(struct rpc_conn *conn)
{
    (void)conn;
}

static void stranger_frame(struct rpc_conn *conn,
                           const struct rpc_in *in,
                           void *payload)
{
    struct stranger *s = conn->self;

    (void)payload;
    s->answers++;
    s->kind = in->head.kind;
    if (in->head.kind == RPC_ERROR) {
        Crew__Error *e =
            crew__error__unpack(NULL, in->head.header_len, in->header);
        (void)snprintf(s->text, sizeof s->text, "%s", e->text);
        crew__error__free_unpacked(e, NULL);
    }
}

static void stranger_close(struct rpc_conn *conn, const struct crew_err *why)
{
    struct stranger *s = conn->self;

    (void)why;
    s->closed++;
    s->conn = NULL;
}

static const struct rpc_conn_events stranger_events = {
    stranger_open, NULL, stranger_frame, stranger_close};

static void stranger_begin(struct rig *r, struct stranger *s)
{
    *s = (struct stranger){0};
    s->conn = (struct fake_conn *)r->net.base.connect(&r->net.base, "h:1",
                                                      &stranger_events, s);
    fake_run(&r->net, 1);
}

static void out_done(struct rpc_out *out, bool sent)
{
    (void)out;
    (void)sent;
}

static void stranger_send(struct rig *r,
                          struct stranger *s,
                          struct rpc_head head,
                          const void *header,
                          size_t n,
                          const void *payload,
                          size_t payload_len)
{
    struct rpc_out out = {.head = head, .header = header, .done = out_done};

    out.head.header_len = (uint32_t)n;
    out.payload = payload;
    out.head.payload_len = payload_len;
    r->net.base.send(&s->conn->base, &out);
    fake_run(&r->net, 1);
}

static size_t pack_hello(uint8_t *to, uint32_t protocol, bool with_self)
{
    Crew__Hello hello = CREW__HELLO__INIT;
    Crew__Identity self = CREW__IDENTITY__INIT;

    self.incarnation = 7;
    hello.protocol = protocol;
    hello.self = with_self ? &self : NULL;
    return crew__hello__pack(&hello, to);
}

static const struct {
    const char *what;
    struct rpc_head head;
    const char *header;
    size_t header_len, payload_len;
    const char *line;
} garbage[] = {
    {"request before HELLO",
     {.kind = RPC_REQUEST, .method = RPC_TICKET},
     "",
     0,
     0,
     "TICKET before HELLO"},
    {"part before HELLO",
     {.kind = RPC_PART, .method = RPC_PUSH_PULL},
     "",
     0,
     8,
     "a part before HELLO"},
    {"empty part before HELLO",
     {.kind = RPC_PART, .method = RPC_PUSH_PULL},
     "",
     0,
     0,
     "a part before HELLO"},
    {"unknown method",
     {.kind = RPC_REQUEST, .method = 999},
     "",
     0,
     0,
     "unknown method 999"},
    {"an answer",
     {.kind = RPC_RESPONSE, .method = RPC_HELLO},
     "",
     0,
     0,
     "an answer where requests are expected"},
    {"HELLO without self",
     {.kind = RPC_REQUEST, .method = RPC_HELLO},
     "\x08\x01",
     2,
     0,
     "message Hello without `self`"},
    {"HELLO with protocol twice",
     {.kind = RPC_REQUEST, .method = RPC_HELLO},
     "\x08\x01\x08\x01",
     4,
     0,
     "singular field twice: protocol"},
    {"HELLO that is cut",
     {.kind = RPC_REQUEST, .method = RPC_HELLO},
     "\x12\x20\x08",
     3,
     0,
     "malformed or cut field self"},
};

START_TEST(garbage_is_refused_with_a_line)
{
    struct stranger s;
    struct probe_call c;
    uint8_t payload[8] = {0};

    begin(&rig, true);
    stranger_begin(&rig, &s);
    stranger_send(&rig, &s, garbage[_i].head, garbage[_i].header,
                  garbage[_i].header_len, payload, garbage[_i].payload_len);
    ck_assert_msg(s.closed == 1, "%s: the connection stays", garbage[_i].what);
    ck_assert_msg(strstr(rig.garbage, garbage[_i].line) != NULL,
                  "%s: got \"%s\", want \"%s\"", garbage[_i].what, rig.garbage,
                  garbage[_i].line);
    ck_assert_int_eq(strncmp(rig.garbage, "10.0.0.7:4000: ", 15), 0);
    ck_assert_uint_eq(rpc_server_garbage(rig.server), 1);
    /* The others are served as before. */
    begin_heartbeat(&rig, &c, 100);
    fake_run(&rig.net, 10);
    ck_assert(c.replied);
    end(&rig);
}
END_TEST

START_TEST(a_line_a_minute_and_address)
{
    struct stranger s;
    struct rpc_head head = {.kind = RPC_REQUEST, .method = 999};

    begin(&rig, true);
    for (int i = 0; i < 20; i++) {
        stranger_begin(&rig, &s);
        stranger_send(&rig, &s, head, "", 0, NULL, 0);
    }
    ck_assert_int_eq(rig.garbage_lines, 1);
    ck_assert_uint_eq(rpc_server_garbage(rig.server), 20);
    fake_run(&rig.net, 60000);
    stranger_begin(&rig, &s);
    stranger_send(&rig, &s, head, "", 0, NULL, 0);
    ck_assert_int_eq(rig.garbage_lines, 2);
    end(&rig);
}
END_TEST

START_TEST(no_hello_within_5_s_is_the_end)
{
    struct stranger s;

    begin(&rig, true);
    stranger_begin(&rig, &s);
    fake_run(&rig.net, 4900);
    ck_assert_int_eq(s.closed, 0);
    fake_run(&rig.net, 200);
    ck_assert_int_eq(s.closed, 1);
    ck_assert_ptr_nonnull(strstr(rig.garbage, "no HELLO within 5 s"));
    ck_assert_int_eq(rig.downs, 0); /* the member's connection stands */
    end(&rig);
}
END_TEST

START_TEST(another_protocol_is_refused_in_words)
{
    struct stranger s;
    struct rpc_head head = {.kind = RPC_REQUEST, .method = RPC_HELLO};
    uint8_t hello[64];

    begin(&rig, true);
    int before = rig.hellos;
    stranger_begin(&rig, &s);
    stranger_send(&rig, &s, head, hello, pack_hello(hello, 9, true), NULL, 0);
    ck_assert_int_eq(s.closed, 1);
    ck_assert_uint_eq(s.kind, RPC_ERROR);
    ck_assert_str_eq(s.text,
                     "protocol 9 is not spoken here, 3 is: run the "
                     "same release everywhere");
    ck_assert_int_eq(rig.hellos, before);
    end(&rig);
}
END_TEST

START_TEST(health_needs_no_hello)
{
    struct stranger s;
    struct rpc_head head = {.kind = RPC_REQUEST, .method = RPC_HEALTH};

    begin(&rig, true);
    stranger_begin(&rig, &s);
    stranger_send(&rig, &s, head, "", 0, NULL, 0);
    ck_assert_int_eq(rig.last_method, RPC_HEALTH);
    ck_assert_int_eq(s.closed, 0);
    end(&rig);
}
END_TEST

START_TEST(the_newest_connection_over_the_limit_is_closed)
{
    struct stranger s[8];

    begin(&rig, true); /* the peer is the first of 8 */
    for (int i = 0; i < 8; i++) {
        stranger_begin(&rig, &s[i]);
    }
    for (int i = 0; i < 7; i++) {
        ck_assert_int_eq(s[i].closed, 0);
    }
    ck_assert_int_eq(s[7].closed, 1);
    ck_assert_ptr_nonnull(strstr(rig.garbage, "8 connections are open"));
    end(&rig);
}
END_TEST

/* Closing sends what is queued first, but waits only a second for it. */
START_TEST(closing_waits_a_second_at_most)
{
    struct probe_call c;
    Crew__HeartbeatReply reply = CREW__HEARTBEAT_REPLY__INIT;

    begin(&rig, true);
    rig.silent = true;
    begin_heartbeat(&rig, &c, 0);
    fake_run(&rig.net, 1);
    rpc_reply(rig.session, RPC_HEARTBEAT, rig.last_id, &reply.base);
    client_conn(&rig)->other->stalled = true;
    rpc_server_close(rig.server, on_server_closed, &rig);
    fake_run(&rig.net, 900);
    ck_assert(!rig.server_closed);
    fake_run(&rig.net, 200);
    ck_assert(rig.server_closed);
    ck_assert_int_eq(c.code, CREW_UNAVAILABLE);
    rig.server = NULL;
    end(&rig);
}
END_TEST

static Suite *server_suite(void)
{
    Suite *suite = suite_create("server");
    TCase *c = tcase_create("server");

    tcase_add_loop_test(c, garbage_is_refused_with_a_line, 0,
                        (int)COUNT_OF(garbage));
    tcase_add_test(c, a_line_a_minute_and_address);
    tcase_add_test(c, no_hello_within_5_s_is_the_end);
    tcase_add_test(c, another_protocol_is_refused_in_words);
    tcase_add_test(c, health_needs_no_hello);
    tcase_add_test(c, the_newest_connection_over_the_limit_is_closed);
    tcase_add_test(c, closing_waits_a_second_at_most);
    suite_add_tcase(suite, c);
    return suite;
}

int main(void)
{
    return run_suite(server_suite());
}
