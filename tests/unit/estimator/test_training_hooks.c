/* SPDX-License-Identifier: Apache-2.0
 * A user's hooks in a real training with its evaluations, all in this process:
 * who is called when, what a fetch gives, and how hooks end a training. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "config/json.h"
#include "estimator/model/spec.h"
#include "hooks/eval_metrics.h"
#include "summary/event_reader.h"
#include "hook_probe.h"
#include "small_job.h"
#include "run_suite.h"

static void setup(void)
{
    small_job_setup();
    strbuf_init(&calls);
}

static void teardown(void)
{
    strbuf_release(&calls);
    small_job_teardown();
}

/* -------------------------------------------------------------- the order */

static void all_kinds(struct crew_graph *g,
                      struct crew_spec *spec,
                      enum crew_mode mode)
{
    (void)g;
    if (mode != CREW_PREDICT) {
        crew_spec_training_hook(spec, probe('T', 0, 0));
        crew_spec_training_chief_hook(spec, probe('C', 0, 0));
        crew_spec_evaluation_hook(spec, probe('E', 0, 0));
    }
}

static void user_hooks(struct crew_train_spec *ts, struct crew_eval_spec *es)
{
    crew_train_spec_add_hook(ts, probe('u', 0, 0));
    crew_train_spec_add_hook(ts, probe('v', 0, 0));
    crew_train_spec_add_saving_listener(
        ts, (struct crew_saving_listener){&listener_ops, xstrdup("L")});
    crew_eval_spec_add_hook(es, probe('w', 0, 0));
}

/* The saver comes first, then the chief's, the user's, the model's. */
START_TEST(order_of_all_calls)
{
    const char *training, *evaluation, *end;

    wanted.add = user_hooks;
    wanted.add_to_model = all_kinds;
    ck_assert_int_eq(train(), 0);

    /* Hooks of the dry build are only freed. */
    training = strstr(calls.data, "bL0");
    ck_assert_ptr_nonnull(training);
    ck_assert(strstr(calls.data, "b") == training);
    ck_assert_msg(strstr(training,
                         "bL0 bC bu bv bT (L0 )L0 cC0 cu0 cv0 cT0 "
                         "<C1 <u1 <v1 <T1 >C1 >u1 >v1 >T1 "
                         "<C2 <u2 <v2 <T2 >C2 >u2 >v2 >T2 "
                         "(L2 )L2 ") == training,
                  "%s", training);
    evaluation = strstr(training, ")L2 ") + 4;
    ck_assert_msg(strstr(evaluation,
                         "bw bE cw2 cE2 <w1 <E1 >w2 >E2 <w2 <E2 >w2 >E2 "
                         "ew2 eE2 fE ") == evaluation,
                  "%s", evaluation);
    end = strstr(evaluation, "eL2");
    ck_assert_msg(end != NULL && strstr(end, "eL2 eC2 eu2 ev2 eT2 ") == end,
                  "%s", evaluation);
    /* The spec's own are freed at the end, once each. */
    ck_assert_ptr_nonnull(strstr(end, "fu fv fL fw "));
}
END_TEST

/* ------------------------------------------------------------ the endings */

static void failing(struct crew_train_spec *ts, struct crew_eval_spec *es)
{
    (void)es;
    crew_train_spec_add_hook(ts, probe('u', 0, 0));
    crew_train_spec_add_hook(ts, probe('x', 2, 0));
    crew_train_spec_add_hook(ts, probe('v', 0, 0));
}

START_TEST(no_end_after_an_error)
{
    wanted.add = failing;
    wanted.max_steps = 5;
    ck_assert_int_eq(train(), 1);
    ck_assert_str_eq(calls.data,
                     "bu bx bv cu0 cx0 cv0 <u1 <x1 <v1 >u1 >x1 >v1 "
                     "<u2 <x2 <v2 >u2 >x2 fu fx fv ");
}
END_TEST

