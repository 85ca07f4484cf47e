/* SPDX-License-Identifier: Apache-2.0
 * Summary values. All parts of the message are on the heap, so that
 * protobuf-c's own function frees them. */
#include "summary/event_summary.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "summary/histogram.h"
#include "summary/image.h"
#include "tensor/tensor.h"
#include "base/banned.h"

struct event_summary {
    Tensorflow__Summary *message;
};

struct event_summary *event_summary_new(void)
{
    struct event_summary *s = xcalloc(1, sizeof *s);

    s->message = xmalloc(sizeof *s->message);
    tensorflow__summary__init(s->message);
    return s;
}

void event_summary_free(struct event_summary *s)
{
    if (s != NULL) {
        tensorflow__summary__free_unpacked(s->message, NULL);
        free(s);
    }
}

Tensorflow__Summary *event_summary_message(struct event_summary *s)
{
    return s->message;
}

static Tensorflow__Summary__Value *add(struct event_summary *s, const char *tag)
{
    Tensorflow__Summary *m = s->message;
    Tensorflow__Summary__Value *value = xmalloc(sizeof *value);

    tensorflow__summary__value__init(value);
    value->tag = xstrdup(tag);
    m->value = xrealloc(m->value, (m->n_value + 1) * sizeof(void *));
    m->value[m->n_value++] = value;
    return value;
}

static void add_plugin(Tensorflow__Summary__Value *value, const char *name)
{
    Tensorflow__SummaryMetadata *m = xmalloc(sizeof *m);

    tensorflow__summary_metadata__init(m);
    m->plugin_data = xmalloc(sizeof *m->plugin_data);
    tensorflow__summary_metadata__plugin_data__init(m->plugin_data);
    m->plugin_data->plugin_name = xstrdup(name);
    value->metadata = m;
}

static Tensorflow__TensorProto *add_tensor(Tensorflow__Summary__Value *value,
                                           enum crew_dtype dtype,
                                           const struct crew_shape *shape)
{
    Tensorflow__TensorProto *t = xmalloc(sizeof *t);
    Tensorflow__TensorShapeProto *s = xmalloc(sizeof *s);

    tensorflow__tensor_proto__init(t);
    tensorflow__tensor_shape_proto__init(s);
    t->dtype = (int32_t)dtype;
    t->tensor_shape = s;
    s->n_dim = (size_t)shape->rank;
    s->dim = shape->rank > 0 ? xcalloc(s->n_dim, sizeof(void *)) : NULL;
    for (int i = 0; i < shape->rank; i++) {
        s->dim[i] = xmalloc(sizeof *s->dim[i]);
        tensorflow__tensor_shape_proto__dim__init(s->dim[i]);
        s->dim[i]->size = shape->dim[i];
    }
    value->value_case = TENSORFLOW__SUMMARY__VALUE__VALUE_TENSOR;
    value->tensor = t;
    return t;
}

void event_add_scalar(struct event_summary *s, const char *tag, float x)
{
    Tensorflow__Summary__Value *value = add(s, tag);

    value->value_case = TENSORFLOW__SUMMARY__VALUE__VALUE_SIMPLE_VALUE;
    value->simple_value = x;
}

int event_add_histogram(struct event_summary *s,
                        const char *tag,
                        enum crew_dtype dtype,
                        const void *values,
                        int64_t n,
                        struct crew_err *err)
{
    struct histogram *h = histogram_new();

    if (histogram_add(h, dtype, values, n, tag, err) == CREW_OK) {
        Tensorflow__Summary__Value *value = add(s, tag);

        value->value_case = TENSORFLOW__SUMMARY__VALUE__VALUE_HISTO;
        value->histo = histogram_proto(h);
    }
    histogram_free(h);
    return err->code;
}

int event_add_histogram_rows(struct event_summary *s,
                             const char *tag,
                             enum crew_dtype dtype,
                             const void *values,
                             int64_t n,
                             struct crew_err *err)
{
    const struct crew_shape shape = crew_shape2(HISTOGRAM_ROWS, 3);
    double rows[HISTOGRAM_ROWS][3];

    if (histogram_rows(dtype, values, n, tag, rows, err) == CREW_OK) {
        Tensorflow__Summary__Value *value = add(s, tag);
        Tensorflow__TensorProto *t = add_tensor(value, CREW_DOUBLE, &shape);

        add_plugin(value, "histograms");
        t->tensor_content.len = sizeof rows; /* both are little-endian */
        t->tensor_content.data = xmalloc(sizeof rows);
        memcpy(t->tensor_content.data, rows, sizeof rows);
    }
    return err->code;
}

/* ------------------------------------------------------------------- images */

static int check_images(const char *name,
                        enum crew_dtype dtype,
                        const struct crew_shape *shape,
                        struct crew_err *err)
{
    int64_t c = shape->rank == 4 ? shape->dim[3] : 0;
    char text[128];

