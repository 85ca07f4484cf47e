/* SPDX-License-Identifier: Apache-2.0
 *
 * Each call is made in C: RC is struct crew_run_config, RC.replace
 * crew_run_config_replace(), TS and ES the specs with their fields set by name,
 * exporters crew_eval_spec_add_exporter().
 *
 * Two things of Python have no twin. An argument of a type that C does not let
 * through is a NULL, or a struct without its functions, here: then the sentence
 * is wanted up to the value, and the value must be the argument. And in C
 * exports_to_keep 0 and compare_fn NULL are the defaults: a number that is not
 * positive is given as -1, and a compare_fn that is None is left out. */
#include "arguments.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "config/py_text.h"
#include "config/run_config_impl.h"
#include "python_call.h"
#include "base/banned.h"

/* What a call has made. */
struct made {
    struct specs specs;
    struct crew_run_config rc;
    struct crew_train_spec ts;
    struct crew_eval_spec es;
    struct crew_params *params; /* owns texts */
    char **changes;             /* of replace; owned */
    int num_changes;
    struct crew_err err;
};

static int some_input(const struct crew_input_ctx *ctx,
                      struct crew_dataset **dataset,
                      struct crew_err *err)
{
    (void)ctx, (void)dataset;
    return crew_err_set(err, CREW_UNIMPLEMENTED, "no data");
}

static void made_init(struct made *m)
{
    *m = (struct made){.params = params_new()};
    run_config_defaults(&m->rc, &m->ts, &m->es);
    m->specs = (struct specs){&m->rc, &m->ts, &m->es};
    m->ts.input_fn = some_input;
    m->es.input_fn = some_input;
}

static void made_release(struct made *m)
{
    crew_train_spec_release(&m->ts);
    crew_eval_spec_release(&m->es);
    params_free(m->params);
    for (int i = 0; i < m->num_changes; i++) {
        free(m->changes[i]);
    }
    free(m->changes);
}

static bool is_callable(const cJSON *node)
{
    return json_get(node, "name") != NULL;
}

static const char *text_of(const cJSON *node)
{
    return golden_text(node, "text");
}

/* The arguments that are values, by our fields' names, as --config has them. */
static void load_values(struct made *m, const cJSON *kwargs, bool is_eval)
{
    cJSON *values = cJSON_CreateObject();
    const cJSON *arg;
    char *text;

    cJSON_ArrayForEach(arg, kwargs)
    {
        const cJSON *value = json_get(arg, "value");
        const char *name = is_eval && strcmp(arg->string, "steps") == 0
                               ? "eval_steps"
                               : arg->string;

        if (value != NULL) {
            cJSON_AddItemToObject(values, name, cJSON_Duplicate(value, true));
        } else if (is_callable(arg)) {
            (void)cJSON_AddStringToObject(values, name, text_of(arg));
        }
    }
    text = cJSON_PrintUnformatted(values);
    (void)params_load_json(m->params, text, strlen(text), "arguments", &m->err);
    free(text);
    cJSON_Delete(values);
}

static void apply(struct made *m)
{
    if (m->err.code == CREW_OK &&
        run_config_apply(m->params, &m->rc, &m->ts, &m->es, &m->err) ==
            CREW_OK) {
        (void)run_config_validate(&m->rc, &m->ts, &m->es, &m->err);
    }
}

/* ---------------------------------------------------------------- the calls */