static void stopping(struct crew_train_spec *ts, struct crew_eval_spec *es)
{
    (void)es;
    crew_train_spec_add_hook(ts, probe('x', 0, 2));
    crew_train_spec_add_hook(ts, probe('v', 0, 0));
}

/* begin once a session, and the step that each has restored: what stands for
 * TensorFlow's recovery is a process that starts again. */
START_TEST(each_session_is_created_anew)
{
    wanted.add = failing;
    wanted.max_steps = 5;
    wanted.save_steps = 1;
    ck_assert_int_eq(train(), 1);
    ck_assert_int_eq(train(), 1);
    ck_assert_ptr_nonnull(strstr(calls.data, "bu bx bv cu0 cx0 cv0 <u1 "));
    ck_assert_ptr_nonnull(strstr(calls.data, "bu bx bv cu2 cx2 cv2 <u1 "));
    ck_assert_int_eq(count_of(calls.data, "bu "), 2);
    ck_assert_int_eq(count_of(calls.data, "cu"), 2);
    ck_assert_int_eq(count_of(calls.data, "eu"), 0);
}
END_TEST

static void watching(struct crew_train_spec *ts, struct crew_eval_spec *es)
{
    (void)es;
    crew_train_spec_add_hook(ts, probe('u', 0, 0));
}

/* TensorFlow's OutOfRangeError: every hook's end, the last checkpoint, 0. The
 * step that found no batch has had its before_run. */
START_TEST(the_end_of_the_input_is_a_clean_end)
{
    char *done;

    wanted.add = watching;
    wanted.max_steps = -1;
    wanted.epochs = 1;
    ck_assert_int_eq(train(), 0);
    ck_assert_str_eq(calls.data,
                     "bu cu0 <u1 >u1 <u2 >u2 <u3 >u3 <u4 >u4 <u5 eu4 fu ");
    ck_assert(has_checkpoint(4));
    done = read_in_model_dir(".crew/DONE");
    ck_assert_ptr_nonnull(strstr(done, "input"));
    free(done);
}
END_TEST

/* All hooks see the step that is the last; then it is a clean end. */
START_TEST(a_hook_ends_training)
{
    char *done;

    wanted.add = stopping;
    wanted.max_steps = 50;
    ck_assert_int_eq(train(), 0);
    ck_assert_str_eq(calls.data,
                     "bx bv cx0 cv0 <x1 <v1 >x1 >v1 <x2 <v2 >x2 >v2 "
                     "ex2 ev2 fx fv ");
    done = read_in_model_dir(".crew/DONE");
    ck_assert_ptr_nonnull(strstr(done, "the probe has seen enough"));
    free(done);
}
END_TEST

static void with_listener(struct crew_train_spec *ts, struct crew_eval_spec *es)
{
    (void)es;
    crew_train_spec_add_saving_listener(
        ts, (struct crew_saving_listener){&listener_ops, xstrdup("L")});
}

START_TEST(a_listener_ends_training)
{
    wanted.add = with_listener;
    wanted.max_steps = 50;
    wanted.save_steps = 2;
    ck_assert_int_eq(train(), 0);
    /* The first save of training is a step after the one at 0: its timer
     * began there. */
    ck_assert_str_eq(calls.data, "bL0 (L0 )L0 (L2 )L2 (L4 )L4 eL4 fL ");
}
END_TEST

/* --------------------------------------------------------------- fetching */

struct fetcher {
    int softmax, kernel, step, sum;
    int seen;
    float kernel_before[4];
};
static struct crew_node *row_sums;
static int sums_computed;

static int fetcher_begin(void *self,
                         struct crew_session *session,
                         struct crew_err *err)
{
    struct fetcher *f = self;
    struct crew_err unknown = {0};
    int none = -7;

