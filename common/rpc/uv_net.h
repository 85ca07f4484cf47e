/* SPDX-License-Identifier: Apache-2.0
 * rpc_net on libuv and TCP. Payloads are read straight into payload_dest's
 * memory and written from the caller's by writev; only what arrived together
 * with a frame's header is copied (rpc_copy). */
#ifndef RPC_UV_NET_H
#define RPC_UV_NET_H

#include <uv.h>

#include "proto/crew_rpc.pb-c.h"
#include "rpc/net.h"

/* Owner: caller; free before uv_loop_close. Where SIGPIPE has its default,
 * deadly disposition, it is ignored from now on. */
struct rpc_net *uv_net_new(uv_loop_t *);
/* Closes what is still open, turning the loop; on_close is called as ever. */
void uv_net_free(struct rpc_net *);

/* DESIGN: an address other than loopback needs authentication or the flag.
 * Errors: FAILED_PRECONDITION (exit 78) naming the address and the three ways
 * out. */
CREW_MUST_CHECK int rpc_check_bind(const char *address,
                                   bool insecure_network,
                                   struct crew_err *);

/* Blocking: HELLO as ROLE_TOOL + HEALTH within timeout_ms. *reply is the
 * caller's to free with crew__health_reply__free_unpacked. */
CREW_MUST_CHECK int rpc_probe(const char *address,
                              uint64_t timeout_ms,
                              CREW_OUT Crew__HealthReply **reply,
                              struct crew_err *);

#endif
