/* SPDX-License-Identifier: Apache-2.0
 * Python's texts; see py_text.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/py_text.h"
#include "base/banned.h"

static bool is_space(char c)
{
    return c != '\0' && strchr(" \t\n\r\v\f", c) != NULL;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

void py_repr_text(struct strbuf *b, const char *text)
{
    bool single = strchr(text, '\'') == NULL || strchr(text, '"') != NULL;
    char quote = single ? '\'' : '"';

    strbuf_addf(b, "%c", quote);
    for (const char *p = text; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '\\' || *p == quote) {
            strbuf_addf(b, "\\%c", *p);
        } else if (c == '\n') {
            strbuf_addstr(b, "\\n");
        } else if (c == '\r') {
            strbuf_addstr(b, "\\r");
        } else if (c == '\t') {
            strbuf_addstr(b, "\\t");
        } else if (c < 0x20 || c == 0x7f) {
            strbuf_addf(b, "\\x%02x", c);
        } else {
            strbuf_add(b, p, 1);
        }
    }
    strbuf_addf(b, "%c", quote);
}

/* As repr() of a float: the shortest text that reads back, always with a point
 * or an exponent. */
static void add_float(struct strbuf *b, double value)
{
    char text[40];
    int digits = 0;

    do {
        (void)snprintf(text, sizeof text, "%.*e", digits++, value);
    } while (digits < 17 && strtod(text, NULL) != value);
    if (value != 0 && (fabs(value) < 1e-4 || fabs(value) >= 1e16)) {
        strbuf_addstr(b, text);
        return;
    }
    int exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10);
    int decimals = digits - 1 - exponent;

    strbuf_addf(b, "%.*f", decimals < 1 ? 1 : decimals, value);
}

static void add_number(struct strbuf *b, const cJSON *value)
{
    int64_t whole;

    if (json_is_int(value, &whole)) {
        strbuf_addf(b, "%lld", (long long)whole);
    } else {
        add_float(b, value->valuedouble);
    }
}

/* The next number of a JSON text: *n bytes, or none; *text moves behind it. */
static const char *next_number(const char **text, size_t *n)
{
    const char *p = *text;

    for (; *p != '\0' && *p != '-' && !is_digit(*p); p++) {
        if (*p == '"') {
            for (p++; *p != '\0' && *p != '"'; p++) {
                p += *p == '\\' && p[1] != '\0';
            }
            if (*p == '\0') {
                break;
            }
        }
    }
    *n = strspn(p, "+-.0123456789eE");
    *text = p + *n;
    return p;
}

/* As the source has it: 1.0 is no 1, and an integer has any length. */
static void add_number_of(struct strbuf *b, const cJSON *value, const char **at)
{
    size_t n;
    const char *text = next_number(at, &n);
    size_t whole = strspn(text, "-0123456789");

    if (n == 0 || whole < n) {
        add_float(b, value->valuedouble);
    } else if (n == 2 && strncmp(text, "-0", 2) == 0) {
        strbuf_addstr(b, "0");
    } else {
        strbuf_add(b, text, n);
    }
}

static void add_value(struct strbuf *b,
                      const cJSON *value,
                      CREW_NULLABLE const char **source)
{
    bool object = cJSON_IsObject(value);
    const cJSON *child;

    if (object || cJSON_IsArray(value)) {
        strbuf_addstr(b, object ? "{" : "[");
        cJSON_ArrayForEach(child, value)
        {
            if (child != value->child) {
                strbuf_addstr(b, ", ");
            }
            if (object) {
                py_repr_text(b, child->string);
                strbuf_addstr(b, ": ");
            }
            add_value(b, child, source);
        }
        strbuf_addstr(b, object ? "}" : "]");
    } else if (cJSON_IsString(value)) {
        py_repr_text(b, value->valuestring);
    } else if (cJSON_IsNumber(value) && source != NULL) {
        add_number_of(b, value, source);
    } else if (cJSON_IsNumber(value)) {
        add_number(b, value);
    } else {
        strbuf_addstr(b, cJSON_IsTrue(value)    ? "True"
                         : cJSON_IsFalse(value) ? "False"
                                                : "None");
    }
}

void py_repr(struct strbuf *b, const cJSON *value)
{
    add_value(b, value, NULL);
}

void py_repr_source(struct strbuf *b, const cJSON *value, const char *source)
{
    add_value(b, value, &source);
}

void py_str(struct strbuf *b, const cJSON *value)
{
    if (cJSON_IsString(value)) {
        strbuf_addstr(b, value->valuestring);
    } else {
        py_repr(b, value);
    }
}

const char *py_class(const cJSON *value)
{
    int64_t whole;

    return cJSON_IsObject(value)        ? "<class 'dict'>"
           : cJSON_IsArray(value)       ? "<class 'list'>"
           : cJSON_IsString(value)      ? "<class 'str'>"
           : cJSON_IsBool(value)        ? "<class 'bool'>"
           : json_is_int(value, &whole) ? "<class 'int'>"
           : cJSON_IsNumber(value)      ? "<class 'float'>"
                                        : "<class 'NoneType'>";
}

bool py_int_text(const char *text, int64_t *value)
{
    bool negative, overflow = false;
    int64_t n = 0;

    while (is_space(*text)) {
        text++;
    }
    negative = *text == '-';
    text += *text == '-' || *text == '+';
    if (!is_digit(*text)) {
        return false;
    }
    for (; is_digit(*text); text++) {
        overflow = overflow || __builtin_mul_overflow(n, 10, &n) ||
                   __builtin_add_overflow(n, *text - '0', &n);
        if (text[1] == '_' && is_digit(text[2])) {
            text++;
        }
    }
    while (is_space(*text)) {
        text++;
    }
    if (*text != '\0') {
        return false;
    }
    *value = overflow ? (negative ? INT64_MIN : INT64_MAX) : negative ? -n : n;
    return true;
}

bool py_int(const cJSON *item, int64_t *value)
{
    double d;

    if (cJSON_IsString(item)) {
        return py_int_text(item->valuestring, value);
    }
    if (cJSON_IsBool(item)) {
        *value = cJSON_IsTrue(item);
        return true;
    }
    if (!cJSON_IsNumber(item)) {
        return false;
    }
    d = trunc(item->valuedouble);
    *value = d >= 0x1p63 ? INT64_MAX : d < -0x1p63 ? INT64_MIN : (int64_t)d;
    return true;
}
