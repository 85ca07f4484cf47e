/* SPDX-License-Identifier: Apache-2.0
 * Event files: what is written is read back, whatever it is; TensorFlow's own
 * events, packed again, have the same bytes; damage is told where it is. */
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/mem_fs.h"
#include "io/tfrecord.h"
#include "run_suite.h"
#include "summary/event_reader.h"
#include "summary/event_writer.h"

#include "base/banned.h"

static struct crew_env *env;
static const struct event_notice nobody;

static void setup(void)
{
    env = env_mem_new(1);
}

static void teardown(void)
{
    env_mem_free(env);
}

static struct event_writer *open_writer(const char *dir)
{
    struct event_writer *w = NULL;
    struct crew_err err = {0};

    ck_assert_msg(event_writer_open(env, dir, nobody, &w, &err) == CREW_OK,
                  "%s", err.msg);
    return w;
}

/* The only event file of a folder. Owner: caller. */
static char *only_file(const char *dir)
{
    struct crew_err err = {0};
    char **files = NULL, *path;
    int n = 0;

    ck_assert_msg(event_files(env, dir, &files, &n, &err) == CREW_OK, "%s",
                  err.msg);
    ck_assert_int_eq(n, 1);
    path = xstrdup(files[0]);
    event_files_free(files, n);
    return path;
}

static Tensorflow__Event *next(struct event_reader *r)
{
    Tensorflow__Event *e = NULL;
    struct crew_err err = {0};

    ck_assert_msg(event_reader_next(r, &e, &err) == CREW_OK, "%s", err.msg);
    return e;
}

static void expect_first(struct event_reader *r)
{
    Tensorflow__Event *e = next(r);

    ck_assert_str_eq(e->file_version, "brain.Event:2");
    ck_assert_ptr_nonnull(e->source_metadata);
    ck_assert_str_eq(e->source_metadata->writer,
                     "traincrew.common.summary.event_writer");
    ck_assert(e->wall_time == env->wall_time(env));
    tensorflow__event__free_unpacked(e, NULL);
}

static void expect_log(struct event_reader *r,
                       int64_t step,
                       int status,
                       const char *path)
{
    Tensorflow__Event *e = next(r);

    ck_assert_int_eq(e->what_case, TENSORFLOW__EVENT__WHAT_SESSION_LOG);
    ck_assert_int_eq(e->step, step);
    ck_assert_int_eq(e->session_log->status, status);
    ck_assert_str_eq(e->session_log->checkpoint_path, path);
    tensorflow__event__free_unpacked(e, NULL);
}

static const Tensorflow__Summary__Value *only_value(const Tensorflow__Event *e)
{
    ck_assert_int_eq(e->what_case, TENSORFLOW__EVENT__WHAT_SUMMARY);
    ck_assert_uint_eq(e->summary->n_value, 1);
    return e->summary->value[0];
}

/* One event of the evaluation's kind: scalars, then a string. */
static void write_evaluation(struct event_writer *w)
{
    struct event_summary *s = event_summary_new();

    event_add_scalar(s, "accuracy", 0.75f);
    event_add_scalar(s, "loss", 0.0f);
    event_write_summary(w, 500, s);
    event_summary_free(s);
    s = event_summary_new();
    event_add_string(s, "checkpoint_path", "/m/model.ckpt-500");
    event_write_summary(w, 500, s);
    event_summary_free(s);
}

static void expect_scalars(struct event_reader *r)
{
    Tensorflow__Event *e = next(r);

    ck_assert_int_eq(e->step, 500);
    ck_assert_uint_eq(e->summary->n_value, 2);
    ck_assert_str_eq(e->summary->value[0]->tag, "accuracy");
    ck_assert_ptr_null(e->summary->value[0]->metadata);
    ck_assert(e->summary->value[0]->simple_value == 0.75f);
    /* a value of zero is there all the same */
    ck_assert_int_eq(e->summary->value[1]->value_case,
                     TENSORFLOW__SUMMARY__VALUE__VALUE_SIMPLE_VALUE);
    tensorflow__event__free_unpacked(e, NULL);
}

