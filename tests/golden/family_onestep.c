/* SPDX-License-Identifier: Apache-2.0
 * Family onestep: whole models through the graph, from TensorFlow's weights
 * over its batches: first logits, gradients, every loss, last logits and
 * weights. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "checkpoint/bundle.h"
#include "golden.h"
#include "golden_families.h"
#include "graph/plan.h"
#include "kernels/blas.h"
#include "optim/optim.h"

#include "base/banned.h"

static const struct golden_tolerance tight = {1e-5, 1e-6};
static const struct golden_tolerance last_logits = {5e-5, 1e-6};
static const struct golden_tolerance losses = {2e-5, 0};

enum { MAX_VARS = 8, CLASSES = 10, PIXELS = 784 };

struct job {
    struct crew_graph *graph;
    struct crew_node *x, *labels, *logits, *loss;
    struct plan *plan;
    int n_vars;
    float *value[MAX_VARS];
    int64_t batch;
    float *images;  /* of one batch */
    int64_t *label; /* of one batch */
};

static struct crew_node *conv_block(struct crew_graph *g,
                                    struct crew_node *x,
                                    int64_t filters)
{
    x = crew_conv2d(g, NULL, x, filters, 5, CREW_SAME, CREW_RELU);
    return crew_max_pool2d(g, x, 2, 2);
}

static void build(struct job *j, const char *model)
{
    bool full = strcmp(model, "full_cnn") == 0;
    struct crew_graph *g = j->graph = graph_new();
    struct crew_node *x;

    j->x = graph_input(g, "x", CREW_FLOAT, crew_shape2(-1, PIXELS));
    j->labels = graph_input(g, "labels", CREW_INT64, crew_shape1(-1));
    x = j->x;
    if (strstr(model, "cnn") != NULL) {
        x = crew_reshape(g, x, crew_shape4(-1, 28, 28, 1));
        x = conv_block(g, x, full ? 32 : 4);
        x = conv_block(g, x, full ? 64 : 8);
        x = crew_reshape(g, x, crew_shape2(-1, full ? 3136 : 392));
        x = crew_dense(g, NULL, x, full ? 1024 : 32, CREW_RELU);
    } else if (strcmp(model, "mlp") == 0) {
        x = crew_dense(g, NULL, x, 64, CREW_RELU);
    }
    j->logits = crew_dense(g, NULL, x, CLASSES, CREW_LINEAR);
    j->loss = crew_sparse_softmax_cross_entropy(g, j->labels, j->logits);
}

/* The initial weights: an integer hash, see golden's README-numerics. */
static void hash_weights(float *w,
                         int64_t n,
                         uint32_t layer,
                         uint32_t p,
                         double amplitude,
                         double fan_in,
                         bool bias)
{
    for (int64_t i = 0; i < n; i++) {
        uint32_t x = (uint32_t)(i + 1) * 0x9E3779B1u +
                     (layer + 1) * 0x85EBCA6Bu + p + (bias ? 1 : 0);

        x ^= x >> 15;
        x *= 0x2C1B3C6Du;
        x ^= x >> 12;
        x *= 0x297A2D39u;
        x ^= x >> 15;
        double u = 2 * (x / 4294967296.0) - 1;
        w[i] = (float)(bias ? 0.1 * u : amplitude * u * sqrt(6.0 / fan_in));
    }
}

static void init(struct job *j, const cJSON *tree)
{
    const cJSON *list = golden_member(tree, "variables");

    j->n_vars = graph_num_vars(j->graph);
    for (int i = 0; i < j->n_vars; i++) {
        const struct graph_var *v = graph_var(j->graph, i);
        const cJSON *want = cJSON_GetArrayItem(list, i);

        if (want == NULL || strcmp(golden_text(want, "name"), v->name) != 0) {
            exit(golden_trouble(65, "variable %d is %s here", i, v->name));
        }
        j->value[i] = calloc((size_t)v->n, sizeof(float));
        hash_weights(j->value[i], v->n,
                     (uint32_t)golden_int(golden_member(want, "layer")),
                     (uint32_t)golden_int(golden_member(tree, "phase")),
                     golden_number(golden_member(tree, "amplitude")),
                     golden_number(golden_member(want, "fan_in")),
                     v->shape.rank == 1);
        plan_bind_var(j->plan, i, j->value[i]);
    }
}

