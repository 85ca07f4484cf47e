/* SPDX-License-Identifier: Apache-2.0
 * Family ops: the kernels against TensorFlow's ops, outputs and gradients. Each
 * gradient is added to 1, to see that backward adds and does not write. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "golden_families.h"
#include "kernels/blas.h"
#include "kernels/kernels.h"

#include "base/banned.h"

static const struct golden_tolerance tolerance = {1e-5, 1e-6};

/* A case's arrays by name, as float32. */
struct input {
    struct golden_array array;
    float* x;
};

static struct input take(const cJSON* group, const char* key)
{
    struct input in;
    golden_array_read(golden_member(group, key), &in.array);
    in.x = golden_array_floats(&in.array);
    return in;
}

static void drop(struct input* in)
{
    golden_array_release(&in->array);
    free(in->x);
}

static float* filled(int64_t n, float value)
{
    float* x = malloc((size_t)(n > 0 ? n : 1) * sizeof(float));
    for (int64_t i = 0; x != NULL && i < n; i++) {
        x[i] = value;
    }
    if (x == NULL) {
        exit(golden_trouble(70, "no memory for %ld floats", (long)n));
    }
    return x;
}

static void same(struct golden_report* report,
                 const cJSON* group,
                 const char* key,
                 const float* got,
                 int64_t n)
{
    struct golden_array want;
    golden_array_read(golden_member(group, key), &want);
    golden_same_floats(report, key, got, n, &want, tolerance);
    golden_array_release(&want);
}

/* A gradient that was added to ones. */
static void same_gradient(struct golden_report* report,
                          const cJSON* c,
                          const char* key,
                          float* got,
                          int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        got[i] -= 1.0f;
    }
    same(report, golden_member(c, "gradients"), key, got, n);
}

static const cJSON* attribute(const cJSON* c, const char* key)
{
    return golden_member(golden_member(c, "attributes"), key);
}

/* Whether an attribute is [value, value]. */
static bool both_are(const cJSON* c, const char* key, int64_t value)
{
    const cJSON* pair = attribute(c, key);
    return cJSON_GetArraySize(pair) == 2 &&
           golden_int(cJSON_GetArrayItem(pair, 0)) == value &&
           golden_int(cJSON_GetArrayItem(pair, 1)) == value;
}

static bool padding_is(const cJSON* c, const char* padding)
{
    return strcmp(golden_text(golden_member(c, "attributes"), "padding"),
                  padding) == 0;
}

static struct conv2d_dims conv_dims(const struct crew_shape* x,
                                    const struct crew_shape* f,
                                    bool same_size)
{
    struct conv2d_dims d = {
        .batch = x->dim[0],
        .h = x->dim[1],
        .w = x->dim[2],
        .c_in = x->dim[3],
        .kh = f->dim[0],
        .kw = f->dim[1],
        .c_out = f->dim[3],
    };
    d.oh = same_size ? d.h : d.h - d.kh + 1;
    d.ow = same_size ? d.w : d.w - d.kw + 1;
    d.pad_top = same_size ? (d.kh - 1) / 2 : 0;
    d.pad_left = same_size ? (d.kw - 1) / 2 : 0;
    return d;
}

/* Each case function returns false when we have no such op. */
static bool case_conv2d(const cJSON* c, struct golden_report* report)
{
    if (!both_are(c, "strides", 1)) {
        return false;
    }
    golden_case(report, "conv2d");
    const cJSON* inputs = golden_member(c, "inputs");
    struct input x = take(inputs, "x"), f = take(inputs, "filter");
    struct input dy = take(c, "cotangent");
    struct conv2d_dims d =
        conv_dims(&x.array.shape, &f.array.shape, padding_is(c, "SAME"));
    int64_t n = d.batch * d.oh * d.ow * d.c_out;
    float *y = filled(n, 7), *dx = filled(x.array.n, 1);
    float* df = filled(f.array.n, 1);
    float* scratch = filled((int64_t)(k_conv2d_scratch(&d) / 4) + 1, 0);
    k_conv2d(&d, x.x, f.x, y, scratch);
    same(report, c, "output", y, n);
    k_conv2d_backward(&d, x.x, f.x, dy.x, dx, df, scratch);
    same_gradient(report, c, "x", dx, x.array.n);
    same_gradient(report, c, "filter", df, f.array.n);
    drop(&x);
    drop(&f);
    drop(&dy);
    free(y);
    free(dx);
    free(df);
    free(scratch);
    return true;
}

