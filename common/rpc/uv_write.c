/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames to bytes: no copies, no allocation.
 *
 * Happy path: uv_write_frame queues; a big frame is written at once, small ones
 * together before the loop sleeps (prepare_cb of uv_net.c). What the socket
 * takes goes by uv_try_write with the iovecs of many frames; the rest waits
 * behind one uv_write, of four iovecs because that many fit into its request. A
 * frame that is gone moves to `done`; its callback comes from the loop, never
 * from send.
 *
 * Failure modes: an error of the socket closes the connection; frames that are
 * left complete with sent = false before on_close. */
#include "base/check.h"
#include "rpc/uv_impl.h"
#define CREW_BAN_MEMCPY
#include "base/banned.h"

#define AT_ONCE (64u << 10)
#define MAX_IOVECS 48u
#define WAITING_IOVECS 4u

void out_queue_init(struct out_queue *q)
{
    q->first = NULL;
    q->last = &q->first;
}

static void push(struct out_queue *q, struct rpc_out *out)
{
    out->next = NULL;
    *q->last = out;
    q->last = &out->next;
}

static struct rpc_out *pop(struct out_queue *q)
{
    struct rpc_out *out = q->first;

    if (out != NULL) {
        q->first = out->next;
        if (q->first == NULL) {
            q->last = &q->first;
        }
    }
    return out;
}

static size_t frame_size(const struct rpc_out *out)
{
    return FRAME_HEAD_SIZE + out->head.header_len +
           (size_t)out->head.payload_len;
}

/* What of one frame is not sent yet, as at most three iovecs. */
static unsigned frame_iovecs(const struct rpc_out *out, uv_buf_t bufs[3])
{
    const void *parts[] = {out->wire, out->header, out->payload};
    size_t sizes[] = {FRAME_HEAD_SIZE, out->head.header_len,
                      (size_t)out->head.payload_len};
    size_t skip = out->sent;
    unsigned n = 0;

    for (int i = 0; i < 3; i++) {
        if (skip >= sizes[i]) {
            skip -= sizes[i];
            continue;
        }
        bufs[n].base = (char *)(uintptr_t)parts[i] + skip;
        bufs[n].len = sizes[i] - skip;
        skip = 0;
        n++;
    }
    return n;
}

/* At most `most` iovecs over the queue's frames. */
static unsigned queue_iovecs(const struct out_queue *q,
                             uv_buf_t *bufs,
                             unsigned most)
{
    unsigned n = 0;

    for (const struct rpc_out *out = q->first; out != NULL && n < most;
         out = out->next) {
        uv_buf_t own[3];
        unsigned count = frame_iovecs(out, own);
        for (unsigned i = 0; i < count && n < most; i++) {
            bufs[n++] = own[i];
        }
    }
    return n;
}

/* n bytes are gone. */
static void advance(struct uv_conn *conn, size_t n)
{
    while (n > 0) {
        struct rpc_out *out = conn->queue.first;
        INVARIANT(out != NULL);
        size_t left = frame_size(out) - out->sent;
        if (n < left) {
            out->sent += n;
            return;
        }
        n -= left;
        out->sent += left;
        push(&conn->done, pop(&conn->queue));
    }
}

static void mark_dirty(struct uv_conn *conn)
{
    if (!conn->dirty) {
        conn->dirty = true;
        conn->next_dirty = conn->net->dirty;
        conn->net->dirty = conn;
    }
}

static void written_cb(uv_write_t *req, int status)
{
    struct uv_conn *conn = uv_conn_of(req->data);

    conn->writing = false;
    if (status != 0) {
        uv_conn_fail(conn, CREW_UNAVAILABLE, uv_strerror(status));
        return;
    }
    advance(conn, conn->writing_bytes);
    uv_write_flush(conn);
}

static void wait_to_write(struct uv_conn *conn)
{
    uv_buf_t bufs[WAITING_IOVECS];
    unsigned n = queue_iovecs(&conn->queue, bufs, WAITING_IOVECS);

    conn->writing_bytes = 0;
    for (unsigned i = 0; i < n; i++) {
        conn->writing_bytes += bufs[i].len;
    }
    conn->write_req.data = conn;
    int rv =
        uv_write(&conn->write_req, &conn->socket.stream, bufs, n, written_cb);
    if (rv != 0) {
        uv_conn_fail(conn, CREW_UNAVAILABLE, uv_strerror(rv));
        return;
    }
    conn->writing = true;
}

static void write_now(struct uv_conn *conn)
{
    while (conn->open && !conn->writing && conn->queue.first != NULL) {
        uv_buf_t bufs[MAX_IOVECS];
        unsigned n = queue_iovecs(&conn->queue, bufs, MAX_IOVECS);
        int rv = uv_try_write(&conn->socket.stream, bufs, n);
        if (rv >= 0) {
            advance(conn, (size_t)rv);
        } else if (rv == UV_EAGAIN) {
            wait_to_write(conn);
        } else {
            uv_conn_fail(conn, CREW_UNAVAILABLE, uv_strerror(rv));
        }
    }
}

void uv_write_frame(struct rpc_conn *base, struct rpc_out *out)
{
    struct uv_conn *conn = uv_conn_of(base);

    PRE(conn->open || conn->closing);
    frame_encode(&out->head, out->header, out->wire);
    out->sent = 0;
    push(&conn->queue, out);
    if (out->head.payload_len >= AT_ONCE) {
        write_now(conn);
    }
    mark_dirty(conn);
}

void uv_write_flush(struct uv_conn *conn)
{
    struct rpc_out *out;

    write_now(conn);
    while ((out = pop(&conn->done)) != NULL) {
        out->done(out, true);
    }
}

void uv_write_end(struct uv_conn *conn)
{
    struct rpc_out *out;

    while ((out = pop(&conn->done)) != NULL) {
        out->done(out, true);
    }
    while ((out = pop(&conn->queue)) != NULL) {
        out->done(out, false);
    }
}
