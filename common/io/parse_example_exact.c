/* SPDX-License-Identifier: Apache-2.0
 *
 * One example exactly as TensorFlow's parser does it: first the structure of
 * the whole, then the entries from the last to the first, then what is missing.
 */
#include <string.h>

#include "io/parse_example_impl.h"
#include "io/parse_example_wire.h"
#include "base/banned.h"

/* ------------------------------------------------------------------- lists */

static bool find_bytes(struct wire *w, int64_t room, struct value_list *list)
{
    for (; !wire_at_end(w); list->n++) {
        const uint8_t *data;
        uint32_t n;

        if (!wire_expect(w, TAG_BYTES_1) || (room >= 0 && list->n == room) ||
            !wire_bytes(w, &data, &n)) {
            return false;
        }
    }
    list->end = w->p;
    return true;
}

static bool find_floats(struct wire *w, int64_t room, struct value_list *list)
{
    uint32_t n;

    if (wire_at_end(w)) {
        return true;
    }
    if (*w->p == TAG_FIXED32_1) {
        for (; !wire_at_end(w); list->n++) {
            if (!wire_expect(w, TAG_FIXED32_1) || !wire_skip(w, 4)) {
                return false;
            }
        }
        list->end = w->p;
        return true;
    }
    if (!wire_expect(w, TAG_BYTES_1) || !wire_read32(w, &n)) {
        return false;
    }
    (void)wire_push(w, n);
    list->packed = true;
    list->data = w->p;
    list->n = n / 4;
    /* Only what there is room for is read, so only that must be there. */
    n = room >= 0 && list->n > room ? (uint32_t)room * 4 : n / 4 * 4;
    list->end = w->p + n;
    return wire_skip(w, n);
}

static bool find_ints(struct wire *w, struct value_list *list)
{
    uint64_t v;
    uint32_t n;

    if (wire_at_end(w)) {
        return true;
    }
    list->packed = *w->p == TAG_BYTES_1;
    if (list->packed) {
        w->p++;
        if (!wire_read32(w, &n)) {
            return false;
        }
        (void)wire_push(w, n);
        list->data = w->p;
    }
    for (; !wire_at_end(w); list->n++) {
        if ((!list->packed && !wire_expect(w, TAG_VARINT_1)) ||
            !wire_read64(w, &v)) {
            return false;
        }
    }
    list->end = w->p;
    return true;
}

bool list_find(const struct spec_feature *f,
               const uint8_t *p,
               size_t n,
               int64_t room,
               struct value_list *list)
{
    struct wire w = {p, p + n};
    uint32_t length;

    if (!wire_read32(&w, &length)) {
        return false;
    }
    (void)wire_push(&w, length);
    *list = (struct value_list){.data = w.p, .end = w.p};
    switch (f->tag) {
        case TAG_BYTES_1:
            return find_bytes(&w, room, list);
        case TAG_BYTES_2:
            return find_floats(&w, room, list);
        default:
            return find_ints(&w, list);
    }
}

static void copy_strings(const struct value_list *list,
                         struct example_bytes *to)
{
    struct wire w = {list->data, list->end};

    for (int64_t i = 0; i < list->n; i++) {
        const uint8_t *data = NULL;
        uint32_t n = 0;

        w.p++;
        (void)wire_bytes(&w, &data, &n);
        to[i] = (struct example_bytes){(const char *)data, n};
    }
}

static void copy_floats(const struct value_list *list, float *to)
{
    const uint8_t *p = list->data;

    if (list->packed) {
        memcpy(to, p, (size_t)list->n * sizeof *to);
        return;
    }
    for (int64_t i = 0; i < list->n; i++, p += 5) {
        memcpy(&to[i], p + 1, sizeof *to);
    }
}

static void copy_ints(const struct value_list *list, int64_t *to)
{
    const uint8_t *p = list->data;

    for (int64_t i = 0; i < list->n && p != NULL; i++) {
        uint64_t v = 0;

        p += list->packed ? 0 : 1;
        p = wire_varint(p, list->end, &v);
        to[i] = (int64_t)v;
    }
}

void list_copy(const struct spec_feature *f,
               const struct value_list *list,
               void *to)
{
    if (list->n == 0) {
        return;
    }
    switch (f->tag) {
        case TAG_BYTES_1:
            copy_strings(list, to);
            break;
        case TAG_BYTES_2:
            copy_floats(list, to);
            break;
        default:
            copy_ints(list, to);
            break;
    }
}

