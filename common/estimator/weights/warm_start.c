/* SPDX-License-Identifier: Apache-2.0
 *
 * Which variables are warm-started, and from what; see the header. As in
 * TensorFlow everything that can be found out without reading values is found
 * out, and logged, first. */
#include "estimator/weights/warm_start.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "checkpoint/bundle.h"
#include "checkpoint/save.h"
#include "config/py_text.h"
#include "estimator/weights/warm_vocab.h"
#include "base/banned.h"

/* A variable that is considered. */
struct target {
    const struct weights_entry *entry;
    int var; /* its place among the weights' variables; -1: a slot, a power, the
                step */
    CREW_NULLABLE const struct crew_vocab_info *vocab;
    CREW_NULLABLE const char *prev; /* NULL: unchanged */
    bool chosen; /* false: it is viable, but nothing wants it */
};

struct warm_start {
    const struct crew_warm_start *settings;
    struct crew_env *env;
    struct weights *weights;
    struct weights_table table;
    struct target *targets;
    int n;
    char *from; /* as the log names it */
    struct bundle_reader *reader;
    uint64_t seed;
};

/* ----------------------------------------------------- regular expressions */

/* What Python has and POSIX has not, where that is only another spelling. */
static char *posix_regex(const char *python)
{
    struct strbuf b;

    strbuf_init(&b);
    strbuf_addstr(&b, "^(");
    for (const char *p = python; *p != '\0'; p++) {
        if (p[0] == '\\' && p[1] == 'd') {
            strbuf_addstr(&b, "[0-9]");
            p++;
        } else if (p[0] == '\\' && p[1] != '\0') {
            strbuf_add(&b, p++, 2);
        } else if (strncmp(p, "(?:", 3) == 0) {
            strbuf_addstr(&b, "(");
            p += 2;
        } else {
            strbuf_add(&b, p, 1);
        }
    }
    strbuf_addstr(&b, ")");
    return strbuf_detach(&b);
}

static int compile(const char *python, regex_t *out, struct crew_err *err)
{
    char *text = posix_regex(python), why[100];
    int code = regcomp(out, text, REG_EXTENDED | REG_NOSUB);

    free(text);
    if (code == 0) {
        return CREW_OK;
    }
    (void)regerror(code, out, why, sizeof why);
    return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                         "vars_to_warm_start: '%s' is no regular expression: "
                         "%s",
                         python, why);
}

static bool matches(const regex_t *re, const char *name)
{
    char *full = xasprintf("%s:0", name);
    bool yes = regexec(re, full, 0, NULL, 0) == 0;

    free(full);
    return yes;
}

/* ---------------------------------------------------------------- choosing */

static int var_of(const struct weights *w, const struct weights_entry *e)
{
    for (int i = 0; i < w->num_vars; i++) {
        if (w->vars[i].value == e->data) {
            return i;
        }
    }
    return -1;
}

static bool is_target(const struct warm_start *w, const struct weights_entry *e)
{
    for (int i = 0; i < w->n; i++) {
        if (w->targets[i].entry == e) {
            return true;
        }
    }
    return false;
}

static void add_target(struct warm_start *w, const struct weights_entry *e)
{
    const struct crew_warm_start *s = w->settings;
    struct target t = {.entry = e, .var = var_of(w->weights, e)};

    for (int i = 0; i < s->num_vocab_infos; i++) {
        if (strcmp(s->var_name_to_vocab_info[i].var_name, e->name) == 0) {
            t.vocab = &s->var_name_to_vocab_info[i];
        }
    }
    for (int i = 0; i < s->num_prev_var_names; i++) {
        if (strcmp(s->var_name_to_prev_var_name[i].var_name, e->name) == 0) {
            t.prev = s->var_name_to_prev_var_name[i].prev_var_name;
        }
    }
    t.chosen = t.vocab != NULL || !s->only_vocab_info;
    w->targets[w->n++] = t;
}

/* Of the trainable variables, or of all there is. */
static int choose(struct warm_start *w,
                  const char *regex,
                  bool only_trainable,
                  struct crew_err *err)
{
    regex_t re;

    if (compile(regex, &re, err) != CREW_OK) {
        return err->code;
    }
    for (int i = 0; i < w->table.n; i++) {
        const struct weights_entry *e = &w->table.entries[i];

        if ((!only_trainable || var_of(w->weights, e) >= 0) &&
            matches(&re, e->name) && !is_target(w, e)) {
            add_target(w, e);
        }
    }
    regfree(&re);
    return CREW_OK;
}

