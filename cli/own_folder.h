/* SPDX-License-Identifier: Apache-2.0
 * Where this program's siblings are. */
#ifndef CLI_OWN_FOLDER_H
#define CLI_OWN_FOLDER_H

/* The folder of the running program. Owner: caller, free(). */
char *own_folder(void);

#endif
