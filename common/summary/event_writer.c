/* SPDX-License-Identifier: Apache-2.0
 * Events of each kind; event_file.c brings them to the disk. */
#include "summary/event_writer.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "io/varint.h"

#include "base/banned.h"

struct event_writer {
    struct event_file *file;
};

int event_writer_open(struct crew_env *env,
                      const char *dir,
                      struct event_notice notice,
                      struct event_writer **out,
                      struct crew_err *err)
{
    struct event_file *file = NULL;
    struct event_writer *w;

    if (event_file_open(env, dir, notice, &file, err) != CREW_OK) {
        return err->code;
    }
    w = xcalloc(1, sizeof *w);
    w->file = file;
    *out = w;
    return CREW_OK;
}

void event_writer_start(struct event_writer *w)
{
    event_file_start(w->file);
}

void event_writer_sync(struct event_writer *w)
{
    event_file_sync(w->file);
}

void event_writer_close(struct event_writer *w)
{
    if (w != NULL) {
        event_file_close(w->file);
        free(w);
    }
}

void event_write_summary(struct event_writer *w,
                         int64_t step,
                         struct event_summary *summary)
{
    Tensorflow__Event event = TENSORFLOW__EVENT__INIT;

    event.step = step;
    event.what_case = TENSORFLOW__EVENT__WHAT_SUMMARY;
    event.summary = event_summary_message(summary);
    event_file_add(w->file, &event);
}

void event_write_scalar(struct event_writer *w,
                        int64_t step,
                        const char *tag,
                        float value)
{
    struct event_summary *summary = event_summary_new();

    event_add_scalar(summary, tag, value);
    event_write_summary(w, step, summary);
    event_summary_free(summary);
}

void event_write_session(struct event_writer *w,
                         int64_t step,
                         enum event_session status,
                         const char *checkpoint_path)
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
    event_file_add(w->file, &event);
}

static ProtobufCBinaryData bytes(const void *data, size_t n)
{
    return (ProtobufCBinaryData){n, (uint8_t *)(uintptr_t)data};
}

void event_write_graph(struct event_writer *w, const void *graph_def, size_t n)
{
    Tensorflow__Event event = TENSORFLOW__EVENT__INIT;
    struct strbuf meta;

    event.what_case = TENSORFLOW__EVENT__WHAT_GRAPH_DEF;
    event.graph_def = bytes(graph_def, n);
    event_file_add(w->file, &event);

    /* MetaGraphDef { graph_def = 2 }, without unpacking it again. */
    strbuf_init(&meta);
    varint_put(&meta, 2 << 3 | 2);
    varint_put(&meta, n);
    strbuf_add(&meta, graph_def, n);
    event.what_case = TENSORFLOW__EVENT__WHAT_META_GRAPH_DEF;
    event.meta_graph_def = bytes(meta.data, meta.len);
    event_file_add(w->file, &event);
    strbuf_release(&meta);
}

void event_write_run_metadata(struct event_writer *w,
                              int64_t step,
                              const char *tag,
                              const void *run_metadata,
                              size_t n)
{
    Tensorflow__Event event = TENSORFLOW__EVENT__INIT;
    Tensorflow__TaggedRunMetadata tagged =
        TENSORFLOW__TAGGED_RUN_METADATA__INIT;

    tagged.tag = (char *)(uintptr_t)tag;
    tagged.run_metadata = bytes(run_metadata, n);
    event.step = step;
    event.what_case = TENSORFLOW__EVENT__WHAT_TAGGED_RUN_METADATA;
    event.tagged_run_metadata = &tagged;
    event_file_add(w->file, &event);
}

void event_write_log(struct event_writer *w,
                     int64_t step,
                     int level,
                     const char *message)
{
    Tensorflow__Event event = TENSORFLOW__EVENT__INIT;
    Tensorflow__LogMessage log = TENSORFLOW__LOG_MESSAGE__INIT;

    log.level = (int32_t)level;
    log.message = (char *)(uintptr_t)message;
    event.step = step;
    event.what_case = TENSORFLOW__EVENT__WHAT_LOG_MESSAGE;
    event.log_message = &log;
    event_file_add(w->file, &event);
}
