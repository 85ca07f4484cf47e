/* SPDX-License-Identifier: Apache-2.0
 * What of a model is written for TensorBoard, by crew_spec_summary_* calls. */
#include <string.h>

#include "base/mem.h"
#include "estimator/spec.h"
#include "tensor/tensor.h"
#include "base/banned.h"

/* One tag has one kind of values. */
static void add(struct crew_spec *spec, struct spec_summary summary)
{
    for (int i = 0; i < spec->num_summaries; i++) {
        if (strcmp(spec->summaries[i].tag, summary.tag) == 0) {
            (void)crew_err_exit(&spec->broken, CREW_INVALID_ARGUMENT, 1,
                                "summary '%s' is given twice. Fix: another tag",
                                summary.tag);
            return;
        }
    }
    spec->summaries =
        xrealloc(spec->summaries,
                 ((size_t)spec->num_summaries + 1) * sizeof *spec->summaries);
    spec->summaries[spec->num_summaries++] = summary;
}

void crew_spec_summary(struct crew_spec *spec,
                       const char *tag,
                       struct crew_node *node)
{
    add(spec, (struct spec_summary){HOOK_SCALAR, tag, node, NULL, 0});
}

void crew_spec_summary_histogram(struct crew_spec *spec,
                                 const char *tag,
                                 struct crew_node *node)
{
    add(spec, (struct spec_summary){HOOK_HISTOGRAM, tag, node, NULL, 0});
}

void crew_spec_summary_image(struct crew_spec *spec,
                             const char *name,
                             struct crew_node *node,
                             int64_t max_outputs)
{
    add(spec, (struct spec_summary){HOOK_IMAGE, name, node, NULL, max_outputs});
}

void crew_spec_summary_text(struct crew_spec *spec,
                            const char *tag,
                            const char *text)
{
    add(spec, (struct spec_summary){HOOK_TEXT, tag, NULL, text, 0});
}

void crew_spec_summary_variables(struct crew_spec *spec,
                                 const struct crew_graph *graph)
{
    for (int i = 0; i < graph_num_vars(graph); i++) {
        const struct graph_var *v = graph_var(graph, i);

        crew_spec_summary_histogram(spec, v->name, v->node);
    }
}

struct hook_summary spec_summary_value(const struct spec_summary *s,
                                       const struct plan *plan)
{
    struct hook_summary out = {.kind = s->kind,
                               .tag = s->tag,
                               .text = s->text,
                               .max_outputs = s->max_outputs};

    if (s->node != NULL) {
        out.dtype = node_dtype(s->node) == CREW_FLOAT ? CREW_FLOAT : CREW_INT64;
        out.data = plan_value(plan, s->node, &out.shape);
    }
    return out;
}

static int check_image(const struct spec_summary *s, struct crew_err *err)
{
    const struct crew_shape *shape = node_shape(s->node);
    int64_t channels = shape->rank == 4 ? shape->dim[3] : 0;
    char text[128];

    if (s->max_outputs < 1) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "max_outputs is %lld. Fix: at least 1",
                             (long long)s->max_outputs);
    }
    if (channels != 1 && channels != 3 && channels != 4) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "Tensor must be 4-D with last dim 1, 3, or 4, not "
                             "%s",
                             shape_text(shape, text, sizeof text));
    }
    if (node_dtype(s->node) != CREW_FLOAT) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "images must be float32, given: %s",
                             dtype_name(node_dtype(s->node)));
    }
    return CREW_OK;
}

int spec_check_summaries(const struct crew_spec *spec, struct crew_err *err)
{
    for (int i = 0; i < spec->num_summaries; i++) {
        const struct spec_summary *s = &spec->summaries[i];

        if (s->kind == HOOK_SCALAR) {
            (void)spec_check_scalar(s->node, "A summary", err);
        } else if (s->kind == HOOK_IMAGE) {
            (void)check_image(s, err);
        }
        if (err->code != CREW_OK) {
            return crew_err_wrap(err, "summary '%s'", s->tag);
        }
    }
    return CREW_OK;
}
