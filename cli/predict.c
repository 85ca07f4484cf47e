/* SPDX-License-Identifier: Apache-2.0
 * crew predict: an export's outputs for a file of inputs, one JSON line each.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "cli/model_input.h"
#include "cli/npy.h"
#include "cli/value_text.h"
#include "io/tfrecord.h"
#include "serving/model.h"
#include "base/banned.h"

static const char usage[] =
    "usage: crew predict --dir DIR --input FILE [--signature_def KEY]\n"
    "                    [--batch N] [--outputs KEY,...]\n"
    "       crew predict --job LIB.so --model-dir DIR [options]\n\n"
    "DIR is an export, or the folder of its versions (the newest is taken).\n"
    "FILE is a .npy file whose rows are fed to the signature's only input, or\n"
    "else a TFRecord file (plain, gzip, zlib) of tf.Examples.\n"
    "Each row gives a line of JSON with all outputs, or those named.\n\n"
    "  --signature_def  predict if there is one, else serving_default\n"
    "  --batch          rows at a time, 64\n\n"
    "From a checkpoint: crew predict --job LIB.so --help.\n"
    "Exit codes: 0; 64 usage; 65 damaged data or export; 66 not found.\n"
    "Next: crew saved-model show --dir DIR --all\n";

enum { MAX_OUTPUTS = 64 };

struct predict {
    const char *dir, *input, *signature, *outputs;
    int64_t batch;
    struct serving_model *model;
    const Tensorflow__TensorInfo *in;
    const char *keys[MAX_OUTPUTS], *fetches[MAX_OUTPUTS];
    int n;
    int64_t rows; /* printed so far */
};

/* --------------------------------------------------------------- signature */

/* Is `key` in the comma-separated list? */
static bool listed(const char *list, const char *key)
{
    size_t n = strlen(key);

    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',' ? 1 : 0;
        if (strncmp(at, key, n) == 0 && (at[n] == ',' || at[n] == '\0')) {
            return true;
        }
    }
    return false;
}

static int choose_signature(struct predict *p, struct crew_err *err)
{
    const char *key = p->signature;
    const Tensorflow__SignatureDef *s;

    if (key == NULL) {
        key = serving_signature(p->model, "predict") != NULL
                  ? "predict"
                  : "serving_default";
    }
    s = serving_signature(p->model, key);
    if (s == NULL) {
        return crew_err_exit(err, CREW_NOT_FOUND, 64,
                             "no signature '%s'. Fix: `crew saved-model show "
                             "--dir %s --all` lists them",
                             key, p->dir);
    }
    if (s->n_inputs != 1 || s->inputs[0]->value == NULL) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "signature '%s' has %zu inputs; one is fed here. "
                             "Fix: `crew saved-model run --inputs`",
                             key, s->n_inputs);
    }
    p->in = s->inputs[0]->value;
    for (size_t i = 0; i < s->n_outputs && p->n < MAX_OUTPUTS; i++) {
        if ((p->outputs == NULL || listed(p->outputs, s->outputs[i]->key)) &&
            s->outputs[i]->value != NULL) {
            p->keys[p->n] = s->outputs[i]->key;
            p->fetches[p->n++] = s->outputs[i]->value->name;
        }
    }
    return p->n > 0 ? CREW_OK
                    : crew_err_exit(err, CREW_NOT_FOUND, 64,
                                    "signature '%s' has no output of those "
                                    "names",
                                    key);
}

/* ----------------------------------------------------------------- batches */

static void print_row(const struct predict *p,
                      const struct value *out,
                      int64_t row)
{
    cJSON *line = cJSON_CreateObject();
    char *text;

    for (int i = 0; i < p->n; i++) {
        cJSON_AddItemToObject(line, p->keys[i], value_row_json(&out[i], row));
    }
    text = cJSON_PrintUnformatted(line);
    puts(text);
    free(text);
    cJSON_Delete(line);
}

static int run_batch(struct predict *p,
                     const struct value *rows,
                     struct crew_err *err)
{
    struct serving_feed feed = {p->in->name, *rows};
    struct value out[MAX_OUTPUTS];
    int64_t n = rows->shape.rank > 0 ? rows->shape.dim[0] : 1;

    if (serving_run(p->model, &feed, 1, p->fetches, p->n, out, err) !=
        CREW_OK) {
        return crew_err_wrap(err, "rows %" PRId64 " to %" PRId64, p->rows,
                             p->rows + n - 1);
    }
    for (int i = 0; i < p->n; i++) {
        if (out[i].shape.rank > 0 && out[i].shape.dim[0] != n &&
            err->code == CREW_OK) {
            (void)crew_err_exit(err, CREW_INVALID_ARGUMENT, 65,
                                "output '%s' does not have one row for each "
                                "input",
                                p->keys[i]);
        }
    }
    for (int64_t row = 0; err->code == CREW_OK && row < n; row++) {
        print_row(p, out, row);
    }
    for (int i = 0; i < p->n; i++) {
        value_release(&out[i]);
    }
    p->rows += n;
    return err->code;
}

/* Rows [from, from + n) of an array. */
static int run_rows(struct predict *p,
                    const struct value *all,
                    int64_t from,
                    int64_t n,
                    struct crew_err *err)
{
    struct crew_shape shape = all->shape;
    size_t row =
        (size_t)(all->n / shape.dim[0]) * value_element_size(all->dtype);
    struct value part = {0};

