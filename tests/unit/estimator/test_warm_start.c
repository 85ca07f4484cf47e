/* SPDX-License-Identifier: Apache-2.0
 * Warm start: the values, log lines and errors that TensorFlow 2.15 gave for
 * the same checkpoint, vocabularies and settings. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem_fs.h"
#include "base/strbuf.h"
#include "checkpoint/bundle.h"
#include "estimator/weights/warm_start.h"
#include "run_suite.h"

static struct crew_env *env;
static struct strbuf log_text;

static void take_line(void *self, enum env_level level, const char *line)
{
    (void)self;
    strbuf_addf(&log_text, "%s%s\n", level == LOG_DEBUG ? "debug: " : "", line);
}

static void put(const char *path, const char *text)
{
    struct crew_err err = {0};

    ck_assert_int_eq(fs_replace_file(env, path, text, strlen(text), &err), 0);
}

/* Adds rows from..from+n of a [rows, 3] variable that holds 0, 1, 2, ... */
static void add_rows(struct bundle_writer *w,
                     const char *name,
                     int64_t rows,
                     int64_t from,
                     int64_t n)
{
    struct crew_shape full = {.rank = 2, .dim = {rows, 3}};
    struct bundle_slice s = {.start = {from, 0}, .length = {n, 3}};
    struct crew_err err = {0};
    float values[32];

    for (int64_t i = 0; i < 3 * n; i++) {
        values[i] = (float)(3 * from + i);
    }
    ck_assert_int_eq(
        bundle_writer_add_slice(w, name, CREW_FLOAT, &full, &s, values, &err),
        0);
}

/* old/emb [5, 3] in two slices; b = [1, 2], its slot b/Momentum; global_step.
 */
static void save_old(void)
{
    struct bundle_writer *w = NULL;
    struct bundle_sums sums;
    struct crew_err err = {0};
    struct crew_shape two = {.rank = 1, .dim = {2}}, scalar = {0};
    float b[] = {1, 2}, slot[] = {0.5f, 0.25f}, v[] = {10, 11, 12, 13, 14};
    struct crew_shape five = {.rank = 1, .dim = {5}};
    int64_t step = 40;

    ck_assert_int_eq(
        bundle_writer_open(env, "/old/model.ckpt-3.data-00000-of-00001",
                           "/old/model.ckpt-3.index", &w, &err),
        0);
    add_rows(w, "old/emb", 5, 0, 2);
    add_rows(w, "old/emb", 5, 2, 3);
    ck_assert_int_eq(bundle_writer_add(w, "b", CREW_FLOAT, &two, b, &err), 0);
    ck_assert_int_eq(
        bundle_writer_add(w, "b/Momentum", CREW_FLOAT, &two, slot, &err), 0);
    ck_assert_int_eq(bundle_writer_add(w, "v", CREW_FLOAT, &five, v, &err), 0);
    ck_assert_int_eq(
        bundle_writer_add(w, "global_step", CREW_INT64, &scalar, &step, &err),
        0);
    ck_assert_int_eq(bundle_writer_finish(w, &sums, &err), 0);
    bundle_writer_free(w);
    put("/old/checkpoint", "model_checkpoint_path: \"model.ckpt-3\"\n");
}

static void setup(void)
{
    struct crew_err err = {0};

    env = env_mem_new(1);
    strbuf_init(&log_text);
    env_mem_on_log(env, take_line, NULL);
    ck_assert_int_eq(fs_make_dirs(env, "/old", &err), 0);
    ck_assert_int_eq(fs_make_dirs(env, "/empty", &err), 0);
    ck_assert_int_eq(fs_make_dirs(env, "/v", &err), 0);
    save_old();
    put("/v/old", "a\nb\nc\nd\ne\n");
    put("/v/new", "e\nx\nb"); /* the last line has no end */
    put("/v/twice", "a\na\nc\nd\ne\n");
    put("/v/columns", "a\nb\nc\n");
    put("/v/new_columns", "c\nq\na\n");
    put("/v/long", "a\nb\nc\nd\nx\ne\n");
}

