/* SPDX-License-Identifier: Apache-2.0
 * crew evaluate and crew predict: the Estimator's calls on a checkpoint of a
 * job, with the job's own EvalSpec. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "estimator/estimator.h"
#include "estimator/role_main.h"
#include "estimator/roles/prepare.h"
#include "hooks/hooks.h"
#include "base/banned.h"

/* ----------------------------------------------------------------- numbers */

/* JSON has no NaN and no infinity. */
static void add_float(struct strbuf *out, double x, bool json)
{
    char text[40];

    if (json && !isfinite(x)) {
        strbuf_addstr(out, "null");
    } else {
        strbuf_addstr(out, hook_float_text((float)x, text, sizeof text));
    }
}

static void add_element(struct strbuf *out,
                        const struct crew_value *v,
                        int64_t i,
                        bool json)
{
    if (v->dtype == CREW_FLOAT) {
        add_float(out, (double)((const float *)v->data)[i], json);
    } else if (v->dtype == CREW_INT32) {
        strbuf_addf(out, "%d", (int)((const int32_t *)v->data)[i]);
    } else if (v->dtype == CREW_STRING) {
        const char *word = ((const char *const *)v->data)[i];

        if (json) {
            strbuf_add_json(out, word, strlen(word));
        } else {
            strbuf_addf(out, "'%s'", word);
        }
    } else {
        strbuf_addf(out, "%lld", (long long)((const int64_t *)v->data)[i]);
    }
}

/* Dimension `d` and those within it; *at is the next element. */
static void add_nested(struct strbuf *out,
                       const struct crew_value *v,
                       int d,
                       int64_t *at,
                       bool json)
{
    if (d == v->shape.rank) {
        add_element(out, v, (*at)++, json);
        return;
    }
    strbuf_addstr(out, "[");
    for (int64_t i = 0; i < v->shape.dim[d]; i++) {
        if (i > 0) {
            strbuf_addstr(out, json ? ", " : " ");
        }
        add_nested(out, v, d + 1, at, json);
    }
    strbuf_addstr(out, "]");
}

/* ---------------------------------------------------------------- printing */

static void add_key(struct strbuf *out, int i, const char *key, bool json)
{
    strbuf_addstr(out, i > 0 ? ", " : "");
    if (json) {
        strbuf_add_json(out, key, strlen(key));
    } else {
        strbuf_addstr(out, key);
    }
    strbuf_addstr(out, json ? ": " : " = ");
}

static void print_prediction(struct strbuf *line,
                             const struct crew_prediction *row,
                             bool json)
{
    strbuf_reset(line);
    strbuf_addstr(line, json ? "{" : "");
    for (int i = 0; i < row->n; i++) {
        int64_t at = 0;

        add_key(line, i, row->values[i].key, json);
        add_nested(line, &row->values[i].value, 0, &at, json);
    }
    (void)printf("%s%s\n", line->data, json ? "}" : "");
}

static void print_results(const struct crew_results *r)
{
    struct strbuf line;

    strbuf_init(&line);
    for (int i = 0; i < crew_results_num(r); i++) {
        const struct crew_result *x = crew_results_at(r, i);

        add_key(&line, i, x->key, true);
        strbuf_addstr(&line, x->n == 1 ? "" : "[");
        for (int k = 0; k < x->n; k++) {
            strbuf_addstr(&line, k > 0 ? ", " : "");
            if (strcmp(x->key, "global_step") == 0) {
                strbuf_addf(&line, "%.0f", x->values[k]);
            } else {
                add_float(&line, x->values[k], true);
            }
        }
        strbuf_addstr(&line, x->n == 1 ? "" : "]");
    }
    (void)printf("{%s}\n", line.data);
    strbuf_release(&line);
}

/* ------------------------------------------------------------------- calls */

static int evaluate(struct crew_estimator *e,
                    const struct role_call *call,
                    const char *checkpoint,
                    struct crew_err *err)
{
    struct crew_eval_spec *es = &e->run.es;
    struct crew_hook *hooks = es->hooks;
    struct crew_eval_args args = {.steps = es->steps,
                                  .name = es->name,
                                  .checkpoint_path = checkpoint,
                                  .hooks = hooks,
                                  .num_hooks = es->num_hooks};
    struct crew_results *results = NULL;

