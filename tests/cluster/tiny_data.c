/* SPDX-License-Identifier: Apache-2.0
 * Writes FOLDER/images.idx3.gz and FOLDER/labels.idx1.gz: 512 images of 4x4,
 * the class is the row that is bright. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#define N 512

static uint32_t state = 12345;

static uint8_t noise(void)
{
    state = state * 1664525u + 1013904223u;
    return (uint8_t)(state >> 25);
}

static gzFile create(const char *folder, const char *name)
{
    char path[4096];
    gzFile f;

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    f = gzopen(path, "wb");
    if (f == NULL) {
        perror(path);
        exit(1);
    }
    return f;
}

int main(int argc, char **argv)
{
    static const uint8_t image_header[16] = {0, 0, 8, 3, 0, 0, 2, 0,
                                             0, 0, 0, 4, 0, 0, 0, 4};
    static const uint8_t label_header[8] = {0, 0, 8, 1, 0, 0, 2, 0};
    gzFile images;
    gzFile labels;

    if (argc != 2) {
        (void)fprintf(stderr, "usage: tiny_data FOLDER\n");
        return 64;
    }
    images = create(argv[1], "images.idx3.gz");
    labels = create(argv[1], "labels.idx1.gz");
    (void)gzwrite(images, image_header, sizeof image_header);
    (void)gzwrite(labels, label_header, sizeof label_header);
    for (int i = 0; i < N; i++) {
        uint8_t label = (uint8_t)(noise() & 3);
        uint8_t image[16];

        for (int k = 0; k < 16; k++) {
            image[k] = (uint8_t)(noise() + (k / 4 == label ? 120 : 0));
        }
        (void)gzwrite(images, image, sizeof image);
        (void)gzwrite(labels, &label, 1);
    }
    return gzclose(images) == Z_OK && gzclose(labels) == Z_OK ? 0 : 1;
}
