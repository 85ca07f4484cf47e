/* SPDX-License-Identifier: Apache-2.0
 * Edit distance over short names. */
#include "estimator/run/nearest.h"

#include <stddef.h>
#include <string.h>

#include "base/banned.h"

#define MAX_NAME 64

/* Levenshtein's, one row at a time. Names beyond MAX_NAME are never near. */
static size_t distance(const char *a, const char *b)
{
    size_t n = strlen(a);
    size_t m = strlen(b);
    size_t row[MAX_NAME + 1];

    if (n > MAX_NAME || m > MAX_NAME) {
        return (size_t)-1;
    }
    for (size_t j = 0; j <= m; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1] ? 1 : 0);

            diagonal = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            row[j] = best;
        }
    }
    return row[m];
}

const char *nearest_name(const char *wrong, const char *const *names, int n)
{
    size_t limit = strlen(wrong) / 3 < 2 ? 2 : strlen(wrong) / 3;
    const char *best = NULL;

    for (int i = 0; i < n; i++) {
        size_t d = distance(wrong, names[i]);

        if (d <= limit) {
            best = names[i];
            limit = d - (d > 0 ? 1 : 0);
        }
    }
    return best;
}
