/* SPDX-License-Identifier: Apache-2.0
 * Event files. An event is packed, framed and written in one go. */
#include "summary/event_writer.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/mem.h"
#include "io/tfrecord.h"
#include "proto/tensorflow.pb-c.h"

#include "base/banned.h"

#define FILE_VERSION "brain.Event:2"

struct event_writer {
    struct crew_env *env;
    struct env_file *file;
    char *path;
    struct strbuf frame, packed;
    bool broken; /* a write has failed and was reported */
};

static int write_event(struct event_writer *w,
                       Tensorflow__Event *event,
                       struct crew_err *err)
{
    size_t n;

    if (w->broken) {
        return CREW_OK;
    }
    event->wall_time = w->env->wall_time(w->env);
    n = protobuf_c_message_get_packed_size(&event->base);
    strbuf_reset(&w->packed);
    strbuf_reset(&w->frame);
    if (w->packed.cap <= n) { /* room for n: pack in place */
        char *room = xcalloc(1, n);
        strbuf_add(&w->packed, room, n);
        free(room);
    }
    w->packed.len =
        protobuf_c_message_pack(&event->base, (uint8_t *)w->packed.data);
    tfrecord_frame(&w->frame, w->packed.data, w->packed.len);
    if (w->env->fs->write(w->file, w->frame.data, w->frame.len, err) !=
        CREW_OK) {
        w->broken = true;
        return crew_err_wrap(err, "no more events are written");
    }
    return CREW_OK;
}

static char *file_path(struct crew_env *env, const char *dir)
{
    static atomic_int count;
    char host[256] = "localhost";

    (void)gethostname(host, sizeof host - 1);
    return xasprintf("%s/events.out.tfevents.%010lld.%s.%ld.%d", dir,
                     (long long)env->wall_time(env), host, (long)getpid(),
                     atomic_fetch_add(&count, 1));
}

int event_writer_open(struct crew_env *env,
                      const char *dir,
                      struct event_writer **out,
                      struct crew_err *err)
{
    Tensorflow__Event event = TENSORFLOW__EVENT__INIT;
    Tensorflow__SourceMetadata source = TENSORFLOW__SOURCE_METADATA__INIT;
    struct event_writer *w;
    struct env_file *file = NULL;
    char *path = NULL;

    if (fs_make_dirs(env, dir, err) != CREW_OK) {
        return err->code;
    }
    path = file_path(env, dir);
    if (env->fs->create(env->fs, path, true, &file, err) != CREW_OK) {
        free(path);
        return err->code;
    }
    w = xcalloc(1, sizeof *w);
    w->env = env;
    w->file = file;
    w->path = path;
    strbuf_init(&w->frame);
    strbuf_init(&w->packed);
    source.writer = (char *)"traincrew.common.summary.event_writer";
    event.source_metadata = &source;
    event.what_case = TENSORFLOW__EVENT__WHAT_FILE_VERSION;
    event.file_version = (char *)FILE_VERSION;
    if (write_event(w, &event, err) != CREW_OK) {
        event_writer_close(w);
        return err->code;
    }
    *out = w;
    return CREW_OK;
}

void event_writer_close(struct event_writer *w)
{
    struct crew_err ignored = {0};

    if (w == NULL) {
        return;
    }
    (void)w->env->fs->sync(w->file, &ignored);
    (void)w->env->fs->close(w->file, &ignored);
    strbuf_release(&w->frame);
    strbuf_release(&w->packed);
    free(w->path);
    free(w);
}

static int write_summary(struct event_writer *w,
                         int64_t step,
                         Tensorflow__Summary *summary,
                         struct crew_err *err)
{
    Tensorflow__Event event = TENSORFLOW__EVENT__INIT;

    event.step = step;
    event.what_case = TENSORFLOW__EVENT__WHAT_SUMMARY;
    event.summary = summary;
    return write_event(w, &event, err);
}

int event_scalars(struct event_writer *w,
                  int64_t step,
                  const struct event_scalar *scalars,
                  int n,
                  struct crew_err *err)
{
    Tensorflow__Summary summary = TENSORFLOW__SUMMARY__INIT;
    Tensorflow__Summary__Value *values = xcalloc((size_t)n, sizeof *values);
    Tensorflow__Summary__Value **list = xcalloc((size_t)n, sizeof *list);

    for (int i = 0; i < n; i++) {
        tensorflow__summary__value__init(&values[i]);
        values[i].tag = (char *)scalars[i].tag;
        values[i].value_case = TENSORFLOW__SUMMARY__VALUE__VALUE_SIMPLE_VALUE;
        values[i].simple_value = scalars[i].value;
        list[i] = &values[i];
    }
    summary.n_value = (size_t)n;
    summary.value = list;
    (void)write_summary(w, step, &summary, err);
    free(list);
    free(values);
    return err->code;
}

int event_text(struct event_writer *w,
               int64_t step,
               const char *tag,
               const char *text,
               struct crew_err *err)
{
    Tensorflow__Summary summary = TENSORFLOW__SUMMARY__INIT;
    Tensorflow__Summary__Value value = TENSORFLOW__SUMMARY__VALUE__INIT;
    Tensorflow__Summary__Value *list[] = {&value};
    Tensorflow__TensorProto tensor = TENSORFLOW__TENSOR_PROTO__INIT;
    Tensorflow__TensorShapeProto shape = TENSORFLOW__TENSOR_SHAPE_PROTO__INIT;
    ProtobufCBinaryData string = {strlen(text), (uint8_t *)(uintptr_t)text};

    tensor.dtype = CREW_STRING;
    tensor.tensor_shape = &shape;
    tensor.n_string_val = 1;
    tensor.string_val = &string;
    value.tag = (char *)(uintptr_t)tag;
    value.value_case = TENSORFLOW__SUMMARY__VALUE__VALUE_TENSOR;
    value.tensor = &tensor;
    summary.n_value = 1;
    summary.value = list;
    return write_summary(w, step, &summary, err);
}

int event_session_log(struct event_writer *w,
                      int64_t step,
                      enum event_session status,
                      const char *checkpoint_path,
                      struct crew_err *err)
{
    Tensorflow__Event event = TENSORFLOW__EVENT__INIT;
    Tensorflow__SessionLog log = TENSORFLOW__SESSION_LOG__INIT;

    log.status = (int32_t)status;
    if (checkpoint_path != NULL) {
        log.checkpoint_path = (char *)(uintptr_t)checkpoint_path;
    }
    event.step = step;
    event.what_case = TENSORFLOW__EVENT__WHAT_SESSION_LOG;
    event.session_log = &log;
    return write_event(w, &event, err);
}

int event_graph(struct event_writer *w,
                const uint8_t *graph_def,
                size_t n,
                struct crew_err *err)
{
    Tensorflow__Event event = TENSORFLOW__EVENT__INIT;

    event.what_case = TENSORFLOW__EVENT__WHAT_GRAPH_DEF;
    event.graph_def.data = (uint8_t *)(uintptr_t)graph_def;
    event.graph_def.len = n;
    return write_event(w, &event, err);
}
