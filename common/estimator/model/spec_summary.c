/* SPDX-License-Identifier: Apache-2.0
 * What of a model is written for TensorBoard, by crew_spec_summary_* calls. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "estimator/model/spec.h"
#include "tensor/tensor.h"
#include "base/banned.h"

/* --------------------------------------------------------------------- tags */

/* Bytes of a UTF-8 character after its first. */
static bool goes_on(char c)
{
    return ((unsigned char)c & 0xC0u) == 0x80u;
}

/* TensorFlow's clean_tag: what cannot be in a tag becomes '_'. Owner: caller.
 * A character of several bytes is one; TensorFlow takes those that are letters
 * and then refuses them as names of scopes. */
static char *clean_tag(const char *tag)
{
    char *clean = xcalloc(strlen(tag) + 1, 1);
    size_t n = 0;

    for (const char *c = tag; *c != '\0'; c++) {
        bool good = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                    (*c >= '0' && *c <= '9') || strchr("-/_.", *c) != NULL;

        if (goes_on(*c) || (n == 0 && *c == '/')) {
            continue;
        }
        clean[n++] = '_';
        if (good) {
            clean[n - 1] = *c;
        }
    }
    while (n > 0 && clean[n - 1] == '/') {
        clean[--n] = '\0';
    }
    return clean;
}

static bool is_tag(const struct crew_spec *spec, const char *tag)
{
    for (int i = 0; i < spec->num_summaries; i++) {
        if (strcmp(spec->summaries[i].tag, tag) == 0) {
            return true;
        }
    }
    return false;
}

/* A summary is an op of its graph; inputs are none in TensorFlow's. */
static bool is_taken(const struct crew_spec *spec, const char *tag)
{
    const struct crew_node *node =
        spec->graph != NULL ? graph_find_node(spec->graph, tag) : NULL;

    return is_tag(spec, tag) ||
           (node != NULL && strcmp(node_op(node), "Placeholder") != 0);
}

/* TensorFlow's summary_scope: below the scopes that are open, and made unique.
 * Owner: caller. */
static char *tag_in_scope(const struct crew_spec *spec, const char *clean)
{
    const char *scope = spec->graph != NULL ? graph_scope(spec->graph) : "";
    char *tag = xasprintf("%s%s", scope, clean);

    for (int i = 1; is_taken(spec, tag); i++) {
        free(tag);
        tag = xasprintf("%s%s_%d", scope, clean, i);
    }
    return tag;
}

/* The first character is that of an op's name, where no scope is open. */
static bool is_root_name(const char *tag)
{
    return tag[0] != '\0' && tag[0] != '_' && tag[0] != '-';
}

static char *make_tag(struct crew_spec *spec, const char *given)
{
    char *clean;
    char *tag = NULL;

    if (spec == NULL) {
        return NULL;
    }
    if (given == NULL) {
        (void)crew_err_exit(&spec->broken, CREW_INVALID_ARGUMENT, 1,
                            "a summary's tag is NULL");
        return NULL;
    }
    clean = clean_tag(given);
    if (strcmp(clean, given) != 0) {
        strbuf_addf(&spec->notes,
                    "Summary name %s is illegal; using %s instead.\n", given,
                    clean);
    }
    tag = tag_in_scope(spec, clean);
    if (!is_root_name(tag)) {
        (void)crew_err_exit(
            &spec->broken, CREW_INVALID_ARGUMENT, 1,
            "summary '%s': '%s' is not a valid root scope name. A root scope "
            "name has to match the following pattern: "
            "^[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*$",
            given, clean);
        free(tag);
        tag = NULL;
    }
    free(clean);
    return tag;
}

void spec_log_notes(const struct crew_spec *spec, struct crew_env *env)
{
    const char *line = spec->notes.data;

    for (const char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        env_log(env, LOG_INFO, "%.*s", (int)(end - line), line);
    }
}

/* --------------------------------------------------------------- the calls */

