/* SPDX-License-Identifier: Apache-2.0
 * A reader by descent of the few kinds of expression in python_call.h. */
#include "python_call.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "base/banned.h"

#define MAX_DEPTH 16

struct reader {
    const char *at;
    int depth;
    bool failed;
};

static cJSON *expression(struct reader *r);

static void skip_space(struct reader *r)
{
    r->at += strspn(r->at, " ");
}

static bool take(struct reader *r, char c)
{
    skip_space(r);
    if (*r->at != c) {
        return false;
    }
    r->at++;
    return true;
}

/* Letters, digits and _; dots too when `dotted`. Owner: caller. */
static char *take_name(struct reader *r, bool dotted)
{
    const char *begin;
    struct strbuf name;

    skip_space(r);
    begin = r->at;
    while (isalnum((unsigned char)*r->at) || *r->at == '_' ||
           (dotted && *r->at == '.' && isalpha((unsigned char)r->at[1]))) {
        r->at++;
    }
    strbuf_init(&name);
    strbuf_add(&name, begin, (size_t)(r->at - begin));
    return name.data;
}

static void add_text(cJSON *node, const char *begin, const char *end)
{
    struct strbuf text;

    strbuf_init(&text);
    strbuf_add(&text, begin, (size_t)(end - begin));
    (void)cJSON_AddStringToObject(node, "text", text.data);
    strbuf_release(&text);
}

static void string_literal(struct reader *r, cJSON *node)
{
    char quote = *r->at++;
    struct strbuf text;

    strbuf_init(&text);
    while (*r->at != '\0' && *r->at != quote) {
        strbuf_add(&text, r->at++, 1);
    }
    r->failed = r->failed || !take(r, quote);
    (void)cJSON_AddStringToObject(node, "value", text.data);
    strbuf_release(&text);
}

static void number_literal(struct reader *r, cJSON *node)
{
    char *end;
    double value = strtod(r->at, &end);

    r->failed = r->failed || end == r->at;
    r->at = end;
    (void)cJSON_AddNumberToObject(node, "value", value);
}

static void list_literal(struct reader *r, cJSON *node)
{
    cJSON *list = cJSON_AddArrayToObject(node, "list");

    r->at++;
    while (!r->failed && !take(r, ']')) {
        cJSON_AddItemToArray(list, expression(r));
        (void)take(r, ',');
    }
}

/* What follows a '(': by place, then by name. */
static void arguments(struct reader *r, cJSON *node)
{
    cJSON *args = cJSON_AddArrayToObject(node, "args");
    cJSON *kwargs = cJSON_AddObjectToObject(node, "kwargs");

    while (!r->failed && !take(r, ')')) {
        const char *before = r->at;
        char *name = take_name(r, false);

        if (name[0] != '\0' && take(r, '=')) {
            cJSON_AddItemToObject(kwargs, name, expression(r));
        } else {
            r->at = before;
            cJSON_AddItemToArray(args, expression(r));
        }
        (void)take(r, ',');
        r->failed = r->failed || *r->at == '\0';
        free(name);
    }
}

/* "lambda x: x", up to what ends an argument. */
static void lambda(struct reader *r, cJSON *node)
{
    (void)cJSON_AddStringToObject(node, "name", "lambda");
    r->at += strcspn(r->at, ":");
    r->at += strcspn(r->at, ",)");
}

/* A name, or a call of it with what is taken of the result. */
static void name_or_call(struct reader *r, cJSON *node)
{
    char *name = take_name(r, true);
    cJSON *then;

    r->failed = r->failed || name[0] == '\0';
    if (strcmp(name, "None") == 0) {
        (void)cJSON_AddNullToObject(node, "value");
    } else if (strcmp(name, "True") == 0 || strcmp(name, "False") == 0) {
        (void)cJSON_AddBoolToObject(node, "value", name[0] == 'T');
    } else if (strcmp(name, "lambda") == 0) {
        lambda(r, node);
    } else if (take(r, '(')) {
        (void)cJSON_AddStringToObject(node, "call", name);
        arguments(r, node);
        then = cJSON_AddArrayToObject(node, "then");
        while (!r->failed && take(r, '.')) {
            cJSON *next = cJSON_CreateObject();
            char *member = take_name(r, false);
            bool is_call = take(r, '(');

            (void)cJSON_AddStringToObject(next, is_call ? "call" : "name",
                                          member);
            if (is_call) {
                arguments(r, next);
            }
            cJSON_AddItemToArray(then, next);
            free(member);
        }
    } else {
        (void)cJSON_AddStringToObject(node, "name", name);
    }
    free(name);
}

static cJSON *expression(struct reader *r)
{
    cJSON *node = cJSON_CreateObject();
    const char *begin;

    skip_space(r);
    begin = r->at;
    if (++r->depth > MAX_DEPTH) {
        r->failed = true;
    } else if (*r->at == '"' || *r->at == '\'') {
        string_literal(r, node);
    } else if (*r->at == '[') {
        list_literal(r, node);
    } else if (*r->at == '-' || isdigit((unsigned char)*r->at)) {
        number_literal(r, node);
    } else {
        name_or_call(r, node);
    }
    r->depth--;
    add_text(node, begin, r->at);
    return node;
}

cJSON *python_parse(const char *text)
{
    struct reader r = {.at = text};
    cJSON *tree = expression(&r);

    skip_space(&r);
    if (r.failed || *r.at != '\0') {
        cJSON_Delete(tree);
        return NULL;
    }
    return tree;
}
