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
    /* A cell is an eighth of an octave: numbers that share their exponent and
     * the first three bits of their fraction. */
    uint64_t first_cell;               /* of FIRST_LIMIT */
    uint16_t below[CELLS];             /* positive limits below a cell */
    uint64_t limit_bits[POSITIVE + 1]; /* positive limits, then DBL_MAX */
};

static uint64_t bits_of(double x)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static double of_bits(uint64_t bits)
{
    double x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

struct histogram *histogram_new(void)
{
    struct histogram *h = xcalloc(1, sizeof *h);
    double *positive = &h->limit[ZERO + 1];
    uint16_t below = 0;
    double v = FIRST_LIMIT;
    int n = 0;

    while (v < LAST_LIMIT) {
        INVARIANT(n < POSITIVE);
        positive[n] = v;
        h->limit[ZERO - 1 - n] = -v;
        v *= 1.1;
        n++;
    }
    INVARIANT(n == POSITIVE);
    h->limit[0] = -DBL_MAX;
    h->limit[BUCKETS - 1] = DBL_MAX;

    for (int i = 0; i <= POSITIVE; i++) {
        h->limit_bits[i] = bits_of(positive[i]);
    }
    h->first_cell = bits_of(FIRST_LIMIT) >> 49;
    for (int i = 0; i < CELLS; i++) {
        double begin = of_bits((h->first_cell + (uint64_t)i) << 49);

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

/* The first bucket whose limit is above x. Of equal sign, doubles are in the
 * order of their bits; an eighth of an octave has two limits at most. No branch
 * here depends on x as long as it is neither tiny nor huge. */
static size_t bucket_of(const struct histogram *h, double x)
{
    size_t positive = x >= 0, n = 0;
    uint64_t size = bits_of(fabs(x)), cell = (size >> 49) - h->first_cell;

    if (size >= h->limit_bits[0]) {
        n = POSITIVE;
    }
    if (cell < CELLS && n > 0) {
        n = h->below[cell];
        n += h->limit_bits[n] < size + positive;
        n += h->limit_bits[n] < size + positive;
    }
    return positive ? ZERO + 1 + n : ZERO - n;
}

static void add(struct histogram *h, const double *x, int64_t n)
{
    double min = h->min, max = h->max;
    double sum = h->sum, sum_squares = h->sum_squares;

    for (int64_t i = 0; i < n; i++) {
        h->count[bucket_of(h, x[i])] += 1;
        min = min > x[i] ? x[i] : min;
        max = max < x[i] ? x[i] : max;
        sum += x[i];
        sum_squares += x[i] * x[i];
    }
    h->min = min;
    h->max = max;
    h->num += (double)n;
    h->sum = sum;
    h->sum_squares = sum_squares;
}

/* ------------------------------------------------------------------- values */

enum { CHUNK = 256 };

#define TO_DOUBLES(type, to, from, n)                \
    for (int64_t i = 0; i < (n); i++) {              \
        (to)[i] = (double)((const type *)(from))[i]; \
    }

/* Values `at` to at + n as doubles. Returns the smallest number of the dtype
 * that is not denormal. */
static double read_values(enum crew_dtype dtype,
                          const void *values,
                          int64_t at,
                          int64_t n,
                          double to[CHUNK])
{
    switch (dtype) {
        case CREW_FLOAT:
            TO_DOUBLES(float, to, (const float *)values + at, n);
            return (double)FLT_MIN;
        case CREW_DOUBLE:
            TO_DOUBLES(double, to, (const double *)values + at, n);
            return DBL_MIN;
        case CREW_INT32:
            TO_DOUBLES(int32_t, to, (const int32_t *)values + at, n);
            break;
        case CREW_INT64:
            TO_DOUBLES(int64_t, to, (const int64_t *)values + at, n);
            break;
        case CREW_UINT8:
            TO_DOUBLES(uint8_t, to, (const uint8_t *)values + at, n);
            break;
        default:
            INVARIANT(dtype == CREW_BOOL);
            TO_DOUBLES(bool, to, (const bool *)values + at, n);
    }
    return 0;
}

static int not_finite(double x, const char *tag, struct crew_err *err)
{
    return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                         isnan(x) ? "Nan in summary histogram for: %s"
                                  : "Infinity in Histogram for: %s",
                         tag);
}

/* Chunk after chunk of values, all finite. Returns how many; 0 at the end or
 * after an error. */
struct chunks {
    enum crew_dtype dtype;
    const void *values;
    int64_t at, n;
    const char *tag;
    double x[CHUNK];
    double smallest; /* that is not denormal */
};

static int64_t next_chunk(struct chunks *c, struct crew_err *err)
{
    int64_t n = c->n - c->at < CHUNK ? c->n - c->at : CHUNK;
    double total = 0;

    if (n <= 0) {
        return 0;
    }
    c->smallest = read_values(c->dtype, c->values, c->at, n, c->x);
    c->at += n;
    for (int64_t i = 0; i < n; i++) {
        total += c->x[i] * 0; /* NaN if any is not finite */
    }
    for (int64_t i = 0; isnan(total) && i < n; i++) {
        if (!isfinite(c->x[i])) {
            (void)not_finite(c->x[i], c->tag, err);
            return 0;
        }
    }
    return n;
}

int histogram_add(struct histogram *h,
                  enum crew_dtype dtype,
                  const void *values,
                  int64_t n,
                  const char *tag,
                  struct crew_err *err)
{
    struct chunks c = {.dtype = dtype, .values = values, .n = n, .tag = tag};
    int64_t count;

    while ((count = next_chunk(&c, err)) > 0) {
        for (int64_t i = 0; i < count; i++) {
            c.x[i] = fabs(c.x[i]) < c.smallest ? copysign(0, c.x[i]) : c.x[i];
        }
        add(h, c.x, count);
    }
    return err->code;
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

static int find_range(struct chunks c,
                      double *min,
                      double *max,
                      struct crew_err *err)
{
    int64_t count;

    *min = DBL_MAX;
    *max = -DBL_MAX;
    while ((count = next_chunk(&c, err)) > 0) {
        for (int64_t i = 0; i < count; i++) {
            *min = c.x[i] < *min ? c.x[i] : *min;
            *max = c.x[i] > *max ? c.x[i] : *max;
        }
    }
    return err->code;
}

int histogram_rows(enum crew_dtype dtype,
                   const void *values,
                   int64_t n,
                   const char *tag,
                   double rows[HISTOGRAM_ROWS][3],
                   struct crew_err *err)
{
    struct chunks c = {.dtype = dtype, .values = values, .n = n, .tag = tag};
    double min, max, range, width;
    int64_t count;

    if (find_range(c, &min, &max, err) != CREW_OK) {
        return err->code;
    }
    range = max - min;
    width = range / HISTOGRAM_ROWS;
    if (n == 0 || !(width > 0) || !isfinite(range)) {
        fill_equal(rows, n == 0 ? 0 : min, n);
        return CREW_OK;
    }
    for (int r = 0; r < HISTOGRAM_ROWS; r++) {
        rows[r][0] = r * width + min;
        rows[r][1] = r + 1 < HISTOGRAM_ROWS ? (r + 1) * width + min : max;
        rows[r][2] = 0;
    }
    while ((count = next_chunk(&c, err)) > 0) {
        for (int64_t i = 0; i < count; i++) {
            double row = floor((c.x[i] - min) / width);

            rows[row < HISTOGRAM_ROWS ? (int)row : HISTOGRAM_ROWS - 1][2] += 1;
        }
    }
    return err->code;
}
