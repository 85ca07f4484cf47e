/* SPDX-License-Identifier: Apache-2.0
 * SequenceExamples, the first half: where every feature's bytes are, and how
 * many values and steps they hold. */
#include <string.h>

#include "io/parse_example_steps.h"
#include "base/banned.h"

struct step_proto *steps_proto(const struct parse_run *run, int f, int64_t e)
{
    return (struct step_proto *)run->out->entries.data + f * run->batch + e;
}

const char *steps_key(const struct parse_run *run,
                      int f,
                      char *buf,
                      size_t size)
{
    const struct example_bytes *key = &run->spec->feature[f].is.key;

    return parse_text(key->data, key->n, buf, size);
}

/* ------------------------------------------------------------------ values */

/* TensorFlow skips what it counts without a look at whether it is there, and
 * notices when it writes. */
static int64_t bytes_list(struct wire *w, struct example_bytes *out)
{
    int64_t count = 0;

    for (; !wire_at_end(w); count++) {
        const uint8_t *data;
        uint32_t n;

        if (!wire_expect(w, TAG_BYTES_1) || !wire_read32(w, &n)) {
            return -1;
        }
        data = w->p;
        if (!wire_skip(w, n) && out != NULL) {
            return -1;
        }
        if (out != NULL) {
            out[count] = (struct example_bytes){(const char *)data, n};
        }
    }
    return count;
}

/* One number, or false. */
static bool number(struct wire *w, uint8_t kind, int64_t i, void *out)
{
    uint64_t v;

    if (kind == TAG_BYTES_3) {
        if (!wire_read64(w, &v)) {
            return false;
        }
        if (out != NULL) {
            ((int64_t *)out)[i] = (int64_t)v;
        }
        return true;
    }
    if (w->limit - w->p < 4) {
        return false;
    }
    if (out != NULL) {
        memcpy((float *)out + i, w->p, 4);
    }
    w->p += 4;
    return true;
}

static int64_t number_list(struct wire *w, uint8_t kind, void *out)
{
    uint8_t single = kind == TAG_BYTES_3 ? TAG_VARINT_1 : TAG_FIXED32_1;
    int64_t count = 0;
    uint32_t n;

    if (wire_expect(w, TAG_BYTES_1)) { /* packed */
        const uint8_t *outer;

        if (!wire_read32(w, &n)) {
            return -1;
        }
        outer = wire_push(w, n);
        for (; !wire_at_end(w); count++) {
            if (!number(w, kind, count, out)) {
                return -1;
            }
        }
        w->limit = outer;
        return count;
    }
    do {
        if (!wire_expect(w, single) || !number(w, kind, count, out)) {
            return -1;
        }
        count++;
    } while (!wire_at_end(w));
    return count;
}

int64_t steps_feature(struct wire *w, uint8_t kind, void *out)
{
    const uint8_t *outer;
    int64_t count;
    uint32_t n;

    if (!wire_expect(w, kind) || !wire_read32(w, &n)) {
        return -1;
    }
    if (n == 0) {
        return 0;
    }
    outer = wire_push(w, n);
    count =
        kind == TAG_BYTES_1 ? bytes_list(w, out) : number_list(w, kind, out);
    w->limit = outer;
    return count;
}

/* --------------------------------------------------------------- structure */

/* The entries of a map; those that the spec has go to their places. */
static bool read_map(struct parse_run *run,
                     struct wire *w,
                     const struct key_table *table)
{
    const uint8_t *outer, *inner, *key, *value;
    uint32_t n, key_n;
    int f;

    if (!wire_read32(w, &n)) {
        return false;
    }
    outer = wire_push(w, n);
    while (!wire_at_end(w)) {
        if (!wire_expect(w, TAG_BYTES_1) || !wire_read32(w, &n)) {
            return false;
        }
        inner = wire_push(w, n);
        if (!wire_expect(w, TAG_BYTES_1) || !wire_bytes(w, &key, &key_n) ||
            !wire_expect(w, TAG_BYTES_2) || !wire_bytes(w, &value, &n) ||
            !wire_at_end(w)) {
            return false;
        }
        w->limit = inner;
        f = spec_find(run->spec, table, key, key_n);
        if (f >= 0) {
            *steps_proto(run, f, run->i) = (struct step_proto){value, n, true};
        }
    }
    w->limit = outer;
    return true;
}

