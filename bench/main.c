/* SPDX-License-Identifier: Apache-2.0
 *
 * crew-bench: measures rows and holds each against the limit of this machine.
 * Exit code 0: all goals met; 1: some below; 64: no such row; else the error's.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "kernels/blas.h"
#include "kernels/kernels.h"

#include "base/banned.h"

static const struct bench_row *const tables[] = {
    bench_compute_rows, bench_kernel_rows,  bench_transport_rows,
    bench_parse_rows,   bench_records_rows, bench_ckpt_rows,
    bench_serving_rows,
};
enum { TABLES = sizeof(tables) / sizeof(tables[0]) };

double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

enum { MAX_CALLS = 10000, MIN_CALLS = 3 };

struct bench_time bench_measure(double seconds,
                                void (*call)(void *self),
                                void *self)
{
    static double times[MAX_CALLS];
    size_t n = 0;
    call(self);
    double end = bench_now() + seconds;
    while (n < MIN_CALLS || (n < MAX_CALLS && bench_now() < end)) {
        double from = bench_now();
        call(self);
        times[n++] = bench_now() - from;
    }
    qsort(times, n, sizeof(times[0]), ascending);
    return (struct bench_time){times[0], times[n / 2]};
}

static void print_cpu(void)
{
    char line[256];
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
            printf("CPU: %s", colon + 2);
            break;
        }
    }
    if (f != NULL) {
        fclose(f);
    }
}

static void print_head(void)
{
    double load[3] = {0};
    print_cpu();
    printf("kernels: %s\n", kernels_isa());
    printf("BLAS: %s\n", blas_description());
    if (getloadavg(load, 3) == 3) {
        printf("load average: %.2f %.2f %.2f\n", load[0], load[1], load[2]);
    }
    printf("\n%-14s %10s %10s %-9s %7s %7s  %s\n", "row", "ours", "limit",
           "unit", "ratio", "goal", "verdict");
}

/* Whether the goal is met. */
static bool print_result(const char *name, const struct bench_result *r)
{
    double ratio = r->limit > 0 ? r->ours / r->limit : NAN;
    bool ok = r->goal <= 0 ||
              (r->lower_is_better ? ratio <= r->goal : ratio >= r->goal);
    char goal[16] = "-";
    if (r->goal > 0) {
        snprintf(goal, sizeof(goal), "%s%.2f",
                 r->lower_is_better ? "<=" : ">=", r->goal);
    }
    printf("%-14s %10.4g %10.4g %-9s %7.3f %7s  %s%s%s\n", name, r->ours,
           r->limit, r->unit, ratio, goal,
           r->goal <= 0 ? "-" : (ok ? "ok" : "below"),
           r->note[0] != '\0' ? "  " : "", r->note);
    fflush(stdout);
    return ok;
}

static bool wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], name) == 0) {
            return true;
        }
    }
    return argc <= 1;
}

static const struct bench_row *find_row(const char *name)
{
    for (int t = 0; t < TABLES; t++) {
        for (const struct bench_row *r = tables[t]; r->name != NULL; r++) {
            if (strcmp(r->name, name) == 0) {
                return r;
            }
        }
    }
    return NULL;
}

static void print_list(void)
{
    printf("usage: crew-bench [row...]\n\nRows (all when none is named):\n");
    for (int t = 0; t < TABLES; t++) {
        for (const struct bench_row *r = tables[t]; r->name != NULL; r++) {
            printf("  %-14s %s\n", r->name, r->what);
        }
    }
}

static int run_rows(int argc, char **argv)
{
    bool all_ok = true;
    for (int t = 0; t < TABLES; t++) {
        for (const struct bench_row *r = tables[t]; r->name != NULL; r++) {
            if (!wanted(r->name, argc, argv)) {
                continue;
            }
            struct crew_err err = {0};
            struct bench_result result = {0};
            if (r->run(&result, &err) != CREW_OK) {
                fprintf(stderr, "crew-bench: %s: %s\n", r->name, err.msg);
                return crew_err_exit_code(&err);
            }
            all_ok = print_result(r->name, &result) && all_ok;
        }
    }
    return all_ok ? 0 : 1;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "--list") == 0) {
            print_list();
            return 0;
        }
        if (find_row(argv[i]) == NULL) {
            fprintf(stderr, "crew-bench: no row named %s; --list names them\n",
                    argv[i]);
            return 64;
        }
    }
    struct crew_err err = {0};
    if (blas_load(&err) != CREW_OK) {
        fprintf(stderr, "crew-bench: %s\n", err.msg);
        return crew_err_exit_code(&err);
    }
    print_head();
    return run_rows(argc, argv);
}
