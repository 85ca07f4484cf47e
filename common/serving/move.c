/* SPDX-License-Identifier: Apache-2.0
 * Moving elements; arguments that are axes and lengths. */
#include "serving/move.h"

#include <inttypes.h>
#include <string.h>

#include "base/banned.h"

void move_copy(struct value *to,
               int64_t i,
               const struct value *from,
               int64_t j,
               int64_t n)
{
    size_t size = value_element_size(to->dtype);

    if (n > 0) {
        memcpy((char *)to->data + (size_t)i * size,
               (const char *)from->data + (size_t)j * size, (size_t)n * size);
    }
}

int move_finish(struct op_call *call, struct value *v)
{
    struct value own;
    int code;

    if (call->err->code != CREW_OK || v->dtype != CREW_STRING || v->n == 0) {
        return call->err->code;
    }
    code = value_new_strings(&own, &v->shape, v->str, call->err);
    value_release(v);
    if (code == CREW_OK) {
        *v = own;
    }
    return code;
}

int move_begin(struct op_call *call, int dtype, const struct crew_shape *shape)
{
    if (dtype == SERVING_RESOURCE) {
        return op_fail(call, CREW_INVALID_ARGUMENT, "a handle is no tensor");
    }
    return value_new(&call->out[0], dtype, shape, call->err);
}

/* Elements of dimensions [from, to). */
int64_t move_span(const struct crew_shape *s, int from, int to)
{
    int64_t n = 1;

    for (int i = from; i < to; i++) {
        n *= s->dim[i];
    }
    return n;
}

/* One integer of input k. */
int move_int(struct op_call *call, int k, int64_t *v)
{
    int n = 0;

    if (op_ints(call, k, v, 1, &n) != CREW_OK) {
        return call->err->code;
    }
    return n == 1 ? CREW_OK
                  : op_fail(call, CREW_INVALID_ARGUMENT,
                            "input %d must be a scalar", k);
}

/* An axis, negative ones from the end of `rank`. */
int move_axis(struct op_call *call, int k, int rank, int *axis)
{
    int64_t v = 0;

    if (move_int(call, k, &v) != CREW_OK) {
        return call->err->code;
    }
    if (v < -rank || v >= rank) {
        return op_fail(call, CREW_INVALID_ARGUMENT,
                       "axis %" PRId64 " is not in [%d, %d)", v, -rank, rank);
    }
    *axis = (int)(v < 0 ? v + rank : v);
    return CREW_OK;
}