static void teardown(void)
{
    env_mem_free(env);
    strbuf_release(&log_text);
}

/* A model of one or two variables, trained with momentum. */
struct model {
    struct crew_graph *graph;
    struct weights weights;
    int64_t step;
};

static void make_model(struct model *m,
                       const char *name,
                       struct crew_shape shape,
                       const char *second)
{
    struct optim_groups groups = {.n = 1};
    struct crew_err err = {0};

    groups.group[0].scope = "";
    groups.group[0].optimizer = crew_momentum(0.1, 0.9, false);
    *m = (struct model){.graph = graph_new()};
    (void)crew_variable(m->graph, name, shape, crew_init_constant(-1));
    if (second != NULL) {
        (void)crew_variable(m->graph, second, crew_shape1(2),
                            crew_init_constant(-2));
    }
    ck_assert_int_eq(weights_new(m->graph, &groups, true, &m->weights, &err),
                     0);
    weights_init(&m->weights, m->graph, 1);
}

static void free_model(struct model *m)
{
    weights_release(&m->weights);
    graph_free(m->graph);
}

static int start(struct model *m,
                 const struct crew_warm_start *s,
                 struct crew_err *err)
{
    strbuf_reset(&log_text);
    return warm_start_weights(s, env, 1, &m->weights, &m->step, err);
}

static void start_well(struct model *m, const struct crew_warm_start *s)
{
    struct crew_err err = {0};

    ck_assert_msg(start(m, s, &err) == 0, "%s", err.msg);
}

static void check_values(const struct model *m,
                         int var,
                         const float *want,
                         int64_t n)
{
    ck_assert_int_eq(m->weights.vars[var].n, n);
    for (int64_t i = 0; i < n; i++) {
        ck_assert_msg(m->weights.vars[var].value[i] == want[i],
                      "[%d]: got %g, want %g", (int)i,
                      (double)m->weights.vars[var].value[i], (double)want[i]);
    }
}

static const float of_b[] = {1, 2};

START_TEST(the_default_is_all_trainable_variables)
{
    static const char *const from[] = {"/old", "/old/model.ckpt-3"};
    struct crew_warm_start s = {.ckpt_to_initialize_from = from[_i]};
    struct model m;
    char want[700];

    make_model(&m, "b", crew_shape1(2), NULL);
    start_well(&m, &s);
    check_values(&m, 0, of_b, 2);
    ck_assert_float_eq(m.weights.vars[0].slot[0][0], 0);
    ck_assert_int_eq(m.step, 0);
    (void)snprintf(
        want, sizeof want,
        "Warm-starting with WarmStartSettings: WarmStartSettings("
        "ckpt_to_initialize_from='%s', vars_to_warm_start='.*', "
        "var_name_to_vocab_info={}, var_name_to_prev_var_name={})\n"
        "Warm-starting from: %s\n"
        "Warm-starting variables only in TRAINABLE_VARIABLES.\n"
        "debug: Warm-starting variable: b; prev_var_name: Unchanged\n"
        "Warm-started 1 variables.\n"
        "debug: Initialize variable b:0 from checkpoint %s with b\n",
        from[_i], from[_i], from[_i]);
    ck_assert_str_eq(log_text.data, want);
    free_model(&m);
}
END_TEST

START_TEST(names_are_mapped_and_slices_put_together)
{
    struct crew_prev_var_name prev[] = {{"emb", "old/emb"}};
    struct crew_warm_start s = {.ckpt_to_initialize_from = "/old",
                                .var_name_to_prev_var_name = prev,
                                .num_prev_var_names = 1};
    float want[15];
    struct model m;

    for (int i = 0; i < 15; i++) {
        want[i] = (float)i;
    }
    make_model(&m, "emb", crew_shape2(5, 3), "b");
    start_well(&m, &s);
    check_values(&m, 0, want, 15);
    check_values(&m, 1, of_b, 2);
    ck_assert_ptr_nonnull(strstr(log_text.data, "{'emb': 'old/emb'})"));
    ck_assert_ptr_nonnull(strstr(log_text.data, "Warm-started 2 variables."));
    free_model(&m);
}
END_TEST

