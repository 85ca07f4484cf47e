/* SPDX-License-Identifier: Apache-2.0
 * Fuzzes the files of data that users bring: CSV, idx, .npy as a dataset and
 * for a model. Oracle beyond "no crash": errors have the exit code that is
 * documented; a dataset that is read again from its start gives the same rows
 * and the same end; a .npy file that is taken is written and read as the same.
 *
 * The first byte, modulo the number of `readers`: which of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/fingerprint.h"
#include "base/mem.h"
#include "base/mem_fs.h"
#include "cli/npy.h"
#include "io/dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_ROWS = 1000, MOST_BYTES = 4096 };

/* A file in memory, for those who want one by name. */
struct file {
    int fd;
    char path[40];
};

static void file_open(struct file *f, const uint8_t *data, size_t n)
{
    f->fd = memfd_create("input", 0);
    PRE(f->fd >= 0 && write(f->fd, data, n) == (ssize_t)n);
    (void)snprintf(f->path, sizeof f->path, "/proc/self/fd/%d", f->fd);
}

/* A dataset's rows as a number, and how it ended. */
static uint64_t read_rows(struct crew_dataset *d, struct crew_err *end)
{
    static union {
        uint8_t bytes[MOST_BYTES];
        int64_t aligned;
    } component[DATASET_MAX_COMPONENTS];
    void *out[DATASET_MAX_COMPONENTS];
    uint64_t sum = 1;
    int64_t rows = 0;

    *end = (struct crew_err){0};
    for (int k = 0; k < d->spec.n; k++) {
        PRE(dataset_element_bytes(&d->spec, k) <= MOST_BYTES);
        out[k] = component[k].bytes;
    }
    for (int i = 0;
         i < MOST_ROWS && d->ops->next(d, out, &rows, end) == CREW_OK; i++) {
        INVARIANT(rows == 1);
        for (int k = 0; k < d->spec.n; k++) {
            size_t n = dataset_element_bytes(&d->spec, k);

            sum = sum * 31 + fingerprint64(out[k], n);
        }
    }
    INVARIANT(end->code == CREW_OK || end->code == CREW_OUT_OF_RANGE ||
              end->code == CREW_RESOURCE_EXHAUSTED ||
              crew_err_exit_code(end) == 65);
    return sum;
}

static void read_twice(struct crew_dataset *d)
{
    struct crew_err first = {0}, second = {0}, err = {0};
    uint64_t sum = read_rows(d, &first);

    INVARIANT(d->ops->rewind(d, &err) == CREW_OK);
    INVARIANT(read_rows(d, &second) == sum);
    INVARIANT(strcmp(first.msg, second.msg) == 0);
    dataset_free(d);
}

static void read_csv(const uint8_t *data, size_t n)
{
    static const char *const words[] = {"red", "green", "a \"b\""};
    static const struct crew_csv_column columns[] = {
        {.name = "f", .dtype = CREW_FLOAT, .default_value = 0.5},
        {.name = NULL},
        {.name = "i", .dtype = CREW_INT32, .default_value = 3},
        {.name = "h", .dtype = CREW_STRING, .hash_buckets = 7},
        {.name = "v",
         .dtype = CREW_STRING,
         .vocabulary = words,
         .vocabulary_size = 3},
        {.name = "l", .dtype = CREW_INT64, .is_label = true}};
    struct crew_env *env = env_mem_new(1);
    struct crew_err err = {0};
    struct crew_csv how = {0};

    if (n > 0) {
        how.header = (data[0] & 1) != 0;
        how.delimiter = (data[0] & 2) != 0 ? '\t' : 0;
        data++;
        n--;
    }
    INVARIANT(fs_replace_file(env, "/f", data, n, &err) == CREW_OK);
    read_twice(dataset_csv(env, "/f", columns, COUNT_OF(columns), how));
    env_mem_free(env);
}

static void read_npy_dataset(const uint8_t *data, size_t n)
{
    struct crew_column columns[] = {
        {.name = "x", .dtype = CREW_FLOAT, .shape = crew_shape1(3)},
        {.name = "y", .dtype = CREW_INT32, .is_label = true},
        {.name = "z", .dtype = CREW_INT64, .shape = crew_shape1(3)}};
    struct file f;
    const char *path = f.path;

    file_open(&f, data, n);
    for (size_t i = 0; i < COUNT_OF(columns); i++) {
        read_twice(crew_dataset_npy(&columns[i], &path, 1));
    }
    (void)close(f.fd);
}

/* Half of the input are images, half labels. */
static void read_idx(const uint8_t *data, size_t n)
{
    struct file images, labels;

    file_open(&images, data, n / 2);
    file_open(&labels, data + n / 2, n - n / 2);
    read_twice(crew_dataset_idx(images.path, labels.path, "x", 2, 3));
    (void)close(images.fd);
    (void)close(labels.fd);
}

static void check_same(const struct value *a, const struct value *b)
{
    INVARIANT(a->dtype == b->dtype && a->n == b->n);
    INVARIANT(shape_equal(&a->shape, &b->shape));
    if (a->dtype != CREW_STRING) {
        INVARIANT(a->n == 0 ||
                  memcmp(a->data, b->data,
                         (size_t)a->n * value_element_size(a->dtype)) == 0);
        return;
    }
    for (int64_t i = 0; i < a->n; i++) {
        INVARIANT(a->str[i].n == b->str[i].n);
        INVARIANT(memcmp(a->str[i].data, b->str[i].data, a->str[i].n) == 0);
    }
}

static void read_npy(const uint8_t *data, size_t n)
{
    struct value v = {0}, again = {0};
    struct crew_err err = {0};
    char path[40];
    struct file f;

    file_open(&f, data, n);
    if (npy_read(f.path, &v, &err) != CREW_OK) {
        INVARIANT(err.msg[0] != '\0');
        INVARIANT(crew_err_exit_code(&err) == 65 ||
                  err.code == CREW_RESOURCE_EXHAUSTED ||
                  err.code == CREW_INVALID_ARGUMENT);
        (void)close(f.fd);
        return;
    }
    (void)snprintf(path, sizeof path, "/tmp/fuzz-rows-%d.npy", (int)getpid());
    INVARIANT(npy_write(path, &v, &err) == CREW_OK);
    INVARIANT(npy_read(path, &again, &err) == CREW_OK);
    (void)unlink(path);
    check_same(&v, &again);
    value_release(&v);
    value_release(&again);
    (void)close(f.fd);
}

static void (*const readers[])(const uint8_t *, size_t) = {
    read_csv, read_npy_dataset, read_idx, read_npy};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 65537) {
        return 0;
    }
    mem_limit(4u << 20);
    readers[data[0] % COUNT_OF(readers)](data + 1, size - 1);
    mem_limit(0);
    return 0;
}
