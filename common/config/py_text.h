/* SPDX-License-Identifier: Apache-2.0
 * Values as Python prints and reads them, for sentences and log lines that
 * users know from TensorFlow. */
#ifndef CONFIG_PY_TEXT_H
#define CONFIG_PY_TEXT_H

#include "base/strbuf.h"
#include "config/json.h"

/* repr(text): 'a', "it's", with \n, \\ and \x07. */
void py_repr_text(struct strbuf *, const char *text);
/* repr of a JSON value: {'a': [1, None, True]}. */
void py_repr(struct strbuf *, const cJSON *);
/* The same of the value of a JSON text, whose numbers are taken from there: 1.0
 * is no 1, and 20 digits are all there. */
void py_repr_source(struct strbuf *, const cJSON *, const char *source);
/* str(): as repr, but a string stands without quotes. */
void py_str(struct strbuf *, const cJSON *);
/* "<class 'str'>" */
const char *py_class(const cJSON *);
/* int(value): numbers are cut, texts may have spaces around, a sign and single
 * underscores; what exceeds an int64_t becomes its limit. False: int() refuses.
 */
bool py_int(const cJSON *, CREW_OUT int64_t *);
bool py_int_text(const char *text, CREW_OUT int64_t *);

#endif
