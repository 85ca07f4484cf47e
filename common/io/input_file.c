/* SPDX-License-Identifier: Apache-2.0
 * Files of input, over the window that TFRecord files are read through. */
#include "io/input_file.h"

#include <inttypes.h>
#include <string.h>

#include "io/tfrecord_source.h"

#include "base/banned.h"

int input_file_open(struct input_file *f,
                    struct crew_env *env,
                    const char *path,
                    const char *fix,
                    struct crew_err *err)
{
    enum tfrecord_compression kind = TFRECORD_NONE;
    struct tfrecord_source *s = &f->source;
    struct crew_err why = {0}, ignored = {0};

    *f = (struct input_file){.path = path, .source = {.fs = env->fs}};
    if (s->fs->open(s->fs, path, &s->file, &why) != CREW_OK) {
        return why.code == CREW_NOT_FOUND
                   ? crew_err_exit(err, CREW_NOT_FOUND, 66, "%s. Fix: %s",
                                   why.msg, fix)
                   : (*err = why).code;
    }
    if (tfrecord_sniff(s->fs, s->file, &kind, err) == CREW_OK &&
        tfrecord_source_begin(s, kind == TFRECORD_GZIP ? kind : TFRECORD_NONE,
                              err) == CREW_OK) {
        return CREW_OK;
    }
    (void)s->fs->close(s->file, &ignored);
    return crew_err_wrap(err, "byte 0");
}

void input_file_close(struct input_file *f)
{
    struct crew_err ignored = {0};

    tfrecord_source_release(&f->source);
    (void)f->source.fs->close(f->source.file, &ignored);
}

bool input_file_may_hold(const struct input_file *f, uint64_t bytes)
{
    const struct tfrecord_source *s = &f->source;
    struct env_stat st = {0};
    struct crew_err ignored = {0};
    uint64_t most = s->zipped != NULL ? 1032 : 1;

    return s->fs->stat(s->fs, f->path, &st, &ignored) != CREW_OK ||
           st.size == 0 || bytes / most <= st.size;
}

/* Some bytes in the window, up to `most`; 0 at the end. */
static int fill(struct input_file *f,
                size_t most,
                size_t *held,
                struct crew_err *err)
{
    struct tfrecord_source *s = &f->source;

    if (tfrecord_source_need(s, most < TFRECORD_WINDOW ? most : TFRECORD_WINDOW,
                             err) != CREW_OK) {
        /* What the file system says names the path already. */
        return err->code == CREW_DATA_LOSS
                   ? crew_err_wrap(err, "%s: corrupt, byte %" PRIu64, f->path,
                                   f->at)
                   : crew_err_wrap(err, "byte %" PRIu64, f->at);
    }
    *held = s->end - s->begin;
    return CREW_OK;
}

static int truncated(const struct input_file *f, struct crew_err *err)
{
    return crew_err_exit(err, CREW_DATA_LOSS, 65,
                         "%s: truncated at byte %" PRIu64
                         ". Fix: get the file anew",
                         f->path, f->at);
}

int input_file_read(struct input_file *f,
                    void *to,
                    size_t n,
                    struct crew_err *err)
{
    while (n > 0) {
        size_t held = 0;

        if (fill(f, n, &held, err) != CREW_OK) {
            return err->code;
        }
        if (held == 0) {
            return truncated(f, err);
        }
        held = held < n ? held : n;
        memcpy(to, f->source.window + f->source.begin, held);
        f->source.begin += held;
        f->at += held;
        to = (char *)to + held;
        n -= held;
    }
    return CREW_OK;
}

int input_file_end(struct input_file *f, struct crew_err *err)
{
    size_t held = 0;

    if (fill(f, 1, &held, err) != CREW_OK) {
        return err->code;
    }
    if (tfrecord_source_unfinished(&f->source)) {
        return truncated(f, err);
    }
    return held == 0 ? CREW_OK
                     : crew_err_exit(err, CREW_DATA_LOSS, 65,
                                     "%s: more bytes than its header announces "
                                     "(%" PRIu64 "). Fix: get the file anew",
                                     f->path, f->at);
}
