/* SPDX-License-Identifier: Apache-2.0
 * golden-check FAMILY DIR: compares our code with a folder of golden files,
 * prints each difference and ends with "N passed, N failed". Exit: 0, 1 when
 * anything differs, 64 usage, 65 and 66 when the files are not as expected. */
#include <stdio.h>
#include <string.h>

#include "golden_families.h"
#include "base/banned.h"

static const struct {
    const char *name;
    int (*run)(const char *dir, struct golden_report *);
} families[] = {
#define X(name) {#name, family_##name},
    GOLDEN_FAMILIES(X)
#undef X
};

#define NUM_FAMILIES (sizeof families / sizeof families[0])

static void usage(FILE *to)
{
    (void)fprintf(to, "Usage: golden-check FAMILY DIR\nFamilies:");
    for (size_t i = 0; i < NUM_FAMILIES; i++) {
        (void)fprintf(to, " %s", families[i].name);
    }
    (void)fprintf(to, "\n");
}

static int check(size_t family, const char *dir)
{
    struct golden_report report = {.family = families[family].name};
    int rc = families[family].run(dir, &report);

    golden_end(&report);
    printf("%d passed, %d failed\n", report.passed, report.failed);
    if (report.failed > 0) {
        return 1;
    }
    if (rc == 0 && report.passed == 0) {
        return golden_trouble(65, "%s holds no case of %s", dir, report.family);
    }
    return rc;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        usage(stdout);
        return 0;
    }
    if (argc != 3) {
        usage(stderr);
        return 64;
    }
    for (size_t i = 0; i < NUM_FAMILIES; i++) {
        if (strcmp(argv[1], families[i].name) == 0) {
            return check(i, argv[2]);
        }
    }
    (void)fprintf(stderr, "golden-check: no family %s\n", argv[1]);
    usage(stderr);
    return 64;
}
