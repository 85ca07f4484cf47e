/* SPDX-License-Identifier: Apache-2.0
 * export_outputs: which signatures come of them, and TensorFlow's sentences for
 * what they refuse; the receiver's features. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem_fs.h"
#include "base/strbuf.h"
#include "estimator/export/model_export.h"
#include "export/warmup.h"
#include "io/example.h"
#include "io/tfrecord.h"
#include "run_suite.h"

#include "base/banned.h"

static const char *const labels[] = {"cat", "dog", "emu"};
static const struct crew_labels three = {.names = labels, .n = 3};
static const struct crew_labels none;

/* What the model function of the test at hand does with its spec. */
struct nodes {
    struct crew_node *scores, *best, *value;
};
static void (*declare)(struct crew_spec *, const struct nodes *);

static int model_fn(struct crew_graph *g,
                    const struct crew_features *features,
                    struct crew_node *label,
                    enum crew_mode mode,
                    const struct crew_params *params,
                    struct crew_spec *spec,
                    struct crew_err *err)
{
    struct crew_node *x = crew_feature(features, "x");
    struct nodes n;

    (void)label;
    (void)mode;
    (void)params;
    n.scores = crew_softmax(g, crew_dense(g, NULL, x, 3, CREW_LINEAR));
    n.best = crew_argmax(g, n.scores, 1);
    n.value = crew_dense(g, NULL, x, 1, CREW_LINEAR);
    crew_spec_prediction(spec, "scores", n.scores);
    crew_spec_prediction(spec, "id", n.best);
    declare(spec, &n);
    return crew_graph_status(g, err);
}

static const struct crew_job job = {CREW_ABI_VERSION, "test", model_fn, NULL};
static const struct dataset_spec element = {
    .n = 3,
    .component = {{"x", CREW_FLOAT, {2, {-1, 4}}, false, false},
                  {"n", CREW_INT32, {1, {-1}}, false, false},
                  {"label", CREW_INT32, {1, {-1}}, true, false}},
    .max_batch = 2,
};

static struct crew_params *params;
static struct model *m;
static struct model_export x;
static struct crew_err err;

static void setup(void)
{
    params = params_new();
    m = NULL;
    x = (struct model_export){0};
    err = (struct crew_err){0};
}

static void teardown(void)
{
    model_export_release(&x);
    model_free(m);
    params_free(params);
}

static int build(void (*with)(struct crew_spec *, const struct nodes *))
{
    declare = with;
    return model_build(&job, params, CREW_PREDICT, &element, &m, &err);
}

/* "key:method:outputs ..." of all signatures, in order. */
static void signatures_are(const char *want)
{
    struct strbuf got;

    strbuf_init(&got);
    for (int i = 0; i < x.request.n_signatures; i++) {
        const struct export_signature *s = &x.request.signatures[i];

        strbuf_addf(&got, "%s%s:%d", i > 0 ? " " : "", s->key, (int)s->method);
        for (int k = 0; k < s->n_outputs; k++) {
            strbuf_addf(&got, ",%s", s->outputs[k].key);
        }
    }
    ck_assert_str_eq(got.data, want);
    strbuf_release(&got);
}

static void nothing(struct crew_spec *s, const struct nodes *n)
{
    (void)s;
    (void)n;
}
static void one_name(struct crew_spec *s, const struct nodes *n)
{
    (void)n;
    crew_spec_signature(s, "predict_images");
}
static void the_default(struct crew_spec *s, const struct nodes *n)
{
    crew_spec_export_predict(s, CREW_SERVING_DEFAULT, "p", n->scores);
}
static void all_kinds(struct crew_spec *s, const struct nodes *n)
{
    crew_spec_export_classify(s, CREW_SERVING_DEFAULT, n->scores, NULL, three);
    crew_spec_export_classify(s, "plain", n->scores, NULL, none);
    crew_spec_export_classify(s, "best", NULL, n->best, three);
    crew_spec_export_regress(s, "regress", n->value);
    crew_spec_export_predict(s, "predict", "value", n->value);
    crew_spec_export_predict_labels(s, "predict", "label", n->best, three);
    crew_spec_signature(s, "everything");
}

static const struct {
    void (*with)(struct crew_spec *, const struct nodes *);
    const char *signatures;
} good[] = {
    {nothing, "serving_default:0,scores,id"},
    {one_name, "predict_images:0,scores,id serving_default:0,scores,id"},
    {the_default, "serving_default:0,p"},
    {all_kinds,
     "serving_default:1,classes,scores plain:1,scores best:1,classes "
     "regress:2,outputs predict:0,value,label everything:0,scores,id"},
};