    shape.dim[0] = n;
    if (all->dtype == CREW_STRING) {
        (void)value_new_strings(&part, &shape, all->str + from, err);
    } else if (value_new(&part, all->dtype, &shape, err) == CREW_OK) {
        memcpy(part.data, (const char *)all->data + (size_t)from * row,
               (size_t)n * row);
    }
    if (err->code == CREW_OK) {
        (void)run_batch(p, &part, err);
    }
    value_release(&part);
    return err->code;
}

static int predict_array(struct predict *p, struct crew_err *err)
{
    struct value all = {0};

    if (npy_read(p->input, &all, err) != CREW_OK ||
        input_cast(&all, p->in->dtype, err) != CREW_OK) {
        value_release(&all);
        return err->code;
    }
    if (all.shape.rank < 1) {
        (void)crew_err_exit(err, CREW_INVALID_ARGUMENT, 65,
                            "%s: a scalar has no rows", p->input);
    }
    for (int64_t from = 0; err->code == CREW_OK && from < all.shape.dim[0];
         from += p->batch) {
        int64_t left = all.shape.dim[0] - from;

        (void)run_rows(p, &all, from, left < p->batch ? left : p->batch, err);
    }
    value_release(&all);
    return err->code;
}

/* Up to p->batch records into `list`; *n gets how many. */
static int read_records(struct predict *p,
                        struct tfrecord_reader *r,
                        struct value_string *list,
                        int64_t *n,
                        struct crew_err *err)
{
    for (*n = 0; *n < p->batch; (*n)++) {
        char *own;

        if (tfrecord_next(r, err) != CREW_OK) {
            return err->code;
        }
        own = xmalloc(r->record.len + 1);
        if (r->record.len > 0) {
            memcpy(own, r->record.data, r->record.len);
        }
        list[*n] = (struct value_string){own, r->record.len};
    }
    return CREW_OK;
}

static int predict_records(struct predict *p, struct crew_err *err)
{
    struct tfrecord_reader r;
    struct value_string *list = xcalloc((size_t)p->batch, sizeof *list);
    struct crew_err end = {0};

    if (p->in->dtype != CREW_STRING) {
        free(list);
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "the signature's input is no string: it takes no "
                             "tf.Examples. Fix: --input FILE.npy");
    }
    (void)tfrecord_reader_open(&r, env_posix(), p->input, NULL, &end);
    while (end.code == CREW_OK && err->code == CREW_OK) {
        struct value rows = {0};
        struct crew_shape shape;
        int64_t n = 0;

        (void)read_records(p, &r, list, &n, &end);
        shape = crew_shape1(n);
        if (n > 0 && value_new_strings(&rows, &shape, list, err) == CREW_OK) {
            (void)run_batch(p, &rows, err);
        }
        value_release(&rows);
        while (n > 0) {
            free((void *)(uintptr_t)list[--n].data);
        }
    }
    tfrecord_reader_release(&r);
    free(list);
    if (err->code == CREW_OK && end.code != CREW_OUT_OF_RANGE) {
        *err = end;
    }
    return err->code;
}

/* --------------------------------------------------------------- arguments */

static bool parse(int argc, char **argv, struct predict *p)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--dir") == 0) {
            p->dir = argv[i + 1];
        } else if (strcmp(argv[i], "--input") == 0) {
            p->input = argv[i + 1];
        } else if (strcmp(argv[i], "--signature_def") == 0) {
            p->signature = argv[i + 1];
        } else if (strcmp(argv[i], "--outputs") == 0) {
            p->outputs = argv[i + 1];
        } else if (strcmp(argv[i], "--batch") == 0) {
            char *end;

            p->batch = strtol(argv[i + 1], &end, 10);
            if (*end != '\0' || p->batch < 1 || p->batch > 1000000) {
                return false;
            }
        } else {
            return false;
        }
    }
    return argc % 2 == 1 && p->dir != NULL && p->input != NULL;
}

static int predict(struct predict *p, struct crew_err *err)
{
    size_t n = strlen(p->input);
    char *dir = NULL;

    if (input_model_dir(p->dir, &dir, err) == CREW_OK &&
        serving_model_open(env_posix(), dir, &p->model, err) == CREW_OK &&
        choose_signature(p, err) == CREW_OK) {
        if (n > 4 && strcmp(p->input + n - 4, ".npy") == 0) {
            (void)predict_array(p, err);
        } else {
            (void)predict_records(p, err);
        }
    }
    serving_model_close(p->model);
    free(dir);
    return err->code;
}

int cmd_predict(int argc, char **argv)
{
    struct predict p = {.batch = 64};
    struct crew_err err = {0};

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--job") == 0 ||
            strncmp(argv[i], "--job=", 6) == 0) {
            return predict_from_checkpoint(argc, argv);
        }
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            (void)fputs(usage, stdout);
            return 0;
        }
    }
    if (!parse(argc, argv, &p)) {
        (void)fputs(usage, stderr);
        return 64;
    }
    if (predict(&p, &err) != CREW_OK) {
        (void)fflush(stdout);
        (void)fprintf(stderr, "crew predict: %s\n", err.msg);
        return crew_err_exit_code(&err);
    }
    return 0;
}
