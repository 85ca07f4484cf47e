/* SPDX-License-Identifier: Apache-2.0
 * crew evaluate, and crew predict from a checkpoint: the Estimator's calls. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/own_options.h"
#include "estimator/role_main.h"
#include "base/banned.h"

static const char evaluate_usage[] =
    "usage: crew evaluate --job LIB.so --model-dir DIR [options]\n\n"
    "Evaluate the newest checkpoint of DIR with the job's EvalSpec, as\n"
    "Estimator.evaluate does; events go to DIR/eval/.\n\n"
    "  --checkpoint-path PREFIX  this checkpoint, not the newest\n"
    "  --format text|json        \"accuracy = 0.98, ...\", or one object\n"
    "  --set eval_steps=N        batches; None: to the end of the input\n"
    "  --set name=NAME           events go to DIR/eval_NAME/\n"
    "  --config, --set           as for crew run; what changes the model must "
    "be as\n"
    "                            it was for training\n\n"
    "Exit codes: 0; 64 usage; 66 no checkpoint; 78 a checkpoint of another "
    "model.\n"
    "Next: crew events dump DIR/eval\n";

static const char predict_usage[] =
    "usage: crew predict --job LIB.so --model-dir DIR [options]\n\n"
    "Predict the examples of the job's EvalSpec from the newest checkpoint of "
    "DIR, as\nEstimator.predict does: a line for each.\n\n"
    "  --checkpoint-path PREFIX  this checkpoint, not the newest\n"
    "  --predict-keys KEY,...    these predictions only\n"
    "  --format text|json        \"classes = 3, ...\", or an object a line\n"
    "  --config, --set           as for crew run; what changes the model must "
    "be as\n"
    "                            it was for training\n\n"
    "From an export: crew predict --dir DIR ... (crew predict --help)\n"
    "Exit codes: 0; 64 usage; 66 no checkpoint; 78 a checkpoint of another "
    "model.\n";

static int bad_format(const char *program, const char *given)
{
    (void)fprintf(stderr, "%s: --format %s: text or json\n", program, given);
    return 64;
}

static int call(int argc, char **argv, bool predict)
{
    const char *program = predict ? "crew predict" : "crew evaluate";
    struct own_option own[] = {{"--checkpoint-path", NULL},
                               {"--format", NULL},
                               {"--predict-keys", NULL}};
    char **rest = xcalloc((size_t)argc + 1, sizeof *rest);
    int n = 0, code = 64;
    struct role_call c = {.program = program, .predict = predict};
    enum own_status status =
        own_options(own, predict ? 3 : 2, program, argc, argv, rest, &n);

    c.checkpoint_path = own[0].value;
    c.predict_keys = own[2].value;
    if (status == OWN_HELP) {
        (void)fputs(predict ? predict_usage : evaluate_usage, stdout);
        code = 0;
    } else if (status == OWN_OK) {
        const char *format = own[1].value != NULL ? own[1].value : "text";

        c.json = strcmp(format, "json") == 0;
        code = c.json || strcmp(format, "text") == 0
                   ? role_call(n, rest, &c)
                   : bad_format(program, format);
    }
    free((void *)rest);
    return code;
}

int cmd_evaluate(int argc, char **argv)
{
    return call(argc, argv, false);
}

int predict_from_checkpoint(int argc, char **argv)
{
    return call(argc, argv, true);
}