static bool case_max_pool(const cJSON* c, struct golden_report* report)
{
    int64_t size = golden_int(cJSON_GetArrayItem(attribute(c, "ksize"), 0));
    int64_t stride = golden_int(cJSON_GetArrayItem(attribute(c, "strides"), 0));
    if (!padding_is(c, "VALID") || !both_are(c, "ksize", size) ||
        !both_are(c, "strides", stride)) {
        return false;
    }
    golden_case(report, "max_pool %ld stride %ld", (long)size, (long)stride);
    struct input x = take(golden_member(c, "inputs"), "x");
    struct input dy = take(c, "cotangent");
    const int64_t* dim = x.array.shape.dim;
    struct pool2d_dims d = {dim[0], dim[1], dim[2], dim[3], size, stride, 0, 0};
    d.oh = (d.h - size) / stride + 1;
    d.ow = (d.w - size) / stride + 1;
    int64_t n = d.batch * d.oh * d.ow * d.c;
    float *y = filled(n, 7), *dx = filled(x.array.n, 1);
    uint8_t* arg = (uint8_t*)filled(n, 0);
    k_max_pool2d(&d, x.x, y, arg);
    same(report, c, "output", y, n);
    if (n == dy.array.n) {
        k_max_pool2d_backward(&d, arg, dy.x, dx);
    }
    same_gradient(report, c, "x", dx, x.array.n);
    drop(&x);
    drop(&dy);
    free(y);
    free(dx);
    free(arg);
    return true;
}

struct activation {
    const char* name;
    void (*forward)(int64_t, const float*, float*);
    void (*backward)(int64_t, const float*, const float*, float*);
};
static const struct activation activations[] = {
    {"relu", k_relu, k_relu_backward},
    {"sigmoid", k_sigmoid, k_sigmoid_backward},
    {"tanh", k_tanh, k_tanh_backward},
};

static const struct activation* find_activation(const char* name)
{
    for (size_t i = 0; i < sizeof(activations) / sizeof(activations[0]); i++) {
        if (strcmp(activations[i].name, name) == 0) {
            return &activations[i];
        }
    }
    return NULL;
}

static bool case_activation(const cJSON* c, struct golden_report* report)
{
    const struct activation* f = find_activation(golden_text(c, "op"));
    golden_case(report, "%s", f->name);
    struct input x = take(golden_member(c, "inputs"), "x");
    struct input dy = take(c, "cotangent");
    int64_t n = x.array.n;
    float *y = filled(n, 7), *dx = filled(n, 1);
    f->forward(n, x.x, y);
    same(report, c, "output", y, n);
    f->backward(n, y, dy.x, dx);
    same_gradient(report, c, "x", dx, n);
    drop(&x);
    drop(&dy);
    free(y);
    free(dx);
    return true;
}

static bool case_softmax(const cJSON* c, struct golden_report* report)
{
    golden_case(report, "softmax");
    struct input x = take(golden_member(c, "inputs"), "x");
    struct input dy = take(c, "cotangent");
    int64_t n = x.array.shape.dim[x.array.shape.rank - 1];
    int64_t rows = x.array.n / n;
    float *y = filled(x.array.n, 7), *dx = filled(x.array.n, 1);
    k_softmax(rows, n, x.x, y);
    same(report, c, "output", y, x.array.n);
    k_softmax_backward(rows, n, y, dy.x, dx);
    same_gradient(report, c, "x", dx, x.array.n);
    drop(&x);
    drop(&dy);
    free(y);
    free(dx);
    return true;
}

