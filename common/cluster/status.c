/* SPDX-License-Identifier: Apache-2.0
 * The status port; see status.h. */
#include "cluster/status.h"

#include <stdlib.h>

#include "base/mem.h"
#include "rpc/server.h"

#include "base/banned.h"

#define MAX_CONNS 16

struct status {
    struct rpc_net *net;
    struct rpc_server *server;
    int role;
    uint32_t index;
    int64_t global_step;
    uint64_t incarnation;
    uint64_t begin_ms;
    void (*on_closed)(void *self);
    void *closed_self;
};

static int on_hello(void *self,
                    struct rpc_session *session,
                    const Crew__Hello *hello,
                    Crew__HelloReply *reply,
                    Crew__Error *error)
{
    (void)self, (void)session, (void)reply;
    if (hello->self->role == CREW__ROLE__ROLE_TOOL) {
        return 0;
    }
    error->code = CREW_FAILED_PRECONDITION;
    error->exit_code = 78;
    error->text = (char *)"this address answers status only, trainers talk to the "
                          "ps. Fix: check TF_CONFIG's cluster";
    error->refusal = CREW__REFUSAL__MISMATCH;
    return CREW_FAILED_PRECONDITION;
}

static void on_request(void *self,
                       struct rpc_session *session,
                       enum rpc_method method,
                       uint64_t call_id,
                       const ProtobufCMessage *request)
{
    struct status *s = self;

    (void)request;
    if (method == RPC_HEALTH) {
        Crew__HealthReply reply = CREW__HEALTH_REPLY__INIT;
        Crew__Identity id = CREW__IDENTITY__INIT;

        id.role = (Crew__Role)s->role;
        id.index = s->index;
        id.incarnation = s->incarnation;
        reply.self = &id;
        reply.phase = CREW__PHASE__READY;
        reply.global_step = s->global_step;
        reply.uptime_secs =
            (double)(s->net->now_ms(s->net) - s->begin_ms) / 1e3;
        rpc_reply(session, RPC_HEALTH, call_id, &reply.base);
    } else {
        Crew__Error error = CREW__ERROR__INIT;

        error.code = CREW_UNIMPLEMENTED;
        error.text = (char *)"this address answers status only";
        rpc_reply_error(session, method, call_id, &error);
    }
}

static void *no_payload(void *self,
                        struct rpc_session *session,
                        const struct rpc_in *in)
{
    (void)self, (void)session, (void)in;
    return NULL;
}

static void no_part(void *self,
                    struct rpc_session *session,
                    const struct rpc_in *in,
                    void *payload,
                    bool crc_ok)
{
    (void)self, (void)session, (void)in, (void)payload, (void)crc_ok;
}

static void on_gone(void *self,
                    struct rpc_session *session,
                    const struct crew_err *why)
{
    (void)self, (void)session, (void)why;
}

static void on_garbage(void *self, const char *line)
{
    (void)self, (void)line;
}

static const struct rpc_handler handler = {
    .on_hello = on_hello,
    .on_request = on_request,
    .payload_dest = no_payload,
    .on_part = no_part,
    .on_gone = on_gone,
    .on_garbage = on_garbage,
};

int status_open(struct rpc_net *net,
                const char *address,
                int role,
                uint32_t index,
                struct crew_env *env,
                struct status **out,
                struct crew_err *err)
{
    struct status *s = xcalloc(1, sizeof *s);
    int port = 0;

    s->net = net;
    s->role = role;
    s->index = index;
    s->incarnation = env->random(env) | 1;
    s->begin_ms = net->now_ms(net);
    if (rpc_server_open(net, address, MAX_CONNS, &handler, s, &s->server, &port,
                        err) != CREW_OK) {
        free(s);
        return err->code;
    }
    *out = s;
    return CREW_OK;
}

void status_set_step(struct status *s, int64_t global_step)
{
    s->global_step = global_step;
}

static void server_closed(void *self)
{
    struct status *s = self;
    void (*on_closed)(void *) = s->on_closed;
    void *closed_self = s->closed_self;

    free(s);
    on_closed(closed_self);
}

void status_close(struct status *s, void (*on_closed)(void *self), void *self)
{
    s->on_closed = on_closed;
    s->closed_self = self;
    rpc_server_close(s->server, server_closed, s);
}
