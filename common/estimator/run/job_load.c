/* SPDX-License-Identifier: Apache-2.0
 * dlopen, and everything that can be wrong with what was opened. */
#include "estimator/run/job_load.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/banned.h"

int job_check(const struct crew_job *job,
              const char *where,
              bool needs_configure,
              struct crew_err *err)
{
    if (job == NULL) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "%s: crew_job_entry() returned NULL", where);
    }
    if (job->abi_version != CREW_ABI_VERSION) {
        return crew_err_exit(
            err, CREW_FAILED_PRECONDITION, 78,
            "%s: built against crew.h of ABI %u, this is Traincrew %s with ABI "
            "%d; build the job again",
            where, job->abi_version, crew_version(), CREW_ABI_VERSION);
    }
    if (job->name == NULL || job->model_fn == NULL ||
        (needs_configure && job->configure == NULL)) {
        return crew_err_exit(
            err, CREW_INVALID_ARGUMENT, 64, "%s: its struct crew_job has no %s",
            where,
            job->name == NULL
                ? "name"
                : (job->model_fn == NULL ? "model_fn" : "configure"));
    }
    return CREW_OK;
}

static int check_file(const char *path, struct crew_err *err)
{
    struct stat st;

    if (stat(path, &st) != 0) {
        return crew_err_exit(err, CREW_NOT_FOUND, 66,
                             "--job %s: %s; give the path of the job's .so",
                             path, strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "--job %s: not a file", path);
    }
    return CREW_OK;
}

int job_load(const char *path,
             const struct crew_job **out,
             struct crew_err *err)
{
    /* dlopen looks a name without a slash up in the library path. */
    char *file =
        strchr(path, '/') != NULL ? xstrdup(path) : xasprintf("./%s", path);
    const struct crew_job *(*entry)(void);
    void *library;

    if (check_file(path, err) != CREW_OK) {
        goto out;
    }
    library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        (void)crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                            "--job %s: cannot be loaded: %s", path, dlerror());
        goto out;
    }
    /* POSIX lets a void pointer from dlsym become a function pointer; C's way
     * to say so is a copy. */
    void *symbol = dlsym(library, "crew_job_entry");

    if (symbol == NULL) {
        (void)crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                            "--job %s: no job in it: put CREW_JOB(job); into "
                            "its source",
                            path);
        goto out;
    }
    memcpy(&entry, &symbol, sizeof entry);

    const struct crew_job *job = entry();

    if (job_check(job, path, true, err) == CREW_OK) {
        *out = job;
    }
out:
    free(file);
    return err->code;
}
