/* SPDX-License-Identifier: Apache-2.0
 * Report, files and arrays of golden-check; see golden.h. A file that is not as
 * expected ends the program: there is nothing left to compare. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "config/json.h"
#include "golden.h"
#include "tensor/tensor.h"
#include "base/banned.h"

#define MAX_FILE ((size_t)1 << 30)
#define MAX_DEPTH 64
#define MAX_SHOWN 20

void golden_end(struct golden_report *r)
{
    if (!r->open) {
        return;
    }
    if (r->differences > MAX_SHOWN) {
        printf("%s: %s: %d more differences\n", r->family, r->current,
               r->differences - MAX_SHOWN);
    }
    if (r->differences > 0) {
        r->failed++;
    } else {
        r->passed++;
    }
    r->open = false;
}

void golden_case(struct golden_report *r, const char *fmt, ...)
{
    va_list args;

    golden_end(r);
    va_start(args, fmt);
    (void)vsnprintf(r->current, sizeof r->current, fmt, args);
    va_end(args);
    r->open = true;
    r->differences = 0;
}

void golden_differ(struct golden_report *r,
                   const char *name,
                   int64_t index,
                   const char *got,
                   const char *want)
{
    if (r->differences++ >= MAX_SHOWN) {
        return;
    }
    printf("%s: %s: %s", r->family, r->current, name);
    if (index >= 0) {
        printf("[%lld]", (long long)index);
    }
    printf(": got %s, want %s\n", got, want);
}

int golden_trouble(int exit_code, const char *fmt, ...)
{
    va_list args;

    (void)fprintf(stderr, "golden-check: ");
    va_start(args, fmt);
    (void)vfprintf(stderr, fmt, args);
    va_end(args);
    (void)fprintf(stderr, "\n");
    return exit_code;
}

static _Noreturn void unexpected(const char *what, const cJSON *item)
{
    char *text = item != NULL ? cJSON_PrintUnformatted(item) : NULL;

    (void)golden_trouble(65, "the file is not as expected: %s: %.200s", what,
                         text != NULL ? text : "nothing");
    free(text);
    exit(65);
}

char *golden_bytes(const char *dir, const char *file, size_t *n)
{
    struct crew_err err = {0};
    char *path = path_join(dir, file), *bytes = NULL;

    if (fs_read_file(env_posix(), path, MAX_FILE, &bytes, n, &err) != CREW_OK) {
        (void)golden_trouble(66, "%s", err.msg);
    }
    free(path);
    return bytes;
}

/* cJSON keeps numbers as doubles: put quotes around integers that one may not
 * hold. */
static void quote_long_integers(const char *text, size_t n, struct strbuf *out)
{
    bool in_string = false;

    for (size_t i = 0; i < n;) {
        size_t digits = strspn(text + i, "-0123456789");
        if (in_string || digits == 0) {
            size_t step = in_string && text[i] == '\\' ? 2 : 1;
            in_string = in_string != (text[i] == '"');
            strbuf_add(out, text + i, step);
            i += step;
            continue;
        }
        bool whole =
            strchr(".eE", text[i + digits]) == NULL || text[i + digits] == '\0';
        if (digits > 15 && whole) {
            strbuf_addf(out, "\"%.*s\"", (int)digits, text + i);
        } else {
            digits += strspn(text + i + digits, ".eE+-0123456789");
            strbuf_add(out, text + i, digits);
        }
        i += digits;
    }
}

cJSON *golden_parse(const char *text, size_t n, const char *what)
{
    struct crew_err err = {0};
    struct strbuf quoted;
    cJSON *tree = NULL;

    strbuf_init(&quoted);
    quote_long_integers(text, n, &quoted);
    if (json_parse_within(quoted.data, quoted.len, what, MAX_FILE, MAX_DEPTH,
                          &tree, &err) != CREW_OK) {
        (void)golden_trouble(65, "%s", err.msg);
    }
    strbuf_release(&quoted);
    return tree;
}

bool golden_has(const char *dir, const char *file)
{
    char *path = path_join(dir, file);
    bool is = access(path, R_OK) == 0;

    free(path);
    return is;
}

cJSON *golden_load(const char *dir, const char *file)
{
    size_t n = 0;
    char *text = golden_bytes(dir, file, &n);
    cJSON *tree = text != NULL ? golden_parse(text, n, file) : NULL;

    free(text);
    return tree;
}

cJSON *golden_load_expected(const char *folder)
{
    size_t n = 0;
    char *text = golden_bytes(folder, "expected.json", &n);
    cJSON *tree;

    if (text == NULL) {
        return NULL;
    }
    for (char *nul = strstr(text, "\\u0000"); nul != NULL;
         nul = strstr(nul, "\\u0000")) {
        nul[5] = '1';
    }
    tree = golden_parse(text, n, folder);
    free(text);
    return tree;
}

