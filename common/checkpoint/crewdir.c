/* SPDX-License-Identifier: Apache-2.0
 * Epoch claims and the DONE file. */
#include "checkpoint/crewdir.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#include "base/banned.h"

static char *crew_path(const char *model_dir, const char *name)
{
    return xasprintf("%s/.crew/%s", model_dir, name);
}

int crewdir_make(struct crew_env *env,
                 const char *model_dir,
                 struct crew_err *err)
{
    char *dir = path_join(model_dir, ".crew");

    if (fs_make_dirs(env, dir, err) != CREW_OK) {
        err->exit_code = 73;
        crew_err_wrap(err, "model_dir");
    }
    free(dir);
    return err->code;
}

static void highest(void *self, const char *name)
{
    uint64_t *epoch = self;
    char *end = NULL;

    if (strncmp(name, "epoch-", 6) == 0) {
        uint64_t n = strtoull(name + 6, &end, 10);
        if (*end == '\0' && n > *epoch) {
            *epoch = n;
        }
    }
}

int crewdir_highest_epoch(struct crew_env *env,
                          const char *model_dir,
                          uint64_t *epoch,
                          struct crew_err *err)
{
    char *dir = path_join(model_dir, ".crew");
    uint64_t found = 0;

    if (env->fs->list(env->fs, dir, highest, &found, err) == CREW_OK) {
        *epoch = found;
    }
    free(dir);
    return err->code;
}

/* Make one claim. ALREADY_EXISTS: another process was faster. */
static int claim(struct crew_env *env,
                 const char *path,
                 const char *who,
                 struct crew_err *err)
{
    struct env_file *file = NULL;
    struct crew_err close_err = {0};

    if (env->fs->create(env->fs, path, true, &file, err) != CREW_OK) {
        return err->code;
    }
    if (env->fs->write(file, who, strlen(who), err) == CREW_OK) {
        (void)env->fs->sync(file, err);
    }
    if (env->fs->close(file, &close_err) != CREW_OK && err->code == CREW_OK) {
        *err = close_err;
    }
    return err->code;
}

int crewdir_claim_epoch(struct crew_env *env,
                        const char *model_dir,
                        const char *who,
                        uint64_t *epoch,
                        struct crew_err *err)
{
    for (;;) {
        struct crew_err lost = {0};
        uint64_t n = 0;
        char name[40];
        char *path;
        int code;

        if (crewdir_highest_epoch(env, model_dir, &n, err) != CREW_OK) {
            return err->code;
        }
        n++;
        (void)snprintf(name, sizeof name, "epoch-%020" PRIu64, n);
        path = crew_path(model_dir, name);
        code = claim(env, path, who, &lost);
        free(path);
        if (code == CREW_OK) {
            char *dir = path_join(model_dir, ".crew");

            if (env->fs->sync_dir(env->fs, dir, err) == CREW_OK) {
                *epoch = n;
            }
            free(dir);
            return err->code;
        }
        if (code != CREW_ALREADY_EXISTS) {
            *err = lost;
            err->exit_code = 73;
            return crew_err_wrap(err, "model_dir");
        }
    }
}

int crewdir_write_done(struct crew_env *env,
                       const char *model_dir,
                       int64_t step,
                       const char *reason,
                       struct crew_err *err)
{
    char *path = crew_path(model_dir, "DONE");
    char *text = xasprintf("step: %" PRId64 "\nreason: %s\n", step, reason);

    (void)fs_replace_file(env, path, text, strlen(text), err);
    free(text);
    free(path);
    return err->code;
}

int crewdir_read_done(struct crew_env *env,
                      const char *model_dir,
                      bool *found,
                      struct crewdir_done *done,
                      struct crew_err *err)
{
    char *path = crew_path(model_dir, "DONE");
    struct crew_err missing = {0};
    char *text = NULL;
    size_t n = 0;

    if (fs_read_file(env, path, 4096, &text, &n, &missing) == CREW_OK) {
        struct crewdir_done read = {0};

        if (sscanf(text, "step: %" SCNd64 "\nreason: %255[^\n]", &read.step,
                   read.reason) < 1) {
            crew_err_exit(err, CREW_DATA_LOSS, 65,
                          "%s: cannot be read. Fix: remove it to train on",
                          path);
        } else {
            *done = read;
            *found = true;
        }
    } else if (missing.code == CREW_NOT_FOUND) {
        *found = false;
    } else {
        *err = missing;
    }
    free(text);
    free(path);
    return err->code;
}

int crewdir_remove_done(struct crew_env *env,
                        const char *model_dir,
                        struct crew_err *err)
{
    char *path = crew_path(model_dir, "DONE");
    struct crew_err missing = {0};

    if (env->fs->unlink(env->fs, path, &missing) != CREW_OK &&
        missing.code != CREW_NOT_FOUND) {
        *err = missing;
    }
    free(path);
    return err->code;
}
