/* SPDX-License-Identifier: Apache-2.0
 *
 * Partitioned variables: a list of slices under the variable's name, each slice
 * under a key of its own. Any box of the variable is put together from the
 * slices that it touches; the slices are read piece by piece, so that nothing
 * of their size is held beside the result. */
#include "checkpoint/bundle_impl.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "checkpoint/slice_key.h"

#include "base/banned.h"

void bundle_slices_release(struct bundle_slices *s)
{
    free(s->box);
    free(s->stored);
    *s = (struct bundle_slices){0};
}

/* ------------------------------------------------------------------- boxes */

/* What two boxes share; false when that is nothing. */
static bool intersect(const struct bundle_slice *a,
                      const struct bundle_slice *b,
                      int rank,
                      struct bundle_slice *out)
{
    for (int i = 0; i < rank; i++) {
        int64_t a_end = a->start[i] + a->length[i];
        int64_t b_end = b->start[i] + b->length[i];
        int64_t end = a_end < b_end ? a_end : b_end;

        out->start[i] = a->start[i] > b->start[i] ? a->start[i] : b->start[i];
        out->length[i] = end - out->start[i];
        if (out->length[i] <= 0) {
            return false;
        }
    }
    return true;
}

/* Elements; the box is within a shape whose elements can be counted. */
static int64_t volume(const struct bundle_slice *s, int rank)
{
    int64_t n = 1;

    for (int i = 0; i < rank; i++) {
        n *= s->length[i];
    }
    return n;
}

/* The number, in row-major order of the box, of what is at `at`. */
static int64_t place_in(const struct bundle_slice *box,
                        int rank,
                        const int64_t *at)
{
    int64_t place = 0;

    for (int i = 0; i < rank; i++) {
        place = place * box->length[i] + at[i] - box->start[i];
    }
    return place;
}

/* --------------------------------------------------------------- the list */

static int get_box(const struct bundle_reader *r,
                   const struct bundle_tensor *t,
                   const Tensorflow__TensorSliceProto *proto,
                   struct bundle_slice *s,
                   struct crew_err *err)
{
    if (proto->n_extent != (size_t)t->shape.rank || t->shape.rank == 0) {
        return bundle_damaged(r, err, "bad slice of", t->name);
    }
    *s = (struct bundle_slice){0};
    for (int i = 0; i < t->shape.rank; i++) {
        const Tensorflow__TensorSliceProto__Extent *x = proto->extent[i];
        int64_t dim = t->shape.dim[i];
        bool whole = x->has_length_case !=
                     TENSORFLOW__TENSOR_SLICE_PROTO__EXTENT__HAS_LENGTH_LENGTH;

        s->start[i] = whole ? 0 : x->start;
        s->length[i] = whole ? dim : x->length;
        if (s->start[i] < 0 || s->length[i] < 0 || s->start[i] > dim ||
            s->length[i] > dim - s->start[i]) {
            return bundle_damaged(r, err, "bad slice of", t->name);
        }
    }
    return CREW_OK;
}

/* Where the bytes of a slice are; what its entry says must fit. */
static int get_stored(struct bundle_reader *r,
                      const struct bundle_tensor *t,
                      const Tensorflow__TensorSliceProto *proto,
                      const struct bundle_slice *box,
                      struct bundle_stored *out,
                      struct crew_err *err)
{
    Tensorflow__BundleEntryProto *e = NULL;
    struct crew_shape shape;
    struct strbuf key;
    int64_t row, count;

    strbuf_init(&key);
    slice_key(&key, t->name, proto);
    row = table_find(r->table, key.data, key.len);
    strbuf_release(&key);
    if (row >= 0) {
        e = bundle_unpack_entry(table_entry(r->table, row));
    }
    if (e == NULL) {
        return bundle_damaged(r, err, "a slice is missing of", t->name);
    }
    if (bundle_get_shape(r, t->name, e->shape, &shape, &count, err) ==
            CREW_OK &&
        bundle_check_entry(r, t->name, e, count, out, err) == CREW_OK &&
        (shape.rank != t->shape.rank || e->dtype != t->dtype ||
         memcmp(shape.dim, box->length,
                (size_t)shape.rank * sizeof box->length[0]) != 0)) {
        bundle_damaged(r, err, "a slice has another shape of", t->name);
    }
    tensorflow__bundle_entry_proto__free_unpacked(e, NULL);
    return err->code;
}

