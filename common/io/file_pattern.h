/* SPDX-License-Identifier: Apache-2.0
 * Lists of files by name and by pattern. */
#ifndef IO_FILE_PATTERN_H
#define IO_FILE_PATTERN_H

#include "base/env.h"

/* Owner: caller, file_list_release(). Zeroed: empty. */
struct file_list {
    char **paths;
    int n;
};
void file_list_add(struct file_list *, const char *path);
void file_list_release(struct file_list *);
/* Add what matches below `dir` ("": the current folder), in order of the names;
 * a pattern has *, ? and
 * [...] in any of its parts. Errors: dir's; a folder below that cannot be
 * listed matches nothing. */
CREW_MUST_CHECK int file_list_glob(struct file_list *,
                                   struct crew_env *,
                                   const char *dir,
                                   const char *pattern,
                                   struct crew_err *);
/* Add the files that a pattern names, in order of their names; *, ? and [...]
 * stand in its last part. A path without them is added as it is. Errors:
 * NOT_FOUND (66) nothing fits, in TensorFlow's words; the folder's. */
CREW_MUST_CHECK int file_list_expand(struct file_list *,
                                     struct crew_env *,
                                     const char *pattern,
                                     struct crew_err *);

#endif
