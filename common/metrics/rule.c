/* SPDX-License-Identifier: Apache-2.0
 * Streaming metrics over arrays: sums of batches, values of sums. */
#include "metrics/rule_impl.h"

#include <math.h>

#include "base/mem.h"
#include "base/banned.h"

/* Confusion counts in the order in which a state of AUC holds them. */
enum cell { TP, FN, TN, FP };

double metric_number(const struct metric_column *c, int64_t i)
{
    switch (c->dtype) {
        case CREW_INT64:
            return (double)((const int64_t *)c->data)[i];
        case CREW_BOOL:
        case CREW_UINT8:
            return ((const uint8_t *)c->data)[i] != 0 ? 1.0 : 0.0;
        default:
            return (double)((const float *)c->data)[i];
    }
}

double metric_weight(const struct metric_batch *b, int64_t row, int64_t column)
{
    if (b->weights == NULL) {
        return 1.0;
    }
    if (b->weights_per_row == 0) {
        return (double)b->weights[0];
    }
    return (double)
        b->weights[b->weights_per_row == 1 ? row
                                           : row * b->weights_per_row + column];
}

/* -------------------------------------------------------- means and errors */

static bool is_above(const struct metric_rule *r, float p)
{
    return r->or_equal ? p >= r->thresholds[0] : p > r->thresholds[0];
}

/* What the mean of element i is taken of. */
static double element(const struct metric_rule *r,
                      const struct metric_batch *b,
                      int64_t i)
{
    double p = metric_number(&b->predictions, i);
    double l = b->labels.data != NULL ? metric_number(&b->labels, i) : 0.0;
    double z;

    switch (r->kind) {
        case METRIC_ACCURACY:
            return p == l ? 1.0 : 0.0;
        case METRIC_SQUARED_ERROR:
        case METRIC_ROOT_SQUARED_ERROR:
            return (p - l) * (p - l);
        case METRIC_ABSOLUTE_ERROR:
            return fabs(p - l);
        case METRIC_RELATIVE_ERROR:
            z = metric_number(&b->normalizer, i);
            return z == 0.0 ? 0.0 : fabs(l - p) / z;
        case METRIC_BELOW:
            return (float)p < r->thresholds[0] ? 1.0 : 0.0;
        case METRIC_ACCURACY_AT:
            return l == (is_above(r, (float)p) ? 1.0 : 0.0) ? 1.0 : 0.0;
        default:
            return p;
    }
}

static void add_elements(const struct metric_rule *r,
                         const struct metric_batch *b,
                         double *state)
{
    for (int64_t row = 0; row < b->rows; row++) {
        for (int64_t c = 0; c < b->columns; c++) {
            double w = metric_weight(b, row, c);

            /* 0 * inf is NaN in TensorFlow as well. */
            state[0] += w * element(r, b, row * b->columns + c);
            state[1] += w;
        }
    }
}

static void add_cosines(const struct metric_batch *b, double *state)
{
    for (int64_t row = 0; row < b->rows; row++) {
        double w = metric_weight(b, row, 0), sum = 0.0;

        for (int64_t c = 0; c < b->columns; c++) {
            int64_t i = row * b->columns + c;

            sum += metric_number(&b->predictions, i) *
                   metric_number(&b->labels, i);
        }
        state[0] += w * sum;
        state[1] += w;
    }
}

/* state: per class how many, then per class how many right. */
static int add_classes(const struct metric_rule *r,
                       const struct metric_batch *b,
                       double *state,
                       struct crew_err *err)
{
    int64_t n = r->num_classes;

    for (int64_t row = 0; row < b->rows; row++) {
        for (int64_t c = 0; c < b->columns; c++) {
            int64_t i = row * b->columns + c;
            double l = metric_number(&b->labels, i),
                   w = metric_weight(b, row, c);

            if (!(l >= 0.0 && l < (double)n)) {
                return crew_err_set(
                    err, CREW_INVALID_ARGUMENT,
                    "mean_per_class_accuracy: label %.0f of row %lld is no "
                    "class, there are %lld",
                    l, (long long)row, (long long)n);
            }
            state[(int64_t)l] += w;
            state[n + (int64_t)l] +=
                metric_number(&b->predictions, i) == l ? w : 0.0;
        }
    }
    return CREW_OK;
}

/* -------------------------------------------------------- confusion counts */

static enum cell cell_of(bool label, bool prediction)
{
    if (label) {
        return prediction ? TP : FN;
    }
    return prediction ? FP : TN;
}

static bool by_threshold(enum metric_kind kind)
{
    return kind >= METRIC_TRUE_POSITIVES_AT && kind <= METRIC_AUC;
}

