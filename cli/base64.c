/* SPDX-License-Identifier: Apache-2.0
 * base64. */
#include "cli/base64.h"

#include <stdint.h>

#include "base/banned.h"

void base64_add(struct strbuf *out, const void *data, size_t n)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *p = data;

    for (size_t i = 0; i < n; i += 3) {
        uint32_t bits = (uint32_t)p[i] << 16;
        char four[4];

        bits |= i + 1 < n ? (uint32_t)p[i + 1] << 8 : 0;
        bits |= i + 2 < n ? p[i + 2] : 0;
        for (int k = 0; k < 4; k++) {
            four[k] = digits[bits >> (18 - 6 * k) & 63];
        }
        four[2] = i + 1 < n ? four[2] : '=';
        four[3] = i + 2 < n ? four[3] : '=';
        strbuf_add(out, four, sizeof four);
    }
}
