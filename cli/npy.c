/* SPDX-License-Identifier: Apache-2.0
 * .npy: "\x93NUMPY", version, header length, a Python dict, the data. */
#include "cli/npy.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/env.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "tensor/tensor.h"
#include "base/banned.h"

#define MAX_FILE ((size_t)4 << 30)

static const struct {
    const char *descr;
    int dtype;
} kinds[] = {{"<f4", CREW_FLOAT},  {"<f8", CREW_DOUBLE}, {"<i4", CREW_INT32},
             {"<i8", CREW_INT64},  {"|u1", CREW_UINT8},  {"|b1", CREW_BOOL},
             {"|i1", SERVING_INT8}};

static int bad(const char *path, const char *what, struct crew_err *err)
{
    return crew_err_exit(err, CREW_DATA_LOSS, 65, "%s: %s", path, what);
}

/* The text behind 'key': in the header; NULL: none. */
static const char *member(const char *header, const char *key)
{
    const char *at = strstr(header, key);

    at = at != NULL ? strchr(at, ':') : NULL;
    return at != NULL ? at + 1 + strspn(at + 1, " ") : NULL;
}

static bool parse_shape(const char *at, struct crew_shape *shape)
{
    *shape = crew_scalar_shape();
    if (at == NULL || *at != '(') {
        return false;
    }
    for (at++;;) {
        char *end;

        at += strspn(at, " ,");
        if (*at == ')') {
            return true;
        }
        if (shape->rank == CREW_MAX_RANK) {
            return false;
        }
        shape->dim[shape->rank] = strtoll(at, &end, 10);
        if (end == at || shape->dim[shape->rank++] < 0) {
            return false;
        }
        at = end;
    }
}

/* Strings of `width` bytes each; NULs at their ends do not count. */
static int read_strings(const char *path,
                        const char *data,
                        size_t n,
                        size_t width,
                        const struct crew_shape *shape,
                        int64_t count,
                        struct value *out,
                        struct crew_err *err)
{
    struct value_string *list;

    if (width > 1u << 20 || (uint64_t)count > n / (width > 0 ? width : 1)) {
        return bad(path, "shorter than its header says", err);
    }
    list = xcalloc((size_t)count + 1, sizeof *list);
    for (int64_t i = 0; i < count; i++) {
        list[i].data = data + (size_t)i * width;
        list[i].n = width;
        while (list[i].n > 0 && list[i].data[list[i].n - 1] == '\0') {
            list[i].n--;
        }
    }
    (void)value_new_strings(out, shape, list, err);
    free(list);
    return err->code;
}

static int read_array(const char *path,
                      const char *header,
                      const char *data,
                      size_t n,
                      struct value *out,
                      struct crew_err *err)
{
    const char *descr = member(header, "'descr'");
    struct crew_shape shape;
    int64_t count = 0;

    if (descr == NULL || *descr != '\'' ||
        !parse_shape(member(header, "'shape'"), &shape) ||
        strstr(header, "'fortran_order': False") == NULL) {
        return bad(path, "not a C-ordered array", err);
    }
    if (shape_count(&shape, &count, &(struct crew_err){0}) != CREW_OK) {
        return bad(path, "its header announces too large a shape", err);
    }
    if (strncmp(descr, "'|S", 3) == 0) {
        return read_strings(path, data, n, strtoul(descr + 3, NULL, 10), &shape,
                            count, out, err);
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t size = value_element_size(kinds[i].dtype);

        if (strncmp(descr + 1, kinds[i].descr, 3) != 0) {
            continue;
        }
        if ((uint64_t)count > n / size) {
            return bad(path, "shorter than its header says", err);
        }
        if (value_new(out, kinds[i].dtype, &shape, err) == CREW_OK &&
            count > 0) {
            memcpy(out->data, data, (size_t)count * size);
            value_fix_bools(out);
        }
        return err->code;
    }
    return bad(path,
               "an array of a type that is not read here. Fix: float32, "
               "float64, int32, int64, uint8, bool or bytes ('S')",
               err);
}

int npy_read(const char *path, struct value *out, struct crew_err *err)
{
    char *bytes = NULL, *header;
    size_t n = 0, head = 10, len;

    if (fs_read_file(env_posix(), path, MAX_FILE, &bytes, &n, err) != CREW_OK) {
        return err->code;
    }
    if (n < 12 || memcmp(bytes, "\x93NUMPY", 6) != 0) {
        free(bytes);
        return bad(path, "not a .npy file", err);
    }
    len = (size_t)(uint8_t)bytes[8] | (size_t)(uint8_t)bytes[9] << 8;
    if (bytes[6] > 1) {
        len |= (size_t)(uint8_t)bytes[10] << 16 | (size_t)(uint8_t)bytes[11]
                                                      << 24;
        head = 12;
    }
    if (len > n - head) {
        free(bytes);
        return bad(path, "its header is cut", err);
    }
    header = xasprintf("%.*s", (int)len, bytes + head);
    (void)read_array(path, header, bytes + head + len, n - head - len, out,
                     err);
    free(header);
    free(bytes);
    return err->code;
}

/* ----------------------------------------------------------------- writing */

static size_t longest(const struct value *v)
{
    size_t n = 1;

    for (int64_t i = 0; i < v->n; i++) {
        n = v->str[i].n > n ? v->str[i].n : n;
    }
    return n;
}

static void add_header(struct strbuf *out, const struct value *v)
{
    struct strbuf text;
    uint8_t head[10] = "\x93NUMPY\x01";

    strbuf_init(&text);
    strbuf_addstr(&text, "{'descr': '");
    if (v->dtype == CREW_STRING) {
        strbuf_addf(&text, "|S%zu", longest(v));
    }
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        strbuf_addstr(&text, kinds[i].dtype == v->dtype ? kinds[i].descr : "");
    }
    strbuf_addstr(&text, "', 'fortran_order': False, 'shape': (");
    for (int i = 0; i < v->shape.rank; i++) {
        strbuf_addf(&text, "%" PRId64 ",%s", v->shape.dim[i],
                    i + 1 < v->shape.rank ? " " : "");
    }
    strbuf_addstr(&text, "), }");
    while ((10 + text.len + 1) % 64 != 0) {
        strbuf_addstr(&text, " ");
    }
    strbuf_addstr(&text, "\n");
    head[8] = (uint8_t)(text.len & 0xff);
    head[9] = (uint8_t)(text.len >> 8);
    strbuf_add(out, head, sizeof head);
    strbuf_add(out, text.data, text.len);
    strbuf_release(&text);
}

int npy_write(const char *path, const struct value *v, struct crew_err *err)
{
    struct strbuf out;

    strbuf_init(&out);
    add_header(&out, v);
    if (v->dtype == CREW_STRING) {
        size_t width = longest(v);

        for (int64_t i = 0; i < v->n; i++) {
            strbuf_add(&out, v->str[i].data, v->str[i].n);
            for (size_t k = v->str[i].n; k < width; k++) {
                strbuf_add(&out, "", 1);
            }
        }
    } else {
        strbuf_add(&out, v->data, (size_t)v->n * value_element_size(v->dtype));
    }
    (void)fs_replace_file(env_posix(), path, out.data, out.len, err);
    strbuf_release(&out);
    return err->code;
}
