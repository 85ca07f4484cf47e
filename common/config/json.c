/* SPDX-License-Identifier: Apache-2.0
 *
 * The strict pass over a JSON text; see json.h.
 *
 * A recursive descent, one function a rule of the grammar, which builds nothing
 * but the list of places where keys begin. Duplicate keys are looked for in
 * cJSON's tree, where escapes are resolved: the i-th key in its pre-order is
 * the i-th of the list. Depth is bounded by the caller's limit. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "config/json.h"
#include "base/banned.h"

/* cJSON copies a number to 64 bytes and would cut a longer one. */
#define MAX_NUMBER 63

struct scan {
    const char *text, *p, *end;
    const char *what;
    int depth, max_depth;
    size_t *key_at; /* offsets of the keys, in order */
    size_t num_keys, cap_keys;
    struct crew_err *err;
};

/* "<what>: line L, column C: <problem>" for the byte at `at`. Columns count
 * characters. */
static int wrong_at(struct scan *s, const char *at, const char *problem)
{
    size_t line = 1, column = 1;

    for (const char *p = s->text; p < at; p++) {
        if (*p == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)*p & 0xc0) != 0x80) {
            column++;
        }
    }
    return crew_err_exit(s->err, CREW_INVALID_ARGUMENT, 78,
                         "%s: line %zu, column %zu: %s", s->what, line, column,
                         problem);
}

static int wrong(struct scan *s, const char *problem)
{
    return wrong_at(s, s->p,
                    s->p == s->end ? "the text ends too early" : problem);
}

static void skip_space(struct scan *s)
{
    while (s->p < s->end &&
           (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r')) {
        s->p++;
    }
}

static bool at(const struct scan *s, char c)
{
    return s->p < s->end && *s->p == c;
}

static bool at_digit(const struct scan *s)
{
    return s->p < s->end && *s->p >= '0' && *s->p <= '9';
}

/* Length of the UTF-8 character at p, or 0 when it is none: too long a form,
 * half of a surrogate pair, above U+10FFFF or cut off. */
static size_t utf8_length(const unsigned char *p, size_t left)
{
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

    if (n == 1) {
        return 1;
    }
    if (p[0] < 0xc2 || p[0] > 0xf4 || left < n) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) {
        return 0;
    }
    return n;
}