/* Takes summary.tag; NULL: it could not be made, and that was told. */
static void add(struct crew_spec *spec, struct spec_summary summary)
{
    if (summary.tag == NULL) {
        return;
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
    add(spec,
        (struct spec_summary){
            .kind = HOOK_SCALAR, .tag = make_tag(spec, tag), .node = node});
}

void crew_spec_summary_histogram(struct crew_spec *spec,
                                 const char *tag,
                                 struct crew_node *node)
{
    add(spec,
        (struct spec_summary){
            .kind = HOOK_HISTOGRAM, .tag = make_tag(spec, tag), .node = node});
}

void crew_spec_summary_image(struct crew_spec *spec,
                             const char *name,
                             struct crew_node *node,
                             int64_t max_outputs)
{
    add(spec, (struct spec_summary){.kind = HOOK_IMAGE,
                                    .tag = make_tag(spec, name),
                                    .node = node,
                                    .max_outputs = max_outputs});
}

void crew_spec_summary_text(struct crew_spec *spec,
                            const char *tag,
                            const char *text)
{
    add(spec, (struct spec_summary){
                  .kind = HOOK_TEXT, .tag = make_tag(spec, tag), .text = text});
}

static void add_picture(struct crew_spec *spec, struct spec_summary picture)
{
    if (spec_take_key(spec, picture.tag)) {
        size_t n = (size_t)spec->num_pictures + 1;

        picture.tag = xstrdup(picture.tag);
        spec->pictures = xrealloc(spec->pictures, n * sizeof *spec->pictures);
        spec->pictures[spec->num_pictures++] = picture;
    }
}

void crew_spec_metric_image(struct crew_spec *spec,
                            const char *key,
                            struct crew_node *node,
                            int64_t max_outputs)
{
    add_picture(spec, (struct spec_summary){.kind = HOOK_IMAGE,
                                            .tag = (char *)(uintptr_t)key,
                                            .node = node,
                                            .max_outputs = max_outputs});
}

void crew_spec_metric_histogram(struct crew_spec *spec,
                                const char *key,
                                struct crew_node *node)
{
    add_picture(spec, (struct spec_summary){.kind = HOOK_HISTOGRAM,
                                            .tag = (char *)(uintptr_t)key,
                                            .node = node});
}

void crew_spec_metric_text(struct crew_spec *spec,
                           const char *key,
                           const char *text)
{
    add_picture(spec, (struct spec_summary){.kind = HOOK_TEXT,
                                            .tag = (char *)(uintptr_t)key,
                                            .text = text});
}

/* The variables' own names, which make_tag would number. */
void crew_spec_summary_variables(struct crew_spec *spec,
                                 const struct crew_graph *graph)
{
    for (int i = 0; spec != NULL && graph != NULL && i < graph_num_vars(graph);
         i++) {
        const struct graph_var *v = graph_var(graph, i);

        if (!is_tag(spec, v->name)) {
            add(spec, (struct spec_summary){.kind = HOOK_HISTOGRAM,
                                            .tag = xstrdup(v->name),
                                            .node = v->node});
        }
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

static int check_all(const struct spec_summary *all,
                     int n,
                     const char *what,
                     struct crew_err *err)
{
    for (int i = 0; i < n; i++) {
        if (all[i].kind == HOOK_SCALAR) {
            (void)spec_check_scalar(all[i].node, "A summary", err);
        } else if (all[i].kind == HOOK_IMAGE) {
            (void)check_image(&all[i], err);
        }
        if (err->code != CREW_OK) {
            return crew_err_wrap(err, "%s '%s'", what, all[i].tag);
        }
    }
    return CREW_OK;
}

int spec_check_summaries(const struct crew_spec *spec, struct crew_err *err)
{
    return check_all(spec->summaries, spec->num_summaries, "summary", err) ==
                   CREW_OK
               ? check_all(spec->pictures, spec->num_pictures, "metric", err)
               : err->code;
}
