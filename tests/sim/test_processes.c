/* SPDX-License-Identifier: Apache-2.0
 *
 * The blocking trainer and the parameter server over real sockets, each on
 * threads of this process, so that ThreadSanitizer sees all of it: a chief and
 * two workers train to max_steps on two ps while the chief saves; every update
 * is there exactly once; with Adam and one trainer the bits are those of
 * training in one process, also synchronously; the mean of three trainers'
 * gradients has the bits of one process that averages the same ones; a signal
 * ends a wait. */
#include <check.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "allocations.h"
#include "base/mem.h"
#include "cluster/trainer.h"
#include "config/tf_config.h"
#include "ps.h"
#include "rpc/uv_net.h"

#define NUM_PS 2
#define NUM_VARS 3
#define COUNT_STEPS 20
#define ROWS 300
#define COLS 200

/* ------------------------------------------------------------------- the ps */

struct server {
    pthread_t thread;
    uint32_t index;
    char address[64];
    char *cluster;
    uint32_t num_workers;
    uv_loop_t loop;
    struct rpc_net *net;
    struct ps *ps;
    int exit_code;
};

static void on_closed(void *self)
{
    struct server *s = self;
    s->ps = NULL;
}

static void on_over(void *self, int exit_code)
{
    struct server *s = self;
    s->exit_code = exit_code;
    ps_close(s->ps, on_closed, s);
}

static void *serve(void *arg)
{
    struct server *s = arg;
    (void)uv_run(&s->loop, UV_RUN_DEFAULT);
    uv_net_free(s->net);
    (void)uv_run(&s->loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&s->loop);
    return NULL;
}

static void open_server(struct server *s)
{
    struct crew_err err = {0};
    int port = 0;
    struct ps_options o = {.index = s->index,
                           .incarnation = 17 + s->index,
                           .address = s->address,
                           .cluster = s->cluster,
                           .num_workers = s->num_workers,
                           .session_creation_timeout_secs = 60,
                           .on_over = on_over,
                           .self = s};
    (void)uv_loop_init(&s->loop);
    s->net = o.net = uv_net_new(&s->loop);
    ck_assert_msg(ps_open(&o, &s->ps, &port, &err) == CREW_OK, "%s", err.msg);
    ck_assert_int_eq(pthread_create(&s->thread, NULL, serve, s), 0);
}

/* ------------------------------------------------------------- the trainers */

struct worker {
    pthread_t thread;
    struct tf_config *tf;
    struct trainer *trainer;
    struct trainer_options options;
    struct crew_optimizer optimizer;
    struct crew_optimizer second; /* of variable b; kind 0: none */
    struct crew_optimizer optimizers[2];
    struct optim_powers powers[2];
    struct trainer_var vars[NUM_VARS];
    float *grads[NUM_VARS];
    bool tables;              /* variables a and c are tables: */
    uint32_t *rows[NUM_VARS]; /* rows of the gradient, and their values */
    float *packed[NUM_VARS];
    struct replicas replicas;
    int who, among; /* whose gradients it computes; of how many in turn */
    int64_t steps;  /* its own */
    int rc;
    struct crew_err err;
    bool saved;
    bool counts; /* no saves; the process's, in COUNT_STEPS steps of its own: */
    struct allocation_spans spans;
};

static const struct {
    const char *name;
    int64_t rows, cols;
} model[NUM_VARS] = {{"a", ROWS, COLS}, {"b", 1, 7}, {"c", 64, 5}};

static void make_vars(struct worker *w)
{
    for (int v = 0; v < NUM_VARS; v++) {
        int64_t n = model[v].rows * model[v].cols;
        void *p = NULL;
        w->vars[v] = (struct trainer_var){
            .name = model[v].name,
            .shape = crew_shape2(model[v].rows, model[v].cols),
            .n = n};
        for (int k = 0; k <= OPTIM_MAX_SLOTS; k++) {
            ck_assert_int_eq(mem_try((size_t)n, 4, "a test", &p, &w->err), 0);
            if (k == 0) {
                w->vars[v].value = p;
            } else {
                w->vars[v].slot[k - 1] = p;
            }
        }
        w->vars[v].rows = w->tables && v != 1;
        w->grads[v] = xcalloc((size_t)n, 4);
        w->packed[v] = xcalloc((size_t)n, 4);
        w->rows[v] = xcalloc((size_t)model[v].rows, 4);
        for (int64_t i = 0; i < n; i++) {
            w->vars[v].value[i] = (float)(i % 17);
        }
    }
}

