/* How a picture becomes a tensor: the model's block, and what it says done. */
#include "preprocess.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MOST_SIDE 8192

/* ---- the block ---- */

#define FAIL(...) (infer_serve_fail(error, 500, "preprocess: " __VA_ARGS__), false)

static bool read_side(const json_t *json, size_t *side) {
    json_int_t number = json_integer_value(json);
    *side = (size_t)number;
    return json_is_integer(json) && number > 0 && number <= MOST_SIDE;
}

/* One number for both sides, or [height, width]. */
static bool read_size(const json_t *json, size_t *height, size_t *width) {
    if (json_is_array(json) && json_array_size(json) == 2)
        return read_side(json_array_get(json, 0), height) &&
               read_side(json_array_get(json, 1), width);
    return read_side(json, height) && read_side(json, width);
}

/* The number of a word, -1 where it is none of them. */
static int find_word(const json_t *json, const char *const *words) {
    for (int i = 0; json_is_string(json) && words[i]; i++)
        if (strcmp(json_string_value(json), words[i]) == 0)
            return i;
    return -1;
}

static bool read_resize(const json_t *json, infer_serve_preprocess *p, infer_serve_error *error) {
    static const char *const modes[] = {"exact", "shortest", NULL};
    static const char *const filters[] = {"nearest", "bilinear", "bicubic", NULL};
    const json_t *mode = json_object_get(json, "mode"), *filter = json_object_get(json, "filter");
    const json_t *size = json_object_get(json, "size");
    int m = mode ? find_word(mode, modes) : 0, f = filter ? find_word(filter, filters) : 1;
    if (!json || json_is_null(json))
        return true;
    if (!read_size(size, &p->height, &p->width) || (m == 1 && json_is_array(size)))
        return FAIL("\"resize\" has no \"size\" of pixels for its mode");
    if (m < 0 || f < 0 || json_object_size(json) != 1u + (mode != NULL) + (filter != NULL))
        return FAIL("\"resize\" has a member or a word that is not known");
    p->shortest = m == 1;
    p->filter = (infer_serve_filter)f;
    return true;
}

static bool read_list(const json_t *json, const char *name, size_t count, double *to,
                      infer_serve_error *error) {
    if (!json)
        return true;
    if (!json_is_array(json) || json_array_size(json) != count)
        return FAIL("\"%s\" is not a list of %zu numbers", name, count);
    for (size_t i = 0; i < count; i++) {
        to[i] = json_number_value(json_array_get(json, i));
        if (!json_is_number(json_array_get(json, i)) || (*name == 's' && to[i] == 0))
            return FAIL("\"%s\" has a value that is not allowed", name);
    }
    return true;
}

static bool read_members(const json_t *json, infer_serve_preprocess *p, infer_serve_error *error) {
    static const char *const members[] = {"input", "resize", "crop",   "channels",    "scale",
                                          "mean",  "std",    "layout", "orientation", NULL};
    static const char *const channels[] = {"RGB", "BGR", "GRAY", NULL};
    static const char *const layouts[] = {"NCHW", "NHWC", NULL};
    static const char *const orientations[] = {"exif", "ignore", NULL};
    const json_t *scale = json_object_get(json, "scale"), *crop = json_object_get(json, "crop");
    const json_t *colour = json_object_get(json, "channels"), *value;
    const json_t *layout = json_object_get(json, "layout");
    const json_t *orientation = json_object_get(json, "orientation");
    const char *name;
    if (!json_is_object(json))
        return FAIL("it is not a JSON object");
    json_object_foreach((json_t *)json, name, value) {
        json_t *word = json_string(name);
        bool known = find_word(word, members) >= 0;
        json_decref(word);
        if (!known)
            return FAIL("it has a member \"%.60s\" that is not known", name);
    }
    int c = colour ? find_word(colour, channels) : 0, l = layout ? find_word(layout, layouts) : 0;
    int o = orientation ? find_word(orientation, orientations) : 0;
    if (c < 0 || l < 0 || o < 0)
        return FAIL("\"channels\", \"layout\" or \"orientation\" is a word that is not known");
    p->as_stored = o == 1;
    p->channels = c == 2 ? 1 : 3;
    p->bgr = c == 1;
    p->last = l == 1;
    if (scale && !json_is_number(scale))
        return FAIL("\"scale\" is not a number");
    p->scale = scale ? json_number_value(scale) : 1.0 / 255;
    if (crop && !read_size(crop, &p->crop_height, &p->crop_width))
        return FAIL("\"crop\" is not a size of pixels");
    return read_resize(json_object_get(json, "resize"), p, error) &&
           read_list(json_object_get(json, "mean"), "mean", p->channels, p->mean, error) &&
           read_list(json_object_get(json, "std"), "std", p->channels, p->std, error);
}

