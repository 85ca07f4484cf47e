/* SPDX-License-Identifier: Apache-2.0
 * TensorFlow's hooks as constructors: what is wrong with arguments, how values
 * are printed, what early stopping reads and decides. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem_fs.h"
#include "hooks/eval_metrics.h"
#include "hooks/events.h"
#include "hooks/hook_session.h"
#include "run_suite.h"

static struct crew_env *env;
static struct crew_graph *graph;
static struct crew_session session;
static struct strbuf log_text;

static void keep_line(void *self, enum env_level level, const char *line)
{
    (void)self;
    strbuf_addf(&log_text, "%s%s\n", level >= LOG_WARN ? "! " : "", line);
}

static void setup(void)
{
    env = env_mem_new(1);
    strbuf_init(&log_text);
    env_mem_on_log(env, keep_line, NULL);
    graph = graph_new();
    hook_session_init(&session, env, graph);
    session.is_chief = true;
    session.eval_dir = "/m/eval";
}

static void teardown(void)
{
    hook_session_release(&session);
    graph_free(graph);
    env_mem_free(env);
    strbuf_release(&log_text);
}

/* ---------------------------------------------------------------- arguments */

static struct crew_hook logging(int64_t iter, double secs, bool at_end)
{
    static const struct crew_logged tensors[] = {{"loss", NULL, NULL}};
    struct crew_logging o = {.tensors = tensors,
                             .num_tensors = 1,
                             .every_n_iter = iter,
                             .every_n_secs = secs,
                             .at_end = at_end};

    return crew_logging_tensor_hook(&o);
}

static struct crew_hook bad_hook(int i)
{
    struct crew_early_stopping both = {.run_every_secs = 1,
                                       .run_every_steps = 1};
    struct crew_early_stopping plain = {0};

    switch (i) {
        case 0:
        case 1:
            return logging(i, i, false);
        case 2:
            return logging(-3, 0, false);
        case 3:
            return crew_stop_at_step_hook(0, 0);
        case 4:
            return crew_stop_at_step_hook(1, 1);
        case 5:
            return crew_checkpoint_saver_hook(1, 1, NULL, 0);
        case 6:
            return crew_checkpoint_saver_hook(0, 0, NULL, 0);
        case 7:
            return crew_step_counter_hook(0, 0);
        case 8:
            return crew_summary_saver_hook(0, 0, NULL);
        case 9:
            return crew_profiler_hook(1, 1, NULL, true, false);
        case 10:
            return crew_in_memory_evaluator_hook(NULL, 1, NULL, NULL, 0, 1);
        case 11:
            return crew_stop_if_higher_hook("a", 1, both);
        case 12:
            return crew_early_stopping_hook(NULL, NULL, plain);
        default:
            return crew_nan_tensor_hook("nothing", true);
    }
}

static const char *const complaints[] = {
    "either at_end and/or exactly one of every_n_iter and every_n_secs must be "
    "provided.",
    "either at_end and/or exactly one of every_n_iter and every_n_secs must be "
    "provided.",
    "invalid every_n_iter=-3.",
    "One of num_steps or last_step must be specified.",
    "Only one of num_steps or last_step can be specified.",
    "Can not provide both every_secs and every_steps.",
    "Either every_secs or every_steps should be provided.",
    "exactly one of every_n_steps and every_n_secs should be provided.",
    "Either every_secs or every_steps should be provided.",
    "Can not provide both every_secs and every_steps.",
    "`input_fn` must be callable",
    "Only one of `run_every_secs` and `run_every_steps` must be set.",
    "`should_stop_fn` must be callable.",
    "\"The name 'nothing:0' refers to a Tensor which does not exist. The "
    "operation, 'nothing', does not exist in the graph.\"",
};
#define NUM_COMPLAINTS (int)(sizeof complaints / sizeof complaints[0])

