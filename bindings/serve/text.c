/* JSON as text, with numbers as short as they can be. */
#include "core.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void infer_serve_append(infer_serve_text *to, const char *data, size_t size) {
    if (to->failed || size > SIZE_MAX / 4 - to->size) {
        to->failed = true;
        return;
    }
    if (to->size + size > to->room) {
        size_t room = 2 * (to->size + size) + 256;
        char *data_new = realloc(to->data, room);
        if (!data_new) {
            to->failed = true;
            return;
        }
        to->data = data_new;
        to->room = room;
    }
    memcpy(to->data + to->size, data, size);
    to->size += size;
}

/* For jansson. */
static int append(const char *data, size_t size, void *to_void) {
    infer_serve_text *to = to_void;
    infer_serve_append(to, data, size);
    return to->failed ? -1 : 0;
}

static void append_real(infer_serve_text *to, double number) {
    char text[40];
    int size = 0;
    /* Below the normal numbers fewer digits may do. */
    for (int digits = fabs(number) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
        size = snprintf(text, sizeof text - 2, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    /* A real stays one for readers that tell 3 from 3.0. */
    if (!strpbrk(text, ".e")) {
        memcpy(text + size, ".0", 2);
        size += 2;
    }
    append(text, (size_t)size, to);
}

/* Recursion is as deep as the document: what was parsed is bounded by jansson, what was made by the
 * rank of a tensor. */
void infer_serve_write(infer_serve_text *to, const json_t *json) {
    const char *key, *between = "";
    json_t *item;
    switch (json_typeof(json)) {
    case JSON_REAL:
        append_real(to, json_real_value(json));
        return;
    case JSON_ARRAY:
        append("[", 1, to);
        for (size_t i = 0; i < json_array_size(json); i++) {
            append(",", i ? 1 : 0, to);
            infer_serve_write(to, json_array_get(json, i));
        }
        append("]", 1, to);
        return;
    case JSON_OBJECT:
        append("{", 1, to);
        json_object_foreach((json_t *)json, key, item) {
            json_t *name = json_string_nocheck(key);
            append(between, strlen(between), to);
            if (!name || json_dump_callback(name, append, to, JSON_ENCODE_ANY) != 0)
                to->failed = true;
            json_decref(name);
            append(":", 1, to);
            infer_serve_write(to, item);
            between = ",";
        }
        append("}", 1, to);
        return;
    default:
        if (json_dump_callback(json, append, to, JSON_ENCODE_ANY) != 0)
            to->failed = true;
    }
}

json_t *infer_serve_double(double number) {
    return isfinite(number) ? json_real(number) : json_null();
}

/* The decimal that is shortest for the float, read as a double, is also shortest for that double.
 */
json_t *infer_serve_float(float number) {
    char text[32];
    if (!isfinite(number))
        return json_null();
    for (int digits = fabsf(number) < FLT_MIN ? 1 : 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)number);
        if (strtof(text, NULL) == number)
            break;
    }
    return json_real(strtod(text, NULL));
}

/* Bytes of the UTF-8 character at data, 0 if it is none (RFC 3629: no overlong forms, no
 * surrogates).
 */
static size_t character(const char *data, size_t size) {
    const unsigned char *c = (const unsigned char *)data;
    size_t length = c[0] < 0x80 ? 1 : c[0] < 0xc2 ? 0 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;
    uint32_t code = length ? c[0] & (0xffu >> length) : 0;
    if (length == 1)
        return 1;
    if (!length || length > size)
        return 0;
    for (size_t i = 1; i < length; i++) {
        if ((c[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (c[i] & 0x3fu);
    }
    bool good = length == 2   ? true
                : length == 3 ? code >= 0x800 && (code < 0xd800 || code > 0xdfff)
                              : code >= 0x10000 && code <= 0x10ffff;
    return good ? length : 0;
}

void infer_serve_repair(char *data, size_t size) {
    for (size_t at = 0, length; at < size; at += length ? length : 1) {
        length = character(data + at, size - at);
        if (!length)
            data[at] = '?';
    }
}

json_t *infer_serve_string(const char *data, size_t size) {
    size_t at = 0, length;
    while (at < size && (length = character(data + at, size - at)))
        at += length;
    if (at == size)
        return json_stringn_nocheck(data, size);
    char *repaired = malloc(size);
    if (!repaired)
        return NULL;
    memcpy(repaired, data, size);
    infer_serve_repair(repaired + at, size - at);
    json_t *string = json_stringn_nocheck(repaired, size);
    free(repaired);
    return string;
}

bool infer_serve_put(json_t *object, const char *key, json_t *value) {
    return json_object_set_new(object, key, value) == 0;
}

bool infer_serve_add(json_t *array, json_t *value) {
    return json_array_append_new(array, value) == 0;
}