/* The input that takes pictures: the one that is named, or the only one. */
static bool find_input(const infer_serve *serve, const json_t *json, infer_serve_preprocess *p,
                       infer_serve_error *error) {
    infer_value_info in = {.struct_size = sizeof in};
    const char *name = json_string_value(json_object_get(json, "input"));
    bool found = name ? infer_serve_find_input(serve, name, &in)
                      : infer_model_inputs(serve->model) == 1 &&
                            infer_model_input(serve->model, 0, &in) == INFER_OK;
    if (!found)
        return FAIL("\"input\" names no input of the model");
    if (in.kind != INFER_KIND_TENSOR || (in.rank >= 0 && in.rank != 4) ||
        (in.type != INFER_TYPE_FLOAT && in.type != INFER_TYPE_DOUBLE &&
         in.type != INFER_TYPE_UINT8))
        return FAIL("input \"%.100s\" is no tensor of 4 dimensions of float, double or uint8",
                    in.name);
    if (strlen(in.name) >= sizeof p->input)
        return FAIL("the input's name is too long");
    strcpy(p->input, in.name);
    p->type = (infer_type)in.type;
    return true;
}

static json_t *find_block(const infer_serve *serve, infer_serve_error *error) {
    const char *key, *value;
    json_error_t why = {.line = 0};
    json_t *json = NULL;
    bool is_there = serve->options.preprocess != NULL;
    if (is_there)
        json = json_load_file(serve->options.preprocess, JSON_REJECT_DUPLICATES, &why);
    for (size_t i = 0; !is_there && infer_model_metadata(serve->model, i, &key, &value) == INFER_OK;
         i++)
        if (strcmp(key, "preprocess") == 0) {
            is_there = true;
            json = json_loads(value, JSON_REJECT_DUPLICATES, &why);
        }
    if (is_there && !json)
        infer_serve_fail(error, 500, "preprocess: line %d: %s", why.line, why.text);
    return json;
}

bool infer_serve_preprocess_open(const infer_serve *serve, infer_serve_preprocess **block,
                                 infer_serve_error *error) {
    infer_serve_error found = {0};
    json_t *json = find_block(serve, &found);
    infer_serve_preprocess *p = json ? calloc(1, sizeof *p) : NULL;
    *block = NULL;
    if (json && !p)
        infer_serve_fail(&found, 503, "no memory is left");
    for (int c = 0; p && c < 3; c++)
        p->std[c] = 1;
    if (p && read_members(json, p, &found) && find_input(serve, json, p, &found))
        *block = p;
    else
        free(p);
    json_decref(json);
    if (found.status)
        *error = found;
    return !found.status;
}

/* ---- the work ---- */

#undef FAIL
#define FAIL(...) (infer_serve_fail(error, 400, __VA_ARGS__), false)

