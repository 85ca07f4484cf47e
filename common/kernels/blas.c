/* SPDX-License-Identifier: Apache-2.0
 *
 * Loads OpenBLAS with a core type of our choice.
 *
 * OpenBLAS reads OPENBLAS_CORETYPE and OPENBLAS_NUM_THREADS once, in a
 * constructor, so both are set (over whatever stands there) just before dlopen.
 * 0.3.21 knows no names younger than SkylakeX: asked for Cooperlake or
 * SapphireRapids it answers "Core not found" and guesses. SkylakeX's kernels
 * need AVX-512 F, CD, BW, DQ and VL and nothing else, on Intel and on AMD.
 * Whether OpenBLAS took our advice is asked afterwards and told in
 * blas_description(). */
#include "kernels/blas.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "kernels/blas_calls.h"

#include "base/banned.h"

#define LIBRARY "libopenblas.so.0"
#define FIX "Fix: apt-get install libopenblas0-pthread"

/* The loaded library: set once before threads start, read only after. */
static struct {
    bool loaded;
    struct blas_calls calls;
    char description[128];
} blas = {.description = "none"};

const char *blas_choose_coretype(bool avx512, bool avx2_fma, bool avx)
{
    if (avx512) {
        return "SkylakeX";
    }
    if (avx2_fma) {
        return "Haswell";
    }
    return avx ? "Sandybridge" : "Nehalem";
}

/* NULL where the name is none of ours to choose (another architecture). */
static const char *coretype(void)
{
    const char *forced = getenv("CREW_BLAS_CORETYPE");
    if (forced != NULL && forced[0] != '\0') {
        return forced;
    }
#ifdef __x86_64__
    __builtin_cpu_init();
    bool avx512 = __builtin_cpu_supports("avx512f") &&
                  __builtin_cpu_supports("avx512cd") &&
                  __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    return blas_choose_coretype(avx512, avx2, __builtin_cpu_supports("avx"));
#else
    return NULL;
#endif
}

/* dlsym's void * into a function pointer, which C has no cast for. */
static int find(void *library,
                const char *name,
                void *out,
                struct crew_err *err)
{
    void *symbol = dlsym(library, name);
    if (symbol == NULL) {
        return crew_err_exit(err, CREW_FAILED_PRECONDITION, 78,
                             LIBRARY
                             " has no function %s, so it is not "
                             "OpenBLAS. " FIX,
                             name);
    }
    memcpy(out, &symbol, sizeof(symbol));
    return CREW_OK;
}

static void describe(const char *asked, const char *config, const char *core)
{
    /* "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH ...": the first two words. */
    size_t n = strcspn(config, " ");
    if (config[n] == ' ') {
        n += 1 + strcspn(config + n + 1, " ");
    }
    bool obeyed = asked == NULL || strcasecmp(asked, core) == 0;
    snprintf(blas.description, sizeof(blas.description),
             "%.*s core %s%s%s%s, 1 thread", (int)(n < 40 ? n : 40), config,
             core, obeyed ? "" : " (asked for ", obeyed ? "" : asked,
             obeyed ? "" : ")");
}

static int bind_library(void *library, const char *asked, struct crew_err *err)
{
    struct blas_calls calls;
    void (*set_threads)(int) = NULL;
    char *(*config)(void) = NULL;
    char *(*core)(void) = NULL;
    int rc = find(library, "cblas_sgemm", &calls.sgemm, err);
    rc = rc ? rc : find(library, "cblas_sgemv", &calls.sgemv, err);
    rc = rc ? rc : find(library, "openblas_set_num_threads", &set_threads, err);
    rc = rc ? rc : find(library, "openblas_get_config", &config, err);
    rc = rc ? rc : find(library, "openblas_get_corename", &core, err);
    if (rc != CREW_OK) {
        return rc;
    }
    set_threads(1);
    describe(asked, config(), core());
    blas.calls = calls;
    blas.loaded = true;
    return CREW_OK;
}

int blas_load(struct crew_err *err)
{
    if (blas.loaded) {
        return CREW_OK;
    }
    const char *asked = coretype();
    if (asked != NULL) {
        setenv("OPENBLAS_CORETYPE", asked, 1);
    }
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    /* A cache size somebody set for another machine halves the speed too. */
    unsetenv("OPENBLAS_L2_SIZE");
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        return crew_err_exit(err, CREW_FAILED_PRECONDITION, 78,
                             "cannot load OpenBLAS: %s. " FIX, dlerror());
    }
    int rc = bind_library(library, asked, err);
    if (rc != CREW_OK) {
        dlclose(library);
    }
    return rc;
}

const char *blas_description(void)
{
    return blas.description;
}

const struct blas_calls *blas_calls(void)
{
    return blas.loaded ? &blas.calls : NULL;
}