START_TEST(wrong_arguments_are_told_at_begin)
{
    struct crew_err err = {0};

    hook_session_add(&session, bad_hook(_i));
    ck_assert_int_eq(hook_session_begin(&session, &err), CREW_INVALID_ARGUMENT);
    ck_assert_str_eq(err.msg, complaints[_i]);
    ck_assert_int_eq(err.exit_code, 1);
}
END_TEST

/* ----------------------------------------------------------------- printing */

static void check_text(enum crew_dtype dtype,
                       struct crew_shape shape,
                       const void *data,
                       const char *want)
{
    struct crew_value v = {dtype, shape, data};
    struct strbuf got;

    strbuf_init(&got);
    hook_value_text(&v, &got);
    ck_assert_str_eq(got.data, want);
    strbuf_release(&got);
}

/* What numpy 1.26 prints with suppress=True. */
START_TEST(floats_as_numpy_prints_them)
{
    static const float a[] = {0.5f, 0.25f};
    static const float b[] = {1, 2};
    static const float c[] = {0.1f, -20.5f, 3, 1e-6f};
    static const float d[] = {1e-10f, 1};
    static const float e[] = {NAN, 1.5f, -INFINITY};
    static const float f[] = {0, 1, 2, 3, 4, 5, 6, 7};
    static const float g[] = {0.1234567891f, 123456.789f};
    static const float h[] = {1e10f, 0.5f};
    float many[12];
    static float wide[2000];

    check_text(CREW_FLOAT, crew_shape1(2), a, "[0.5  0.25]");
    check_text(CREW_FLOAT, crew_shape1(2), b, "[1. 2.]");
    check_text(CREW_FLOAT, crew_shape2(2, 2), c,
               "[[  0.1      -20.5     ]\n [  3.         0.000001]]");
    check_text(CREW_FLOAT, crew_shape1(2), d, "[0. 1.]");
    check_text(CREW_FLOAT, crew_shape1(3), e, "[ nan  1.5 -inf]");
    check_text(CREW_FLOAT, (struct crew_shape){3, {2, 2, 2}}, f,
               "[[[0. 1.]\n  [2. 3.]]\n\n [[4. 5.]\n  [6. 7.]]]");
    check_text(CREW_FLOAT, crew_shape1(2), g,
               "[     0.12345679 123456.79      ]");
    check_text(CREW_FLOAT, crew_shape1(2), h, "[1.e+10 5.e-01]");
    for (int i = 0; i < 12; i++) {
        many[i] = (float)(i / 11.0);
    }
    check_text(CREW_FLOAT, crew_shape1(12), many,
               "[0.         0.09090909 0.18181819 0.27272728 0.36363637 "
               "0.45454547\n 0.54545456 0.6363636  0.72727275 0.8181818  "
               "0.90909094 1.        ]");
    for (int i = 0; i < 2000; i++) {
        wide[i] = (float)i / 7;
    }
    check_text(CREW_FLOAT, crew_shape2(2, 1000), wide,
               "[[  0.           0.14285715   0.2857143  ... 142.42857    "
               "142.57143\n  142.71428   ]\n [142.85715    143.         "
               "143.14285    ... 285.2857     285.42856\n  285.57144   ]]");
    check_text(CREW_FLOAT, crew_shape1(0), a, "[]");
    check_text(CREW_FLOAT, crew_scalar_shape(), a, "0.5");
}
END_TEST

START_TEST(integers_as_numpy_prints_them)
{
    static int64_t n[1200];

    for (int i = 0; i < 30; i++) {
        n[i] = i * -7;
    }
    check_text(CREW_INT64, crew_shape1(30), n,
               "[   0   -7  -14  -21  -28  -35  -42  -49  -56  -63  -70  -77  "
               "-84  -91\n  -98 -105 -112 -119 -126 -133 -140 -147 -154 -161 "
               "-168 -175 -182 -189\n -196 -203]");
    for (int i = 0; i < 1200; i++) {
        n[i] = i;
    }
    check_text(CREW_INT64, crew_shape1(1200), n,
               "[   0    1    2 ... 1197 1198 1199]");
    check_text(CREW_INT64, crew_shape2(550, 2), n,
               "[[   0    1]\n [   2    3]\n [   4    5]\n ...\n [1094 1095]\n "
               "[1096 1097]\n [1098 1099]]");
    check_text(CREW_INT64, crew_scalar_shape(), &n[7], "7");
}
END_TEST

