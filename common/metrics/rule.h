/* SPDX-License-Identifier: Apache-2.0
 *
 * The arithmetic of tf.compat.v1.metrics over plain arrays, without graphs:
 * what is added up of a batch, and the value of the sums. The sums are kept as
 * doubles (TensorFlow: float32). Threads: any, one a state. Source:
 * tensorflow/python/ops/metrics_impl.py. */
#ifndef METRICS_RULE_H
#define METRICS_RULE_H

#include "crew.h"

enum metric_kind {
    METRIC_MEAN = 1, /* of predictions */
    METRIC_ACCURACY,
    METRIC_MEAN_PER_CLASS_ACCURACY, /* num_classes */
    METRIC_SQUARED_ERROR,
    METRIC_ROOT_SQUARED_ERROR,
    METRIC_ABSOLUTE_ERROR,
    METRIC_RELATIVE_ERROR,    /* normalizer */
    METRIC_COSINE_DISTANCE,   /* along the columns */
    METRIC_BELOW,             /* share of predictions < thresholds[0] */
    METRIC_ACCURACY_AT,       /* of predictions > thresholds[0]; or_equal: >= */
    METRIC_ACCURACY_BASELINE, /* max(mean, 1 - mean) of predictions */
    METRIC_TRUE_POSITIVES,    /* of labels and predictions that are 0 or not */
    METRIC_FALSE_POSITIVES,
    METRIC_TRUE_NEGATIVES,
    METRIC_FALSE_NEGATIVES,
    METRIC_PRECISION,
    METRIC_RECALL,
    METRIC_TRUE_POSITIVES_AT, /* predictions > thresholds[i] */
    METRIC_FALSE_POSITIVES_AT,
    METRIC_TRUE_NEGATIVES_AT,
    METRIC_FALSE_NEGATIVES_AT,
    METRIC_PRECISION_AT,
    METRIC_RECALL_AT,
    /* One number, of thresholds of metric_auc_thresholds(); the first two where
     * the other rate is nearest to `target`. */
    METRIC_SENSITIVITY_AT_SPECIFICITY,
    METRIC_SPECIFICITY_AT_SENSITIVITY,
    METRIC_AUC,
    METRIC_PRECISION_TOP_K, /* predictions (rows, columns), k; or the classes
                               of the k best themselves: by_class */
    METRIC_RECALL_TOP_K,
    METRIC_AVERAGE_PRECISION_TOP_K,
    METRIC_IN_TOP_K,
    METRIC_MEAN_IOU,   /* num_classes */
    METRIC_MEAN_TENSOR /* a mean for each of num_elements */
};

struct metric_rule {
    enum metric_kind kind;
    int64_t num_classes, num_elements, k;
    bool by_class;  /* top k: predictions are classes, not scores */
    bool one_class; /* top k: only class_id counts */
    int64_t class_id;
    double target;
    bool keras;    /* by thresholds: no epsilons; a baseline of nothing is 0 */
    bool or_equal; /* ACCURACY_AT */
    bool scalar;   /* of one threshold: exported as a scalar */
    enum crew_auc_curve curve;
    enum crew_auc_summation summation;
    const float *thresholds; /* borrowed */
    int num_thresholds;
};

/* One argument of a batch, row-major. dtype float32, int64 or bool (uint8). */
struct metric_column {
    CREW_NULLABLE const void *data; /* NULL: not given */
    enum crew_dtype dtype;
};
/* rows x columns elements of predictions (and of labels and normalizer, but for
 * the kinds by top k: rows x label_columns). */
struct metric_batch {
    int64_t rows, columns, label_columns;
    struct metric_column labels, predictions, normalizer;
    CREW_NULLABLE const float *weights; /* NULL: all 1 */
    int64_t weights_per_row;            /* columns, 1, or 0: one for all */
};

/* Doubles of the state; all 0 at first. */
size_t metric_rule_state(const struct metric_rule *);
/* How many values it has: 1, or one a threshold or element. */
int metric_rule_values(const struct metric_rule *);
/* Errors: INVALID_ARGUMENT, a label or prediction that is no class; a mean of
 * tensors of another shape. */
CREW_MUST_CHECK int metric_rule_update(const struct metric_rule *,
                                       const struct metric_batch *,
                                       double *state,
                                       struct crew_err *);
void metric_rule_value(const struct metric_rule *,
                       const double *state,
                       float *values);

/* TensorFlow's n >= 2 thresholds: -1e-7, i / (n - 1), 1 + 1e-7; of
 * specificity_at_sensitivity the last is 1 - 1e-7. */
void metric_auc_thresholds(enum metric_kind, float *thresholds, int n);
/* The area from the confusion counts at its thresholds; a state of METRIC_AUC
 * holds true positives, false negatives, true negatives, false positives. */
double metric_auc(const double *state, const struct metric_rule *);

#endif