    ck_assert_int_eq(crew_session_tensor(session, "nothing", &none, &unknown),
                     CREW_INVALID_ARGUMENT);
    ck_assert_str_eq(unknown.msg,
                     "\"The name 'nothing:0' refers to a Tensor which does not "
                     "exist. The operation, 'nothing', does not exist in the "
                     "graph.\"");
    ck_assert_int_eq(none, -7);
    if (crew_session_tensor(session, "softmax_tensor:0", &f->softmax, err) !=
            CREW_OK ||
        crew_session_tensor(session, "dense/kernel", &f->kernel, err) !=
            CREW_OK ||
        crew_session_tensor(session, "global_step", &f->step, err) != CREW_OK) {
        return err->code;
    }
    return crew_session_node(session, row_sums, &f->sum, err);
}

static int fetcher_before(void *self,
                          struct crew_run_context *ctx,
                          struct crew_err *err)
{
    struct fetcher *f = self;

    (void)err;
    crew_run_fetch(ctx, 12345); /* of nobody: no harm */
    if (ctx->local_step % 2 == 1) {
        crew_run_fetch(ctx, f->softmax);
        crew_run_fetch(ctx, f->kernel);
        crew_run_fetch(ctx, f->step);
        crew_run_fetch(ctx, f->sum);
    }
    return CREW_OK;
}

static void check_values(struct fetcher *f, const struct crew_run_context *ctx)
{
    struct crew_value p = crew_run_value(ctx, f->softmax);
    struct crew_value kernel = crew_run_value(ctx, f->kernel);
    struct crew_value step = crew_run_value(ctx, f->step);
    struct crew_value sums = crew_run_value(ctx, f->sum);

    ck_assert_int_eq(p.dtype, CREW_FLOAT);
    ck_assert_int_eq(p.shape.rank, 2);
    ck_assert_int_eq(p.shape.dim[0], BATCH);
    ck_assert_int_eq(p.shape.dim[1], 2);
    for (int i = 0; i < BATCH; i++) {
        const float *row = (const float *)p.data + 2 * i;

        ck_assert_float_eq_tol(row[0] + row[1], 1.0f, 1e-6f);
        ck_assert_float_eq_tol(((const float *)sums.data)[i], 1.0f, 1e-6f);
    }
    ck_assert_int_eq(kernel.shape.rank, 2);
    ck_assert(memcmp(kernel.data, f->kernel_before, sizeof f->kernel_before) !=
              0);
    memcpy(f->kernel_before, kernel.data, sizeof f->kernel_before);
    ck_assert_int_eq(step.dtype, CREW_INT64);
    ck_assert_int_eq(step.shape.rank, 0);
    ck_assert_int_eq(*(const int64_t *)step.data, ctx->global_step - 1);
}

static int fetcher_after(void *self,
                         struct crew_run_context *ctx,
                         struct crew_err *err)
{
    struct fetcher *f = self;

    (void)err;
    ck_assert_ptr_null(crew_run_value(ctx, 12345).data);
    if (ctx->local_step % 2 == 1) {
        check_values(f, ctx);
        f->seen++;
    } else {
        ck_assert_ptr_null(crew_run_value(ctx, f->softmax).data);
        ck_assert_ptr_null(crew_run_value(ctx, f->step).data);
    }
    return CREW_OK;
}

static void fetcher_free(void *self)
{
    struct fetcher *f = self;

    sums_computed += f->seen;
    free(f);
}

static const struct crew_hook_ops fetcher_ops = {
    .begin = fetcher_begin,
    .before_run = fetcher_before,
    .after_run = fetcher_after,
    .free = fetcher_free,
};

static void add_fetcher(struct crew_graph *g,
                        struct crew_spec *spec,
                        enum crew_mode mode)
{
    static const int axis = 1;

    if (mode == CREW_TRAIN) {
        /* Not needed by the loss. */
        row_sums =
            crew_reduce(g, CREW_REDUCE_SUM, probabilities, &axis, 1, false);
        crew_spec_training_hook(
            spec, (struct crew_hook){&fetcher_ops,
                                     xcalloc(1, sizeof(struct fetcher))});
    }
}

