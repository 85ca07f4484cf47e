/* SPDX-License-Identifier: Apache-2.0
 *
 * Images and labels in MNIST's idx format, plain or gzipped. The files are
 * opened and held as bytes (47 MB for 60,000 images) when the first element is
 * asked for; a pixel becomes float(p) / 255 when it is copied into a batch.
 *
 * Format: 0 0 type rank, then rank big-endian 32-bit sizes, then the data; type
 * 8 is unsigned bytes. Images are rank 3 (0x00000803), labels rank 1
 * (0x00000801).
 *
 * Failure modes: a missing file is NOT_FOUND (exit 66); a wrong magic number or
 * shape, a short file, a bad gzip CRC, bytes after the data, and as many labels
 * as images not being there are DATA_LOSS (exit 65), each with the path and
 * numbers. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "io/indexed.h"
#include "io/input_file.h"

#include "base/banned.h"

#define MAX_BYTES (4ull << 30)

struct idx {
    struct indexed head;
    struct crew_env *env; /* borrowed */
    char *images_path, *labels_path;
    int64_t rows, cols, n;
    uint8_t *pixels; /* (n, rows * cols); NULL until opened */
    uint8_t *labels; /* (n) */
    float scaled[256];
};

static uint32_t get_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
           p[3];
}

/* The header: checks magic and rank, fills the sizes. */
static int read_header(struct input_file *file,
                       int rank,
                       int64_t dims[3],
                       struct crew_err *err)
{
    uint8_t head[16];
    uint32_t want = 0x0800u | (uint32_t)rank;

    if (input_file_read(file, head, 4, err) != CREW_OK) {
        return err->code;
    }
    if (get_be32(head) != want) {
        return crew_err_exit(err, CREW_DATA_LOSS, 65,
                             "%s: not an idx file of %s: its magic number is "
                             "0x%08x, not 0x%08x",
                             file->path, rank == 3 ? "images" : "labels",
                             get_be32(head), want);
    }
    if (input_file_read(file, head + 4, 4 * (size_t)rank, err) != CREW_OK) {
        return err->code;
    }
    for (int i = 0; i < rank; i++) {
        dims[i] = get_be32(head + 4 + 4 * i);
    }
    return CREW_OK;
}

/* Do the sizes that the header announces fit what is expected and the file? */
static int check_sizes(struct input_file *file,
                       int rank,
                       int64_t rows,
                       int64_t cols,
                       const int64_t dims[3],
                       struct crew_err *err)
{
    if (rank == 3 && (dims[1] != rows || dims[2] != cols)) {
        return crew_err_exit(
            err, CREW_DATA_LOSS, 65,
            "%s: images are %lld x %lld, the job expects %lld x %lld",
            file->path, (long long)dims[1], (long long)dims[2], (long long)rows,
            (long long)cols);
    }
    if ((uint64_t)dims[0] > MAX_BYTES / (uint64_t)(dims[1] * dims[2])) {
        return crew_err_exit(
            err, CREW_DATA_LOSS, 65,
            "%s: its header announces %lld elements, more than fit in 4 GiB",
            file->path, (long long)dims[0]);
    }
    size_t size = (size_t)(dims[0] * dims[1] * dims[2]);
    if (!input_file_may_hold(file, size)) {
        return crew_err_exit(
            err, CREW_DATA_LOSS, 65,
            "%s: truncated: it cannot hold the %zu bytes that its header "
            "announces. Fix: get the file anew",
            file->path, size);
    }
    return CREW_OK;
}

/* The whole file of rank `rank`; images must be rows x cols. *n gets the number
 * of images or labels. */
static int read_file(struct crew_env *env,
                     const char *path,
                     int rank,
                     int64_t rows,
                     int64_t cols,
                     uint8_t **bytes,
                     int64_t *n,
                     struct crew_err *err)
{
    int64_t dims[3] = {0, 1, 1};
    size_t size;
    void *data = NULL;
    struct input_file file;

