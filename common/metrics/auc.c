/* SPDX-License-Identifier: Apache-2.0
 * The area under the ROC or PR curve, TensorFlow's four ways of summing. */
#include <math.h>

#include "metrics/rule.h"
#include "base/banned.h"

void metric_auc_thresholds(enum metric_kind kind, float *thresholds, int n)
{
    for (int i = 1; i < n - 1; i++) {
        thresholds[i] = (float)((double)i / (double)(n - 1));
    }
    thresholds[0] = -1e-7f;
    thresholds[n - 1] =
        (float)(kind == METRIC_SPECIFICITY_AT_SENSITIVITY ? 1.0 - 1e-7
                                                          : 1.0 + 1e-7);
}

static double ratio_or_0(double a, double b)
{
    return b == 0.0 ? 0.0 : a / b;
}

/* Davis and Goadrich's interpolation between the points of a PR curve. */
static double interpolated(const double *tp,
                           const double *fn,
                           const double *fp,
                           int n)
{
    double area = 0.0;

    for (int i = 0; i + 1 < n; i++) {
        double p = tp[i] + fp[i], q = tp[i + 1] + fp[i + 1];
        double dtp = tp[i] - tp[i + 1];
        double slope = ratio_or_0(dtp, fmax(p - q, 0.0));
        double intercept = tp[i + 1] - slope * q;
        double ratio = p > 0.0 && q > 0.0 ? p / q : 1.0;

        area += ratio_or_0(slope * (dtp + intercept * log(ratio)),
                           fmax(tp[i + 1] + fn[i + 1], 0.0));
    }
    return area;
}

static double height(double a, double b, enum crew_auc_summation summation)
{
    switch (summation) {
        case CREW_AUC_MINORING:
            return fmin(a, b);
        case CREW_AUC_MAJORING:
            return fmax(a, b);
        default:
            return (a + b) / 2.0;
    }
}

double metric_auc(const double *state,
                  int n,
                  enum crew_auc_curve curve,
                  enum crew_auc_summation summation)
{
    const double *tp = state, *fn = tp + n, *tn = fn + n, *fp = tn + n;
    const double eps = 1e-6;
    double area = 0.0, last_x = 0.0, last_y = 0.0;

    if (curve == CREW_AUC_PR && summation == CREW_AUC_CAREFUL) {
        return interpolated(tp, fn, fp, n);
    }
    for (int i = 0; i < n; i++) {
        double recall = (tp[i] + eps) / (tp[i] + fn[i] + eps);
        double x =
            curve == CREW_AUC_PR ? recall : fp[i] / (fp[i] + tn[i] + eps);
        double y = curve == CREW_AUC_PR ? (tp[i] + eps) / (tp[i] + fp[i] + eps)
                                        : recall;

        if (i > 0) {
            area += (last_x - x) * height(last_y, y, summation);
        }
        last_x = x;
        last_y = y;
    }
    return area;
}
