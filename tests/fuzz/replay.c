/* SPDX-License-Identifier: Apache-2.0
 * A main for fuzz harnesses where there is no libFuzzer.
 *
 *   replay-NAME               some thousand random inputs from a fixed seed
 *   replay-NAME FOLDER        those, every file of the folder (the corpus), and
 *                             some thousand mutations of the files
 *   replay-NAME FILE...       just the files
 *
 * Each of the two kinds ends after SECONDS, if a sanitizer makes it slow: then
 * fewer of the same inputs are tried, and how many is said.
 * CREW_FUZZ_RUNS=N in the environment: N inputs of each kind, for a long run;
 * CREW_FUZZ_SEED=N: others. An input that ends the program is left behind as
 * replay.crash in the current folder. Inputs have at most 1 MiB. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* There where a sanitizer is linked. */
void __sanitizer_set_death_callback(void (*)(void)) __attribute__((weak));

enum { RUNS = 8000, SECONDS = 8, MOST = 1 << 20 };

struct input {
    char *path;
    uint8_t *bytes;
    size_t n;
};

struct corpus {
    struct input *at;
    size_t n;
};

/* --------------------------------------------------------------- one input */

static const uint8_t *running;
static size_t running_size;

static void leave_behind(void)
{
    static const char said[] = "replay: the input is in replay.crash\n";
    int fd = open("replay.crash", O_WRONLY | O_CREAT | O_TRUNC, 0666);

    if (fd < 0 || running == NULL ||
        write(fd, running, running_size) != (ssize_t)running_size ||
        write(STDERR_FILENO, said, sizeof said - 1) < 0) {
        return;
    }
    (void)close(fd);
}

static void on_signal(int number)
{
    leave_behind();
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

/* In memory of just its size, so that a sanitizer sees a read past it. */
static void run(const uint8_t *bytes, size_t n)
{
    uint8_t *copy = xmalloc(n > 0 ? n : 1);

    memcpy(copy, bytes, n);
    running = copy;
    running_size = n;
    (void)LLVMFuzzerTestOneInput(copy, n);
    running = NULL;
    free(copy);
}

/* When a kind of input must end; 0: never. */
static time_t end_at;

static bool is_over(long done, const char *kind)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    if (end_at == 0 || now.tv_sec < end_at) {
        return false;
    }
    (void)printf("replay: %ld %s in %d s\n", done, kind, (int)SECONDS);
    return true;
}

static void begin(bool limited)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    end_at = limited ? now.tv_sec + SECONDS : 0;
}

/* Half of them wholly random, half mostly of small numbers, which lengths and
 * field numbers are made of. */
static void replay_random(uint64_t seed, long runs)
{
    struct rng rng = {20260101 + seed};
    uint8_t input[2000];

    for (long i = 0; i < runs && !is_over(i, "random inputs"); i++) {
        size_t n = 1 + rng_below(&rng, i % 10 == 0 ? sizeof input : 60);
        for (size_t k = 0; k < n; k++) {
            uint64_t r = rng_next(&rng);
            bool small = i % 2 == 1 && (r & 0x700) != 0;
            input[k] = (uint8_t)(small ? r & 0x2f : r);
        }
        input[0] = (uint8_t)rng_next(&rng);
        run(input, n);
    }
}

/* --------------------------------------------------------------- mutations */

struct work {
    struct rng *rng;
    const struct corpus *corpus;
    uint8_t bytes[MOST];
    size_t n;
};

/* A place to begin and how many bytes from there, mostly few. */
static size_t piece(struct work *w, size_t n, size_t *length)
{
    size_t at = rng_below(w->rng, n), left = n - at;
    size_t most = rng_below(w->rng, 4) == 0 ? left : 1 + left % 16;

    *length = 1 + rng_below(w->rng, most < left ? most : left);
    return at;
}

static void flip(struct work *w)
{
    size_t at = rng_below(w->rng, w->n);

    w->bytes[at] ^= (uint8_t)(1u << rng_below(w->rng, 8));
}

static void scribble(struct work *w)
{
    size_t length, at = piece(w, w->n, &length);

    for (size_t i = 0; i < length && i < 8; i++) {
        w->bytes[at + i] = (uint8_t)rng_next(w->rng);
    }
}

static void cut_out(struct work *w)
{
    size_t length, at = piece(w, w->n, &length);

    memmove(w->bytes + at, w->bytes + at + length, w->n - at - length);
    w->n -= length;
}

static void cut_off(struct work *w)
{
    w->n = rng_below(w->rng, w->n);
}

/* Make room for `length` bytes at `at`, as far as an input may grow. */
static size_t make_room(struct work *w, size_t at, size_t length)
{
    length = length < MOST - w->n ? length : MOST - w->n;
    memmove(w->bytes + at + length, w->bytes + at, w->n - at);
    w->n += length;
    return length;
}

static void put_in(struct work *w)
{
    size_t at = rng_below(w->rng, w->n + 1);
    size_t length = make_room(w, at, 1 + rng_below(w->rng, 12));
    bool same = rng_below(w->rng, 2) == 0;
    uint8_t first = (uint8_t)rng_next(w->rng);

    for (size_t i = 0; i < length; i++) {
        w->bytes[at + i] = same ? first : (uint8_t)rng_next(w->rng);
    }
}

