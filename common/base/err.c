/* SPDX-License-Identifier: Apache-2.0
 * struct crew_err: the first fault is kept, context is prefixed as it climbs.
 * Without a place for it the words are dropped, and the code is still told. */
#include <stdio.h>
#include <string.h>

#include "crew.h"
#include "base/banned.h"

#define CODES(X)               \
    X(OK, 0)                   \
    X(CANCELLED, 1)            \
    X(UNKNOWN, 70)             \
    X(INVALID_ARGUMENT, 64)    \
    X(DEADLINE_EXCEEDED, 138)  \
    X(NOT_FOUND, 66)           \
    X(ALREADY_EXISTS, 73)      \
    X(PERMISSION_DENIED, 77)   \
    X(RESOURCE_EXHAUSTED, 74)  \
    X(FAILED_PRECONDITION, 78) \
    X(ABORTED, 138)            \
    X(OUT_OF_RANGE, 65)        \
    X(UNIMPLEMENTED, 64)       \
    X(INTERNAL, 70)            \
    X(UNAVAILABLE, 138)        \
    X(DATA_LOSS, 65)

static const struct {
    int code;
    const char *name;
    int exit_code;
} codes[] = {
#define ROW(name, exit_code) {CREW_##name, #name, exit_code},
    CODES(ROW)
#undef ROW
};

/* Messages quote what users and files say, which may hold any byte. */
static void keep_one_line(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            *text = '?';
        }
    }
}

/* Without a format there are no words. */
__attribute__((format(printf, 3, 0))) static void write_text(char *text,
                                                             size_t size,
                                                             const char *fmt,
                                                             va_list args)
{
    text[0] = '\0';
    if (fmt != NULL) {
        (void)vsnprintf(text, size, fmt, args);
    }
}

__attribute__((format(printf, 4, 0))) static int set(struct crew_err *err,
                                                     int code,
                                                     int exit_code,
                                                     const char *fmt,
                                                     va_list args)
{
    if (err == NULL) {
        return code;
    }
    if (err->code == CREW_OK) {
        err->code = code;
        err->exit_code = exit_code;
        write_text(err->msg, sizeof err->msg, fmt, args);
        keep_one_line(err->msg);
    }
    return err->code;
}

int crew_err_set(struct crew_err *err, int code, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    code = set(err, code, 0, fmt, args);
    va_end(args);
    return code;
}

int crew_err_exit(struct crew_err *err,
                  int code,
                  int exit_code,
                  const char *fmt,
                  ...)
{
    va_list args;

    va_start(args, fmt);
    code = set(err, code, exit_code, fmt, args);
    va_end(args);
    return code;
}

int crew_err_wrap(struct crew_err *err, const char *fmt, ...)
{
    char text[sizeof err->msg];
    char inner[sizeof err->msg];
    va_list args;

    if (err == NULL) {
        return CREW_UNKNOWN;
    }
    va_start(args, fmt);
    write_text(text, sizeof text, fmt, args);
    va_end(args);
    (void)snprintf(inner, sizeof inner, "%s", err->msg);
    (void)snprintf(err->msg, sizeof err->msg, "%.*s: %.*s", 500, text, 500,
                   inner);
    keep_one_line(err->msg);
    return err->code;
}

const char *crew_code_name(int code)
{
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i].code == code) {
            return codes[i].name;
        }
    }
    return "UNKNOWN";
}

int crew_err_exit_code(const struct crew_err *err)
{
    if (err == NULL) {
        return 70;
    }
    if (err->exit_code != 0) {
        return err->exit_code;
    }
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i].code == err->code) {
            return codes[i].exit_code;
        }
    }
    return 70;
}
