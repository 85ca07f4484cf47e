/* SPDX-License-Identifier: Apache-2.0
 * NumPy's broadcasting: shapes are aligned at their ends. */
#include "serving/broadcast.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/banned.h"

const char *tf_shape_text(const struct crew_shape *s, char *buf, size_t size)
{
    size_t len = 0;

    buf[0] = '\0';
    for (int i = 0; i < s->rank && len + 1 < size; i++) {
        int n = snprintf(buf + len, size - len, "%s%" PRId64,
                         i == 0 ? "[" : ",", s->dim[i]);
        len += n > 0 ? (size_t)n : 0;
    }
    if (len + 3 < size) {
        (void)snprintf(buf + len, size - len, s->rank == 0 ? "[]" : "]");
    }
    return buf;
}

/* Dimension i from the end; 1 in front of the shape. */
static int64_t from_end(const struct crew_shape *s, int i)
{
    return i < s->rank ? s->dim[s->rank - 1 - i] : 1;
}

static int incompatible(struct op_call *call, int first, int k)
{
    char a[160], b[160];

    return op_fail(call, CREW_INVALID_ARGUMENT,
                   "Incompatible shapes: %s vs. %s",
                   tf_shape_text(&call->in[first].shape, a, sizeof a),
                   tf_shape_text(&call->in[k].shape, b, sizeof b));
}

static void find_strides(struct broadcast *b, int k, const struct crew_shape *x)
{
    int64_t step = 1;

    for (int i = 0; i < b->shape.rank; i++) {
        int64_t d = from_end(x, i);

        b->stride[k][b->shape.rank - 1 - i] = d == 1 ? 0 : step;
        step *= d;
    }
}

int broadcast_init(struct broadcast *b,
                   struct op_call *call,
                   int first,
                   int count)
{
    *b = (struct broadcast){.count = count, .n = 1};
    for (int k = first; k < first + count; k++) {
        if (call->in[k].shape.rank > b->shape.rank) {
            b->shape.rank = call->in[k].shape.rank;
        }
    }
    for (int i = 0; i < b->shape.rank; i++) {
        int64_t dim = 1;

        for (int k = first; k < first + count; k++) {
            int64_t d = from_end(&call->in[k].shape, i);

            if (d != 1 && dim != 1 && d != dim) {
                return incompatible(call, first, k);
            }
            dim = d != 1 ? d : dim;
        }
        b->shape.dim[b->shape.rank - 1 - i] = dim;
    }
    for (int k = 0; k < count; k++) {
        find_strides(b, k, &call->in[first + k].shape);
    }
    return value_count(&b->shape, &b->n, call->err);
}

int broadcast_to(struct broadcast *b,
                 struct op_call *call,
                 int input,
                 const struct crew_shape *shape)
{
    const struct crew_shape *x = &call->in[input].shape;
    bool fits = x->rank <= shape->rank;

    *b = (struct broadcast){.count = 1, .shape = *shape};
    for (int i = 0; fits && i < x->rank; i++) {
        fits = from_end(x, i) == 1 || from_end(x, i) == from_end(shape, i);
    }
    if (!fits) {
        char from[160], to[160];

        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "Unable to broadcast tensor of shape %s to tensor of "
                       "shape %s",
                       tf_shape_text(x, from, sizeof from),
                       tf_shape_text(shape, to, sizeof to));
    }
    if (value_count(shape, &b->n, call->err) == CREW_OK) {
        find_strides(b, 0, x);
    }
    return call->err->code;
}

void broadcast_next(struct broadcast *b)
{
    for (int i = b->shape.rank - 1; i >= 0; i--) {
        b->index[i]++;
        for (int k = 0; k < b->count; k++) {
            b->at[k] += b->stride[k][i];
        }
        if (b->index[i] < b->shape.dim[i]) {
            return;
        }
        for (int k = 0; k < b->count; k++) {
            b->at[k] -= b->stride[k][i] * b->shape.dim[i];
        }
        b->index[i] = 0;
    }
}
