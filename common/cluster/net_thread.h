/* SPDX-License-Identifier: Apache-2.0
 *
 * A thread with an event loop and a network on it, for the blocking facades:
 * the owner's thread hands over work by net_thread_wake() and waits on a
 * condition; the loop's thread takes it in on_wake. Nothing polls.
 *
 * Threads: open, call, close by the owner; wake by any, also from a signal
 * handler. */
#ifndef CLUSTER_NET_THREAD_H
#define CLUSTER_NET_THREAD_H

#include <pthread.h>
#include <uv.h>

#include "rpc/net.h"

struct net_thread {
    uv_loop_t loop;
    struct rpc_net *net;
    uv_async_t async;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what owner and loop share */
    pthread_cond_t changed;
    void (*on_wake)(void *self); /* on the loop's thread, without the lock */
    void *self;
};

/* Make loop and net; no thread yet, so that what must be there from the start
 * can be put on the net by the caller. Errors: RESOURCE_EXHAUSTED. */
CREW_MUST_CHECK int net_thread_init(struct net_thread *,
                                    void (*on_wake)(void *self),
                                    void *self,
                                    struct crew_err *);
CREW_MUST_CHECK int net_thread_start(struct net_thread *, struct crew_err *);
void net_thread_wake(struct net_thread *);
/* On the loop's thread, once all on the net is closed: let the loop end. */
void net_thread_finish(struct net_thread *);
/* Wait for the thread (if `started`; else run the loop here until it is empty)
 * and free. */
void net_thread_release(struct net_thread *, bool started);
/* Wait for a change at most ms, holding the lock. */
void net_thread_wait(struct net_thread *, uint64_t ms);

#endif