/* A slice on the axis along which it is cut. */
struct edge {
    int64_t start, end;
    size_t i;
};

static int by_start(const void *a, const void *b)
{
    const struct edge *x = a, *y = b;

    return (x->start > y->start) - (x->start < y->start);
}

/* The dimension in which most slices begin elsewhere than the first one. */
static int cut_axis(const struct bundle_slices *s, int rank)
{
    size_t most = 0;
    int axis = 0;

    for (int d = 0; d < rank; d++) {
        size_t differ = 0;

        for (size_t i = 1; i < s->n; i++) {
            differ += s->box[i].start[d] != s->box[0].start[d];
        }
        if (differ > most) {
            most = differ;
            axis = d;
        }
    }
    return axis;
}

/* Two slices that overlap would silently give the values of the later one. */
static int check_overlap(const struct bundle_reader *r,
                         const struct bundle_slices *s,
                         struct crew_err *err)
{
    int rank = s->of->shape.rank, axis = cut_axis(s, rank);
    struct bundle_slice common;
    struct edge *edges;
    void *room = NULL;

    if (mem_try(s->n, sizeof *edges, s->of->name, &room, err) != CREW_OK) {
        return err->code;
    }
    edges = room;
    for (size_t i = 0; i < s->n; i++) {
        int64_t start = s->box[i].start[axis];

        edges[i] = (struct edge){start, start + s->box[i].length[axis], i};
    }
    qsort(edges, s->n, sizeof *edges, by_start);
    for (size_t i = 0; i < s->n && err->code == CREW_OK; i++) {
        for (size_t k = i + 1; k < s->n && edges[k].start < edges[i].end; k++) {
            if (intersect(&s->box[edges[i].i], &s->box[edges[k].i], rank,
                          &common)) {
                bundle_damaged(r, err, "Overlapping slices of", s->of->name);
                break;
            }
        }
    }
    free(edges);
    return err->code;
}

static int fill_slices(struct bundle_reader *r,
                       const Tensorflow__BundleEntryProto *e,
                       struct bundle_slices *s,
                       struct crew_err *err)
{
    void *box = NULL, *stored = NULL;

    if (mem_try(e->n_slices, sizeof *s->box, s->of->name, &box, err) !=
        CREW_OK) {
        return err->code;
    }
    s->box = box;
    if (mem_try(e->n_slices, sizeof *s->stored, s->of->name, &stored, err) !=
        CREW_OK) {
        return err->code;
    }
    s->stored = stored;
    for (s->n = 0; s->n < e->n_slices; s->n++) {
        struct bundle_slice *b = &s->box[s->n];

        if (get_box(r, s->of, e->slices[s->n], b, err) != CREW_OK ||
            get_stored(r, s->of, e->slices[s->n], b, &s->stored[s->n], err) !=
                CREW_OK) {
            return err->code;
        }
    }
    return check_overlap(r, s, err);
}

int bundle_load_slices(struct bundle_reader *r,
                       const struct bundle_tensor *t,
                       const struct bundle_slices **out,
                       struct crew_err *err)
{
    struct bundle_slices s = {.of = t};
    Tensorflow__BundleEntryProto *e;

    if (r->slices.of != t) {
        e = bundle_unpack_entry(table_entry(r->table, r->rows[t - r->tensors]));
        if (e == NULL) {
            return bundle_damaged(r, err, "cannot parse the bundle entry of",
                                  t->name);
        }
        (void)fill_slices(r, e, &s, err);
        tensorflow__bundle_entry_proto__free_unpacked(e, NULL);
        if (err->code != CREW_OK) {
            bundle_slices_release(&s);
            return err->code;
        }
        bundle_slices_release(&r->slices);
        r->slices = s;
    }
    *out = &r->slices;
    return CREW_OK;
}

/* ----------------------------------------------------------------- copying */

/* The runs of elements that are contiguous in two boxes, in the order of the
 * first one. */
struct runs {
    const struct bundle_slice *from, *to;
    struct bundle_slice common;
    int rank;
    int64_t at[CREW_MAX_RANK];
    bool over;
};

/* Move on to the next run. */
static void next_run(struct runs *r)
{
    int d = r->rank - 2;

    while (d >= 0 && ++r->at[d] == r->common.start[d] + r->common.length[d]) {
        r->at[d] = r->common.start[d];
        d--;
    }
    r->over = d < 0;
}

