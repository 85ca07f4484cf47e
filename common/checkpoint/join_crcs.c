/* SPDX-License-Identifier: Apache-2.0
 *
 * The CRC of two pieces from the CRC of each: what n zero bytes make of the
 * first one, xor the second. A CRC is a polynomial modulo P over bits; a zero
 * bit multiplies it by x, so n bytes multiply it by x^(8n), which squaring
 * gives in log n products. */
#include "checkpoint/bundle_impl.h"

#include "base/banned.h"

#define POLYNOMIAL 0x82f63b78u /* CRC-32C, reflected: bit 31 is x^0 */

static uint32_t product(uint32_t a, uint32_t b)
{
    uint32_t sum = 0;

    for (int bit = 31; bit >= 0; bit--) {
        sum ^= (a >> bit & 1) != 0 ? b : 0;
        b = (b >> 1) ^ ((b & 1) != 0 ? POLYNOMIAL : 0); /* times x */
    }
    return sum;
}

uint32_t bundle_join_crcs(uint32_t a, uint32_t b, uint64_t n)
{
    uint32_t power = 1u << 23; /* x^8: one byte */

    for (; n > 0; n >>= 1) {
        if ((n & 1) != 0) {
            a = product(power, a);
        }
        power = product(power, power);
    }
    return a ^ b;
}