int steps_find(struct parse_run *run)
{
    size_t places = (size_t)run->spec->n * (size_t)run->batch;
    char name[400];

    if (buffer_fit(&run->out->entries, places * sizeof(struct step_proto), 0,
                   run->err) != CREW_OK) {
        return run->err->code;
    }
    memset(run->out->entries.data, 0, places * sizeof(struct step_proto));
    for (run->i = 0; run->i < run->batch; run->i++) {
        const struct example_bytes *s = &run->serialized[run->i];
        struct wire w = wire_of(s->data, s->n);
        bool good = s->n <= INT32_MAX;

        while (good && !wire_at_end(&w)) {
            good = wire_expect(&w, TAG_BYTES_1)
                       ? read_map(run, &w, &run->spec->context)
                   : wire_expect(&w, TAG_BYTES_2)
                       ? read_map(run, &w, &run->spec->lists)
                       : wire_skip_field(&w);
        }
        if (!good) {
            return STEPS_FAIL(run,
                              "Invalid protocol message input, example id: %s",
                              parse_name(run, name, sizeof name));
        }
    }
    return CREW_OK;
}

/* ------------------------------------------------------------------ counting
 * slot.n: values in all; slot.longest: most of an example; slot.cap: rows. */

static int count_context(struct parse_run *run, int f)
{
    const struct spec_feature *feature = &run->spec->feature[f];
    struct slot *s = &run->out->slot[f];
    char key[300], name[300];

    if (feature->is.kind == PARSE_FIXED) {
        s->longest = feature->is.num_default;
    }
    for (run->i = 0; run->i < run->batch; run->i++) {
        struct step_proto *p = steps_proto(run, f, run->i);
        struct wire w = wire_of(p->data, p->n);
        int64_t n = p->n == 0 ? 0 : steps_feature(&w, feature->tag, NULL);

        if (n < 0) {
            return STEPS_FAIL(
                run,
                "Name: %s, Context feature: %s.  Data types don't "
                "match. Expected type: %s",
                parse_name(run, name, sizeof name),
                steps_key(run, f, key, sizeof key),
                parse_dtype_text(feature->is.dtype));
        }
        s->n += n;
        s->longest = n > s->longest ? n : s->longest;
    }
    return CREW_OK;
}

int64_t steps_next(struct wire *w, uint8_t kind, void *out, bool *broken)
{
    const uint8_t *outer;
    int64_t count = 0;
    uint32_t n;

    *broken = !wire_expect(w, TAG_BYTES_1) || !wire_read32(w, &n) || n == 1;
    if (*broken) {
        return -1;
    }
    if (n == 2) { /* an empty list of the kind */
        if (!wire_expect(w, kind) || !wire_read32(w, &n) || n != 0) {
            return -1;
        }
    } else if (n > 2) {
        outer = wire_push(w, n);
        count = steps_feature(w, kind, out);
        w->limit = outer;
    }
    return count;
}

int steps_error(struct parse_run *run, int f, int64_t row, bool broken)
{
    char key[300], name[300];

    (void)parse_name(run, name, sizeof name);
    (void)steps_key(run, f, key, sizeof key);
    if (broken) {
        return STEPS_FAIL(run, "Error in sequence feature %s in example %s",
                          key, name);
    }
    return STEPS_FAIL(
        run,
        "Name: %s, Feature list: %s, Index: %lld.  Data types don't "
        "match. Expected type: %s",
        name, key, (long long)row,
        parse_dtype_text(run->spec->feature[f].is.dtype));
}

static int count_list(struct parse_run *run, int f)
{
    const struct spec_feature *feature = &run->spec->feature[f];
    struct slot *s = &run->out->slot[f];

    for (run->i = 0; run->i < run->batch; run->i++) {
        struct step_proto *p = steps_proto(run, f, run->i);
        struct wire w = wire_of(p->data, p->n);
        int64_t values = 0, rows = 0;

        while (!wire_at_end(&w)) {
            bool broken;
            int64_t n = steps_next(&w, feature->tag, NULL, &broken);

            if (n < 0) {
                return steps_error(run, f, rows, broken);
            }
            values += n;
            rows++;
        }
        s->n += values;
        s->cap += rows;
        s->longest = values > s->longest ? values : s->longest;
    }
    return CREW_OK;
}

int steps_count(struct parse_run *run, int f)
{
    struct slot *s = &run->out->slot[f];

    s->n = s->longest = s->cap = 0;
    return f < run->spec->num_context ? count_context(run, f)
                                      : count_list(run, f);
}
