/* SPDX-License-Identifier: Apache-2.0
 * float32 as Python's str(numpy.float32) prints it: what TensorFlow's log lines
 * hold. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hooks/hooks.h"
#include "base/banned.h"

/* The fewest digits that read back the same: 9 always do. */
static int shortest_precision(float x)
{
    char text[40];
    int precision = 0;

    for (; precision < 8; precision++) {
        (void)snprintf(text, sizeof text, "%.*e", precision, (double)x);
        if (strtof(text, NULL) == x) {
            break;
        }
    }
    return precision;
}

const char *hook_float_text(float x, char *buf, size_t size)
{
    double magnitude = fabs((double)x);

    if (isnan(x)) {
        (void)snprintf(buf, size, "nan");
        return buf;
    }
    if (isinf(x)) {
        (void)snprintf(buf, size, x > 0 ? "inf" : "-inf");
        return buf;
    }

    int precision = shortest_precision(x);

    if (x != 0 && (magnitude < 1e-4 || magnitude >= 1e16)) {
        (void)snprintf(buf, size, "%.*e", precision, (double)x);
        return buf;
    }
    /* The same digits without an exponent: places after the point are those of
     * the mantissa less the power of ten, one at least. */
    char text[40];

    (void)snprintf(text, sizeof text, "%.*e", precision, (double)x);

    int power = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
    int places = precision - power;

    if (places >= 1) {
        (void)snprintf(buf, size, "%.*f", places, (double)x);
    } else {
        /* numpy fills what is beyond the shortest digits with zeros. */
        (void)snprintf(buf, size, "%.0f.0", strtod(text, NULL));
    }
    return buf;
}