/* A regular expression is matched from the name's beginning; names end in :0.
 */
static const struct {
    const char *regex;
    int started;
} regexes[] = {
    {"b", 2},  {"bb", 1},      {"b$", 0},   {"b:0$", 1},  {"x", 0},
    {".*", 2}, {"b(?:b)?", 2}, {"b\\d", 0}, {"b:\\d", 1}, {"\\w+:0", 2},
};

START_TEST(regular_expressions_choose)
{
    struct crew_prev_var_name prev[] = {{"bb", "b"}};
    struct crew_warm_start s = {.ckpt_to_initialize_from = "/old",
                                .vars_to_warm_start = regexes[_i].regex,
                                .var_name_to_prev_var_name = prev,
                                .num_prev_var_names = regexes[_i].started == 2};
    struct crew_err err = {0};
    struct model m;
    char want[60];

    make_model(&m, "b", crew_shape1(2), "bb");
    if (strcmp(regexes[_i].regex, "bb") == 0) {
        s.num_prev_var_names = 1;
    }
    ck_assert_msg(start(&m, &s, &err) == 0, "%s", err.msg);
    (void)snprintf(want, sizeof want, "Warm-started %d variables.",
                   regexes[_i].started);
    ck_assert_ptr_nonnull(strstr(log_text.data, want));
    free_model(&m);
}
END_TEST

START_TEST(a_list_chooses_slots_and_the_step_too)
{
    const char *list[] = {"b", "global_step"};
    struct crew_warm_start s = {.ckpt_to_initialize_from = "/old",
                                .vars_to_warm_start_list = list,
                                .num_vars_to_warm_start = 2};
    struct model m;

    make_model(&m, "b", crew_shape1(2), NULL);
    start_well(&m, &s);
    check_values(&m, 0, of_b, 2);
    ck_assert_float_eq(m.weights.vars[0].slot[0][0], 0.5f);
    ck_assert_float_eq(m.weights.vars[0].slot[0][1], 0.25f);
    ck_assert_int_eq(m.step, 40);
    ck_assert_ptr_nonnull(
        strstr(log_text.data, "vars_to_warm_start=['b', 'global_step'],"));
    ck_assert_ptr_null(strstr(log_text.data, "TRAINABLE_VARIABLES"));
    free_model(&m);
}
END_TEST

/* ------------------------------------------------------------ vocabularies */

static struct crew_vocab_info info_of(const char *var)
{
    return (struct crew_vocab_info){.var_name = var,
                                    .new_vocab = "/v/new",
                                    .new_vocab_size = 3,
                                    .num_oov_buckets = 1,
                                    .old_vocab = "/v/old"};
}

static struct crew_prev_var_name emb_was[] = {{"emb", "old/emb"}};

static struct crew_warm_start with_vocab(const struct crew_vocab_info *info)
{
    return (struct crew_warm_start){.ckpt_to_initialize_from = "/old",
                                    .vars_to_warm_start = "emb",
                                    .var_name_to_vocab_info = info,
                                    .num_vocab_infos = 1,
                                    .var_name_to_prev_var_name = emb_was,
                                    .num_prev_var_names = 1};
}

START_TEST(rows_follow_their_words)
{
    static const float want[] = {12, 13, 14, 0, 0, 0, 3, 4, 5, 0, 0, 0};
    struct crew_vocab_info info = info_of("emb");
    struct crew_warm_start s = with_vocab(&info);
    struct model m;

    make_model(&m, "emb", crew_shape2(4, 3), NULL);
    start_well(&m, &s);
    check_values(&m, 0, want, 12);
    ck_assert_ptr_nonnull(
        strstr(log_text.data,
               "var_name_to_vocab_info={'emb': VocabInfo(new_vocab='/v/new', "
               "new_vocab_size=3, num_oov_buckets=1, old_vocab='/v/old', "
               "old_vocab_size=-1, backup_initializer=None, axis=0)}"));
    ck_assert_ptr_nonnull(strstr(
        log_text.data,
        "debug: Warm-starting variable: emb; current_vocab: /v/new "
        "current_vocab_size: 3 prev_vocab: /v/old prev_vocab_size: All "
        "current_oov: 1 prev_tensor: old/emb initializer: zero-initialized\n"));
    free_model(&m);
}
END_TEST

