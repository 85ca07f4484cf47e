/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes to frames.
 *
 * Happy path: the header is read into the staging buffer; when it is whole and
 * sound, payload_dest says where the payload belongs; what of it came along is
 * copied there, and libuv is given the rest of that memory, to the byte, so
 * that the kernel writes it in place; on_frame.
 *
 * A big frame is mostly followed by another one, so after it little is read
 * ahead (HEADER_AHEAD): what is read ahead must be copied.
 *
 * Failure modes: frame.c refuses (DATA_LOSS with its line), payload_dest
 * refuses (DATA_LOSS), the other end closes or resets (UNAVAILABLE). */
#include "base/check.h"
#include "rpc/copy.h"
#include "rpc/uv_impl.h"
#define CREW_BAN_MEMCPY
#include "base/banned.h"

#define BIG (64u << 10)
#define HEADER_AHEAD 2048u

void uv_read_place(struct uv_conn *conn, uv_buf_t *buf)
{
    if (conn->dest != NULL) {
        buf->base = (char *)conn->dest + conn->got;
        buf->len = (size_t)conn->in.head.payload_len - conn->got;
        return;
    }
    if (conn->at > 0) {
        rpc_copy(conn->staging, conn->staging + conn->at,
                 conn->fill - conn->at);
        conn->fill -= conn->at;
        conn->at = 0;
    }
    size_t room = STAGING_SIZE - conn->fill;
    buf->base = (char *)conn->staging + conn->fill;
    buf->len = conn->bulk && room > HEADER_AHEAD ? HEADER_AHEAD : room;
}

static void payload_in(struct uv_conn *conn)
{
    void *payload = conn->dest;

    conn->dest = NULL;
    conn->bulk = conn->in.head.payload_len >= BIG;
    conn->base.events->on_frame(&conn->base, &conn->in, payload);
}

/* head and header are whole: place what came of the payload. True when the
 * frame is complete. */
static void begin_payload(struct uv_conn *conn)
{
    size_t have = conn->fill - conn->at;

    conn->dest = conn->base.events->payload_dest(&conn->base, &conn->in);
    if (conn->dest == NULL) {
        uv_conn_fail(conn, CREW_DATA_LOSS, "a payload that nobody waits for");
        return;
    }
    if (conn->closing) {
        return;
    }
    conn->got = have < conn->in.head.payload_len
                    ? have
                    : (size_t)conn->in.head.payload_len;
    rpc_copy(conn->dest, conn->staging + conn->at, conn->got);
    conn->at += conn->got;
    if (conn->got == conn->in.head.payload_len) {
        payload_in(conn);
    }
}

/* One frame's header from the staging buffer; false: more bytes are needed. */
static bool take_header(struct uv_conn *conn)
{
    const uint8_t *wire = conn->staging + conn->at;
    size_t have = conn->fill - conn->at;
    struct crew_err err = {0};

    if (have < FRAME_HEAD_SIZE) {
        return false;
    }
    if (frame_decode(wire, &conn->in.head, &err) != CREW_OK) {
        uv_conn_fail(conn, err.code, err.msg);
        return false;
    }
    size_t whole = FRAME_HEAD_SIZE + conn->in.head.header_len;
    if (have < whole) {
        return false;
    }
    if (frame_check_crc(wire, &conn->in.head, &err) != CREW_OK) {
        uv_conn_fail(conn, err.code, err.msg);
        return false;
    }
    conn->in.header = wire + FRAME_HEAD_SIZE;
    conn->at += whole;
    return true;
}

static void take_frames(struct uv_conn *conn)
{
    while (!conn->closing && conn->dest == NULL && take_header(conn)) {
        if (conn->in.head.payload_len > 0) {
            begin_payload(conn);
        } else {
            conn->bulk = false;
            conn->base.events->on_frame(&conn->base, &conn->in, NULL);
        }
    }
    /* While a payload is read its header stays in the buffer: in.header. */
    if (conn->dest == NULL && conn->at == conn->fill) {
        conn->at = 0;
        conn->fill = 0;
    }
}

static void ended(struct uv_conn *conn, int status)
{
    bool midway = conn->dest != NULL || conn->fill > conn->at;

    if (status != UV_EOF) {
        uv_conn_fail(conn, CREW_UNAVAILABLE, uv_strerror(status));
    } else if (midway) {
        uv_conn_fail(conn, CREW_UNAVAILABLE,
                     "closed by the other end in the middle of a frame");
    } else {
        uv_conn_fail(conn, CREW_UNAVAILABLE, "closed by the other end");
    }
}

void uv_read_took(struct uv_conn *conn, size_t n)
{
    if (conn->dest == NULL) {
        conn->fill += n;
        take_frames(conn);
        return;
    }
    conn->got += n;
    if (conn->got == conn->in.head.payload_len) {
        payload_in(conn);
        conn->at = 0;
        conn->fill = 0;
    }
}

static void alloc_cb(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    uv_read_place(uv_conn_of(handle->data), buf);
}

static void read_cb(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct uv_conn *conn = uv_conn_of(stream->data);

    (void)buf;
    if (n < 0) {
        ended(conn, (int)n);
    } else {
        uv_read_took(conn, (size_t)n);
    }
}

void uv_read_begin(struct uv_conn *conn)
{
    int rv = uv_read_start(&conn->socket.stream, alloc_cb, read_cb);

    if (rv != 0) {
        uv_conn_fail(conn, CREW_UNAVAILABLE, uv_strerror(rv));
    }
}
