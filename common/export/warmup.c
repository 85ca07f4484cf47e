/* SPDX-License-Identifier: Apache-2.0
 * PredictionLog messages written by hand: they hold what the graph is fed, in
 * the form the receiver wants it. Field numbers are those of
 * tensorflow_serving/apis. */
#include "export/warmup.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "io/dataset_list.h"
#include "io/example.h"
#include "io/tfrecord.h"
#include "io/varint.h"
#include "tensor/tensor.h"

#include "base/banned.h"

enum wire { VARINT = 0, BYTES = 2 };

static void put_tag(struct strbuf *out, unsigned field, enum wire wire)
{
    varint_put(out, (uint64_t)field << 3 | wire);
}

static void put_bytes(struct strbuf *out,
                      unsigned field,
                      const void *data,
                      size_t n)
{
    put_tag(out, field, BYTES);
    varint_put(out, n);
    strbuf_add(out, data, n);
}

static void put_text(struct strbuf *out, unsigned field, const char *s)
{
    put_bytes(out, field, s, strlen(s));
}

/* `inner` as a submessage; it is empty afterwards. */
static void put_message(struct strbuf *out,
                        unsigned field,
                        struct strbuf *inner)
{
    put_bytes(out, field, inner->data, inner->len);
    strbuf_reset(inner);
}

/* ---------------------------------------------------------------- examples */

/* Values of one row of a feature that is not ragged. */
static int64_t row_count(const struct export_feature *f)
{
    const struct crew_shape *shape = node_shape(f->node);
    int64_t n = 1;

    for (int d = 1; d < shape->rank; d++) {
        n *= shape->dim[d];
    }
    return n;
}

static int64_t integer_at(const struct export_feature *f,
                          const void *data,
                          int64_t i)
{
    return node_dtype(f->node) == CREW_INT32 ? ((const int32_t *)data)[i]
                                             : ((const int64_t *)data)[i];
}

/* The i-th value as it is before the receiver's cast and scale. */
static double value_at(const struct export_feature *f,
                       const void *data,
                       int64_t i)
{
    double v = node_dtype(f->node) == CREW_FLOAT
                   ? (double)((const float *)data)[i]
                   : (double)integer_at(f, data, i);

    return f->scale != 0 ? v / f->scale : v;
}

static int64_t whole(const struct export_feature *f,
                     const void *data,
                     int64_t i)
{
    double v;

    if (node_dtype(f->node) != CREW_FLOAT) {
        return integer_at(f, data, i);
    }
    v = value_at(f, data, i);
    return (int64_t)(v < 0 ? v - 0.5 : v + 0.5);
}

/* The values of a row from the i-th on, spelt as the receiver reads them. */
static void add_feature(struct example_writer *w,
                        const struct export_feature *f,
                        const void *data,
                        int64_t row)
{
    const struct dataset_lists *lists = data; /* if it is ragged */
    bool ragged = node_is_ragged(f->node);
    size_t n = ragged ? (size_t)(lists->splits[row + 1] - lists->splits[row])
                      : (size_t)row_count(f);
    int64_t first = ragged ? lists->splits[row] : row * (int64_t)n;
    float *floats = xcalloc(n + 1, sizeof *floats);
    int64_t *ints = xcalloc(n + 1, sizeof *ints);
    char *bytes = xcalloc(n + 1, 1);

    data = ragged ? lists->all.values : data;
    for (size_t k = 0; k < n; k++) {
        if (f->wire == CREW_FLOAT) {
            floats[k] = (float)value_at(f, data, first + (int64_t)k);
        } else {
            ints[k] = whole(f, data, first + (int64_t)k);
            bytes[k] = (char)ints[k];
        }
    }
    if (f->wire == CREW_FLOAT) {
        example_add_floats(w, f->key, floats, n);
    } else if (f->wire == CREW_INT64) {
        example_add_ints(w, f->key, ints, n);
    } else {
        example_add_bytes(w, f->key, &(struct example_bytes){bytes, n}, 1);
    }
    free(bytes);
    free(ints);
    free(floats);
}

static void put_example(struct strbuf *out,
                        const struct export_request *q,
                        const void *const *data,
                        int64_t row)
{
    struct example_writer w;

    example_writer_init(&w);
    for (int i = 0; i < q->n_features; i++) {
        if (q->features[i].node != NULL) {
            add_feature(&w, &q->features[i], data[i], row);
        }
    }
    example_writer_finish(&w, out);
    example_writer_release(&w);
}

/* ----------------------------------------------------------------- tensors */

static void put_dim(struct strbuf *shape, int64_t size)
{
    struct strbuf dim;

    strbuf_init(&dim);
    put_tag(&dim, 1, VARINT);
    varint_put(&dim, (uint64_t)size);
    put_message(shape, 2, &dim);
    strbuf_release(&dim);
}

/* TensorProto{dtype=1, tensor_shape=2}, without its values. */
static void put_tensor_head(struct strbuf *out,
                            enum crew_dtype dtype,
                            const struct crew_shape *rest,
                            int64_t rows)
{
    struct strbuf shape;

    strbuf_init(&shape);
    put_tag(out, 1, VARINT);
    varint_put(out, (uint64_t)dtype);
    put_dim(&shape, rows);
    for (int d = 1; d < rest->rank; d++) {
        put_dim(&shape, rest->dim[d]);
    }
    put_message(out, 2, &shape);
    strbuf_release(&shape);
}

