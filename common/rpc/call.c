/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls over a peer's connection.
 *
 * Happy path: rpc_call_start sends the request and remembers the call; parts go
 * up (rpc_call_part) and come down (payload_dest, on_part); the answer, found
 * by call_id, is unpacked and on_done called. A call is in `calls` from its
 * request to its on_done, which is how that comes once.
 *
 * Failure modes:
 * - The peer is down: the call waits in `failed` for a timer of 0 ms, so that
 *   on_done comes from the loop.
 * - The connection is lost: all calls complete with UNAVAILABLE.
 * - Deadline: a call without parts completes with DEADLINE_EXCEEDED and a late
 *   answer is dropped. One with parts has memory that the kernel may still read
 * or write; the connection is dropped and it completes when that is gone.
 * - The answer comes while parts are still going up (an early error): it is
 * kept, in a copy, until they are sent.
 * - A part nobody expects, a wrong CRC, an answer that does not unpack:
 * garbage; the connection is dropped. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "rpc/copy.h"
#include "rpc/peer_impl.h"
#define CREW_BAN_MEMCPY
#include "base/banned.h"

void call_list_init(struct call_list *list)
{
    list->first = NULL;
    list->last = &list->first;
}

static void append(struct call_list *list, struct rpc_call *call)
{
    call->next = NULL;
    *list->last = call;
    list->last = &call->next;
}

static void remove_call(struct call_list *list, struct rpc_call *call)
{
    struct rpc_call **at = &list->first;

    while (*at != call) {
        INVARIANT(*at != NULL);
        at = &(*at)->next;
    }
    *at = call->next;
    if (call->next == NULL) {
        list->last = at;
    }
    call->next = NULL;
}

static struct rpc_call *find(struct rpc_peer *peer, const struct rpc_head *head)
{
    struct rpc_call *call = peer->calls.first;

    while (call != NULL &&
           (call->id != head->call_id || call->method != head->method)) {
        call = call->next;
    }
    return call;
}

static void garbage(struct rpc_peer *peer, const char *what, int method)
{
    struct crew_err why = {0};

    (void)crew_err_set(&why, CREW_DATA_LOSS, "%s (%s)", what,
                       rpc_method_name(method));
    peer_drop(peer, &why);
}

/* Free what the call holds of the peer's; on_done is next. */
static void detach(struct rpc_call *call)
{
    INVARIANT(call->parts_in_flight == 0);
    free((void *)(uintptr_t)call->answer.header);
    call->answer.header = NULL;
    call->id = 0;
}

static void complete(struct rpc_call *call, const struct crew_err *err)
{
    remove_call(&call->peer->calls, call);
    detach(call);
    call->on_done(call, NULL, NULL, err);
}

void call_error(const Crew__Error *error, struct crew_err *err)
{
    int code = error->code;
    int exit_code = error->exit_code;

    if (code <= CREW_OK || code > CREW_DATA_LOSS) {
        code = CREW_UNKNOWN;
    }
    if (exit_code < 0 || exit_code > 255) {
        exit_code = 0;
    }
    (void)crew_err_exit(err, code, exit_code, "%s", error->text);
    for (char *c = err->msg; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) {
            *c = '?'; /* a line stays one line, whoever wrote it */
        }
    }
}

static void deliver(struct rpc_call *call, const struct rpc_in *in)
{
    struct rpc_peer *peer = call->peer;
    bool well = in->head.kind == RPC_RESPONSE;
    const ProtobufCMessage *message;
    struct crew_err err = {0};

    if (arena_unpack(
            &peer->arena,
            well ? rpc_method_reply(call->method) : &crew__error__descriptor,
            in->header, in->head.header_len, &message, &err) != 0) {
        peer_drop(peer, &err);
        return;
    }
    remove_call(&peer->calls, call);
    detach(call);
    if (well) {
        call->on_done(call, message, NULL, &err);
    } else {
        const Crew__Error *error = (const Crew__Error *)message;
        call_error(error, &err);
        call->on_done(call, NULL, error, &err);
    }
}

static void keep_answer(struct rpc_call *call, const struct rpc_in *in)
{
    uint8_t *copy;

    if (call->answer.header != NULL) {
        return; /* the same answer again */
    }
    copy = xmalloc(in->head.header_len);
    rpc_copy(copy, in->header, in->head.header_len);
    call->answer.head = in->head;
    call->answer.header = copy;
}

