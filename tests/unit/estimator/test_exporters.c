/* SPDX-License-Identifier: Apache-2.0
 * The EvalSpec's exporters in a whole training: how many each leaves, and when.
 */
#include <check.h>
#include <dirent.h>

#include "small_job.h"
#include "run_suite.h"

/* What is below export/<name>/. */
struct exports {
    int versions; /* folders of ten digits, each with a model */
    int others;
    long long newest;
};

static struct exports count_exports(const char *name)
{
    struct exports x = {0};
    char *dir = xasprintf("%s/export/%s", model_dir, name);
    DIR *d = opendir(dir);

    for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        char *pb = xasprintf("%s/%s/saved_model.pb", dir, e->d_name);

        if (strlen(e->d_name) == 10 && access(pb, F_OK) == 0) {
            long long version = strtoll(e->d_name, NULL, 10);

            x.versions++;
            x.newest = version > x.newest ? version : x.newest;
        } else if (e->d_name[0] != '.') {
            x.others++;
        }
        free(pb);
    }
    if (d != NULL) {
        (void)closedir(d);
    }
    free(dir);
    return x;
}

static void latest_of_two(struct crew_train_spec *ts, struct crew_eval_spec *es)
{
    (void)ts;
    crew_eval_spec_add_exporter(es, CREW_EXPORTER_LATEST, "two");
    es->exporters[0].exports_to_keep = 2;
    crew_eval_spec_add_exporter(es, CREW_EXPORTER_LATEST, "all");
    es->exporters[1].exports_to_keep = 0;
}

/* Four evaluations, of steps 1 to 4; the next start makes two more. */
START_TEST(latest_keeps_so_many)
{
    struct exports before, after;

    wanted.add = latest_of_two;
    wanted.save_steps = 1;
    wanted.max_steps = 4;
    ck_assert_int_eq(train(), 0);
    before = count_exports("two");
    ck_assert_int_eq(before.versions, 2);
    ck_assert_int_eq(before.others, 0);
    ck_assert_int_eq(count_exports("all").versions, 4);
    wanted.max_steps = 6;
    ck_assert_int_eq(train(), 0);
    after = count_exports("two");
    ck_assert_int_eq(after.versions, 2);
    ck_assert(after.newest > before.newest);
    ck_assert_int_eq(count_exports("all").versions, 6);
}
END_TEST

static void final_alone(struct crew_train_spec *ts, struct crew_eval_spec *es)
{
    (void)ts;
    crew_eval_spec_add_exporter(es, CREW_EXPORTER_FINAL, "served");
}

/* TensorFlow's never exports when the input ends before max_steps. */
START_TEST(final_is_once_and_at_the_end)
{
    wanted.add = final_alone;
    wanted.save_steps = 1;
    wanted.max_steps = _i == 0 ? 3 : -1;
    wanted.epochs = _i;
    ck_assert_int_eq(train(), 0);
    ck_assert_int_eq(count_exports("served").versions, 1);
    ck_assert(has_checkpoint(_i == 0 ? 3 : 4));
    ck_assert_int_eq(train(), 0); /* it is done: nothing more */
    ck_assert_int_eq(count_exports("served").versions, _i == 0 ? 1 : 2);
}
END_TEST

/* Of the loss: a smaller one is worse. The calls are counted. */
static int larger_loss(void *self,
                       const struct crew_eval_result *best,
                       const struct crew_eval_result *current,
                       bool *better,
                       struct crew_err *err)
{
    (void)err;
    ++*(int *)self;
    *better = crew_eval_result_get(current, "loss", 0) >
              crew_eval_result_get(best, "loss", 0);
    return CREW_OK;
}

static int compared;

static void best_by_own_rule(struct crew_train_spec *ts,
                             struct crew_eval_spec *es)
{
    (void)ts;
    crew_eval_spec_add_exporter(es, CREW_EXPORTER_BEST, "smaller");
    crew_eval_spec_add_exporter(es, CREW_EXPORTER_BEST, "larger");
    es->exporters[1].compare_fn = larger_loss;
    es->exporters[1].compare_self = &compared;
}

/* The loss falls at every step: by the default rule each evaluation is better,
 * by the job's own only the first is, also for the next start. */
START_TEST(best_by_a_function_of_the_job)
{
    wanted.add = best_by_own_rule;
    wanted.save_steps = 1;
    wanted.max_steps = 3;
    compared = 0;
    ck_assert_int_eq(train(), 0);
    ck_assert_int_eq(count_exports("smaller").versions, 3);
    ck_assert_int_eq(count_exports("larger").versions, 1);
    ck_assert_int_eq(compared, 2);
    wanted.max_steps = 5;
    ck_assert_int_eq(train(), 0);
    ck_assert_int_eq(count_exports("smaller").versions, 5);
    ck_assert_int_eq(count_exports("larger").versions, 1);
    ck_assert_int_ge(compared, 4);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("exporters");
    TCase *t = tcase_create("exporters");

    tcase_add_checked_fixture(t, small_job_setup, small_job_teardown);
    tcase_add_test(t, latest_keeps_so_many);
    tcase_add_loop_test(t, final_is_once_and_at_the_end, 0, 2);
    tcase_add_test(t, best_by_a_function_of_the_job);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
