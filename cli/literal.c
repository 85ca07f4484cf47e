/* SPDX-License-Identifier: Apache-2.0
 * A recursive descent over Python literals, at most MAX_DEPTH deep. */
#include "cli/literal.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "base/banned.h"

enum { MAX_DEPTH = 32 };

struct parser {
    const char *text, *at;
    struct crew_err *err;
};

void literal_free(struct literal *l)
{
    if (l == NULL) {
        return;
    }
    for (size_t i = 0; i < l->n; i++) {
        literal_free(l->items[i]);
    }
    free(l->items);
    free(l->text);
    free(l);
}

static struct literal *fail(struct parser *p, const char *what)
{
    if (p->err->code == CREW_OK) {
        (void)crew_err_exit(p->err, CREW_INVALID_ARGUMENT, 64,
                            "%s at '%.40s' (character %zu)", what, p->at,
                            (size_t)(p->at - p->text) + 1);
    }
    return NULL;
}

static void skip(struct parser *p)
{
    while (isspace((unsigned char)*p->at)) {
        p->at++;
    }
}

static bool take(struct parser *p, char c)
{
    skip(p);
    if (*p->at != c) {
        return false;
    }
    p->at++;
    return true;
}

static struct literal *new_literal(enum literal_kind kind)
{
    struct literal *l = xcalloc(1, sizeof *l);

    l->kind = kind;
    return l;
}

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The byte of an escape; p->at is behind the backslash. */
static bool escape(struct parser *p, char *byte)
{
    static const char names[] = "ntr\\'\"0", bytes[] = "\n\t\r\\'\"";
    const char *name = *p->at != '\0' ? strchr(names, *p->at) : NULL;

    if (name != NULL) {
        *byte = bytes[name - names];
        p->at++;
        return true;
    }
    if (*p->at == 'x' && hex(p->at[1]) >= 0 && hex(p->at[2]) >= 0) {
        *byte = (char)(hex(p->at[1]) * 16 + hex(p->at[2]));
        p->at += 3;
        return true;
    }
    return false;
}

static struct literal *string(struct parser *p)
{
    struct literal *l;
    struct strbuf text;
    char quote = *p->at++;

    strbuf_init(&text);
    while (*p->at != '\0' && *p->at != quote) {
        char byte = *p->at++;

        if (byte == '\\' && !escape(p, &byte)) {
            strbuf_release(&text);
            return fail(p, "an escape that is not known");
        }
        strbuf_add(&text, &byte, 1);
    }
    if (*p->at != quote) {
        strbuf_release(&text);
        return fail(p, "a string without end");
    }
    p->at++;
    l = new_literal(LITERAL_STRING);
    l->len = text.len;
    l->text = strbuf_detach(&text);
    return l;
}

static struct literal *number(struct parser *p)
{
    struct literal *l = new_literal(LITERAL_INT);
    char *end, *end_int;

    errno = 0;
    l->number = strtod(p->at, &end);
    l->integer = strtoll(p->at, &end_int, 10);
    if (end == p->at) {
        literal_free(l);
        return fail(p, "neither a number, a string nor a list");
    }
    if (end != end_int || errno == ERANGE) {
        l->kind = LITERAL_FLOAT;
    }
    p->at = end;
    return l;
}

static struct literal *word(struct parser *p)
{
    static const char *const words[] = {"False", "True", "false", "true"};

    for (int i = 0; i < 4; i++) {
        size_t n = strlen(words[i]);

        if (strncmp(p->at, words[i], n) == 0) {
            struct literal *l = new_literal(LITERAL_BOOL);

            l->integer = i % 2;
            p->at += n;
            return l;
        }
    }
    return number(p);
}

static struct literal *any(struct parser *p, int depth);

static void append(struct literal *list, struct literal *item)
{
    list->items =
        xrealloc(list->items, (list->n + 1) * sizeof(struct literal *));
    list->items[list->n++] = item;
}

/* Items up to `close`; a dict's key and value are two of them. */
static struct literal *items(struct parser *p, char close, int depth)
{
    struct literal *list =
        new_literal(close == '}' ? LITERAL_DICT : LITERAL_LIST);

    while (!take(p, close)) {
        struct literal *item = any(p, depth + 1);

        if (item != NULL) {
            append(list, item);
        }
        if (item != NULL && close == '}') {
            item = take(p, ':') ? any(p, depth + 1) : fail(p, "':' is missing");
            if (item != NULL) {
                append(list, item);
            }
        }
        skip(p);
        if (item == NULL || (!take(p, ',') && *p->at != close)) {
            literal_free(list);
            return fail(p, "',' or the closing bracket is missing");
        }
    }
    return list;
}

static struct literal *any(struct parser *p, int depth)
{
    skip(p);
    if (depth > MAX_DEPTH) {
        return fail(p, "nested deeper than 32 lists");
    }
    if ((*p->at == 'b' || *p->at == 'u') &&
        (p->at[1] == '\'' || p->at[1] == '"')) {
        p->at++;
    }
    switch (*p->at) {
        case '[':
            p->at++;
            return items(p, ']', depth);
        case '(':
            p->at++;
            return items(p, ')', depth);
        case '{':
            p->at++;
            return items(p, '}', depth);
        case '\'':
        case '"':
            return string(p);
        default:
            return word(p);
    }
}

int literal_parse(const char *text, struct literal **out, struct crew_err *err)
{
    struct parser p = {text, text, err};
    struct literal *l = any(&p, 0);

    skip(&p);
    if (l != NULL && *p.at != '\0') {
        literal_free(l);
        l = fail(&p, "more than one literal");
    }
    *out = l;
    return err->code;
}