void *call_payload_dest(struct rpc_peer *peer, const struct rpc_in *in)
{
    struct rpc_call *call = find(peer, &in->head);

    if (call == NULL || call->payload_dest == NULL || call->on_part == NULL) {
        garbage(peer, "a part that no call waits for", in->head.method);
        return NULL;
    }
    return call->payload_dest(call, in);
}

static void on_part(struct rpc_peer *peer,
                    const struct rpc_in *in,
                    const void *payload)
{
    struct rpc_call *call = find(peer, &in->head);

    if (call == NULL || call->on_part == NULL) {
        garbage(peer, "a part that no call waits for", in->head.method);
        return;
    }
    if ((in->head.flags & RPC_FLAG_CRC) != 0 &&
        crc32c(payload, in->head.payload_len) != in->head.payload_crc32c) {
        garbage(peer, "a part whose CRC is wrong", in->head.method);
        return;
    }
    call->on_part(call, in);
}

void call_on_frame(struct rpc_peer *peer,
                   const struct rpc_in *in,
                   const void *payload)
{
    if (in->head.kind == RPC_PART) {
        on_part(peer, in, payload);
        return;
    }
    if (in->head.kind == RPC_REQUEST) {
        garbage(peer, "a request from a server", in->head.method);
        return;
    }
    struct rpc_call *call = find(peer, &in->head);
    if (call == NULL) {
        return; /* late: its deadline has passed */
    }
    if (call->parts_in_flight > 0) {
        keep_answer(call, in);
    } else {
        deliver(call, in);
    }
}

void call_fail_all(struct rpc_peer *peer, const struct crew_err *why)
{
    while (peer->calls.first != NULL) {
        struct rpc_call *call = peer->calls.first;
        struct crew_err err = {0};
        if (call->overdue) {
            (void)crew_err_set(&err, CREW_DEADLINE_EXCEEDED,
                               "%s at %s: %s not done within %llu ms",
                               peer->name, peer->address,
                               rpc_method_name(call->method),
                               (unsigned long long)call->timeout_ms);
        } else {
            err = *why;
        }
        complete(call, &err);
    }
    if (peer->state == PEER_CLOSING) {
        while (peer->failed.first != NULL) {
            struct rpc_call *call = peer->failed.first;
            remove_call(&peer->failed, call);
            call->on_done(call, NULL, NULL, why);
        }
    }
}

void call_on_fail(struct rpc_timer *timer)
{
    struct rpc_peer *peer = CREW_CAST(struct rpc_peer, PEER_MAGIC, timer->self);
    struct call_list failed = peer->failed;

    if (failed.first == NULL) {
        return;
    }
    /* What callbacks start anew waits for the next turn of the loop. */
    call_list_init(&peer->failed);
    while (failed.first != NULL) {
        struct rpc_call *call = failed.first;
        struct crew_err err = {0};
        remove_call(&failed, call);
        (void)crew_err_set(&err, call->fail_code, "%s at %s: %s%s", peer->name,
                           peer->address,
                           call->fail_code == CREW_UNAVAILABLE
                               ? "not connected for "
                               : "over 65,536 bytes of header: ",
                           rpc_method_name(call->method));
        call->on_done(call, NULL, NULL, &err);
    }
}

static void arm_deadline(struct rpc_peer *peer, uint64_t at, uint64_t now)
{
    if (peer->deadline_at == 0 || at < peer->deadline_at) {
        peer->deadline_at = at;
        peer->net->timer_set(peer->net, &peer->deadline,
                             at > now ? at - now : 0);
    }
}

/* An overdue call without parts; marks those that have some. */
static struct rpc_call *next_overdue(struct rpc_peer *peer, uint64_t now)
{
    for (struct rpc_call *c = peer->calls.first; c != NULL; c = c->next) {
        if (c->deadline_ms == 0 || c->deadline_ms > now || c->overdue) {
            continue;
        }
        if (c->payload_dest == NULL && c->parts_in_flight == 0) {
            return c;
        }
        c->overdue = true;
        garbage(peer, "not done in time", c->method);
    }
    return NULL;
}

