/* SPDX-License-Identifier: Apache-2.0
 * Images: the PNG holds the pixels (inflated again and compared), its chunks
 * have right lengths and CRCs; shapes that are no images. TensorFlow's pixels
 * are compared by golden-check events. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/mem.h"
#include "run_suite.h"
#include "summary/event_summary.h"
#include "summary/image.h"

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
           p[3];
}

/* The data of the chunk at *at, which must be of `type`. */
static const uint8_t *chunk(const struct strbuf *png,
                            size_t *at,
                            const char *type,
                            uint32_t *n)
{
    const uint8_t *p = (const uint8_t *)png->data + *at;

    ck_assert_uint_le(*at + 12, png->len);
    *n = be32(p);
    ck_assert_uint_le(*at + 12 + *n, png->len);
    ck_assert_mem_eq(p + 4, type, 4);
    ck_assert_uint_eq(be32(p + 8 + *n), crc32(0, p + 4, *n + 4));
    *at += 12 + *n;
    return p + 8;
}

START_TEST(a_png_holds_the_pixels)
{
    static const int types[] = {0, 4, 2, 6};
    int channels = _i + 1;
    const uint64_t row = 5u * (unsigned)channels;
    uint8_t pixels[3 * 5 * 4], rows[3 * (5 * 4 + 1)];
    uLongf size = sizeof rows;
    struct strbuf png;
    struct crew_err err = {0};
    size_t at = 8;
    uint32_t n;

    for (size_t i = 0; i < sizeof pixels; i++) {
        pixels[i] = (uint8_t)(i * 37);
    }
    strbuf_init(&png);
    ck_assert_int_eq(image_to_png(pixels, 3, 5, channels, &png, &err), CREW_OK);
    ck_assert_mem_eq(png.data, "\x89PNG\r\n\x1a\n", 8);

    const uint8_t *head = chunk(&png, &at, "IHDR", &n);
    ck_assert_uint_eq(n, 13);
    ck_assert_uint_eq(be32(head), 5);
    ck_assert_uint_eq(be32(head + 4), 3);
    ck_assert_int_eq(head[8], 8);
    ck_assert_int_eq(head[9], types[_i]);

    const uint8_t *data = chunk(&png, &at, "IDAT", &n);
    ck_assert_int_eq(uncompress(rows, &size, data, n), Z_OK);
    ck_assert_uint_eq(size, 3 * (row + 1));
    for (uint64_t y = 0; y < 3; y++) {
        ck_assert_int_eq(rows[y * (row + 1)], 0);
        ck_assert_mem_eq(rows + y * (row + 1) + 1, pixels + y * row, row);
    }
    (void)chunk(&png, &at, "IEND", &n);
    ck_assert_uint_eq(n, 0);
    ck_assert_uint_eq(at, png.len);
    strbuf_release(&png);
}
END_TEST

START_TEST(no_pixels_are_an_error)
{
    static const int64_t sides[][2] = {{0, 5}, {5, 0}, {INT32_MAX, 2}};
    uint8_t pixel = 0;
    struct strbuf png;
    struct crew_err err = {0};

    strbuf_init(&png);
    ck_assert_int_eq(
        image_to_png(&pixel, sides[_i][0], sides[_i][1], 1, &png, &err),
        CREW_INVALID_ARGUMENT);
    ck_assert_uint_eq(png.len, 0);
    strbuf_release(&png);
}
END_TEST

START_TEST(memory_may_be_short)
{
    uint8_t pixels[12] = {0};
    bool fired = true;

    for (int64_t n = 1; fired; n++) {
        struct strbuf png;
        struct crew_err err = {0};

        strbuf_init(&png);
        mem_fail_at(n, false);
        (void)image_to_png(pixels, 2, 2, 3, &png, &err);
        fired = mem_fail_fired();
        mem_fail_at(0, false);
        ck_assert_int_eq(err.code, fired ? CREW_RESOURCE_EXHAUSTED : CREW_OK);
        strbuf_release(&png);
    }
}
END_TEST