int list_append(struct parse_run *run, int f, const struct value_list *list)
{
    const struct spec_feature *feature = &run->spec->feature[f];
    struct slot *s = &run->out->slot[f];

    if (slot_fit(run, f, list->n) != CREW_OK) {
        return run->err->code;
    }
    list_copy(feature, list, s->values + (size_t)s->n * feature->size);
    for (int64_t k = 0; s->indices != NULL && k < list->n; k++) {
        s->indices[2 * (s->n + k)] = run->i;
        s->indices[2 * (s->n + k) + 1] = k;
    }
    s->n += list->n;
    return CREW_OK;
}

/* --------------------------------------------------------------- structure */

/* The entry's two fields, in any order; the last of each counts. */
static bool read_entry(struct wire *w,
                       const uint8_t **key,
                       uint32_t *key_n,
                       struct map_entry *e)
{
    const uint8_t *outer;
    uint32_t n;

    if (!wire_expect(w, TAG_BYTES_1) || !wire_read32(w, &n)) {
        return false;
    }
    outer = wire_push(w, n);
    *key = w->p;
    *key_n = 0;
    *e = (struct map_entry){.value = w->p};
    for (int k = 0; k < 2; k++) {
        uint32_t tag = wire_tag(w);

        if (tag == TAG_BYTES_1) {
            if (!wire_bytes(w, key, key_n)) {
                return false;
            }
        } else if (tag != TAG_BYTES_2 || !wire_bytes(w, &e->value, &n)) {
            return false;
        } else {
            e->n = n;
        }
    }
    if (!wire_at_end(w)) {
        return false;
    }
    w->limit = outer;
    return true;
}

/* The entries of one Features message whose keys the spec has. */
static enum parse_outcome read_features(struct parse_run *run,
                                        struct wire *w,
                                        size_t *count)
{
    struct buffer *b = &run->out->entries;
    const uint8_t *outer;
    uint32_t n;

    if (!wire_read32(w, &n)) {
        return PARSE_IRREGULAR;
    }
    outer = wire_push(w, n);
    while (!wire_at_end(w)) {
        const uint8_t *key;
        uint32_t key_n;
        struct map_entry e;

        if (!read_entry(w, &key, &key_n, &e)) {
            return PARSE_IRREGULAR;
        }
        e.feature = spec_find(run->spec, &run->spec->context, key, key_n);
        if (e.feature < 0) {
            continue;
        }
        if (buffer_fit(b, (*count + 1) * sizeof e, *count * sizeof e,
                       run->err) != CREW_OK) {
            return PARSE_FAILED;
        }
        ((struct map_entry *)b->data)[(*count)++] = e;
    }
    w->limit = outer;
    return PARSE_DONE;
}

static int read_structure(struct parse_run *run, size_t *count)
{
    const struct example_bytes *s = &run->serialized[run->i];
    struct wire w = wire_of(s->data, s->n);
    enum parse_outcome got = s->n > INT32_MAX ? PARSE_IRREGULAR : PARSE_DONE;
    char text[960];

    while (got == PARSE_DONE && !wire_at_end(&w)) {
        if (wire_expect(&w, TAG_BYTES_1)) {
            got = read_features(run, &w, count);
        } else if (!wire_skip_field(&w)) {
            got = PARSE_IRREGULAR;
        }
    }
    if (got == PARSE_IRREGULAR) {
        crew_err_exit(run->err, CREW_INVALID_ARGUMENT, 65,
                      "Could not parse example input, value: '%s'",
                      parse_text(s->data, s->n, text, sizeof text));
    }
    return run->err->code;
}

/* ------------------------------------------------------------------ values */

static enum crew_dtype dtype_of_tag(uint8_t tag)
{
    switch (tag) {
        case TAG_BYTES_1:
            return CREW_STRING;
        case TAG_BYTES_2:
            return CREW_FLOAT;
        case TAG_BYTES_3:
            return CREW_INT64;
        default:
            return CREW_INVALID_DTYPE;
    }
}

static const char *list_text(const struct spec_feature *f)
{
    return f->tag == TAG_BYTES_1 ? "bytes" : parse_dtype_text(f->is.dtype);
}

/* TensorFlow parses in parts of the batch and counts from a part's beginning
 * when it says how many values it saw. The first example of i's part. */
static int64_t first_of_part(const struct parse_run *run)
{
    int64_t parts = 0;
    size_t bytes = 0;

    for (int64_t i = 0; i < run->batch; i++) {
        parts += bytes == 0;
        bytes += run->serialized[i].n + 1;
        bytes = bytes > 50000 ? 0 : bytes;
    }
    parts = parts > 64 ? 64 : parts;
    if (parts < 8) {
        parts = run->batch < 8 ? run->batch : 8;
    }
    for (int64_t k = parts - 1; k > 0; k--) {
        if (run->batch * k / parts <= run->i) {
            return run->batch * k / parts;
        }
    }
    return 0;
}

