/* SPDX-License-Identifier: Apache-2.0
 * Pixels and PNG: a header, one IDAT of unfiltered rows, an end. */
#include "summary/image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/mem.h"
#include "base/banned.h"

/* ------------------------------------------------------------------- pixels */

static bool is_finite(const float *pixel, int channels)
{
    for (int c = 0; c < channels; c++) {
        if (!isfinite(pixel[c])) {
            return false;
        }
    }
    return true;
}

void image_from_floats(const float *values,
                       int64_t pixels,
                       int channels,
                       uint8_t *out)
{
    static const uint8_t bad[] = {255, 0, 0, 255};
    float min = INFINITY, max = -INFINITY, most, scale, offset;

    for (int64_t i = 0; i < pixels; i++) {
        const float *pixel = values + i * channels;

        for (int c = 0; is_finite(pixel, channels) && c < channels; c++) {
            min = pixel[c] < min ? pixel[c] : min;
            max = pixel[c] > max ? pixel[c] : max;
        }
    }
    most = min < 0 && -min > max ? -min : max;
    offset = min < 0 ? 128.0f : 0.0f;
    scale = most < 1e-6f ? 0.0f : (min < 0 ? 127.0f : 255.0f) / most;

    for (int64_t i = 0; i < pixels; i++) {
        const float *pixel = values + i * channels;
        bool good = is_finite(pixel, channels);

        for (int c = 0; c < channels; c++) {
            out[i * channels + c] =
                good ? (uint8_t)(pixel[c] * scale + offset) : bad[c];
        }
    }
}

/* ---------------------------------------------------------------------- PNG */

static void put_be32(uint8_t *to, uint32_t v)
{
    to[0] = (uint8_t)(v >> 24);
    to[1] = (uint8_t)(v >> 16);
    to[2] = (uint8_t)(v >> 8);
    to[3] = (uint8_t)v;
}

static void add_chunk(struct strbuf *png,
                      const char type[4],
                      const void *data,
                      uint32_t n)
{
    uint8_t word[4];
    uLong crc = crc32(crc32(0, NULL, 0), (const Bytef *)type, 4);

    put_be32(word, n);
    strbuf_add(png, word, sizeof word);
    strbuf_add(png, type, 4);
    if (n > 0) { /* crc32() of no bytes at NULL would begin anew */
        crc = crc32(crc, data, n);
        strbuf_add(png, data, n);
    }
    put_be32(word, (uint32_t)crc);
    strbuf_add(png, word, sizeof word);
}

static void add_header(struct strbuf *png,
                       uint32_t height,
                       uint32_t width,
                       int channels)
{
    static const uint8_t signature[] = {0x89, 'P',  'N',  'G',
                                        '\r', '\n', 0x1a, '\n'};
    static const uint8_t colour_type[] = {0, 4, 2, 6};
    uint8_t header[13] = {[8] = 8, [9] = colour_type[channels - 1]};

    put_be32(header, width);
    put_be32(header + 4, height);
    strbuf_add(png, signature, sizeof signature);
    add_chunk(png, "IHDR", header, sizeof header);
}

int image_to_png(const uint8_t *pixels,
                 int64_t height,
                 int64_t width,
                 int channels,
                 struct strbuf *png,
                 struct crew_err *err)
{
    size_t row = (size_t)width * (size_t)channels;
    uint8_t *rows = NULL, *packed = NULL;
    uLongf n;

    if (height < 1 || width < 1 || channels < 1 || channels > 4 ||
        height > INT32_MAX || width > INT32_MAX ||
        (uint64_t)height * (row + 1) > INT32_MAX) {
        return crew_err_exit(err, CREW_INVALID_ARGUMENT, 1,
                             "an image of %lld x %lld pixels of %d channels is "
                             "no PNG: it must be of 1 to 2^31 bytes",
                             (long long)height, (long long)width, channels);
    }
    n = compressBound((uLong)height * (row + 1));
    if (mem_try((size_t)height, row + 1, "image", (void **)&rows, err) !=
            CREW_OK ||
        mem_try(n, 1, "PNG", (void **)&packed, err) != CREW_OK) {
        goto out;
    }
    for (int64_t y = 0; y < height; y++) { /* filter type 0, then the row */
        memcpy(rows + (size_t)y * (row + 1) + 1, pixels + (size_t)y * row, row);
    }
    if (compress2(packed, &n, rows, (uLong)height * (row + 1),
                  Z_DEFAULT_COMPRESSION) != Z_OK) {
        (void)crew_err_set(err, CREW_RESOURCE_EXHAUSTED,
                           "no memory to compress an image");
        goto out;
    }
    add_header(png, (uint32_t)height, (uint32_t)width, channels);
    add_chunk(png, "IDAT", packed, (uint32_t)n);
    add_chunk(png, "IEND", NULL, 0);
out:
    free(packed);
    free(rows);
    return err->code;
}