    /* The call takes the EvalSpec's own hooks. */
    es->hooks = NULL;
    es->num_hooks = 0;
    (void)crew_estimator_evaluate(e, es->input_fn, &args, &results, err);
    free(hooks);
    if (err->code != CREW_OK) {
        return err->code;
    }
    if (call->json) {
        print_results(results);
    } else {
        (void)printf("%s\n", crew_results_text(results));
    }
    crew_results_free(results);
    return CREW_OK;
}

/* "a,b" as a list in one block. Owner: caller, free(). */
static char **split_keys(const char *keys, int *n)
{
    size_t size = strlen(keys) + 1;
    char **list = xcalloc(1, (size + 1) * sizeof *list + size);
    char *text = (char *)(list + size + 1);

    memcpy(text, keys, size);
    for (*n = 0; text != NULL; (*n)++) {
        char *comma = strchr(text, ',');

        if (comma != NULL) {
            *comma++ = '\0';
        }
        list[*n] = text;
        text = comma;
    }
    return list;
}

static int predict(struct crew_estimator *e,
                   const struct role_call *call,
                   const char *checkpoint,
                   struct crew_err *err)
{
    struct crew_predict_args args = {.checkpoint_path = checkpoint};
    struct crew_predictions *p = NULL;
    struct crew_prediction row;
    struct strbuf line;
    char **keys = NULL;

    if (call->predict_keys != NULL) {
        keys = split_keys(call->predict_keys, &args.num_predict_keys);
        args.predict_keys = (const char *const *)keys;
    }
    strbuf_init(&line);
    if (crew_estimator_predict(e, e->run.es.input_fn, &args, &p, err) ==
        CREW_OK) {
        while (crew_predictions_next(p, &row, err) == CREW_OK) {
            print_prediction(&line, &row, call->json);
        }
        if (err->code == CREW_OUT_OF_RANGE) {
            *err = (struct crew_err){0};
        }
        crew_predictions_free(p);
    }
    strbuf_release(&line);
    free(keys);
    return err->code;
}

static int work(struct crew_estimator *e,
                const struct role_call *call,
                struct crew_err *err)
{
    struct run *run = &e->run;
    char *prefix = NULL;

    if (run_prepare_job(run, NULL, call->program, err) != CREW_OK) {
        return err->code;
    }
    if (run->opt.model_dir != NULL) {
        run->model_dir = xstrdup(run->opt.model_dir);
    }
    if (run->model_dir == NULL) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "which model_dir? give --model-dir DIR");
    }
    if (estimator_find_checkpoint(run, call->checkpoint_path, &prefix, err) !=
        CREW_OK) {
        return err->code;
    }
    if (prefix == NULL) {
        return crew_err_exit(err, CREW_NOT_FOUND, 66,
                             "Could not find trained model in model_dir: %s.",
                             run->model_dir);
    }
    (void)(call->predict ? predict(e, call, prefix, err)
                         : evaluate(e, call, prefix, err));
    free(prefix);
    return err->code;
}

int role_call(int argc, char **argv, const struct role_call *call)
{
    struct crew_estimator e = {.run = {.env = env_posix(), .result_step = -1}};
    struct crew_err err = {0};
    int code = 0;

    estimator_enlist(&e);
    (void)snprintf(e.run.who, sizeof e.run.who, "%s",
                   call->predict ? "predict" : "evaluate");
    log_set_who(e.run.who);
    if (options_parse(argc, argv, true, &e.run.opt, &err) != CREW_OK ||
        options_set_log_level(&e.run.opt, &err) != CREW_OK) {
        (void)fprintf(stderr, "%s: %s\n", call->program, err.msg);
        code = crew_err_exit_code(&err);
    } else if (work(&e, call, &err) != CREW_OK) {
        (void)fflush(stdout);
        code = run_fail(&e.run, &err);
    }
    estimator_delist(&e);
    run_release(&e.run);
    return code;
}
