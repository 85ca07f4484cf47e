/* SPDX-License-Identifier: Apache-2.0
 * Predictions that are words or class ids: what an export does with Tile,
 * AsString and lookups, for Estimator.predict. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "estimator/model/spec.h"
#include "base/banned.h"

void spec_words_release(struct spec_words *w)
{
    free((void *)w->words);
    free(w->ids);
    free(w->digits);
    *w = (struct spec_words){0};
}

/* Room for n words or ids. */
static int make_room(const struct spec_prediction *p,
                     struct spec_words *w,
                     int64_t n,
                     struct crew_err *err)
{
    void *words = NULL, *ids = NULL;

    if (n <= w->room) {
        return CREW_OK;
    }
    if (mem_try((size_t)n, sizeof *w->words, "words", &words, err) != CREW_OK ||
        mem_try((size_t)n, sizeof *w->ids, "ids", &ids, err) != CREW_OK) {
        free(words);
        return err->code;
    }
    free((void *)w->words);
    free(w->ids);
    w->words = words;
    w->ids = ids;
    w->room = n;
    if (p->labels.names == NULL && w->digits == NULL) {
        w->digits = xcalloc((size_t)p->labels.n + 1, sizeof *w->digits);
        for (int64_t i = 0; i < p->labels.n; i++) {
            (void)snprintf(w->digits[i], sizeof *w->digits, "%" PRId64, i);
        }
    }
    return CREW_OK;
}

static const char *word(const struct spec_prediction *p,
                        const struct spec_words *w,
                        int64_t id)
{
    return p->labels.names != NULL ? p->labels.names[id] : w->digits[id];
}

/* For each row of the value all classes. */
static int all_classes(const struct spec_prediction *p,
                       struct spec_words *w,
                       struct crew_value *v,
                       struct crew_err *err)
{
    int64_t rows = v->shape.dim[0], n = p->labels.n;
    bool ids = p->text == EXPORT_CLASS_IDS;

    if (make_room(p, w, rows * n, err) != CREW_OK) {
        return err->code;
    }
    for (int64_t i = 0; i < rows * n; i++) {
        w->ids[i] = (int32_t)(i % n);
        w->words[i] = word(p, w, i % n);
    }
    v->shape = crew_shape2(rows, n);
    v->dtype = ids ? CREW_INT32 : CREW_STRING;
    v->data = ids ? (const void *)w->ids : (const void *)w->words;
    return CREW_OK;
}

int spec_words_make(const struct spec_prediction *p,
                    struct spec_words *w,
                    struct crew_value *v,
                    struct crew_err *err)
{
    const int64_t *ids = v->data;
    int64_t n = 1;

    if (p->text == EXPORT_VALUE) {
        return CREW_OK;
    }
    if (p->text == EXPORT_CLASS_LABELS || p->text == EXPORT_CLASS_IDS) {
        return all_classes(p, w, v, err);
    }
    for (int i = 0; i < v->shape.rank; i++) {
        n *= v->shape.dim[i];
    }
    if (make_room(p, w, n, err) != CREW_OK) {
        return err->code;
    }
    for (int64_t i = 0; i < n; i++) {
        if (ids[i] < 0 || ids[i] >= p->labels.n) {
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                                 "prediction '%s': class id %" PRId64
                                 " has no label, there are %" PRId64,
                                 p->key, ids[i], p->labels.n);
        }
        w->words[i] = word(p, w, ids[i]);
    }
    v->dtype = CREW_STRING;
    v->data = (const void *)w->words;
    return CREW_OK;
}
