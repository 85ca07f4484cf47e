/* SPDX-License-Identifier: Apache-2.0
 *
 * The family events: every event of the files that TensorFlow wrote, as `crew
 * events dump --format json` shows it (of a graph as many nodes as the golden
 * file shows); and what TensorFlow was given, made into images and histograms
 * by our code: pixels as they come out of our PNGs, all fields of
 * HistogramProto, the rows of the newer form.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/mem.h"
#include "cli/events.h"
#include "config/json.h"
#include "golden.h"
#include "golden_families.h"
#include "summary/event_reader.h"
#include "summary/event_summary.h"
#include "summary/histogram.h"
#include "tensor/tensor.h"
#include "base/banned.h"

/* As it would be read back: numbers that were written as text are numbers. */
static cJSON *read_back(const Tensorflow__Event *event)
{
    cJSON *made = event_to_json(event), *parsed;
    char *text = cJSON_PrintUnformatted(made);

    parsed = cJSON_Parse(text);
    free(text);
    cJSON_Delete(made);
    return parsed;
}

/* Take out of `want` and `got` what is not compared. */
static void make_equal(cJSON *got, cJSON *want)
{
    cJSON *graph = cJSON_GetObjectItem(want, "graph_def"), *value;
    cJSON *nodes = cJSON_GetObjectItem(graph, "nodes");
    cJSON *ours =
        cJSON_GetObjectItem(cJSON_GetObjectItem(got, "graph_def"), "nodes");

    while (nodes != NULL &&
           cJSON_GetArraySize(ours) > cJSON_GetArraySize(nodes)) {
        cJSON_DeleteItemFromArray(ours, cJSON_GetArraySize(nodes));
    }
    cJSON_ArrayForEach(value, cJSON_GetObjectItem(want, "values"))
    {
        cJSON_DeleteItemFromObject(cJSON_GetObjectItem(value, "image"),
                                   "pixels");
    }
}

static void compare_event(struct golden_report *report,
                          const Tensorflow__Event *event,
                          cJSON *want)
{
    cJSON *got = read_back(event);
    const cJSON *member;

    make_equal(got, want);
    cJSON_ArrayForEach(member, want)
    {
        (void)golden_same_json(report, member->string,
                               json_get(got, member->string), member);
    }
    (void)golden_same_int(report, "members", -1, cJSON_GetArraySize(got),
                          cJSON_GetArraySize(want));
    cJSON_Delete(got);
}

static void compare_file(struct golden_report *report,
                         const char *dir,
                         cJSON *file)
{
    char *path = path_join(dir, golden_text(file, "file"));
    cJSON *events = cJSON_GetObjectItem(file, "events");
    struct event_reader *r = NULL;
    Tensorflow__Event *event = NULL;
    struct crew_err err = {0};
    int n = 0;

    if (event_reader_open(env_posix(), path, &r, &err) == CREW_OK) {
        while (event_reader_next(r, &event, &err) == CREW_OK) {
            cJSON *want = cJSON_GetArrayItem(events, n);

            golden_case(report, "%s event %d", golden_text(file, "file"), n++);
            if (want == NULL) {
                golden_differ(report, "event", -1, "one more", "the end");
            } else {
                compare_event(report, event, want);
            }
            tensorflow__event__free_unpacked(event, NULL);
        }
    }
    golden_case(report, "%s", golden_text(file, "file"));
    if (err.code != CREW_OUT_OF_RANGE) {
        golden_differ(report, "end", -1, err.msg, "the end of the file");
    }
    (void)golden_same_int(report, "events", -1, n, cJSON_GetArraySize(events));
    event_reader_close(r);
    free(path);
}

/* ----------------------------------------------------- what was fed, again */

static const struct golden_tolerance exact = {0, 0};
static const struct golden_tolerance sums = {1e-12, 1e-300};

/* The float16 that a text of 9 digits means. */
static double nearest_half(double x)
{
    int e;

    (void)frexp(x, &e);
    e = (e < -13 ? -13 : e) - 11;
    return ldexp(nearbyint(ldexp(x, -e)), e);
}