static void free_vars(struct worker *w)
{
    for (int v = 0; v < NUM_VARS; v++) {
        free(w->vars[v].value);
        for (int k = 0; k < OPTIM_MAX_SLOTS; k++) {
            free(w->vars[v].slot[k]);
        }
        free(w->grads[v]);
        free(w->packed[v]);
        free(w->rows[v]);
    }
}

/* Integers for the sums, something with bits in it for Adam. */
static void compute(struct worker *w)
{
    for (int v = 0; v < NUM_VARS; v++) {
        for (int64_t i = 0; i < w->vars[v].n; i++) {
            w->grads[v][i] = w->optimizer.kind == CREW_GRADIENT_DESCENT
                                 ? 1.0f
                                 : w->vars[v].value[i] * 0.37f + 0.1f;
        }
    }
}

/* Gradients of three, in turn or each by itself, clipped before they leave. */
static void compute_for(struct worker *w)
{
    int who = w->among > 1 ? (int)(w->steps % w->among) : w->who;
    const struct crew_clip *clip = &w->optimizer.clip;
    double sum = 0;
    for (int v = 0; v < NUM_VARS; v++) {
        for (int64_t i = 0; i < w->vars[v].n; i++) {
            w->grads[v][i] =
                w->vars[v].value[i] * (0.37f + 0.013f * (float)who) +
                0.1f * (float)(1 + who + i % 7);
        }
        sum += optim_sum_squares(w->vars[v].n, w->grads[v]);
    }
    for (int v = 0; clip->kind != 0 && v < NUM_VARS; v++) {
        optim_scale(w->vars[v].n, optim_global_scale(clip, sum), w->grads[v]);
    }
}

/* Hand over a table's gradient: of other rows for each trainer and update, of
 * none at times. */
static void hand_over_rows(struct worker *w, int v)
{
    int64_t width = w->vars[v].n / w->vars[v].shape.dim[0];
    int64_t among = w->among > 1 ? w->among : 1, update = w->steps / among;
    int64_t who = w->among > 1 ? w->steps % among : w->who;
    struct optim_rows g = {
        .width = width, .rows = w->rows[v], .values = w->packed[v]};
    for (int64_t r = 0; r < w->vars[v].shape.dim[0]; r++) {
        if (update % 5 != 4 && (r / 3 + 2 * update + who) % 7 < 2) {
            w->rows[v][g.n] = (uint32_t)r;
            memcpy(w->packed[v] + g.n++ * width, w->grads[v] + r * width,
                   (size_t)width * 4);
        }
    }
    w->trainer->ops->rows_ready(w->trainer, v, &g);
}

static int one_step(struct worker *w, int64_t *step)
{
    const struct trainer_ops *ops = w->trainer->ops;
    int rc = ops->next_step(w->trainer, &w->err);
    if (rc != CREW_OK) {
        return rc;
    }
    if (replicas_sync(&w->replicas)) {
        compute_for(w);
    } else {
        compute(w);
    }
    for (int v = NUM_VARS - 1; v >= 0; v--) {
        if (w->vars[v].rows) {
            hand_over_rows(w, v);
        } else {
            ops->grad_ready(w->trainer, v, w->grads[v]);
        }
    }
    return ops->finish_step(w->trainer, step, &w->err);
}

static int save(struct worker *w, int64_t *step)
{
    const struct trainer_ops *ops = w->trainer->ops;
    int rc = ops->hold(w->trainer, step, &w->err);
    rc = rc ? rc : ops->read_state(w->trainer, w->powers, &w->err);
    if (rc == CREW_OK && w->optimizer.kind == CREW_GRADIENT_DESCENT &&
        !replicas_sync(&w->replicas)) {
        for (int v = 0; v < NUM_VARS; v++) {
            for (int64_t i = 0; i < w->vars[v].n; i++) {
                ck_assert_float_eq(w->vars[v].value[i],
                                   (float)(i % 17 - *step));
            }
        }
    }
    return rc;
}

