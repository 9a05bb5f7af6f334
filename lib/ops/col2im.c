/* Col2Im: blocks of an image, one a column, summed up where they lie. */
#include "axes.h"
#include "chunk.h"
#include "op.h"
#include "status.h"

#include <string.h>

typedef struct col2im_params {
    infer_list dilations, pads, strides;
} col2im_params;

static const infer_op_attr col2im_attrs[] = {A_LIST(col2im_params, dilations, INTS),
                                             A_LIST(col2im_params, pads, INTS),
                                             A_LIST(col2im_params, strides, INTS)};

#define MAX_AXES (INFER_MAX_RANK - 2)

typedef struct geometry {
    int32_t axes;
    int64_t image[MAX_AXES], block[MAX_AXES];
    int64_t dilation[MAX_AXES], before[MAX_AXES], stride[MAX_AXES];
    int64_t places[MAX_AXES]; /* of blocks along each axis */
    int64_t cells, columns;   /* of a block; blocks of an image */
} geometry;

static infer_status read_list(infer_op_env *env, const infer_list *list, uint64_t count,
                              const char *name, const int64_t **out) {
    *out = NULL;
    if (list->type == INFER_TYPE_UNDEFINED)
        return INFER_OK;
    if (list->count != count)
        return infer_fail(INFER_ERROR_SHAPE, "%s has %llu entries instead of %llu", name,
                          (unsigned long long)list->count, (unsigned long long)count);
    *out = infer_list_data(env, list);
    return INFER_OK;
}

/* An axis: how many places a block has on it. */
static infer_status read_axis(geometry *g, int32_t i, int64_t after) {
    int64_t reach, room;
    bool fits = g->image[i] > 0 && g->block[i] > 0 && g->dilation[i] > 0 && g->stride[i] > 0 &&
                g->before[i] >= 0 && after >= 0 &&
                !__builtin_mul_overflow(g->dilation[i], g->block[i] - 1, &reach) &&
                !__builtin_add_overflow(g->image[i], g->before[i], &room) &&
                !__builtin_add_overflow(room, after, &room) && reach < room;
    if (!fits)
        return infer_fail(INFER_ERROR_VALUE, "no block of %lld fits axis %d of %lld",
                          (long long)g->block[i], (int)i, (long long)g->image[i]);
    g->places[i] = (room - reach - 1) / g->stride[i] + 1;
    if (__builtin_mul_overflow(g->cells, g->block[i], &g->cells) ||
        __builtin_mul_overflow(g->columns, g->places[i], &g->columns))
        return infer_fail(INFER_ERROR_SHAPE, "extents overflow");
    return INFER_OK;
}

static infer_status read_geometry(infer_op_env *env, geometry *g) {
    const col2im_params *p = env->params;
    const int64_t *dilations, *pads, *strides;
    uint64_t axes = (uint64_t)infer_view_count(env->in[1]);
    g->axes = (int32_t)axes;
    g->cells = g->columns = 1;
    INFER_TRY(read_list(env, &p->dilations, axes, "dilations", &dilations));
    INFER_TRY(read_list(env, &p->pads, 2 * axes, "pads", &pads));
    INFER_TRY(read_list(env, &p->strides, axes, "strides", &strides));
    for (int32_t i = 0; i < g->axes; i++) {
        g->image[i] = infer_index(env->in[1], i);
        g->block[i] = infer_index(env->in[2], i);
        g->dilation[i] = dilations ? dilations[i] : 1;
        g->before[i] = pads ? pads[i] : 0;
        g->stride[i] = strides ? strides[i] : 1;
        INFER_TRY(read_axis(g, i, pads ? pads[g->axes + i] : 0));
    }
    return INFER_OK;
}

static infer_status col2im_infer(infer_op_env *env) {
    const infer_view *x = env->in[0], *image = env->in[1], *block = env->in[2];
    infer_view spare, *y = infer_out(env, 0, x->type, -1, &spare);
    int64_t axes = infer_view_count(image), same = infer_view_count(block);
    INFER_TRY(infer_check_list(image, "image_shape"));
    INFER_TRY(infer_check_list(block, "block_shape"));
    if (x->type == INFER_TYPE_STRING)
        return infer_fail(INFER_ERROR_TYPE, "text has no sum");
    if (x->rank >= 0 && x->rank != 3)
        return infer_fail(INFER_ERROR_SHAPE, "the input has rank %d instead of 3", (int)x->rank);
    if (axes < 0 || same < 0)
        return INFER_OK;
    if (axes != same || axes < 1 || axes > MAX_AXES)
        return infer_fail(INFER_ERROR_SHAPE, "an image of %lld axes, a block of %lld",
                          (long long)axes, (long long)same);
    y->rank = 2 + (int32_t)axes;
    if (x->rank >= 0)
        y->dim[0] = x->dim[0];
    if (!image->data || !block->data)
        return INFER_OK;
    geometry g;
    INFER_TRY(read_geometry(env, &g));
    for (int32_t i = 0; i < g.axes; i++)
        y->dim[2 + i] = g.image[i];
    if (x->rank < 0)
        return INFER_OK;
    if ((x->dim[1] >= 0 && x->dim[1] % g.cells != 0) || (x->dim[2] >= 0 && x->dim[2] != g.columns))
        return infer_fail(INFER_ERROR_SHAPE, "%lld x %lld blocks instead of %lld of %lld cells",
                          (long long)x->dim[1], (long long)x->dim[2], (long long)g.columns,
                          (long long)g.cells);
    if (x->dim[1] >= 0)
        y->dim[1] = x->dim[1] / g.cells;
    return INFER_OK;
}

