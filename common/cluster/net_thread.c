/* SPDX-License-Identifier: Apache-2.0
 * A loop, its net and its thread. */
#include "cluster/net_thread.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "rpc/uv_net.h"

#include "base/banned.h"

static void wake_cb(uv_async_t *async)
{
    struct net_thread *t = async->data;

    t->on_wake(t->self);
}

int net_thread_init(struct net_thread *t,
                    void (*on_wake)(void *self),
                    void *self,
                    struct crew_err *err)
{
    pthread_condattr_t attr;
    int rc = uv_loop_init(&t->loop);

    if (rc == 0) {
        rc = uv_async_init(&t->loop, &t->async, wake_cb);
    }
    if (rc != 0) {
        return crew_err_set(err, CREW_RESOURCE_EXHAUSTED,
                            "cannot make an event loop: %s", uv_strerror(rc));
    }
    t->async.data = t;
    t->on_wake = on_wake;
    t->self = self;
    t->net = uv_net_new(&t->loop);
    (void)pthread_mutex_init(&t->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&t->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    return CREW_OK;
}

static void *run(void *arg)
{
    struct net_thread *t = arg;

    (void)uv_run(&t->loop, UV_RUN_DEFAULT);
    return NULL;
}

int net_thread_start(struct net_thread *t, struct crew_err *err)
{
    sigset_t all, before;
    int rc;

    /* Signals are the training thread's. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&t->thread, NULL, run, t);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        return crew_err_set(err, CREW_RESOURCE_EXHAUSTED,
                            "cannot start the network thread: %s",
                            strerror(rc));
    }
    return CREW_OK;
}

void net_thread_wake(struct net_thread *t)
{
    (void)uv_async_send(&t->async);
}

void net_thread_finish(struct net_thread *t)
{
    if (!uv_is_closing((uv_handle_t *)&t->async)) {
        uv_close((uv_handle_t *)&t->async, NULL);
    }
}

void net_thread_release(struct net_thread *t, bool started)
{
    if (started) {
        (void)pthread_join(t->thread, NULL);
    } else {
        net_thread_finish(t);
        (void)uv_run(&t->loop, UV_RUN_DEFAULT);
    }
    uv_net_free(t->net);
    INVARIANT(uv_loop_close(&t->loop) == 0);
    (void)pthread_mutex_destroy(&t->lock);
    (void)pthread_cond_destroy(&t->changed);
}

void net_thread_wait(struct net_thread *t, uint64_t ms)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(ms / 1000);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_cond_timedwait(&t->changed, &t->lock, &until);
}