int64_t golden_int(const cJSON *item)
{
    char *end = NULL;
    int64_t value = 0;

    if (json_is_int(item, &value)) {
        return value;
    }
    if (!cJSON_IsString(item)) {
        unexpected("an integer is wanted", item);
    }
    errno = 0;
    value = strtoll(item->valuestring, &end, 10);
    if (errno == ERANGE) {
        value = (int64_t)strtoull(item->valuestring, &end, 10);
    }
    if (end == item->valuestring || *end != '\0') {
        unexpected("an integer is wanted", item);
    }
    return value;
}

double golden_number(const cJSON *item)
{
    char *end = NULL;
    double value;

    if (cJSON_IsNumber(item)) {
        return item->valuedouble;
    }
    if (cJSON_IsBool(item)) {
        return cJSON_IsTrue(item);
    }
    if (!cJSON_IsString(item)) {
        unexpected("a number is wanted", item);
    }
    value = strtod(item->valuestring, &end);
    if (end == item->valuestring || *end != '\0') {
        unexpected("a number is wanted", item);
    }
    return value;
}

const cJSON *golden_member(const cJSON *object, const char *key)
{
    const cJSON *item = json_get(object, key);

    if (item == NULL) {
        unexpected(key, object);
    }
    return item;
}

const char *golden_text(const cJSON *object, const char *key)
{
    const cJSON *item = golden_member(object, key);

    if (!cJSON_IsString(item)) {
        unexpected(key, item);
    }
    return item->valuestring;
}

char *golden_base64(const char *text, size_t *n)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *out = xmalloc(strlen(text) + 1);
    uint32_t bits = 0;
    int count = 0;

    *n = 0;
    for (; *text != '\0' && *text != '='; text++) {
        const char *digit = strchr(digits, *text);
        if (digit == NULL) {
            (void)golden_trouble(65, "not base64: %.60s", text);
            exit(65);
        }
        bits = bits << 6 | (uint32_t)(digit - digits);
        count += 6;
        if (count >= 8) {
            count -= 8;
            out[(*n)++] = (char)(bits >> count & 0xff);
        }
    }
    out[*n] = '\0';
    return out;
}

static enum crew_dtype dtype_of(const char *name)
{
    enum crew_dtype dtype = dtype_parse(name);

    if (dtype == CREW_INVALID_DTYPE && strcmp(name, "bool_") == 0) {
        return CREW_BOOL;
    }
    return dtype;
}

static struct crew_shape shape_of(const cJSON *array)
{
    struct crew_shape shape = crew_scalar_shape();
    const cJSON *dim;

    cJSON_ArrayForEach(dim, golden_member(array, "shape"))
    {
        if (shape.rank == CREW_MAX_RANK) {
            unexpected("the rank is too high", array);
        }
        shape.dim[shape.rank++] = golden_int(dim);
    }
    return shape;
}

void golden_array_read(const cJSON *item, struct golden_array *out)
{
    struct crew_err err = {0};
    struct golden_array a = {.dtype = dtype_of(golden_text(item, "dtype")),
                             .shape = shape_of(item)};
    bool whole = a.dtype == CREW_INT32 || a.dtype == CREW_INT64 ||
                 a.dtype == CREW_UINT8 || a.dtype == CREW_BOOL;
    const cJSON *value;
    int64_t i = 0;

    a.data = json_get(item, "data");
    if (a.data == NULL) {
        a.data = golden_member(item, "values");
    }
    if (shape_count(&a.shape, &a.n, &err) != CREW_OK ||
        cJSON_GetArraySize(a.data) != a.n) {
        unexpected("shape and data do not fit", item);
    }
    if (a.dtype != CREW_STRING) {
        a.number = xcalloc((size_t)a.n, sizeof a.number[0]);
        a.integer = whole ? xcalloc((size_t)a.n, sizeof a.integer[0]) : NULL;
        cJSON_ArrayForEach(value, a.data)
        {
            a.number[i] = golden_number(value);
            if (whole) {
                a.integer[i] = cJSON_IsBool(value) ? cJSON_IsTrue(value)
                                                   : golden_int(value);
            }
            i++;
        }
    }
    *out = a;
}

void golden_array_release(struct golden_array *a)
{
    free(a->number);
    free(a->integer);
    *a = (struct golden_array){0};
}

float *golden_array_floats(const struct golden_array *a)
{
    float *out = xcalloc((size_t)a->n, sizeof out[0]);

    for (int64_t i = 0; i < a->n; i++) {
        out[i] = (float)a->number[i];
    }
    return out;
}