static void add_exporter(struct made *m, const cJSON *node, bool alone)
{
    const cJSON *call = json_get(node, "call");
    const cJSON *name = cJSON_GetArrayItem(json_get(node, "args"), 0);
    const cJSON *keep = json_get(json_get(node, "kwargs"), "exports_to_keep");
    const char *kind = call != NULL ? strrchr(call->valuestring, '.') : NULL;
    const char *text =
        name != NULL ? json_get(name, "value")->valuestring : NULL;

    crew_eval_spec_add_exporter(
        &m->es,
        kind == NULL                           ? (enum crew_exporter_kind)0
        : strcmp(kind, ".LatestExporter") == 0 ? CREW_EXPORTER_LATEST
        : strcmp(kind, ".FinalExporter") == 0  ? CREW_EXPORTER_FINAL
                                               : CREW_EXPORTER_BEST,
        alone ? "alone" : text);
    if (keep != NULL && json_get(keep, "value")->valueint <= 0) {
        m->es.exporters[m->es.num_exporters - 1].exports_to_keep = -1;
    }
}

/* What is no hook in Python has no functions in C. */
static void add_hooks(struct made *m, const cJSON *kwargs, bool is_eval)
{
    const cJSON *hook;

    cJSON_ArrayForEach(hook, json_get(json_get(kwargs, "hooks"), "list"))
    {
        if (is_eval) {
            crew_eval_spec_add_hook(&m->es, (struct crew_hook){NULL, NULL});
        } else {
            crew_train_spec_add_hook(&m->ts, (struct crew_hook){NULL, NULL});
        }
    }
}

static void make_spec(struct made *m, const cJSON *call, bool is_eval)
{
    const cJSON *kwargs = json_get(call, "kwargs");
    const cJSON *input = cJSON_GetArrayItem(json_get(call, "args"), 0);
    const cJSON *exporter;

    if (!is_callable(input)) {
        *(is_eval ? &m->es.input_fn : &m->ts.input_fn) = NULL;
    }
    load_values(m, kwargs, is_eval);
    add_hooks(m, kwargs, is_eval);
    cJSON_ArrayForEach(exporter,
                       json_get(json_get(kwargs, "exporters"), "list"))
    {
        add_exporter(m, exporter, false);
    }
    apply(m);
}

static void replace(struct made *m, const cJSON *kwargs)
{
    const cJSON *arg;

    if (m->err.code != CREW_OK) {
        return;
    }
    cJSON_ArrayForEach(arg, kwargs)
    {
        const cJSON *value = json_get(arg, "value");
        const char *text =
            cJSON_IsString(value) ? value->valuestring : text_of(arg);

        m->changes = xrealloc(
            m->changes, ((size_t)m->num_changes + 1) * sizeof *m->changes);
        m->changes[m->num_changes++] = xasprintf("%s=%s", arg->string, text);
    }
    (void)crew_run_config_replace(&m->rc, (const char *const *)m->changes,
                                  m->num_changes, &m->err);
}

/* False: it is no call of one of them. */
static bool make(struct made *m, const cJSON *call)
{
    const cJSON *name = json_get(call, "call");
    const char *what = name != NULL ? name->valuestring : "";

    if (strcmp(what, "RC") == 0) {
        load_values(m, json_get(call, "kwargs"), false);
        apply(m);
    } else if (strcmp(what, "TS") == 0 || strcmp(what, "ES") == 0) {
        make_spec(m, call, what[0] == 'E');
    } else if (strncmp(what, "tf.estimator.", 13) == 0) {
        add_exporter(m, call, true);
        apply(m);
    } else {
        return false;
    }
    return true;
}

/* -------------------------------------------------------------- comparisons */

/* A field's value as Python has it. Owner: caller. */
static cJSON *field_value(const struct made *m, const struct field *f)
{
    const char *text;
    double number;

    if (f->kind == TEXT) {
        text = *(const char **)run_config_place(&m->specs, f);
        return text != NULL ? cJSON_CreateString(text) : cJSON_CreateNull();
    }
    number = run_config_number(&m->specs, f);
    if (f->kind == TRUTH) {
        return cJSON_CreateBool(number != 0);
    }
    /* keep_checkpoint_max 0 is None's twin and a number of its own. */
    return number == f->none && strcmp(f->name, "keep_checkpoint_max") != 0 &&
                   f->range != ANY && number <= 0
               ? cJSON_CreateNull()
               : cJSON_CreateNumber(number);
}