/* A copy that is fed the bytes of the first box piece by piece. */
struct copy {
    struct runs runs;
    size_t element;
    uint64_t passed; /* bytes of the first box seen so far */
    char *to;
};

static void copy_piece(void *self, const uint8_t *data, size_t n)
{
    struct copy *c = self;
    struct runs *r = &c->runs;
    uint64_t end = c->passed + n;

    while (!r->over) {
        size_t run = (size_t)r->common.length[r->rank - 1] * c->element;
        uint64_t at = (uint64_t)place_in(r->from, r->rank, r->at) * c->element;
        char *to = c->to + (size_t)place_in(r->to, r->rank, r->at) * c->element;
        uint64_t from = at > c->passed ? at : c->passed;
        uint64_t upto = at + run < end ? at + run : end;

        if (at >= end) {
            break;
        }
        memcpy(to + (from - at), data + (from - c->passed),
               (size_t)(upto - from));
        if (at + run > end) {
            break; /* the rest comes with the next piece */
        }
        next_run(r);
    }
    c->passed = end;
}

/* What is stored as the box `from` into its part of the box `to`. */
static int copy_stored(struct bundle_reader *r,
                       const struct bundle_tensor *t,
                       const struct bundle_stored *stored,
                       const struct bundle_slice *from,
                       const struct bundle_slice *to,
                       char *data,
                       struct crew_err *err)
{
    struct copy c = {.runs = {.from = from, .to = to, .rank = t->shape.rank},
                     .element = bundle_dtype_size(t->dtype),
                     .to = data};

    if (!intersect(from, to, t->shape.rank, &c.runs.common)) {
        return CREW_OK;
    }
    memcpy(c.runs.at, c.runs.common.start, sizeof c.runs.at);
    return bundle_read_pieces(r, stored, copy_piece, &c, err);
}

static int check_cover(const struct bundle_reader *r,
                       const struct bundle_slices *s,
                       const struct bundle_slice *box,
                       struct crew_err *err)
{
    int rank = s->of->shape.rank;
    int64_t covered = 0;

    for (size_t i = 0; i < s->n; i++) {
        struct bundle_slice common;

        if (intersect(&s->box[i], box, rank, &common)) {
            covered += volume(&common, rank);
        }
    }
    return covered == volume(box, rank)
               ? CREW_OK
               : bundle_damaged(
                     r, err,
                     "Does not have sufficient slices for partitioned tensor",
                     s->of->name);
}

static int read_box(struct bundle_reader *r,
                    const struct bundle_tensor *t,
                    const struct bundle_slice *box,
                    void *data,
                    struct crew_err *err)
{
    const struct bundle_slices *s = NULL;

    if (bundle_load_slices(r, t, &s, err) != CREW_OK ||
        check_cover(r, s, box, err) != CREW_OK) {
        return err->code;
    }
    for (size_t i = 0; i < s->n; i++) {
        if (copy_stored(r, t, &s->stored[i], &s->box[i], box, data, err) !=
            CREW_OK) {
            break;
        }
    }
    return err->code;
}

static struct bundle_slice whole_box(const struct bundle_tensor *t)
{
    struct bundle_slice box = {0};

    memcpy(box.length, t->shape.dim, sizeof box.length);
    return box;
}

int bundle_read_sliced(struct bundle_reader *r,
                       const struct bundle_tensor *t,
                       void *data,
                       struct crew_err *err)
{
    struct bundle_slice box = whole_box(t);

    return read_box(r, t, &box, data, err);
}

/* The box is within the tensor, whose elements are numbers. */
static int check_box(const struct bundle_tensor *t,
                     const struct bundle_slice *box,
                     struct crew_err *err)
{
    bool inside = t->shape.rank > 0;

    if (bundle_dtype_size(t->dtype) == 0) {
        return crew_err_set(err, CREW_UNIMPLEMENTED,
                            "%s: dtype %s (%d) cannot be read in slices",
                            t->name, bundle_dtype_name(t->dtype), t->dtype);
    }
    for (int i = 0; i < t->shape.rank; i++) {
        int64_t dim = t->shape.dim[i];

        inside = inside && box->start[i] >= 0 && box->length[i] >= 0 &&
                 box->start[i] <= dim && box->length[i] <= dim - box->start[i];
    }
    return inside ? CREW_OK
                  : crew_err_exit(err, CREW_INVALID_ARGUMENT, 65,
                                  "%s: the slice is not within its shape",
                                  t->name);
}

