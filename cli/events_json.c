/* SPDX-License-Identifier: Apache-2.0
 * Events as JSON. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "checkpoint/bundle.h"
#include "checkpoint/sha256.h"
#include "checkpoint/value_text.h"
#include "cli/base64.h"
#include "cli/events.h"
#include "io/pbguard.h"
#include "base/banned.h"

#define MAX_VALUES (1 << 20)
#define MAX_STRING_BYTES ((size_t)256 << 20)

cJSON *event_number(double v, int digits)
{
    char text[40];

    if (isnan(v)) {
        return cJSON_CreateString("NaN");
    }
    if (isinf(v)) {
        return cJSON_CreateString(v < 0 ? "-Infinity" : "Infinity");
    }
    (void)snprintf(text, sizeof text, "%.*g", digits, v);
    if (strpbrk(text, ".e") == NULL) {
        (void)snprintf(text, sizeof text, "%.*g.0", digits, v);
    }
    return cJSON_CreateRaw(text);
}

static cJSON *whole_number(int64_t v)
{
    char text[32];

    (void)snprintf(text, sizeof text, "%lld", (long long)v);
    return cJSON_CreateRaw(text);
}

static cJSON *base64_string(const void *data, size_t n)
{
    struct strbuf text;
    cJSON *out;

    strbuf_init(&text);
    base64_add(&text, data, n);
    out = cJSON_CreateString(text.data);
    strbuf_release(&text);
    return out;
}

static cJSON *bytes_to_json(ProtobufCBinaryData bytes)
{
    cJSON *out = cJSON_CreateObject();
    struct sha256 sum;
    char text[65];

    sha256_init(&sum);
    sha256_add(&sum, bytes.data, bytes.len);
    sha256_hex(&sum, text);
    cJSON_AddItemToObject(out, "bytes", whole_number((int64_t)bytes.len));
    cJSON_AddStringToObject(out, "sha256", text);
    return out;
}

Tensorflow__GraphDef *event_graph(ProtobufCBinaryData bytes)
{
    ProtobufCMessage *graph = NULL;
    struct crew_err ignored = {0};

    (void)pbguard_unpack(&tensorflow__graph_def__descriptor, &pbguard_record,
                         bytes.data, bytes.len, &graph, &ignored);
    return (Tensorflow__GraphDef *)graph;
}

static cJSON *graph_to_json(ProtobufCBinaryData bytes)
{
    cJSON *out = bytes_to_json(bytes), *nodes;
    Tensorflow__GraphDef *graph = event_graph(bytes);

    if (graph == NULL) {
        return out;
    }
    nodes = cJSON_AddArrayToObject(out, "nodes");
    for (size_t i = 0; i < graph->n_node; i++) {
        cJSON *node = cJSON_CreateObject();

        cJSON_AddStringToObject(node, "name", graph->node[i]->name);
        cJSON_AddStringToObject(node, "op", graph->node[i]->op);
        cJSON_AddItemToArray(nodes, node);
    }
    tensorflow__graph_def__free_unpacked(graph, NULL);
    return out;
}

static cJSON *doubles(const double *v, size_t n)
{
    cJSON *out = cJSON_CreateArray();

    for (size_t i = 0; i < n; i++) {
        cJSON_AddItemToArray(out, event_number(v[i], 17));
    }
    return out;
}

static cJSON *histo_to_json(const Tensorflow__HistogramProto *h)
{
    cJSON *out = cJSON_CreateObject();

    cJSON_AddItemToObject(out, "min", event_number(h->min, 17));
    cJSON_AddItemToObject(out, "max", event_number(h->max, 17));
    cJSON_AddItemToObject(out, "num", event_number(h->num, 17));
    cJSON_AddItemToObject(out, "sum", event_number(h->sum, 17));
    cJSON_AddItemToObject(out, "sum_squares", event_number(h->sum_squares, 17));
    cJSON_AddItemToObject(out, "bucket_limit",
                          doubles(h->bucket_limit, h->n_bucket_limit));
    cJSON_AddItemToObject(out, "bucket", doubles(h->bucket, h->n_bucket));
    return out;
}

static cJSON *image_to_json(const Tensorflow__Summary__Image *image)
{
    cJSON *out = cJSON_CreateObject();

    cJSON_AddItemToObject(out, "width", whole_number(image->width));
    cJSON_AddItemToObject(out, "height", whole_number(image->height));
    cJSON_AddItemToObject(out, "colorspace", whole_number(image->colorspace));
    cJSON_AddItemToObject(out, "png_base64",
                          base64_string(image->encoded_image_string.data,
                                        image->encoded_image_string.len));
    return out;
}

static cJSON *audio_to_json(const Tensorflow__Summary__Audio *audio)
{
    cJSON *out = cJSON_CreateObject();

    cJSON_AddItemToObject(out, "sample_rate",
                          event_number((double)audio->sample_rate, 9));
    cJSON_AddItemToObject(out, "num_channels",
                          whole_number(audio->num_channels));
    cJSON_AddItemToObject(out, "length_frames",
                          whole_number(audio->length_frames));
    cJSON_AddStringToObject(out, "content_type", audio->content_type);
    cJSON_AddItemToObject(
        out, "bytes", whole_number((int64_t)audio->encoded_audio_string.len));
    return out;
}

/* Value i of a tensor; the typed lists repeat their last element. NULL: none.
 */