static void expect_checkpoint_path(struct event_reader *r)
{
    Tensorflow__Event *e = next(r);
    const Tensorflow__Summary__Value *v = only_value(e);

    ck_assert_str_eq(v->tag, "checkpoint_path");
    ck_assert_ptr_null(v->metadata);
    ck_assert_int_eq(v->tensor->dtype, CREW_STRING);
    ck_assert_uint_eq(v->tensor->string_val[0].len, 17);
    ck_assert_mem_eq(v->tensor->string_val[0].data, "/m/model.ckpt-500", 17);
    tensorflow__event__free_unpacked(e, NULL);
}

static void expect_graphs(struct event_reader *r)
{
    Tensorflow__Event *e = next(r);

    ck_assert_int_eq(e->what_case, TENSORFLOW__EVENT__WHAT_GRAPH_DEF);
    ck_assert_uint_eq(e->graph_def.len, 2);
    tensorflow__event__free_unpacked(e, NULL);
    e = next(r); /* MetaGraphDef { graph_def: those 2 bytes } */
    ck_assert_int_eq(e->what_case, TENSORFLOW__EVENT__WHAT_META_GRAPH_DEF);
    ck_assert_uint_eq(e->meta_graph_def.len, 4);
    ck_assert_mem_eq(e->meta_graph_def.data, "\x12\x02\x0a\x00", 4);
    tensorflow__event__free_unpacked(e, NULL);
}

static void expect_end(struct event_reader *r)
{
    Tensorflow__Event *e = NULL;
    struct crew_err err = {0};

    ck_assert_int_eq(event_reader_next(r, &e, &err), CREW_OUT_OF_RANGE);
    event_reader_close(r);
}

START_TEST(what_is_written_is_read_back)
{
    struct event_writer *w = open_writer("/m/eval");
    struct event_reader *r = NULL;
    Tensorflow__Event *e = NULL;
    struct crew_err err = {0};
    char *path;

    event_write_graph(w, "\x0a\x00", 2);
    event_write_session(w, 7, EVENT_SESSION_START, NULL);
    write_evaluation(w);
    event_write_session(w, 500, EVENT_SESSION_CHECKPOINT, "/m/model.ckpt");
    event_write_run_metadata(w, 501, "step_501", "\x0a\x00", 2);
    event_write_log(w, 502, 30, "the disk is nearly full");
    event_write_scalar(w, 503, "global_step/sec", -0.5f);

    path = only_file("/m/eval"); /* while it is being written */
    ck_assert_int_eq(event_reader_open(env, path, &r, &err), CREW_OK);
    expect_first(r);
    expect_graphs(r);
    expect_log(r, 7, 1, "");
    expect_scalars(r);
    expect_checkpoint_path(r);
    expect_log(r, 500, 3, "/m/model.ckpt");

    e = next(r);
    ck_assert_str_eq(e->tagged_run_metadata->tag, "step_501");
    ck_assert_uint_eq(e->tagged_run_metadata->run_metadata.len, 2);
    tensorflow__event__free_unpacked(e, NULL);
    e = next(r);
    ck_assert_int_eq(e->log_message->level, 30);
    ck_assert_str_eq(e->log_message->message, "the disk is nearly full");
    tensorflow__event__free_unpacked(e, NULL);
    e = next(r);
    ck_assert_int_eq(e->step, 503);
    ck_assert(only_value(e)->simple_value == -0.5f);
    tensorflow__event__free_unpacked(e, NULL);

    expect_end(r);
    event_writer_close(w);
    free(path);
}
END_TEST