void call_on_deadline(struct rpc_timer *timer)
{
    struct rpc_peer *peer = CREW_CAST(struct rpc_peer, PEER_MAGIC, timer->self);
    uint64_t now = peer->net->now_ms(peer->net);
    struct rpc_call *call;

    peer->deadline_at = 0;
    while ((call = next_overdue(peer, now)) != NULL) {
        struct crew_err err = {0};
        (void)crew_err_set(&err, CREW_DEADLINE_EXCEEDED,
                           "%s at %s: no answer to %s within %llu ms",
                           peer->name, peer->address,
                           rpc_method_name(call->method),
                           (unsigned long long)call->timeout_ms);
        complete(call, &err);
    }
    for (call = peer->calls.first; call != NULL; call = call->next) {
        if (call->deadline_ms != 0 && !call->overdue) {
            arm_deadline(peer, call->deadline_ms, now);
        }
    }
}

static void fail_later(struct rpc_peer *peer, struct rpc_call *call, int code)
{
    call->fail_code = code;
    call->id = 0;
    append(&peer->failed, call);
    peer->net->timer_set(peer->net, &peer->fail, 0);
}

static void request_sent(struct rpc_out *out, bool sent)
{
    (void)sent; /* when it was not, on_close follows */
    out_give(out->self);
}

void rpc_call_start(struct rpc_peer *peer,
                    struct rpc_call *call,
                    enum rpc_method method,
                    const ProtobufCMessage *request,
                    uint64_t timeout_ms)
{
    struct rpc_head head = {
        .kind = RPC_REQUEST, .method = (uint16_t)method, .flags = RPC_FLAG_END};

    PRE(request->descriptor == rpc_method_request((int)method));
    call->peer = peer;
    call->method = (uint16_t)method;
    call->deadline_ms = 0;
    call->timeout_ms = timeout_ms;
    call->parts_in_flight = 0;
    call->overdue = false;
    call->answer.header = NULL;
    if (peer->state != PEER_UP) {
        fail_later(peer, call, CREW_UNAVAILABLE);
        return;
    }
    head.call_id = peer->next_id++;
    struct out_frame *f = out_take(&peer->pool, head, request, NULL, 0);
    if (f == NULL) {
        fail_later(peer, call, CREW_INVALID_ARGUMENT);
        return;
    }
    call->id = head.call_id;
    append(&peer->calls, call);
    if (timeout_ms > 0) {
        uint64_t now = peer->net->now_ms(peer->net);
        call->deadline_ms = now + timeout_ms;
        arm_deadline(peer, call->deadline_ms, now);
    }
    f->out.self = f;
    f->out.done = request_sent;
    peer->net->send(peer->conn, &f->out);
}

static void part_sent(struct rpc_out *out, bool sent)
{
    struct out_frame *f = out->self;
    struct rpc_call *call = f->owner;

    (void)sent; /* when it was not, on_close follows */
    out_give(f);
    call->parts_in_flight--;
    if (call->parts_in_flight == 0 && call->answer.header != NULL) {
        struct rpc_in answer = call->answer;
        call->answer.header = NULL;
        arena_reset(&call->peer->arena);
        deliver(call, &answer);
        free((void *)(uintptr_t)answer.header);
    }
}

void rpc_call_part(struct rpc_call *call,
                   const ProtobufCMessage *header,
                   const void *payload,
                   size_t n,
                   bool crc,
                   bool end)
{
    struct rpc_peer *peer = call->peer;
    struct rpc_head head = {
        .kind = RPC_PART,
        .method = call->method,
        .flags = (crc ? RPC_FLAG_CRC : 0u) | (end ? RPC_FLAG_END : 0u),
        .call_id = call->id};

    if (peer->state != PEER_UP || call->id == 0 ||
        call->answer.header != NULL) {
        return; /* it has failed; on_done is on its way */
    }
    struct out_frame *f = out_take(&peer->pool, head, header, payload, n);
    INVARIANT(f != NULL);
    f->owner = call;
    f->out.self = f;
    f->out.done = part_sent;
    call->parts_in_flight++;
    peer->net->send(peer->conn, &f->out);
}

const ProtobufCMessage *rpc_call_unpack(struct rpc_call *call,
                                        const ProtobufCMessageDescriptor *type,
                                        const struct rpc_in *in)
{
    const ProtobufCMessage *message = NULL;
    struct crew_err err = {0};

    if (arena_unpack(&call->peer->arena, type, in->header, in->head.header_len,
                     &message, &err) != 0) {
        peer_drop(call->peer, &err);
        return NULL;
    }
    return message;
}
