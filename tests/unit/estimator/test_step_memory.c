/* SPDX-License-Identifier: Apache-2.0
 * A training step with every hook of TensorFlow's attached allocates nothing:
 * what runs on the training's thread is linked to a malloc that counts (the
 * linker's --wrap, tests/CMakeLists.txt). */
#include "small_job.h"
#include "run_suite.h"

#define SELDOM 1000000 /* not within this training */
#define WARM 20
#define STEPS 1500

static _Thread_local bool counting;
static _Thread_local int64_t allocations;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

void *__wrap_malloc(size_t size)
{
    allocations += counting;
    return __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    allocations += counting;
    return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    allocations += counting;
    return __real_realloc(p, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
    allocations += counting;
    return __real_aligned_alloc(alignment, size);
}

/* Counts from the end of step WARM to that of step STEPS - 1, all between two
 * calls: the other hooks, the input, forward, backward, the update. */
static int meter_after_run(void *self,
                           struct crew_run_context *ctx,
                           struct crew_err *err)
{
    (void)self, (void)err;
    counting = ctx->local_step >= WARM && ctx->local_step < STEPS - 1;
    return CREW_OK;
}

static const struct crew_hook_ops meter_ops = {.after_run = meter_after_run};

static int take_nothing(void *self,
                        const struct crew_value *values,
                        int n,
                        struct crew_err *err)
{
    (void)self, (void)values, (void)n, (void)err;
    return CREW_OK;
}

static int never(void *self, bool *stop, struct crew_err *err)
{
    (void)self, (void)err;
    *stop = false;
    return CREW_OK;
}

/* A line at every step, from buffers of the hook's own; the rest is fetched and
 * asked at every step, and writes its files seldom. */
static void all_of_tensorflows(struct crew_train_spec *ts,
                               struct crew_eval_spec *es)
{
    static const char *const names[] = {"softmax_tensor", "loss"};
    static const struct crew_logged logged[] = {{"p", "softmax_tensor", NULL},
                                                {"loss", NULL, NULL}};
    struct crew_logging lines = {
        .tensors = logged, .num_tensors = 2, .every_n_iter = 1};
    struct crew_early_stopping often = {.run_every_steps = 1};
    struct crew_early_stopping seldom = {.run_every_steps = SELDOM};
    const struct crew_hook all[] = {
        crew_logging_tensor_hook(&lines),
        crew_stop_at_step_hook(0, STEPS),
        crew_checkpoint_saver_hook(0, SELDOM, NULL, 0),
        crew_checkpoint_input_hook(),
        crew_step_counter_hook(SELDOM, 0),
        crew_nan_tensor_hook("softmax_tensor", true),
        crew_nan_tensor_hook(NULL, false),
        crew_summary_saver_hook(SELDOM, 0, NULL),
        crew_global_step_waiter_hook(0),
        crew_final_ops_hook(names, 2, take_nothing, NULL),
        crew_profiler_hook(SELDOM, 0, model_dir, true, false),
        crew_in_memory_evaluator_hook(input_fn, 1, "memory", NULL, 0, SELDOM),
        crew_early_stopping_hook(never, NULL, often),
        crew_stop_if_no_decrease_hook("loss", 1, seldom),
        {&meter_ops, NULL},
    };

    (void)es;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        crew_train_spec_add_hook(ts, all[i]);
    }
}

/* Events (here of the step counter) are made on the heap when they are due. */
static void tune(struct crew_run_config *rc)
{
    rc->save_summary_steps = 0;
    rc->log_step_count_steps = SELDOM;
}

START_TEST(a_step_with_all_hooks_allocates_nothing)
{
    wanted.add = all_of_tensorflows;
    wanted.tune = tune;
    wanted.max_steps = STEPS;
    wanted.save_steps = SELDOM;
    ck_assert_int_eq(train(), 0);
    ck_assert(has_checkpoint(STEPS));
    ck_assert_int_eq(allocations, 0);
}
END_TEST

static int spender_after_run(void *self,
                             struct crew_run_context *ctx,
                             struct crew_err *err)
{
    (void)self, (void)ctx, (void)err;
    free(xstrdup("of a user's hook"));
    return CREW_OK;
}

static const struct crew_hook_ops spender_ops = {.after_run =
                                                     spender_after_run};

static void with_a_spender(struct crew_train_spec *ts,
                           struct crew_eval_spec *es)
{
    all_of_tensorflows(ts, es);
    crew_train_spec_add_hook(ts, (struct crew_hook){&spender_ops, NULL});
}

/* One allocation a step is counted as that. */
START_TEST(the_meter_counts)
{
    wanted.add = with_a_spender;
    wanted.tune = tune;
    wanted.max_steps = STEPS;
    wanted.save_steps = SELDOM;
    ck_assert_int_eq(train(), 0);
    ck_assert_int_eq(allocations, STEPS - 1 - WARM);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("step memory");
    TCase *t = tcase_create("step memory");

    tcase_add_checked_fixture(t, small_job_setup, small_job_teardown);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_step_with_all_hooks_allocates_nothing);
    tcase_add_test(t, the_meter_counts);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
