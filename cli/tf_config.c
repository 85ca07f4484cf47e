/* SPDX-License-Identifier: Apache-2.0
 * crew tf-config check: what the TF_CONFIG of the environment means here. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "config/tf_config.h"
#include "base/banned.h"

static const char usage[] =
    "usage: crew tf-config check [--strict-tf-config] [--format json|text]\n\n"
    "Read TF_CONFIG from the environment and say what it means: the role, the "
    "index, and\nRunConfig's properties by their names.\n\n"
    "  --strict-tf-config  exactly as TensorFlow reads it\n"
    "  --format FORMAT     json (default) or text\n\n"
    "Next: crew run --help\n";

static void print_text(const cJSON *json)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, json)
    {
        char *value = cJSON_PrintUnformatted(item);

        (void)printf("%s = %s\n", item->string, value);
        free(value);
    }
}

static int check(bool strict, bool text)
{
    struct tf_config *tf = NULL;
    struct crew_err err = {0};
    cJSON *json;

    if (tf_config_parse(getenv("TF_CONFIG"), strict, &tf, &err) != CREW_OK ||
        tf_config_check_start(tf, &err) != CREW_OK) {
        (void)fprintf(stderr, "crew tf-config: %s\n", err.msg);
        tf_config_free(tf);
        return crew_err_exit_code(&err);
    }
    json = tf_config_to_json(tf);
    if (text) {
        print_text(json);
    } else {
        char *out = cJSON_Print(json);

        (void)puts(out);
        free(out);
    }
    cJSON_Delete(json);
    tf_config_free(tf);
    return 0;
}

int cmd_tf_config(int argc, char **argv)
{
    bool strict = false;
    bool text = false;
    int i = 1;

    if (argc > 1 && strcmp(argv[1], "check") == 0) {
        i = 2;
    } else if (argc < 2 ||
               (strcmp(argv[1], "--help") != 0 && strcmp(argv[1], "-h") != 0)) {
        (void)fputs(usage, stderr);
        return 64;
    }
    for (; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            (void)fputs(usage, stdout);
            return 0;
        }
        if (strcmp(argv[i], "--strict-tf-config") == 0) {
            strict = true;
        } else if (strcmp(argv[i], "--format") == 0 && i + 1 < argc &&
                   (strcmp(argv[i + 1], "json") == 0 ||
                    strcmp(argv[i + 1], "text") == 0)) {
            text = strcmp(argv[++i], "text") == 0;
        } else {
            (void)fprintf(stderr,
                          "crew tf-config: unknown argument '%s'; see crew "
                          "tf-config --help\n",
                          argv[i]);
            return 64;
        }
    }
    return check(strict, text);
}
