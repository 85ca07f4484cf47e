/* SPDX-License-Identifier: Apache-2.0
 * Events as lines of text. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "cli/events.h"
#include "crew.h"
#include "base/banned.h"

/* Characters of a text that are shown. */
#define TEXT_MOST 200

/* The first of it, on one line and harmless to a terminal. */
static void add_plain(struct strbuf *out, const void *text, size_t n)
{
    const unsigned char *s = text;

    for (size_t i = 0; i < n && i < TEXT_MOST; i++) {
        if (s[i] == '\n') {
            strbuf_addstr(out, "\\n");
        } else if (s[i] < 0x20 || s[i] == 0x7f) {
            strbuf_addf(out, "\\x%02x", s[i]);
        } else {
            strbuf_add(out, s + i, 1);
        }
    }
    strbuf_addstr(out, n > TEXT_MOST ? "..." : "");
}

static const char *plugin_of(const Tensorflow__Summary__Value *v)
{
    return v->metadata != NULL && v->metadata->plugin_data != NULL
               ? v->metadata->plugin_data->plugin_name
               : "";
}

const char *event_value_kind(const Tensorflow__Summary__Value *v)
{
    static const struct {
        const char *plugin, *kind;
    } known[] = {{"scalars", "scalar"},
                 {"histograms", "histogram"},
                 {"images", "image"},
                 {"audio", "audio"},
                 {"text", "text"}};

    switch (v->value_case) {
        case TENSORFLOW__SUMMARY__VALUE__VALUE_SIMPLE_VALUE:
            return "scalar";
        case TENSORFLOW__SUMMARY__VALUE__VALUE_HISTO:
            return "histogram";
        case TENSORFLOW__SUMMARY__VALUE__VALUE_IMAGE:
            return "image";
        case TENSORFLOW__SUMMARY__VALUE__VALUE_AUDIO:
            return "audio";
        case TENSORFLOW__SUMMARY__VALUE__VALUE_TENSOR:
            break;
        default:
            return "none";
    }
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(plugin_of(v), known[i].plugin) == 0) {
            return known[i].kind;
        }
    }
    return "tensor";
}

/* ---------------------------------------------- tensors of the newer forms */

static void add_json(struct strbuf *out, const Tensorflow__TensorProto *t)
{
    cJSON *json = event_tensor_to_json(t);
    char *text = json != NULL ? cJSON_PrintUnformatted(json) : NULL;

    strbuf_addstr(out, text != NULL ? text : "a tensor");
    free(text);
    cJSON_Delete(json);
}

/* The float64 rows of a histogram; NULL when they are not there. */
static const uint8_t *rows_of(const Tensorflow__TensorProto *t, size_t *n)
{
    *n = t->tensor_content.len / (3 * sizeof(double));
    return t->dtype == CREW_DOUBLE && *n > 0 ? t->tensor_content.data : NULL;
}

static double number_at(const uint8_t *rows, size_t i)
{
    uint64_t bits = get_le64(rows + i * sizeof bits);
    double x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

static bool add_rows(struct strbuf *out, const Tensorflow__TensorProto *t)
{
    size_t n;
    const uint8_t *rows = rows_of(t, &n);
    double num = 0;

    if (rows == NULL) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        num += number_at(rows, 3 * i + 2);
    }
    strbuf_addf(out, "num %.17g, min %.9g, max %.9g, %zu equal buckets", num,
                number_at(rows, 0), number_at(rows, 3 * n - 2), n);
    return true;
}

/* width, height, then the PNGs. */
static bool add_image_strings(struct strbuf *out,
                              const Tensorflow__TensorProto *t)
{
    if (t->n_string_val < 2) {
        return false;
    }
    add_plain(out, t->string_val[0].data, t->string_val[0].len);
    strbuf_addstr(out, " x ");
    add_plain(out, t->string_val[1].data, t->string_val[1].len);
    strbuf_addf(out, ", %zu of them", t->n_string_val - 2);
    return true;
}

static bool add_texts(struct strbuf *out, const Tensorflow__TensorProto *t)
{
    for (size_t i = 0; i < t->n_string_val; i++) {
        strbuf_addstr(out, i == 0 ? "\"" : ", \"");
        add_plain(out, t->string_val[i].data, t->string_val[i].len);
        strbuf_addstr(out, "\"");
    }
    return t->n_string_val > 0;
}

static bool add_scalar(struct strbuf *out, const Tensorflow__TensorProto *t)
{
    float x;

    if (t->dtype != CREW_FLOAT) {
        return false;
    }
    if (t->n_float_val == 1) {
        x = t->float_val[0];
    } else if (t->tensor_content.len == sizeof x) {
        memcpy(&x, t->tensor_content.data, sizeof x);
    } else {
        return false;
    }
    strbuf_addf(out, "%.9g", (double)x);
    return true;
}

