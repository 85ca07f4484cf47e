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

static float part_or_0(float a, float b)
{
    return b > 0.0f || b < 0.0f ? a / b : 0.0f;
}

/* Davis and Goadrich's interpolation between the points of a PR curve. In
 * float32 as TensorFlow does: what is left of the logarithm and its like is
 * small, and its rounding with it. */
static double interpolated(const double *tp,
                           const double *fn,
                           const double *fp,
                           int n)
{
    float area = 0.0f;

    for (int i = 0; i + 1 < n; i++) {
        float hits = (float)tp[i + 1];
        float p = (float)tp[i] + (float)fp[i], q = hits + (float)fp[i + 1];
        float dtp = (float)tp[i] - hits;
        float slope = part_or_0(dtp, fmaxf(p - q, 0.0f));
        float intercept = hits - slope * q;
        float ratio = p > 0.0f && q > 0.0f ? p / q : 1.0f;

        area += part_or_0(slope * (dtp + intercept * logf(ratio)),
                          fmaxf(hits + (float)fn[i + 1], 0.0f));
    }
    return (double)area;
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

double metric_auc(const double *state, const struct metric_rule *r)
{
    enum crew_auc_curve curve = r->curve;
    int n = r->num_thresholds;
    const double *tp = state, *fn = tp + n, *tn = fn + n, *fp = tn + n;
    const double eps = r->keras ? 0.0 : 1e-6;
    double area = 0.0, last_x = 0.0, last_y = 0.0;

    if (curve == CREW_AUC_PR && r->summation == CREW_AUC_CAREFUL) {
        return interpolated(tp, fn, fp, n);
    }
    for (int i = 0; i < n; i++) {
        double recall = ratio_or_0(tp[i] + eps, tp[i] + fn[i] + eps);
        double x = curve == CREW_AUC_PR
                       ? recall
                       : ratio_or_0(fp[i], fp[i] + tn[i] + eps);
        double y = curve == CREW_AUC_PR
                       ? ratio_or_0(tp[i] + eps, tp[i] + fp[i] + eps)
                       : recall;

        if (i > 0) {
            area += (last_x - x) * height(last_y, y, r->summation);
        }
        last_x = x;
        last_y = y;
    }
    return area;
}