static int choose_all(struct warm_start *w, struct crew_err *err)
{
    const struct crew_warm_start *s = w->settings;

    w->targets = xcalloc((size_t)w->table.n + 1, sizeof *w->targets);
    for (int i = 0; i < s->num_vars_to_warm_start; i++) {
        if (choose(w, s->vars_to_warm_start_list[i], false, err) != CREW_OK) {
            return err->code;
        }
    }
    if (s->num_vars_to_warm_start > 0) {
        return CREW_OK;
    }
    env_log(w->env, LOG_INFO,
            "Warm-starting variables only in TRAINABLE_VARIABLES.");
    return choose(w,
                  s->only_vocab_info || s->vars_to_warm_start == NULL
                      ? ".*"
                      : s->vars_to_warm_start,
                  true, err);
}

/* ------------------------------------------------------------------ checks */

static const char *old_name(const struct target *t)
{
    return t->prev != NULL ? t->prev : t->entry->name;
}

/* "{'b': [2], 'w': [5, 3]}", a few of them. */
static void add_shape_map(struct strbuf *b, const struct bundle_reader *r)
{
    char dims[128];

    for (int i = 0; i < bundle_num_tensors(r) && b->len < 400; i++) {
        const struct bundle_tensor *t = bundle_tensor(r, i);

        strbuf_addstr(b, i > 0 ? ", " : "{");
        py_repr_text(b, t->name);
        strbuf_addf(b, ": %s",
                    warm_list_text(&t->shape, ", ", dims, sizeof dims));
    }
    strbuf_addstr(b, b->len < 400 ? "}" : ", ...}");
}

static int missing(const struct warm_start *w,
                   const char *name,
                   struct crew_err *err)
{
    struct strbuf map;

    strbuf_init(&map);
    add_shape_map(&map, w->reader);
    crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                  "Tensor %s is not found in %s checkpoint %s", name, w->from,
                  map.data);
    strbuf_release(&map);
    return err->code;
}

/* A variable that takes a tensor as it is. */
static int check_plain(const struct warm_start *w,
                       const struct target *t,
                       struct crew_err *err)
{
    const struct weights_entry *e = t->entry;
    const struct bundle_tensor *old = bundle_find(w->reader, old_name(t));
    char dims[128], old_dims[128];
    size_t n;

    if (old == NULL) {
        return missing(w, old_name(t), err);
    }
    if (!shape_equal(&old->shape, e->shape)) {
        n = strlen(warm_list_text(e->shape, ", ", dims, sizeof dims));
        dims[n - 1] = '\0'; /* a tuple's brackets follow */
        return crew_err_exit(
            err, CREW_INVALID_ARGUMENT, 1,
            "Shape of variable %s:0 ((%s%s)) doesn't match with shape of "
            "tensor %s (%s) from checkpoint reader.",
            e->name, dims + 1, e->shape->rank == 1 ? "," : "", old->name,
            warm_list_text(&old->shape, ", ", old_dims, sizeof old_dims));
    }
    if (bundle_want_dtype(old, (int)e->dtype, err) != CREW_OK) {
        err->exit_code = 1;
    }
    return err->code;
}

static void log_vocab(const struct warm_start *w, const struct target *t)
{
    const struct crew_vocab_info *v = t->vocab;
    char size[24] = "All";

    if (v->old_vocab_size > 0) {
        (void)snprintf(size, sizeof size, "%lld", (long long)v->old_vocab_size);
    }
    env_log(w->env, LOG_DEBUG,
            "Warm-starting variable: %s; current_vocab: %s "
            "current_vocab_size: %lld prev_vocab: %s prev_vocab_size: %s "
            "current_oov: %lld prev_tensor: %s initializer: %s",
            t->entry->name, v->new_vocab, (long long)v->new_vocab_size,
            v->old_vocab, size, (long long)v->num_oov_buckets,
            t->prev != NULL ? t->prev : "Unchanged",
            v->backup_initializer.kind == CREW_INIT_ZEROS ? "zero-initialized"
                                                          : "of its own");
}

static int check_targets(const struct warm_start *w, struct crew_err *err)
{
    int chosen = 0;

    for (int i = 0; i < w->n && err->code == CREW_OK; i++) {
        const struct target *t = &w->targets[i];

        chosen += t->chosen;
        if (t->vocab != NULL) {
            log_vocab(w, t);
            (void)warm_vocab_check(t->vocab, t->entry->name, t->entry->shape,
                                   err);
            if (err->code == CREW_OK && t->entry->dtype != CREW_FLOAT) {
                crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                              "Currently, only float32 is supported. Received "
                              "dtype: %s (%s)",
                              dtype_name(t->entry->dtype), t->entry->name);
            }
        } else if (t->chosen) {
            env_log(w->env, LOG_DEBUG,
                    "Warm-starting variable: %s; prev_var_name: %s",
                    t->entry->name, t->prev != NULL ? t->prev : "Unchanged");
            (void)check_plain(w, t, err);
        }
    }
    if (err->code == CREW_OK) {
        env_log(w->env, LOG_INFO, "Warm-started %d variables.", chosen);
    }
    return err->code;
}