    if (c != 1 && c != 3 && c != 4) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "image '%s': Tensor must be 4-D with last dim 1, "
                             "3, or 4, not %s",
                             name, shape_text(shape, text, sizeof text));
    }
    if (dtype != CREW_FLOAT && dtype != CREW_UINT8) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "image '%s' must be float32 or uint8, not %s",
                             name, dtype_name(dtype));
    }
    return CREW_OK;
}

/* The PNG of an image of `shape`, whose values are at `values`. */
static int make_png(enum crew_dtype dtype,
                    const struct crew_shape *shape,
                    const void *values,
                    struct strbuf *png,
                    struct crew_err *err)
{
    int64_t pixels = shape->dim[1] * shape->dim[2];
    int channels = (int)shape->dim[3];
    uint8_t *own = NULL;

    if (dtype == CREW_FLOAT) {
        if (mem_try((size_t)pixels, (size_t)channels, "image", (void **)&own,
                    err) != CREW_OK) {
            return err->code;
        }
        image_from_floats(values, pixels, channels, own);
    }
    (void)image_to_png(own != NULL ? own : values, shape->dim[1], shape->dim[2],
                       channels, png, err);
    free(own);
    return err->code;
}

static int add_image(struct event_summary *s,
                     const char *tag,
                     enum crew_dtype dtype,
                     const struct crew_shape *shape,
                     const void *values,
                     struct crew_err *err)
{
    struct strbuf png;

    strbuf_init(&png);
    if (make_png(dtype, shape, values, &png, err) == CREW_OK) {
        Tensorflow__Summary__Value *value = add(s, tag);
        Tensorflow__Summary__Image *image = xmalloc(sizeof *image);

        tensorflow__summary__image__init(image);
        image->height = (int32_t)shape->dim[1];
        image->width = (int32_t)shape->dim[2];
        image->colorspace = (int32_t)shape->dim[3];
        image->encoded_image_string.len = png.len;
        image->encoded_image_string.data = (uint8_t *)strbuf_detach(&png);
        value->value_case = TENSORFLOW__SUMMARY__VALUE__VALUE_IMAGE;
        value->image = image;
    }
    strbuf_release(&png);
    return err->code;
}

int event_add_images(struct event_summary *s,
                     const char *name,
                     enum crew_dtype dtype,
                     const struct crew_shape *shape,
                     const void *values,
                     int64_t max_outputs,
                     struct crew_err *err)
{
    size_t size = dtype == CREW_FLOAT ? sizeof(float) : 1;

    if (check_images(name, dtype, shape, err) != CREW_OK) {
        return err->code;
    }
    size *= (size_t)(shape->dim[1] * shape->dim[2] * shape->dim[3]);
    for (int64_t i = 0; i < shape->dim[0] && i < max_outputs; i++) {
        char *tag = max_outputs == 1
                        ? xasprintf("%s/image", name)
                        : xasprintf("%s/image/%lld", name, (long long)i);

        (void)add_image(s, tag, dtype, shape,
                        (const char *)values + (size_t)i * size, err);
        free(tag);
        if (err->code != CREW_OK) {
            return crew_err_wrap(err, "image '%s'", name);
        }
    }
    return CREW_OK;
}

/* --------------------------------------------------------------------- text */

static void add_strings(Tensorflow__Summary__Value *value,
                        const struct crew_shape *shape,
                        const char *const *texts)
{
    Tensorflow__TensorProto *t = add_tensor(value, CREW_STRING, shape);
    size_t n = 1;

    for (int i = 0; i < shape->rank; i++) {
        n *= (size_t)shape->dim[i];
    }
    t->n_string_val = n;
    t->string_val = xcalloc(n + 1, sizeof *t->string_val);
    for (size_t i = 0; i < n; i++) {
        t->string_val[i].len = strlen(texts[i]);
        t->string_val[i].data = (uint8_t *)xstrdup(texts[i]);
    }
}

void event_add_text(struct event_summary *s,
                    const char *tag,
                    const struct crew_shape *shape,
                    const char *const *texts)
{
    Tensorflow__Summary__Value *value = add(s, tag);

    PRE(shape->rank <= 2);
    add_strings(value, shape, texts);
    add_plugin(value, "text");
}

void event_add_string(struct event_summary *s,
                      const char *tag,
                      const char *text)
{
    const struct crew_shape scalar = crew_scalar_shape();

    add_strings(add(s, tag), &scalar, &text);
}

void event_add_floats(struct event_summary *s,
                      const char *tag,
                      const float *values,
                      int64_t n)
{
    const struct crew_shape shape = crew_shape1(n);
    Tensorflow__TensorProto *t = add_tensor(add(s, tag), CREW_FLOAT, &shape);
    size_t size = (size_t)n * sizeof *values;

    t->tensor_content.data = xcalloc(size + 1, 1);
    t->tensor_content.len = size;
    memcpy(t->tensor_content.data, values, size);
}
