/* SPDX-License-Identifier: Apache-2.0
 * Numbers as text. */
#include "checkpoint/value_text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/bytes.h"
#include "checkpoint/bundle.h"

#include "base/banned.h"

int value_parts(int dtype)
{
    return dtype == 8 || dtype == 18 ? 2 : 1;
}

static double half_to_double(uint16_t h)
{
    int exponent = h >> 10 & 31, fraction = h & 1023;
    double v = exponent == 0    ? ldexp(fraction, -24)
               : exponent != 31 ? ldexp(1024 + fraction, exponent - 25)
               : fraction == 0  ? (double)INFINITY
                                : (double)NAN;

    return h & 0x8000 ? -v : v;
}

static double float_of_bits(uint32_t bits)
{
    float v;

    memcpy(&v, &bits, sizeof v);
    return (double)v;
}

static void add_double(struct strbuf *out, double v, int digits, bool json)
{
    const char *quote = json ? "\"" : "";

    if (isnan(v)) {
        strbuf_addf(out, "%sNaN%s", quote, quote);
    } else if (isinf(v)) {
        strbuf_addf(out, "%s%sInfinity%s", quote, v < 0 ? "-" : "", quote);
    } else if (v == 0) {
        strbuf_addstr(out, signbit(v) ? "-0.0" : "0.0");
    } else {
        strbuf_addf(out, "%.*g", digits, v);
    }
}

static void add_float(struct strbuf *out, int dtype, const char *p, bool json)
{
    double v;

    switch (dtype) {
        case 1:
        case 8:
            add_double(out, float_of_bits(get_le32(p)), 9, json);
            break;
        case 14:
            v = float_of_bits((uint32_t)get_le16(p) << 16);
            add_double(out, v, 9, json);
            break;
        case 19:
            add_double(out, half_to_double(get_le16(p)), 9, json);
            break;
        default:
            memcpy(&v, p, sizeof v);
            add_double(out, v, 17, json);
    }
}

void value_text(struct strbuf *out,
                int dtype,
                const void *data,
                int64_t i,
                bool json)
{
    size_t size = bundle_dtype_size(dtype) / (size_t)value_parts(dtype);
    const char *p = (const char *)data + (size_t)i * size;

    switch (dtype) {
        case 3:
            strbuf_addf(out, "%" PRId32, (int32_t)get_le32(p));
            break;
        case 4:
            strbuf_addf(out, "%u", (unsigned)(uint8_t)*p);
            break;
        case 5:
            strbuf_addf(out, "%d", (int)(int16_t)get_le16(p));
            break;
        case 6:
            strbuf_addf(out, "%d", (int)(int8_t)*p);
            break;
        case 9:
            strbuf_addf(out, "%" PRId64, (int64_t)get_le64(p));
            break;
        case 10:
            strbuf_addstr(out, *p != 0 ? "true" : "false");
            break;
        case 17:
            strbuf_addf(out, "%u", (unsigned)get_le16(p));
            break;
        case 22:
            strbuf_addf(out, "%" PRIu32, get_le32(p));
            break;
        case 23:
            strbuf_addf(out, "%" PRIu64, get_le64(p));
            break;
        default:
            add_float(out, dtype, p, json);
    }
}
