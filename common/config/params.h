/* SPDX-License-Identifier: Apache-2.0
 *
 * struct crew_params: a job's hyper-parameters and the fields of RunConfig,
 * TrainSpec and EvalSpec, in three layers of which the highest that has the key
 * counts: --default, --config's JSON object, --set.
 *
 * Values of --set and --default are text and become what is asked for; those of
 * JSON have a type that must fit. Whoever asks for a key makes it known: what
 * is left over at the end is a mistake of the user's (params_unused). The
 * getters of crew.h take a const pointer, so what they note down is behind an
 * inner one. Threads: one. */
#ifndef CONFIG_PARAMS_H
#define CONFIG_PARAMS_H

#include "config/json.h"

enum params_layer { PARAMS_DEFAULT = 0, PARAMS_CONFIG = 1, PARAMS_SET = 2 };

/* Empty. Owner: caller, params_free(). */
struct crew_params *params_new(void);
void params_free(CREW_NULLABLE struct crew_params *);

/* The members of a JSON object into the layer PARAMS_CONFIG. `what` names the
 * text in messages. Errors: INVALID_ARGUMENT, exit 78. */
CREW_MUST_CHECK int params_load_json(struct crew_params *,
                                     const char *text,
                                     size_t n,
                                     const char *what,
                                     struct crew_err *);
/* "key=value" into PARAMS_SET or PARAMS_DEFAULT; of two with the same key the
 * later counts. Errors: INVALID_ARGUMENT, exit 64, without a key or "=". */
CREW_MUST_CHECK int params_set(struct crew_params *,
                               const char *pair,
                               struct crew_err *);
CREW_MUST_CHECK int params_set_default(struct crew_params *,
                                       const char *pair,
                                       struct crew_err *);

/* A value as it was given. Borrowed: lives as long as the params. */
struct params_value {
    enum params_layer layer;
    CREW_NULLABLE const char *text;  /* --set, --default */
    CREW_NULLABLE const cJSON *json; /* --config */
};

/* The value of the highest layer; the key is known from now on. False: nobody
 * gave one. */
bool params_take(const struct crew_params *,
                 const char *key,
                 CREW_OUT struct params_value *);
/* Whether somebody gave the key, without making it known. */
bool params_has(const struct crew_params *, const char *key);

/* What the value is as a number, a truth value, a text. NULL or the reason why
 * it is none. `buf` keeps a number's text. Text "None" and JSON null are
 * `none`. */
bool params_value_is_none(const struct params_value *);
bool params_value_double(const struct params_value *, CREW_OUT double *);
bool params_value_int(const struct params_value *, CREW_OUT int64_t *);
bool params_value_bool(const struct params_value *, CREW_OUT bool *);
bool params_value_str(const struct params_value *, CREW_OUT const char **);
/* The value for a message. Returns buf. */
const char *params_value_text(const struct params_value *,
                              char *buf,
                              size_t size);

/* A member of --config that is an object or an array (the columns of a canned
 * model); NULL when there is none. The key is known from now on. */
const cJSON *params_json(const struct crew_params *, const char *key);

/* The first value of a wrong type that a getter met: INVALID_ARGUMENT, exit 64.
 */
CREW_MUST_CHECK int params_status(const struct crew_params *,
                                  struct crew_err *);
/* The first key (of --set, then --config) that nobody asked for, with the known
 * key that is nearest: INVALID_ARGUMENT, exit 64. Fields of RunConfig,
 * TrainSpec and EvalSpec are known. --default's keys are never an error. */
CREW_MUST_CHECK int params_unused(const struct crew_params *,
                                  struct crew_err *);

#endif