/* ----------------------------------------------------------- early stopping */

/* Evaluations as the evaluator writes them. */
static void write_evaluations(const float *loss, int n, int64_t every)
{
    struct event_writer *events = NULL;

    hook_events_open(env, "/m/eval", false, &events);
    for (int i = 0; i < n; i++) {
        struct event_scalar s[] = {{.tag = "accuracy", .value = 0.5f, .n = 1},
                                   {.tag = "loss", .value = loss[i], .n = 1}};
        struct crew_err err = {0};

        ck_assert_int_eq(
            hook_event_evaluation(events, (i + 1) * every, s, 2, "/m/x", &err),
            CREW_OK);
    }
    event_writer_close(events);
}

/* One step with the hook; does it want to stop? */
static bool stops(struct crew_hook hook, struct crew_err *err)
{
    struct crew_run_context ctx = {.global_step = 501, .local_step = 1};

    hook_session_add(&session, hook);
    ck_assert_int_eq(hook_session_begin(&session, err), CREW_OK);
    (void)hook_session_after_run(&session, &ctx, err);
    return ctx.request_stop;
}

START_TEST(metrics_are_read_by_step)
{
    static const float losses[] = {0.5f, 0.25f};
    struct eval_metrics m;
    struct crew_err err = {0};

    ck_assert_int_eq(eval_metrics_read(env, "/m/eval", &m, &err), CREW_OK);
    ck_assert_int_eq(m.n, 0);
    write_evaluations(losses, 2, 100);
    write_evaluations(losses + 1, 1, 100); /* a later file: the later word */
    ck_assert_int_eq(eval_metrics_read(env, "/m/eval", &m, &err), CREW_OK);
    ck_assert_int_eq(m.n, 4);
    ck_assert_float_eq(eval_metrics_find(&m, 0, "loss")->value, 0.25f);
    ck_assert_int_eq(m.items[eval_metrics_step_end(&m, 0)].step, 200);
    ck_assert_ptr_null(eval_metrics_find(&m, 0, "none"));
    eval_metrics_release(&m);
}
END_TEST

static const float course[] = {0.9f, 0.5f, 0.5f, 0.6f, 0.5f};
static const struct {
    char rule; /* '<' lower, '>' higher, 'd' no decrease, 'i' no increase */
    double limit;
    int64_t min_steps;
    bool stop;
} decisions[] = {
    {'<', 0.5, 0, false},                         /* not strictly below */
    {'<', 0.51, 0, true},   {'>', 0.9, 0, false}, /* float32's 0.9 is less than
                                                     the double */
    {'>', 0.8, 0, true},    {'>', 0.8, 101, false}, /* only step 100 is above */
    {'d', 300, 0, true}, /* best at 200, equal is no decrease */
    {'d', 301, 0, false},   {'d', 300, 300, false}, /* best at 300 */
    {'d', 200, 300, true},  {'i', 400, 0, true},    {'i', 401, 0, false},
    {'i', 101, 300, false}, /* best at 400 */
    {'i', 100, 300, true},
};
#define NUM_DECISIONS (int)(sizeof decisions / sizeof decisions[0])

START_TEST(early_stopping_decides_as_tensorflow)
{
    struct crew_early_stopping o = {.min_steps = decisions[_i].min_steps};
    double limit = decisions[_i].limit;
    struct crew_err err = {0};
    struct crew_hook hook;

    write_evaluations(course, 5, 100);
    switch (decisions[_i].rule) {
        case '<':
            hook = crew_stop_if_lower_hook("loss", limit, o);
            break;
        case '>':
            hook = crew_stop_if_higher_hook("loss", limit, o);
            break;
        case 'd':
            hook = crew_stop_if_no_decrease_hook("loss", (int64_t)limit, o);
            break;
        default:
            hook = crew_stop_if_no_increase_hook("loss", (int64_t)limit, o);
            break;
    }
    ck_assert_int_eq(stops(hook, &err), decisions[_i].stop);
    ck_assert_int_eq(err.code, CREW_OK);
}
END_TEST

