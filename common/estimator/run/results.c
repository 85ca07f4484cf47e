/* SPDX-License-Identifier: Apache-2.0
 * An evaluation's result: keys in order, each with its numbers. */
#include "estimator/run/results.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/banned.h"

struct crew_results {
    struct crew_result *items; /* keys and values owned */
    int n;
    char *text;
};

struct crew_results *results_new(void)
{
    return xcalloc(1, sizeof(struct crew_results));
}

void crew_results_free(struct crew_results *r)
{
    if (r == NULL) {
        return;
    }
    for (int i = 0; i < r->n; i++) {
        free((void *)r->items[i].key);
        free((void *)r->items[i].values);
    }
    free(r->items);
    free(r->text);
    free(r);
}

void results_add(struct crew_results *r,
                 const char *key,
                 int n,
                 const double *values)
{
    double *copy = xcalloc((size_t)n + 1, sizeof *copy);
    int at = r->n;

    if (n > 0) {
        memcpy(copy, values, (size_t)n * sizeof *copy);
    }
    r->items = xrealloc(r->items, ((size_t)r->n + 1) * sizeof *r->items);
    for (; at > 0 && strcmp(r->items[at - 1].key, key) > 0; at--) {
        r->items[at] = r->items[at - 1];
    }
    r->items[at] = (struct crew_result){xstrdup(key), n, copy};
    r->n++;
}

void results_set_text(struct crew_results *r, const char *text)
{
    free(r->text);
    r->text = xstrdup(text);
}

int crew_results_num(const struct crew_results *r)
{
    return r != NULL ? r->n : 0;
}

const struct crew_result *crew_results_at(const struct crew_results *r, int i)
{
    return i >= 0 && i < crew_results_num(r) ? &r->items[i] : NULL;
}

double crew_results_get(const struct crew_results *r,
                        const char *key,
                        double fallback)
{
    for (int i = 0; key != NULL && i < crew_results_num(r); i++) {
        if (strcmp(r->items[i].key, key) == 0 && r->items[i].n > 0) {
            return r->items[i].values[0];
        }
    }
    return fallback;
}

const char *crew_results_text(const struct crew_results *r)
{
    return r != NULL && r->text != NULL ? r->text : "";
}