/* Texts have the plugin's name; a table its shape. */
START_TEST(texts_are_tensors_of_the_plugin)
{
    static const char *const cells[] = {"a", "b", "c", "na\xc3\xafve"};
    const struct crew_shape table = crew_shape2(2, 2);
    struct event_summary *s = event_summary_new();
    const Tensorflow__Summary__Value *v;

    event_add_text(s, "table", &table, cells);
    v = event_summary_message(s)->value[0];
    ck_assert_str_eq(v->metadata->plugin_data->plugin_name, "text");
    ck_assert_uint_eq(v->tensor->tensor_shape->n_dim, 2);
    ck_assert_int_eq(v->tensor->tensor_shape->dim[1]->size, 2);
    ck_assert_uint_eq(v->tensor->n_string_val, 4);
    ck_assert_uint_eq(v->tensor->string_val[3].len, 6);
    event_summary_free(s);
}
END_TEST

/* <secs>, ten digits so that files sort by it, host, pid, number. */
START_TEST(names_are_as_tensorboard_wants)
{
    struct event_writer *a = open_writer("/m"), *b = open_writer("/m");
    struct crew_err err = {0};
    char **files = NULL;
    regex_t pattern;
    int n = 0;

    ck_assert_int_eq(
        regcomp(&pattern,
                "^/m/events\\.out\\.tfevents\\.[0-9]{10}\\.[^/]+\\."
                "[0-9]+\\.[0-9]+$",
                REG_EXTENDED),
        0);
    ck_assert_int_eq(event_files(env, "/m", &files, &n, &err), CREW_OK);
    ck_assert_int_eq(n, 2); /* two of the same second */
    for (int i = 0; i < n; i++) {
        ck_assert_msg(regexec(&pattern, files[i], 0, NULL, 0) == 0, "%s",
                      files[i]);
    }
    regfree(&pattern);
    event_files_free(files, n);
    event_writer_close(a);
    event_writer_close(b);
}
END_TEST

START_TEST(a_writer_that_cannot_begin_is_an_error)
{
    bool fired = true;

    for (int64_t n = 1; fired; n++) {
        struct event_writer *w = NULL;
        struct crew_err err = {0};

        env_mem_fail_at(env, n, CREW_PERMISSION_DENIED, true);
        (void)event_writer_open(env, "/m/eval", nobody, &w, &err);
        fired = env_mem_fail_fired(env);
        env_mem_fail_at(env, 0, 0, false);
        ck_assert_int_eq(err.code, fired ? CREW_PERMISSION_DENIED : CREW_OK);
        event_writer_close(w);
    }
}
END_TEST

START_TEST(no_event_file_is_not_found)
{
    struct crew_err err = {0}, other = {0};
    char **files = NULL;
    int n = 0;

    ck_assert_int_eq(fs_make_dirs(env, "/m", &err), CREW_OK);
    ck_assert_int_eq(event_files(env, "/m", &files, &n, &err), CREW_NOT_FOUND);
    ck_assert_int_eq(crew_err_exit_code(&err), 66);
    ck_assert_int_eq(event_files(env, "/none", &files, &n, &other),
                     CREW_NOT_FOUND);
}
END_TEST

START_TEST(a_record_that_is_no_event_is_damage)
{
    struct event_reader *r = NULL;
    Tensorflow__Event *e = NULL;
    struct crew_err err = {0};
    struct strbuf b;

    strbuf_init(&b);
    tfrecord_frame(&b, "\x08", 1); /* a field that ends too soon */
    ck_assert_int_eq(fs_replace_file(env, "/f", b.data, b.len, &err), CREW_OK);
    ck_assert_int_eq(event_reader_open(env, "/f", &r, &err), CREW_OK);
    ck_assert_int_eq(event_reader_next(r, &e, &err), CREW_DATA_LOSS);
    ck_assert_ptr_nonnull(
        strstr(err.msg, "/f: the record at 0 is no event: message Event: "));
    ck_assert_int_eq(crew_err_exit_code(&err), 65);
    event_reader_close(r);
    strbuf_release(&b);
}
END_TEST