static int train(struct worker *w)
{
    const struct trainer_ops *ops = w->trainer->ops;
    int64_t step = 0;
    int rc = ops->begin(w->trainer, &step, &w->err);
    while (rc == CREW_OK) {
        rc = one_step(w, &step);
        w->steps += rc == CREW_OK;
        if (w->counts && w->steps >= 50 && w->steps % COUNT_STEPS == 0) {
            allocations_look(&w->spans);
        }
        if (rc == CREW_OK && !w->counts && w->tf != NULL &&
            w->tf->role == ROLE_CHIEF && w->steps % 7 == 0) {
            rc = save(w, &step);
            rc = rc ? rc : ops->release(w->trainer, &w->err);
            rc = rc ? rc : ops->saved(w->trainer, step, &w->err);
        }
    }
    return rc;
}

static void *run_worker(void *arg)
{
    struct worker *w = arg;
    w->rc = train(w);
    w->trainer->ops->close(w->trainer);
    return NULL;
}

static void open_trainer(struct worker *w, const char *json, int64_t max_steps)
{
    if (json != NULL) {
        ck_assert_msg(tf_config_parse(json, false, &w->tf, &w->err) == CREW_OK,
                      "%s", w->err.msg);
    }
    make_vars(w);
    w->optimizers[0] = w->optimizer;
    w->optimizers[1] = w->second;
    w->vars[1].optimizer = w->second.kind != 0;
    w->options =
        (struct trainer_options){.env = env_posix(),
                                 .tf = w->tf,
                                 .optimizers = w->optimizers,
                                 .num_optimizers = 1 + (w->second.kind != 0),
                                 .replicas = w->replicas,
                                 .vars = w->vars,
                                 .num_vars = NUM_VARS,
                                 .max_steps = max_steps,
                                 .save_checkpoints_steps = 100,
                                 .save_checkpoints_secs = -1,
                                 .session_creation_timeout_secs = 60};
    int rc = w->tf != NULL
                 ? trainer_cluster_open(&w->options, &w->trainer, &w->err)
                 : trainer_local_open(&w->options, &w->trainer, &w->err);
    ck_assert_msg(rc == CREW_OK, "%s", w->err.msg);
}

static void initialise(struct worker *w)
{
    for (int v = 0; v < NUM_VARS; v++) {
        const struct trainer_var *var = &w->vars[v];
        const struct crew_optimizer *o = &w->optimizers[var->optimizer];
        for (int k = 0; k < optim_num_slots(o); k++) {
            optim_slot_init(o, k, var->n, var->value, var->slot[k]);
        }
    }
    for (int i = 0; i < w->options.num_optimizers; i++) {
        w->powers[i] = optim_powers_initial(&w->optimizers[i]);
    }
    int rc = w->trainer->ops->initialise(w->trainer, 1, 0, w->powers, &w->err);
    ck_assert_msg(rc == CREW_OK, "%s", w->err.msg);
}

/* Ports that are free now. */
static void free_ports(int *ports, int n)
{
    uv_loop_t loop;
    uv_tcp_t tcp[8];
    (void)uv_loop_init(&loop);
    for (int i = 0; i < n; i++) {
        struct sockaddr_in a;
        struct sockaddr_storage got;
        int len = (int)sizeof(got);
        (void)uv_ip4_addr("127.0.0.1", 0, &a);
        (void)uv_tcp_init(&loop, &tcp[i]);
        (void)uv_tcp_bind(&tcp[i], (const struct sockaddr *)&a, 0);
        (void)uv_tcp_getsockname(&tcp[i], (struct sockaddr *)&got, &len);
        ports[i] = ntohs(((struct sockaddr_in *)&got)->sin_port);
    }
    for (int i = 0; i < n; i++) {
        uv_close((uv_handle_t *)&tcp[i], NULL);
    }
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&loop);
}

struct cluster_test {
    struct server servers[NUM_PS];
    char cluster[512];
};

static void json_of(const struct cluster_test *c,
                    const char *type,
                    int index,
                    char *out,
                    size_t size)
{
    (void)snprintf(out, size,
                   "{\"cluster\":%s,\"task\":{\"type\":\"%s\",\"index\":%d}}",
                   c->cluster, type, index);
}

