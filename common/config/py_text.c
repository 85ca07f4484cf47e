/* SPDX-License-Identifier: Apache-2.0
 * Python's texts; see py_text.h. */
#include <math.h>
#include <string.h>

#include "config/py_text.h"
#include "base/banned.h"

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

static void add_number(struct strbuf *b, const cJSON *value)
{
    int64_t whole;

    if (json_is_int(value, &whole)) {
        strbuf_addf(b, "%lld", (long long)whole);
    } else {
        strbuf_addf(b, "%.17g", value->valuedouble);
    }
}

void py_repr(struct strbuf *b, const cJSON *value)
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
            py_repr(b, child);
        }
        strbuf_addstr(b, object ? "}" : "]");
    } else if (cJSON_IsString(value)) {
        py_repr_text(b, value->valuestring);
    } else if (cJSON_IsNumber(value)) {
        add_number(b, value);
    } else {
        strbuf_addstr(b, cJSON_IsTrue(value)    ? "True"
                         : cJSON_IsFalse(value) ? "False"
                                                : "None");
    }
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

static bool is_space(char c)
{
    return c != '\0' && strchr(" \t\n\r\v\f", c) != NULL;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
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
