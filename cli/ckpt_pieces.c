/* SPDX-License-Identifier: Apache-2.0
 * crew ckpt: what its sub-commands print, and tensors piece by piece. */
#include "cli/ckpt.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/env.h"
#include "base/mem.h"
#include "base/banned.h"

enum { PIECE = 256 * 1024 };

const char *ckpt_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

void ckpt_add_shape(struct strbuf *out, const struct crew_shape *shape)
{
    strbuf_addstr(out, "[");
    for (int i = 0; i < shape->rank; i++) {
        strbuf_addf(out, "%s%lld", i > 0 ? ", " : "", (long long)shape->dim[i]);
    }
    strbuf_addstr(out, "]");
}

void ckpt_add_text(struct strbuf *out, const void *text, size_t n)
{
    const unsigned char *p = text;

    strbuf_addstr(out, "\"");
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '"' || p[i] == '\\') {
            strbuf_addf(out, "\\%c", p[i]);
        } else if (p[i] < 0x20 || p[i] >= 0x7f) {
            strbuf_addf(out, "\\u%04x", p[i]);
        } else {
            strbuf_add(out, &p[i], 1);
        }
    }
    strbuf_addstr(out, "\"");
}

void ckpt_add_head(struct strbuf *out, const struct bundle_tensor *t)
{
    strbuf_addstr(out, "{\"name\": ");
    ckpt_add_text(out, t->name, strlen(t->name));
    strbuf_addf(
        out, ", \"dtype\": \"%s\", \"shape\": ", bundle_dtype_name(t->dtype));
    ckpt_add_shape(out, &t->shape);
}

/* Nothing when there is no such file. */
static void add_file(struct strbuf *out, const char *path, bool first)
{
    struct crew_env *env = env_posix();
    const char *base = ckpt_base_name(path);
    struct crew_err missing = {0};
    struct env_stat st;

    if (env->fs->stat(env->fs, path, &st, &missing) == CREW_OK) {
        strbuf_addstr(out, first ? "{\"file\": " : ", {\"file\": ");
        ckpt_add_text(out, base, strlen(base));
        strbuf_addf(out, ", \"bytes\": %llu}", (unsigned long long)st.size);
    }
}

void ckpt_add_start(struct strbuf *out,
                    const struct bundle_reader *r,
                    const char *prefix)
{
    static const char *const suffixes[] = {"index", "meta"};
    int n = bundle_num_shards(r);

    strbuf_addstr(out, "{\"prefix\": ");
    ckpt_add_text(out, ckpt_base_name(prefix), strlen(ckpt_base_name(prefix)));
    strbuf_addstr(out, ", \"files\": [");
    for (int i = 0; i < n; i++) {
        char *path = xasprintf("%s.data-%05d-of-%05d", prefix, i, n);

        add_file(out, path, i == 0);
        free(path);
    }
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        char *path = xasprintf("%s.%s", prefix, suffixes[i]);

        add_file(out, path, false);
        free(path);
    }
    strbuf_addf(out, "], \"shards\": %d, \"tensors\": [", n);
}

int ckpt_pieces_open(struct bundle_reader *r,
                     const struct bundle_tensor *t,
                     struct ckpt_pieces *out,
                     struct crew_err *err)
{
    struct ckpt_pieces p = {.reader = r, .t = t};

    if (bundle_dtype_size(t->dtype) == 0) {
        return crew_err_set(err, CREW_UNIMPLEMENTED,
                            "%s: dtype %s (%d) cannot be read as numbers",
                            t->name, bundle_dtype_name(t->dtype), t->dtype);
    }
    if (shape_count(&t->shape, &p.n, err) != CREW_OK ||
        bundle_verify_tensor(r, t, err) != CREW_OK ||
        mem_try(PIECE, 1, t->name, &p.data, err) != CREW_OK) {
        return err->code;
    }
    *out = p;
    return CREW_OK;
}

int ckpt_pieces_next(struct ckpt_pieces *p, struct crew_err *err)
{
    int64_t most = (int64_t)(PIECE / bundle_dtype_size(p->t->dtype));
    int64_t left;

    p->first += p->count;
    left = p->n - p->first;
    p->count = left < most ? left : most;
    return p->count == 0 ? CREW_OK
                         : bundle_read_range(p->reader, p->t, p->first,
                                             p->count, p->data, err);
}

void ckpt_pieces_rewind(struct ckpt_pieces *p)
{
    p->first = p->count = 0;
}

void ckpt_pieces_close(struct ckpt_pieces *p)
{
    free(p->data);
    *p = (struct ckpt_pieces){0};
}