START_TEST(fewer_rows_than_words)
{
    static const float want[] = {12, 13, 14, 0, 0, 0, 3, 4, 5};
    struct crew_vocab_info info = info_of("emb");
    struct crew_warm_start s = with_vocab(&info);
    struct model m;

    make_model(&m, "emb", crew_shape2(3, 3), NULL);
    start_well(&m, &s);
    check_values(&m, 0, want, 9);
    free_model(&m);
}
END_TEST

START_TEST(the_old_vocabulary_can_be_cut)
{
    static const float want[] = {7, 7, 7, 7, 7, 7, 3, 4, 5, 7, 7, 7};
    struct crew_vocab_info info = info_of("emb");
    struct crew_warm_start s = with_vocab(&info);
    struct model m;

    info.old_vocab_size = 2;
    info.backup_initializer = crew_init_constant(7);
    make_model(&m, "emb", crew_shape2(4, 3), NULL);
    start_well(&m, &s);
    check_values(&m, 0, want, 12);
    free_model(&m);
}
END_TEST

START_TEST(columns_follow_their_words)
{
    static const float want[] = {2, 0, 0,  0, 5, 0, 3,  0, 8,  0,
                                 6, 0, 11, 0, 9, 0, 14, 0, 12, 0};
    struct crew_vocab_info info = info_of("emb");
    struct crew_warm_start s = with_vocab(&info);
    struct model m;

    info.axis = 1;
    info.new_vocab = "/v/new_columns";
    info.old_vocab = "/v/columns";
    make_model(&m, "emb", crew_shape2(5, 4), NULL);
    start_well(&m, &s);
    check_values(&m, 0, want, 20);
    free_model(&m);
}
END_TEST

/* TensorFlow's documentation does this with biases; its code cannot. */
START_TEST(a_vector_has_rows_too)
{
    static const float want[] = {14, -3, 11, -3};
    struct crew_vocab_info info = info_of("v");
    struct crew_warm_start s = {.ckpt_to_initialize_from = "/old",
                                .only_vocab_info = true,
                                .var_name_to_vocab_info = &info,
                                .num_vocab_infos = 1};
    struct model m;

    info.backup_initializer = crew_init_constant(-3);
    make_model(&m, "v", crew_shape1(4), "other");
    start_well(&m, &s);
    check_values(&m, 0, want, 4);
    ck_assert_float_eq(m.weights.vars[1].value[0], -2); /* not chosen */
    ck_assert_ptr_nonnull(strstr(log_text.data, "vars_to_warm_start=None,"));
    ck_assert_ptr_nonnull(strstr(log_text.data, "Warm-started 1 variables."));
    free_model(&m);
}
END_TEST

