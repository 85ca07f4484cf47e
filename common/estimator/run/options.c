/* SPDX-License-Identifier: Apache-2.0
 * The option table and its reader: --name VALUE or --name=VALUE. */
#include "estimator/run/options.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "estimator/run/nearest.h"
#include "base/banned.h"

enum kind { FLAG, TEXT, LIST };

static const struct option {
    const char *name;
    const char *value; /* how --help calls it; NULL for a flag */
    enum kind kind;
    size_t offset;
    const char *help; /* NULL: not shown */
} table[] = {
    {"--job", "LIB.so", TEXT, offsetof(struct options, job),
     "the model: a shared object with CREW_JOB()"},
    {"--config", "JOB.json", TEXT, offsetof(struct options, config),
     "hyper-parameters, as one JSON object"},
    {"--model-dir", "DIR", TEXT, offsetof(struct options, model_dir),
     "checkpoints, events and exports go here"},
    {"--set", "KEY=VALUE", LIST, offsetof(struct options, sets),
     "a hyper-parameter, or a field of RunConfig, TrainSpec, EvalSpec"},
    {"--default", "KEY=VALUE", LIST, offsetof(struct options, defaults), NULL},
    {"--bind", "ADDR", TEXT, offsetof(struct options, bind),
     "listen here instead of on TF_CONFIG's address"},
    {"--insecure-network", NULL, FLAG,
     offsetof(struct options, insecure_network),
     "allow addresses other than loopback without authentication"},
    {"--status-addr", "ADDR", TEXT, offsetof(struct options, status_addr),
     "evaluator: answer `crew health` here"},
    {"--strict-tf-config", NULL, FLAG,
     offsetof(struct options, strict_tf_config),
     "read TF_CONFIG exactly as TensorFlow does"},
    {"--log-level", "LEVEL", TEXT, offsetof(struct options, log_level),
     "debug, info, warn or error"},
    {"--quiet", NULL, FLAG, offsetof(struct options, quiet),
     "no progress line, only warnings and errors"},
    {"--help", NULL, FLAG, offsetof(struct options, help), "this text"},
    {"--version", NULL, FLAG, offsetof(struct options, version),
     "version, libraries, kernels"},
};

static const struct option *find(const char *arg, size_t n, bool with_job)
{
    for (size_t i = with_job ? 0 : 1; i < COUNT_OF(table); i++) {
        if (strlen(table[i].name) == n && strncmp(table[i].name, arg, n) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

static int unknown(const char *arg, bool with_job, struct crew_err *err)
{
    const char *names[COUNT_OF(table)];
    int n = 0;

    for (size_t i = with_job ? 0 : 1; i < COUNT_OF(table); i++) {
        if (table[i].help != NULL) {
            names[n++] = table[i].name;
        }
    }

    const char *near = nearest_name(arg, names, n);

    if (arg[0] != '-') {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "unexpected argument '%s'; --help lists the "
                             "options",
                             arg);
    }
    return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                         "unknown option '%s'%s%s%s; --help lists them all",
                         arg, near != NULL ? ", did you mean " : "",
                         near != NULL ? near : "", near != NULL ? "?" : "");
}

static void store(struct options *o,
                  const struct option *row,
                  const char *value)
{
    char *field = (char *)o + row->offset;

    if (row->kind == FLAG) {
        *(bool *)field = true;
    } else if (row->kind == TEXT) {
        *(const char **)(void *)field = value;
    } else {
        struct text_list *list = (struct text_list *)(void *)field;

        list->items =
            xrealloc(list->items, ((size_t)list->n + 1) * sizeof *list->items);
        list->items[list->n++] = value;
    }
}

/* One option at argv[*i]; *i moves over its value. */
static int parse_one(int argc,
                     char **argv,
                     bool with_job,
                     int *i,
                     struct options *o,
                     struct crew_err *err)
{
    const char *arg = strcmp(argv[*i], "-h") == 0 ? "--help" : argv[*i];
    size_t n = strcspn(arg, "=");
    const struct option *row = find(arg, n, with_job);
    const char *value = arg[n] == '=' ? arg + n + 1 : NULL;

    if (row == NULL) {
        return unknown(arg, with_job, err);
    }
    if (row->kind == FLAG) {
        if (value != NULL) {
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                                 "%s takes no value", row->name);
        }
    } else if (value == NULL) {
        if (*i + 1 >= argc) {
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                                 "%s needs a value: %s %s", row->name,
                                 row->name, row->value);
        }
        value = argv[++*i];
    }
    if (row->kind == TEXT && value[0] == '\0') {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "%s: the value is empty", row->name);
    }
    if (row->kind == LIST && strchr(value, '=') == NULL) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "%s wants KEY=VALUE, given '%s'", row->name,
                             value);
    }
    store(o, row, value);
    return CREW_OK;
}

int options_parse(int argc,
                  char **argv,
                  bool with_job,
                  struct options *out,
                  struct crew_err *err)
{
    struct options o = {0};

    for (int i = 1; i < argc; i++) {
        if (parse_one(argc, argv, with_job, &i, &o, err) != CREW_OK) {
            options_release(&o);
            return err->code;
        }
    }
    *out = o;
    return CREW_OK;
}

void options_release(struct options *o)
{
    free(o->sets.items);
    free(o->defaults.items);
    *o = (struct options){0};
}

void options_print(FILE *out, bool with_job)
{
    for (size_t i = with_job ? 0 : 1; i < COUNT_OF(table); i++) {
        char left[64];

        if (table[i].help == NULL) {
            continue;
        }
        (void)snprintf(left, sizeof left, "%s%s%s", table[i].name,
                       table[i].value != NULL ? " " : "",
                       table[i].value != NULL ? table[i].value : "");
        (void)fprintf(out, "  %-22s %s\n", left, table[i].help);
    }
}

int options_set_log_level(const struct options *o, struct crew_err *err)
{
    enum env_level level = o->quiet ? LOG_WARN : LOG_INFO;

    if (o->log_level != NULL && log_level_parse(o->log_level, &level) != 0) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "--log-level %s: one of debug, info, warn, error",
                             o->log_level);
    }
    log_set_level(level);
    return CREW_OK;
}