/* state[cell * n + i]: the weight in that cell at threshold i. */
static void add_cells(const struct metric_rule *r,
                      const struct metric_batch *b,
                      double *state)
{
    int n = by_threshold(r->kind) ? r->num_thresholds : 1;

    for (int64_t row = 0; row < b->rows; row++) {
        for (int64_t c = 0; c < b->columns; c++) {
            int64_t k = row * b->columns + c;
            double w = metric_weight(b, row, c),
                   p = metric_number(&b->predictions, k);
            bool label = metric_number(&b->labels, k) != 0.0;

            for (int i = 0; i < n; i++) {
                bool yes = by_threshold(r->kind) ? (float)p > r->thresholds[i]
                                                 : p != 0.0;

                state[(int)cell_of(label, yes) * n + i] += w;
            }
        }
    }
}

/* ---------------------------------------------------------- classes, tensors
 */

static int no_class(struct crew_err *err,
                    const char *what,
                    double got,
                    int64_t n)
{
    return crew_err_set(err, CREW_INVALID_ARGUMENT,
                        "mean_iou: `%s` out of bound: %.0f is no class, there "
                        "are %lld",
                        what, got, (long long)n);
}

/* state[label * n + prediction]. */
static int add_confusion(const struct metric_rule *r,
                         const struct metric_batch *b,
                         double *state,
                         struct crew_err *err)
{
    int64_t n = r->num_classes;

    for (int64_t row = 0; row < b->rows; row++) {
        for (int64_t c = 0; c < b->columns; c++) {
            int64_t i = row * b->columns + c;
            double l = metric_number(&b->labels, i);
            double p = metric_number(&b->predictions, i);

            if (!(l >= 0.0 && l < (double)n)) {
                return no_class(err, "labels", l, n);
            }
            if (!(p >= 0.0 && p < (double)n)) {
                return no_class(err, "predictions", p, n);
            }
            state[(int64_t)l * n + (int64_t)p] += metric_weight(b, row, c);
        }
    }
    return CREW_OK;
}

/* The mean, over the classes that were met, of hits / (labels + predictions -
 * hits). */
static double mean_iou(const double *state, int64_t n)
{
    double sum = 0.0, met = 0.0;

    for (int64_t c = 0; c < n; c++) {
        double all = -state[c * n + c];

        for (int64_t i = 0; i < n; i++) {
            all += state[c * n + i] + state[i * n + c];
        }
        met += all != 0.0 ? 1.0 : 0.0;
        sum += state[c * n + c] / (all > 0.0 ? all : 1.0);
    }
    return met > 0.0 ? sum / met : 0.0;
}

/* state: a sum an element, then the weight of each. */
static int add_tensor(const struct metric_rule *r,
                      const struct metric_batch *b,
                      double *state,
                      struct crew_err *err)
{
    int64_t n = r->num_elements, got = b->rows * b->columns;

    if (got != n) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "mean_tensor: %lld elements, there were %lld",
                            (long long)got, (long long)n);
    }
    for (int64_t i = 0; i < n; i++) {
        double w = metric_weight(b, i / b->columns, i % b->columns);

        state[i] += w * metric_number(&b->predictions, i);
        state[n + i] += w;
    }
    return CREW_OK;
}

/* ------------------------------------------------------------------ the
 * outside */

size_t metric_rule_state(const struct metric_rule *r)
{
    if (r->kind == METRIC_MEAN_PER_CLASS_ACCURACY) {
        return 2 * (size_t)r->num_classes;
    }
    if (r->kind == METRIC_MEAN_IOU) {
        return (size_t)r->num_classes * (size_t)r->num_classes;
    }
    if (r->kind == METRIC_MEAN_TENSOR) {
        return 2 * (size_t)r->num_elements;
    }
    if (by_threshold(r->kind)) {
        return 4 * (size_t)r->num_thresholds;
    }
    return r->kind >= METRIC_TRUE_POSITIVES && r->kind <= METRIC_RECALL ? 4 : 2;
}

int metric_rule_values(const struct metric_rule *r)
{
    if (r->kind == METRIC_MEAN_TENSOR) {
        return (int)r->num_elements;
    }
    return by_threshold(r->kind) && r->kind <= METRIC_RECALL_AT
               ? r->num_thresholds
               : 1;
}

int metric_rule_update(const struct metric_rule *r,
                       const struct metric_batch *b,
                       double *state,
                       struct crew_err *err)
{
    switch (r->kind) {
        case METRIC_MEAN_PER_CLASS_ACCURACY:
            return add_classes(r, b, state, err);
        case METRIC_COSINE_DISTANCE:
            add_cosines(b, state);
            break;
        case METRIC_MEAN_IOU:
            return add_confusion(r, b, state, err);
        case METRIC_MEAN_TENSOR:
            return add_tensor(r, b, state, err);
        case METRIC_PRECISION_TOP_K:
        case METRIC_RECALL_TOP_K:
            metric_add_top_k(r, b, state);
            break;
        case METRIC_AVERAGE_PRECISION_TOP_K:
            metric_add_average_precision(r, b, state);
            break;
        case METRIC_IN_TOP_K:
            metric_add_in_top_k(r, b, state);
            break;
        default:
            if (r->kind >= METRIC_TRUE_POSITIVES && r->kind <= METRIC_AUC) {
                add_cells(r, b, state);
            } else {
                add_elements(r, b, state);
            }
    }
    return CREW_OK;
}