static void open_servers(struct cluster_test *c)
{
    int p[5];
    char json[700];
    struct crew_err err = {0};
    struct tf_config *tf = NULL;
    free_ports(p, 5);
    (void)snprintf(
        c->cluster, sizeof(c->cluster),
        "{\"chief\":[\"127.0.0.1:%d\"],\"worker\":[\"127.0.0.1:%d\","
        "\"127.0.0.1:%d\"],\"ps\":[\"127.0.0.1:%d\",\"127.0.0.1:%d\"]}",
        p[2], p[3], p[4], p[0], p[1]);
    json_of(c, "ps", 0, json, sizeof(json));
    ck_assert_int_eq(tf_config_parse(json, false, &tf, &err), CREW_OK);
    for (uint32_t i = 0; i < NUM_PS; i++) {
        struct server *s = &c->servers[i];
        s->index = i;
        s->num_workers = 2;
        s->cluster = cluster_canonical(tf->cluster);
        (void)snprintf(s->address, sizeof(s->address), "127.0.0.1:%d", p[i]);
        open_server(s);
    }
    tf_config_free(tf);
}

static void join_servers(struct cluster_test *c, int exit_code)
{
    for (int i = 0; i < NUM_PS; i++) {
        (void)pthread_join(c->servers[i].thread, NULL);
        ck_assert_int_eq(c->servers[i].exit_code, exit_code);
        free(c->servers[i].cluster);
    }
}

static void stop_and_close(struct worker *w, int64_t step)
{
    bool evaluator = true;
    int rc = w->trainer->ops->stop(w->trainer, 0, step, "max_steps reached",
                                   &evaluator, &w->err);
    ck_assert_msg(rc == CREW_OK, "%s", w->err.msg);
    ck_assert(!evaluator);
    w->trainer->ops->close(w->trainer);
}

/* Three trainers, two ps: exactly max_steps, every update once, consistent
 * saves. */
START_TEST(test_trains)
{
    struct cluster_test c = {.cluster = ""};
    struct worker w[3] = {{.rc = 0}};
    char json[700];
    int64_t step = 0;
    const int64_t max_steps = 60;
    open_servers(&c);
    for (int i = 0; i < 3; i++) {
        json_of(&c, i == 0 ? "chief" : "worker", i == 0 ? 0 : i - 1, json,
                sizeof(json));
        w[i].optimizer = crew_gradient_descent(1.0);
        open_trainer(&w[i], json, max_steps);
    }
    for (int i = 1; i < 3; i++) {
        ck_assert_int_eq(pthread_create(&w[i].thread, NULL, run_worker, &w[i]),
                         0);
    }
    initialise(&w[0]);
    ck_assert_int_eq(train(&w[0]), CREW_OUT_OF_RANGE);
    w[0].err = (struct crew_err){0};
    ck_assert_int_eq(save(&w[0], &step), CREW_OK);
    ck_assert_int_eq(step, max_steps);
    stop_and_close(&w[0], step);
    for (int i = 1; i < 3; i++) {
        (void)pthread_join(w[i].thread, NULL);
        ck_assert_msg(w[i].rc == CREW_OUT_OF_RANGE, "%s", w[i].err.msg);
    }
    ck_assert_int_eq(w[0].steps + w[1].steps + w[2].steps, max_steps);
    join_servers(&c, 0);
    for (int i = 0; i < 3; i++) {
        free_vars(&w[i]);
        tf_config_free(w[i].tf);
    }
}
END_TEST

/* One that has every constant, with a schedule and an average. */
static struct crew_optimizer optimizer_of(int i)
{
    struct crew_optimizer o = crew_gradient_descent(0.01);
    switch (i) {
        case 0:
            o = crew_adam(0.01);
            break;
        case 1:
            o = crew_momentum(0.01, 0.9, true);
            break;
        case 2:
            o = crew_adagrad(0.01);
            break;
        case 3:
            o = crew_adadelta(0.5);
            break;
        case 4:
            o = crew_rmsprop(0.01);
            break;
        case 5:
            o = crew_rmsprop(0.01);
            o.centered = true;
            o.epsilon = 0.01f;
            break;
        case 6:
            o = crew_ftrl(0.1);
            o.l1 = 0.001f;
            o.l2 = 0.01f;
            o.l2_shrinkage = 0.01f;
            o.beta = 0.1f;
            break;
        case 7:
            o = crew_adamw(0.01, 0.01);
            break;
        case 8:
            o = crew_proximal_gradient_descent(0.01, 0.001, 0.001);
            break;
        case 9:
            o = crew_proximal_adagrad(0.01, 0.001, 0.001);
            break;
        default:
            o = crew_adagrad_da(0.01, 0.001, 0.001);
            break;
    }
    o.schedule = crew_exponential_decay(5, 0.8, i % 2 == 0);
    o.average.decay = i % 3 == 0 ? 0.0f : 0.9f;
    o.average.num_updates = i % 3 == 1;
    return o;
}
enum { NUM_OPTIMIZERS = 11 };

