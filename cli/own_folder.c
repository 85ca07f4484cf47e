/* SPDX-License-Identifier: Apache-2.0
 * The folder of the running program, by the kernel's word. */
#include "cli/own_folder.h"

#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/banned.h"

char *own_folder(void)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    char *slash;

    if (n <= 0) {
        return xstrdup(".");
    }
    path[n] = '\0';
    slash = strrchr(path, '/');
    if (slash == NULL || slash == path) {
        return xstrdup("/");
    }
    *slash = '\0';
    return xstrdup(path);
}
