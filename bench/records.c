/* SPDX-License-Identifier: Apache-2.0
 * The row of reading TFRecord files: our reader against read() and one CRC-32C
 * over the same file, which is the least that a reader that checks can do. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/crc32c.h"
#include "base/mem.h"
#include "base/rng.h"
#include "bench.h"
#include "io/tfrecord.h"

#include "base/banned.h"

/* Some 48 MB, which the file system's cache holds. */
enum { RECORDS = 80000, SHORTEST = 200, LONGEST = 1000, ROUNDS = 15 };
enum { BUFFER = 256 * 1024 };

struct job {
    char path[64];
    uint64_t bytes;
    struct crew_err err;
    volatile uint32_t sum; /* so that no work is dropped */
};

static void write_records(struct job *j)
{
    char data[LONGEST];
    struct tfrecord_writer *w = NULL;
    struct rng rng = {1};

    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (char)rng_next(&rng);
    }
    if (tfrecord_writer_open(env_posix(), j->path, NULL, &w, &j->err) !=
        CREW_OK) {
        return;
    }
    for (int i = 0; i < RECORDS && j->err.code == CREW_OK; i++) {
        size_t n = SHORTEST + rng_below(&rng, LONGEST - SHORTEST + 1);
        (void)tfrecord_writer_add(w, data, n, &j->err);
        j->bytes += n + 16;
    }
    struct crew_err late = {0};
    if (tfrecord_writer_close(w, &late) != CREW_OK && j->err.code == CREW_OK) {
        j->err = late;
    }
}

static double read_plain(struct job *j, uint8_t *buffer)
{
    double from = bench_now();
    int fd = open(j->path, O_RDONLY | O_CLOEXEC);
    uint64_t total = 0;
    uint32_t crc = 0;
    ssize_t got;

    while ((got = read(fd, buffer, BUFFER)) > 0) {
        crc = crc32c_extend(crc, buffer, (size_t)got);
        total += (uint64_t)got;
    }
    (void)close(fd);
    j->sum = crc;
    if (total != j->bytes) {
        crew_err_set(&j->err, CREW_UNAVAILABLE, "cannot read %s", j->path);
    }
    return bench_now() - from;
}

static double read_records(struct job *j)
{
    static const struct tfrecord_options plain = {.compression = TFRECORD_NONE};
    double from = bench_now();
    struct tfrecord_reader r;
    struct crew_err end = {0};

    if (tfrecord_reader_open(&r, env_posix(), j->path, &plain, &end) ==
        CREW_OK) {
        while (tfrecord_next(&r, &end) == CREW_OK) {
            j->sum = j->sum + (uint8_t)r.record.data[0];
        }
    }
    if (r.num_records != RECORDS) {
        j->err = end;
    }
    tfrecord_reader_release(&r);
    return bench_now() - from;
}

static int tfrecord_read(struct bench_result *out, struct crew_err *err)
{
    struct job j = {.path = "/tmp/crew-bench-records-XXXXXX"};
    double ours = 1e9, plain = 1e9;
    uint8_t *buffer = xmalloc(BUFFER);
    int fd = mkstemp(j.path);

    if (fd < 0) {
        free(buffer);
        return crew_err_set(err, CREW_UNAVAILABLE, "cannot make %s", j.path);
    }
    (void)close(fd);
    write_records(&j);
    for (int i = 0; i < ROUNDS && j.err.code == CREW_OK; i++) {
        double a = read_plain(&j, buffer), b = read_records(&j);

        plain = a < plain ? a : plain;
        ours = b < ours ? b : ours;
    }
    (void)unlink(j.path);
    free(buffer);
    if (j.err.code != CREW_OK) {
        *err = j.err;
        return err->code;
    }
    *out = (struct bench_result){.ours = (double)j.bytes / ours / 1e9,
                                 .limit = (double)j.bytes / plain / 1e9,
                                 .unit = "GB/s",
                                 .goal = 0.6};
    (void)snprintf(out->note, sizeof(out->note),
                   "%d records of %d to %d bytes, %.0f ns each; limit: read() "
                   "and crc32c",
                   RECORDS, SHORTEST, LONGEST, ours / RECORDS * 1e9);
    return CREW_OK;
}

const struct bench_row bench_records_rows[] = {
    {"tfrecord-read", "records of a plain TFRecord file", tfrecord_read},
    {NULL, NULL, NULL},
};