/* The four hex digits after "\u"; -1 when they are none. */
static int hex4(struct scan *s)
{
    int value = 0;

    for (int i = 0; i < 4; i++, s->p++) {
        char c = s->p < s->end ? *s->p : '\0';
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

static int scan_unicode(struct scan *s)
{
    const char *begin = s->p - 2;
    int unit = hex4(s), low = -1;

    if (unit < 0) {
        return wrong(s, "\\u wants four hex digits");
    }
    if (unit == 0) {
        return wrong_at(s, begin, "\\u0000 is not allowed");
    }
    if (unit >= 0xd800 && unit <= 0xdbff) {
        if (s->end - s->p >= 2 && s->p[0] == '\\' && s->p[1] == 'u') {
            s->p += 2;
            low = hex4(s);
        }
    }
    if (unit >= 0xd800 && unit <= 0xdfff && (low < 0xdc00 || low > 0xdfff)) {
        return wrong_at(s, begin, "half of a surrogate pair");
    }
    return CREW_OK;
}

static int scan_escape(struct scan *s)
{
    s->p++;
    if (s->p < s->end && *s->p != '\0' && strchr("\"\\/bfnrt", *s->p) != NULL) {
        s->p++;
        return CREW_OK;
    }
    if (at(s, 'u')) {
        s->p++;
        return scan_unicode(s);
    }
    return wrong(s, "an unknown escape sequence");
}

static int scan_string(struct scan *s)
{
    int rc = CREW_OK;

    s->p++;
    while (rc == CREW_OK && s->p < s->end && *s->p != '"') {
        unsigned char c = (unsigned char)*s->p;
        if (c == '\\') {
            rc = scan_escape(s);
        } else if (c < 0x20) {
            rc = wrong(s, "a control byte in a string");
        } else {
            size_t n = utf8_length((const unsigned char *)s->p,
                                   (size_t)(s->end - s->p));
            if (n == 0) {
                rc = wrong(s, "not valid UTF-8");
            }
            s->p += n;
        }
    }
    if (rc == CREW_OK && s->p == s->end) {
        rc = wrong(s, "");
    }
    s->p++;
    return rc;
}

static int scan_digits(struct scan *s)
{
    if (!at_digit(s)) {
        return wrong(s, "expected a digit");
    }
    while (at_digit(s)) {
        s->p++;
    }
    return CREW_OK;
}

/* -? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)? */
static int scan_number(struct scan *s)
{
    const char *begin = s->p;
    char copy[MAX_NUMBER + 1];
    int rc;

    s->p += at(s, '-');
    if (at(s, '0')) {
        s->p++;
        rc = at_digit(s) ? wrong(s, "a number with a leading zero") : CREW_OK;
    } else {
        rc = scan_digits(s);
    }
    if (rc == CREW_OK && at(s, '.')) {
        s->p++;
        rc = scan_digits(s);
    }
    if (rc == CREW_OK && (at(s, 'e') || at(s, 'E'))) {
        s->p++;
        s->p += at(s, '+') || at(s, '-');
        rc = scan_digits(s);
    }
    if (rc != CREW_OK) {
        return rc;
    }
    if (s->p - begin > MAX_NUMBER) {
        return wrong_at(s, begin, "a number of more than 63 characters");
    }
    (void)snprintf(copy, sizeof copy, "%.*s", (int)(s->p - begin), begin);
    if (!isfinite(strtod(copy, NULL))) {
        return wrong_at(s, begin, "a number too large for a double");
    }
    return CREW_OK;
}

static int scan_word(struct scan *s, const char *word)
{
    size_t n = strlen(word);

    if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0) {
        return wrong_at(s, s->p, "expected a value");
    }
    s->p += n;
    return CREW_OK;
}

static int scan_value(struct scan *s);

static int scan_key(struct scan *s)
{
    int rc;

    if (!at(s, '"')) {
        return wrong(s, "expected a key in double quotes");
    }
    if (s->num_keys == s->cap_keys) {
        s->cap_keys = s->cap_keys == 0 ? 64 : 2 * s->cap_keys;
        s->key_at = xrealloc(s->key_at, s->cap_keys * sizeof s->key_at[0]);
    }
    s->key_at[s->num_keys++] = (size_t)(s->p - s->text);
    rc = scan_string(s);
    if (rc != CREW_OK) {
        return rc;
    }
    skip_space(s);
    if (!at(s, ':')) {
        return wrong(s, "expected ':'");
    }
    s->p++;
    skip_space(s);
    return CREW_OK;
}

/* What stands between the brackets of an object or an array. */
static int scan_members(struct scan *s, char close)
{
    int rc = CREW_OK;

    s->p++;
    skip_space(s);
    if (at(s, close)) {
        s->p++;
        return CREW_OK;
    }
    for (;;) {
        if (close == '}') {
            rc = scan_key(s);
        }
        if (rc == CREW_OK) {
            rc = scan_value(s);
        }
        if (rc != CREW_OK) {
            return rc;
        }
        skip_space(s);
        if (at(s, close)) {
            s->p++;
            return CREW_OK;
        }
        if (!at(s, ',')) {
            return wrong(s, close == '}' ? "expected ',' or '}'"
                                         : "expected ',' or ']'");
        }
        s->p++;
        skip_space(s);
    }
}

static int scan_value(struct scan *s)
{
    char c = s->p < s->end ? *s->p : '\0';
    int rc;

    if (c == '{' || c == '[') {
        if (s->depth == s->max_depth) {
            return wrong(s, "nested too deeply");
        }
        s->depth++;
        rc = scan_members(s, c == '{' ? '}' : ']');
        s->depth--;
        return rc;
    }
    if (c == '"') {
        return scan_string(s);
    }
    if (c == '-' || (c >= '0' && c <= '9')) {
        return scan_number(s);
    }
    if (c == 't') {
        return scan_word(s, "true");
    }
    if (c == 'f') {
        return scan_word(s, "false");
    }
    return c == 'n' ? scan_word(s, "null") : wrong(s, "expected a value");
}

static int scan_text(struct scan *s)
{
    int rc;

    skip_space(s);
    rc = scan_value(s);
    if (rc == CREW_OK) {
        skip_space(s);
        if (s->p < s->end) {
            rc = wrong(s, "something follows after the end of the value");
        }
    }
    return rc;
}

struct key {
    const char *name;
    size_t order;
};

static int by_name(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    if (order != 0) {
        return order;
    }
    return x->order < y->order ? -1 : x->order > y->order;
}

/* The sorted keys of one object. */
static int check_object(struct scan *s, const struct key *keys, size_t n)
{
    char problem[160];

    for (size_t i = 1; i < n; i++) {
        if (strcmp(keys[i - 1].name, keys[i].name) == 0) {
            (void)snprintf(problem, sizeof problem,
                           "the key \"%.100s\" appears twice", keys[i].name);
            INVARIANT(s->key_at != NULL && keys[i].order < s->num_keys);
            return wrong_at(s, s->text + s->key_at[keys[i].order], problem);
        }
    }
    return CREW_OK;
}

/* Walk in pre-order; *next is the number of the next key. */
static int check_keys(struct scan *s, const cJSON *value, size_t *next)
{
    size_t n = (size_t)cJSON_GetArraySize(value), i = 0;
    struct key *keys = cJSON_IsObject(value) ? xcalloc(n, sizeof *keys) : NULL;
    const cJSON *child;
    int rc = CREW_OK;

    cJSON_ArrayForEach(child, value)
    {
        if (keys != NULL) {
            keys[i++] = (struct key){child->string, (*next)++};
        }
        if (rc == CREW_OK && child->child != NULL) {
            rc = check_keys(s, child, next);
        }
    }
    if (rc == CREW_OK && keys != NULL) {
        qsort(keys, n, sizeof *keys, by_name);
        rc = check_object(s, keys, n);
    }
    free(keys);
    return rc;
}

int json_parse_within(const char *text,
                      size_t n,
                      const char *what,
                      size_t max_bytes,
                      int max_depth,
                      cJSON **out,
                      struct crew_err *err)
{
    struct scan s = {.text = text,
                     .p = text,
                     .end = text + n,
                     .what = what,
                     .max_depth = max_depth,
                     .err = err};
    cJSON *tree = NULL;
    size_t next = 0;
    int rc;

    if (n > max_bytes) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 78,
                             "%s: %zu bytes; at most %zu are read", what, n,
                             max_bytes);
    }
    rc = scan_text(&s);
    if (rc == CREW_OK) {
        tree = cJSON_ParseWithLength(text, n);
        rc = tree != NULL ? check_keys(&s, tree, &next)
                          : wrong_at(&s, text, "cannot be read");
    }
    if (rc == CREW_OK) {
        *out = tree;
        tree = NULL;
    }
    cJSON_Delete(tree);
    free(s.key_at);
    return rc;
}

int json_parse(const char *text,
               size_t n,
               const char *what,
               cJSON **out,
               struct crew_err *err)
{
    return json_parse_within(text, n, what, JSON_MAX_BYTES, JSON_MAX_DEPTH, out,
                             err);
}

const cJSON *json_get(const cJSON *object, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

bool json_is_int(const cJSON *item, int64_t *value)
{
    double d;

    if (!cJSON_IsNumber(item)) {
        return false;
    }
    d = item->valuedouble;
    if (!(d >= -0x1p63 && d < 0x1p63) || d != floor(d)) {
        return false;
    }
    *value = (int64_t)d;
    return true;
}

const char *json_type_name(const cJSON *item)
{
    return cJSON_IsObject(item)   ? "object"
           : cJSON_IsArray(item)  ? "array"
           : cJSON_IsString(item) ? "string"
           : cJSON_IsNumber(item) ? "number"
           : cJSON_IsTrue(item)   ? "true"
           : cJSON_IsFalse(item)  ? "false"
                                  : "null";
}
