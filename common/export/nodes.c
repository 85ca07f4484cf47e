/* SPDX-License-Identifier: Apache-2.0
 * Small groups of nodes that several parts of an export need. */
#include <stdio.h>

#include "export/build.h"

#include "base/banned.h"

const char *export_below(char buf[EXPORT_NAME_SIZE],
                         const char *base,
                         const char *part)
{
    (void)snprintf(buf, EXPORT_NAME_SIZE, "%s/%s", base, part);
    return buf;
}

void export_const_int64(struct graphdef *g,
                        const char *name,
                        const struct crew_shape *shape,
                        const int64_t *values)
{
    size_t n = 1;

    for (int i = 0; i < shape->rank; i++) {
        n *= (size_t)shape->dim[i];
    }
    graphdef_const_copy(g, name, CREW_INT64, shape, values, n * sizeof *values);
}

/* The first element of the vector `shape`: <name>/strided_slice. */
static void first_of(struct graphdef *g,
                     const char *name,
                     const char *shape,
                     enum crew_dtype dtype)
{
    static const char *const parts[] = {"strided_slice/stack",
                                        "strided_slice/stack_1",
                                        "strided_slice/stack_2"};
    static const int32_t values[] = {0, 1, 1};
    char node[EXPORT_NAME_SIZE];

    for (int i = 0; i < 3; i++) {
        graphdef_const_ints(g, export_below(node, name, parts[i]), 1,
                            &values[i], 1);
    }
    graphdef_node(g, export_below(node, name, "strided_slice"), "StridedSlice");
    graphdef_input(g, shape);
    for (int i = 0; i < 3; i++) {
        graphdef_input(g, export_below(node, name, parts[i]));
    }
    graphdef_attr_type(g, "T", dtype);
    graphdef_attr_type(g, "Index", CREW_INT32);
    graphdef_attr_int(g, "shrink_axis_mask", 1);
}

void export_batch_shape(struct graphdef *g,
                        const char *name,
                        const char *of,
                        enum crew_dtype dtype,
                        const int64_t *rest,
                        int n_rest)
{
    bool given = dtype == CREW_INVALID_DTYPE;
    enum crew_dtype number = given ? CREW_INT64 : CREW_INT32;
    struct crew_shape scalar = crew_scalar_shape();
    char node[EXPORT_NAME_SIZE], part[16];

    if (!given) {
        graphdef_node(g, export_below(node, name, "Shape"), "Shape");
        graphdef_input(g, of);
        graphdef_attr_type(g, "T", dtype);
        of = node;
    }
    first_of(g, name, of, number);
    for (int i = 0; i < n_rest; i++) {
        int32_t narrow = (int32_t)rest[i];

        (void)snprintf(part, sizeof part, "%d", i + 1);
        (void)export_below(node, name, part);
        if (given) {
            export_const_int64(g, node, &scalar, &rest[i]);
        } else {
            graphdef_const_ints(g, node, 0, &narrow, 1);
        }
    }
    graphdef_node(g, name, "Pack");
    graphdef_input(g, export_below(node, name, "strided_slice"));
    for (int i = 0; i < n_rest; i++) {
        (void)snprintf(part, sizeof part, "%d", i + 1);
        graphdef_input(g, export_below(node, name, part));
    }
    graphdef_attr_int(g, "N", n_rest + 1);
    graphdef_attr_type(g, "T", number);
}
