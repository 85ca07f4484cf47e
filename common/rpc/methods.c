/* SPDX-License-Identifier: Apache-2.0
 * Names and messages of the methods. The rows follow RPC_METHODS; a test holds
 * them against each other. */
#include "proto/crew_rpc.pb-c.h"
#include "rpc/methods.h"
#define CREW_BAN_MEMCPY
#include "base/check.h"
#include "base/banned.h"

struct row {
    const char *name;
    const ProtobufCMessageDescriptor *request, *reply;
};

#define MESSAGES(name, request_name, reply_name)                \
    [RPC_##name] = {#name, &crew__##request_name##__descriptor, \
                    &crew__##reply_name##__descriptor}

static const struct row rows[] = {
    MESSAGES(HELLO, hello, hello_reply),
    MESSAGES(DECLARE, declare_request, declare_reply),
    MESSAGES(LOAD, load_request, load_reply),
    MESSAGES(READY, ready_request, ready_reply),
    MESSAGES(PUSH_PULL, push_pull_request, push_pull_reply),
    MESSAGES(TICKET, ticket_request, ticket_reply),
    MESSAGES(PULL, pull_request, pull_reply),
    MESSAGES(HOLD, hold_request, hold_reply),
    MESSAGES(RELEASE, release_request, release_reply),
    MESSAGES(HEARTBEAT, heartbeat_request, heartbeat_reply),
    MESSAGES(STOP, stop_request, stop_reply),
    MESSAGES(EVALUATOR, evaluator_request, evaluator_reply),
    MESSAGES(AWAIT, await_request, await_reply),
    MESSAGES(HEALTH, health_request, health_reply),
};
#undef MESSAGES

static const struct row *row_of(int method)
{
    static const struct row none = {"?", NULL, NULL};

    if (method < 1 || (size_t)method >= COUNT_OF(rows)) {
        return &none;
    }
    return &rows[method];
}

const char *rpc_method_name(int method)
{
    return row_of(method)->name;
}

const ProtobufCMessageDescriptor *rpc_method_request(int method)
{
    return row_of(method)->request;
}

const ProtobufCMessageDescriptor *rpc_method_reply(int method)
{
    return row_of(method)->reply;
}
