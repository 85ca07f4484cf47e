/* SPDX-License-Identifier: Apache-2.0
 * crew saved-model: what saved_model_cli does, in the same words. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/model_input.h"
#include "cli/saved_model.h"
#include "serving/model.h"
#include "serving/show.h"
#include "base/banned.h"

static const char usage[] =
    "usage: crew saved-model show --dir DIR [--all] [--tag_set TAGS]\n"
    "                             [--signature_def KEY] [--list_ops]\n"
    "                             [--format text|json]\n"
    "       crew saved-model run --dir DIR [--tag_set serve|eval]\n"
    "                            [--signature_def KEY]\n"
    "                            [--inputs 'x=file.npy;...']\n"
    "                            [--input_exprs 'x=[[1.0]];...']\n"
    "                            [--input_examples "
    "'examples=[{\"age\":[39.0]}]']\n"
    "                            [--outdir DIR] [--overwrite]\n"
    "                            [--format text|json]\n\n"
    "The options and texts are saved_model_cli's. DIR is an export, or the\n"
    "folder of its versions: then the newest is taken, and said on stderr.\n\n"
    "  show  tag sets, signatures, ops (sorted); json: all of one tag set\n"
    "  run   computes a signature's outputs (KEY: serving_default; of the\n"
    "        tags eval: eval); with\n"
    "        --outdir each is written to <key>.npy, strings as bytes ('S')\n\n"
    "Expressions are Python lists of numbers and strings; nothing is "
    "evaluated,\n"
    "so numpy's functions are not known. Printed numbers lack NumPy's "
    "padding.\n\n"
    "Exit codes: 0; 64 usage; 65 a damaged export, or an op that is not "
    "known;\n"
    "66 not found.\n"
    "Next: crew predict --dir DIR --input FILE\n";

static int fail(const struct crew_err *err)
{
    (void)fflush(stdout);
    (void)fprintf(stderr, "crew saved-model: %s\n", err->msg);
    return crew_err_exit_code(err);
}

/* --------------------------------------------------------------- arguments */

static const char **place_of(struct saved_model_args *a, const char *name)
{
    const struct {
        const char *name;
        const char **place;
    } options[] = {
        {"--dir", &a->dir},
        {"--tag_set", &a->tag_set},
        {"--signature_def", &a->signature},
        {"--inputs", &a->inputs},
        {"--input_exprs", &a->exprs},
        {"--input_examples", &a->examples},
        {"--outdir", &a->outdir},
        {"--format", &a->format},
    };

    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (strcmp(options[i].name, name) == 0) {
            return options[i].place;
        }
    }
    return NULL;
}

static bool *flag_of(struct saved_model_args *a, const char *name)
{
    return strcmp(name, "--all") == 0         ? &a->all
           : strcmp(name, "--list_ops") == 0  ? &a->list_ops
           : strcmp(name, "--overwrite") == 0 ? &a->overwrite
                                              : NULL;
}

static bool parse(int argc, char **argv, struct saved_model_args *a)
{
    for (int i = 2; i < argc; i++) {
        const char **place = place_of(a, argv[i]);
        bool *flag = flag_of(a, argv[i]);

        if (flag != NULL) {
            *flag = true;
        } else if (place != NULL && i + 1 < argc) {
            *place = argv[++i];
        } else {
            return false;
        }
    }
    return a->dir != NULL &&
           (a->format == NULL || strcmp(a->format, "text") == 0 ||
            strcmp(a->format, "json") == 0);
}

/* -------------------------------------------------------------------- show */

static int no_meta_graph(const char *tags, struct crew_err *err)
{
    return crew_err_exit(err, CREW_NOT_FOUND, 65,
                         "MetaGraphDef associated with tag-set %s could not be "
                         "found in SavedModel",
                         tags);
}

static int show_one(const struct saved_model_args *a,
                    const Tensorflow__SavedModel *m,
                    struct strbuf *out,
                    struct crew_err *err)
{
    const Tensorflow__MetaGraphDef *meta = show_find(m, a->tag_set);

    if (meta == NULL) {
        return no_meta_graph(a->tag_set, err);
    }
    if (a->list_ops) {
        show_ops(meta, out);
        return CREW_OK;
    }
    if (a->signature == NULL) {
        show_signature_keys(meta, out);
        return CREW_OK;
    }
    for (size_t i = 0; i < meta->n_signature_def; i++) {
        if (strcmp(meta->signature_def[i]->key, a->signature) == 0 &&
            meta->signature_def[i]->value != NULL) {
            show_signature(meta->signature_def[i]->value, 0, out);
            return CREW_OK;
        }
    }
    return crew_err_exit(err, CREW_NOT_FOUND, 65,
                         "no signature '%s'. Fix: `crew saved-model show --dir "
                         "%s --all` lists them",
                         a->signature, a->dir);
}

/* The MetaGraph of --tag_set; without it the one to be served, or the first. */
static int show_json(const struct saved_model_args *a,
                     const Tensorflow__SavedModel *m,
                     const char *dir,
                     struct strbuf *out,
                     struct crew_err *err)
{
    const char *tags = a->tag_set != NULL ? a->tag_set : "serve";
    const Tensorflow__MetaGraphDef *meta = show_find(m, tags);
    char *text;

    if (meta == NULL && a->tag_set == NULL && m->n_meta_graphs > 0) {
        meta = m->meta_graphs[0];
    }
    if (meta == NULL) {
        return no_meta_graph(tags, err);
    }
    text = saved_model_json(m, meta, dir);
    strbuf_addf(out, "%s\n", text);
    free(text);
    return CREW_OK;
}

static int show(const struct saved_model_args *a, const char *dir)
{
    Tensorflow__SavedModel *m = NULL;
    struct crew_err err = {0};
    struct strbuf out;

    if (saved_model_load(env_posix(), dir, &m, &err) != CREW_OK) {
        return fail(&err);
    }
    strbuf_init(&out);
    if (a->format != NULL && strcmp(a->format, "json") == 0) {
        (void)show_json(a, m, dir, &out, &err);
    } else if (a->all) {
        show_all(m, &out);
    } else if (a->tag_set == NULL) {
        show_tag_sets(m, &out);
    } else {
        (void)show_one(a, m, &out, &err);
    }
    (void)fputs(out.data, stdout);
    strbuf_release(&out);
    tensorflow__saved_model__free_unpacked(m, NULL);
    return err.code == CREW_OK ? 0 : fail(&err);
}

int cmd_saved_model(int argc, char **argv)
{
    struct saved_model_args a = {0};
    struct crew_err err = {0};
    char *dir = NULL;
    int code;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            (void)fputs(usage, stdout);
            return 0;
        }
    }
    if (argc < 2 ||
        (strcmp(argv[1], "show") != 0 && strcmp(argv[1], "run") != 0) ||
        !parse(argc, argv, &a)) {
        (void)fputs(usage, stderr);
        return 64;
    }
    if (input_model_dir(a.dir, &dir, &err) != CREW_OK) {
        return fail(&err);
    }
    if (strcmp(dir, a.dir) != 0) {
        (void)fprintf(stderr, "crew saved-model: the newest version is %s\n",
                      dir);
    }
    if (strcmp(argv[1], "show") == 0) {
        code = show(&a, dir);
    } else {
        code = saved_model_run(&a, dir, &err) == CREW_OK ? 0 : fail(&err);
    }
    free(dir);
    return code;
}
