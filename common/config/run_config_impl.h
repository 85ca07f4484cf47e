/* SPDX-License-Identifier: Apache-2.0
 * The table of fields that run_config*.c share. */
#ifndef CONFIG_RUN_CONFIG_IMPL_H
#define CONFIG_RUN_CONFIG_IMPL_H

#include "config/run_config.h"

/* GROUP: an object whose members are fields "<name>.<member>". CALLABLE: a
 * function, which no text can be. */
enum kind { INTEGER, SECONDS, TEXT, TRUTH, GROUP, CALLABLE };
enum owner { RUN, TRAIN, EVAL };
/* What a value must be: any, >= 0, > 0. */
enum range { ANY, NOT_NEGATIVE, POSITIVE };

struct field {
    const char *name;    /* of --set */
    const char *tf_name; /* in TensorFlow's sentences */
    enum kind kind;
    enum owner owner;
    enum range range;
    bool whole;  /* SECONDS that must be an integer */
    double none; /* what None stands for */
    size_t offset;
};

/* save_checkpoints_secs, when nothing is said of saving. */
#define RUN_CONFIG_DEFAULT_SECS 600.0

/* The three structs that fields are in. */
struct specs {
    struct crew_run_config *rc;
    struct crew_train_spec *ts;
    struct crew_eval_spec *es;
};

/* The i-th row, NULL after the last. */
const struct field *run_config_row(size_t i);
/* NULL when there is none of that name. */
const struct field *run_config_find(const char *name, size_t length);
/* Where the field is. */
void *run_config_place(const struct specs *, const struct field *);
/* The value of a field that holds a number. */
double run_config_number(const struct specs *, const struct field *);

/* steps without a secs of one's own: the default of secs goes. */
void run_config_settle_saving(struct crew_run_config *);

/* What is refused, in TensorFlow's words (INVALID_ARGUMENT, 64). */
int run_config_wrong_type(const struct field *,
                          const char *given,
                          struct crew_err *);
bool run_config_in_range(const struct field *, double value);
int run_config_out_of_range(const struct field *,
                            const char *given,
                            struct crew_err *);
int run_config_both_set(struct crew_err *);
/* A text field's value, also NULL. */
CREW_MUST_CHECK int run_config_check_text(const struct field *,
                                          CREW_NULLABLE const char *value,
                                          struct crew_err *);
/* An EvalSpec's exporters. */
CREW_MUST_CHECK int eval_spec_check_exporters(const struct crew_eval_spec *,
                                              struct crew_err *);

#endif
