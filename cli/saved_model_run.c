/* SPDX-License-Identifier: Apache-2.0
 * crew saved-model run: inputs from files and expressions, one run, outputs
 * printed and written. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/model_input.h"
#include "cli/npy.h"
#include "cli/saved_model.h"
#include "cli/value_text.h"
#include "serving/model.h"
#include "base/banned.h"

enum { MAX_INPUTS = 256 };

struct inputs {
    const Tensorflow__SignatureDef *signature;
    struct serving_feed feed[MAX_INPUTS];
    int n;
};

static const Tensorflow__TensorInfo *find_input(
    const Tensorflow__SignatureDef *s,
    const char *key)
{
    for (size_t i = 0; i < s->n_inputs; i++) {
        if (strcmp(s->inputs[i]->key, key) == 0) {
            return s->inputs[i]->value;
        }
    }
    return NULL;
}

static int take(struct inputs *in,
                const Tensorflow__TensorInfo *info,
                struct value *v,
                struct crew_err *err)
{
    if (in->n == MAX_INPUTS || input_cast(v, info->dtype, err) != CREW_OK) {
        value_release(v);
        return err->code != CREW_OK
                   ? err->code
                   : crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                                   "more than %d inputs", MAX_INPUTS);
    }
    in->feed[in->n].tensor = info->name;
    in->feed[in->n++].value = *v;
    return CREW_OK;
}

/* The value of one "key=text" of an option. */
static int read_one(const char *option,
                    const char *text,
                    int dtype,
                    struct value *v,
                    struct crew_err *err)
{
    struct literal *l = NULL;

    if (strcmp(option, "--inputs") == 0) {
        return npy_read(text, v, err);
    }
    if (literal_parse(text, &l, err) == CREW_OK) {
        if (strcmp(option, "--input_examples") == 0) {
            (void)input_examples(l, v, err);
        } else {
            (void)input_from_literal(l, dtype, v, err);
        }
    }
    literal_free(l);
    return err->code;
}

static int add_input(struct inputs *in,
                     const char *option,
                     char *pair,
                     struct crew_err *err)
{
    char *text = strchr(pair, '=');
    const Tensorflow__TensorInfo *info;
    struct value v = {0};

    if (text == NULL) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "%s '%.60s': not of the form key=value", option,
                             pair);
    }
    *text++ = '\0';
    info = find_input(in->signature, pair);
    if (info == NULL ||
        info->encoding_case != TENSORFLOW__TENSOR_INFO__ENCODING_NAME) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "\"%s\" is not a valid input key. Fix: `crew "
                             "saved-model show --all` lists them",
                             pair);
    }
    if (read_one(option, text, info->dtype, &v, err) != CREW_OK) {
        return crew_err_wrap(err, "%s %s", option, pair);
    }
    return take(in, info, &v, err);
}

/* "x=...;y=...": a ';' within brackets or quotes does not separate. */
static int add_inputs(struct inputs *in,
                      const char *option,
                      const char *list,
                      struct crew_err *err)
{
    char *copy = xstrdup(list != NULL ? list : ""), *from = copy, *at = copy;
    int depth = 0;
    char quote = '\0';

    for (;; at++) {
        bool end = *at == '\0';

        if (end || (*at == ';' && depth == 0 && quote == '\0')) {
            *at = '\0';
            if (*from != '\0' && add_input(in, option, from, err) != CREW_OK) {
                break;
            }
            from = at + 1;
        } else if (quote != '\0') {
            quote = *at == quote ? '\0' : quote;
        } else if (*at == '"' || *at == '\'') {
            quote = *at;
        } else {
            depth += strchr("[({", *at) != NULL ? 1 : 0;
            depth -= strchr("])}", *at) != NULL ? 1 : 0;
        }
        if (end) {
            break;
        }
    }
    free(copy);
    return err->code;
}

/* ----------------------------------------------------------------- outputs */

static int by_key(const void *a, const void *b)
{
    return strcmp((*(Tensorflow__TensorInfoEntry *const *)a)->key,
                  (*(Tensorflow__TensorInfoEntry *const *)b)->key);
}

static int write_output(const struct saved_model_args *a,
                        const char *key,
                        const struct value *v,
                        struct crew_err *err)
{
    struct crew_env *env = env_posix();
    char *name, *path;