    if (input_file_open(&file, env, path,
                        "check the path, or install the data (Debian: "
                        "dataset-fashion-mnist)",
                        err) != CREW_OK) {
        return err->code;
    }
    if (read_header(&file, rank, dims, err) != CREW_OK ||
        check_sizes(&file, rank, rows, cols, dims, err) != CREW_OK) {
        goto out;
    }
    size = (size_t)(dims[0] * dims[1] * dims[2]);
    if (mem_try(size, 1, path, &data, err) != CREW_OK ||
        input_file_read(&file, data, size, err) != CREW_OK ||
        input_file_end(&file, err) != CREW_OK) {
        goto out;
    }
    *bytes = data;
    *n = dims[0];
    data = NULL;
out:
    free(data);
    input_file_close(&file);
    return err->code;
}

static int open_files(struct idx *d, struct crew_err *err)
{
    uint8_t *pixels = NULL, *labels = NULL;
    int64_t n = 0, num_labels = 0;

    if (d->pixels != NULL) {
        return CREW_OK;
    }
    if (read_file(d->env, d->images_path, 3, d->rows, d->cols, &pixels, &n,
                  err) != CREW_OK ||
        read_file(d->env, d->labels_path, 1, 1, 1, &labels, &num_labels, err) !=
            CREW_OK) {
        goto fail;
    }
    if (n != num_labels) {
        crew_err_exit(err, CREW_DATA_LOSS, 65,
                      "%s has %lld images, %s has %lld labels", d->images_path,
                      (long long)n, d->labels_path, (long long)num_labels);
        goto fail;
    }
    d->pixels = pixels;
    d->labels = labels;
    d->n = n;
    return CREW_OK;
fail:
    free(pixels);
    free(labels);
    return err->code;
}

static int idx_count(struct crew_dataset *base,
                     int64_t *n,
                     struct crew_err *err)
{
    struct idx *d = (struct idx *)base;

    if (open_files(d, err) != CREW_OK) {
        return err->code;
    }
    *n = d->n;
    return CREW_OK;
}

static void idx_at(struct crew_dataset *base, int64_t i, void *const *out)
{
    const struct idx *d = (const struct idx *)base;
    int64_t size = d->rows * d->cols;
    const uint8_t *from = d->pixels + i * size;
    float *x = out[0];
    int32_t *label = out[1];

    PRE(d->pixels != NULL && i >= 0 && i < d->n);
    for (int64_t k = 0; k < size; k++) {
        x[k] = d->scaled[from[k]];
    }
    *label = d->labels[i];
}

static void idx_free(struct crew_dataset *base)
{
    struct idx *d = (struct idx *)base;

    free(d->images_path);
    free(d->labels_path);
    free(d->pixels);
    free(d->labels);
}

static const struct dataset_ops idx_ops = {
    INDEXED_OPS,
    .free = idx_free,
    .count = idx_count,
    .at = idx_at,
};

struct crew_dataset *dataset_idx(struct crew_env *env,
                                 const char *images_path,
                                 const char *labels_path,
                                 const char *feature,
                                 int64_t rows,
                                 int64_t cols)
{
    static const char me[] = "crew_dataset_idx";
    struct idx *d = dataset_new(sizeof *d, &idx_ops, NULL);

    d->env = env;
    if (rows < 1 || cols < 1 || rows > 65536 || cols > 65536) {
        crew_err_set(
            &d->head.base.broken, CREW_INVALID_ARGUMENT,
            "crew_dataset_idx: images of %lld x %lld. Fix: 1 to 65536 each",
            (long long)rows, (long long)cols);
        rows = cols = 1; /* what is declared of a broken dataset is not used */
    }

    if (dataset_need(&d->head.base, images_path, me, "images_path") &&
        dataset_need(&d->head.base, labels_path, me, "labels_path") &&
        dataset_need(&d->head.base, feature, me, "feature")) {
        d->images_path = xstrdup(images_path);
        d->labels_path = xstrdup(labels_path);
    }
    d->rows = rows;
    d->cols = cols;
    for (int p = 0; p < 256; p++) {
        d->scaled[p] = (float)p / 255.0f;
    }
    dataset_add_component(&d->head.base, feature, CREW_FLOAT,
                          crew_shape1(rows * cols), false);
    dataset_add_component(&d->head.base, "label", CREW_INT32,
                          crew_scalar_shape(), true);
    return &d->head.base;
}

struct crew_dataset *crew_dataset_idx(const char *images_path,
                                      const char *labels_path,
                                      const char *feature,
                                      int64_t rows,
                                      int64_t cols)
{
    return dataset_idx(env_posix(), images_path, labels_path, feature, rows,
                       cols);
}