START_TEST(early_stopping_says_why)
{
    struct crew_early_stopping o = {0};
    struct crew_err err = {0};

    write_evaluations(course, 5, 100);
    ck_assert(stops(crew_stop_if_no_decrease_hook("loss", 300, o), &err));
    ck_assert_str_eq(log_text.data,
                     "No decrease in metric \"loss\" for 300 steps, which is "
                     "greater than or equal to max steps (300) configured for "
                     "early stopping.\n"
                     "Requesting early stopping at global step 500\n");
    ck_assert(strstr(session.why, "No decrease in metric") == session.why);
}
END_TEST

START_TEST(a_threshold_says_why)
{
    struct crew_early_stopping o = {0};
    struct crew_err err = {0};
    static const float half[] = {0.5f};

    write_evaluations(half, 1, 100);
    ck_assert(stops(crew_stop_if_lower_hook("loss", 1, o), &err));
    ck_assert(strstr(log_text.data,
                     "At step 100, metric \"loss\" has value 0.5 which is less "
                     "than the configured threshold (1) for early "
                     "stopping.\n") == log_text.data);
}
END_TEST

START_TEST(an_unknown_metric_is_an_error)
{
    struct crew_early_stopping o = {0};
    struct crew_err err = {0};

    write_evaluations(course, 1, 100);
    ck_assert(!stops(crew_stop_if_lower_hook("los", 1, o), &err));
    ck_assert_str_eq(err.msg,
                     "early stopping: the evaluation of step 100 in /m/eval "
                     "has no metric 'los'. Fix: one that it has, such as "
                     "'accuracy'");
}
END_TEST

START_TEST(only_the_chief_decides)
{
    struct crew_early_stopping o = {0};
    struct crew_err err = {0};

    session.is_chief = false;
    write_evaluations(course, 5, 100);
    ck_assert(!stops(crew_stop_if_lower_hook("loss", 100, o), &err));
}
END_TEST

/* ------------------------------------------------------- by the clock */

/* Steps of this process from..to, each of 10 ms; the others of the cluster make
 * two meanwhile. */
static void run_steps(int64_t from, int64_t to)
{
    struct crew_err err = {0};

    for (int64_t i = from; i <= to; i++) {
        struct crew_run_context ctx = {.local_step = i};

        ck_assert_int_eq(
            hook_session_before_run(&session, 3 * i - 1, &ctx, &err), CREW_OK);
        env_mem_advance(env, 10 * 1000000u);
        ctx.global_step = 3 * i;
        ck_assert_int_eq(hook_session_after_run(&session, &ctx, &err), CREW_OK);
    }
}

/* The first step always; then the first that begins 50 ms after a line. */
START_TEST(tensors_are_logged_by_seconds)
{
    static const struct crew_logged tensors[] = {{"n", "global_step", NULL}};
    struct crew_logging o = {
        .tensors = tensors, .num_tensors = 1, .every_n_secs = 0.05};
    struct crew_err err = {0};

    hook_session_add(&session, crew_logging_tensor_hook(&o));
    ck_assert_int_eq(hook_session_begin(&session, &err), CREW_OK);
    ck_assert_int_eq(hook_session_created(&session, 0, &err), CREW_OK);
    run_steps(1, 14);
    ck_assert_str_eq(log_text.data,
                     "n = 2\n"
                     "n = 20 (0.060 sec)\n"
                     "n = 38 (0.060 sec)\n");
}
END_TEST

