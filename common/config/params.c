/* SPDX-License-Identifier: Apache-2.0
 *
 * Hyper-parameters in three layers; see params.h.
 *
 * --set and --default are kept as text, --config as cJSON's tree. The keys that
 * were asked for are a list that grows with each new one. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "config/params.h"
#include "config/run_config.h"
#include "base/banned.h"

struct pair {
    char *key, *text;
};

struct pairs {
    struct pair *pair;
    size_t n;
};

struct state {
    struct pairs set, defaults;
    cJSON *config; /* an object */
    char **asked;
    size_t num_asked;
    struct crew_err status;
};

struct crew_params {
    struct state *state;
};

struct crew_params *params_new(void)
{
    struct crew_params *p = xcalloc(1, sizeof *p);

    p->state = xcalloc(1, sizeof *p->state);
    p->state->config = cJSON_CreateObject();
    return p;
}

static void pairs_release(struct pairs *pairs)
{
    for (size_t i = 0; i < pairs->n; i++) {
        free(pairs->pair[i].key);
        free(pairs->pair[i].text);
    }
    free(pairs->pair);
}

void params_free(struct crew_params *p)
{
    if (p == NULL) {
        return;
    }
    pairs_release(&p->state->set);
    pairs_release(&p->state->defaults);
    cJSON_Delete(p->state->config);
    for (size_t i = 0; i < p->state->num_asked; i++) {
        free(p->state->asked[i]);
    }
    free(p->state->asked);
    free(p->state);
    free(p);
}

/* ----------------------------------------------------------------- filling */

int params_load_json(struct crew_params *p,
                     const char *text,
                     size_t n,
                     const char *what,
                     struct crew_err *err)
{
    cJSON *json = NULL, *member;
    int rc = json_parse(text, n, what, &json, err);

    if (rc != CREW_OK) {
        return rc;
    }
    if (!cJSON_IsObject(json)) {
        rc = crew_err_exit(err, CREW_INVALID_ARGUMENT, 78,
                           "%s: must be a JSON object like "
                           "{\"learning_rate\": 0.1}, not %s",
                           what, json_type_name(json));
        cJSON_Delete(json);
        return rc;
    }
    while ((member = json->child) != NULL) {
        (void)cJSON_DetachItemViaPointer(json, member);
        cJSON_DeleteItemFromObjectCaseSensitive(p->state->config,
                                                member->string);
        (void)cJSON_AddItemToObject(p->state->config, member->string, member);
    }
    cJSON_Delete(json);
    return CREW_OK;
}

static struct pair *find_pair(const struct pairs *pairs, const char *key)
{
    for (size_t i = 0; i < pairs->n; i++) {
        if (strcmp(pairs->pair[i].key, key) == 0) {
            return &pairs->pair[i];
        }
    }
    return NULL;
}

static int add_pair(struct pairs *pairs,
                    const char *text,
                    const char *option,
                    struct crew_err *err)
{
    const char *equals = strchr(text, '=');
    struct pair *old;
    char *key;

    if (equals == NULL || equals == text) {
        return crew_err_set(err, CREW_INVALID_ARGUMENT,
                            "%s %.200s: write it as KEY=VALUE", option, text);
    }
    key = xasprintf("%.*s", (int)(equals - text), text);
    old = find_pair(pairs, key);
    if (old != NULL) {
        free(key);
        free(old->text);
        old->text = xstrdup(equals + 1);
        return CREW_OK;
    }
    pairs->pair = xrealloc(pairs->pair, (pairs->n + 1) * sizeof pairs->pair[0]);
    pairs->pair[pairs->n++] = (struct pair){key, xstrdup(equals + 1)};
    return CREW_OK;
}

int params_set(struct crew_params *p, const char *pair, struct crew_err *err)
{
    return add_pair(&p->state->set, pair, "--set", err);
}

int params_set_default(struct crew_params *p,
                       const char *pair,
                       struct crew_err *err)
{
    return add_pair(&p->state->defaults, pair, "--default", err);
}

/* ------------------------------------------------------------------ asking */

static bool is_asked(const struct state *s, const char *key)
{
    for (size_t i = 0; i < s->num_asked; i++) {
        if (strcmp(s->asked[i], key) == 0) {
            return true;
        }
    }
    return false;
}

static void ask(struct state *s, const char *key)
{
    if (!is_asked(s, key)) {
        s->asked = xrealloc(s->asked, (s->num_asked + 1) * sizeof s->asked[0]);
        s->asked[s->num_asked++] = xstrdup(key);
    }
}

