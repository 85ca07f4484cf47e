/* SPDX-License-Identifier: Apache-2.0
 * The `checkpoint` file. */
#include "checkpoint/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"

#include "base/banned.h"

#define MAX_STATE (16u << 20)

/* ---------------------------------------------------------------- reading */

struct parser {
    const char *p;
    struct ckpt_state *state;
    int stamps; /* timestamps taken so far */
};

static void skip_space(struct parser *r)
{
    for (;;) {
        r->p += strspn(r->p, " \t\r\n\v\f");
        if (*r->p != '#') {
            return;
        }
        r->p += strcspn(r->p, "\n");
    }
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* What follows a backslash, onto `out`. */
static bool escape(struct parser *r, struct strbuf *out)
{
    static const char from[] = "abfnrtv\\'\"?", to[] = "\a\b\f\n\r\t\v\\'\"?";
    const char *known;
    int v = 0;

    if (*r->p >= '0' && *r->p <= '7') {
        for (int i = 0; i < 3 && *r->p >= '0' && *r->p <= '7'; i++) {
            v = 8 * v + (*r->p++ - '0');
        }
    } else if (*r->p == 'x' && hex_digit(r->p[1]) >= 0) {
        r->p++;
        for (int i = 0; i < 2 && hex_digit(*r->p) >= 0; i++) {
            v = 16 * v + hex_digit(*r->p++);
        }
    } else {
        known = *r->p == '\0' ? NULL : strchr(from, *r->p);
        if (known == NULL) {
            return false;
        }
        v = (unsigned char)to[known - from];
        r->p++;
    }
    char byte = (char)v;
    strbuf_add(out, &byte, 1);
    return v != 0;
}

/* One or more quoted strings, which are joined; NULL when it is none. */
static char *string_value(struct parser *r)
{
    struct strbuf out;
    bool good = *r->p == '"' || *r->p == '\'';

    strbuf_init(&out);
    while (good && (*r->p == '"' || *r->p == '\'')) {
        char quote = *r->p++;

        while (good && *r->p != quote) {
            if (*r->p == '\0' || *r->p == '\n') {
                good = false;
            } else if (*r->p == '\\') {
                r->p++;
                good = escape(r, &out);
            } else {
                strbuf_add(&out, r->p++, 1);
            }
        }
        if (good) {
            r->p++;
            skip_space(r);
        }
    }
    char *text = good ? strbuf_detach(&out) : NULL;
    strbuf_release(&out);
    return text;
}

static bool number_value(struct parser *r, double *v)
{
    char *end = NULL;

    *v = strtod(r->p, &end);
    if (end == r->p) {
        return false;
    }
    r->p = end;
    return true;
}

static bool take_path(struct parser *r, bool newest)
{
    struct ckpt_state *s = r->state;
    char *text = string_value(r);

    if (text == NULL) {
        return false;
    }
    if (newest) {
        free(s->newest);
        s->newest = text;
    } else {
        s->all = xrealloc(s->all, (size_t)(s->n + 1) * sizeof *s->all);
        s->all[s->n++] = (struct state_entry){.path = text};
    }
    return true;
}

/* One field, "name: value"; false when it is none of a CheckpointState. */
static bool take_field(struct parser *r)
{
    size_t n = strspn(r->p, "abcdefghijklmnopqrstuvwxyz_");
    char name[40] = "";
    double v;

    if (n == 0 || n >= sizeof name) {
        return false;
    }
    memcpy(name, r->p, n);
    r->p += n;
    skip_space(r);
    if (*r->p++ != ':') {
        return false;
    }
    skip_space(r);
    if (strcmp(name, "model_checkpoint_path") == 0) {
        return take_path(r, true);
    }
    if (strcmp(name, "all_model_checkpoint_paths") == 0) {
        return take_path(r, false);
    }
    if (strcmp(name, "last_preserved_timestamp") == 0) {
        return number_value(r, &r->state->last_preserved);
    }
    if (strcmp(name, "all_model_checkpoint_timestamps") != 0 ||
        !number_value(r, &v)) {
        return false;
    }
    if (r->stamps < r->state->n) {
        r->state->all[r->stamps].timestamp = v;
    }
    r->stamps++;
    return true;
}

/* protobuf's text form, as far as this message has fields. */
static bool parse(const char *text, size_t n, struct ckpt_state *s)
{
    struct parser r = {.p = text, .state = s};

    for (;;) {
        skip_space(&r);
        if (*r.p == '\0') {
            return r.p == text + n;
        }
        if (!take_field(&r)) {
            return false;
        }
        skip_space(&r);
        if (*r.p == ',' || *r.p == ';') {
            r.p++;
        }
    }
}

int state_read(struct crew_env *env,
               const char *model_dir,
               struct ckpt_state *out,
               struct crew_err *err)
{
    char *path = path_join(model_dir, "checkpoint");
    struct ckpt_state s = {0};
    struct crew_err missing = {0};
    char *text = NULL;
    size_t n = 0;

    if (fs_read_file(env, path, MAX_STATE, &text, &n, &missing) == CREW_OK) {
        if (!parse(text, n, &s) || s.newest == NULL || s.newest[0] == '\0') {
            env_log(env, LOG_WARN,
                    "%s: not a checkpoint state, or one that names no "
                    "checkpoint. Checkpoint ignored",
                    path);
            state_release(&s);
            s.damaged = true;
        }
        *out = s;
    } else if (missing.code == CREW_NOT_FOUND) {
        *out = s;
    } else {
        *err = missing;
    }
    free(text);
    free(path);
    return err->code;
}

/* ---------------------------------------------------------------- writing */

/* With the escapes that protobuf writes: a path may hold any byte but NUL. */
static void add_quoted(struct strbuf *b, const char *key, const char *text)
{
    static const char special[] = "\n\r\t\"'\\", names[] = "nrt\"'\\";

    strbuf_addf(b, "%s: \"", key);
    for (; *text != '\0'; text++) {
        const char *at = strchr(special, *text);
        unsigned char byte = (unsigned char)*text;

        if (at != NULL) {
            strbuf_addf(b, "\\%c", names[at - special]);
        } else if (byte < 0x20 || byte >= 0x7f) {
            strbuf_addf(b, "\\%03o", byte);
        } else {
            strbuf_add(b, text, 1);
        }
    }
    strbuf_addstr(b, "\"\n");
}

/* The shortest text that reads back as the same number. */
static void add_number(struct strbuf *b, const char *key, double v)
{
    char text[40];

    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v) {
            break;
        }
    }
    strbuf_addf(b, "%s: %s\n", key, text);
}

