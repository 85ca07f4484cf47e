/* SPDX-License-Identifier: Apache-2.0
 * A vocabulary file, a line an entry, as an array of words. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "base/mem.h"
#include "base/banned.h"

#define MAX_FILE ((size_t)1 << 30)

static int64_t count_lines(const char *text, size_t n)
{
    int64_t lines = n > 0 && text[n - 1] != '\n';

    for (size_t i = 0; i < n; i++) {
        lines += text[i] == '\n';
    }
    return lines;
}

/* The array, and behind it the n bytes of text, each line ended by a NUL. */
static const char **split(const char *text, size_t n, int64_t lines, void *room)
{
    const char **words = room;
    char *at = (char *)(words + lines);
    char *end = at + n;

    memcpy(at, text, n);
    *end = '\0';
    for (int64_t i = 0; i < lines; i++) {
        char *stop = memchr(at, '\n', (size_t)(end - at));
        char *next = stop != NULL ? stop + 1 : end;

        stop = stop != NULL ? stop : end;
        if (stop > at && stop[-1] == '\r') {
            stop[-1] = '\0';
        }
        *stop = '\0';
        words[i] = at;
        at = next;
    }
    return words;
}

int crew_vocabulary_read(const char *path,
                         int64_t size,
                         const char *const **words,
                         int64_t *n,
                         struct crew_err *err)
{
    char *text = NULL;
    size_t bytes = 0;
    void *room = NULL;
    struct crew_err unheard = {0};
    int64_t lines;

    err = err != NULL ? err : &unheard;
    if (path == NULL || words == NULL || n == NULL) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "crew_vocabulary_read: %s is NULL",
                             path == NULL    ? "path"
                             : words == NULL ? "words"
                                             : "n");
    }
    if (fs_read_file(env_posix(), path, MAX_FILE, &text, &bytes, err) !=
        CREW_OK) {
        return err->code;
    }
    lines = count_lines(text, bytes);
    if (lines < 1 || size > lines) {
        (void)crew_err_exit(err, CREW_INVALID_ARGUMENT, 65,
                            "Invalid vocab_size in %s: expected %" PRId64
                            " but got %" PRId64,
                            path, size > 1 ? size : 1, lines);
    } else if (mem_try((size_t)lines * sizeof(char *) + bytes + 1, 1, path,
                       &room, err) == CREW_OK) {
        *words = split(text, bytes, lines, room);
        *n = size > 0 ? size : lines;
    }
    free(text);
    return err->code;
}