/* The bytes of a .npy file after its header. */
static const char *npy_data(const char *bytes, size_t n)
{
    size_t head =
        n < 10 ? n : (size_t)(uint8_t)bytes[8] | (size_t)(uint8_t)bytes[9] << 8;

    if (n < 10 || memcmp(bytes, "\x93NUMPY", 6) != 0 || 10 + head > n) {
        exit(golden_trouble(65, "a .npy file has no header"));
    }
    return bytes + 10 + head;
}

static void load_batch(struct job *j,
                       const uint8_t *pixels,
                       const cJSON *batches,
                       int k)
{
    const cJSON *labels =
        cJSON_GetArrayItem(golden_member(batches, "labels"), k);

    for (int64_t i = 0; i < j->batch * PIXELS; i++) {
        j->images[i] = (float)pixels[k * j->batch * PIXELS + i] / 255.0f;
    }
    for (int64_t i = 0; i < j->batch; i++) {
        j->label[i] = golden_int(cJSON_GetArrayItem(labels, (int)i));
    }
}

static void forward(struct job *j)
{
    struct plan_feed feeds[] = {{j->x, CREW_FLOAT, j->images},
                                {j->labels, CREW_INT64, j->label}};
    struct crew_err err = {0};

    if (plan_forward(j->plan, feeds, 2, j->batch, 0, 0, &err) != CREW_OK) {
        exit(golden_trouble(70, "%s", err.msg));
    }
}

static void same_logits(struct golden_report *report,
                        struct job *j,
                        const cJSON *want,
                        struct golden_tolerance tolerance,
                        const char *name)
{
    struct golden_array array;
    struct crew_shape shape;
    const float *got = plan_value(j->plan, j->logits, &shape);

    golden_array_read(want, &array);
    golden_same_floats(report, name, got, j->batch * CLASSES, &array,
                       tolerance);
    golden_array_release(&array);
}

static void nothing(void *self, int var)
{
    (void)self, (void)var;
}

static double norm(const float *x, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++) {
        sum += (double)x[i] * (double)x[i];
    }
    return sqrt(sum);
}

/* The first values and the norm, or all of it where there is a file. */
static void same_gradient(struct golden_report *report,
                          const char *dir,
                          const cJSON *want,
                          const float *got,
                          int64_t n)
{
    const cJSON *file = cJSON_GetObjectItemCaseSensitive(want, "gradient_file");
    const cJSON *first =
        cJSON_GetObjectItemCaseSensitive(want, "gradient_first_values");
    double largest = golden_number(golden_member(want, "gradient_abs_max"));
    struct golden_tolerance one = {0, 1e-5 * largest + 1e-6};
    char name[128];

    (void)snprintf(name, sizeof name, "gradient of %s",
                   golden_text(want, "name"));
    golden_same_number(report, name, norm(got, n),
                       golden_number(golden_member(want, "gradient_l2_norm")),
                       tight);
    for (int i = 0; i < cJSON_GetArraySize(first); i++) {
        golden_same_number(report, name, (double)got[i],
                           golden_number(cJSON_GetArrayItem(first, i)), one);
    }
    if (file != NULL) {
        size_t size;
        char *bytes = golden_bytes(dir, file->valuestring, &size);
        const char *data = bytes == NULL ? NULL : npy_data(bytes, size);

        for (int64_t i = 0; data != NULL && i < n; i++) {
            float x;

            memcpy(&x, data + i * 4, sizeof x);
            golden_same_number(report, name, (double)got[i], (double)x, one);
        }
        free(bytes);
    }
}

static void same_final_weights(struct golden_report *report,
                               const char *dir,
                               const cJSON *tree,
                               struct job *j)
{
    const cJSON *final =
        cJSON_GetObjectItemCaseSensitive(tree, "final_checkpoint");
    struct bundle_reader *r = NULL;
    struct crew_err err = {0};
    char path[4096];

    if (!cJSON_IsString(final)) {
        return;
    }
    (void)snprintf(path, sizeof path, "%s/%s", dir, final->valuestring);
    if (bundle_reader_open(env_posix(), path, &r, &err) != CREW_OK) {
        exit(golden_trouble(66, "%s", err.msg));
    }
    for (int i = 0; i < j->n_vars; i++) {
        const struct graph_var *v = graph_var(j->graph, i);
        const struct bundle_tensor *t = bundle_find(r, v->name);
        float *want = calloc((size_t)v->n, sizeof *want);
        double largest = 0;

        if (t == NULL || t->nbytes != (uint64_t)v->n * 4 ||
            bundle_read(r, t, want, &err) != CREW_OK) {
            exit(golden_trouble(65, "%s in %s: %s", v->name, path, err.msg));
        }
        for (int64_t k = 0; k < v->n; k++) {
            largest = fmax(largest, fabs((double)want[k]));
        }
        for (int64_t k = 0; k < v->n; k++) {
            golden_same_number(
                report, v->name, (double)j->value[i][k], (double)want[k],
                (struct golden_tolerance){0, 1e-5 * largest + 1e-6});
        }
        free(want);
    }
    bundle_reader_free(r);
}

