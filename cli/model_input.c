/* SPDX-License-Identifier: Apache-2.0
 * Literals to tensors and to tf.Examples; where an export is. */
#include "cli/model_input.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "base/mem.h"
#include "io/example.h"
#include "serving/number.h"
#include "serving/show.h"
#include "tensor/tensor.h"
#include "base/banned.h"

/* ----------------------------------------------------------------- tensors */

/* The shape of nested lists, by their first elements. */
static int shape_of(const struct literal *l,
                    struct crew_shape *shape,
                    struct crew_err *err)
{
    *shape = crew_scalar_shape();
    while (l->kind == LITERAL_LIST) {
        if (shape->rank == CREW_MAX_RANK) {
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                                 "a list nested deeper than %d", CREW_MAX_RANK);
        }
        shape->dim[shape->rank++] = (int64_t)l->n;
        if (l->n == 0) {
            break;
        }
        l = l->items[0];
    }
    return CREW_OK;
}

static bool set_element(struct value *v, int64_t i, const struct literal *l)
{
    bool number = l->kind == LITERAL_INT || l->kind == LITERAL_FLOAT;
    bool whole = l->kind == LITERAL_INT || l->kind == LITERAL_BOOL;

    switch (v->dtype) {
        case CREW_STRING:
            v->str[i] = (struct value_string){l->text, l->len};
            return l->kind == LITERAL_STRING;
        case CREW_FLOAT:
            v->f32[i] = (float)l->number;
            return number;
        case CREW_DOUBLE:
            v->f64[i] = l->number;
            return number;
        case CREW_INT32:
            v->i32[i] = (int32_t)l->integer;
            return whole;
        case CREW_INT64:
            v->i64[i] = l->integer;
            return whole;
        case CREW_BOOL:
            v->b[i] = l->integer != 0;
            return whole;
        default:
            v->u8[i] = (uint8_t)l->integer;
            return whole;
    }
}

static int fill(const struct literal *l,
                int dim,
                struct value *v,
                int64_t *at,
                struct crew_err *err)
{
    if (dim == v->shape.rank) {
        if (!set_element(v, (*at)++, l)) {
            return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                                 "an element is no %s", show_dtype(v->dtype));
        }
        return CREW_OK;
    }
    if (l->kind != LITERAL_LIST || (int64_t)l->n != v->shape.dim[dim]) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "the rows of the list differ in length");
    }
    for (size_t i = 0; i < l->n; i++) {
        if (fill(l->items[i], dim + 1, v, at, err) != CREW_OK) {
            return err->code;
        }
    }
    return CREW_OK;
}

int input_from_literal(const struct literal *l,
                       int dtype,
                       struct value *out,
                       struct crew_err *err)
{
    struct crew_shape shape;
    struct value v = {0};
    int64_t at = 0;

    if (shape_of(l, &shape, err) != CREW_OK ||
        value_new(&v, dtype, &shape, err) != CREW_OK) {
        return err->code;
    }
    if (fill(l, 0, &v, &at, err) == CREW_OK && dtype == CREW_STRING) {
        (void)value_new_strings(out, &shape, v.str, err);
    } else if (err->code == CREW_OK) {
        *out = v;
        return CREW_OK;
    }
    value_release(&v);
    return err->code;
}

int input_cast(struct value *v, int dtype, struct crew_err *err)
{
    struct value out = {0};

    if (v->dtype == dtype) {
        return CREW_OK;
    }
    if (v->dtype == CREW_STRING || dtype == CREW_STRING) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "the input is %s, the signature wants %s",
                             show_dtype(v->dtype), show_dtype(dtype));
    }
    if (value_new(&out, dtype, &v->shape, err) != CREW_OK) {
        return err->code;
    }
    for (int64_t i = 0; i < v->n; i++) {
        struct literal l = {.kind = LITERAL_INT,
                            .number = number_double(v, i),
                            .integer = v->dtype == CREW_INT64
                                           ? v->i64[i]
                                           : (int64_t)number_double(v, i)};

        (void)set_element(&out, i, &l);
    }
    value_release(v);
    *v = out;
    return CREW_OK;
}

/* ---------------------------------------------------------------- Examples */