/* A file that was cut or spoiled is read up to there. */
START_TEST(damage_comes_after_what_is_good)
{
    struct event_writer *w = open_writer("/m");
    char *path = only_file("/m"), *bytes = NULL;
    struct event_reader *r = NULL;
    Tensorflow__Event *e = NULL;
    struct crew_err err = {0};
    size_t n = 0;

    event_write_scalar(w, 1, "loss", 1);
    event_write_scalar(w, 2, "loss", 2);
    event_writer_close(w);
    ck_assert_int_eq(fs_read_file(env, path, 4096, &bytes, &n, &err), CREW_OK);
    bytes[n - 6] ^= 1; /* in the payload of the last */
    ck_assert_int_eq(
        fs_replace_file(env, path, bytes, n - (_i == 0 ? 0 : 2), &err),
        CREW_OK);
    ck_assert_int_eq(event_reader_open(env, path, &r, &err), CREW_OK);
    expect_first(r);
    e = next(r);
    ck_assert_int_eq(e->step, 1);
    tensorflow__event__free_unpacked(e, NULL);
    ck_assert_int_eq(event_reader_next(r, &e, &err), CREW_DATA_LOSS);
    ck_assert_ptr_nonnull(strstr(
        err.msg, _i == 0 ? "corrupted record at" : "truncated record at"));
    ck_assert_int_eq(crew_err_exit_code(&err), 65);
    event_reader_close(r);
    free(bytes);
    free(path);
}
END_TEST

/* Nothing of TensorFlow's events is lost in our declarations of its messages.
 */
START_TEST(tensorflows_events_packed_again_are_the_same)
{
    static const char *const dirs[] = {GOLDEN_DIR "/events/v1",
                                       GOLDEN_DIR "/events/v2",
                                       GOLDEN_DIR "/events/only_version"};
    struct crew_env *real = env_posix();
    struct crew_err err = {0};
    struct tfrecord_reader r;
    struct env_file *file = NULL;
    char **files = NULL;
    int n = 0, events = 0;

    ck_assert_int_eq(event_files(real, dirs[_i], &files, &n, &err), CREW_OK);
    ck_assert_int_eq(real->fs->open(real->fs, files[0], &file, &err), CREW_OK);
    tfrecord_reader_init(&r, real->fs, file);
    while (tfrecord_next(&r, &err) == CREW_OK) {
        Tensorflow__Event *e = tensorflow__event__unpack(
            NULL, r.record.len, (const uint8_t *)r.record.data);
        uint8_t *again;

        ck_assert_ptr_nonnull(e);
        ck_assert_uint_eq(tensorflow__event__get_packed_size(e), r.record.len);
        again = xmalloc(r.record.len + 1);
        ck_assert_uint_eq(tensorflow__event__pack(e, again), r.record.len);
        ck_assert_mem_eq(again, r.record.data, r.record.len);
        free(again);
        tensorflow__event__free_unpacked(e, NULL);
        events++;
    }
    ck_assert_int_eq(err.code, CREW_OUT_OF_RANGE);
    ck_assert_int_ge(events, 1);
    tfrecord_reader_release(&r);
    err = (struct crew_err){0};
    ck_assert_int_eq(real->fs->close(file, &err), CREW_OK);
    event_files_free(files, n);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("events");
    TCase *tc = tcase_create("events");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, what_is_written_is_read_back);
    tcase_add_test(tc, names_are_as_tensorboard_wants);
    tcase_add_test(tc, texts_are_tensors_of_the_plugin);
    tcase_add_loop_test(tc, damage_comes_after_what_is_good, 0, 2);
    tcase_add_test(tc, a_writer_that_cannot_begin_is_an_error);
    tcase_add_test(tc, no_event_file_is_not_found);
    tcase_add_test(tc, a_record_that_is_no_event_is_damage);
    tcase_add_loop_test(tc, tensorflows_events_packed_again_are_the_same, 0, 3);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