/* Lists as (rows, longest), filled up as what is served wants it. */
static void put_lists(struct strbuf *out,
                      const struct export_feature *f,
                      const struct dataset_lists *lists,
                      int64_t rows)
{
    enum crew_dtype dtype = node_dtype(f->node);
    size_t size = dtype_size(dtype);
    const int64_t no_id = -1;
    struct crew_shape shape = crew_shape2(-1, 0);
    struct strbuf content;

    for (int64_t i = 0; i < rows; i++) {
        int64_t n = lists->splits[i + 1] - lists->splits[i];

        shape.dim[1] = n > shape.dim[1] ? n : shape.dim[1];
    }
    strbuf_init(&content);
    for (int64_t i = 0; i < rows; i++) {
        int64_t begin = lists->splits[i], n = lists->splits[i + 1] - begin;

        strbuf_add(&content,
                   (const char *)lists->all.values + (size_t)begin * size,
                   (size_t)n * size);
        for (; n < shape.dim[1]; n++) {
            const float nothing = 0.0f;

            strbuf_add(&content,
                       dtype == CREW_FLOAT ? (const void *)&nothing : &no_id,
                       size);
        }
    }
    put_tensor_head(out, dtype, &shape, rows);
    put_bytes(out, 4, content.data, content.len);
    strbuf_release(&content);
}

/* The values as tensor_content=4. */
static void put_tensor(struct strbuf *out,
                       const struct export_feature *f,
                       const void *data,
                       int64_t rows)
{
    enum crew_dtype dtype = node_dtype(f->node);
    int64_t n;

    if (node_is_ragged(f->node)) {
        put_lists(out, f, data, rows);
        return;
    }
    n = rows * row_count(f);
    put_tensor_head(out, dtype, node_shape(f->node), rows);
    put_bytes(out, 4, data, (size_t)n * dtype_size(dtype));
}

/* ---------------------------------------------------------------- requests */

struct batch {
    const void *const *data;
    int64_t rows;
};

/* model_spec=1 {name=1, signature_name=3}. */
static void put_model_spec(struct strbuf *out,
                           const char *model,
                           const char *signature)
{
    struct strbuf spec;

    strbuf_init(&spec);
    put_text(&spec, 1, model);
    put_text(&spec, 3, signature);
    put_message(out, 1, &spec);
    strbuf_release(&spec);
}

/* An entry of PredictRequest.inputs=2. */
static void put_input(struct strbuf *request,
                      const char *key,
                      struct strbuf *tensor)
{
    struct strbuf entry;

    strbuf_init(&entry);
    put_text(&entry, 1, key);
    put_message(&entry, 2, tensor);
    put_message(request, 2, &entry);
    strbuf_release(&entry);
}

static void put_tensors(struct strbuf *request,
                        const struct export_request *q,
                        const struct batch *b)
{
    struct strbuf tensor;

    strbuf_init(&tensor);
    for (int i = 0; i < q->n_features; i++) {
        if (q->features[i].node != NULL) {
            put_tensor(&tensor, &q->features[i], b->data[i], b->rows);
            put_input(request, q->features[i].key, &tensor);
        }
    }
    strbuf_release(&tensor);
}

/* All rows as Examples in the repeated field `field`. */
static void put_examples(struct strbuf *out,
                         unsigned field,
                         const struct export_request *q,
                         const struct batch *b)
{
    struct strbuf example;

    strbuf_init(&example);
    for (int64_t row = 0; row < b->rows; row++) {
        put_example(&example, q, b->data, row);
        put_message(out, field, &example);
    }
    strbuf_release(&example);
}

/* A predict request that has them as the string tensor `examples`
 * (string_val=8); the others have input=2{example_list=1{examples=1}}. */
static void put_example_input(struct strbuf *request,
                              const struct export_request *q,
                              enum export_method method,
                              const struct batch *b)
{
    const struct crew_shape vector = crew_shape1(-1);
    struct strbuf inner, input;

    strbuf_init(&inner);
    strbuf_init(&input);
    if (method == EXPORT_PREDICT) {
        put_tensor_head(&inner, CREW_STRING, &vector, b->rows);
        put_examples(&inner, 8, q, b);
        put_input(request, "examples", &inner);
    } else {
        put_examples(&inner, 1, q, b);
        put_message(&input, 1, &inner);
        put_message(request, 2, &input);
    }
    strbuf_release(&input);
    strbuf_release(&inner);
}

static void put_log(struct strbuf *out,
                    const struct export_request *q,
                    const struct export_signature *s,
                    const char *model,
                    const struct batch *b,
                    bool alternative)
{
    static const unsigned fields[] = {
        [EXPORT_CLASSIFY] = 2, [EXPORT_REGRESS] = 3, [EXPORT_PREDICT] = 6};
    struct strbuf request, log, prediction;
    char *key = alternative ? xasprintf("%s:%s", q->alternative, s->key)
                            : xstrdup(s->key);

    strbuf_init(&request);
    strbuf_init(&log);
    strbuf_init(&prediction);
    put_model_spec(&request, model, key);
    if (q->examples && !alternative) {
        put_example_input(&request, q, s->method, b);
    } else {
        put_tensors(&request, q, b);
    }
    put_message(&log, 1, &request);
    put_message(&prediction, fields[s->method], &log);
    tfrecord_frame(out, prediction.data, prediction.len);
    strbuf_release(&prediction);
    strbuf_release(&log);
    strbuf_release(&request);
    free(key);
}

void export_warmup(const struct export_request *q,
                   const char *model_name,
                   const void *const *data,
                   int64_t rows,
                   struct strbuf *out)
{
    struct batch b = {data, rows};

    for (int i = 0; i < q->n_signatures; i++) {
        for (int alternative = 0; alternative < 2; alternative++) {
            char *why_not;

            if (alternative && (!q->examples || q->alternative == NULL)) {
                continue;
            }
            why_not = export_excluded(q, &q->signatures[i], alternative);
            if (why_not == NULL) {
                put_log(out, q, &q->signatures[i], model_name, &b, alternative);
            }
            free(why_not);
        }
    }
}
