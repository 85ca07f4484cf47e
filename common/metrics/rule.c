/* SPDX-License-Identifier: Apache-2.0
 * Streaming metrics over arrays: sums of batches, values of sums. */
#include "metrics/rule.h"

#include <math.h>

#include "base/mem.h"
#include "base/banned.h"

/* Confusion counts in the order in which a state of AUC holds them. */
enum cell { TP, FN, TN, FP };

static double number(const struct metric_column *c, int64_t i)
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

static double weight(const struct metric_batch *b, int64_t row, int64_t column)
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

/* What the mean of element i is taken of. */
static double element(const struct metric_rule *r,
                      const struct metric_batch *b,
                      int64_t i)
{
    double p = number(&b->predictions, i);
    double l = b->labels.data != NULL ? number(&b->labels, i) : 0.0;
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
            z = number(&b->normalizer, i);
            return z == 0.0 ? 0.0 : fabs(l - p) / z;
        case METRIC_BELOW:
            return (float)p < r->thresholds[0] ? 1.0 : 0.0;
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
            double w = weight(b, row, c);

            /* 0 * inf is NaN in TensorFlow as well. */
            state[0] += w * element(r, b, row * b->columns + c);
            state[1] += w;
        }
    }
}

static void add_cosines(const struct metric_batch *b, double *state)
{
    for (int64_t row = 0; row < b->rows; row++) {
        double w = weight(b, row, 0), sum = 0.0;

        for (int64_t c = 0; c < b->columns; c++) {
            int64_t i = row * b->columns + c;

            sum += number(&b->predictions, i) * number(&b->labels, i);
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
            double l = number(&b->labels, i), w = weight(b, row, c);

            if (!(l >= 0.0 && l < (double)n)) {
                return crew_err_set(
                    err, CREW_INVALID_ARGUMENT,
                    "mean_per_class_accuracy: label %.0f of row %lld is no "
                    "class, there are %lld",
                    l, (long long)row, (long long)n);
            }
            state[(int64_t)l] += w;
            state[n + (int64_t)l] += number(&b->predictions, i) == l ? w : 0.0;
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
            double w = weight(b, row, c), p = number(&b->predictions, k);
            bool label = number(&b->labels, k) != 0.0;

            for (int i = 0; i < n; i++) {
                bool yes = by_threshold(r->kind) ? (float)p > r->thresholds[i]
                                                 : p != 0.0;

                state[(int)cell_of(label, yes) * n + i] += w;
            }
        }
    }
}

/* ------------------------------------------------------------------------ top
 * k */

/* Is class `label` among the k largest of a row? Of equal ones the first wins.
 */
static bool in_first_k(const struct metric_batch *b,
                       int64_t row,
                       int64_t label,
                       int64_t k)
{
    int64_t from = row * b->columns, ahead = 0;
    double mine;

    if (label < 0 || label >= b->columns) {
        return false;
    }
    mine = number(&b->predictions, from + label);
    for (int64_t c = 0; c < b->columns; c++) {
        double p = number(&b->predictions, from + c);

        ahead += p > mine || (p == mine && c < label) ? 1 : 0;
    }
    return ahead < k;
}

/* The same as nn.in_top_k: equal ones share a place, and what is not finite has
 * none. */
static bool in_top_k(const struct metric_batch *b,
                     int64_t row,
                     int64_t label,
                     int64_t k)
{
    int64_t from = row * b->columns, ahead = 0;
    double mine;

    if (label < 0 || label >= b->columns) {
        return false;
    }
    mine = number(&b->predictions, from + label);
    for (int64_t c = 0; c < b->columns; c++) {
        double p = number(&b->predictions, from + c);

        if (!isfinite(p)) {
            return false;
        }
        ahead += p > mine ? 1 : 0;
    }
    return ahead < k;
}

static bool seen_before(const struct metric_batch *b, int64_t row, int64_t j)
{
    int64_t from = row * b->label_columns;
    double label = number(&b->labels, from + j);

    for (int64_t i = 0; i < j; i++) {
        if (number(&b->labels, from + i) == label) {
            return true;
        }
    }
    return false;
}

/* state[0]: labels among the top k; state[1]: the rest of the labels (recall)
 * or of the k (precision). A row's labels are a set. */
static void add_top_k(const struct metric_rule *r,
                      const struct metric_batch *b,
                      double *state)
{
    for (int64_t row = 0; row < b->rows; row++) {
        double w = weight(b, row, 0), hits = 0.0, labels = 0.0;

        for (int64_t j = 0; j < b->label_columns; j++) {
            int64_t label =
                (int64_t)number(&b->labels, row * b->label_columns + j);

            if (!seen_before(b, row, j)) {
                labels += 1.0;
                hits += in_first_k(b, row, label, r->k) ? 1.0 : 0.0;
            }
        }
        state[0] += w * hits;
        state[1] +=
            w * ((r->kind == METRIC_PRECISION_TOP_K ? (double)r->k : labels) -
                 hits);
    }
}

static void add_in_top_k(const struct metric_rule *r,
                         const struct metric_batch *b,
                         double *state)
{
    for (int64_t row = 0; row < b->rows; row++) {
        double w = weight(b, row, 0);
        int64_t label = (int64_t)number(&b->labels, row);

        state[0] += in_top_k(b, row, label, r->k) ? w : 0.0;
        state[1] += w;
    }
}

/* ------------------------------------------------------------------ the
 * outside */

size_t metric_rule_state(const struct metric_rule *r)
{
    if (r->kind == METRIC_MEAN_PER_CLASS_ACCURACY) {
        return 2 * (size_t)r->num_classes;
    }
    if (by_threshold(r->kind)) {
        return 4 * (size_t)r->num_thresholds;
    }
    return r->kind >= METRIC_TRUE_POSITIVES && r->kind <= METRIC_RECALL ? 4 : 2;
}

int metric_rule_values(const struct metric_rule *r)
{
    return by_threshold(r->kind) && r->kind != METRIC_AUC ? r->num_thresholds
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
        case METRIC_PRECISION_TOP_K:
        case METRIC_RECALL_TOP_K:
            add_top_k(r, b, state);
            break;
        case METRIC_IN_TOP_K:
            add_in_top_k(r, b, state);
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
    double eps = by_threshold(r->kind) ? 1e-7 : 0.0;
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
        case METRIC_PRECISION_TOP_K:
        case METRIC_RECALL_TOP_K:
            return s[0] / (s[0] + s[1]); /* NaN before the first row, as TF */
        default:
            return mean;
    }
}

void metric_rule_value(const struct metric_rule *r,
                       const double *state,
                       float *values)
{
    int n = metric_rule_values(r);

    if (r->kind == METRIC_MEAN_PER_CLASS_ACCURACY) {
        values[0] = (float)mean_of_classes(state, r->num_classes);
    } else if (r->kind == METRIC_AUC) {
        values[0] =
            (float)metric_auc(state, r->num_thresholds, r->curve, r->summation);
    } else if (r->kind >= METRIC_TRUE_POSITIVES &&
               r->kind <= METRIC_RECALL_AT) {
        for (int i = 0; i < n; i++) {
            values[i] = (float)value_at(r, state, n, i);
        }
    } else {
        values[0] = (float)mean_value(r, state);
    }
}