/* A change of one thing, and what TensorFlow says. */
static const struct {
    int64_t rows, cols, new_size, old_size, oov;
    const char *new_vocab, *old_vocab, *prev;
    int axis, exit_code;
    const char *says;
} vocab_errors[] = {
    {4, 3, 3, 9, 1, "/v/new", "/v/old", "old/emb", 0, 1,
     "Invalid vocab_size in /v/old: expected 9 but got 5"},
    {4, 3, 3, 0, 1, "/v/new", "/v/twice", "old/emb", 0, 1,
     "HashTable has different value for same key. Key a has 0 and trying to "
     "add value 1"},
    {4, 3, 4, 0, 1, "/v/new", "/v/old", "old/emb", 0, 1,
     "lookup table size must be larger than last new vocab entry's line"},
    {6, 3, 3, 0, 1, "/v/new", "/v/old", "old/emb", 0, 1,
     "Trying to initialize 6 additional rows after 0 rows have already been "
     "initialized, which would exceed expected total row count of "
     "new_row_vocab_size (3) + num_row_oov_buckets (1) = 4."},
    {4, 2, 3, 0, 1, "/v/new", "/v/old", "old/emb", 0, 1,
     "Tensor old/emb has shape [5,3], where the size of its 2nd dimension is "
     "3 instead of being equal to num_cols=2"},
    {4, 3, 3, 0, 1, "/v/new", "/v/old", "absent", 0, 66,
     "Key absent not found in checkpoint"},
    {4, 3, 3, 0, 1, "/v/new", "/v/zz", "old/emb", 0, 66, "/v/zz"},
    {4, 3, 3, 0, 1, "/v/zz", "/v/old", "old/emb", 0, 66, "/v/zz"},
    {4, 3, 3, 0, 1, "/v/twice", "/v/old", "old/emb", 0, 1,
     "Old ID 0 is mapped to both new ID 0 and 1, which is not supported."},
    {5, 3, 3, 0, 1, "/v/new_columns", "/v/columns", "old/emb", 1, 1,
     "Expected 2nd dim of shape to be new_col_vocab_size (3) + "
     "num_col_oov_buckets (1) = 4, but received shape: [5, 3]"},
    {7, 4, 3, 0, 1, "/v/new_columns", "/v/columns", "old/emb", 1, 1,
     "Extent in dimension 0 out of bounds: shape = [5,3], slice = 0,7:-"},
    {5, 4, 3, 0, 1, "/v/new", "/v/old", "old/emb", 1, 1,
     "/v/old: line 5 belongs to no column of old/emb, which has 3 of them"},
    {4, 3, 3, 0, 1, "/v/new", "/v/long", "old/emb", 0, 1,
     "/v/long: line 6 belongs to no row of old/emb, which has 5 of them"},
    {4, 3, 3, 0, 1, "/v/new", "/v/old", "old/emb", 2, 1,
     "The only supported values for the axis argument are 0 and 1.  Provided "
     "axis: 2"},
    {4, 3, 0, 0, 1, "/v/new", "/v/old", "old/emb", 0, 1,
     "Invalid args: Must provide all of [current_vocab_path"},
    {4, 3, 3, 0, -1, "/v/new", "/v/old", "old/emb", 0, 1,
     "num_row_oov_buckets must be >= 0, but received -1"},
    {4, 3, 3, 0, 1, "/v/new", "/v/old", "b", 0, 1,
     "Tensor b must be a matrix, but has shape [2]"},
    {4, 3, 3, 0, 1, "/v/new", "/v/old", "global_step", 0, 1,
     "tensor_name = global_step; expected dtype float does not equal original "
     "dtype int64"},
};

START_TEST(vocabularies_that_do_not_fit)
{
    struct crew_vocab_info info = {.var_name = "emb",
                                   .new_vocab = vocab_errors[_i].new_vocab,
                                   .new_vocab_size = vocab_errors[_i].new_size,
                                   .num_oov_buckets = vocab_errors[_i].oov,
                                   .old_vocab = vocab_errors[_i].old_vocab,
                                   .old_vocab_size = vocab_errors[_i].old_size,
                                   .axis = vocab_errors[_i].axis};
    struct crew_prev_var_name prev[] = {{"emb", vocab_errors[_i].prev}};
    struct crew_warm_start s = with_vocab(&info);
    struct crew_err err = {0};
    struct model m;

    s.var_name_to_prev_var_name = prev;
    make_model(&m, "emb",
               crew_shape2(vocab_errors[_i].rows, vocab_errors[_i].cols), NULL);
    (void)start(&m, &s, &err);
    ck_assert_msg(strstr(err.msg, vocab_errors[_i].says) != NULL, "%s",
                  err.msg);
    ck_assert_int_eq(crew_err_exit_code(&err), vocab_errors[_i].exit_code);
    free_model(&m);
}
END_TEST

/* ------------------------------------------------------------------ errors */

static struct crew_prev_var_name misspelled[] = {{"zz", "b"}};

