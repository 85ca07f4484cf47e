/* SPDX-License-Identifier: Apache-2.0
 * Peers over a net in memory: HELLO, calls and parts, deadlines, losses,
 * refusals. Time is virtual. */
#include "peer_rig.h"
#include "run_suite.h"

static struct rig rig;

START_TEST(hello_then_calls_are_answered)
{
    struct probe_call a, b;

    begin(&rig, true);
    ck_assert_int_eq(rig.ups, 1);
    begin_heartbeat(&rig, &a, 1000);
    begin_heartbeat(&rig, &b, 1000);
    fake_run(&rig.net, 1);
    ck_assert(a.replied && b.replied);
    fake_run(&rig.net, 5000); /* the deadline's timer must not find them */
    ck_assert_int_eq(a.done, 1);
    ck_assert_int_eq(b.done, 1);
    end(&rig);
    ck_assert_int_eq(rig.gone, 1);
}
END_TEST

START_TEST(parts_go_up_and_come_down)
{
    struct probe_call c;
    uint8_t data[1000];

    begin(&rig, true);
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = (uint8_t)(i * 7);
    }
    begin_push(&rig, &c, 1000);
    push_part(&rig, &c, data, sizeof data, false);
    push_part(&rig, &c, data, sizeof data, true);
    fake_run(&rig.net, 10);
    ck_assert_int_eq(c.done, 1);
    ck_assert(c.replied);
    ck_assert_int_eq(c.parts, 2);
    ck_assert_int_eq(rig.parts, 2);
    ck_assert(rig.crc_ok);
    ck_assert_mem_eq(c.back, data, sizeof data);
    end(&rig);
}
END_TEST

/* The sender's memory changes after the CRC was taken: the server is told. */
START_TEST(a_wrong_crc_is_told)
{
    struct probe_call c;
    uint8_t data[100] = {1};

    begin(&rig, true);
    begin_push(&rig, &c, 1000);
    push_part(&rig, &c, data, sizeof data, true);
    data[50] ^= 1;
    fake_run(&rig.net, 10);
    ck_assert_int_eq(rig.parts, 1);
    ck_assert(!rig.crc_ok);
    end(&rig);
}
END_TEST

START_TEST(a_call_while_down_fails_from_the_loop)
{
    struct probe_call c;

    begin(&rig, false);
    begin_heartbeat(&rig, &c, 0);
    fake_run(&rig.net, 1);
    ck_assert_int_eq(c.done, 1);
    ck_assert_int_eq(c.code, CREW_UNAVAILABLE);
    ck_assert_str_eq(c.msg, "ps/0 at h:1: not connected for HEARTBEAT");
    end(&rig);
}
END_TEST

START_TEST(a_deadline_without_parts_leaves_the_connection)
{
    struct probe_call a, b;

    begin(&rig, true);
    rig.silent = true;
    begin_heartbeat(&rig, &a, 300);
    begin_heartbeat(&rig, &b, 100);
    fake_run(&rig.net, 150);
    ck_assert_int_eq(b.done, 1);
    ck_assert_int_eq(b.code, CREW_DEADLINE_EXCEEDED);
    ck_assert_str_eq(b.msg,
                     "ps/0 at h:1: no answer to HEARTBEAT within 100 ms");
    ck_assert_int_eq(a.done, 0);
    fake_run(&rig.net, 200);
    ck_assert_int_eq(a.done, 1);
    ck_assert_int_eq(rig.downs, 0);
    /* The answer that comes too late is nobody's. */
    Crew__HeartbeatReply reply = CREW__HEARTBEAT_REPLY__INIT;
    rpc_reply(rig.session, RPC_HEARTBEAT, rig.last_id, &reply.base);
    fake_run(&rig.net, 10);
    ck_assert_int_eq(a.done, 1);
    ck_assert_int_eq(rig.downs, 0);
    end(&rig);
}
END_TEST