START_TEST(values_are_fetched_when_asked_for)
{
    wanted.add_to_model = add_fetcher;
    wanted.max_steps = 4;
    sums_computed = 0;
    ck_assert_int_eq(train(), 0);
    ck_assert_int_eq(sums_computed, 2);
}
END_TEST

/* ------------------------------------------------------- TensorFlow's hooks */

static int taken;

static int take_final(void *self,
                      const struct crew_value *values,
                      int n,
                      struct crew_err *err)
{
    (void)self, (void)err;
    ck_assert_int_eq(n, 3);
    ck_assert_int_eq(values[0].shape.dim[0], BATCH);
    ck_assert_int_eq(values[1].shape.rank, 0);
    ck_assert(*(const float *)values[1].data > 0);
    ck_assert_int_eq(*(const int64_t *)values[2].data, 3);
    taken++;
    return CREW_OK;
}

static void write_line(void *self,
                       const struct crew_value *values,
                       int n,
                       char *line,
                       size_t size)
{
    (void)self;
    ck_assert_int_eq(n, 2);
    strbuf_addf(&calls, "log%d ", (int)*(const int64_t *)values[0].data);
    ck_assert_int_eq(values[1].shape.dim[1], 2);
    (void)snprintf(line, size, "as wanted");
}

static void final_and_logging(struct crew_train_spec *ts,
                              struct crew_eval_spec *es)
{
    static const char *const names[] = {"softmax_tensor", "loss",
                                        "global_step"};
    static const struct crew_logged tensors[] = {{"z", "softmax_tensor", NULL},
                                                 {"a", "global_step", NULL}};
    struct crew_logging o = {.tensors = tensors,
                             .num_tensors = 2,
                             .every_n_iter = 2,
                             .at_end = true,
                             .formatter = write_line};

    (void)es;
    crew_train_spec_add_hook(ts,
                             crew_final_ops_hook(names, 3, take_final, NULL));
    crew_train_spec_add_hook(ts, crew_logging_tensor_hook(&o));
}

START_TEST(final_values_and_logged_tensors)
{
    wanted.add = final_and_logging;
    wanted.max_steps = 3;
    ck_assert_int_eq(train(), 0);
    ck_assert_int_eq(taken, 1);
    ck_assert_str_eq(calls.data, "log0 log2 log3 ");
}
END_TEST

static void profiled(struct crew_train_spec *ts, struct crew_eval_spec *es)
{
    (void)es;
    crew_train_spec_add_hook(ts,
                             crew_profiler_hook(2, 0, model_dir, true, false));
}

/* Every op of forward and backward, some time after 0, for some time; a name of
 * any characters. */
static void check_events(const cJSON *trace)
{
    const cJSON *events = cJSON_GetObjectItem(trace, "traceEvents");
    const cJSON *e;
    int ops = 0, odd = 0;

    ck_assert(cJSON_IsArray(events));
    cJSON_ArrayForEach(e, events)
    {
        const char *ph = cJSON_GetStringValue(cJSON_GetObjectItem(e, "ph"));
        const cJSON *args = cJSON_GetObjectItem(e, "args");
        const char *name =
            cJSON_GetStringValue(cJSON_GetObjectItem(args, "name"));

        ck_assert(cJSON_IsString(cJSON_GetObjectItem(e, "name")));
        ck_assert(cJSON_IsNumber(cJSON_GetObjectItem(e, "pid")));
        if (strcmp(ph, "X") == 0) {
            ops++;
            odd += strcmp(name, "the \"loss\"\\") == 0;
            ck_assert(cJSON_GetObjectItem(e, "ts")->valuedouble > 0);
            ck_assert(cJSON_GetObjectItem(e, "dur")->valuedouble >= 0);
            ck_assert(cJSON_IsNumber(cJSON_GetObjectItem(e, "tid")));
            ck_assert(cJSON_IsString(cJSON_GetObjectItem(args, "op")));
        }
    }
    ck_assert_int_gt(ops, 5);
    ck_assert_int_eq(odd, 1);
}