static bool resize(const infer_serve_preprocess *p, infer_serve_image *image,
                   infer_serve_error *error) {
    size_t width = p->width, height = p->height;
    if (!width)
        return true;
    if (p->shortest && image->width < image->height)
        height = width * image->height / image->width;
    else if (p->shortest)
        width = height * image->width / image->height;
    if (width > INFER_SERVE_MOST_PIXELS / height)
        return infer_serve_fail(error, 413, "the image is too long for its width"), false;
    return infer_serve_resize(image, width, height, p->filter) ||
           (infer_serve_fail(error, 503, "no memory is left"), false);
}

/* Halves are rounded to the even pixel. */
static size_t middle(size_t all, size_t part) {
    return (size_t)nearbyint((double)(all - part) / 2);
}

static uint8_t grey(const uint8_t *rgb) {
    /* The weights of ITU-R 601 in 16 bits. */
    return (uint8_t)((19595u * rgb[0] + 38470u * rgb[1] + 7471u * rgb[2] + 0x8000u) >> 16);
}

static void put(const infer_serve_preprocess *p, void *to, size_t at, size_t channel, uint8_t raw) {
    double value = ((double)raw * p->scale - p->mean[channel]) / p->std[channel];
    if (p->type == INFER_TYPE_FLOAT)
        ((float *)to)[at] = (float)value;
    else if (p->type == INFER_TYPE_DOUBLE)
        ((double *)to)[at] = value;
    else
        ((uint8_t *)to)[at] = (uint8_t)fmin(fmax(nearbyint(value), 0), 255);
}

static void fill(const infer_serve_preprocess *p, const infer_serve_image *image, size_t height,
                 size_t width, void *to) {
    size_t top = middle(image->height, height), left = middle(image->width, width);
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++) {
            const uint8_t *rgb = image->pixels + 3 * ((top + y) * image->width + left + x);
            for (size_t c = 0; c < p->channels; c++) {
                size_t at =
                    p->last ? (y * width + x) * p->channels + c : (c * height + y) * width + x;
                put(p, to, at, c, p->channels == 1 ? grey(rgb) : rgb[p->bgr ? 2 - c : c]);
            }
        }
}

static json_t *predict(infer_serve *serve, const infer_serve_image *image,
                       infer_serve_error *error) {
    const infer_serve_preprocess *p = serve->preprocess;
    size_t height = p->crop_height ? p->crop_height : image->height;
    size_t width = p->crop_width ? p->crop_width : image->width;
    if (height > image->height || width > image->width)
        return infer_serve_fail(error, 400, "the image has %zu x %zu pixels, %zu x %zu are needed",
                                image->width, image->height, width, height);
    size_t count = height * width * p->channels;
    int64_t shape[4] = {1, (int64_t)p->channels, (int64_t)height, (int64_t)width};
    if (p->last)
        memcpy(shape, (int64_t[4]){1, (int64_t)height, (int64_t)width, (int64_t)p->channels},
               sizeof shape);
    void *data = malloc(count * infer_type_size(p->type));
    if (!data)
        return infer_serve_fail(error, 503, "no memory is left");
    fill(p, image, height, width, data);
    infer_value value = {
        .type = (uint32_t)p->type, .rank = 4, .shape = shape, .data = data, .count = count};
    const char *name = p->input;
    infer_serve_tensors tensors = {&name, &value, 1};
    json_t *answer = infer_serve_answer_tensors(serve, &tensors, error);
    free(data);
    return answer;
}

json_t *infer_serve_predict_image(infer_serve *serve, const infer_serve_body *body,
                                  infer_serve_error *error) {
    infer_serve_image image;
    json_t *answer = NULL;
    if (!serve->preprocess)
        return infer_serve_fail(error, 415,
                                "the model does not say how an image becomes its input");
    if (!serve->options.engine->decode(body, &image, error))
        return NULL;
    if (!serve->preprocess->as_stored && !infer_serve_orient(&image))
        infer_serve_fail(error, 503, "no memory is left for the image");
    else if (resize(serve->preprocess, &image, error))
        answer = predict(serve, &image, error);
    free(image.pixels);
    return answer;
}
