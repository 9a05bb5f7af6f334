/* How a picture becomes a tensor: the model's block, read once. */
#ifndef INFER_SERVE_PREPROCESS_H
#define INFER_SERVE_PREPROCESS_H

#include "image.h"

/* docs/preprocess.md has the members of the block. */
struct infer_serve_preprocess {
    char input[128];
    bool as_stored;       /* whatever EXIF says */
    size_t width, height; /* to resize to; 0: not */
    bool shortest;        /* width is for the shorter side */
    infer_serve_filter filter;
    size_t crop_width, crop_height; /* 0: not */
    size_t channels;                /* 3, or 1: grey */
    bool bgr, last;                 /* order of colours; channels behind the pixels (NHWC) */
    double scale, mean[3], std[3];
    infer_type type; /* of the input: float, double or uint8 */
};

/* Reads the option's file or the model's metadata. *block is NULL where there is neither. False
 * with the error set where it is wrong. */
bool infer_serve_preprocess_open(const infer_serve *serve, infer_serve_preprocess **block,
                                 infer_serve_error *error);

#endif
