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

/* The text between quotes after `key: `, with \", \\ and \ooo undone; NULL when the
 * line is no such field. */
static char *quoted(const char *line, const char *key)
{
    size_t n = strlen(key);
    char *out, *to;

    if (strncmp(line, key, n) != 0 || line[n] != ':') {
        return NULL;
    }
    line += n + 1;
    line += strspn(line, " \t");
    if (*line != '"' && *line != '\'') {
        return NULL;
    }
    char quote = *line++;
    to = out = xmalloc(strlen(line) + 1);
    for (; *line != '\0' && *line != quote; line++) {
        if (*line == '\\' && line[1] >= '0' && line[1] <= '7') {
            int v = 0;
            for (int i = 0; i < 3 && line[1] >= '0' && line[1] <= '7'; i++) {
                v = 8 * v + (*++line - '0');
            }
            *to++ = (char)v;
        } else if (*line == '\\' && line[1] != '\0') {
            *to++ = *++line;
        } else {
            *to++ = *line;
        }
    }
    *to = '\0';
    if (*line != quote) {
        free(out);
        return NULL;
    }
    return out;
}

static bool number(const char *line, const char *key, double *v)
{
    size_t n = strlen(key);
    char *end = NULL;

    if (strncmp(line, key, n) != 0 || line[n] != ':') {
        return false;
    }
    *v = strtod(line + n + 1, &end);
    return end != line + n + 1;
}

static void take_line(struct ckpt_state *s, int *stamps, const char *line)
{
    char *text = quoted(line, "model_checkpoint_path");
    double v;

    if (text != NULL) {
        free(s->newest);
        s->newest = text;
        return;
    }
    text = quoted(line, "all_model_checkpoint_paths");
    if (text != NULL) {
        s->all = xrealloc(s->all, (size_t)(s->n + 1) * sizeof *s->all);
        s->all[s->n++] = (struct state_entry){.path = text};
    } else if (number(line, "all_model_checkpoint_timestamps", &v)) {
        if (*stamps < s->n) {
            s->all[(*stamps)++].timestamp = v;
        }
    } else if (number(line, "last_preserved_timestamp", &v)) {
        s->last_preserved = v;
    }
}

int state_read(struct crew_env *env, const char *model_dir, struct ckpt_state *out,
               struct crew_err *err)
{
    char *path = path_join(model_dir, "checkpoint");
    struct ckpt_state s = {0};
    struct crew_err missing = {0};
    char *text = NULL, *rest = NULL;
    size_t n = 0;
    int stamps = 0;

    if (fs_read_file(env, path, MAX_STATE, &text, &n, &missing) != CREW_OK) {
        if (missing.code != CREW_NOT_FOUND) {
            *err = missing;
            goto out;
        }
    } else {
        for (char *line = strtok_r(text, "\n", &rest); line != NULL;
             line = strtok_r(NULL, "\n", &rest)) {
            take_line(&s, &stamps, line + strspn(line, " \t"));
        }
    }
    *out = s;
out:
    free(text);
    free(path);
    return err->code;
}

static void add_quoted(struct strbuf *b, const char *key, const char *text)
{
    strbuf_addf(b, "%s: \"", key);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            strbuf_add(b, "\\", 1);
        }
        strbuf_add(b, text, 1);
    }
    strbuf_addstr(b, "\"\n");
}

int state_write(struct crew_env *env, const char *model_dir,
                const struct ckpt_state *s, struct crew_err *err)
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
        strbuf_addf(&b, "all_model_checkpoint_timestamps: %.17g\n",
                    s->all[i].timestamp);
    }
    if (s->last_preserved != 0) {
        strbuf_addf(&b, "last_preserved_timestamp: %.17g\n", s->last_preserved);
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