/* ---- running ---- */

/* n numbers of x added to every step-th of y. */
#define ADD_LOOP(suffix, ctype)                                                                    \
    static void add_##suffix(ctype *y, size_t step, const ctype *x, size_t n) {                    \
        for (size_t i = 0; i < n; i++)                                                             \
            y[i * step] = (ctype)(y[i * step] + x[i]);                                             \
    }
INFER_FLOAT_TYPES(ADD_LOOP)
INFER_UNSIGNED_TYPES(ADD_LOOP)

static void add_rare(infer_type type, char *y, size_t step, const char *x, size_t n) {
    size_t size = infer_type_size(type);
    for (size_t i = 0; i < n; i++) {
        float a, b;
        infer_widen(type, y + i * step * size, &a, 1);
        infer_widen(type, x + i * size, &b, 1);
        a += b;
        infer_narrow(type, &a, y + i * step * size, 1, false);
    }
}

static void add(infer_type type, char *y_, size_t step, const char *x_, size_t n) {
    void *y = y_;
    const void *x = x_;
    switch (type) {
    case INFER_TYPE_FLOAT:
        add_FLOAT(y, step, x, n);
        break;
    case INFER_TYPE_DOUBLE:
        add_DOUBLE(y, step, x, n);
        break;
    case INFER_TYPE_COMPLEX64:
        for (size_t i = 0; i < n; i++)
            add_FLOAT((float *)y + 2 * i * step, 1, (const float *)x + 2 * i, 2);
        break;
    case INFER_TYPE_COMPLEX128:
        for (size_t i = 0; i < n; i++)
            add_DOUBLE((double *)y + 2 * i * step, 1, (const double *)x + 2 * i, 2);
        break;
    case INFER_TYPE_BOOL:
        for (size_t i = 0; i < n; i++)
            y_[i * step] = y_[i * step] || x_[i];
        break;
#define ADD_CASE(suffix, bits)                                                                     \
    case INFER_TYPE_INT##bits:                                                                     \
    case INFER_TYPE_UINT##bits:                                                                    \
        add_UINT##bits(y, step, x, n);                                                             \
        break;
        ADD_CASE(, 8)
        ADD_CASE(, 16)
        ADD_CASE(, 32)
        ADD_CASE(, 64)
    default:
        add_rare(type, y_, step, x_, n);
    }
}

/* The places p of [0, places) where offset + p * stride lies in [0, extent). */
static void inside(int64_t offset, int64_t stride, int64_t places, int64_t extent, int64_t *first,
                   int64_t *last) {
    *first = offset < 0 ? (-offset + stride - 1) / stride : 0;
    *last = offset >= extent ? 0 : (extent - offset + stride - 1) / stride;
    *last = *last < places ? *last : places;
    *first = *first < *last ? *first : *last;
}

/* One cell of all blocks, a row of them after another: x has them all. at is where in the image the
 * cell of the first block lies. */
static void add_cell(const geometry *g, infer_type type, const int64_t *at, const char *x,
                     char *y) {
    size_t size = infer_type_size(type);
    int32_t inner = g->axes - 1;
    int64_t index[MAX_AXES] = {0}, first, last;
    inside(at[inner], g->stride[inner], g->places[inner], g->image[inner], &first, &last);
    for (;;) {
        int64_t row = 0;
        bool in = last > first;
        for (int32_t i = 0; i < inner; i++) {
            int64_t place = at[i] + index[i] * g->stride[i];
            in = in && place >= 0 && place < g->image[i];
            row = in ? row * g->image[i] + place : 0;
        }
        if (in) {
            int64_t to = row * g->image[inner] + at[inner] + first * g->stride[inner];
            add(type, y + (size_t)to * size, (size_t)g->stride[inner], x + (size_t)first * size,
                (size_t)(last - first));
        }
        x += (size_t)g->places[inner] * size;
        int32_t i = inner;
        while (i-- > 0 && ++index[i] == g->places[i])
            index[i] = 0;
        if (i < 0)
            return;
    }
}

static infer_status col2im_run(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    geometry g;
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    INFER_TRY(read_geometry(env, &g));
    size_t size = infer_type_size((infer_type)x->type);
    size_t planes = (size_t)(y->dim[0] * y->dim[1]), pixels = (size_t)infer_span(y, 2, y->rank);
    const char *from = x->data;
    char *to = y->data;
    memset(to, 0, infer_view_bytes(y));
    for (size_t p = 0; p < planes; p++, to += pixels * size)
        for (int64_t c = 0; c < g.cells; c++, from += (size_t)g.columns * size) {
            int64_t at[MAX_AXES], rest = c;
            for (int32_t i = g.axes; i-- > 0; rest /= g.block[i])
                at[i] = rest % g.block[i] * g.dilation[i] - g.before[i];
            add_cell(&g, (infer_type)x->type, at, from, to);
        }
    return INFER_OK;
}

const infer_op infer_op_col2im = {
    .domain = "",
    .name = "Col2Im",
    .since = 18,
    .newest = 27,
    .params_size = sizeof(col2im_params),
    .min_in = 3,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .attr_count = 3,
    .attrs = col2im_attrs,
    .types = {T_ALL, T(INT64), T(INT64)},
    .infer = col2im_infer,
    .run = col2im_run,
};