static bool look_up(const struct state *s,
                    const char *key,
                    struct params_value *out)
{
    const struct pair *set = find_pair(&s->set, key);
    const struct pair *fallback = find_pair(&s->defaults, key);
    const cJSON *json = json_get(s->config, key);

    if (set != NULL) {
        *out = (struct params_value){.layer = PARAMS_SET, .text = set->text};
    } else if (json != NULL) {
        *out = (struct params_value){.layer = PARAMS_CONFIG, .json = json};
    } else if (fallback != NULL) {
        *out = (struct params_value){.layer = PARAMS_DEFAULT,
                                     .text = fallback->text};
    } else {
        return false;
    }
    return true;
}

bool params_take(const struct crew_params *p,
                 const char *key,
                 struct params_value *out)
{
    ask(p->state, key);
    return look_up(p->state, key, out);
}

bool params_has(const struct crew_params *p, const char *key)
{
    struct params_value ignored;

    return look_up(p->state, key, &ignored);
}

const cJSON *params_json(const struct crew_params *p, const char *key)
{
    const cJSON *item = json_get(p->state->config, key);

    ask(p->state, key);
    return cJSON_IsObject(item) || cJSON_IsArray(item) ? item : NULL;
}

/* ------------------------------------------------------------------ values */

bool params_value_is_none(const struct params_value *v)
{
    if (v->text != NULL) {
        return strcmp(v->text, "None") == 0 || strcmp(v->text, "null") == 0;
    }
    return cJSON_IsNull(v->json);
}

bool params_value_double(const struct params_value *v, double *out)
{
    char *end = NULL;
    double value;

    if (v->text == NULL) {
        if (v->json == NULL || !cJSON_IsNumber(v->json)) {
            return false;
        }
        *out = v->json->valuedouble;
        return true;
    }
    /* Only decimal numbers: strtod also takes "inf", "nan" and "0x1p3". */
    if (v->text[0] == '\0' ||
        v->text[strspn(v->text, "+-.0123456789eE")] != '\0') {
        return false;
    }
    value = strtod(v->text, &end);
    if (end == v->text || *end != '\0' || !isfinite(value)) {
        return false;
    }
    *out = value;
    return true;
}

bool params_value_int(const struct params_value *v, int64_t *out)
{
    cJSON number = {.type = cJSON_Number};

    if (v->text == NULL) {
        return json_is_int(v->json, out);
    }
    if (v->text[0] != '\0' &&
        v->text[strspn(v->text, "+-0123456789")] == '\0') {
        char *end = NULL;
        long long whole = strtoll(v->text, &end, 10);
        if (end == v->text || *end != '\0' || whole == INT64_MAX ||
            whole == INT64_MIN) {
            return false;
        }
        *out = whole;
        return true;
    }
    return params_value_double(v, &number.valuedouble) &&
           json_is_int(&number, out);
}

bool params_value_bool(const struct params_value *v, bool *out)
{
    static const struct {
        const char *text;
        bool value;
    } words[] = {{"true", true},   {"True", true},   {"1", true},
                 {"false", false}, {"False", false}, {"0", false}};

    if (v->text == NULL) {
        if (cJSON_IsBool(v->json)) {
            *out = cJSON_IsTrue(v->json) != 0;
        }
        return cJSON_IsBool(v->json);
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(v->text, words[i].text) == 0) {
            *out = words[i].value;
            return true;
        }
    }
    return false;
}

bool params_value_str(const struct params_value *v, const char **out)
{
    if (v->text != NULL) {
        *out = v->text;
        return true;
    }
    if (v->json == NULL || !cJSON_IsString(v->json)) {
        return false;
    }
    *out = v->json->valuestring;
    return true;
}

const char *params_value_text(const struct params_value *v,
                              char *buf,
                              size_t size)
{
    char *json;

    if (v->text != NULL) {
        (void)snprintf(buf, size, "%s", v->text);
        return buf;
    }
    json = cJSON_PrintUnformatted(v->json);
    (void)snprintf(buf, size, "%s", json != NULL ? json : "?");
    free(json);
    return buf;
}

/* ------------------------------------------------- the getters of crew.h */

/* Look the key up for a getter; null is as good as nothing. */
static bool get(const struct crew_params *p,
                const char *key,
                struct params_value *v)
{
    if (p == NULL) {
        return false;
    }
    if (key == NULL) {
        (void)crew_err_set(&p->state->status, CREW_INVALID_ARGUMENT,
                           "a hyper-parameter's key is NULL");
        return false;
    }
    return params_take(p, key, v) &&
           !(v->text == NULL && cJSON_IsNull(v->json));
}

