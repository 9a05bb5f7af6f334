/* Resize by the nearest elements, which move as they are. */
#include "resize.h"

#include "chunk.h"
#include "widen.h"
#include "window.h"

#include <math.h>
#include <string.h>

static int64_t nearest_to(const infer_resize_plan *p, int32_t axis, int64_t place) {
    bool outside;
    double x = infer_resize_original(p, axis, place, &outside);
    int64_t last = p->axis[axis].in - 1, i;
    if (outside)
        return -1;
    switch (p->nearest) {
    case ROUND_PREFER_FLOOR:
        i = (int64_t)ceil(x - 0.5);
        break;
    case ROUND_PREFER_CEIL:
        i = (int64_t)floor(x + 0.5);
        break;
    case FLOOR:
        i = (int64_t)floor(x);
        break;
    case CEIL:
        i = (int64_t)ceil(x);
        break;
    default: /* of version 10 alone, which had no attribute for it */
        i = (int64_t)(p->axis[axis].scale < 1 ? ceil(x) : floor(x));
    }
    return i < 0 ? 0 : i > last ? last : i;
}

/* Whether each element of a row of n comes twice. */
static bool is_doubled(const int64_t *index, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (index[i] != i / 2)
            return false;
    return n % 2 == 0;
}

static void twice(const char *from, int64_t n, size_t size, char *to) {
#define TWICE(ctype)                                                                               \
    for (int64_t i = 0; i < n; i++)                                                                \
        ((ctype *)(void *)to)[2 * i] = ((ctype *)(void *)to)[2 * i + 1] =                          \
            ((const ctype *)(const void *)from)[i];                                                \
    break;
    switch (size) {
    case 1:
        TWICE(uint8_t)
    case 2:
        TWICE(uint16_t)
    case 4:
        TWICE(uint32_t)
    default:
        TWICE(uint64_t)
    }
}

/* A row of elements of any size by their index; -1: the value. */
static void pick(const char *from, const int64_t *index, int64_t n, size_t size, const char *value,
                 char *to) {
#define PICK(ctype)                                                                                \
    for (int64_t i = 0; i < n; i++)                                                                \
        ((ctype *)(void *)to)[i] = index[i] < 0 ? *(const ctype *)(const void *)value              \
                                                : ((const ctype *)(const void *)from)[index[i]];   \
    break;
    switch (size) {
    case 1:
        PICK(uint8_t)
    case 2:
        PICK(uint16_t)
    case 4:
        PICK(uint32_t)
    case 8:
        PICK(uint64_t)
    default:
        for (int64_t i = 0; i < n; i++)
            memcpy(to + (size_t)i * size, index[i] < 0 ? value : from + (size_t)index[i] * size,
                   size);
    }
}

/* The same for runs of elements; no index: the value everywhere. */
static void move_runs(const char *from, const int64_t *index, int64_t n, size_t run, size_t size,
                      const char *value, char *to) {
    for (int64_t k = 0; k < n; k++, to += run * size) {
        bool outside = !index || index[k] < 0;
        for (size_t j = 0; outside && j < run; j++)
            memcpy(to + j * size, value, size);
        if (!outside)
            memcpy(to, from + (size_t)index[k] * run * size, run * size);
    }
}

/* The extrapolation value as an element; strings and complex numbers have an empty one. */
static void element_of(const infer_resize_plan *p, infer_type type, infer_chunk *element) {
    double value = p->extrapolation_value;
    infer_view one = {.type = (uint8_t)type, .data = element};
    infer_type_class class = infer_type_kind(type);
    memset(element, 0, 64);
    if (class == INFER_CLASS_TEXT)
        *(infer_string *)(void *)element = (infer_string){"", 0};
    else if (class != INFER_CLASS_COMPLEX)
        infer_narrow_all(INFER_TYPE_DOUBLE, &value, &one);
}

void infer_resize_nearest(const infer_view *x, const infer_view *y, const infer_resize_plan *p,
                          int64_t *index) {
    const int64_t *of[INFER_MAX_RANK];
    int64_t place[INFER_MAX_RANK] = {0}, outer[INFER_MAX_RANK], run = 1;
    int32_t last = p->rank - 1;
    size_t size = infer_type_size((infer_type)x->type);
    infer_chunk value;
    element_of(p, (infer_type)x->type, &value);
    while (last >= 0 && !p->axis[last].changes) /* axes that keep their elements move as one */
        run *= p->axis[last--].in;
    for (int32_t i = 0; i <= last; i++) {
        of[i] = index;
        outer[i] = p->axis[i].out;
        for (int64_t k = 0; k < p->axis[i].out; k++)
            *index++ = p->axis[i].changes ? nearest_to(p, i, k) : k;
    }
    if (last < 0) {
        memcpy(y->data, x->data, infer_view_bytes(x));
        return;
    }
    const char *from = x->data;
    char *to = y->data;
    const int64_t n = p->axis[last].out;
    const size_t bytes = (size_t)(n * run) * size;
    const bool doubled = run == 1 && size <= 8 && is_doubled(of[last], n);
    int64_t before = -1; /* the row of x that the one before came from */
    do {
        int64_t at = 0;
        for (int32_t i = 0; i < last && at >= 0; i++)
            at = of[i][place[i]] < 0 ? -1 : at * p->axis[i].in + of[i][place[i]];
        const char *row = from + (size_t)(at < 0 ? 0 : at * p->axis[last].in * run) * size;
        if (at >= 0 && at == before)
            memcpy(to, to - bytes, bytes);
        else if (at >= 0 && doubled)
            twice(row, n / 2, size, to);
        else if (at >= 0 && run == 1)
            pick(row, of[last], n, size, (const char *)&value, to);
        else
            move_runs(row, at < 0 ? NULL : of[last], n, (size_t)run, size, (const char *)&value,
                      to);
        before = at;
        to += bytes;
    } while (infer_window_next(place, outer, last));
}
