/* Expand and Tile: the same elements several times. */
#include "axes.h"
#include "broadcast.h"
#include "chunk.h"
#include "movement.h"
#include "op.h"
#include "status.h"

#include <string.h>

/* ---- Expand ---- */

static infer_status expand_infer(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_view spare, *y = infer_out(env, 0, x->type, -1, &spare), shape = {.rank = -1};
    for (int32_t i = 0; i < INFER_MAX_RANK; i++)
        shape.dim[i] = -1;
    INFER_TRY(infer_read_shape(env->in[1], &shape));
    const infer_view *both[] = {x, &shape};
    return infer_broadcast_shape(both, 2, y);
}

static infer_status expand_run(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    size_t size = infer_type_size((infer_type)x->type);
    int64_t stride[INFER_MAX_RANK], step = (int64_t)size;
    for (int32_t i = y->rank; i-- > 0;) {
        int32_t own = i - (y->rank - x->rank);
        int64_t n = own < 0 ? 1 : x->dim[own];
        stride[i] = n == 1 ? 0 : step;
        step *= n;
    }
    infer_copy_strided(y->data, x->data, y->rank, y->dim, stride, size);
    return INFER_OK;
}

const infer_op infer_op_expand = {
    .domain = "",
    .name = "Expand",
    .since = 8,
    .newest = 27,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .types = {T_ALL, T(INT64)},
    .infer = expand_infer,
    .run = expand_run,
};

/* ---- Tile ---- */

/* A constant of one float of any type, as a whole number; false where it is none. */
static bool read_constant(infer_rewriter *rw, uint32_t index, int64_t *out) {
    const infer_view *v = rw->view(rw, rw->input(rw, index));
    infer_chunk chunk;
    if (!v->data || infer_view_count(v) != 1 || !(T_FLOAT >> v->type & 1))
        return false;
    double d = *infer_load_double((infer_type)v->type, v->data, 0, 1, &chunk);
    if (!(d >= 0 && d < 0x1p31))
        return false;
    *out = (int64_t)d;
    return true;
}

/* Version 1 repeats along one axis, and both numbers are floats. */
static infer_status tile_upgrade(infer_rewriter *rw) {
    if (rw->version >= 6 || rw->in_count != 3)
        return INFER_OK;
    int64_t tiles, axis, repeats[INFER_MAX_RANK];
    int32_t rank = rw->view(rw, rw->input(rw, 0))->rank;
    if (rank < 0 || !read_constant(rw, 1, &tiles) || !read_constant(rw, 2, &axis))
        return infer_fail(INFER_ERROR_UNSUPPORTED,
                          "version 1 needs a rank that the model tells, and constants");
    if (axis >= rank)
        return infer_fail(INFER_ERROR_SHAPE, "axis %lld is outside of rank %d", (long long)axis,
                          (int)rank);
    for (int32_t i = 0; i < rank; i++)
        repeats[i] = i == axis ? tiles : 1;
    infer_view list = {.type = INFER_TYPE_INT64, .rank = 1, .dim = {rank}, .data = repeats};
    uint32_t inputs[] = {rw->input(rw, 0), rw->constant(rw, &list)};
    return rw->replace(rw, 0, rw->add(rw, "", "Tile", inputs, 2, NULL, 0));
}

static infer_status tile_infer(infer_op_env *env) {
    const infer_view *x = env->in[0], *repeats = env->in[1];
    infer_view spare, *y = infer_out(env, 0, x->type, x->rank, &spare);
    INFER_TRY(infer_check_list(repeats, "repeats"));
    int64_t count = infer_view_count(repeats);
    if (x->rank < 0 || count < 0)
        return INFER_OK;
    if (count != x->rank)
        return infer_fail(INFER_ERROR_SHAPE, "%lld repeats for rank %d", (long long)count,
                          (int)x->rank);
    for (int32_t i = 0; i < x->rank && repeats->data; i++) {
        int64_t n = infer_index(repeats, i);
        if (n < 0 || (x->dim[i] >= 0 && __builtin_mul_overflow(n, x->dim[i], &y->dim[i])))
            return infer_fail(INFER_ERROR_VALUE, "axis %d is repeated %lld times", (int)i,
                              (long long)n);
    }
    return INFER_OK;
}

typedef struct tiling {
    const infer_view *x, *y;
    int32_t axes;                 /* that are walked; the ones behind are one block */
    size_t block;                 /* bytes of it */
    size_t bytes[INFER_MAX_RANK]; /* of an element of each axis of y */
    const char *from;             /* moves on with each block */
} tiling;

/* Fills the axes from this one on: every element of x once, then all of them again and again. */
static void tile_axis(tiling *t, int32_t axis, char *to) {
    if (axis == t->axes) {
        memcpy(to, t->from, t->block);
        t->from += t->block;
        return;
    }
    int64_t n = t->x->dim[axis];
    for (int64_t i = 0; i < n; i++)
        tile_axis(t, axis + 1, to + (size_t)i * t->bytes[axis]);
    infer_fill(to, to, (size_t)(t->y->dim[axis] / n), (size_t)n * t->bytes[axis]);
}

static infer_status tile_run(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    tiling t = {.x = x, .y = y, .axes = x->rank, .from = x->data};
    t.block = infer_type_size((infer_type)x->type);
    while (t.axes > 0 && x->dim[t.axes - 1] == y->dim[t.axes - 1])
        t.block *= (size_t)x->dim[--t.axes];
    if (t.axes > 0) { /* the innermost repeats are of one block */
        size_t bytes = t.block;
        for (int32_t i = t.axes; i-- > 0; bytes *= (size_t)y->dim[i])
            t.bytes[i] = bytes;
    }
    tile_axis(&t, 0, y->data);
    return INFER_OK;
}

const infer_op infer_op_tile = {
    .domain = "",
    .name = "Tile",
    .since = 1,
    .newest = 27,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .types = {T_ALL, T(INT64)},
    .upgrade = tile_upgrade,
    .infer = tile_infer,
    .run = tile_run,
};
