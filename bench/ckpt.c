/* SPDX-License-Identifier: Apache-2.0
 * Rows about writing checkpoints: our writer against write and fdatasync of the
 * same bytes into the same folder. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/env.h"
#include "base/mem.h"
#include "bench.h"
#include "checkpoint/bundle.h"

#include "base/banned.h"

/* Eight tensors of 12.5 MB. */
enum { TENSORS = 8, FLOATS = 3276800, ROUNDS = 7 };

struct job {
    float *values;
    char dir[64];
    struct crew_err err;
};

static double write_plain(struct job *j)
{
    char path[96];
    double from = bench_now();

    (void)snprintf(path, sizeof(path), "%s/plain", j->dir);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    for (int t = 0; t < TENSORS; t++) {
        size_t done = 0, n = FLOATS * sizeof(float);
        while (done < n) {
            ssize_t got = write(fd, (char *)j->values + done, n - done);
            if (got <= 0) {
                crew_err_set(&j->err, CREW_UNAVAILABLE, "cannot write %s",
                             path);
                (void)close(fd);
                return 0;
            }
            done += (size_t)got;
        }
    }
    (void)fdatasync(fd);
    (void)close(fd);
    return bench_now() - from;
}

static double write_bundle(struct job *j)
{
    struct crew_env *env = env_posix();
    struct bundle_writer *w = NULL;
    struct crew_shape shape = crew_shape1(FLOATS);
    struct bundle_sums sums;
    char data[96], index[96], name[16];
    double from = bench_now();

    (void)snprintf(data, sizeof(data), "%s/c.data-00000-of-00001", j->dir);
    (void)snprintf(index, sizeof(index), "%s/c.index", j->dir);
    (void)unlink(data);
    (void)unlink(index);
    from = bench_now();
    if (bundle_writer_open(env, data, index, &w, &j->err) != CREW_OK) {
        return 0;
    }
    for (int t = 0; t < TENSORS && j->err.code == CREW_OK; t++) {
        (void)snprintf(name, sizeof(name), "v%d", t);
        (void)bundle_writer_add(w, name, CREW_FLOAT, &shape, j->values,
                                &j->err);
    }
    if (j->err.code == CREW_OK) {
        (void)bundle_writer_finish(w, &sums, &j->err);
    }
    bundle_writer_free(w);
    return bench_now() - from;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static int ckpt_write(struct bench_result *r, struct crew_err *err)
{
    double plain[ROUNDS], ours[ROUNDS];
    double mb = TENSORS * (double)FLOATS * sizeof(float) / 1e6;
    struct job j = {.dir = "./crew-bench-XXXXXX"};
    struct crew_err ignored = {0};
    void *values = NULL;

    if (mkdtemp(j.dir) == NULL) {
        return crew_err_exit(err, CREW_PERMISSION_DENIED, 73,
                             "cannot make a folder here. Fix: run it where you "
                             "may write");
    }
    if (mem_try(FLOATS, sizeof(float), "values", &values, &j.err) == CREW_OK) {
        j.values = values;
        for (int64_t i = 0; i < FLOATS; i++) {
            j.values[i] = (float)(i % 1000) * 0.001f;
        }
        (void)write_plain(&j);
        (void)write_bundle(&j);
        for (int i = 0; i < ROUNDS && j.err.code == CREW_OK; i++) {
            plain[i] = write_plain(&j);
            ours[i] = write_bundle(&j);
        }
    }
    free(values);
    (void)fs_remove_tree(env_posix(), j.dir, &ignored);
    if (j.err.code != CREW_OK) {
        *err = j.err;
        return err->code;
    }
    qsort(plain, ROUNDS, sizeof(plain[0]), ascending);
    qsort(ours, ROUNDS, sizeof(ours[0]), ascending);
    r->ours = mb / ours[ROUNDS / 2];
    r->limit = mb / plain[ROUNDS / 2];
    r->unit = "MB/s";
    r->goal = 0.8;
    (void)snprintf(r->note, sizeof(r->note),
                   "%.0f MB; the limit is write and fdatasync of as many "
                   "bytes; medians of %d in turn",
                   mb, ROUNDS);
    return CREW_OK;
}

const struct bench_row bench_ckpt_rows[] = {
    {"ckpt-write", "a checkpoint to disk, against write and fdatasync",
     ckpt_write},
    {NULL, NULL, NULL},
};
