/* SPDX-License-Identifier: Apache-2.0
 * Streaming metrics of the k best classes of a row. */
#include <math.h>

#include "metrics/rule_impl.h"

#include "base/banned.h"

/* The place of class `label` among the best of a row, from 0; -1: it is not one
 * of the first k. Of equal scores the first wins. */
static int64_t place_in_row(const struct metric_rule *r,
                            const struct metric_batch *b,
                            int64_t row,
                            int64_t label)
{
    int64_t from = row * b->columns, ahead = 0;
    double mine;

    if (r->by_class) {
        for (int64_t c = 0; c < b->columns; c++) {
            if (metric_number(&b->predictions, from + c) == (double)label) {
                return c;
            }
        }
        return -1;
    }
    if (label < 0 || label >= b->columns) {
        return -1;
    }
    mine = metric_number(&b->predictions, from + label);
    for (int64_t c = 0; c < b->columns; c++) {
        double p = metric_number(&b->predictions, from + c);

        ahead += p > mine || (p == mine && c < label) ? 1 : 0;
    }
    return ahead < r->k ? ahead : -1;
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
    mine = metric_number(&b->predictions, from + label);
    for (int64_t c = 0; c < b->columns; c++) {
        double p = metric_number(&b->predictions, from + c);

        if (!isfinite(p)) {
            return false;
        }
        ahead += p > mine ? 1 : 0;
    }
    return ahead < k;
}

static int64_t label_at(const struct metric_batch *b, int64_t row, int64_t j)
{
    return (int64_t)metric_number(&b->labels, row * b->label_columns + j);
}

/* A row's labels are a set. */
static bool seen_before(const struct metric_batch *b, int64_t row, int64_t j)
{
    for (int64_t i = 0; i < j; i++) {
        if (label_at(b, row, i) == label_at(b, row, j)) {
            return true;
        }
    }
    return false;
}

/* How many different classes a row's predictions are. */
static double num_predicted(const struct metric_rule *r,
                            const struct metric_batch *b,
                            int64_t row)
{
    double n = 0.0;

    if (r->one_class) {
        return place_in_row(r, b, row, r->class_id) >= 0 ? 1.0 : 0.0;
    }
    if (!r->by_class) {
        return (double)r->k;
    }
    for (int64_t c = 0; c < b->columns; c++) {
        int64_t mine =
            (int64_t)metric_number(&b->predictions, row * b->columns + c);

        n += place_in_row(r, b, row, mine) == c ? 1.0 : 0.0;
    }
    return n;
}

/* state[0]: labels among the top k; state[1]: the rest of the labels (recall)
 * or of the k (precision). */
void metric_add_top_k(const struct metric_rule *r,
                      const struct metric_batch *b,
                      double *state)
{
    for (int64_t row = 0; row < b->rows; row++) {
        double w = metric_weight(b, row, 0), hits = 0.0, labels = 0.0;

        for (int64_t j = 0; j < b->label_columns; j++) {
            int64_t label = label_at(b, row, j);

            if (seen_before(b, row, j) ||
                (r->one_class && label != r->class_id)) {
                continue;
            }
            labels += 1.0;
            hits += place_in_row(r, b, row, label) >= 0 ? 1.0 : 0.0;
        }
        state[0] += w * hits;
        state[1] +=
            w * ((r->kind == METRIC_PRECISION_TOP_K ? num_predicted(r, b, row)
                                                    : labels) -
                 hits);
    }
}

/* The mean, over the labels a row could have among its k best, of the precision
 * at the place of each that is there. Labels below 0 are none. */
static double average_precision(const struct metric_rule *r,
                                const struct metric_batch *b,
                                int64_t row)
{
    double sum = 0.0, labels = 0.0;

    for (int64_t j = 0; j < b->label_columns; j++) {
        int64_t at = place_in_row(r, b, row, label_at(b, row, j));
        double up_to = 0.0;

        labels += label_at(b, row, j) >= 0 ? 1.0 : 0.0;
        if (at < 0 || seen_before(b, row, j)) {
            continue;
        }
        for (int64_t i = 0; i < b->label_columns; i++) {
            int64_t other = place_in_row(r, b, row, label_at(b, row, i));

            up_to += other >= 0 && other <= at && !seen_before(b, row, i);
        }
        sum += up_to / (double)(at + 1);
    }
    return sum / fmin(labels, (double)r->k);
}

/* state[0]: the sum; state[1]: the weight of all rows. */
void metric_add_average_precision(const struct metric_rule *r,
                                  const struct metric_batch *b,
                                  double *state)
{
    for (int64_t row = 0; row < b->rows; row++) {
        double w = metric_weight(b, row, 0);

        state[0] += w * average_precision(r, b, row);
        state[1] += w;
    }
}

void metric_add_in_top_k(const struct metric_rule *r,
                         const struct metric_batch *b,
                         double *state)
{
    for (int64_t row = 0; row < b->rows; row++) {
        double w = metric_weight(b, row, 0);
        int64_t label = (int64_t)metric_number(&b->labels, row);

        state[0] += in_top_k(b, row, label, r->k) ? w : 0.0;
        state[1] += w;
    }
}
