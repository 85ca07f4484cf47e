/* SPDX-License-Identifier: Apache-2.0
 * Histograms. A value's bucket is guessed from its exponent and the first three
 * bits of its fraction; one or two comparisons then find the right one. */
#include "summary/histogram.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/banned.h"

#define FIRST_LIMIT 1e-12
#define LAST_LIMIT 1e20

enum {
    POSITIVE = 774, /* limits from FIRST_LIMIT up to LAST_LIMIT */
    ZERO = POSITIVE + 1,
    BUCKETS = 2 * POSITIVE + 3, /* those, their negatives, 0, +-DBL_MAX */
    CELLS = 880                 /* eighths of an octave from one to the other */
};

struct histogram {
    double limit[BUCKETS];
    double count[BUCKETS];
    double min, max, num, sum, sum_squares;
    uint64_t first_cell;
    uint16_t below[CELLS]; /* positive limits that are below the cell */
};

/* An eighth of an octave, for positive numbers. */
static uint64_t cell_of(double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits >> 49;
}

static double cell_begin(uint64_t cell)
{
    uint64_t bits = cell << 49;
    double x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

struct histogram *histogram_new(void)
{
    struct histogram *h = xcalloc(1, sizeof *h);
    double *positive = &h->limit[ZERO + 1];
    uint16_t below = 0;
    int n = 0;

    for (double v = FIRST_LIMIT; v < LAST_LIMIT; v *= 1.1) {
        INVARIANT(n < POSITIVE);
        positive[n] = v;
        h->limit[ZERO - 1 - n] = -v;
        n++;
    }
    INVARIANT(n == POSITIVE);
    h->limit[0] = -DBL_MAX;
    h->limit[BUCKETS - 1] = DBL_MAX;

    h->first_cell = cell_of(FIRST_LIMIT);
    for (int i = 0; i < CELLS; i++) {
        double begin = cell_begin(h->first_cell + (uint64_t)i);

        while (below < POSITIVE && positive[below] < begin) {
            below++;
        }
        h->below[i] = below;
    }
    h->min = DBL_MAX;
    h->max = -DBL_MAX;
    return h;
}

void histogram_free(struct histogram *h)
{
    free(h);
}

/* How many positive limits are below x > 0, or not above it. */
static int limits_below(const struct histogram *h, double x, bool or_equal)
{
    const double *positive = &h->limit[ZERO + 1];
    uint64_t cell = cell_of(x);
    int n;

    if (x < FIRST_LIMIT) {
        return 0;
    }
    if (cell - h->first_cell >= CELLS) {
        return POSITIVE;
    }
    n = h->below[cell - h->first_cell];
    while (n < POSITIVE &&
           (positive[n] < x || (or_equal && positive[n] <= x))) {
        n++;
    }
    return n;
}

/* The first bucket whose limit is above x. */
static int bucket_of(const struct histogram *h, double x)
{
    return x < 0 ? ZERO - limits_below(h, -x, false)
                 : ZERO + 1 + limits_below(h, x, true);
}

static void add(struct histogram *h, double x)
{
    h->count[bucket_of(h, x)] += 1;
    h->min = h->min > x ? x : h->min;
    h->max = h->max < x ? x : h->max;
    h->num += 1;
    h->sum += x;
    h->sum_squares += x * x;
}

/* Value i as a double; denormal: to be flushed to 0, as with DAZ set. */
static double value_at(enum crew_dtype dtype,
                       const void *values,
                       int64_t i,
                       bool *denormal)
{
    double x;

    *denormal = false;
    switch (dtype) {
        case CREW_FLOAT:
            x = (double)((const float *)values)[i];
            *denormal = fabs(x) < (double)FLT_MIN;
            return x;
        case CREW_DOUBLE:
            x = ((const double *)values)[i];
            *denormal = fabs(x) < DBL_MIN;
            return x;
        case CREW_INT32:
            return (double)((const int32_t *)values)[i];
        case CREW_INT64:
            return (double)((const int64_t *)values)[i];
        case CREW_UINT8:
            return (double)((const uint8_t *)values)[i];
        default:
            INVARIANT(dtype == CREW_BOOL);
            return ((const bool *)values)[i] ? 1 : 0;
    }
}

static int not_finite(double x, const char *tag, struct crew_err *err)
{
    return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                         isnan(x) ? "Nan in summary histogram for: %s"
                                  : "Infinity in Histogram for: %s",
                         tag);
}

int histogram_add(struct histogram *h,
                  enum crew_dtype dtype,
                  const void *values,
                  int64_t n,
                  const char *tag,
                  struct crew_err *err)
{
    for (int64_t i = 0; i < n; i++) {
        bool denormal;
        double x = value_at(dtype, values, i, &denormal);

        if (!isfinite(x)) {
            return not_finite(x, tag, err);
        }
        add(h, denormal ? copysign(0, x) : x);
    }
    return CREW_OK;
}

Tensorflow__HistogramProto *histogram_proto(const struct histogram *h)
{
    Tensorflow__HistogramProto *p = xmalloc(sizeof *p);
    size_t n = 0;

    tensorflow__histogram_proto__init(p);
    p->min = h->min;
    p->max = h->max;
    p->num = h->num;
    p->sum = h->sum;
    p->sum_squares = h->sum_squares;
    p->bucket_limit = xcalloc(BUCKETS, sizeof *p->bucket_limit);
    p->bucket = xcalloc(BUCKETS, sizeof *p->bucket);
    for (int i = 0; i < BUCKETS; i++) {
        bool joins = n > 0 && p->bucket[n - 1] <= 0 && h->count[i] <= 0;

        n += joins ? 0 : 1;
        p->bucket_limit[n - 1] = h->limit[i];
        p->bucket[n - 1] = h->count[i];
    }
    p->n_bucket_limit = n;
    p->n_bucket = n;
    return p;
}

/* ------------------------------------------------------------ equal buckets */

static void fill_equal(double rows[HISTOGRAM_ROWS][3], double x, int64_t n)
{
    for (int r = 0; r < HISTOGRAM_ROWS; r++) {
        rows[r][0] = rows[r][1] = x;
        rows[r][2] = 0;
    }
    rows[HISTOGRAM_ROWS - 1][2] = (double)n;
}

int histogram_rows(enum crew_dtype dtype,
                   const void *values,
                   int64_t n,
                   const char *tag,
                   double rows[HISTOGRAM_ROWS][3],
                   struct crew_err *err)
{
    double min = DBL_MAX, max = -DBL_MAX, range, width;
    bool denormal;

    for (int64_t i = 0; i < n; i++) {
        double x = value_at(dtype, values, i, &denormal);

        if (!isfinite(x)) {
            return not_finite(x, tag, err);
        }
        min = x < min ? x : min;
        max = x > max ? x : max;
    }
    range = max - min;
    width = range / HISTOGRAM_ROWS;
    if (n == 0 || width <= 0 || !isfinite(range)) {
        fill_equal(rows, n == 0 ? 0 : min, n);
        return CREW_OK;
    }
    for (int r = 0; r < HISTOGRAM_ROWS; r++) {
        rows[r][0] = r * width + min;
        rows[r][1] = r + 1 < HISTOGRAM_ROWS ? (r + 1) * width + min : max;
        rows[r][2] = 0;
    }
    for (int64_t i = 0; i < n; i++) {
        double row =
            floor((value_at(dtype, values, i, &denormal) - min) / width);

        rows[row < HISTOGRAM_ROWS ? (int)row : HISTOGRAM_ROWS - 1][2] += 1;
    }
    return CREW_OK;
}