    if (strchr(key, '/') != NULL) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 65,
                             "the output key '%s' is no file name", key);
    }
    if (fs_make_dirs(env, a->outdir, err) != CREW_OK) {
        return err->code;
    }
    name = xasprintf("%s.npy", key);
    path = path_join(a->outdir, name);
    if (!a->overwrite && fs_exists(env, path)) {
        (void)crew_err_exit(err, CREW_ALREADY_EXISTS, 73,
                            "Output file %s already exists. Add --overwrite to "
                            "overwrite the existing output files.",
                            path);
    } else if (npy_write(path, v, err) == CREW_OK) {
        printf("Output %s is saved to %s\n", key, path);
    }
    free(name);
    free(path);
    return err->code;
}

static void print_text(const char *key, const struct value *v)
{
    struct strbuf out;

    strbuf_init(&out);
    value_print(v, &out);
    printf("Result for output key %s:\n%s\n", key, out.data);
    strbuf_release(&out);
}

static int give(const struct saved_model_args *a,
                Tensorflow__TensorInfoEntry *const *entries,
                int n,
                const struct value *values,
                struct crew_err *err)
{
    bool as_json = a->format != NULL && strcmp(a->format, "json") == 0;
    cJSON *all = cJSON_CreateObject();
    char *text;

    for (int i = 0; i < n && err->code == CREW_OK; i++) {
        if (as_json) {
            cJSON_AddItemToObject(all, entries[i]->key, value_json(&values[i]));
        } else {
            print_text(entries[i]->key, &values[i]);
        }
        if (a->outdir != NULL) {
            (void)write_output(a, entries[i]->key, &values[i], err);
        }
    }
    if (as_json && err->code == CREW_OK) {
        text = cJSON_PrintUnformatted(all);
        puts(text);
        free(text);
    }
    cJSON_Delete(all);
    return err->code;
}

static int run(const struct saved_model_args *a,
               struct serving_model *model,
               struct inputs *in,
               struct crew_err *err)
{
    size_t n = in->signature->n_outputs;
    Tensorflow__TensorInfoEntry **entries = xcalloc(n + 1, sizeof *entries);
    const char **fetches = xcalloc(n + 1, sizeof *fetches);
    struct value *values = xcalloc(n + 1, sizeof *values);

    for (size_t i = 0; i < n; i++) {
        entries[i] = in->signature->outputs[i];
    }
    qsort(entries, n, sizeof *entries, by_key);
    for (size_t i = 0; i < n; i++) {
        fetches[i] = entries[i]->value != NULL ? entries[i]->value->name : "";
    }
    if (serving_run(model, in->feed, in->n, fetches, (int)n, values, err) ==
        CREW_OK) {
        (void)give(a, entries, (int)n, values, err);
        for (size_t i = 0; i < n; i++) {
            value_release(&values[i]);
        }
    }
    free(values);
    free(fetches);
    free(entries);
    return err->code;
}

int saved_model_run(const struct saved_model_args *a,
                    const char *dir,
                    struct crew_err *err)
{
    const char *tag = a->tag_set != NULL ? a->tag_set : "serve";
    const char *key = a->signature != NULL        ? a->signature
                      : strcmp(tag, "serve") == 0 ? "serving_default"
                                                  : tag;
    struct serving_model *model = NULL;
    struct inputs in = {0};

    if (strcmp(tag, "serve") != 0 && strcmp(tag, "eval") != 0) {
        return crew_err_exit(err, CREW_UNIMPLEMENTED, 64,
                             "--tag_set %s: 'serve' and 'eval' are run here",
                             tag);
    }
    if (serving_model_open_tag(env_posix(), dir, tag, &model, err) != CREW_OK) {
        return err->code;
    }
    in.signature = serving_signature(model, key);
    if (in.signature == NULL) {
        (void)crew_err_exit(err, CREW_NOT_FOUND, 64,
                            "no signature '%s'. Fix: `crew saved-model show "
                            "--dir %s --all` lists them",
                            key, dir);
    } else if (add_inputs(&in, "--inputs", a->inputs, err) == CREW_OK &&
               add_inputs(&in, "--input_exprs", a->exprs, err) == CREW_OK &&
               add_inputs(&in, "--input_examples", a->examples, err) ==
                   CREW_OK) {
        (void)run(a, model, &in, err);
    }
    for (int i = 0; i < in.n; i++) {
        value_release(&in.feed[i].value);
    }
    serving_model_close(model);
    return err->code;
}