static int fixed_values(struct parse_run *run, int f, const struct map_entry *e)
{
    const struct spec_feature *feature = &run->spec->feature[f];
    struct slot *s = &run->out->slot[f];
    struct value_list list;
    char shape[120];

    if (!list_find(feature, e->value + 1, e->n - 1, feature->stride, &list)) {
        return parse_fail(run, f, "Can't parse serialized Example.");
    }
    if (list.n != feature->stride) {
        return run->single
                   ? parse_fail(run, f, "Can't parse serialized Example.")
                   : parse_fail(run, f,
                                "Number of %s values != expected.  Values "
                                "size: %lld but output shape: %s",
                                list_text(feature), (long long)list.n,
                                parse_shape_text(&feature->is.shape, false,
                                                 shape, sizeof shape));
    }
    list_copy(feature, &list,
              s->values + (size_t)(run->i * feature->stride) * feature->size);
    return CREW_OK;
}

static int many_values(struct parse_run *run, int f, const struct map_entry *e)
{
    const struct spec_feature *feature = &run->spec->feature[f];
    struct slot *s = &run->out->slot[f];
    struct value_list list;
    char shape[120];

    if (!list_find(feature, e->value + 1, e->n - 1, -1, &list)) {
        return parse_fail(run, f, "Can't parse serialized Example.");
    }
    if (list.n % feature->stride != 0) {
        int64_t saw = s->n - s->splits[run->single ? 0 : first_of_part(run)];

        return run->single
                   ? parse_fail(run, f, "Can't parse serialized Example.")
                   : parse_fail(run, f,
                                "Number of %s values is not a multiple of "
                                "stride length. Saw %lld values but output "
                                "shape is: %s",
                                list_text(feature),
                                (long long)saw + (long long)list.n,
                                parse_shape_text(&feature->is.shape, true,
                                                 shape, sizeof shape));
    }
    return list_append(run, f, &list);
}

static int mismatch(struct parse_run *run, int f, enum crew_dtype got)
{
    const struct parse_feature *is = &run->spec->feature[f].is;

    if (is->kind <= PARSE_FIXED_SEQUENCE) {
        return parse_fail(run, f,
                          "Data types don't match. Data type: %s but expected "
                          "type: %s",
                          parse_dtype_text(got), parse_dtype_text(is->dtype));
    }
    return parse_fail(run, f,
                      "Data types don't match. Expected type: %s, Actual type: "
                      "%s",
                      parse_dtype_text(is->dtype), parse_dtype_text(got));
}

static int take_entry(struct parse_run *run, const struct map_entry *e)
{
    const struct parse_feature *is = &run->spec->feature[e->feature].is;
    struct slot *s = &run->out->slot[e->feature];
    enum crew_dtype got =
        e->n == 0 ? CREW_INVALID_DTYPE : dtype_of_tag(e->value[0]);

    if (e->n > 0 && got == CREW_INVALID_DTYPE) {
        return crew_err_exit(run->err, CREW_INVALID_ARGUMENT, 65,
                             "Unsupported datatype.");
    }
    if ((e->n == 0 && (run->single || is->kind <= PARSE_FIXED_SEQUENCE)) ||
        s->seen == run->out->serial) {
        return CREW_OK;
    }
    s->seen = run->out->serial;
    if (e->n > 0 && got != is->dtype) {
        return mismatch(run, e->feature, got);
    }
    if (is->kind == PARSE_FIXED) {
        return fixed_values(run, e->feature, e);
    }
    if (e->n > 0 && many_values(run, e->feature, e) != CREW_OK) {
        return run->err->code;
    }
    slot_end_example(s, run->i);
    return CREW_OK;
}

int parse_exact(struct parse_run *run)
{
    struct parse_output *out = run->out;
    const struct map_entry *entry;
    size_t n = 0;

    for (int f = 0; f < run->spec->n; f++) { /* undo what parse_fast() did */
        struct slot *s = &out->slot[f];

        s->n = s->splits != NULL ? s->splits[run->i] : 0;
    }
    out->serial++;
    run->recount = true;
    if (read_structure(run, &n) != CREW_OK) {
        return run->err->code;
    }
    entry = out->entries.data;
    while (n > 0) {
        if (take_entry(run, &entry[--n]) != CREW_OK) {
            return run->err->code;
        }
    }
    return parse_missing(run);
}
