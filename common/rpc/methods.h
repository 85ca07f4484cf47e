/* SPDX-License-Identifier: Apache-2.0
 * The methods of the protocol: number, name, request and reply message (of
 * crew_rpc.proto), one row each. */
#ifndef RPC_METHODS_H
#define RPC_METHODS_H

#include <protobuf-c/protobuf-c.h>

#include "crew.h"

#define RPC_METHODS(X)                                 \
    X(1, HELLO, Hello, HelloReply)                     \
    X(2, DECLARE, DeclareRequest, DeclareReply)        \
    X(3, LOAD, LoadRequest, LoadReply)                 \
    X(4, READY, ReadyRequest, ReadyReply)              \
    X(5, PUSH_PULL, PushPullRequest, PushPullReply)    \
    X(6, TICKET, TicketRequest, TicketReply)           \
    X(7, PULL, PullRequest, PullReply)                 \
    X(8, HOLD, HoldRequest, HoldReply)                 \
    X(9, RELEASE, ReleaseRequest, ReleaseReply)        \
    X(10, HEARTBEAT, HeartbeatRequest, HeartbeatReply) \
    X(11, STOP, StopRequest, StopReply)                \
    X(12, EVALUATOR, EvaluatorRequest, EvaluatorReply) \
    X(13, AWAIT, AwaitRequest, AwaitReply)             \
    X(14, HEALTH, HealthRequest, HealthReply)

enum rpc_method {
#define ROW(number, name, request, reply) RPC_##name = number,
    RPC_METHODS(ROW)
#undef ROW
};

/* "PUSH_PULL"; "?" for what is no method. */
const char *rpc_method_name(int method);
/* The message of a request or an answer; NULL for what is no method. */
CREW_NULLABLE const ProtobufCMessageDescriptor *rpc_method_request(int method);
CREW_NULLABLE const ProtobufCMessageDescriptor *rpc_method_reply(int method);

#define RPC_PROTOCOL 3u

#endif
