/* SPDX-License-Identifier: Apache-2.0
 *
 * The family tf_config: what RunConfig makes of a TF_CONFIG, read in strict
 * mode. Properties must be equal. Of an error TensorFlow's sentence is wanted,
 * on one line; where Python itself tripped (a TypeError of int(), no JSON), any
 * error of ours with exit code 78 will do. Then the role that
 * train_and_evaluate calls. Then arguments.json (arguments.c). */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "config/json.h"
#include "config/tf_config.h"
#include "arguments.h"
#include "golden.h"
#include "golden_families.h"
#include "base/banned.h"

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* Whether Python and not TensorFlow wrote the message. */
static bool is_accident(const char *type, const char *message)
{
    static const char *const starts[] = {
        "invalid literal for int()",
        "int() argument must be",
        "can only concatenate",
        "max() arg is an empty",
        "cannot convert float",
        "unhashable type",
        "unsupported operand",
        "'<' not supported",
        "sequence item",
        "Exceeds the limit",
    };

    if (strcmp(type, "AttributeError") == 0 || strcmp(type, "KeyError") == 0 ||
        strcmp(type, "JSONDecodeError") == 0) {
        return true;
    }
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        if (starts_with(message, starts[i])) {
            return true;
        }
    }
    return false;
}

/* Runs of white space become one space, none at the end. */
static char *on_one_line(const char *text)
{
    struct strbuf out;
    bool space = false;

    strbuf_init(&out);
    for (; *text != '\0'; text++) {
        if (isspace((unsigned char)*text)) {
            space = true;
            continue;
        }
        if (space && out.len > 0) {
            strbuf_addstr(&out, " ");
        }
        space = false;
        strbuf_add(&out, text, 1);
    }
    return out.data;
}

static void compare_error(struct golden_report *report,
                          const struct crew_err *got,
                          const cJSON *want)
{
    const char *type = golden_text(want, "type");
    char *sentence = on_one_line(golden_text(want, "message"));
    char *ours = on_one_line(got->msg);

    (void)golden_same_int(report, "exit code", -1, crew_err_exit_code(got), 78);
    if (is_accident(type, sentence)) {
        if (ours[0] == '\0') {
            golden_differ(report, "message", -1, "nothing", "any");
        }
    } else {
        /* struct crew_err holds so much; the cluster may be longer. */
        if (strlen(got->msg) >= sizeof got->msg - 1 &&
            strlen(sentence) > strlen(ours)) {
            sentence[strlen(ours)] = '\0';
        }
        (void)golden_same_text(report, "message", ours, sentence);
    }
    free(sentence);
    free(ours);
}

static void compare_properties(struct golden_report *report,
                               const struct tf_config *tf,
                               const cJSON *want)
{
    cJSON *got = tf_config_to_json(tf);
    const cJSON *property;

    cJSON_ArrayForEach(property, want)
    {
        (void)golden_same_json(report, property->string,
                               json_get(got, property->string), property);
    }
    cJSON_ArrayForEach(property, got)
    {
        if (json_get(want, property->string) == NULL) {
            golden_differ(report, property->string, -1, "a property", "none");
        }
    }
    cJSON_Delete(got);
}

/* Which role method is called, or why none is. */
static void compare_start(struct golden_report *report,
                          const struct tf_config *tf,
                          const cJSON *want)
{
    const cJSON *error = json_get(want, "error");
    const cJSON *calls = json_get(want, "calls");
    const char *method = tf_config_run_method(tf);
    struct crew_err err = {0};
    int rc = tf_config_check_role(tf, &err);

    if (error != NULL) {
        if (rc == CREW_OK) {
            golden_differ(report, "train_and_evaluate", -1, "no error",
                          golden_text(error, "message"));
        } else {
            compare_error(report, &err, error);
        }
        return;
    }
    if (rc != CREW_OK) {
        golden_differ(report, "train_and_evaluate", -1, err.msg, "no error");
    } else if (calls != NULL && calls->child != NULL) {
        (void)golden_same_text(report, "role method", method,
                               calls->child->valuestring);
    }
}

