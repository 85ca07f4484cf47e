/* SPDX-License-Identifier: Apache-2.0
 * Bytes as base64 (RFC 4648, with padding), as JSON output carries them. */
#ifndef CLI_BASE64_H
#define CLI_BASE64_H

#include "base/strbuf.h"

void base64_add(struct strbuf *, const void *data, size_t n);

#endif