static bool case_matmul(const cJSON* c, struct golden_report* report)
{
    bool ta = cJSON_IsTrue(attribute(c, "transpose_a"));
    bool tb = cJSON_IsTrue(attribute(c, "transpose_b"));
    golden_case(report, "matmul transpose %d %d", ta, tb);
    const cJSON* inputs = golden_member(c, "inputs");
    struct input a = take(inputs, "a"), b = take(inputs, "b");
    struct input dy = take(c, "cotangent");
    int64_t m = a.array.shape.dim[ta ? 1 : 0];
    int64_t k = a.array.shape.dim[ta ? 0 : 1];
    int64_t n = b.array.shape.dim[tb ? 0 : 1];
    float *y = filled(m * n, 7), *da = filled(m * k, 1), *db = filled(k * n, 1);
    k_matmul(ta, tb, m, n, k, a.x, b.x, false, y);
    same(report, c, "output", y, m * n);
    if (ta) {
        k_matmul(tb, true, k, m, n, b.x, dy.x, true, da);
    } else {
        k_matmul(false, !tb, m, k, n, dy.x, b.x, true, da);
    }
    if (tb) {
        k_matmul(true, ta, n, k, m, dy.x, a.x, true, db);
    } else {
        k_matmul(!ta, false, k, n, m, a.x, dy.x, true, db);
    }
    same_gradient(report, c, "a", da, m * k);
    same_gradient(report, c, "b", db, k * n);
    drop(&a);
    drop(&b);
    drop(&dy);
    free(y);
    free(da);
    free(db);
    return true;
}

static bool case_bias_add(const cJSON* c, struct golden_report* report)
{
    golden_case(report, "bias_add");
    const cJSON* inputs = golden_member(c, "inputs");
    struct input x = take(inputs, "x"), b = take(inputs, "b");
    struct input dy = take(c, "cotangent");
    int64_t n = b.array.n, rows = x.array.n / n;
    float *y = filled(x.array.n, 7), *db = filled(n, 1);
    k_bias_add(rows, n, x.x, b.x, y);
    same(report, c, "output", y, x.array.n);
    same(report, golden_member(c, "gradients"), "x", dy.x, x.array.n);
    k_bias_add_backward(rows, n, dy.x, db);
    same_gradient(report, c, "b", db, n);
    drop(&x);
    drop(&b);
    drop(&dy);
    free(y);
    free(db);
    return true;
}

/* y = f(x kernel + bias), f none or an activation. */
static bool case_dense(const cJSON* c, struct golden_report* report)
{
    const char* name =
        golden_text(golden_member(c, "attributes"), "activation");
    const struct activation* f = find_activation(name);
    golden_case(report, "dense %s", name);
    const cJSON* inputs = golden_member(c, "inputs");
    struct input x = take(inputs, "x"), w = take(inputs, "kernel");
    struct input b = take(inputs, "bias"), dy = take(c, "cotangent");
    int64_t k = w.array.shape.dim[0], n = w.array.shape.dim[1];
    int64_t m = x.array.n / k;
    float *y = filled(m * n, 7), *dz = filled(m * n, f == NULL ? 1 : 0);
    float *dx = filled(m * k, 1), *dw = filled(k * n, 1), *db = filled(n, 1);
    k_matmul(false, false, m, n, k, x.x, w.x, false, y);
    k_bias_add(m, n, y, b.x, y);
    if (f != NULL) {
        f->forward(m * n, y, y);
        f->backward(m * n, y, dy.x, dz);
    } else {
        memcpy(dz, dy.x, (size_t)(m * n) * sizeof(float));
    }
    same(report, c, "output", y, m * n);
    k_matmul(false, true, m, k, n, dz, w.x, true, dx);
    k_matmul(true, false, k, n, m, x.x, dz, true, dw);
    k_bias_add_backward(m, n, dz, db);
    same_gradient(report, c, "x", dx, m * k);
    same_gradient(report, c, "kernel", dw, k * n);
    same_gradient(report, c, "bias", db, n);
    struct input* taken[] = {&x, &w, &b, &dy};
    float* made[] = {y, dz, dx, dw, db};
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
        drop(taken[i]);
    }
    for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
        free(made[i]);
    }
    return true;
}