static void oddly_named(struct crew_graph *g,
                        struct crew_spec *spec,
                        enum crew_mode mode)
{
    if (mode == CREW_TRAIN) {
        crew_spec_loss(spec, crew_named(g, crew_scale(g, spec->loss, 2),
                                        "the \"loss\"\\"));
    }
}

/* The first step sets the timer, at 0; then every second one. */
START_TEST(a_profile_is_a_chrome_trace)
{
    struct crew_err err = {0};
    cJSON *trace = NULL;
    char *text;

    wanted.add = profiled;
    wanted.add_to_model = oddly_named;
    wanted.max_steps = 3;
    ck_assert_int_eq(train(), 0);
    text = read_in_model_dir("timeline-2.json");
    ck_assert_msg(
        json_parse(text, strlen(text), "trace", &trace, &err) == CREW_OK, "%s",
        err.msg);
    check_events(trace);
    cJSON_Delete(trace);
    ck_assert_ptr_nonnull(strstr(text, "\"traceEvents\": ["));
    ck_assert_int_eq(count_of(text, "\"op\": \"MatMul\""), 1);
    ck_assert_int_eq(count_of(text, "\"op\": \"MatMulGrad\""), 1);
    ck_assert_ptr_nonnull(strstr(text, "\"name\": \"dense/MatMul\""));
    ck_assert_int_eq(count_of(text, "\"ph\": \"s\""),
                     count_of(text, "\"ph\": \"t\""));
    ck_assert_int_gt(count_of(text, "\"ph\": \"s\""), 0);
    free(text);
}
END_TEST

static void in_memory(struct crew_train_spec *ts, struct crew_eval_spec *es)
{
    struct crew_hook inner = probe('m', 0, 0);

    (void)es;
    crew_train_spec_add_hook(
        ts, crew_in_memory_evaluator_hook(input_fn, 1, "memory", &inner, 1, 2));
}

/* At the start, every second step of this process, at the end; one file. */
START_TEST(weights_are_evaluated_in_memory)
{
    char *dir = path_join(model_dir, "eval_memory");
    struct eval_metrics m;
    struct crew_err err = {0};
    char **files;
    int n;

    wanted.add = in_memory;
    wanted.max_steps = 5;
    ck_assert_int_eq(train(), 0);
    ck_assert_int_eq(eval_metrics_read(env_posix(), dir, &m, &err), CREW_OK);
    ck_assert_int_eq(m.n, 4);
    for (int i = 0; i < 4; i++) {
        static const int64_t steps[] = {0, 2, 4, 5};

        ck_assert_int_eq(m.items[i].step, steps[i]);
        ck_assert(i == 0 || m.items[i].value < m.items[i - 1].value);
    }
    eval_metrics_release(&m);
    ck_assert_int_eq(event_files(env_posix(), dir, &files, &n, &err), CREW_OK);
    ck_assert_int_eq(n, 1);
    event_files_free(files, n);
    ck_assert_int_eq(count_of(calls.data, "bm "), 4);
    ck_assert_int_eq(count_of(calls.data, "em"), 4);
    ck_assert_int_eq(count_of(calls.data, "fm "), 1);
    free(dir);
}
END_TEST

static void soft(struct crew_train_spec *ts, struct crew_eval_spec *es)
{
    (void)es;
    features[2 * BATCH] = NAN; /* of the second batch */
    crew_train_spec_add_hook(ts, crew_nan_tensor_hook(NULL, false));
}

static void hard(struct crew_train_spec *ts, struct crew_eval_spec *es)
{
    (void)es;
    features[2 * BATCH] = NAN;
    crew_train_spec_add_hook(ts, probe('u', 0, 0));
}

