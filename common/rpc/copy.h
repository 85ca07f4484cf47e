/* SPDX-License-Identifier: Apache-2.0
 * The one place where rpc, ps and cluster copy bytes in user space; plain
 * memcpy is banned there. Bytes that arrived together with a frame's header (at
 * most 64 KiB a frame) are copied to where they belong; everything else is read
 * by the kernel straight into place. Threads: any; the counter is a total. */
#ifndef RPC_COPY_H
#define RPC_COPY_H

#include <stddef.h>
#include <stdint.h>

/* The areas may overlap. */
void rpc_copy(void *to, const void *from, size_t n);
uint64_t rpc_copied_bytes(void);

#endif