int bundle_read_slice(struct bundle_reader *r,
                      const struct bundle_tensor *t,
                      const struct bundle_slice *box,
                      void *data,
                      struct crew_err *err)
{
    struct bundle_slice whole = whole_box(t);
    struct bundle_stored at = bundle_stored_of(t);

    if (check_box(t, box, err) != CREW_OK) {
        return err->code;
    }
    if (t->num_slices > 0) {
        (void)read_box(r, t, box, data, err);
    } else {
        (void)copy_stored(r, t, &at, &whole, box, data, err);
    }
    return err->code == CREW_OK ? CREW_OK : crew_err_wrap(err, "%s", t->name);
}

/* ------------------------------------------------------------------ ranges */

/* A slice as runs that are contiguous in it and in the whole variable, in the
 * order of both: `run` elements each, cut at dimension `cut`. */
struct strips {
    const struct bundle_slice *box;
    const struct crew_shape *shape;
    int cut;
    int64_t run, n;
};

static struct strips strips_of(const struct bundle_slice *box,
                               const struct crew_shape *shape)
{
    struct strips s = {.box = box, .shape = shape, .cut = shape->rank - 1};

    s.run = box->length[s.cut];
    while (s.cut > 0 && box->length[s.cut] == shape->dim[s.cut]) {
        s.run *= box->length[--s.cut];
    }
    s.n = 1;
    for (int i = 0; i < s.cut; i++) {
        s.n *= box->length[i];
    }
    return s;
}

/* The number of the first element of strip k in the variable. */
static int64_t strip_place(const struct strips *s, int64_t k)
{
    int64_t at[CREW_MAX_RANK], place = 0;

    memcpy(at, s->box->start, sizeof at);
    for (int i = s->cut - 1; i >= 0; i--) {
        at[i] += k % s->box->length[i];
        k /= s->box->length[i];
    }
    for (int i = 0; i < s->shape->rank; i++) {
        place = place * s->shape->dim[i] + at[i];
    }
    return place;
}

/* The first strip that ends behind element `first`. */
static int64_t find_strip(const struct strips *s, int64_t first)
{
    int64_t low = 0, high = s->n;

    while (low < high) {
        int64_t mid = low + (high - low) / 2;

        if (strip_place(s, mid) + s->run > first) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    return low;
}

/* What a slice has of elements first..first+n. */
static int read_strips(struct bundle_reader *r,
                       const struct bundle_stored *stored,
                       const struct strips *s,
                       size_t element,
                       int64_t first,
                       int64_t n,
                       char *data,
                       struct crew_err *err)
{
    for (int64_t k = find_strip(s, first); k < s->n; k++) {
        int64_t place = strip_place(s, k), end = place + s->run;
        int64_t from = place > first ? place : first;
        int64_t upto = end < first + n ? end : first + n;

        if (place >= first + n ||
            bundle_read_bytes(
                r, stored, (uint64_t)(k * s->run + from - place) * element,
                data + (size_t)(from - first) * element,
                (size_t)(upto - from) * element, err) != CREW_OK) {
            break;
        }
    }
    return err->code;
}

int bundle_read_range(struct bundle_reader *r,
                      const struct bundle_tensor *t,
                      int64_t first,
                      int64_t n,
                      void *data,
                      struct crew_err *err)
{
    size_t element = bundle_dtype_size(t->dtype);
    struct bundle_stored at = bundle_stored_of(t);
    const struct bundle_slices *s = NULL;

    if (t->num_slices == 0) {
        return bundle_read_bytes(r, &at, (uint64_t)first * element, data,
                                 (size_t)n * element, err);
    }
    if (bundle_load_slices(r, t, &s, err) != CREW_OK) {
        return err->code;
    }
    for (size_t i = 0; i < s->n && err->code == CREW_OK; i++) {
        struct strips strips = strips_of(&s->box[i], &t->shape);

        if (volume(&s->box[i], t->shape.rank) > 0) {
            (void)read_strips(r, &s->stored[i], &strips, element, first, n,
                              data, err);
        }
    }
    return err->code;
}