/* ------------------------------------------------------------- misspellings */

static bool is_viable(const struct warm_start *w, const char *name)
{
    for (int i = 0; i < w->n; i++) {
        if (strcmp(w->targets[i].entry->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void add_name(struct strbuf *b, const char *name)
{
    strbuf_addstr(b, b->len > 0 ? ", " : "");
    py_repr_text(b, name);
}

static int not_used(const struct warm_start *w,
                    const char *map,
                    const struct strbuf *names,
                    struct crew_err *err)
{
    struct strbuf viable;

    strbuf_init(&viable);
    for (int i = 0; i < w->n && viable.len < 400; i++) {
        add_name(&viable, w->targets[i].entry->name);
    }
    crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                  "You provided the following variables in %s that were not "
                  "used: {%s}.  Perhaps you misspelled them?  Here is the "
                  "list of viable variable names: dict_keys([%s%s])",
                  map, names->data, viable.data,
                  viable.len >= 400 ? ", ..." : "");
    strbuf_release(&viable);
    return err->code;
}

static int check_used(const struct warm_start *w, struct crew_err *err)
{
    const struct crew_warm_start *s = w->settings;
    struct strbuf prev, vocab;

    strbuf_init(&prev);
    strbuf_init(&vocab);
    for (int i = 0; i < s->num_prev_var_names; i++) {
        const char *name = s->var_name_to_prev_var_name[i].var_name;

        if (!is_viable(w, name)) {
            add_name(&prev, name);
        }
    }
    for (int i = 0; i < s->num_vocab_infos; i++) {
        const char *name = s->var_name_to_vocab_info[i].var_name;

        if (!is_viable(w, name)) {
            add_name(&vocab, name);
        }
    }
    if (prev.len > 0) {
        (void)not_used(w, "var_name_to_prev_var_name", &prev, err);
    } else if (vocab.len > 0) {
        (void)not_used(w, "var_name_to_vocab_info", &vocab, err);
    }
    strbuf_release(&prev);
    strbuf_release(&vocab);
    return err->code;
}

/* ----------------------------------------------------------------- reading */

static int read_target(const struct warm_start *w,
                       const struct target *t,
                       struct crew_err *err)
{
    const struct weights_entry *e = t->entry;

    if (t->vocab != NULL) {
        return warm_vocab_fill(t->vocab, w->env, w->reader, e->name,
                               old_name(t), e->shape, w->seed, e->data, err);
    }
    if (bundle_read(w->reader, bundle_find(w->reader, old_name(t)), e->data,
                    err) != CREW_OK) {
        return err->code;
    }
    env_log(w->env, LOG_DEBUG,
            "Initialize variable %s:0 from checkpoint %s "
            "with %s",
            e->name, w->from, old_name(t));
    return CREW_OK;
}

/* What is kept beside a value begins as if that were its initial one. */
static void restart_slots(const struct weights *w, int var)
{
    const struct trainer_var *v = &w->vars[var];

    for (int k = 0; k < OPTIM_MAX_SLOTS; k++) {
        if (v->slot[k] != NULL) {
            optim_slot_init(&w->optimizers[v->optimizer], k, v->n, v->value,
                            v->slot[k]);
        }
    }
}

static int read_targets(const struct warm_start *w, struct crew_err *err)
{
    for (int i = 0; i < w->n && err->code == CREW_OK; i++) {
        const struct target *t = &w->targets[i];

        if (t->chosen && t->var >= 0 && read_target(w, t, err) == CREW_OK) {
            restart_slots(w->weights, t->var);
        }
    }
    for (int i = 0; i < w->n && err->code == CREW_OK; i++) {
        const struct target *t = &w->targets[i];

        if (t->chosen && t->var < 0) {
            (void)read_target(w, t, err);
        }
    }
    return err->code;
}

/* ----------------------------------------------------------------- opening */

/* The path, or that of the variables of the SavedModel which it is. */
static char *find_from(struct crew_env *env, const char *given)
{
    char *in_export = path_join(given, "variables/variables");
    char *index = xasprintf("%s.index", in_export);
    bool is_export = fs_exists(env, index);

    free(index);
    if (is_export) {
        env_log(env, LOG_INFO, "Warm-starting from a SavedModel");
        return in_export;
    }
    free(in_export);
    return xstrdup(given);
}

/* A folder's newest checkpoint, or a prefix. */
static int open_checkpoint(struct warm_start *w, struct crew_err *err)
{
    char *prefix = ckpt_named(w->env, w->from);

    env_log(w->env, LOG_INFO, "Warm-starting from: %s", w->from);
    if (prefix == NULL && fs_exists(w->env, w->from)) {
        crew_err_exit(err, CREW_NOT_FOUND, 66,
                      "Couldn't find 'checkpoint' file or checkpoints in given "
                      "directory %s",
                      w->from);
    } else {
        (void)bundle_reader_open(w->env, prefix != NULL ? prefix : w->from,
                                 &w->reader, err);
    }
    free(prefix);
    return err->code;
}

static void log_settings(struct crew_env *env, const struct crew_warm_start *s)
{
    char *text = warm_start_text(s);

    env_log(env, LOG_INFO, "Warm-starting with WarmStartSettings: %s", text);
    free(text);
}

int warm_start_weights(const struct crew_warm_start *settings,
                       struct crew_env *env,
                       uint64_t seed,
                       struct weights *weights,
                       int64_t *step,
                       struct crew_err *err)
{
    struct crew_warm_start found = *settings;
    struct warm_start w = {
        .settings = settings, .env = env, .weights = weights, .seed = seed};

    if (settings->ckpt_to_initialize_from == NULL ||
        settings->ckpt_to_initialize_from[0] == '\0') {
        return crew_err_exit(
            err, CREW_INVALID_ARGUMENT, 64,
            "`ckpt_to_initialize_from` MUST be set in WarmStartSettings");
    }
    weights_table_init(&w.table, weights, step);
    w.from = find_from(env, settings->ckpt_to_initialize_from);
    found.ckpt_to_initialize_from = w.from;
    log_settings(env, &found);
    if (open_checkpoint(&w, err) == CREW_OK && choose_all(&w, err) == CREW_OK &&
        check_targets(&w, err) == CREW_OK && check_used(&w, err) == CREW_OK) {
        (void)read_targets(&w, err);
    }
    bundle_reader_free(w.reader);
    weights_table_release(&w.table);
    free(w.targets);
    free(w.from);
    return err->code;
}

/* -------------------------------------------------------------------- text */

static void add_vars(struct strbuf *b, const struct crew_warm_start *s)
{
    if (s->num_vars_to_warm_start > 0) {
        for (int i = 0; i < s->num_vars_to_warm_start; i++) {
            strbuf_addstr(b, i > 0 ? ", " : "[");
            py_repr_text(b, s->vars_to_warm_start_list[i]);
        }
        strbuf_addstr(b, "]");
    } else if (s->only_vocab_info) {
        strbuf_addstr(b, "None");
    } else {
        py_repr_text(
            b, s->vars_to_warm_start != NULL ? s->vars_to_warm_start : ".*");
    }
}

static void add_vocab_info(struct strbuf *b, const struct crew_vocab_info *v)
{
    py_repr_text(b, v->var_name);
    strbuf_addstr(b, ": VocabInfo(new_vocab=");
    py_repr_text(b, v->new_vocab != NULL ? v->new_vocab : "");
    strbuf_addf(b, ", new_vocab_size=%lld, num_oov_buckets=%lld, old_vocab=",
                (long long)v->new_vocab_size, (long long)v->num_oov_buckets);
    py_repr_text(b, v->old_vocab != NULL ? v->old_vocab : "");
    strbuf_addf(
        b, ", old_vocab_size=%lld, backup_initializer=%s, axis=%d)",
        (long long)(v->old_vocab_size > 0 ? v->old_vocab_size : -1),
        v->backup_initializer.kind == CREW_INIT_ZEROS ? "None" : "its own",
        v->axis);
}

char *warm_start_text(const struct crew_warm_start *s)
{
    struct strbuf b;

    strbuf_init(&b);
    strbuf_addstr(&b, "WarmStartSettings(ckpt_to_initialize_from=");
    py_repr_text(&b, s->ckpt_to_initialize_from);
    strbuf_addstr(&b, ", vars_to_warm_start=");
    add_vars(&b, s);
    strbuf_addstr(&b, ", var_name_to_vocab_info={");
    for (int i = 0; i < s->num_vocab_infos; i++) {
        strbuf_addstr(&b, i > 0 ? ", " : "");
        add_vocab_info(&b, &s->var_name_to_vocab_info[i]);
    }
    strbuf_addstr(&b, "}, var_name_to_prev_var_name={");
    for (int i = 0; i < s->num_prev_var_names; i++) {
        strbuf_addstr(&b, i > 0 ? ", " : "");
        py_repr_text(&b, s->var_name_to_prev_var_name[i].var_name);
        strbuf_addstr(&b, ": ");
        py_repr_text(&b, s->var_name_to_prev_var_name[i].prev_var_name);
    }
    strbuf_addstr(&b, "})");
    return strbuf_detach(&b);
}