START_TEST(signatures_of_export_outputs)
{
    ck_assert_msg(build(good[_i].with) == CREW_OK, "%s", err.msg);
    ck_assert_int_eq(model_export_init(&x, m, NULL, params, &err), CREW_OK);
    signatures_are(good[_i].signatures);
}
END_TEST

/* ---------------------------------------------------------- what is refused */

static void no_default(struct crew_spec *s, const struct nodes *n)
{
    crew_spec_signature(s, "a");
    crew_spec_export_regress(s, "b", n->value);
}
static void int_scores(struct crew_spec *s, const struct nodes *n)
{
    crew_spec_export_classify(s, "a", n->best, NULL, none);
}
static void float_ids(struct crew_spec *s, const struct nodes *n)
{
    crew_spec_export_classify(s, "a", NULL, n->scores, none);
}
static void empty_classes(struct crew_spec *s, const struct nodes *n)
{
    (void)n;
    crew_spec_export_classify(s, "a", NULL, NULL, three);
}
static void int_value(struct crew_spec *s, const struct nodes *n)
{
    crew_spec_export_regress(s, "a", n->best);
}
static void no_value(struct crew_spec *s, const struct nodes *n)
{
    (void)n;
    crew_spec_export_regress(s, "a", NULL);
}
static void no_output(struct crew_spec *s, const struct nodes *n)
{
    (void)n;
    crew_spec_export_predict(s, "a", "x", NULL);
}
static void two_labels(struct crew_spec *s, const struct nodes *n)
{
    const struct crew_labels two = {.names = labels, .n = 2};

    crew_spec_export_classify(s, "a", n->scores, NULL, two);
}
static void labels_without_n(struct crew_spec *s, const struct nodes *n)
{
    const struct crew_labels bad = {.names = labels};

    crew_spec_export_classify(s, "a", NULL, n->best, bad);
}
static void twice(struct crew_spec *s, const struct nodes *n)
{
    crew_spec_signature(s, "a");
    crew_spec_export_regress(s, "a", n->value);
}
static void output_twice(struct crew_spec *s, const struct nodes *n)
{
    crew_spec_export_predict(s, "a", "x", n->value);
    crew_spec_export_predict(s, "a", "x", n->scores);
}

static const struct {
    void (*with)(struct crew_spec *, const struct nodes *);
    const char *says;
} bad[] = {
    {no_default,
     "Multiple `export_outputs` were provided, but none of them "
     "are specified as the default."},
    {int_scores,
     "export 'a': Classification scores must be a float32 Tensor; "
     "got Tensor(\"ArgMax:0\", shape=(None,), dtype=int64)"},
    {float_ids,
     "export 'a': Classification classes must be a string Tensor; "
     "got Tensor(\"Softmax:0\", shape=(None, 3), dtype=float32)"},
    {empty_classes,
     "Cannot create a ClassificationOutput with empty arguments. At least one "
     "of `scores` and `classes` must be defined."},
    {int_value,
     "Regression output value must be a float32 Tensor; got "
     "Tensor(\"ArgMax:0\", shape=(None,), dtype=int64)"},
    {no_value, "Regression output value must be a float32 Tensor; got None"},
    {no_output, "Prediction output value must be a Tensor; got None"},
    {two_labels, "there are not as many labels as scores"},
    {labels_without_n, "labels.n must say how many there are"},
    {twice, "export 'a': is given twice"},
    {output_twice, "export 'a': the output 'x' is given twice"},
};

START_TEST(export_outputs_that_cannot_be)
{
    ck_assert_int_eq(build(bad[_i].with), CREW_INVALID_ARGUMENT);
    ck_assert_int_eq(err.exit_code, 1);
    ck_assert_msg(strstr(err.msg, bad[_i].says) != NULL, "%s", err.msg);
}
END_TEST

/* ----------------------------------------------------------------- receiver */

START_TEST(features_are_the_datasets_and_the_receivers)
{
    static const int64_t seven = 7;
    const struct crew_example_feature given[] = {
        {.name = "n", .default_value = &seven},
        {.name = "tags", .dtype = CREW_STRING, .var_len = true}};
    struct crew_exporter e = {
        .name = "e", .receiver = {CREW_RECEIVER_EXAMPLES, "raw", given, 2}};

    ck_assert_int_eq(build(nothing), CREW_OK);
    ck_assert_msg(model_export_init(&x, m, &e, params, &err) == CREW_OK, "%s",
                  err.msg);
    ck_assert_int_eq(x.request.n_features, 3); /* no label */
    ck_assert(x.request.examples);
    ck_assert_str_eq(x.features[0].key, "x");
    ck_assert_int_eq(x.features[0].wire, CREW_FLOAT);
    ck_assert_str_eq(x.features[1].key, "n");
    ck_assert_int_eq(x.features[1].wire, CREW_INT64);
    ck_assert_ptr_eq(x.features[1].default_value, &seven);
    ck_assert_int_eq(x.component[1], 1);
    ck_assert_ptr_null(x.features[2].node);
    ck_assert_int_eq(x.component[2], -1);
}
END_TEST

