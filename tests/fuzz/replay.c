/* SPDX-License-Identifier: Apache-2.0
 * A main for fuzz harnesses where there is no libFuzzer: replays the files
 * given, or else some thousand inputs from a fixed seed. */
#include <stdio.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/rng.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INPUTS = 8000, MOST = 65537 };

static uint8_t input[MOST];

static int replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");

    if (f == NULL) {
        fprintf(stderr, "replay: cannot open %s\n", path);
        return 1;
    }
    size_t n = fread(input, 1, sizeof input, f);
    (void)fclose(f);
    (void)LLVMFuzzerTestOneInput(input, n);
    return 0;
}

/* Half of them wholly random, half mostly of small numbers, which lengths and
 * field numbers are made of. */
static void replay_random(void)
{
    struct rng rng = {20260101};

    for (int i = 0; i < INPUTS; i++) {
        size_t n = 1 + rng_below(&rng, i % 10 == 0 ? 2000 : 60);
        for (size_t k = 0; k < n; k++) {
            uint64_t r = rng_next(&rng);
            bool small = i % 2 == 1 && (r & 0x700) != 0;
            input[k] = (uint8_t)(small ? r & 0x2f : r);
        }
        input[0] = (uint8_t)rng_next(&rng);
        (void)LLVMFuzzerTestOneInput(input, n);
    }
}

int main(int argc, char **argv)
{
    int failed = 0;

    for (int i = 1; i < argc; i++) {
        failed |= replay_file(argv[i]);
    }
    if (argc == 1) {
        replay_random();
    }
    return failed;
}
