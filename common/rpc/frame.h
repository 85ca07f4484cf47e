/* SPDX-License-Identifier: Apache-2.0
 * The fixed 40-byte header of a frame: bytes to struct rpc_head and back, and
 * what is refused before a byte of the rest is believed. Pure: no I/O, no
 * allocation. docs/protocol.md is the reference. Threads: any. */
#ifndef RPC_FRAME_H
#define RPC_FRAME_H

#include "rpc/net.h"

#define FRAME_HEAD_SIZE 40u
#define FRAME_MAGIC 0x57455243u /* "CREW" as it stands on the wire */
#define FRAME_VERSION 1u

/* Write the fixed header of *head. header: its head->header_len bytes of
 * protobuf, which the header's CRC covers too; NULL when there are none. */
void frame_encode(const struct rpc_head *head,
                  CREW_NULLABLE const uint8_t *header,
                  uint8_t wire[FRAME_HEAD_SIZE]);

/* Read and judge the fixed header: magic, version, kind, flags, lengths. The
 * CRC needs the protobuf header too: frame_check_crc.
 * Errors: DATA_LOSS, one line without the sender's name. */
CREW_MUST_CHECK int frame_decode(const uint8_t wire[FRAME_HEAD_SIZE],
                                 CREW_OUT struct rpc_head *head,
                                 struct crew_err *err);

/* wire: the fixed header with the protobuf header right behind it.
 * Errors: DATA_LOSS. */
CREW_MUST_CHECK int frame_check_crc(const uint8_t *wire,
                                    const struct rpc_head *head,
                                    struct crew_err *err);

#endif
