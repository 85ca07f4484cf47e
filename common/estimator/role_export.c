/* SPDX-License-Identifier: Apache-2.0
 * crew export: one export of one checkpoint, without training or evaluating. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "checkpoint/save.h"
#include "estimator/export/exporters.h"
#include "estimator/role_main.h"
#include "estimator/roles/prepare.h"
#include "base/banned.h"

/* Whose receiver, weights and extra files: the exporter named, the first one,
 * or one without options. */
static int pick_exporter(const struct run *run,
                         const char *name,
                         struct crew_exporter *out,
                         struct crew_err *err)
{
    struct strbuf known;

    if (name == NULL) {
        *out = run->es.num_exporters > 0
                   ? run->es.exporters[0]
                   : (struct crew_exporter){.kind = CREW_EXPORTER_FINAL};
        return CREW_OK;
    }
    strbuf_init(&known);
    for (int i = 0; i < run->es.num_exporters; i++) {
        const struct crew_exporter *e = &run->es.exporters[i];

        if (strcmp(e->name, name) == 0) {
            strbuf_release(&known);
            *out = *e;
            return CREW_OK;
        }
        strbuf_addf(&known, "%s%s", i > 0 ? ", " : "", e->name);
    }
    (void)crew_err_exit(
        err, CREW_INVALID_ARGUMENT, 64, "--exporter %s: the job has %s%s", name,
        known.len > 0 ? "these: " : "none", known.len > 0 ? known.data : "");
    strbuf_release(&known);
    return err->code;
}

static int find_checkpoint(struct run *run,
                           const char *given,
                           char **prefix,
                           struct crew_err *err)
{
    char *newest = NULL;
    int64_t step;

    if (given != NULL) {
        *prefix = xstrdup(given);
        return CREW_OK;
    }
    if (run->opt.model_dir == NULL) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "which checkpoint? give --model-dir DIR or "
                             "--checkpoint-path PREFIX");
    }
    if (ckpt_latest(run->env, run->opt.model_dir, &newest, &step, err) !=
        CREW_OK) {
        return err->code;
    }
    if (newest == NULL) {
        return crew_err_exit(err, CREW_NOT_FOUND, 66,
                             "Couldn't find trained model at %s.",
                             run->opt.model_dir);
    }
    *prefix = newest;
    return CREW_OK;
}

static int parse_mode(const char *text,
                      enum crew_mode *mode,
                      struct crew_err *err)
{
    static const struct {
        const char *name;
        enum crew_mode mode;
    } modes[] = {
        {"predict", CREW_PREDICT}, {"eval", CREW_EVAL}, {"train", CREW_TRAIN}};

    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        if (strcmp(modes[i].name, text) == 0) {
            *mode = modes[i].mode;
            return CREW_OK;
        }
    }
    return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                         "--mode %s is none of predict, eval, train", text);
}

static int export_it(struct run *run,
                     const char *program,
                     const char *dir,
                     const char *checkpoint_path,
                     const char *exporter_name,
                     enum crew_mode mode,
                     struct crew_err *err)
{
    struct crew_exporter exporter;
    char *prefix = NULL, *made = NULL;

    if (run_prepare_job(run, NULL, program, err) == CREW_OK &&
        pick_exporter(run, exporter_name, &exporter, err) == CREW_OK &&
        find_checkpoint(run, checkpoint_path, &prefix, err) == CREW_OK &&
        run_export_in_mode(run, mode, &exporter, prefix, dir, &made, err) ==
            CREW_OK) {
        (void)printf("%s\n", made);
    }
    free(made);
    free(prefix);
    return err->code;
}

int role_export(int argc,
                char **argv,
                const char *dir,
                const char *checkpoint_path,
                const char *exporter,
                const char *mode_name)
{
    enum crew_mode mode = CREW_PREDICT;
    struct run run = {.env = env_posix(), .who = "export", .result_step = -1};
    struct crew_err err = {0};
    int code = 0;

    log_set_who(run.who);
    if (options_parse(argc, argv, true, &run.opt, &err) != CREW_OK ||
        options_set_log_level(&run.opt, &err) != CREW_OK ||
        parse_mode(mode_name, &mode, &err) != CREW_OK) {
        (void)fprintf(stderr, "crew export: %s\n", err.msg);
        code = crew_err_exit_code(&err);
    } else if (export_it(&run, "crew export", dir, checkpoint_path, exporter,
                         mode, &err) != CREW_OK) {
        code = run_fail(&run, &err);
    }
    run_release(&run);
    return code;
}
