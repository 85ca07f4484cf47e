/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes the reader of checkpoints: the input is two bytes of the index's
 * length, the index, and the data. Every tensor is read. Oracle beyond "no
 * crash": errors are those the reader documents. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/mem_fs.h"
#include "checkpoint/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(struct crew_env *env,
                const char *path,
                const void *data,
                size_t n)
{
    struct env_file *f = NULL;
    struct crew_err err = {0};

    INVARIANT(env->fs->create(env->fs, path, false, &f, &err) == CREW_OK);
    INVARIANT(env->fs->write(f, data, n, &err) == CREW_OK);
    INVARIANT(env->fs->close(f, &err) == CREW_OK);
}

static void check(const struct crew_err *err)
{
    int exit_code = crew_err_exit_code(err);

    INVARIANT(err->msg[0] != '\0');
    INVARIANT(exit_code == 65 || exit_code == 66 ||
              err->code == CREW_RESOURCE_EXHAUSTED ||
              err->code == CREW_UNIMPLEMENTED ||
              err->code == CREW_INVALID_ARGUMENT);
}

static void read_one(struct bundle_reader *r, const struct bundle_tensor *t)
{
    struct bundle_strings strings = {0};
    struct crew_err err = {0};
    void *to = NULL;

    if (bundle_dtype_size(t->dtype) == 0) {
        if (bundle_read_strings(r, t, &strings, &err) == CREW_OK) {
            bundle_strings_release(&strings);
        } else {
            check(&err);
        }
        return;
    }
    if (mem_try(t->nbytes, 1, "a tensor", &to, &err) == CREW_OK &&
        bundle_read(r, t, to, &err) != CREW_OK) {
        check(&err);
    }
    free(to);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct crew_env *env;
    struct bundle_reader *r = NULL;
    struct crew_err err = {0};
    size_t n;

    if (size < 2) {
        return 0;
    }
    n = (size_t)data[0] | (size_t)data[1] << 8;
    n = n > size - 2 ? size - 2 : n;
    env = env_mem_new(1);
    mem_limit(4u << 20);
    INVARIANT(env->fs->mkdir(env->fs, "/m", &err) == CREW_OK);
    put(env, "/m/c.index", data + 2, n);
    put(env, "/m/c.data-00000-of-00001", data + 2 + n, size - 2 - n);
    if (bundle_reader_open(env, "/m/c", &r, &err) == CREW_OK) {
        for (int i = 0; i < bundle_num_tensors(r); i++) {
            read_one(r, bundle_tensor(r, i));
        }
        bundle_reader_free(r);
    } else {
        check(&err);
    }
    env_mem_free(env);
    mem_limit(0);
    return 0;
}
