/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes the reader of the text file `checkpoint` and that of our manifests,
 * and with both the choice of the checkpoint to start from. Oracle beyond "no
 * crash": what is read is written again and read as the same; nothing is ever
 * taken for a checkpoint where there is none.
 *
 * The first byte: bit 0, a manifest, else `checkpoint`; bit 1, the manifest
 * gets a right last line. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/mem_fs.h"
#include "base/strbuf.h"
#include "checkpoint/manifest.h"
#include "checkpoint/save.h"
#include "checkpoint/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(struct crew_env *env, const char *path, const void *p, size_t n)
{
    struct crew_err err = {0};

    INVARIANT(fs_replace_file(env, path, p, n, &err) == CREW_OK);
}

/* A time that is not a number is none that is the same again. */
static bool same_time(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static void check_same(const struct ckpt_state *a, const struct ckpt_state *b)
{
    INVARIANT(a->newest != NULL && b->newest != NULL);
    INVARIANT(strcmp(a->newest, b->newest) == 0 && a->n == b->n);
    for (int i = 0; i < a->n; i++) {
        INVARIANT(strcmp(a->all[i].path, b->all[i].path) == 0);
        INVARIANT(same_time(a->all[i].timestamp, b->all[i].timestamp));
    }
    INVARIANT(same_time(a->last_preserved, b->last_preserved));
}

static void read_state(struct crew_env *env, const uint8_t *data, size_t n)
{
    struct ckpt_state s = {0}, again = {0};
    struct crew_err err = {0};
    char *prefix = NULL;
    int64_t step = 0;

    put(env, "/m/checkpoint", data, n);
    INVARIANT(state_read(env, "/m", &s, &err) == CREW_OK);
    INVARIANT(!s.damaged || s.newest == NULL);
    INVARIANT(ckpt_named(env, "/m") == NULL);
    /* There are no checkpoints: whatever names one is an error. */
    INVARIANT(ckpt_latest(env, "/m", &prefix, &step, &err) != CREW_OK ||
              (prefix == NULL && step == -1 && s.newest == NULL));
    err = (struct crew_err){0};
    if (s.newest != NULL) {
        INVARIANT(state_write(env, "/m", &s, &err) == CREW_OK);
        INVARIANT(state_read(env, "/m", &again, &err) == CREW_OK);
        check_same(&s, &again);
    }
    state_release(&s);
    state_release(&again);
}

static void read_manifest(struct crew_env *env, const void *data, size_t n)
{
    struct manifest m = {0}, again = {0};
    struct crew_err err = {0};
    bool found = true;

    put(env, "/m/manifest", data, n);
    if (manifest_read(env, "/m/manifest", &found, &m, &err) != CREW_OK) {
        INVARIANT(err.msg[0] != '\0');
        INVARIANT(crew_err_exit_code(&err) == 65 ||
                  err.code == CREW_RESOURCE_EXHAUSTED);
        return;
    }
    INVARIANT(found && !manifest_fits(env, "/m/nothing", &m));
    INVARIANT(manifest_write(env, "/m/manifest", &m, &err) == CREW_OK);
    INVARIANT(manifest_read(env, "/m/manifest", &found, &again, &err) ==
              CREW_OK);
    INVARIANT(memcmp(&m, &again, sizeof m) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct crew_env *env;
    struct crew_err err = {0};
    struct strbuf text;

    if (size < 1 || size > 65537) {
        return 0;
    }
    env = env_mem_new(1);
    INVARIANT(fs_make_dirs(env, "/m", &err) == CREW_OK);
    strbuf_init(&text);
    strbuf_add(&text, data + 1, size - 1);
    if ((data[0] & 1) == 0) {
        read_state(env, data + 1, size - 1);
    } else {
        if ((data[0] & 2) != 0) {
            strbuf_addf(&text, "crc32c: %08x\n", crc32c(text.data, text.len));
        }
        read_manifest(env, text.data, text.len);
    }
    strbuf_release(&text);
    env_mem_free(env);
    return 0;
}
