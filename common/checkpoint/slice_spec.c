/* SPDX-License-Identifier: Apache-2.0
 *
 * What the op RestoreV2 is asked for, checked against what the checkpoint has.
 * Sources: checkpoint::ParseShapeAndSlice in
 * tensorflow/core/util/saved_tensor_slice_util.cc, TensorSlice in
 * core/framework/tensor_slice.cc, core/kernels/save_restore_tensor.cc. */
#include "checkpoint/bundle.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/strbuf.h"

#include "base/banned.h"

static int refuse(struct crew_err *err, const char *what, const char *spec)
{
    return crew_err_exit(err, CREW_INVALID_ARGUMENT, 65, "%s: %.200s", what,
                         spec);
}

/* A number at *at; *at moves behind it. */
static bool take_number(const char **at, int64_t *out)
{
    char *end = NULL;
    long long n;

    errno = 0;
    n = strtoll(*at, &end, 10);
    if (end == *at || errno != 0 || n < 0 || **at < '0' || **at > '9') {
        return false;
    }
    *out = n;
    *at = end;
    return true;
}

/* "13 3 " at the beginning; *at is then the slice. */
static int take_shape(const char *spec,
                      const char **at,
                      struct crew_shape *shape,
                      struct crew_err *err)
{
    const char *last = strrchr(spec, ' ');

    *shape = (struct crew_shape){0};
    *at = spec;
    if (last == NULL) {
        return refuse(err,
                      "Need least two elements in shape_and_slice "
                      "specification",
                      spec);
    }
    while (*at <= last) {
        if (shape->rank == CREW_MAX_RANK ||
            !take_number(at, &shape->dim[shape->rank]) || **at != ' ') {
            return refuse(err, "Non numerical dimension in shape_and_slice",
                          spec);
        }
        shape->rank++;
        ++*at;
    }
    return CREW_OK;
}

/* "0,7:-", an extent for each dimension. */
static bool take_extents(const char *at,
                         const struct crew_shape *shape,
                         struct bundle_slice *box)
{
    *box = (struct bundle_slice){0};
    for (int i = 0; i < shape->rank; i++) {
        if (i > 0 && *at++ != ':') {
            return false;
        }
        if (*at == '-') {
            box->length[i] = shape->dim[i];
            at++;
        } else if (!take_number(&at, &box->start[i]) || *at++ != ',' ||
                   !take_number(&at, &box->length[i])) {
            return false;
        }
    }
    return *at == '\0';
}

static void add_dims(struct strbuf *b, const struct crew_shape *shape)
{
    for (int i = 0; i < shape->rank; i++) {
        strbuf_addf(b, "%s%" PRId64, i > 0 ? "," : "[", shape->dim[i]);
    }
    strbuf_addstr(b, shape->rank > 0 ? "]" : "[]");
}

static int other_shape(const struct bundle_tensor *t,
                       const struct crew_shape *given,
                       struct crew_err *err)
{
    struct strbuf b;

    strbuf_init(&b);
    add_dims(&b, given);
    strbuf_addstr(&b, " does not match the shape stored in checkpoint: ");
    add_dims(&b, &t->shape);
    crew_err_exit(err, CREW_INVALID_ARGUMENT, 65,
                  "tensor_name = %s; shape in shape_and_slice spec %s", t->name,
                  b.data);
    strbuf_release(&b);
    return err->code;
}

int bundle_parse_slice(const struct bundle_tensor *t,
                       const char *spec,
                       struct bundle_slice *box,
                       struct crew_err *err)
{
    struct bundle_slice out = {0};
    struct crew_shape shape;
    const char *at;

    if (spec[0] == '\0') {
        memcpy(out.length, t->shape.dim, sizeof out.length);
        *box = out;
        return CREW_OK;
    }
    if (take_shape(spec, &at, &shape, err) != CREW_OK) {
        return err->code;
    }
    if (!take_extents(at, &shape, &out)) {
        return refuse(err,
                      "Expected a pair of numbers or '-' for each dimension "
                      "in shape_and_slice",
                      spec);
    }
    if (!shape_equal(&shape, &t->shape)) {
        return other_shape(t, &shape, err);
    }
    for (int i = 0; i < shape.rank; i++) {
        if (out.start[i] > shape.dim[i] ||
            out.length[i] > shape.dim[i] - out.start[i]) {
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 65,
                                 "Extent in dimension %d out of bounds: %.200s",
                                 i, spec);
        }
    }
    *box = out;
    return CREW_OK;
}

int bundle_want_dtype(const struct bundle_tensor *t,
                      int dtype,
                      struct crew_err *err)
{
    return t->dtype == dtype
               ? CREW_OK
               : crew_err_exit(err, CREW_INVALID_ARGUMENT, 65,
                               "tensor_name = %s; expected dtype %s does not "
                               "equal original dtype %s",
                               t->name, bundle_dtype_cpp_name(dtype),
                               bundle_dtype_cpp_name(t->dtype));
}