/* The values as TensorFlow's kernel was given them. Owner: caller. */
static void *fed_values(const cJSON *array, enum crew_dtype *dtype, int64_t *n)
{
    const cJSON *values = golden_member(array, "values"), *v;
    const char *name = golden_text(array, "dtype");
    double *numbers;
    int64_t i = 0;

    *n = cJSON_GetArraySize(values);
    numbers = xcalloc((size_t)*n, sizeof *numbers);
    *dtype = dtype_parse(name);
    cJSON_ArrayForEach(v, values)
    {
        double x = golden_number(v);

        if (*dtype == CREW_FLOAT) {
            ((float *)numbers)[i++] = (float)x;
        } else if (*dtype == CREW_INT32) {
            ((int32_t *)numbers)[i++] = (int32_t)x;
        } else if (*dtype == CREW_INT64) {
            ((int64_t *)numbers)[i++] = (int64_t)x;
        } else if (*dtype == CREW_UINT8) {
            ((uint8_t *)numbers)[i++] = (uint8_t)x;
        } else {
            numbers[i++] = *dtype == CREW_DOUBLE ? x : nearest_half(x);
        }
    }
    if (strcmp(name, "float16") == 0) {
        *dtype = CREW_DOUBLE;
    }
    return numbers;
}

/* ------------------------------------------------------------------- images */

/* The pixels of a PNG of ours. Owner: caller. */
static uint8_t *png_pixels(const Tensorflow__Summary__Image *image)
{
    const uint8_t *png = image->encoded_image_string.data + 8 + 25; /* IDAT */
    size_t row = (size_t)image->width * (size_t)image->colorspace;
    size_t height = (size_t)image->height;
    uLongf size = (uLongf)(height * (row + 1));
    uint8_t *rows = xmalloc(size), *out = xmalloc(size);
    uLong n =
        (uLong)png[0] << 24 | (uLong)png[1] << 16 | (uLong)png[2] << 8 | png[3];

    if (uncompress(rows, &size, png + 8, n) != Z_OK) {
        memset(rows, 0, size);
    }
    for (size_t y = 0; y < height; y++) {
        memcpy(out + y * row, rows + y * (row + 1) + 1, row);
    }
    free(rows);
    return out;
}

static void compare_image(struct golden_report *report,
                          const Tensorflow__Summary__Value *got,
                          const cJSON *want)
{
    const cJSON *pixels = golden_member(want, "pixels"), *pixel;
    uint8_t *ours = png_pixels(got->image);
    int64_t i = 0;

    (void)golden_same_int(report, "width", -1, got->image->width,
                          golden_int(golden_member(want, "width")));
    (void)golden_same_int(report, "height", -1, got->image->height,
                          golden_int(golden_member(want, "height")));
    (void)golden_same_int(report, "colorspace", -1, got->image->colorspace,
                          golden_int(golden_member(want, "colorspace")));
    cJSON_ArrayForEach(pixel, golden_member(pixels, "values"))
    {
        (void)golden_same_int(report, "pixel", i, ours[i], golden_int(pixel));
        i++;
    }
    free(ours);
}

/* The value of that tag that TensorFlow wrote. */
static const cJSON *find_value(const cJSON *list, const char *tag)
{
    const cJSON *file, *event, *value;

    cJSON_ArrayForEach(file, golden_member(list, "files"))
    {
        cJSON_ArrayForEach(event, golden_member(file, "events"))
        {
            cJSON_ArrayForEach(value, json_get(event, "values"))
            {
                if (strcmp(golden_text(value, "tag"), tag) == 0) {
                    return value;
                }
            }
        }
    }
    return NULL;
}

static void make_images(struct golden_report *report,
                        const cJSON *list,
                        const char *name,
                        const cJSON *input,
                        int64_t max_outputs)
{
    struct event_summary *s = event_summary_new();
    const Tensorflow__Summary *made = event_summary_message(s);
    struct crew_shape shape = {.rank = 4};
    struct crew_err err = {0};
    enum crew_dtype dtype;
    int64_t n;
    void *values = fed_values(input, &dtype, &n);

    for (int i = 0; i < 4; i++) {
        shape.dim[i] =
            golden_int(cJSON_GetArrayItem(golden_member(input, "shape"), i));
    }
    golden_case(report, "image %s", name);
    if (event_add_images(s, name, dtype, &shape, values, max_outputs, &err) !=
        CREW_OK) {
        golden_differ(report, "images", -1, err.msg, "images");
    }
    for (size_t i = 0; i < made->n_value; i++) {
        const cJSON *want = find_value(list, made->value[i]->tag);

        golden_case(report, "image %s", made->value[i]->tag);
        if (want == NULL) {
            golden_differ(report, "tag", -1, made->value[i]->tag, "no such");
        } else {
            compare_image(report, made->value[i], golden_member(want, "image"));
        }
    }
    free(values);
    event_summary_free(s);
}

static void check_images(struct golden_report *report, const cJSON *list)
{
    const cJSON *inputs = golden_member(list, "image_inputs"), *input;

    cJSON_ArrayForEach(input, inputs)
    {
        make_images(report, list, input->string, input, 3);
    }
    make_images(report, list, "one_of_two", golden_member(inputs, "rgb"), 1);
}

