/* SPDX-License-Identifier: Apache-2.0
 * The manifest of a checkpoint. */
#include "checkpoint/manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/strbuf.h"

#include "base/banned.h"

enum { MAX_MANIFEST = 4096, PIECE = 256 * 1024 };

static void print(struct strbuf *b, const struct manifest *m)
{
    strbuf_addf(b,
                "traincrew manifest 1\nstep: %" PRId64 "\nepoch: %" PRIu64
                "\ndata: %" PRIu64 " bytes, crc32c %08" PRIx32
                "\nindex: %" PRIu64 " bytes, crc32c %08" PRIx32 "\n",
                m->step, m->epoch, m->sums.data_bytes, m->sums.data_crc,
                m->sums.index_bytes, m->sums.index_crc);
    strbuf_addf(b, "crc32c: %08" PRIx32 "\n", crc32c(b->data, b->len));
}

int manifest_write(struct crew_env *env,
                   const char *path,
                   const struct manifest *m,
                   struct crew_err *err)
{
    struct strbuf b;

    strbuf_init(&b);
    print(&b, m);
    (void)fs_replace_file(env, path, b.data, b.len, err);
    strbuf_release(&b);
    return err->code;
}

static bool parse(const char *text, size_t n, struct manifest *m)
{
    struct strbuf again;
    bool same;

    if (sscanf(text,
               "traincrew manifest 1 step: %" SCNd64 " epoch: %" SCNu64
               " data: %" SCNu64 " bytes, crc32c %" SCNx32 " index: %" SCNu64
               " bytes, crc32c %" SCNx32,
               &m->step, &m->epoch, &m->sums.data_bytes, &m->sums.data_crc,
               &m->sums.index_bytes, &m->sums.index_crc) != 6) {
        return false;
    }
    /* Printed again it is the same text, its CRC included, or it is damaged. */
    strbuf_init(&again);
    print(&again, m);
    same = again.len == n && memcmp(again.data, text, n) == 0;
    strbuf_release(&again);
    return same;
}

int manifest_read(struct crew_env *env,
                  const char *path,
                  bool *found,
                  struct manifest *out,
                  struct crew_err *err)
{
    struct crew_err missing = {0};
    struct manifest m = {0};
    char *text = NULL;
    size_t n = 0;

    if (fs_read_file(env, path, MAX_MANIFEST, &text, &n, &missing) != CREW_OK) {
        if (missing.code == CREW_NOT_FOUND) {
            *found = false;
        } else {
            *err = missing;
        }
    } else if (parse(text, n, &m)) {
        *found = true;
        *out = m;
    } else {
        crew_err_exit(err, CREW_DATA_LOSS, 65, "%s is damaged", path);
    }
    free(text);
    return err->code;
}

static bool file_fits(struct crew_env *env,
                      const char *path,
                      uint64_t bytes,
                      uint32_t crc)
{
    struct env_fs *fs = env->fs;
    struct crew_err err = {0};
    struct env_file *file = NULL;
    char *piece;
    uint64_t at = 0;
    uint32_t sum = 0;
    size_t got = 1;

    if (fs->open(fs, path, &file, &err) != CREW_OK) {
        return false;
    }
    piece = xmalloc(PIECE);
    while (got > 0 && at <= bytes) {
        if (fs->read(file, at, piece, PIECE, &got, &err) != CREW_OK) {
            break;
        }
        sum = crc32c_extend(sum, piece, got);
        at += got;
    }
    free(piece);
    bool same = err.code == CREW_OK && at == bytes && sum == crc;
    (void)fs->close(file, &err);
    return same;
}

bool manifest_fits(struct crew_env *env,
                   const char *prefix,
                   const struct manifest *m)
{
    char *data = xasprintf("%s.data-00000-of-00001", prefix);
    char *index = xasprintf("%s.index", prefix);
    bool fits = file_fits(env, index, m->sums.index_bytes, m->sums.index_crc) &&
                file_fits(env, data, m->sums.data_bytes, m->sums.data_crc);

    free(index);
    free(data);
    return fits;
}

int manifest_check(struct crew_env *env,
                   const char *prefix,
                   bool *found,
                   struct crew_err *err)
{
    const char *slash = strrchr(prefix, '/');
    int folder = slash == NULL ? 0 : (int)(slash + 1 - prefix);
    char *path =
        xasprintf("%.*s.crew/%s.manifest", folder, prefix, prefix + folder);
    struct manifest m;

    if (manifest_read(env, path, found, &m, err) == CREW_OK && *found &&
        !manifest_fits(env, prefix, &m)) {
        crew_err_exit(err, CREW_DATA_LOSS, 65,
                      "%s is not byte for byte what was saved, says %s", prefix,
                      path);
    }
    free(path);
    return err->code;
}