static void same_state(const struct worker *a, const struct worker *b)
{
    for (int v = 0; v < NUM_VARS; v++) {
        const struct trainer_var *x = &a->vars[v], *y = &b->vars[v];
        const struct crew_optimizer *o = &a->optimizers[x->optimizer];
        size_t bytes = (size_t)x->n * 4;
        bool moved = false;
        ck_assert_mem_eq(x->value, y->value, bytes);
        for (int k = 0; k < optim_num_slots(o); k++) {
            ck_assert_mem_eq(x->slot[k], y->slot[k], bytes);
        }
        for (int64_t i = 0; i < x->n; i++) {
            ck_assert(isfinite(x->value[i]));
            moved = moved || x->value[i] < (float)(i % 17) - 0.001f;
        }
        ck_assert(moved);
    }
    ck_assert_mem_eq(a->powers, b->powers, sizeof(a->powers));
}

/* One trainer on two ps, as `far` says, has the bits of one process. */
static void has_the_bits_of_one_process(struct worker far)
{
    struct cluster_test c = {.cluster = ""};
    struct worker near = far;
    char json[700];
    int64_t step = 0;
    open_servers(&c);
    json_of(&c, "chief", 0, json, sizeof(json));
    open_trainer(&far, json, 20);
    open_trainer(&near, NULL, 20);
    initialise(&far);
    initialise(&near);
    ck_assert_int_eq(train(&far), CREW_OUT_OF_RANGE);
    ck_assert_int_eq(train(&near), CREW_OUT_OF_RANGE);
    far.err = near.err = (struct crew_err){0};
    ck_assert_int_eq(save(&far, &step), CREW_OK);
    ck_assert_int_eq(save(&near, &step), CREW_OK);
    ck_assert_int_eq(step, 20);
    same_state(&far, &near);
    stop_and_close(&far, step);
    near.trainer->ops->close(near.trainer);
    join_servers(&c, 0);
    free_vars(&far);
    free_vars(&near);
    tf_config_free(far.tf);
}

/* Values, slots, averages and powers, of two optimizers with schedules. */
START_TEST(test_same_bits)
{
    has_the_bits_of_one_process(
        (struct worker){.optimizer = optimizer_of(2 * _i),
                        .second = optimizer_of((2 * _i + 1) % NUM_OPTIMIZERS)});
}
END_TEST

/* The same with tables, whose gradients are of rows. */
START_TEST(test_same_bits_of_tables)
{
    struct crew_optimizer first = optimizer_of(2 * _i);
    first.lazy = _i == 0;
    has_the_bits_of_one_process(
        (struct worker){.optimizer = first,
                        .second = optimizer_of((2 * _i + 1) % NUM_OPTIMIZERS),
                        .tables = true});
}
END_TEST

/* Synchronous of one is asynchronous of one. */
START_TEST(test_sync_of_one)
{
    has_the_bits_of_one_process(
        (struct worker){.optimizer = optimizer_of(_i),
                        .tables = _i == 1,
                        .second = optimizer_of(_i + 3),
                        .replicas = {.to_aggregate = 1, .total = 1}});
}
END_TEST

enum { NUM_RULES = 4, ALL_RULES = NUM_RULES + 3 };

static struct crew_optimizer rule_of(int i)
{
    struct crew_optimizer o = crew_gradient_descent(0.05);
    if (i >= NUM_RULES) { /* with a schedule, and some with an average */
        return optimizer_of(i - NUM_RULES);
    }
    if (i == 1) {
        o = crew_momentum(0.05, 0.9, false);
    } else if (i >= 2) {
        o = crew_adam(0.01);
    }
    if (i == 3) {
        o.clip = crew_clip_by_global_norm(3);
    }
    return o;
}

/* Three trainers on two ps, a gradient of each an update, with saves in
 * between: the bits of one process that averages the same gradients in their
 * order. */