static cJSON *tensor_value(const Tensorflow__TensorProto *t, int64_t i)
{
    size_t size = bundle_dtype_size(t->dtype), at = (size_t)i;
    struct strbuf text;
    cJSON *out;

    if (t->n_string_val > 0) {
        at = at < t->n_string_val ? at : t->n_string_val - 1;
        return base64_string(t->string_val[at].data, t->string_val[at].len);
    }
    if (t->n_float_val > 0) {
        at = at < t->n_float_val ? at : t->n_float_val - 1;
        return event_number((double)t->float_val[at], 9);
    }
    if (t->n_double_val > 0) {
        at = at < t->n_double_val ? at : t->n_double_val - 1;
        return event_number(t->double_val[at], 17);
    }
    if (t->n_int_val > 0) {
        at = at < t->n_int_val ? at : t->n_int_val - 1;
        return whole_number(t->int_val[at]);
    }
    if (t->n_int64_val > 0) {
        at = at < t->n_int64_val ? at : t->n_int64_val - 1;
        return whole_number(t->int64_val[at]);
    }
    if (t->n_bool_val > 0) {
        at = at < t->n_bool_val ? at : t->n_bool_val - 1;
        return cJSON_CreateBool(t->bool_val[at]);
    }
    if (size == 0 || (at + 1) * size > t->tensor_content.len) {
        return NULL;
    }
    strbuf_init(&text);
    value_text(&text, t->dtype, t->tensor_content.data,
               i * value_parts(t->dtype), true);
    out = cJSON_CreateRaw(text.data);
    strbuf_release(&text);
    return out;
}

static bool get_shape(const Tensorflow__TensorProto *t,
                      struct crew_shape *shape,
                      int64_t *n)
{
    const Tensorflow__TensorShapeProto *proto = t->tensor_shape;
    size_t rank = proto != NULL ? proto->n_dim : 0;
    struct crew_err bad = {0};

    *shape = (struct crew_shape){0};
    if (rank > CREW_MAX_RANK) {
        return false;
    }
    shape->rank = (int)rank;
    for (size_t i = 0; i < rank; i++) {
        shape->dim[i] = proto->dim[i]->size;
    }
    return shape_count(shape, n, &bad) == CREW_OK && *n <= MAX_VALUES;
}

/* The last string stands for all that are missing: a small file must not become
 * a huge text. */
static bool strings_fit(const Tensorflow__TensorProto *t, int64_t n)
{
    size_t last =
        t->n_string_val > 0 ? t->string_val[t->n_string_val - 1].len : 0;

    return last == 0 || (size_t)n <= MAX_STRING_BYTES / last;
}

cJSON *event_tensor_to_json(const Tensorflow__TensorProto *t)
{
    cJSON *out, *dims, *values;
    struct crew_shape shape;
    int64_t n;

    if (!get_shape(t, &shape, &n) || !strings_fit(t, n)) {
        return NULL;
    }
    out = cJSON_CreateObject();
    cJSON_AddStringToObject(out, "dtype", bundle_dtype_name(t->dtype));
    dims = cJSON_AddArrayToObject(out, "shape");
    for (int i = 0; i < shape.rank; i++) {
        cJSON_AddItemToArray(dims, whole_number(shape.dim[i]));
    }
    values = cJSON_AddArrayToObject(out, "values");
    for (int64_t i = 0; i < n; i++) {
        cJSON *value = tensor_value(t, i);

        if (value == NULL) {
            break;
        }
        cJSON_AddItemToArray(values, value);
    }
    return out;
}

static cJSON *packed(const Tensorflow__TensorProto *t)
{
    size_t n = tensorflow__tensor_proto__get_packed_size(t);
    uint8_t *bytes = xmalloc(n + 1);
    cJSON *out;

    (void)tensorflow__tensor_proto__pack(t, bytes);
    out = base64_string(bytes, n);
    free(bytes);
    return out;
}

static cJSON *metadata_to_json(const Tensorflow__SummaryMetadata *m)
{
    const Tensorflow__SummaryMetadata__PluginData *plugin = m->plugin_data;
    cJSON *out = cJSON_CreateObject();

    cJSON_AddStringToObject(out, "plugin_name",
                            plugin != NULL ? plugin->plugin_name : "");
    cJSON_AddItemToObject(
        out, "content_base64",
        base64_string(plugin != NULL ? plugin->content.data : NULL,
                      plugin != NULL ? plugin->content.len : 0));
    cJSON_AddStringToObject(out, "display_name", m->display_name);
    cJSON_AddStringToObject(out, "summary_description", m->summary_description);
    cJSON_AddItemToObject(out, "data_class", whole_number(m->data_class));
    return out;
}