START_TEST(a_receiver_of_tensors_has_no_spellings)
{
    const struct crew_example_feature given[] = {{.name = "n"}, {.name = "n"}};
    struct crew_exporter e = {
        .name = "e", .receiver = {.features = given, .num_features = 2}};

    ck_assert_int_eq(build(nothing), CREW_OK);
    if (_i == 1) {
        e.receiver.kind = CREW_RECEIVER_EXAMPLES;
    }
    ck_assert_int_eq(model_export_init(&x, m, &e, params, &err),
                     CREW_INVALID_ARGUMENT);
    ck_assert_msg(strstr(err.msg, _i == 0 ? "takes the features as they are"
                                          : "'n' is there twice") != NULL,
                  "%s", err.msg);
}
END_TEST

static const struct {
    const char *set;
    enum crew_export_weights of_exporter, want;
} weights[] = {
    {NULL, CREW_EXPORT_AUTO, CREW_EXPORT_AUTO},
    {NULL, CREW_EXPORT_VARIABLES, CREW_EXPORT_VARIABLES},
    {"export_variables=true", CREW_EXPORT_CONSTANTS, CREW_EXPORT_VARIABLES},
    {"export_variables=false", CREW_EXPORT_VARIABLES, CREW_EXPORT_CONSTANTS},
};

START_TEST(set_has_the_last_word_on_weights)
{
    struct crew_exporter e = {.name = "e", .weights = weights[_i].of_exporter};

    if (weights[_i].set != NULL) {
        ck_assert_int_eq(params_set(params, weights[_i].set, &err), CREW_OK);
    }
    ck_assert_int_eq(build(nothing), CREW_OK);
    ck_assert_int_eq(model_export_init(&x, m, &e, params, &err), CREW_OK);
    ck_assert_int_eq((int)x.request.weights, (int)weights[_i].want);
    ck_assert_int_eq(params_unused(params, &err), CREW_OK);
}
END_TEST

/* ------------------------------------------------------------------ warm-up */

/* The records are complete and hold each row's Example. */
START_TEST(warm_up_has_a_request_a_signature)
{
    static const float values[] = {1, 2, 3, 4, 5, 6, 7, 8};
    static const int32_t numbers[] = {-3, 9};
    const void *data[] = {values, numbers};
    struct crew_exporter e = {.name = "e",
                              .receiver = {.kind = CREW_RECEIVER_EXAMPLES}};
    const int64_t nine[] = {9};
    struct example_writer w;
    struct strbuf out, want;
    size_t records = 0;

    ck_assert_int_eq(build(all_kinds), CREW_OK);
    ck_assert_int_eq(model_export_init(&x, m, &e, params, &err), CREW_OK);
    strbuf_init(&out);
    strbuf_init(&want);
    export_warmup(&x.request, "test", data, 2, &out);
    for (size_t at = 0; at < out.len; records++) {
        uint64_t n = 0;

        memcpy(&n, out.data + at, sizeof n);
        at += 16 + n;
        ck_assert_uint_le(at, out.len);
    }
    ck_assert_uint_eq(records, 6);
    example_writer_init(&w);
    example_add_floats(&w, "x", values + 4, 4);
    example_add_ints(&w, "n", nine, 1);
    example_writer_finish(&w, &want);
    ck_assert_ptr_nonnull(memmem(out.data, out.len, want.data, want.len));
    example_writer_release(&w);
    strbuf_release(&want);
    strbuf_release(&out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("model_export");
    TCase *tc = tcase_create("model_export");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, signatures_of_export_outputs, 0,
                        (int)COUNT_OF(good));
    tcase_add_loop_test(tc, export_outputs_that_cannot_be, 0,
                        (int)COUNT_OF(bad));
    tcase_add_test(tc, features_are_the_datasets_and_the_receivers);
    tcase_add_loop_test(tc, a_receiver_of_tensors_has_no_spellings, 0, 2);
    tcase_add_loop_test(tc, set_has_the_last_word_on_weights, 0,
                        (int)COUNT_OF(weights));
    tcase_add_test(tc, warm_up_has_a_request_a_signature);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