START_TEST(test_sync_mean)
{
    struct cluster_test c = {.cluster = ""};
    struct worker w[3] = {{.rc = 0}};
    /* Variable b is an average over batches, as batch normalisation's are. */
    const struct crew_optimizer average = {.kind = CREW_ASSIGN,
                                           .learning_rate = 0.01f};
    struct worker near = {.optimizer = rule_of(_i % ALL_RULES),
                          .second = average,
                          .replicas = {.to_aggregate = 3, .total = 1},
                          .tables = _i >= ALL_RULES,
                          .among = 3};
    char json[700];
    int64_t step = 0;
    open_servers(&c);
    for (int i = 0; i < 3; i++) {
        json_of(&c, i == 0 ? "chief" : "worker", i == 0 ? 0 : i - 1, json,
                sizeof(json));
        w[i].optimizer = rule_of(_i % ALL_RULES);
        w[i].second = average;
        w[i].replicas = (struct replicas){.to_aggregate = 3, .total = 3};
        w[i].who = i;
        w[i].tables = _i >= ALL_RULES;
        open_trainer(&w[i], json, 25);
    }
    open_trainer(&near, NULL, 25);
    for (int i = 1; i < 3; i++) {
        ck_assert_int_eq(pthread_create(&w[i].thread, NULL, run_worker, &w[i]),
                         0);
    }
    initialise(&w[0]);
    initialise(&near);
    ck_assert_int_eq(train(&near), CREW_OUT_OF_RANGE);
    ck_assert_msg(train(&w[0]) == CREW_OUT_OF_RANGE, "%s", w[0].err.msg);
    w[0].err = near.err = (struct crew_err){0};
    ck_assert_int_eq(save(&w[0], &step), CREW_OK);
    ck_assert_int_eq(step, 25);
    ck_assert_int_eq(save(&near, &step), CREW_OK);
    ck_assert_int_eq(step, 25);
    same_state(&w[0], &near);
    stop_and_close(&w[0], step);
    for (int i = 1; i < 3; i++) {
        (void)pthread_join(w[i].thread, NULL);
        ck_assert_msg(w[i].rc == CREW_OUT_OF_RANGE, "%s", w[i].err.msg);
        ck_assert_int_eq(w[i].steps, 25);
    }
    ck_assert_int_eq(near.steps, 75);
    near.trainer->ops->close(near.trainer);
    join_servers(&c, 0);
    free_vars(&near);
    for (int i = 0; i < 3; i++) {
        free_vars(&w[i]);
        tf_config_free(w[i].tf);
    }
}
END_TEST

/* Three trainers on two ps, in one process: nobody allocates in a step, neither
 * the trainers nor the ps, asynchronously or synchronously, with tables too.
 * Who allocates in each step would be counted in any COUNT_STEPS of them; a
 * pool of frames, which may grow when the machine is so busy that more are
 * under way than ever before, is not in all. */
START_TEST(test_no_allocation)
{
    struct cluster_test c = {.cluster = ""};
    struct worker w[3] = {{.rc = 0}};
    char json[700];
    bool sync = _i % 2 == 1;
    const int64_t max_steps = sync ? 200 : 900;
    open_servers(&c);
    for (int i = 0; i < 3; i++) {
        json_of(&c, i == 0 ? "chief" : "worker", i == 0 ? 0 : i - 1, json,
                sizeof(json));
        w[i].optimizer = crew_adam(0.01);
        if (sync) {
            w[i].replicas = (struct replicas){.to_aggregate = 3, .total = 3};
        }
        w[i].who = i, w[i].counts = true, w[i].tables = _i >= 2;
        w[i].spans.least = UINT64_MAX;
        open_trainer(&w[i], json, max_steps);
    }
    for (int i = 1; i < 3; i++) {
        ck_assert_int_eq(pthread_create(&w[i].thread, NULL, run_worker, &w[i]),
                         0);
    }
    initialise(&w[0]);
    ck_assert_msg(train(&w[0]) == CREW_OUT_OF_RANGE, "%s", w[0].err.msg);
    w[0].err = (struct crew_err){0};
    stop_and_close(&w[0], max_steps);
    for (int i = 1; i < 3; i++) {
        (void)pthread_join(w[i].thread, NULL);
    }
    ck_assert_int_ge(w[0].steps, 150);
    join_servers(&c, 0);
    for (int i = 0; i < 3; i++) {
        free_vars(&w[i]);
        tf_config_free(w[i].tf);
    }
    if (allocations_counted()) {
        ck_assert_uint_lt(w[0].spans.least, COUNT_STEPS / 10);
        ck_assert_uint_gt(w[0].spans.before, 0);
    }
}
END_TEST