/* The step with the NaN is not applied; what came before it is saved. */
START_TEST(a_nan_may_be_a_stop)
{
    char *done;

    wanted.add = soft;
    wanted.max_steps = 50;
    ck_assert_int_eq(train(), 0);
    done = read_in_model_dir(".crew/DONE");
    ck_assert_ptr_nonnull(strstr(done, "NaN loss"));
    free(done);
    ck_assert(has_checkpoint(1));
    ck_assert(!has_checkpoint(2));
}
END_TEST

START_TEST(a_nan_is_an_error_and_never_saved)
{
    wanted.add = hard;
    wanted.max_steps = 50;
    wanted.save_steps = 1;
    ck_assert_int_eq(train(), 1);
    ck_assert_str_eq(calls.data, "bu cu0 <u1 >u1 <u2 fu ");
    ck_assert(has_checkpoint(1));
    ck_assert(!has_checkpoint(2));
}
END_TEST

static void own_saver(struct crew_train_spec *ts, struct crew_eval_spec *es)
{
    struct crew_saving_listener l = {&listener_ops, xstrdup("S")};

    (void)es;
    crew_train_spec_add_hook(ts, crew_checkpoint_saver_hook(0, 3, &l, 1));
    with_listener(ts, es);
}

/* Instead of the one that would save every step; its listener is first. */
START_TEST(a_saver_of_ones_own)
{
    wanted.add = own_saver;
    wanted.save_steps = 1;
    wanted.max_steps = 4;
    ck_assert_int_eq(train(), 0);
    ck_assert_str_eq(calls.data,
                     "bS0 bL0 (S0 (L0 )S0 )L0 (S3 (L3 )S3 )L3 "
                     "(S4 (L4 )S4 )L4 eS4 eL4 fS fL ");
}
END_TEST

static void summaries(struct crew_graph *g,
                      struct crew_spec *spec,
                      enum crew_mode mode)
{
    if (mode == CREW_EVAL) {
        crew_spec_summary(spec, "half",
                          crew_reduce_mean(g, crew_scale(g, probabilities, 1)));
        crew_spec_summary_histogram(spec, "logits", probabilities);
        crew_spec_summary_image(
            spec, "pic",
            crew_reshape(g, probabilities, crew_shape4(-1, 1, 2, 1)), 2);
        crew_spec_evaluation_hook(spec, crew_summary_saver_hook(1, 0, NULL));
    }
}

static void note_event(const Tensorflow__Event *e)
{
    if (e->what_case == TENSORFLOW__EVENT__WHAT_SESSION_LOG) {
        strbuf_addf(&calls, "%d start\n", (int)e->step);
    }
    if (e->what_case != TENSORFLOW__EVENT__WHAT_SUMMARY) {
        return;
    }
    strbuf_addf(&calls, "%d", (int)e->step);
    for (size_t i = 0; i < e->summary->n_value; i++) {
        const Tensorflow__Summary__Value *v = e->summary->value[i];

        strbuf_addf(&calls, " %s:%d", v->tag, (int)v->value_case);
    }
    strbuf_addstr(&calls, "\n");
}

/* All events of the one file in a folder of model_dir. */
static void note_events(const char *folder)
{
    char *dir = path_join(model_dir, folder);
    struct event_reader *r = NULL;
    Tensorflow__Event *e;
    struct crew_err err = {0};
    char **files;
    int n;

    ck_assert_int_eq(event_files(env_posix(), dir, &files, &n, &err), CREW_OK);
    ck_assert_int_eq(n, 1);
    ck_assert_int_eq(event_reader_open(env_posix(), files[0], &r, &err),
                     CREW_OK);
    while (event_reader_next(r, &e, &err) == CREW_OK) {
        note_event(e);
        tensorflow__event__free_unpacked(e, NULL);
    }
    event_reader_close(r);
    event_files_free(files, n);
    free(dir);
}