/* --------------------------------------------------------------- histograms */

static void compare_numbers(struct golden_report *report,
                            const char *name,
                            const double *got,
                            size_t num_got,
                            const cJSON *want)
{
    const cJSON *number;
    size_t i = 0;

    (void)golden_same_int(report, name, -1, (int64_t)num_got,
                          cJSON_GetArraySize(want));
    cJSON_ArrayForEach(number, want)
    {
        if (i < num_got && !golden_same_number(report, name, got[i],
                                               golden_number(number), exact)) {
            break;
        }
        i++;
    }
}

static void compare_histo(struct golden_report *report,
                          const Tensorflow__HistogramProto *got,
                          const cJSON *want)
{
    const struct {
        const char *name;
        double got;
        struct golden_tolerance tolerance;
    } rows[] = {{"min", got->min, exact},
                {"max", got->max, exact},
                {"num", got->num, exact},
                {"sum", got->sum, sums},
                {"sum_squares", got->sum_squares, sums}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        (void)golden_same_number(
            report, rows[i].name, rows[i].got,
            golden_number(golden_member(want, rows[i].name)),
            rows[i].tolerance);
    }
    compare_numbers(report, "bucket_limit", got->bucket_limit,
                    got->n_bucket_limit, golden_member(want, "bucket_limit"));
    compare_numbers(report, "bucket", got->bucket, got->n_bucket,
                    golden_member(want, "bucket"));
}

static void check_rows(struct golden_report *report,
                       const char *what,
                       const cJSON *input,
                       const cJSON *want)
{
    double rows[HISTOGRAM_ROWS][3];
    struct crew_err err = {0};
    enum crew_dtype dtype;
    int64_t n;
    void *values = fed_values(input, &dtype, &n);

    golden_case(report, "rows %s", what);
    if (histogram_rows(dtype, values, n, "h", rows, &err) != CREW_OK) {
        golden_differ(report, "error", -1, err.msg, "none");
    } else {
        compare_numbers(report, "rows", rows[0],
                        sizeof rows / sizeof rows[0][0],
                        golden_member(want, "values"));
    }
    free(values);
}

static void check_histogram(struct golden_report *report, const cJSON *vector)
{
    const cJSON *input = golden_member(vector, "input");
    const cJSON *error = json_get(vector, "error");
    struct histogram *h = histogram_new();
    struct crew_err err = {0};
    Tensorflow__HistogramProto *proto;
    enum crew_dtype dtype;
    int64_t n;
    void *values = fed_values(input, &dtype, &n);

    golden_case(report, "histogram %s", golden_text(vector, "what"));
    (void)histogram_add(h, dtype, values, n, "h", &err);
    (void)golden_same_text(
        report, "error", err.code != CREW_OK ? err.msg : NULL,
        error != NULL ? golden_text(error, "message") : NULL);
    if (error == NULL) {
        proto = histogram_proto(h);
        compare_histo(report, proto, golden_member(vector, "histo"));
        tensorflow__histogram_proto__free_unpacked(proto, NULL);
    }
    if (json_get(vector, "v2_buckets") != NULL) {
        check_rows(report, golden_text(vector, "what"), input,
                   json_get(vector, "v2_buckets"));
    }
    histogram_free(h);
    free(values);
}

static int check_histograms(struct golden_report *report, const char *dir)
{
    cJSON *list = golden_load(dir, "histograms.json");
    const cJSON *vector;

    if (list == NULL) {
        return 66;
    }
    cJSON_ArrayForEach(vector, golden_member(list, "vectors"))
    {
        check_histogram(report, vector);
    }
    golden_end(report);
    cJSON_Delete(list);
    return 0;
}

int family_events(const char *dir, struct golden_report *report)
{
    static const char *const lists[] = {"v1.json", "v2.json",
                                        "only_version.json"};

    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        cJSON *list = golden_load(dir, lists[i]);
        cJSON *file;

        if (list == NULL) {
            return 66;
        }
        if (i == 0) {
            check_images(report, list);
        } else if (i == 1) {
            check_rows(report, "of tf.summary.histogram",
                       golden_member(golden_member(list, "inputs"), "weights"),
                       golden_member(find_value(list, "weights"), "tensor"));
        }
        cJSON_ArrayForEach(file, cJSON_GetObjectItem(list, "files"))
        {
            compare_file(report, dir, file);
        }
        golden_end(report);
        cJSON_Delete(list);
    }
    return check_histograms(report, dir);
}