static int add_feature(struct example_writer *w,
                       const struct literal *key,
                       const struct literal *list,
                       struct crew_err *err)
{
    struct value v = {0};
    int dtype;

    if (key->kind != LITERAL_STRING || list->kind != LITERAL_LIST) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "a feature must be a name and a list, as in "
                             "{\"age\": [39.0]}");
    }
    if (list->n == 0) {
        example_add_none(w, key->text);
        return CREW_OK;
    }
    dtype = list->items[0]->kind == LITERAL_STRING  ? CREW_STRING
            : list->items[0]->kind == LITERAL_FLOAT ? CREW_FLOAT
                                                    : CREW_INT64;
    if (input_from_literal(list, dtype, &v, err) != CREW_OK) {
        return crew_err_wrap(err, "feature '%s'", key->text);
    }
    if (dtype == CREW_STRING) {
        struct example_bytes *bytes = xcalloc((size_t)v.n + 1, sizeof *bytes);

        for (int64_t i = 0; i < v.n; i++) {
            bytes[i] = (struct example_bytes){v.str[i].data, v.str[i].n};
        }
        example_add_bytes(w, key->text, bytes, (size_t)v.n);
        free(bytes);
    } else if (dtype == CREW_FLOAT) {
        example_add_floats(w, key->text, v.f32, (size_t)v.n);
    } else {
        example_add_ints(w, key->text, v.i64, (size_t)v.n);
    }
    value_release(&v);
    return CREW_OK;
}

static int one_example(const struct literal *dict,
                       struct strbuf *out,
                       struct crew_err *err)
{
    struct example_writer w;

    if (dict->kind != LITERAL_DICT) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "an example must be a dict of lists");
    }
    example_writer_init(&w);
    for (size_t i = 0; i + 1 < dict->n && err->code == CREW_OK; i += 2) {
        (void)add_feature(&w, dict->items[i], dict->items[i + 1], err);
    }
    example_writer_finish(&w, out);
    example_writer_release(&w);
    return err->code;
}

int input_examples(const struct literal *l,
                   struct value *out,
                   struct crew_err *err)
{
    struct crew_shape shape = crew_shape1((int64_t)l->n);
    struct value_string *list;
    struct strbuf *bytes;

    if (l->kind != LITERAL_LIST) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 64,
                             "examples must be a list of dicts");
    }
    list = xcalloc(l->n + 1, sizeof *list);
    bytes = xcalloc(l->n + 1, sizeof *bytes);
    for (size_t i = 0; i < l->n; i++) {
        strbuf_init(&bytes[i]);
        if (err->code == CREW_OK &&
            one_example(l->items[i], &bytes[i], err) == CREW_OK) {
            list[i] = (struct value_string){bytes[i].data, bytes[i].len};
        }
    }
    if (err->code == CREW_OK) {
        (void)value_new_strings(out, &shape, list, err);
    }
    for (size_t i = 0; i < l->n; i++) {
        strbuf_release(&bytes[i]);
    }
    free(bytes);
    free(list);
    return err->code;
}

/* ----------------------------------------------------------------- folders */

static void take_version(void *self, const char *name)
{
    char **best = self;
    size_t n = strlen(name);

    for (size_t i = 0; i < n; i++) {
        if (!isdigit((unsigned char)name[i])) {
            return;
        }
    }
    name += strspn(name, "0");
    n = strlen(name);
    if (*best == NULL || n > strlen(*best) ||
        (n == strlen(*best) && strcmp(name, *best) > 0)) {
        free(*best);
        *best = xstrdup(name);
    }
}

int input_model_dir(const char *dir, char **out, struct crew_err *err)
{
    struct crew_env *env = env_posix();
    char *file = path_join(dir, "saved_model.pb"), *version = NULL;

    if (fs_exists(env, file)) {
        *out = xstrdup(dir);
    } else if (env->fs->list(env->fs, dir, take_version, &version, err) ==
               CREW_OK) {
        if (version == NULL) {
            (void)crew_err_exit(err, CREW_NOT_FOUND, 66,
                                "%s: neither saved_model.pb nor a version's "
                                "folder in it",
                                dir);
        } else {
            *out = path_join(dir, version);
        }
    }
    free(version);
    free(file);
    return err->code;
}
