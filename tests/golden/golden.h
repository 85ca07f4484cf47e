/* SPDX-License-Identifier: Apache-2.0
 *
 * What a family of golden-check needs: a report, JSON files and arrays, and
 * comparisons that print each difference with name, index, got and want.
 *
 * A family is `int family_<name>(const char *dir, struct golden_report *)` in
 * family_<name>.c (cmake finds the file and makes the table), with a case per
 * thing compared:
 *
 *     golden_case(report, "%s steps 3", optimizer);
 *     golden_same_floats(report, "var", got, &want, golden_optim);
 *
 * It returns 0, or an exit code when it could not do its work (66: a file is
 * missing, 65: a file is not as expected), after golden_trouble(). */
#ifndef GOLDEN_GOLDEN_H
#define GOLDEN_GOLDEN_H

#include <cJSON.h>

#include "crew.h"

struct golden_report {
    const char *family;
    int passed, failed; /* cases */
    char current[256];  /* the case that is being compared */
    bool open;
    int differences; /* of this case */
};

/* Begin a case; the one before is counted. golden_end after the last one. */
void golden_case(struct golden_report *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void golden_end(struct golden_report *);

/* A difference of the case: prints
 *   FAMILY: CASE: name[index]: got <got>, want <want>
 * index < 0: none. After 20 of a case the rest is only counted. */
void golden_differ(struct golden_report *,
                   const char *name,
                   int64_t index,
                   const char *got,
                   const char *want);
/* The family cannot go on: "<what>" on stderr. Returns code (65, 66, 70). */
int golden_trouble(int exit_code, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* ------------------------------------------------------------------- files */

/* <dir>/<file> as a tree, NULL after a message when it is missing or no JSON.
 * Integers of more than 15 digits come as strings: read them with golden_int.
 * Owner: caller, cJSON_Delete(). */
cJSON *golden_load(const char *dir, const char *file);
/* <folder>/expected.json. That of checkpoints shows keys of slices, in which
 * TensorFlow has NULs: no string of ours can hold them, and nothing here reads
 * them, so they are others. Owner: caller. */
cJSON *golden_load_expected(const char *folder);
/* The same of a text; `what` begins the message. Owner: caller. */
cJSON *golden_parse(const char *text, size_t n, const char *what);
/* Is there a file of that name? */
bool golden_has(const char *dir, const char *file);
/* All bytes of <dir>/<file>, or NULL after a message. Owner: caller, free(). */
char *golden_bytes(const char *dir, const char *file, CREW_OUT size_t *n);

/* A number or a number's text: "12345678901234567", "NaN", "-Infinity",
 * "Inf". Ends the program when it is neither: the file is not as expected. */
int64_t golden_int(const cJSON *);
double golden_number(const cJSON *);
/* The member of that name; ends the program when there is none. */
const cJSON *golden_member(const cJSON *object, const char *key);
/* Its text; ends the program when it is no string. */
const char *golden_text(const cJSON *object, const char *key);
/* Bytes of a base64 text. Owner: caller, free(). */
char *golden_base64(const char *text, CREW_OUT size_t *n);

/* {"shape", "dtype", "data" or "values"}; strings are left in the tree. */
struct golden_array {
    enum crew_dtype dtype;
    struct crew_shape shape;
    int64_t n;
    double *number;    /* of every numeric and bool dtype; owned */
    int64_t *integer;  /* the same, exact, of integer and bool dtypes; owned */
    const cJSON *data; /* borrowed from the tree */
};
void golden_array_read(const cJSON *, CREW_OUT struct golden_array *);
void golden_array_release(struct golden_array *);
/* number[] as float32 (exact: the files carry 9 digits). Owner: caller. */
float *golden_array_floats(const struct golden_array *);

/* ------------------------------------------------------------- comparisons */

/* abs(got - want) <= rel * M + abs, M = the largest finite abs(want) of the
 * tensor. NaN meets NaN, an infinity the same infinity. */
struct golden_tolerance {
    double rel, abs;
};

/* Each returns whether they are the same and reports a difference if not. */
bool golden_same_int(struct golden_report *,
                     const char *name,
                     int64_t index,
                     int64_t got,
                     int64_t want);
bool golden_same_text(struct golden_report *,
                      const char *name,
                      CREW_NULLABLE const char *got,
                      CREW_NULLABLE const char *want);
bool golden_same_bytes(struct golden_report *,
                       const char *name,
                       const void *got,
                       size_t num_got,
                       const void *want,
                       size_t num_want);
bool golden_same_number(struct golden_report *,
                        const char *name,
                        double got,
                        double want,
                        struct golden_tolerance);
bool golden_same_floats(struct golden_report *,
                        const char *name,
                        const float *got,
                        int64_t num_got,
                        const struct golden_array *want,
                        struct golden_tolerance);
/* Trees: members by name in any order, numbers equal, all else exact. */
bool golden_same_json(struct golden_report *,
                      const char *name,
                      CREW_NULLABLE const cJSON *got,
                      CREW_NULLABLE const cJSON *want);

#endif