static void compare_attribute(struct golden_report *report,
                              const struct made *m,
                              const cJSON *call,
                              const char *name,
                              const cJSON *want)
{
    bool steps = strcmp(golden_text(call, "call"), "ES") == 0 &&
                 strcmp(name, "steps") == 0;
    const struct field *f = steps ? run_config_find("eval_steps", 10)
                                  : run_config_find(name, strlen(name));
    cJSON *got;

    if (f == NULL) {
        golden_differ(report, name, -1, "no such field", "one");
        return;
    }
    got = strcmp(name, "tf_random_seed") == 0 && m->rc.tf_random_seed == -1
              ? cJSON_CreateNull()
              : field_value(m, f);
    (void)golden_same_json(report, name, got, want);
    cJSON_Delete(got);
}

/* The same sentence, or one of a value that C has no name for. */
static void compare_message(struct golden_report *report,
                            const struct made *m,
                            const cJSON *error,
                            const char *call)
{
    static const char *const before[] = {"given: ", "found "};
    const char *want = golden_text(error, "message");
    const char *got = m->err.msg;

    (void)golden_same_int(report, "exit code", -1, crew_err_exit_code(&m->err),
                          64);
    for (size_t i = 0; strcmp(golden_text(error, "type"), "TypeError") == 0 &&
                       strcmp(want, got) != 0 && i < 2;
         i++) {
        const char *value = strstr(want, before[i]);
        const char *ours = strstr(got, before[i]);

        if (value != NULL && ours != NULL && ours - got == value - want &&
            strncmp(got, want, (size_t)(value - want)) == 0) {
            char *argument = xstrdup(value + strlen(before[i]));
            size_t n = strlen(argument);

            if (n > 0 && argument[n - 1] == '.') {
                argument[n - 1] = '\0';
            }
            if (strstr(call, argument) == NULL) {
                golden_differ(report, "argument", -1, call, argument);
            }
            free(argument);
            return;
        }
    }
    (void)golden_same_text(report, "message", got, want);
}

static void compare(struct golden_report *report,
                    const cJSON *item,
                    const cJSON *call)
{
    const cJSON *error = json_get(item, "error");
    const cJSON *then = json_get(call, "then");
    const cJSON *next, *attribute = NULL;
    struct made m;

    made_init(&m);
    if (!make(&m, call)) {
        golden_differ(report, "call", -1, "unknown", golden_text(item, "call"));
    }
    cJSON_ArrayForEach(next, then)
    {
        if (json_get(next, "call") != NULL) {
            replace(&m, json_get(next, "kwargs"));
        } else {
            attribute = next;
        }
    }
    if (error != NULL) {
        compare_message(report, &m, error, golden_text(item, "call"));
    } else if (m.err.code != CREW_OK) {
        golden_differ(report, "error", -1, m.err.msg, "none");
    } else if (attribute != NULL) {
        compare_attribute(report, &m, call, golden_text(attribute, "name"),
                          golden_member(item, "value"));
    }
    made_release(&m);
}

/* An argument that cannot be given in C. */
static bool has_no_twin(const cJSON *call)
{
    const cJSON *fn = json_get(json_get(call, "kwargs"), "compare_fn");

    return fn != NULL && cJSON_IsNull(json_get(fn, "value"));
}

void arguments_compare(const cJSON *file, struct golden_report *report)
{
    const cJSON *item;
    int number = 0;

    cJSON_ArrayForEach(item, golden_member(file, "checks"))
    {
        cJSON *call = python_parse(golden_text(item, "call"));

        if (call == NULL || !has_no_twin(call)) {
            golden_case(report, "check %d (%s)", number,
                        golden_text(item, "call"));
            if (call != NULL) {
                compare(report, item, call);
            } else {
                golden_differ(report, "call", -1, "cannot be read", "a call");
            }
        }
        number++;
        cJSON_Delete(call);
    }
}
