/* SPDX-License-Identifier: Apache-2.0
 * Python literals as users of saved_model_cli write them: lists, tuples and
 * dicts of numbers, strings, True and False. Nothing is evaluated. */
#ifndef CLI_LITERAL_H
#define CLI_LITERAL_H

#include "crew.h"

enum literal_kind {
    LITERAL_LIST,
    LITERAL_DICT, /* key, value, key, value, ... */
    LITERAL_INT,
    LITERAL_FLOAT,
    LITERAL_BOOL,
    LITERAL_STRING
};

struct literal {
    enum literal_kind kind;
    int64_t integer; /* INT, BOOL */
    double number;   /* INT, FLOAT */
    char *text;      /* STRING; owned */
    size_t len;
    struct literal **items; /* owned */
    size_t n;
};

/* One literal up to the end of `text`. Errors: INVALID_ARGUMENT (64) with the
 * place. Owner: caller, literal_free(). */
CREW_MUST_CHECK int literal_parse(const char *text,
                                  CREW_OUT struct literal **,
                                  struct crew_err *);
void literal_free(CREW_NULLABLE struct literal *);

#endif
