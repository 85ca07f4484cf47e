/* SPDX-License-Identifier: Apache-2.0
 *
 * The serving side: accepts connections, checks frames, takes HELLO first,
 * hands requests and parts to the handler with the connection they came by, and
 * sends answers.
 *
 * Failure modes: garbage, a frame over the limits, a header that the guard
 * refuses, anything before HELLO (HEALTH excepted), no HELLO within 5 s: the
 * connection is closed and counted; handler->on_garbage (NULL: nobody) gets one
 * line (at most one a minute and address). More than max_conns connections: the
 * newest is closed. Threads: the net's. */
#ifndef RPC_SERVER_H
#define RPC_SERVER_H

#include "rpc/methods.h"
#include "rpc/net.h"
#include "proto/crew_rpc.pb-c.h"

struct rpc_server;
struct rpc_session; /* one accepted connection, from HELLO to its close */

struct rpc_handler {
    /* Accept (return 0, fill reply; strings borrowed until return) or refuse
     * (fill error; the connection is closed when it is sent, without on_gone).
     * hello->self is there and the protocol is ours. hello lives during the
     * call: rpc_session_set_data keeps what you need. */
    int (*on_hello)(void *self,
                    struct rpc_session *,
                    const Crew__Hello *,
                    Crew__HelloReply *reply,
                    Crew__Error *error);
    /* A request, unpacked in the session's arena (lives during the call); its
     * `self`, where the message has one, is there. Answer now or later with
     * rpc_reply*(session, call_id); HEALTH, which may come before HELLO, now.
     */
    void (*on_request)(void *self,
                       struct rpc_session *,
                       enum rpc_method,
                       uint64_t call_id,
                       const ProtobufCMessage *request);
    /* A part of a request is coming: its header is in (still packed): the place
     * for its payload, or NULL to refuse the connection. */
    void *(*payload_dest)(void *self,
                          struct rpc_session *,
                          const struct rpc_in *);
    /* The part is complete; `crc_ok` is false when its CRC was given and is
     * wrong. */
    void (*on_part)(void *self,
                    struct rpc_session *,
                    const struct rpc_in *,
                    void *payload,
                    bool crc_ok);
    /* After this a session that on_hello accepted is no more; replies to it
     * must stop. */
    void (*on_gone)(void *self,
                    struct rpc_session *,
                    const struct crew_err *why);
    void (*on_garbage)(void *self, const char *line);
};

/* Errors: those of net->listen. Owner: caller, rpc_server_close. *port gets the
 * port listened on. */
CREW_MUST_CHECK int rpc_server_open(struct rpc_net *,
                                    const char *address,
                                    int max_conns,
                                    const struct rpc_handler *,
                                    void *self,
                                    CREW_OUT struct rpc_server **,
                                    CREW_OUT int *port,
                                    struct crew_err *);
/* Closes what is open once queued answers are sent (at most 1 s), then
 * on_closed. */
void rpc_server_close(struct rpc_server *,
                      void (*on_closed)(void *self),
                      void *self);

/* Connections closed for garbage so far. */
uint64_t rpc_server_garbage(const struct rpc_server *);

void *rpc_session_data(const struct rpc_session *);
void rpc_session_set_data(struct rpc_session *, void *data);
const char *rpc_session_name(const struct rpc_session *);
/* Once queued answers are sent (at most 1 s). on_gone follows. */
void rpc_session_close(struct rpc_session *);

void rpc_reply(struct rpc_session *,
               enum rpc_method,
               uint64_t call_id,
               const ProtobufCMessage *message);
void rpc_reply_error(struct rpc_session *,
                     enum rpc_method,
                     uint64_t call_id,
                     const Crew__Error *);
/* A part down. The payload is borrowed until sent; it may change meanwhile
 * (values of an asynchronous ps do), so it has no CRC unless `crc`. */
void rpc_reply_part(struct rpc_session *,
                    enum rpc_method,
                    uint64_t call_id,
                    const ProtobufCMessage *header,
                    const void *payload,
                    size_t n,
                    bool crc);

/* Unpack a guarded message from a part's header into the session's arena; it
 * lives during the callback. NULL when it is not well-formed or lacks its
 * `self`. */
CREW_NULLABLE const ProtobufCMessage *rpc_session_unpack(
    struct rpc_session *,
    const ProtobufCMessageDescriptor *,
    const uint8_t *data,
    size_t n);

#endif