static void train(struct golden_report *report,
                  const char *dir,
                  const cJSON *tree,
                  struct job *j,
                  const uint8_t *pixels,
                  const cJSON *batches)
{
    struct crew_optimizer sgd = crew_gradient_descent(
        golden_number(golden_member(tree, "learning_rate")));
    struct optim_powers powers = optim_powers_initial(&sgd);
    struct optim_step now = optim_step_at(&sgd, &powers, 0);
    const cJSON *want = golden_member(tree, "losses");
    float *no_slots[OPTIM_MAX_SLOTS] = {NULL};

    for (int k = 0; k < cJSON_GetArraySize(want); k++) {
        struct crew_shape shape;

        load_batch(j, pixels, batches, k);
        forward(j);
        golden_same_number(
            report, "loss",
            (double)*(const float *)plan_value(j->plan, j->loss, &shape),
            golden_number(cJSON_GetArrayItem(want, k)), losses);
        if (k == 0) {
            same_logits(report, j, golden_member(tree, "batch0_logits"), tight,
                        "batch0_logits");
        }
        plan_backward(j->plan, nothing, NULL);
        for (int i = 0; i < j->n_vars; i++) {
            int64_t n = graph_var(j->graph, i)->n;

            if (k == 0) {
                same_gradient(
                    report, dir,
                    cJSON_GetArrayItem(golden_member(tree, "per_variable"), i),
                    plan_grad(j->plan, i), n);
            }
            optim_apply(&sgd, &now, n, j->value[i], no_slots,
                        plan_grad(j->plan, i));
        }
    }
}

static void run(struct golden_report *report,
                const char *dir,
                const cJSON *tree,
                const uint8_t *pixels,
                const cJSON *batches)
{
    struct job j = {.batch = golden_int(golden_member(tree, "batch"))};
    struct crew_err err = {0};

    golden_case(report, "%s", golden_text(tree, "model"));
    build(&j, golden_text(tree, "model"));
    if (plan_new(j.graph, &j.logits, 1, j.loss, j.batch, &j.plan, &err) !=
        CREW_OK) {
        exit(golden_trouble(70, "%s", err.msg));
    }
    j.images = calloc((size_t)(j.batch * PIXELS), sizeof *j.images);
    j.label = calloc((size_t)j.batch, sizeof *j.label);
    init(&j, tree);
    train(report, dir, tree, &j, pixels, batches);
    load_batch(&j, pixels, batches, 0);
    forward(&j);
    same_logits(report, &j, golden_member(tree, "final_logits_on_batch0"),
                last_logits, "final_logits");
    same_final_weights(report, dir, tree, &j);
    for (int i = 0; i < j.n_vars; i++) {
        free(j.value[i]);
    }
    free(j.images);
    free(j.label);
    plan_free(j.plan);
    graph_free(j.graph);
}

int family_onestep(const char *dir, struct golden_report *report)
{
    static const char *const models[] = {"linear.json", "mlp.json",
                                         "small_cnn.json", "full_cnn.json"};
    cJSON *batches = golden_load(dir, "batches.json");
    struct crew_err err = {0};
    size_t size = 0;
    char *npy = golden_bytes(dir, "images_uint8.npy", &size);

    if (batches == NULL || npy == NULL) {
        return 66;
    }
    if (blas_load(&err) != CREW_OK) {
        return golden_trouble(70, "%s", err.msg);
    }
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        char *path = path_join(dir, models[i]);
        bool there = fs_exists(env_posix(), path);

        free(path);
        if (!there) { /* the copy in this tree is a part */
            (void)printf("onestep: no %s here, skipped\n", models[i]);
            continue;
        }
        cJSON *tree = golden_load(dir, models[i]);

        if (tree == NULL) {
            return 65;
        }
        run(report, dir, tree, (const uint8_t *)npy_data(npy, size), batches);
        cJSON_Delete(tree);
    }
    golden_end(report);
    free(npy);
    cJSON_Delete(batches);
    return 0;
}