static const struct {
    const char *var;
    int64_t n;
    const char *from;
    int num_prev;
    int exit_code;
    const char *says;
} errors[] = {
    {"b", 3, "/old", 0, 1,
     "Shape of variable b:0 ((3,)) doesn't match with shape of tensor b ([2]) "
     "from checkpoint reader."},
    {"c", 2, "/old", 0, 1,
     "Tensor c is not found in /old checkpoint {'b': [2], 'b/Momentum': [2], "
     "'global_step': [], 'old/emb': [5, 3], 'v': [5]}"},
    {"b", 2, "/nothere", 0, 66,
     "Failed to find any matching files for /nothere"},
    {"b", 2, "/empty", 0, 66,
     "Couldn't find 'checkpoint' file or checkpoints in given directory "
     "/empty"},
    {"b", 2, "/old", 1, 1,
     "You provided the following variables in var_name_to_prev_var_name that "
     "were not used: {'zz'}.  Perhaps you misspelled them?  Here is the list "
     "of viable variable names: dict_keys(['b'])"},
    {"b", 2, "", 0, 64,
     "`ckpt_to_initialize_from` MUST be set in WarmStartSettings"},
};

START_TEST(settings_that_do_not_fit)
{
    struct crew_warm_start s = {.ckpt_to_initialize_from = errors[_i].from,
                                .var_name_to_prev_var_name = misspelled,
                                .num_prev_var_names = errors[_i].num_prev};
    struct crew_err err = {0};
    struct model m;

    make_model(&m, errors[_i].var, crew_shape1(errors[_i].n), NULL);
    (void)start(&m, &s, &err);
    ck_assert_msg(strstr(err.msg, errors[_i].says) != NULL, "%s", err.msg);
    ck_assert_int_eq(crew_err_exit_code(&err), errors[_i].exit_code);
    free_model(&m);
}
END_TEST

START_TEST(a_vocabulary_of_nothing_is_told)
{
    struct crew_vocab_info info = info_of("zz");
    struct crew_warm_start s = {.ckpt_to_initialize_from = "/old",
                                .var_name_to_vocab_info = &info,
                                .num_vocab_infos = 1};
    struct crew_err err = {0};
    struct model m;

    make_model(&m, "b", crew_shape1(2), NULL);
    ck_assert_int_eq(start(&m, &s, &err), CREW_INVALID_ARGUMENT);
    ck_assert_str_eq(
        err.msg,
        "You provided the following variables in var_name_to_vocab_info that "
        "were not used: {'zz'}.  Perhaps you misspelled them?  Here is the "
        "list of viable variable names: dict_keys(['b'])");
    free_model(&m);
}
END_TEST

START_TEST(what_is_no_regular_expression)
{
    struct crew_warm_start s = {.ckpt_to_initialize_from = "/old",
                                .vars_to_warm_start = "b("};
    struct crew_err err = {0};
    struct model m;

    make_model(&m, "b", crew_shape1(2), NULL);
    ck_assert_int_eq(start(&m, &s, &err), CREW_INVALID_ARGUMENT);
    ck_assert_ptr_nonnull(
        strstr(err.msg, "vars_to_warm_start: 'b(' is no regular expression: "));
    free_model(&m);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("warm_start");
    TCase *tc = tcase_create("warm_start");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, the_default_is_all_trainable_variables, 0, 2);
    tcase_add_test(tc, names_are_mapped_and_slices_put_together);
    tcase_add_loop_test(tc, regular_expressions_choose, 0,
                        (int)(sizeof regexes / sizeof regexes[0]));
    tcase_add_test(tc, a_list_chooses_slots_and_the_step_too);
    tcase_add_test(tc, rows_follow_their_words);
    tcase_add_test(tc, fewer_rows_than_words);
    tcase_add_test(tc, the_old_vocabulary_can_be_cut);
    tcase_add_test(tc, columns_follow_their_words);
    tcase_add_test(tc, a_vector_has_rows_too);
    tcase_add_loop_test(tc, vocabularies_that_do_not_fit, 0,
                        (int)(sizeof vocab_errors / sizeof vocab_errors[0]));
    tcase_add_loop_test(tc, settings_that_do_not_fit, 0,
                        (int)(sizeof errors / sizeof errors[0]));
    tcase_add_test(tc, a_vocabulary_of_nothing_is_told);
    tcase_add_test(tc, what_is_no_regular_expression);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