int state_write(struct crew_env *env,
                const char *model_dir,
                const struct ckpt_state *s,
                struct crew_err *err)
{
    char *path = path_join(model_dir, "checkpoint");
    struct strbuf b;

    strbuf_init(&b);
    if (s->newest != NULL) {
        add_quoted(&b, "model_checkpoint_path", s->newest);
    }
    for (int i = 0; i < s->n; i++) {
        add_quoted(&b, "all_model_checkpoint_paths", s->all[i].path);
    }
    for (int i = 0; i < s->n; i++) {
        add_number(&b, "all_model_checkpoint_timestamps", s->all[i].timestamp);
    }
    if (s->last_preserved != 0) {
        add_number(&b, "last_preserved_timestamp", s->last_preserved);
    }
    (void)fs_replace_file(env, path, b.data, b.len, err);
    strbuf_release(&b);
    free(path);
    return err->code;
}

void state_remove(struct ckpt_state *s, int i)
{
    free(s->all[i].path);
    s->n--;
    memmove(&s->all[i], &s->all[i + 1], (size_t)(s->n - i) * sizeof *s->all);
}

void state_append(struct ckpt_state *s, const char *path, double timestamp)
{
    for (int i = 0; i < s->n; i++) {
        if (strcmp(s->all[i].path, path) == 0) {
            state_remove(s, i);
            break;
        }
    }
    s->all = xrealloc(s->all, (size_t)(s->n + 1) * sizeof *s->all);
    s->all[s->n++] = (struct state_entry){xstrdup(path), timestamp};
    free(s->newest);
    s->newest = xstrdup(path);
}

void state_release(struct ckpt_state *s)
{
    for (int i = 0; i < s->n; i++) {
        free(s->all[i].path);
    }
    free(s->all);
    free(s->newest);
    *s = (struct ckpt_state){0};
}
