/* SPDX-License-Identifier: Apache-2.0
 * The counted copy; see copy.h. The only file of rpc, ps and cluster that may
 * call memmove. */
#include <stdatomic.h>
#include <string.h>

#include "rpc/copy.h"
#include "base/banned.h"

static _Atomic uint64_t copied;

void rpc_copy(void *to, const void *from, size_t n)
{
    if (n > 0) {
        (void)memmove(to, from, n);
        (void)atomic_fetch_add_explicit(&copied, n, memory_order_relaxed);
    }
}

uint64_t rpc_copied_bytes(void)
{
    return atomic_load_explicit(&copied, memory_order_relaxed);
}
