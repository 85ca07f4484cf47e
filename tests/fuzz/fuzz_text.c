/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes what reads text that users and launchers write: JSON, TF_CONFIG,
 * hyper-parameters, a spec of parse_example, Python literals. Oracle beyond "no
 * crash": JSON that is taken is printed as JSON that is taken; errors have a
 * text and the exit code that is documented.
 *
 * The first byte, modulo the number of `readers`: which of them. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "cli/literal.h"
#include "config/params.h"
#include "config/tf_config.h"
#include "io/parse_example_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct crew_err *err, int exit_code)
{
    INVARIANT(err->msg[0] != '\0' && strchr(err->msg, '\n') == NULL);
    INVARIANT(crew_err_exit_code(err) == exit_code);
}

static void read_json(const char *text, size_t n)
{
    cJSON *json = NULL, *again = NULL;
    struct crew_err err = {0};
    char *printed;

    if (json_parse(text, n, "input", &json, &err) != CREW_OK) {
        check(&err, 78);
        return;
    }
    printed = cJSON_PrintUnformatted(json);
    INVARIANT(json_parse(printed, strlen(printed), "again", &again, &err) ==
              CREW_OK);
    free(printed);
    cJSON_Delete(json);
    cJSON_Delete(again);
}

static void take_value(const struct crew_params *p, const char *key)
{
    struct params_value v;
    const char *word;
    char buf[100];
    double number;
    int64_t integer;
    bool truth;

    if (params_take(p, key, &v)) {
        (void)params_value_is_none(&v);
        (void)params_value_double(&v, &number);
        (void)params_value_int(&v, &integer);
        (void)params_value_bool(&v, &truth);
        (void)params_value_str(&v, &word);
        INVARIANT(params_value_text(&v, buf, sizeof buf) == buf);
    }
    (void)params_json(p, key);
}

static void read_params(const char *text, size_t n)
{
    struct crew_params *p = params_new();
    struct crew_err err = {0};
    char *line = xmalloc(n + 1);

    memcpy(line, text, n);
    line[n] = '\0';
    if (params_load_json(p, text, n, "input", &err) != CREW_OK) {
        check(&err, 78);
    }
    err = (struct crew_err){0};
    if (params_set(p, line, &err) != CREW_OK) {
        check(&err, 64);
    }
    err = (struct crew_err){0};
    take_value(p, "a");
    take_value(p, "max_steps");
    if (params_status(p, &err) != CREW_OK) {
        check(&err, 64);
    }
    err = (struct crew_err){0};
    if (params_unused(p, &err) != CREW_OK) {
        check(&err, 64);
    }
    free(line);
    params_free(p);
}

static void read_tf_config(const char *text, size_t n, bool strict)
{
    struct tf_config *c = NULL;
    struct crew_err err = {0};
    char *copy = xmalloc(n + 1), *logged, who[64];

    memcpy(copy, text, n);
    copy[n] = '\0';
    if (tf_config_parse(copy, strict, &c, &err) == CREW_OK) {
        cJSON *json = tf_config_to_json(c);

        logged = tf_config_log_text(copy);
        INVARIANT(json != NULL && tf_config_who(c, who, sizeof who) == who);
        if (tf_config_check_start(c, &err) != CREW_OK) {
            check(&err, 78);
        } else {
            INVARIANT(tf_config_run_method(c) != NULL);
            INVARIANT(tf_config_trainer_place(c) >= 0);
        }
        free(logged);
        cJSON_Delete(json);
        tf_config_free(c);
    } else {
        check(&err, 78);
    }
    free(copy);
}

static void read_relaxed(const char *text, size_t n)
{
    read_tf_config(text, n, false);
}

static void read_strict(const char *text, size_t n)
{
    read_tf_config(text, n, true);
}

static void read_spec(const char *text, size_t n)
{
    struct parse_spec *spec = NULL;
    struct crew_err err = {0};
    cJSON *json = NULL;

    if (json_parse(text, n, "spec", &json, &err) != CREW_OK) {
        return;
    }
    if (parse_spec_from_json(json, &spec, &err) == CREW_OK) {
        INVARIANT(parse_spec_count(spec) >= 0);
        parse_spec_free(spec);
    } else {
        check(&err, 64);
    }
    cJSON_Delete(json);
}

static void read_literal(const char *text, size_t n)
{
    struct literal *l = NULL;
    struct crew_err err = {0};
    char *copy = xmalloc(n + 1);

    memcpy(copy, text, n);
    copy[n] = '\0';
    if (literal_parse(copy, &l, &err) != CREW_OK) {
        check(&err, 64);
    }
    literal_free(l);
    free(copy);
}

static void (*const readers[])(const char *, size_t) = {
    read_json, read_params, read_relaxed, read_strict, read_spec, read_literal};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 65537) {
        return 0;
    }
    readers[data[0] % COUNT_OF(readers)]((const char *)data + 1, size - 1);
    return 0;
}