/* What TensorFlow 2.15 writes for the same hook and summaries (numbers: fields
 * of Summary.Value). */
START_TEST(an_evaluation_writes_its_summaries)
{
    wanted.add_to_model = summaries;
    ck_assert_int_eq(train(), 0);
    note_events("eval");
    ck_assert_str_eq(calls.data,
                     "2 start\n"
                     "2 half:2 logits:5 pic/image/0:4 pic/image/1:4\n"
                     "2 half:2 logits:5 pic/image/0:4 pic/image/1:4\n"
                     "2 loss:2\n"
                     "2 checkpoint_path:8\n");
}
END_TEST

static void pictures(struct crew_graph *g,
                     struct crew_spec *spec,
                     enum crew_mode mode)
{
    if (mode == CREW_EVAL) {
        crew_spec_metric_image(
            spec, "pic",
            crew_reshape(g, probabilities, crew_shape4(-1, 1, 2, 1)), 2);
        crew_spec_metric_text(spec, "a note", "*text*");
        crew_spec_metric_histogram(spec, "scores", probabilities);
        crew_spec_metric(spec, "mean", crew_metric_mean(g, spec->loss));
    }
}

/* Beside the numbers, by key, with TensorFlow's tags; not in the log's line. */
START_TEST(metrics_may_be_pictures)
{
    wanted.add_to_model = pictures;
    ck_assert_int_eq(train(), 0);
    note_events("eval");
    ck_assert_str_eq(calls.data,
                     "2 a note/0:8 loss:2 mean:2 pic/0:4 pic/1:4 scores/0:5\n"
                     "2 checkpoint_path:8\n");
}
END_TEST

static void bad_picture(struct crew_graph *g,
                        struct crew_spec *spec,
                        enum crew_mode mode)
{
    (void)g;
    if (mode == CREW_EVAL) {
        crew_spec_metric_image(spec, "pic", probabilities, 2);
    }
}

static void same_key(struct crew_graph *g,
                     struct crew_spec *spec,
                     enum crew_mode mode)
{
    if (mode == CREW_EVAL) {
        crew_spec_metric(spec, "k", crew_metric_mean(g, spec->loss));
        crew_spec_metric_text(spec, "k", "text");
    }
}

static void no_text(struct crew_graph *g,
                    struct crew_spec *spec,
                    enum crew_mode mode)
{
    (void)g;
    if (mode == CREW_EVAL) {
        crew_spec_metric_text(spec, "k", NULL);
    }
}

START_TEST(pictures_that_are_none)
{
    static void (*const bad[])(struct crew_graph *, struct crew_spec *,
                               enum crew_mode) = {bad_picture, same_key,
                                                  no_text};

    wanted.add_to_model = bad[_i];
    ck_assert_int_eq(train(), 1);
    ck_assert(!has_checkpoint(0));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("training hooks");
    TCase *t = tcase_create("hooks");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, order_of_all_calls);
    tcase_add_test(t, no_end_after_an_error);
    tcase_add_test(t, each_session_is_created_anew);
    tcase_add_test(t, the_end_of_the_input_is_a_clean_end);
    tcase_add_test(t, a_hook_ends_training);
    tcase_add_test(t, a_listener_ends_training);
    tcase_add_test(t, values_are_fetched_when_asked_for);
    tcase_add_test(t, final_values_and_logged_tensors);
    tcase_add_test(t, a_profile_is_a_chrome_trace);
    tcase_add_test(t, weights_are_evaluated_in_memory);
    tcase_add_test(t, a_nan_may_be_a_stop);
    tcase_add_test(t, a_nan_is_an_error_and_never_saved);
    tcase_add_test(t, a_saver_of_ones_own);
    tcase_add_test(t, an_evaluation_writes_its_summaries);
    tcase_add_test(t, metrics_may_be_pictures);
    tcase_add_loop_test(t, pictures_that_are_none, 0, 3);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
