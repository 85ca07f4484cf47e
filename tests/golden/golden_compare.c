/* SPDX-License-Identifier: Apache-2.0
 * The comparisons of golden-check; see golden.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"
#include "config/json.h"
#include "golden.h"
#include "base/banned.h"

bool golden_same_int(struct golden_report *r,
                     const char *name,
                     int64_t index,
                     int64_t got,
                     int64_t want)
{
    char g[32], w[32];

    if (got != want) {
        (void)snprintf(g, sizeof g, "%lld", (long long)got);
        (void)snprintf(w, sizeof w, "%lld", (long long)want);
        golden_differ(r, name, index, g, w);
    }
    return got == want;
}

/* "text" in quotes, nothing for NULL. */
static void quote(struct strbuf *b, const char *text)
{
    if (text == NULL) {
        strbuf_addstr(b, "nothing");
    } else {
        strbuf_addf(b, "\"%s\"", text);
    }
}

bool golden_same_text(struct golden_report *r,
                      const char *name,
                      const char *got,
                      const char *want)
{
    bool same =
        got == NULL || want == NULL ? got == want : strcmp(got, want) == 0;
    struct strbuf g, w;

    if (!same) {
        strbuf_init(&g);
        strbuf_init(&w);
        quote(&g, got);
        quote(&w, want);
        golden_differ(r, name, -1, g.data, w.data);
        strbuf_release(&g);
        strbuf_release(&w);
    }
    return same;
}

bool golden_same_bytes(struct golden_report *r,
                       const char *name,
                       const void *got,
                       size_t num_got,
                       const void *want,
                       size_t num_want)
{
    const unsigned char *a = got, *b = want;
    size_t n = num_got < num_want ? num_got : num_want, i = 0;
    char g[64], w[64];

    while (i < n && a[i] == b[i]) {
        i++;
    }
    if (i == num_got && i == num_want) {
        return true;
    }
    if (i < n) {
        (void)snprintf(g, sizeof g, "byte 0x%02x of %zu", a[i], num_got);
        (void)snprintf(w, sizeof w, "0x%02x of %zu", b[i], num_want);
    } else {
        (void)snprintf(g, sizeof g, "%zu bytes", num_got);
        (void)snprintf(w, sizeof w, "%zu", num_want);
    }
    golden_differ(r, name, (int64_t)i, g, w);
    return false;
}

/* Whether got is want within `allowed`. */
static bool close_enough(double got, double want, double allowed)
{
    if (isnan(want)) {
        return isnan(got);
    }
    if (isinf(want) || !isfinite(got)) {
        return got == want;
    }
    return fabs(got - want) <= allowed;
}

static void differ_number(struct golden_report *r,
                          const char *name,
                          int64_t index,
                          double got,
                          double want,
                          double allowed)
{
    char g[40], w[80];

    (void)snprintf(g, sizeof g, "%.9g", got);
    (void)snprintf(w, sizeof w, "%.9g (within %.3g)", want, allowed);
    golden_differ(r, name, index, g, w);
}

bool golden_same_number(struct golden_report *r,
                        const char *name,
                        double got,
                        double want,
                        struct golden_tolerance tolerance)
{
    double m = isfinite(want) ? fabs(want) : 0;
    double allowed = tolerance.rel * m + tolerance.abs;
    bool same = close_enough(got, want, allowed);

    if (!same) {
        differ_number(r, name, -1, got, want, allowed);
    }
    return same;
}

bool golden_same_floats(struct golden_report *r,
                        const char *name,
                        const float *got,
                        int64_t num_got,
                        const struct golden_array *want,
                        struct golden_tolerance tolerance)
{
    char count_name[160];
    double m = 0, allowed;
    bool same = true;

    (void)snprintf(count_name, sizeof count_name, "%s: number of elements",
                   name);
    if (!golden_same_int(r, count_name, -1, num_got, want->n)) {
        return false;
    }
    for (int64_t i = 0; i < want->n; i++) {
        double size = fabs(want->number[i]);
        m = isfinite(size) && size > m ? size : m;
    }
    allowed = tolerance.rel * m + tolerance.abs;
    for (int64_t i = 0; i < want->n; i++) {
        if (!close_enough((double)got[i], want->number[i], allowed)) {
            differ_number(r, name, i, (double)got[i], want->number[i], allowed);
            same = false;
        }
    }
    return same;
}

bool golden_same_json(struct golden_report *r,
                      const char *name,
                      const cJSON *got,
                      const cJSON *want)
{
    bool same = cJSON_Compare(got, want, true) || (got == NULL && want == NULL);
    char *g, *w;

    if (!same) {
        g = got != NULL ? cJSON_PrintUnformatted(got) : NULL;
        w = want != NULL ? cJSON_PrintUnformatted(want) : NULL;
        golden_differ(r, name, -1, g != NULL ? g : "nothing",
                      w != NULL ? w : "nothing");
        free(g);
        free(w);
    }
    return same;
}