/* A piece of some file of the corpus comes in, or over what is there. */
static void bring_in(struct work *w)
{
    const struct input *from = &w->corpus->at[rng_below(w->rng, w->corpus->n)];
    size_t length, source, at = rng_below(w->rng, w->n + 1);

    if (from->n == 0) {
        return;
    }
    source = piece(w, from->n, &length);
    if (rng_below(w->rng, 2) == 0) {
        length = make_room(w, at, length);
    } else {
        length = length < w->n - at ? length : w->n - at;
    }
    memcpy(w->bytes + at, from->bytes + source, length);
}

/* 1, 2, 4 or 8 bytes, either end first, or a varint become a number that
 * lengths go wrong with. */
static void spoil_length(struct work *w)
{
    size_t width = (size_t)1 << rng_below(w->rng, 4);
    size_t at = rng_below(w->rng, w->n);
    uint64_t v = (uint64_t)1 << rng_below(w->rng, 64);
    uint64_t form = rng_below(w->rng, 3);

    v = rng_below(w->rng, 3) == 0 ? w->n : v;
    v += rng_below(w->rng, 5) - 2;
    for (size_t i = 0; i < width && at + i < w->n; i++) {
        size_t shift = 8 * (form == 1 ? width - 1 - i : i);
        w->bytes[at + i] = (uint8_t)(v >> shift);
    }
    for (size_t i = 0; form == 2 && i < 10 && at + i < w->n; i++) {
        w->bytes[at + i] = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
        v >>= 7;
        if (v == 0) {
            break;
        }
    }
}

static void replay_mutations(const struct corpus *corpus,
                             uint64_t seed,
                             long runs)
{
    static void (*const how[])(struct work *) = {
        flip, scribble, cut_out, cut_off, put_in, bring_in, spoil_length};
    static struct work w;
    struct rng rng = {20260102 + seed};

    w.rng = &rng;
    w.corpus = corpus;
    for (long i = 0; i < runs && !is_over(i, "mutations"); i++) {
        const struct input *from = &corpus->at[rng_below(&rng, corpus->n)];
        uint64_t times = 1 + rng_below(&rng, 4);

        memcpy(w.bytes, from->bytes, from->n);
        w.n = from->n;
        for (uint64_t k = 0; k < times && w.n > 0; k++) {
            how[rng_below(&rng, sizeof how / sizeof how[0])](&w);
        }
        run(w.bytes, w.n);
    }
}

/* ------------------------------------------------------------------- files */

/* Takes over `path`. */
static bool add_file(struct corpus *corpus, char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *bytes;
    size_t n;

    if (f == NULL) {
        (void)fprintf(stderr, "replay: cannot open %s\n", path);
        free(path);
        return false;
    }
    bytes = xmalloc(MOST);
    n = fread(bytes, 1, MOST, f);
    (void)fclose(f);
    bytes = xrealloc(bytes, n > 0 ? n : 1);
    corpus->at = xrealloc(corpus->at, (corpus->n + 1) * sizeof *corpus->at);
    corpus->at[corpus->n++] = (struct input){path, bytes, n};
    return true;
}

static int by_path(const void *a, const void *b)
{
    const struct input *x = a, *y = b;

    return strcmp(x->path, y->path);
}

static bool add_folder(struct corpus *corpus, const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    bool ok = dir != NULL;

    if (dir == NULL) {
        (void)fprintf(stderr, "replay: cannot open %s\n", path);
        return false;
    }
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.') {
            ok =
                add_file(corpus, xasprintf("%s/%s", path, entry->d_name)) && ok;
        }
    }
    (void)closedir(dir);
    /* The order that a folder has is not the same on every machine. */
    if (corpus->n > 0) {
        qsort(corpus->at, corpus->n, sizeof *corpus->at, by_path);
    }
    return ok;
}

static uint64_t from_env(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

/* A sanitizer tells of all but abort(), and has its own text for signals. */
static void catch_ends(void)
{
    static const int ends[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};

    (void)signal(SIGABRT, on_signal);
    if (__sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(leave_behind);
        return;
    }
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        (void)signal(ends[i], on_signal);
    }
}

int main(int argc, char **argv)
{
    struct corpus corpus = {0};
    long runs = (long)from_env("CREW_FUZZ_RUNS", RUNS);
    uint64_t seed = from_env("CREW_FUZZ_SEED", 0);
    bool ok = true, generate = argc == 1;
    bool limited = getenv("CREW_FUZZ_RUNS") == NULL;
    struct stat st;

    catch_ends();
    for (int i = 1; i < argc; i++) {
        bool folder = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode);

        generate = generate || folder;
        ok = (folder ? add_folder(&corpus, argv[i])
                     : add_file(&corpus, xstrdup(argv[i]))) &&
             ok;
    }
    for (size_t i = 0; i < corpus.n; i++) {
        run(corpus.at[i].bytes, corpus.at[i].n);
    }
    if (generate) {
        begin(limited);
        replay_random(seed, runs);
    }
    if (generate && corpus.n > 0) {
        begin(limited);
        replay_mutations(&corpus, seed, runs);
    }
    for (size_t i = 0; i < corpus.n; i++) {
        free(corpus.at[i].path);
        free(corpus.at[i].bytes);
    }
    free(corpus.at);
    return ok ? 0 : 1;
}