static void add_tensor(struct strbuf *out,
                       const Tensorflow__TensorProto *t,
                       const char *kind)
{
    bool done;

    if (strcmp(kind, "scalar") == 0) {
        done = add_scalar(out, t);
    } else if (strcmp(kind, "histogram") == 0) {
        done = add_rows(out, t);
    } else if (strcmp(kind, "image") == 0) {
        done = add_image_strings(out, t);
    } else if (strcmp(kind, "text") == 0 || t->dtype == CREW_STRING) {
        done = add_texts(out, t);
    } else {
        done = false;
    }
    if (!done) {
        add_json(out, t);
    }
}

char *event_value_text(const Tensorflow__Summary__Value *v, const char *kind)
{
    struct strbuf out;

    strbuf_init(&out);
    switch (v->value_case) {
        case TENSORFLOW__SUMMARY__VALUE__VALUE_SIMPLE_VALUE:
            strbuf_addf(&out, "%.9g", (double)v->simple_value);
            break;
        case TENSORFLOW__SUMMARY__VALUE__VALUE_HISTO:
            strbuf_addf(&out, "num %.17g, min %.9g, max %.9g, %zu buckets",
                        v->histo->num, v->histo->min, v->histo->max,
                        v->histo->n_bucket);
            break;
        case TENSORFLOW__SUMMARY__VALUE__VALUE_IMAGE:
            strbuf_addf(&out, "%d x %d, %d channel%s, %zu bytes",
                        v->image->width, v->image->height, v->image->colorspace,
                        v->image->colorspace == 1 ? "" : "s",
                        v->image->encoded_image_string.len);
            break;
        case TENSORFLOW__SUMMARY__VALUE__VALUE_AUDIO:
            strbuf_addf(&out, "%lld frames at %.9g Hz, %zu bytes",
                        (long long)v->audio->length_frames,
                        (double)v->audio->sample_rate,
                        v->audio->encoded_audio_string.len);
            break;
        case TENSORFLOW__SUMMARY__VALUE__VALUE_TENSOR:
            add_tensor(&out, v->tensor, kind);
            break;
        default:
            break;
    }
    return strbuf_detach(&out);
}

/* ---------------------------------------------------------------- an event */

static void add_value(struct strbuf *out, const Tensorflow__Summary__Value *v)
{
    const char *kind = event_value_kind(v);
    char *text = event_value_text(v, kind);
    bool bare = strcmp(kind, "scalar") == 0 || strcmp(kind, "text") == 0 ||
                text[0] == '"';

    strbuf_addstr(out, " ");
    add_plain(out, v->tag, strlen(v->tag));
    strbuf_addf(out, bare ? "=%s" : "=%s(%s)", bare ? text : kind, text);
    free(text);
}

static void add_graph(struct strbuf *out, ProtobufCBinaryData bytes)
{
    Tensorflow__GraphDef *graph = event_graph(bytes);

    if (graph != NULL) {
        strbuf_addf(out, " %zu nodes,", graph->n_node);
        tensorflow__graph_def__free_unpacked(graph, NULL);
    }
    strbuf_addf(out, " %zu bytes", bytes.len);
}

static void add_session(struct strbuf *out, const Tensorflow__SessionLog *log)
{
    static const char *const status[] = {"unspecified", "START", "STOP",
                                         "CHECKPOINT"};

    strbuf_addf(
        out, " %s ",
        log->status >= 0 && log->status < 4 ? status[log->status] : "?");
    add_plain(out, log->checkpoint_path, strlen(log->checkpoint_path));
    add_plain(out, log->msg, strlen(log->msg));
}

static void add_content(struct strbuf *out, const Tensorflow__Event *e)
{
    switch (e->what_case) {
        case TENSORFLOW__EVENT__WHAT_FILE_VERSION:
            strbuf_addstr(out, " ");
            add_plain(out, e->file_version, strlen(e->file_version));
            break;
        case TENSORFLOW__EVENT__WHAT_GRAPH_DEF:
            add_graph(out, e->graph_def);
            break;
        case TENSORFLOW__EVENT__WHAT_META_GRAPH_DEF:
            strbuf_addf(out, " %zu bytes", e->meta_graph_def.len);
            break;
        case TENSORFLOW__EVENT__WHAT_SESSION_LOG:
            add_session(out, e->session_log);
            break;
        case TENSORFLOW__EVENT__WHAT_LOG_MESSAGE:
            strbuf_addf(out, " %d ", e->log_message->level);
            add_plain(out, e->log_message->message,
                      strlen(e->log_message->message));
            break;
        case TENSORFLOW__EVENT__WHAT_TAGGED_RUN_METADATA:
            strbuf_addstr(out, " ");
            add_plain(out, e->tagged_run_metadata->tag,
                      strlen(e->tagged_run_metadata->tag));
            strbuf_addf(out, " %zu bytes",
                        e->tagged_run_metadata->run_metadata.len);
            break;
        case TENSORFLOW__EVENT__WHAT_SUMMARY:
            for (size_t i = 0; i < e->summary->n_value; i++) {
                add_value(out, e->summary->value[i]);
            }
            break;
        default:
            break;
    }
}

char *event_text(const Tensorflow__Event *e)
{
    struct strbuf out;

    strbuf_init(&out);
    strbuf_addf(&out, "%.6f step %lld %s", e->wall_time, (long long)e->step,
                event_what(e));
    add_content(&out, e);
    return strbuf_detach(&out);
}