static double mean_of_classes(const double *state, int64_t n)
{
    double sum = 0.0;

    for (int64_t i = 0; i < n; i++) {
        sum += state[i] == 0.0 ? 0.0 : state[n + i] / state[i];
    }
    return sum / (double)n;
}

/* Counts, precision and recall at threshold i of n. */
static double value_at(const struct metric_rule *r,
                       const double *s,
                       int n,
                       int i)
{
    /* TensorFlow guards only the thresholded kinds against 0 by an epsilon. */
    double eps = by_threshold(r->kind) && !r->keras ? 1e-7 : 0.0;
    double tp = s[TP * n + i], fp = s[FP * n + i], fn = s[FN * n + i];
    double all;

    switch (r->kind) {
        case METRIC_TRUE_POSITIVES:
        case METRIC_TRUE_POSITIVES_AT:
            return tp;
        case METRIC_FALSE_POSITIVES:
        case METRIC_FALSE_POSITIVES_AT:
            return fp;
        case METRIC_TRUE_NEGATIVES:
        case METRIC_TRUE_NEGATIVES_AT:
            return s[TN * n + i];
        case METRIC_FALSE_NEGATIVES:
        case METRIC_FALSE_NEGATIVES_AT:
            return fn;
        default:
            all = r->kind == METRIC_PRECISION || r->kind == METRIC_PRECISION_AT
                      ? tp + fp + eps
                      : tp + fn + eps;
            return all > 0.0 ? tp / all : 0.0;
    }
}

static double mean_value(const struct metric_rule *r, const double *s)
{
    double mean = s[1] == 0.0 ? 0.0 : s[0] / s[1];

    switch (r->kind) {
        case METRIC_ROOT_SQUARED_ERROR:
            return sqrt(mean);
        case METRIC_COSINE_DISTANCE:
            return 1.0 - mean;
        case METRIC_ACCURACY_BASELINE:
            return r->keras && s[1] == 0.0 ? 0.0 : fmax(mean, 1.0 - mean);
        case METRIC_PRECISION_TOP_K:
        case METRIC_RECALL_TOP_K:
            return s[0] / (s[0] + s[1]); /* NaN before the first row, as TF */
        default:
            return mean;
    }
}

/* In float32, in which TensorFlow decides which threshold is the nearest: of
 * equal ones the first for a specificity, the last for a sensitivity. */
static float at_other_rate(const struct metric_rule *r, const double *s)
{
    bool by_negatives = r->kind == METRIC_SENSITIVITY_AT_SPECIFICITY;
    int n = r->num_thresholds, best = 0;
    const double *hits = s + (by_negatives ? TN : TP) * n;
    const double *misses = s + (by_negatives ? FP : FN) * n;
    const double *yes = s + (by_negatives ? TP : TN) * n;
    const double *no = s + (by_negatives ? FN : FP) * n;
    float nearest = INFINITY;

    for (int i = 0; i < n; i++) {
        float hit = (float)hits[i], all = hit + (float)misses[i] + 1e-7f;
        float far = fabsf(hit / all - (float)r->target);

        if (by_negatives ? far < nearest : far <= nearest) {
            nearest = far;
            best = i;
        }
    }
    return (float)yes[best] / ((float)yes[best] + (float)no[best] + 1e-7f);
}

void metric_rule_value(const struct metric_rule *r,
                       const double *state,
                       float *values)
{
    int n = metric_rule_values(r);

    if (r->kind == METRIC_MEAN_PER_CLASS_ACCURACY) {
        values[0] = (float)mean_of_classes(state, r->num_classes);
    } else if (r->kind == METRIC_MEAN_IOU) {
        values[0] = (float)mean_iou(state, r->num_classes);
    } else if (r->kind == METRIC_MEAN_TENSOR) {
        for (int i = 0; i < n; i++) {
            values[i] =
                (float)(state[n + i] == 0.0 ? 0.0 : state[i] / state[n + i]);
        }
    } else if (r->kind == METRIC_SENSITIVITY_AT_SPECIFICITY ||
               r->kind == METRIC_SPECIFICITY_AT_SENSITIVITY) {
        values[0] = at_other_rate(r, state);
    } else if (r->kind == METRIC_AUC) {
        values[0] = (float)metric_auc(state, r);
    } else if (r->kind >= METRIC_TRUE_POSITIVES &&
               r->kind <= METRIC_RECALL_AT) {
        for (int i = 0; i < n; i++) {
            values[i] = (float)value_at(r, state, n, i);
        }
    } else {
        values[0] = (float)mean_value(r, state);
    }
}
