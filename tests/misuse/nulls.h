/* SPDX-License-Identifier: Apache-2.0
 *
 * A call of every function of crew.h with a NULL in the place of each pointer.
 *
 * A row is a call whose pointers are marked: P(x) must not be NULL, N(x) may
 * be, ERR is the call's struct crew_err. x is named as the parameter, for the
 * error must name it. nulls.c makes each call in a process of its own, once as
 * it stands and then with one pointer after the other replaced by NULL, and all
 * of them at once; what the row's kind says of the outcome must come. */
#ifndef TESTS_MISUSE_NULLS_H
#define TESTS_MISUSE_NULLS_H

#include <stdbool.h>
#include <stddef.h>

#include "crew.h"

enum kind {
    REFUSED, /* returns a code, the words are in the error */
    POISONS, /* the graph keeps the error */
    SPEC,    /* the spec keeps it: the model function has failed */
    DATASET, /* the dataset keeps it, until it is looked at */
    HOOK,    /* the hook keeps it, until its session begins */
    PARAMS,  /* the params keep it */
    EXITS,   /* returns an exit code that is not 0 */
    CALM     /* has no way to say it: nothing happens */
};
struct row {
    const char *name;
    enum kind kind;
    void (*call)(int arg);
    int arg;
};

/* Is the pointer of this text to be NULL in this call? */
bool null_at(const char *text, bool allowed);
#define P(x) (null_at(#x, false) ? NULL : (x))
/* The same of another name than its expression. */
#define AS(name, x) (null_at(name, false) ? NULL : (x))
#define N(x) (null_at(#x, true) ? NULL : (x))
#define ERR (null_at("err", true) ? NULL : &the_err)

/* What rows are made with: anew for each call. */
extern struct crew_err the_err;
extern struct crew_graph *graph;
extern struct crew_node *a, *b, *ids;
extern struct crew_features *features;
extern struct crew_spec *spec;
extern struct crew_params *params;
extern struct crew_session *session;
/* Made once, in the parent: trained, with a checkpoint in model_dir. */
extern struct crew_estimator *estimator;
extern char model_dir[64];
extern const struct crew_job job;
int input_fn(const struct crew_input_ctx *,
             struct crew_dataset **dataset,
             struct crew_err *err);
struct crew_dataset *some_dataset(const char *name);
/* What init_fn of the job's scaffold does. */
extern int (*in_init_fn)(struct crew_initial_values *initial);

/* What a row's call came to, for the judge. */
extern int the_code;
extern struct crew_dataset *the_dataset;
extern struct crew_hook the_hook;

/* Rows of a file: X(kind, name, call). */
#define ROW_FUNCTION_REFUSED(call) the_code = call
#define ROW_FUNCTION_EXITS(call) the_code = call
#define ROW_FUNCTION_DATASET(call) the_dataset = call
#define ROW_FUNCTION_HOOK(call) the_hook = call
#define ROW_FUNCTION_POISONS(call) (void)(call)
#define ROW_FUNCTION_SPEC(call) (void)(call)
#define ROW_FUNCTION_PARAMS(call) (void)(call)
#define ROW_FUNCTION_CALM(call) (void)(call)
#define ROW_FUNCTION(kind, name, what, call)  \
    static void call_##name##_##what(int arg) \
    {                                         \
        (void)arg;                            \
        ROW_FUNCTION_##kind(call);            \
    }
#define ROW(kind, name, what, call) {#name, kind, call_##name##_##what, 0},

/* Every file's rows. */
extern const struct row input_rows[], graph_rows[], spec_rows[], hook_rows[],
    estimator_rows[], builder_rows[];
extern const int num_input_rows, num_graph_rows, num_spec_rows, num_hook_rows,
    num_estimator_rows, num_builder_rows;
#define NUM_OF(rows) ((int)(sizeof(rows) / sizeof(rows)[0]))

/* ends with NULL: functions of crew.h without a pointer. */
extern const char *const without_pointers[];

void bed_make_estimator(void);
void bed_make(void);
/* The error that the call has left where its kind says; 0: none. */
int bed_judge(enum kind kind, struct crew_err *err);

#endif