/* A trainer with a bug sends rows out of order: the ps says where, and what it
 * holds stays as it is. */
START_TEST(test_bad_rows)
{
    static const uint32_t rows[2] = {5, 3};
    struct cluster_test c = {.cluster = ""};
    struct worker w = {.optimizer = crew_gradient_descent(1.0), .tables = true};
    const struct trainer_ops *ops;
    char json[700];
    int64_t step = 0;
    open_servers(&c);
    json_of(&c, "chief", 0, json, sizeof(json));
    open_trainer(&w, json, 20);
    initialise(&w);
    ops = w.trainer->ops;
    ck_assert_int_eq(ops->begin(w.trainer, &step, &w.err), CREW_OK);
    ck_assert_int_eq(ops->next_step(w.trainer, &w.err), CREW_OK);
    struct optim_rows bad = {
        .n = 2, .width = 5, .rows = rows, .values = w.grads[2]};
    struct optim_rows none = {.width = COLS};
    ops->rows_ready(w.trainer, 2, &bad);
    ops->grad_ready(w.trainer, 1, w.grads[1]);
    ops->rows_ready(w.trainer, 0, &none);
    ck_assert_int_eq(ops->finish_step(w.trainer, &step, &w.err),
                     CREW_INVALID_ARGUMENT);
    ck_assert_msg(strstr(w.err.msg,
                         "row 3 in place 1 of a gradient: rows must "
                         "ascend and be below 64") != NULL,
                  "got: %s", w.err.msg);
    ck_assert_int_eq(crew_err_exit_code(&w.err), 70);
    w.err = (struct crew_err){0};
    stop_and_close(&w, 0);
    join_servers(&c, 0);
    free_vars(&w);
    tf_config_free(w.tf);
}
END_TEST

static void *interrupt(void *arg)
{
    (void)usleep(100000);
    trainer_interrupt(arg);
    return NULL;
}

/* A worker waits for a chief that does not come, until a signal does. */
START_TEST(test_interrupt)
{
    struct cluster_test c = {.cluster = ""};
    struct worker w = {.optimizer = crew_gradient_descent(1.0)};
    char json[700];
    int64_t step = 0;
    pthread_t thread;
    struct crew_err err = {0};
    open_servers(&c);
    json_of(&c, "worker", 1, json, sizeof(json));
    open_trainer(&w, json, 20);
    ck_assert_int_eq(pthread_create(&thread, NULL, interrupt, w.trainer), 0);
    ck_assert_int_eq(w.trainer->ops->begin(w.trainer, &step, &w.err),
                     CREW_CANCELLED);
    (void)pthread_join(thread, NULL);
    w.trainer->ops->close(w.trainer);
    /* The chief finds that the job had ended: it says so and goes. */
    struct worker chief = {.optimizer = w.optimizer};
    json_of(&c, "chief", 0, json, sizeof(json));
    ck_assert_int_eq(tf_config_parse(json, false, &chief.tf, &err), CREW_OK);
    chief.options = w.options;
    chief.options.tf = chief.tf;
    int rc = trainer_announce_end(&chief.options, 20, "had ended", &err);
    ck_assert_msg(rc == CREW_OK, "%s", err.msg);
    join_servers(&c, 0);
    free_vars(&w);
    tf_config_free(w.tf);
    tf_config_free(chief.tf);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("processes");
    TCase *t = tcase_create("processes");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_trains);
    tcase_add_loop_test(t, test_same_bits, 0, (NUM_OPTIMIZERS + 1) / 2);
    tcase_add_loop_test(t, test_same_bits_of_tables, 0,
                        (NUM_OPTIMIZERS + 1) / 2);
    tcase_add_loop_test(t, test_sync_of_one, 0, 3);
    /* The second half with tables. */
    tcase_add_loop_test(t, test_sync_mean, 0, 2 * ALL_RULES);
    tcase_add_loop_test(t, test_no_allocation, 0, 4);
    tcase_add_test(t, test_bad_rows);
    tcase_add_test(t, test_interrupt);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed > 0;
}