/* All trainers' steps, over this process's time. */
START_TEST(step_counter_by_seconds)
{
    struct crew_err err = {0};

    hook_session_add(&session, crew_step_counter_hook(0, 0.1));
    ck_assert_int_eq(hook_session_begin(&session, &err), CREW_OK);
    run_steps(1, 10);
    ck_assert_str_eq(log_text.data, "");
    run_steps(11, 20);
    ck_assert_str_eq(log_text.data, "global_step/sec: 300\n");
    run_steps(21, 21);
    ck_assert_str_eq(log_text.data,
                     "global_step/sec: 300\nglobal_step/sec: 300\n");
}
END_TEST

/* ------------------------------------------------------------------- waiter */

static int64_t heard[] = {3, 2005, 5000};
static int times;

static int wait_step(void *self,
                     double secs,
                     int64_t *step,
                     struct crew_err *err)
{
    (void)self, (void)err;
    ck_assert_double_eq(secs, 0.5);
    *step = heard[times++];
    return CREW_OK;
}

START_TEST(the_waiter_waits_once)
{
    struct crew_run_context ctx = {.global_step = 1};
    struct crew_err err = {0};

    session.host.wait_step = wait_step;
    hook_session_add(&session, crew_global_step_waiter_hook(5000));
    ck_assert_int_eq(hook_session_begin(&session, &err), CREW_OK);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(hook_session_before_run(&session, 1, &ctx, &err),
                         CREW_OK);
    }
    ck_assert_int_eq(times, 3);
    ck_assert_str_eq(log_text.data,
                     "Waiting for global step 5000 before starting training.\n"
                     "Waiting for global step 5000 before starting training. "
                     "Current step is 2005.\n");
}
END_TEST

static int lost_step(void *self,
                     double secs,
                     int64_t *step,
                     struct crew_err *err)
{
    (void)self, (void)secs, (void)err;
    times++;
    *step = times < 3 ? 3 : INT64_MAX; /* as session_heard_step() */
    return CREW_OK;
}

/* No step will come any more: it goes on to the step that says so. */
START_TEST(the_waiter_leaves_a_lost_cluster)
{
    struct crew_run_context ctx = {.global_step = 1};
    struct crew_err err = {0};

    times = 0;
    session.host.wait_step = lost_step;
    hook_session_add(&session, crew_global_step_waiter_hook(5000));
    ck_assert_int_eq(hook_session_begin(&session, &err), CREW_OK);
    ck_assert_int_eq(hook_session_before_run(&session, 1, &ctx, &err), CREW_OK);
    ck_assert_int_eq(times, 3);
}
END_TEST

START_TEST(step_counter_warns_of_a_step_that_stands)
{
    struct crew_run_context ctx = {.global_step = 4};
    struct crew_err err = {0};
    int n = 0;

    hook_session_add(&session, crew_step_counter_hook(100, 0));
    ck_assert_int_eq(hook_session_begin(&session, &err), CREW_OK);
    for (int i = 0; i < 9; i++) {
        ck_assert_int_eq(hook_session_after_run(&session, &ctx, &err), CREW_OK);
    }
    for (const char *p = log_text.data; (p = strstr(p, "! It seems")) != NULL;
         p++) {
        n++;
    }
    ck_assert_int_eq(n, 5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hooks of TensorFlow");
    TCase *t = tcase_create("hooks");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, wrong_arguments_are_told_at_begin, 0,
                        NUM_COMPLAINTS);
    tcase_add_test(t, floats_as_numpy_prints_them);
    tcase_add_test(t, integers_as_numpy_prints_them);
    tcase_add_test(t, metrics_are_read_by_step);
    tcase_add_loop_test(t, early_stopping_decides_as_tensorflow, 0,
                        NUM_DECISIONS);
    tcase_add_test(t, early_stopping_says_why);
    tcase_add_test(t, a_threshold_says_why);
    tcase_add_test(t, an_unknown_metric_is_an_error);
    tcase_add_test(t, only_the_chief_decides);
    tcase_add_test(t, the_waiter_waits_once);
    tcase_add_test(t, tensors_are_logged_by_seconds);
    tcase_add_test(t, step_counter_by_seconds);
    tcase_add_test(t, the_waiter_leaves_a_lost_cluster);
    tcase_add_test(t, step_counter_warns_of_a_step_that_stands);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