static cJSON *value_to_json(const Tensorflow__Summary__Value *v)
{
    cJSON *out = cJSON_CreateObject(), *tensor;
    const char *kind = "none";

    cJSON_AddStringToObject(out, "tag", v->tag);
    cJSON_AddStringToObject(out, "kind", kind);
    if (v->metadata != NULL) {
        cJSON_AddItemToObject(out, "metadata", metadata_to_json(v->metadata));
    }
    switch (v->value_case) {
        case TENSORFLOW__SUMMARY__VALUE__VALUE_SIMPLE_VALUE:
            kind = "simple_value";
            cJSON_AddItemToObject(out, kind,
                                  event_number((double)v->simple_value, 9));
            break;
        case TENSORFLOW__SUMMARY__VALUE__VALUE_HISTO:
            kind = "histo";
            cJSON_AddItemToObject(out, kind, histo_to_json(v->histo));
            break;
        case TENSORFLOW__SUMMARY__VALUE__VALUE_IMAGE:
            kind = "image";
            cJSON_AddItemToObject(out, kind, image_to_json(v->image));
            break;
        case TENSORFLOW__SUMMARY__VALUE__VALUE_AUDIO:
            kind = "audio";
            cJSON_AddItemToObject(out, kind, audio_to_json(v->audio));
            break;
        case TENSORFLOW__SUMMARY__VALUE__VALUE_TENSOR:
            kind = "tensor";
            tensor = event_tensor_to_json(v->tensor);
            if (tensor != NULL) {
                cJSON_AddItemToObject(out, kind, tensor);
            }
            cJSON_AddItemToObject(out, "tensor_proto_base64",
                                  packed(v->tensor));
            break;
        default:
            break;
    }
    cJSON_ReplaceItemInObject(out, "kind", cJSON_CreateString(kind));
    return out;
}

const char *event_what(const Tensorflow__Event *e)
{
    switch (e->what_case) {
        case TENSORFLOW__EVENT__WHAT_FILE_VERSION:
            return "file_version";
        case TENSORFLOW__EVENT__WHAT_GRAPH_DEF:
            return "graph_def";
        case TENSORFLOW__EVENT__WHAT_META_GRAPH_DEF:
            return "meta_graph_def";
        case TENSORFLOW__EVENT__WHAT_SUMMARY:
            return "summary";
        case TENSORFLOW__EVENT__WHAT_SESSION_LOG:
            return "session_log";
        case TENSORFLOW__EVENT__WHAT_LOG_MESSAGE:
            return "log_message";
        case TENSORFLOW__EVENT__WHAT_TAGGED_RUN_METADATA:
            return "tagged_run_metadata";
        default:
            return "unknown";
    }
}

static void add_content(cJSON *out, const Tensorflow__Event *e)
{
    cJSON *part;

    switch (e->what_case) {
        case TENSORFLOW__EVENT__WHAT_FILE_VERSION:
            cJSON_AddStringToObject(out, "file_version", e->file_version);
            break;
        case TENSORFLOW__EVENT__WHAT_GRAPH_DEF:
            cJSON_AddItemToObject(out, "graph_def",
                                  graph_to_json(e->graph_def));
            break;
        case TENSORFLOW__EVENT__WHAT_META_GRAPH_DEF:
            cJSON_AddItemToObject(out, "meta_graph_def",
                                  bytes_to_json(e->meta_graph_def));
            break;
        case TENSORFLOW__EVENT__WHAT_SESSION_LOG:
            part = cJSON_AddObjectToObject(out, "session_log");
            cJSON_AddItemToObject(part, "status",
                                  whole_number(e->session_log->status));
            cJSON_AddStringToObject(part, "checkpoint_path",
                                    e->session_log->checkpoint_path);
            cJSON_AddStringToObject(part, "msg", e->session_log->msg);
            break;
        case TENSORFLOW__EVENT__WHAT_LOG_MESSAGE:
            part = cJSON_AddObjectToObject(out, "log_message");
            cJSON_AddItemToObject(part, "level",
                                  whole_number(e->log_message->level));
            cJSON_AddStringToObject(part, "message", e->log_message->message);
            break;
        case TENSORFLOW__EVENT__WHAT_TAGGED_RUN_METADATA:
            part = bytes_to_json(e->tagged_run_metadata->run_metadata);
            cJSON_AddStringToObject(part, "tag", e->tagged_run_metadata->tag);
            cJSON_AddItemToObject(out, "tagged_run_metadata", part);
            break;
        case TENSORFLOW__EVENT__WHAT_SUMMARY:
            part = cJSON_AddArrayToObject(out, "values");
            for (size_t i = 0; i < e->summary->n_value; i++) {
                cJSON_AddItemToArray(part, value_to_json(e->summary->value[i]));
            }
            break;
        default:
            break;
    }
}

cJSON *event_to_json(const Tensorflow__Event *e)
{
    cJSON *out = cJSON_CreateObject();

    cJSON_AddItemToObject(out, "wall_time", event_number(e->wall_time, 17));
    cJSON_AddItemToObject(out, "step", whole_number(e->step));
    cJSON_AddStringToObject(out, "what", event_what(e));
    if (e->source_metadata != NULL) {
        cJSON_AddStringToObject(out, "source_metadata_writer",
                                e->source_metadata->writer);
    }
    add_content(out, e);
    return out;
}