START_TEST(a_deadline_with_parts_drops_the_connection)
{
    struct probe_call push, beat;
    uint8_t data[64] = {0};

    begin(&rig, true);
    rig.silent = true;
    begin_push(&rig, &push, 100);
    begin_heartbeat(&rig, &beat, 0);
    client_conn(&rig)->stalled = true;
    push_part(&rig, &push, data, sizeof data, true);
    fake_run(&rig.net, 150);
    ck_assert_int_eq(push.done, 1);
    ck_assert_int_eq(push.code, CREW_DEADLINE_EXCEEDED);
    ck_assert_int_eq(beat.done, 1);
    ck_assert_int_eq(beat.code, CREW_UNAVAILABLE);
    ck_assert_int_eq(rig.downs, 1);
    fake_run(&rig.net, 500);
    ck_assert_int_eq(rig.ups, 2);
    end(&rig);
}
END_TEST

/* The server's refusal overtakes parts that are still being sent: on_done must
 * wait for their memory. */
START_TEST(an_early_error_waits_for_the_parts)
{
    struct probe_call c;
    uint8_t data[64] = {0};

    begin(&rig, true);
    rig.early_error = true;
    begin_push(&rig, &c, 0);
    /* The request goes first; then the way up is stalled. */
    while (rig.requests == 0) {
        ck_assert(fake_turn(&rig.net));
    }
    client_conn(&rig)->stalled = true;
    push_part(&rig, &c, data, sizeof data, true);
    fake_run(&rig.net, 50);
    ck_assert_int_eq(c.done, 0);
    client_conn(&rig)->stalled = false;
    fake_run(&rig.net, 50);
    ck_assert_int_eq(c.done, 1);
    ck_assert_int_eq(c.code, CREW_ABORTED);
    ck_assert_uint_eq(c.refusal, CREW__REFUSAL__STALE_EPOCH);
    ck_assert_str_eq(c.msg, "epoch 3 is over?epoch 4 runs");
    ck_assert_int_eq(rig.downs, 0);
    end(&rig);
}
END_TEST

START_TEST(a_loss_fails_the_calls_once_and_heals)
{
    struct probe_call a, push;
    uint8_t data[64] = {0};

    begin(&rig, true);
    rig.silent = true;
    begin_heartbeat(&rig, &a, 400);
    begin_push(&rig, &push, 400);
    push_part(&rig, &push, data, sizeof data, true);
    fake_run(&rig.net, 10);
    fake_end(client_conn(&rig), CREW_UNAVAILABLE, "connection reset by peer");
    fake_run(&rig.net, 1);
    ck_assert_int_eq(a.done, 1);
    ck_assert_int_eq(a.code, CREW_UNAVAILABLE);
    ck_assert_str_eq(a.msg, "ps/0 at h:1: connection reset by peer");
    ck_assert_int_eq(push.done, 1);
    ck_assert_int_eq(rig.downs, 1);
    ck_assert_int_eq(rig.attempt, 1);
    ck_assert_int_eq(rig.gone, 1);
    fake_run(&rig.net, 1000);
    ck_assert_int_eq(rig.ups, 2);
    ck_assert_int_eq(a.done, 1);
    ck_assert_int_eq(push.done, 1);
    end(&rig);
}
END_TEST

START_TEST(backoff_doubles_to_two_seconds)
{
    begin(&rig, false);
    fake_run(&rig.net, 60000);
    /* 0.1 + 0.2 + .. + 1.6, then 2 s each; by chance down to half of it. */
    ck_assert_int_ge(rig.net.connects, 60000 / 2000);
    ck_assert_int_le(rig.net.connects, 60000 / 1000 + 6);
    ck_assert_int_eq(rig.attempt, rig.downs);
    ck_assert_str_eq(rig.why, "ps/0 at h:1: connection refused");
    open_server(&rig);
    fake_run(&rig.net, 2100);
    ck_assert_int_eq(rig.ups, 1);
    end(&rig);
}
END_TEST

START_TEST(a_refusal_ends_the_attempts)
{
    struct probe_call c;

    begin(&rig, false);
    rig.refuse = true;
    open_server(&rig);
    fake_run(&rig.net, 30000);
    ck_assert_int_eq(rig.refusals, 1);
    ck_assert_int_eq(rig.hellos, 1);
    ck_assert_int_eq(rig.gone, 0);
    ck_assert_str_eq(rig.why, "another has taken worker 1");
    begin_heartbeat(&rig, &c, 0);
    fake_run(&rig.net, 10);
    ck_assert_int_eq(c.code, CREW_UNAVAILABLE);
    rig.refuse = false;
    rpc_peer_reconnect(rig.peer);
    fake_run(&rig.net, 10);
    ck_assert_int_eq(rig.ups, 1);
    end(&rig);
}
END_TEST

