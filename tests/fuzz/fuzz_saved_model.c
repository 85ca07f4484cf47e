/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes the loader and the executor of SavedModels: the input is a
 * saved_model.pb; its init op and every signature are run on feeds of one
 * element. Oracle beyond "no crash": an error has a text and an exit code that
 * is documented. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/mem_fs.h"
#include "base/strbuf.h"
#include "kernels/blas.h"
#include "serving/model.h"
#include "serving/show.h"
#include "tensor/tensor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_INPUTS = 8, MOST_OUTPUTS = 400 };

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
    INVARIANT(exit_code >= 1 && exit_code <= 143);
}

/* Unknown dimensions are 1. */
static bool make_feed(const Tensorflow__TensorInfo *info, struct value *v)
{
    struct crew_shape shape;
    struct crew_err err = {0};

    if (value_shape_from_proto(info->tensor_shape, &shape, &err) != CREW_OK) {
        return false;
    }
    for (int i = 0; i < shape.rank; i++) {
        shape.dim[i] = shape.dim[i] < 0 ? 1 : shape.dim[i];
    }
    return value_new(v, info->dtype, &shape, &err) == CREW_OK;
}

static void run_signature(struct serving_model *m,
                          const Tensorflow__SignatureDef *s)
{
    struct serving_feed feeds[MOST_INPUTS];
    const char *fetches[MOST_OUTPUTS];
    struct value out[MOST_OUTPUTS];
    struct crew_err err = {0};
    int n_feeds = 0, n = 0;

    for (size_t i = 0; i < s->n_inputs && n_feeds < MOST_INPUTS; i++) {
        const Tensorflow__TensorInfo *info = s->inputs[i]->value;

        if (info != NULL &&
            info->encoding_case == TENSORFLOW__TENSOR_INFO__ENCODING_NAME &&
            make_feed(info, &feeds[n_feeds].value)) {
            feeds[n_feeds++].tensor = info->name;
        }
    }
    for (size_t i = 0; i < s->n_outputs && n < MOST_OUTPUTS; i++) {
        const Tensorflow__TensorInfo *info = s->outputs[i]->value;

        if (info != NULL &&
            info->encoding_case == TENSORFLOW__TENSOR_INFO__ENCODING_NAME) {
            fetches[n++] = info->name;
        }
    }
    if (serving_run(m, feeds, n_feeds, fetches, n, out, &err) != CREW_OK) {
        check(&err);
    } else {
        for (int i = 0; i < n; i++) {
            value_release(&out[i]);
        }
    }
    for (int i = 0; i < n_feeds; i++) {
        value_release(&feeds[i].value);
    }
}

static void run_all(struct serving_model *m)
{
    const Tensorflow__MetaGraphDef *meta = serving_meta_graph(m);

    for (size_t i = 0; i < meta->n_signature_def; i++) {
        if (meta->signature_def[i]->value != NULL) {
            run_signature(m, meta->signature_def[i]->value);
        }
    }
}

static void show(struct crew_env *env)
{
    Tensorflow__SavedModel *message = NULL;
    struct crew_err err = {0};
    struct strbuf text;

    strbuf_init(&text);
    if (saved_model_load(env, "/m", &message, &err) == CREW_OK) {
        show_tag_sets(message, &text);
        show_all(message, &text);
        tensorflow__saved_model__free_unpacked(message, NULL);
    } else {
        check(&err);
    }
    strbuf_release(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char words[] = "red 4\ngreen\t5 6\nblue 7";
    struct crew_env *env = env_mem_new(1);
    struct serving_model *m = NULL;
    struct crew_err err = {0};

    INVARIANT(blas_load(&err) == CREW_OK);
    mem_limit(4u << 20);
    INVARIANT(fs_make_dirs(env, "/m/assets", &err) == CREW_OK);
    put(env, "/m/assets/columns.txt", words, sizeof words - 1);
    put(env, "/m/saved_model.pb", data, size);
    show(env);
    if (serving_model_open(env, "/m", &m, &err) == CREW_OK) {
        run_all(m);
        serving_model_close(m);
    } else {
        check(&err);
    }
    env_mem_free(env);
    mem_limit(0);
    return 0;
}
