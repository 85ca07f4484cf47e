/* SPDX-License-Identifier: Apache-2.0
 * parse_example: the calls. */
#include "io/parse_example.h"

#include "base/mem.h"
#include "base/banned.h"

struct parse_output {
    struct parse_column *columns;
};
struct parse_output *parse_output_new(void)
{
    return xcalloc(1, sizeof(struct parse_output));
}