/* The loss of each row (none), their sum (weighted_sum) or their mean (the
 * other reductions, which are the same while there are no weights). */
static bool case_sparse_xent(const cJSON* c, struct golden_report* report)
{
    const cJSON* inputs = golden_member(c, "inputs");
    const char* reduction =
        golden_text(golden_member(c, "attributes"), "reduction");
    bool none = strcmp(reduction, "none") == 0;
    bool sum = strcmp(reduction, "weighted_sum") == 0;
    if (cJSON_GetObjectItemCaseSensitive(inputs, "weights") != NULL) {
        return false;
    }
    golden_case(report, "sparse_softmax_cross_entropy %s", reduction);
    struct input x = take(inputs, "logits"), labels = take(inputs, "labels");
    struct input dy = take(c, "cotangent");
    int64_t rows = x.array.shape.dim[0], n = x.array.shape.dim[1];
    float *loss = filled(rows, 7), *prob = filled(x.array.n, 7);
    float *d_loss = filled(rows, 0), *dx = filled(x.array.n, 1);
    int64_t bad =
        k_sparse_softmax_xent(rows, n, x.x, labels.array.integer, loss, prob);
    golden_same_int(report, "bad label", -1, bad, -1);
    float divisor = sum || none ? 1.0f : (float)rows;
    float total = (float)k_sum(rows, loss) / divisor;
    same(report, c, "output", none ? loss : &total, none ? rows : 1);
    for (int64_t r = 0; r < rows; r++) {
        d_loss[r] = dy.x[none ? r : 0] / divisor;
    }
    k_sparse_softmax_xent_backward(rows, n, prob, labels.array.integer, d_loss,
                                   dx);
    same_gradient(report, c, "logits", dx, x.array.n);
    drop(&x);
    drop(&labels);
    drop(&dy);
    free(loss);
    free(prob);
    free(d_loss);
    free(dx);
    return true;
}

static const struct {
    const char* op;
    bool (*run)(const cJSON*, struct golden_report*);
} cases[] = {
    {"conv2d", case_conv2d},
    {"max_pool", case_max_pool},
    {"relu", case_activation},
    {"sigmoid", case_activation},
    {"tanh", case_activation},
    {"softmax", case_softmax},
    {"matmul", case_matmul},
    {"bias_add", case_bias_add},
    {"dense", case_dense},
    {"sparse_softmax_cross_entropy", case_sparse_xent},
};

static bool run_case(const cJSON* c, struct golden_report* report)
{
    const char* op = golden_text(c, "op");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (strcmp(cases[i].op, op) == 0) {
            return cases[i].run(c, report);
        }
    }
    return false;
}

int family_ops(const char* dir, struct golden_report* report)
{
    static const char* const files[] = {"conv_pool.json", "elementwise.json",
                                        "linear_algebra.json", "losses.json"};
    struct crew_err err = {0};
    if (blas_load(&err) != CREW_OK) {
        return golden_trouble(78, "%s", err.msg);
    }
    int skipped = 0;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        cJSON* root = golden_load(dir, files[i]);
        if (root == NULL) {
            return 66;
        }
        const cJSON* c;
        cJSON_ArrayForEach(c, golden_member(root, "cases"))
        {
            skipped += !run_case(c, report);
        }
        golden_end(report);
        cJSON_Delete(root);
    }
    printf(
        "ops: %d cases skipped: we have no kernel for them; embedding and "
        "normalization are not looked at\n",
        skipped);
    return 0;
}