START_TEST(floats_are_stretched)
{
    static const float positive[] = {0, 1, 2, 4};
    static const float both[] = {-2, 0, 1, 2};
    static const float nothing[] = {0, 1e-7f, 0, 0};
    static const float bad[] = {NAN, INFINITY, 1, -INFINITY};
    uint8_t out[4];

    image_from_floats(positive, 4, 1, out);
    ck_assert_mem_eq(out, ((uint8_t[]){0, 63, 127, 255}), 4);
    image_from_floats(both, 4, 1, out);
    ck_assert_mem_eq(out, ((uint8_t[]){1, 128, 191, 255}), 4);
    image_from_floats(nothing, 4, 1, out);
    ck_assert_mem_eq(out, ((uint8_t[]){0, 0, 0, 0}), 4);
    image_from_floats(bad, 4, 1, out);
    ck_assert_mem_eq(out, ((uint8_t[]){255, 255, 255, 255}), 4);
    image_from_floats(bad, 1, 4, out);
    ck_assert_mem_eq(out, ((uint8_t[]){255, 0, 0, 255}), 4);
}
END_TEST

START_TEST(tags_are_tensorflows)
{
    const struct crew_shape shape = crew_shape4(3, 2, 2, 1);
    uint8_t pixels[12] = {0};
    struct event_summary *s = event_summary_new();
    Tensorflow__Summary *m = event_summary_message(s);
    struct crew_err err = {0};

    ck_assert_int_eq(
        event_add_images(s, "a/x", CREW_UINT8, &shape, pixels, 2, &err),
        CREW_OK);
    ck_assert_int_eq(
        event_add_images(s, "one", CREW_UINT8, &shape, pixels, 1, &err),
        CREW_OK);
    ck_assert_int_eq(
        event_add_images(s, "all", CREW_UINT8, &shape, pixels, 9, &err),
        CREW_OK);
    ck_assert_uint_eq(m->n_value, 6);
    ck_assert_str_eq(m->value[0]->tag, "a/x/image/0");
    ck_assert_str_eq(m->value[1]->tag, "a/x/image/1");
    ck_assert_str_eq(m->value[2]->tag, "one/image");
    ck_assert_str_eq(m->value[5]->tag, "all/image/2");
    ck_assert_int_eq(m->value[5]->image->colorspace, 1);
    event_summary_free(s);
}
END_TEST

START_TEST(other_shapes_are_no_images)
{
    const struct crew_shape two = crew_shape4(1, 2, 2, 2);
    const struct crew_shape flat = crew_shape2(1, 4);
    float values[4] = {0};
    struct event_summary *s = event_summary_new();
    struct crew_err a = {0}, b = {0}, c = {0};
    const struct crew_shape grey = crew_shape4(1, 2, 2, 1);

    ck_assert_int_ne(event_add_images(s, "x", CREW_FLOAT, &two, values, 1, &a),
                     CREW_OK);
    ck_assert_str_eq(a.msg,
                     "image 'x': Tensor must be 4-D with last dim 1, 3, "
                     "or 4, not (1, 2, 2, 2)");
    ck_assert_int_ne(event_add_images(s, "x", CREW_FLOAT, &flat, values, 1, &b),
                     CREW_OK);
    ck_assert_int_ne(event_add_images(s, "x", CREW_INT64, &grey, values, 1, &c),
                     CREW_OK);
    ck_assert_uint_eq(event_summary_message(s)->n_value, 0);
    event_summary_free(s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("image");
    TCase *tc = tcase_create("image");

    tcase_add_loop_test(tc, a_png_holds_the_pixels, 0, 4);
    tcase_add_loop_test(tc, no_pixels_are_an_error, 0, 3);
    tcase_add_test(tc, memory_may_be_short);
    tcase_add_test(tc, floats_are_stretched);
    tcase_add_test(tc, tags_are_tensorflows);
    tcase_add_test(tc, other_shapes_are_no_images);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
