/* SPDX-License-Identifier: Apache-2.0
 * Rules of what may differ between TensorFlow's transcripts and ours. */
#include <ctype.h>
#include <fnmatch.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "transcripts.h"
#include "base/banned.h"

struct rule {
    enum rule_kind kind;
    char *where;
    regex_t regex;
    char *text;    /* after =>, or NULL */
    regex_t until; /* RULE_SPAN */
};

struct rules {
    struct rule *items;
    int n;
};

static const char *const kind_names[NUM_RULE_KINDS] = {
    "mask", "theirs", "ours", "free", "span", "repeat", "exit"};

/* -------------------------------------------------------------------- texts */

void texts_add(struct texts *t, char *text)
{
    t->items = xrealloc(t->items, ((size_t)t->n + 1) * sizeof *t->items);
    t->items[t->n++] = text;
}

void texts_remove(struct texts *t, int from, int n)
{
    for (int i = from; i < from + n; i++) {
        free(t->items[i]);
    }
    for (int i = from + n; i < t->n; i++) {
        t->items[i - n] = t->items[i];
    }
    t->n -= n;
}

bool texts_has(const struct texts *t, const char *text)
{
    for (int i = 0; i < t->n; i++) {
        if (strcmp(t->items[i], text) == 0) {
            return true;
        }
    }
    return false;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void texts_sort(struct texts *t)
{
    if (t->n > 0) {
        qsort(t->items, (size_t)t->n, sizeof *t->items, by_text);
    }
}

void texts_release(struct texts *t)
{
    for (int i = 0; i < t->n; i++) {
        free(t->items[i]);
    }
    free(t->items);
    *t = (struct texts){0};
}

/* -------------------------------------------------------------------- file */

static void rule_release(struct rule *r)
{
    regfree(&r->regex);
    if (r->kind == RULE_SPAN && r->text != NULL) {
        regfree(&r->until);
    }
    free(r->where);
    free(r->text);
}

static char *trimmed(const char *from, size_t n)
{
    while (n > 0 && isspace((unsigned char)*from)) {
        from++;
        n--;
    }
    while (n > 0 && isspace((unsigned char)from[n - 1])) {
        n--;
    }
    return xasprintf("%.*s", (int)n, from);
}

/* The next word; *p moves behind it. Owner: caller. */
static char *word(const char **p)
{
    const char *from = *p + strspn(*p, " ");
    size_t n = strcspn(from, " ");

    *p = from + n;
    return xasprintf("%.*s", (int)n, from);
}

static int kind_of(const char *name)
{
    for (int i = 0; i < NUM_RULE_KINDS; i++) {
        if (strcmp(name, kind_names[i]) == 0) {
            return i;
        }
    }
    return -1;
}

/* "REGEX [=> TEXT] -- REASON" into r. */
static const char *parse_rest(struct rule *r, const char *rest)
{
    rest += *rest == ' '; /* others belong to the expression */
    const char *reason = strstr(rest, " -- ");
    const char *arrow = strstr(rest, " =>");
    const char *wrong = NULL;
    char *regex;

    if (reason == NULL || reason[4] == '\0') {
        return "no reason is given (-- REASON)";
    }
    if (arrow != NULL && arrow < reason) {
        r->text = trimmed(arrow + 3, (size_t)(reason - arrow - 3));
    } else {
        arrow = reason;
    }
    regex = xasprintf("%.*s", (int)(arrow - rest), rest);
    if (regex[0] == '\0' || regcomp(&r->regex, regex, REG_EXTENDED) != 0) {
        wrong = "not an extended regular expression";
    } else if ((r->kind == RULE_MASK || r->kind == RULE_SPAN ||
                r->kind == RULE_EXIT) != (r->text != NULL)) {
        wrong = "mask, span and exit want => TEXT, the others none";
    } else if (r->kind == RULE_SPAN &&
               regcomp(&r->until, r->text, REG_EXTENDED | REG_NOSUB) != 0) {
        wrong = "the text of a span is no regular expression";
    }
    free(regex);
    return wrong;
}

static const char *parse(struct rule *r, const char *line)
{
    char *name = word(&line);
    int kind = kind_of(name);

    free(name);
    if (kind < 0) {
        return "of no kind that there is";
    }
    r->kind = (enum rule_kind)kind;
    r->where = word(&line);
    return parse_rest(r, line);
}

struct rules *rules_load(const char *path)
{
    struct rules *rules = xcalloc(1, sizeof *rules);
    struct texts lines = {0};
    char *text = read_text(path);
    const char *wrong = NULL;

    plain_lines(text, &lines);
    for (int i = 0; i < lines.n && wrong == NULL; i++) {
        struct rule r = {0};

        if (lines.items[i][0] == '#') {
            continue;
        }
        wrong = parse(&r, lines.items[i]);
        if (wrong != NULL) {
            (void)golden_trouble(65, "%s: %s: %s", path, lines.items[i], wrong);
            free(r.where);
            free(r.text);
            break;
        }
        rules->items = xrealloc(rules->items,
                                ((size_t)rules->n + 1) * sizeof *rules->items);
        rules->items[rules->n++] = r;
    }
    if (wrong == NULL && rules->n == 0) {
        (void)golden_trouble(66, "%s: no rules", path);
        wrong = "empty";
    }
    texts_release(&lines);
    free(text);
    if (wrong != NULL) {
        rules_free(rules);
        return NULL;
    }
    return rules;
}

void rules_free(struct rules *rules)
{
    if (rules != NULL) {
        for (int i = 0; i < rules->n; i++) {
            rule_release(&rules->items[i]);
        }
        free(rules->items);
        free(rules);
    }
}

/* ----------------------------------------------------------------- applying */

static bool is_at(const struct rule *r, enum rule_kind kind, const char *where)
{
    return r->kind == kind && fnmatch(r->where, where, 0) == 0;
}

#define MAX_GROUPS 4

/* `text` with the match's groups in place of \1 to \3. */
static void add_replacement(struct strbuf *out,
                            const char *text,
                            const char *in,
                            const regmatch_t *m)
{
    for (; *text != '\0'; text++) {
        int group = *text == '\\' ? text[1] - '0' : 0;

        if (group > 0 && group < MAX_GROUPS) {
            strbuf_add(out, in + m[group].rm_so,
                       (size_t)(m[group].rm_eo - m[group].rm_so));
            text++;
        } else {
            strbuf_add(out, text, 1);
        }
    }
}

/* Every match of the regex becomes `text`. */
static char *replace(const regex_t *regex,
                     const char *text,
                     CREW_TAKES char *in)
{
    struct strbuf out;
    regmatch_t m[MAX_GROUPS];
    const char *p = in;

    strbuf_init(&out);
    while (regexec(regex, p, MAX_GROUPS, m, p == in ? 0 : REG_NOTBOL) == 0 &&
           m[0].rm_eo > m[0].rm_so) {
        strbuf_add(&out, p, (size_t)m[0].rm_so);
        add_replacement(&out, text, p, m);
        p += m[0].rm_eo;
    }
    strbuf_addstr(&out, p);
    free(in);
    return strbuf_detach(&out);
}

static char *one_space(CREW_TAKES char *in)
{
    char *to = in;
    bool space = false;

    for (const char *p = in; *p != '\0'; p++) {
        if (isspace((unsigned char)*p)) {
            space = true;
            continue;
        }
        if (space && to > in) {
            *to++ = ' ';
        }
        space = false;
        *to++ = *p;
    }
    *to = '\0';
    return in;
}

char *rules_mask(const struct rules *rules, const char *where, char *text)
{
    text = one_space(text);
    for (int i = 0; i < rules->n; i++) {
        const struct rule *r = &rules->items[i];

        if (is_at(r, RULE_MASK, where)) {
            text = replace(&r->regex, r->text, text);
        }
    }
    return text;
}

bool rules_match(const struct rules *rules,
                 enum rule_kind kind,
                 const char *where,
                 const char *text)
{
    for (int i = 0; i < rules->n; i++) {
        const struct rule *r = &rules->items[i];

        if (is_at(r, kind, where) &&
            regexec(&r->regex, text, 0, NULL, 0) == 0) {
            return true;
        }
    }
    return false;
}

int rules_exit_code(const struct rules *rules, const char *where, int theirs)
{
    for (int i = 0; i < rules->n; i++) {
        if (is_at(&rules->items[i], RULE_EXIT, where)) {
            return (int)strtol(rules->items[i].text, NULL, 10);
        }
    }
    return theirs;
}

/* Lines that the rules let go; those that must not be missing on the other
 * side go to `seen`. */
static void take_out(const struct rules *rules,
                     const char *where,
                     enum rule_kind side,
                     struct texts *t,
                     struct texts *seen)
{
    const struct rule *span = NULL;

    for (int i = 0; i < t->n;) {
        const char *line = t->items[i];
        bool is_free = rules_match(rules, RULE_FREE, where, line);

        for (int k = 0; k < rules->n && span == NULL; k++) {
            const struct rule *r = &rules->items[k];

            if (is_at(r, RULE_SPAN, where) &&
                regexec(&r->regex, line, 0, NULL, 0) == 0) {
                span = r;
            }
        }
        if (is_free || span != NULL) {
            if (!texts_has(seen, line)) {
                texts_add(seen, xstrdup(line));
            }
            if (span != NULL && regexec(&span->until, line, 0, NULL, 0) == 0) {
                span = NULL;
            }
        } else if (!rules_match(rules, side, where, line)) {
            i++;
            continue;
        }
        texts_remove(t, i, 1);
    }
}

static bool same_lines(const struct texts *t, int a, int b, int n)
{
    for (int i = 0; i < n; i++) {
        if (b + i >= t->n || strcmp(t->items[a + i], t->items[b + i]) != 0) {
            return false;
        }
    }
    return true;
}

/* A group of lines that comes again at once is kept once. */
static void collapse(struct texts *t)
{
    for (int length = t->n / 2; length > 0; length--) {
        for (int i = 0; i + 2 * length <= t->n;) {
            if (same_lines(t, i, i + length, length)) {
                texts_remove(t, i + length, length);
            } else {
                i++;
            }
        }
    }
}

/* Where the two go on together: the nearest pair of equal lines. */
static bool meet(const struct texts *got,
                 const struct texts *want,
                 int *i,
                 int *k)
{
    for (int sum = 1; sum < got->n - *i + want->n - *k; sum++) {
        for (int a = 0; a <= sum; a++) {
            int b = sum - a;

            if (*i + a < got->n && *k + b < want->n &&
                strcmp(got->items[*i + a], want->items[*k + b]) == 0) {
                *i += a;
                *k += b;
                return true;
            }
        }
    }
    return false;
}

static void compare_in_order(struct golden_report *report,
                             const char *where,
                             const struct texts *got,
                             const struct texts *want)
{
    int i = 0, k = 0;

    while (i < got->n || k < want->n) {
        int a = i, b = k;

        if (i < got->n && k < want->n &&
            strcmp(got->items[i], want->items[k]) == 0) {
            i++;
            k++;
            continue;
        }
        if (!meet(got, want, &a, &b)) {
            a = got->n;
            b = want->n;
        }
        while (i < a || k < b) {
            golden_differ(report, where, k, i < a ? got->items[i] : "nothing",
                          k < b ? want->items[k] : "nothing");
            i += i < a;
            k += k < b;
        }
    }
}

void rules_compare(const struct rules *rules,
                   struct golden_report *report,
                   const char *where,
                   struct texts *got,
                   struct texts *want)
{
    struct texts seen = {0}, to_see = {0};

    take_out(rules, where, RULE_OURS, got, &seen);
    take_out(rules, where, RULE_THEIRS, want, &to_see);
    if (rules_match(rules, RULE_REPEAT, where, "repeat")) {
        collapse(got);
        collapse(want);
    }
    compare_in_order(report, where, got, want);
    for (int i = 0; i < to_see.n; i++) {
        if (!texts_has(&seen, to_see.items[i])) {
            golden_differ(report, where, -1, "never", to_see.items[i]);
        }
    }
    for (int i = 0; i < seen.n; i++) {
        if (!texts_has(&to_see, seen.items[i])) {
            golden_differ(report, where, -1, seen.items[i], "never");
        }
    }
    texts_release(&seen);
    texts_release(&to_see);
}