/* How long the role sleeps before it trains. */
static void compare_delay(struct golden_report *report,
                          const struct tf_config *tf,
                          const cJSON *item)
{
    const cJSON *most = json_get(json_get(item, "arguments"),
                                 "experimental_max_worker_delay_secs");
    const cJSON *calls = json_get(json_get(item, "role_method"), "calls");
    const cJSON *call;
    double want = 0;

    if (json_get(json_get(item, "role_method"), "error") != NULL) {
        return;
    }
    cJSON_ArrayForEach(call, calls)
    {
        if (json_get(call, "sleep") != NULL) {
            want = golden_number(json_get(call, "sleep"));
        }
    }
    (void)golden_same_number(
        report, "start delay",
        tf_config_start_delay(tf, most != NULL ? golden_number(most) : 60),
        want, (struct golden_tolerance){0, 0});
}

/* What is logged of TF_CONFIG; the rest of TensorFlow's lines is of what the
 * roles do, which the transcripts have. */
static void compare_log(struct golden_report *report,
                        const char *text,
                        const struct tf_config *tf,
                        const cJSON *want)
{
    char *got[2] = {tf_config_log_text(text),
                    tf != NULL ? tf_config_model_dir_text(tf) : NULL};
    int n = 0;

    for (int i = 0; i < 2; i++) {
        if (got[i] != NULL) {
            const cJSON *line = cJSON_GetArrayItem(want, n++);
            char *whole = xasprintf("INFO:%s", got[i]);

            (void)golden_same_text(
                report, "log", whole,
                cJSON_IsString(line) ? line->valuestring : "nothing");
            free(whole);
        }
        free(got[i]);
    }
    (void)golden_same_int(report, "lines of log", -1, n,
                          cJSON_GetArraySize(want));
}

static void compare_case(struct golden_report *report, const cJSON *item)
{
    const cJSON *text = golden_member(item, "TF_CONFIG");
    const cJSON *model_dir =
        json_get(golden_member(item, "arguments"), "model_dir");
    const cJSON *error = json_get(item, "error");
    const cJSON *start = json_get(item, "train_and_evaluate");
    struct crew_err err = {0};
    struct tf_config *tf = NULL;
    int rc = tf_config_parse_for(
        cJSON_IsString(text) ? text->valuestring : NULL,
        cJSON_IsString(model_dir) ? model_dir->valuestring : NULL, true, &tf,
        &err);

    if (error != NULL && rc == CREW_OK) {
        golden_differ(report, "error", -1, "none",
                      golden_text(error, "message"));
    } else if (error != NULL) {
        compare_error(report, &err, error);
    } else if (rc != CREW_OK) {
        golden_differ(report, "error", -1, err.msg, "none");
    } else {
        compare_properties(report, tf, golden_member(item, "run_config"));
        if (start != NULL) {
            compare_start(report, tf, start);
        }
        if (json_get(item, "role_method") != NULL) {
            compare_delay(report, tf, item);
        }
    }
    compare_log(report, cJSON_IsString(text) ? text->valuestring : NULL, tf,
                golden_member(item, "log"));
    tf_config_free(tf);
}

int family_tf_config(const char *dir, struct golden_report *report)
{
    cJSON *file = golden_load(dir, "tf_config.json");
    const cJSON *item;
    int number = 0;

    if (file == NULL) {
        return 66;
    }
    cJSON_ArrayForEach(item, golden_member(file, "cases"))
    {
        golden_case(report, "case %d (%s)", number++,
                    golden_text(item, "what"));
        compare_case(report, item);
    }
    cJSON_Delete(file);
    file = golden_load(dir, "arguments.json");
    if (file == NULL) {
        return 66;
    }
    arguments_compare(file, report);
    golden_end(report);
    cJSON_Delete(file);
    return 0;
}