static void wrong_type(const struct crew_params *p,
                       const char *key,
                       const struct params_value *v,
                       const char *want)
{
    char text[200];

    (void)crew_err_set(&p->state->status, CREW_INVALID_ARGUMENT,
                       "%.100s must be %s, not %s", key, want,
                       params_value_text(v, text, sizeof text));
}

double crew_params_float(const struct crew_params *p,
                         const char *key,
                         double fallback)
{
    struct params_value v;
    double value = fallback;

    if (get(p, key, &v) && !params_value_double(&v, &value)) {
        wrong_type(p, key, &v, "a number");
    }
    return value;
}

int64_t crew_params_int(const struct crew_params *p,
                        const char *key,
                        int64_t fallback)
{
    struct params_value v;
    int64_t value = fallback;

    if (get(p, key, &v) && !params_value_int(&v, &value)) {
        wrong_type(p, key, &v, "an integer");
    }
    return value;
}

bool crew_params_bool(const struct crew_params *p,
                      const char *key,
                      bool fallback)
{
    struct params_value v;
    bool value = fallback;

    if (get(p, key, &v) && !params_value_bool(&v, &value)) {
        wrong_type(p, key, &v, "true or false");
    }
    return value;
}

const char *crew_params_str(const struct crew_params *p,
                            const char *key,
                            const char *fallback)
{
    struct params_value v;
    const char *value = fallback;

    if (get(p, key, &v) && !params_value_str(&v, &value)) {
        wrong_type(p, key, &v, "a text");
    }
    return value;
}

/* ---------------------------------------------------------------- verdicts */

int params_status(const struct crew_params *p, struct crew_err *err)
{
    const struct crew_err *status = &p->state->status;

    if (status->code == CREW_OK) {
        return CREW_OK;
    }
    return crew_err_set(err, status->code, "%s", status->msg);
}

static bool is_field(const char *key)
{
    const char *name;

    for (size_t i = 0; (name = run_config_field(i)) != NULL; i++) {
        if (strcmp(name, key) == 0) {
            return true;
        }
    }
    return false;
}

#define MAX_NAME 64

/* Levenshtein's distance of the first MAX_NAME bytes. */
static size_t distance(const char *a, const char *b)
{
    size_t row[MAX_NAME + 1], n = strnlen(b, MAX_NAME);

    for (size_t k = 0; k <= n; k++) {
        row[k] = k;
    }
    for (size_t i = 0; i < MAX_NAME && a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t k = 0; k < n; k++) {
            size_t change = diagonal + (a[i] != b[k]);
            size_t add = (row[k] < row[k + 1] ? row[k] : row[k + 1]) + 1;
            diagonal = row[k + 1];
            row[k + 1] = change < add ? change : add;
        }
    }
    return row[n];
}

/* The known key nearest to one that is not; there is always one. */
static const char *nearest(const struct state *s, const char *key)
{
    const char *best = run_config_field(0), *name;

    for (size_t i = 0; i < s->num_asked; i++) {
        if (distance(key, s->asked[i]) <= distance(key, best)) {
            best = s->asked[i];
        }
    }
    for (size_t i = 0; (name = run_config_field(i)) != NULL; i++) {
        if (distance(key, name) < distance(key, best)) {
            best = name;
        }
    }
    return best;
}

static int check_key(const struct state *s,
                     const char *key,
                     const char *option,
                     struct crew_err *err)
{
    if (is_asked(s, key) || is_field(key)) {
        return CREW_OK;
    }
    return crew_err_set(err, CREW_INVALID_ARGUMENT,
                        "%s %.100s: nothing reads \"%.100s\"; the nearest "
                        "known name is \"%.100s\"",
                        option, key, key, nearest(s, key));
}

int params_unused(const struct crew_params *p, struct crew_err *err)
{
    const struct state *s = p->state;
    const cJSON *member;
    int rc = CREW_OK;

    for (size_t i = 0; i < s->set.n && rc == CREW_OK; i++) {
        rc = check_key(s, s->set.pair[i].key, "--set", err);
    }
    cJSON_ArrayForEach(member, s->config)
    {
        if (rc == CREW_OK) {
            rc = check_key(s, member->string, "--config", err);
        }
    }
    return rc;
}