START_TEST(reconnect_is_at_once)
{
    struct probe_call c;

    begin(&rig, true);
    rig.silent = true;
    begin_heartbeat(&rig, &c, 0);
    fake_run(&rig.net, 1);
    rpc_peer_reconnect(rig.peer);
    ck_assert_int_eq(c.done, 0);
    fake_run(&rig.net, 1);
    ck_assert_int_eq(c.done, 1);
    ck_assert_int_eq(rig.ups, 2);
    end(&rig);
}
END_TEST

START_TEST(no_answer_to_hello_is_a_loss_after_5_s)
{
    begin(&rig, false);
    rig.net.mute = true;
    open_server(&rig);
    fake_run(&rig.net, 200);
    ck_assert_int_eq(rig.hellos, 1);
    int before = rig.downs;
    fake_run(&rig.net, 5100);
    ck_assert_int_eq(rig.downs, before + 1);
    ck_assert_str_eq(rig.why,
                     "ps/0 at h:1: connected, but no answer to HELLO "
                     "within 5 s");
    end(&rig);
}
END_TEST

START_TEST(close_cancels_what_is_under_way)
{
    struct probe_call a, b;

    begin(&rig, true);
    rig.silent = true;
    begin_heartbeat(&rig, &a, 0);
    fake_run(&rig.net, 1);
    rpc_peer_close(rig.peer);
    begin_heartbeat(&rig, &b, 0);
    fake_run(&rig.net, 1);
    ck_assert_int_eq(a.done, 1);
    ck_assert_int_eq(a.code, CREW_CANCELLED);
    ck_assert_int_eq(b.done, 1);
    ck_assert_int_eq(rig.closed, 1);
    end(&rig);
}
END_TEST

/* After the first round nothing grows: frames come from the pool, messages from
 * the arena. */
START_TEST(the_steady_state_takes_no_memory)
{
    struct probe_call c;
    uint8_t data[256] = {0};
    int made = 0;
    size_t most = 0;

    begin(&rig, true);
    for (int i = 0; i < 100; i++) {
        begin_push(&rig, &c, 1000);
        push_part(&rig, &c, data, sizeof data, false);
        push_part(&rig, &c, data, sizeof data, true);
        fake_run(&rig.net, 1);
        ck_assert_int_eq(c.done, 1);
        ck_assert_int_eq(c.parts, 2);
        if (i == 0) {
            made = rig.peer->pool.made;
            most = rig.peer->arena.most;
        }
    }
    ck_assert_int_eq(rig.peer->pool.made, made);
    ck_assert_uint_eq(rig.peer->arena.most, most);
    ck_assert_int_eq(rig.peer->pool.under_way, 0);
    end(&rig);
}
END_TEST

static Suite *peer_suite(void)
{
    Suite *suite = suite_create("peer");
    TCase *c = tcase_create("peer");

    tcase_add_test(c, hello_then_calls_are_answered);
    tcase_add_test(c, parts_go_up_and_come_down);
    tcase_add_test(c, a_wrong_crc_is_told);
    tcase_add_test(c, a_call_while_down_fails_from_the_loop);
    tcase_add_test(c, a_deadline_without_parts_leaves_the_connection);
    tcase_add_test(c, a_deadline_with_parts_drops_the_connection);
    tcase_add_test(c, an_early_error_waits_for_the_parts);
    tcase_add_test(c, a_loss_fails_the_calls_once_and_heals);
    tcase_add_test(c, backoff_doubles_to_two_seconds);
    tcase_add_test(c, a_refusal_ends_the_attempts);
    tcase_add_test(c, reconnect_is_at_once);
    tcase_add_test(c, no_answer_to_hello_is_a_loss_after_5_s);
    tcase_add_test(c, close_cancels_what_is_under_way);
    tcase_add_test(c, the_steady_state_takes_no_memory);
    suite_add_tcase(suite, c);
    return suite;
}

int main(void)
{
    return run_suite(peer_suite());
}
