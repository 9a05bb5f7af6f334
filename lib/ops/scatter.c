/* ScatterElements, ScatterND, TensorScatter: a copy of a tensor with elements, or slices, put where
 * indices say. */
#include "axes.h"
#include "chunk.h"
#include "indexed.h"
#include "movement.h"
#include "op.h"
#include "status.h"

#include <string.h>

enum { NONE, ADD, MUL, MAX, MIN };
#define REDUCTIONS "none|add|mul|max|min"

/* ---- reductions ---- */

/* n elements of y with those of x. NaN wins over numbers. */
#define REDUCE(suffix, ctype, SUM, PRODUCT)                                                        \
    static void reduce_##suffix(int64_t reduction, ctype *y, const ctype *x, size_t n) {           \
        for (size_t i = 0; i < n; i++) {                                                           \
            ctype a = y[i], b = x[i];                                                              \
            y[i] = reduction == ADD   ? (ctype)(SUM)                                               \
                   : reduction == MUL ? (ctype)(PRODUCT)                                           \
                   : reduction == MAX ? (a > b || a != a ? a : b)                                  \
                                      : (a < b || a != a ? a : b);                                 \
        }                                                                                          \
    }
#define REDUCE_FLOAT(suffix, ctype)   REDUCE(suffix, ctype, a + b, a * b)
#define REDUCE_INTEGER(suffix, ctype) REDUCE(suffix, ctype, 1u * a + b, 1u * a * b)
#define REDUCE_SIGNED(suffix, ctype)                                                               \
    REDUCE(suffix, ctype, (uint64_t)a + (uint64_t)b, (uint64_t)a * (uint64_t)b)
INFER_FLOAT_TYPES(REDUCE_FLOAT)
INFER_UNSIGNED_TYPES(REDUCE_INTEGER)
INFER_SIGNED_TYPES(REDUCE_SIGNED)
REDUCE(BOOL, uint8_t, a || b, a &&b)

static void reduce_rare(int64_t reduction, infer_type type, char *y, const char *x, size_t n) {
    size_t size = infer_type_size(type);
    for (size_t i = 0; i < n; i += INFER_CHUNK) {
        infer_chunk a, b;
        size_t m = n - i < INFER_CHUNK ? n - i : INFER_CHUNK;
        infer_widen(type, y + i * size, a.f, m);
        infer_widen(type, x + i * size, b.f, m);
        reduce_FLOAT(reduction, a.f, b.f, m);
        infer_narrow(type, a.f, y + i * size, m, false);
    }
}

/* n elements of y become those of x, or what the reduction makes of both. */
static void put(int64_t reduction, infer_type type, size_t size, void *y, const void *x, size_t n) {
    if (reduction == NONE) {
        infer_copy_pieces(y, 0, x, 0, 1, n * size);
        return;
    }
    switch (type) {
#define REDUCE_CASE(suffix, ctype)                                                                 \
    case INFER_TYPE_##suffix:                                                                      \
        reduce_##suffix(reduction, y, x, n);                                                       \
        break;
        INFER_NUMERIC_TYPES(REDUCE_CASE)
        REDUCE_CASE(BOOL, uint8_t)
    default:
        reduce_rare(reduction, type, y, x, n);
    }
}

/* ---- what the operators share ---- */

typedef struct scatter_params {
    int64_t axis, reduction, mode;
} scatter_params;

/* The output is like the data; the updates have this shape. */
static infer_status scatter_infer(infer_op_env *env, const infer_view *updates) {
    const scatter_params *p = env->params;
    const infer_view *x = env->in[0], *given = env->in[2];
    if (p->reduction != NONE && !((T_NUMERIC | T(BOOL)) >> x->type & 1))
        return infer_fail(INFER_ERROR_UNSUPPORTED, "elements of %s are not reduced",
                          infer_type_name((infer_type)x->type));
    bool differ = updates->rank >= 0 && given->rank >= 0 && updates->rank != given->rank;
    for (int32_t i = 0; !differ && i < updates->rank && i < given->rank; i++)
        differ = updates->dim[i] >= 0 && given->dim[i] >= 0 && updates->dim[i] != given->dim[i];
    if (differ)
        return infer_fail(INFER_ERROR_SHAPE, "updates and indices have shapes that do not fit");
    if (env->out[0]) {
        *env->out[0] = *x;
        env->out[0]->data = NULL;
    }
    return INFER_OK;
}

/* Starts from the data; false where there is nothing to do. */
static bool copy_data(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    if (!y || infer_view_count(y) == 0)
        return false;
    if (y->data != x->data)
        memcpy(y->data, x->data, infer_view_bytes(x));
    return true;
}

#define SCATTER_OP(op_name, first, last, list)                                                     \
    .domain = "", .name = op_name, .since = first, .newest = last,                                 \
    .params_size = sizeof(scatter_params), .min_out = 1, .max_out = 1,                             \
    .attr_count = sizeof list / sizeof *list, .attrs = list

/* ---- ScatterElements ---- */

static const infer_op_attr elements_attrs[] = {A_INT(scatter_params, axis, 0),
                                               A_ENUM(scatter_params, reduction, 0, REDUCTIONS)};

static infer_status scatter_elements_infer(infer_op_env *env) {
    const scatter_params *p = env->params;
    INFER_TRY(infer_element_check(env->in[0], env->in[1], p->axis));
    return scatter_infer(env, env->in[1]);
}

static infer_status scatter_elements_run(infer_op_env *env) {
    const scatter_params *p = env->params;
    const infer_view *x = env->in[0], *indices = env->in[1];
    infer_type type = (infer_type)x->type;
    infer_element_walk w;
    if (!copy_data(env) && infer_view_count(indices) > 0 && env->out[0])
        return infer_fail(INFER_ERROR_VALUE, "there is no element to scatter to");
    if (!env->out[0] || infer_view_count(indices) == 0)
        return INFER_OK;
    INFER_TRY(infer_element_begin(&w, x, indices, p->axis));
    size_t size = infer_type_size(type);
    char *to = env->out[0]->data;
    const char *from = env->in[2]->data;
    do {
        for (int64_t i = 0; i < w.n; i += INFER_CHUNK) {
            int64_t places[INFER_CHUNK];
            size_t n = (size_t)(w.n - i < INFER_CHUNK ? w.n - i : INFER_CHUNK);
            INFER_TRY(infer_element_row(&w, i, n, places));
            for (size_t k = 0; k < n; k++, from += size)
                put(p->reduction, type, size, to + (size_t)places[k] * size, from, 1);
        }
    } while (infer_element_next(&w));
    return INFER_OK;
}

const infer_op infer_op_scatter_elements = {
    SCATTER_OP("ScatterElements", 11, 27, elements_attrs),
    .min_in = 3,
    .max_in = 3,
    .types = {T_ALL, T_INDEX, T_ALL | T_SAME},
    .infer = scatter_elements_infer,
    .run = scatter_elements_run,
};

/* Its name in versions 9 and 10. */
static infer_status scatter_upgrade(infer_rewriter *rw) {
    return rw->become(rw, "", "ScatterElements");
}

const infer_op infer_op_scatter = {
    SCATTER_OP("Scatter", 9, 10, elements_attrs),
    .min_in = 3,
    .max_in = 3,
    .types = {T_ALL, T_INDEX, T_ALL | T_SAME},
    .upgrade = scatter_upgrade,
    .infer = scatter_elements_infer,
    .run = scatter_elements_run,
};

/* ---- ScatterND ---- */

static const infer_op_attr nd_attrs[] = {A_ENUM(scatter_params, reduction, 0, REDUCTIONS)};

static infer_status scatter_nd_infer(infer_op_env *env) {
    infer_view slices;
    INFER_TRY(infer_tuple_shape(env->in[0], env->in[1], 0, &slices));
    return scatter_infer(env, &slices);
}

static infer_status scatter_nd_run(infer_op_env *env) {
    const scatter_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_type type = (infer_type)x->type;
    infer_tuple_walk w;
    if (!copy_data(env))
        return INFER_OK;
    infer_tuple_begin(&w, x, env->in[1], 0);
    size_t size = infer_type_size(type);
    const char *from = env->in[2]->data;
    char *to = env->out[0]->data;
    for (int64_t i = 0; i < w.tuples; i += INFER_CHUNK) {
        int64_t places[INFER_CHUNK];
        size_t n = (size_t)(w.tuples - i < INFER_CHUNK ? w.tuples - i : INFER_CHUNK);
        INFER_TRY(infer_tuple_row(&w, 0, i, n, places));
        for (size_t k = 0; k < n; k++, from += w.slice * size)
            put(p->reduction, type, size, to + (size_t)places[k] * size, from, w.slice);
    }
    return INFER_OK;
}

const infer_op infer_op_scatter_nd = {
    SCATTER_OP("ScatterND", 11, 27, nd_attrs),
    .min_in = 3,
    .max_in = 3,
    .types = {T_ALL, T(INT64), T_ALL | T_SAME},
    .infer = scatter_nd_infer,
    .run = scatter_nd_run,
};

/* ---- TensorScatter ---- */

static const infer_op_attr tensor_attrs[] = {
    A_INT(scatter_params, axis, -2),
    A_ENUM(scatter_params, mode, 0, "linear|circular"),
};

static infer_status tensor_scatter_infer(infer_op_env *env) {
    const scatter_params *p = env->params;
    const infer_view *x = env->in[0], *update = env->in[1];
    const infer_view *at = infer_has_input(env, 2) ? env->in[2] : NULL;
    int32_t axis = 1;
    if (env->out[0]) {
        *env->out[0] = *x;
        env->out[0]->data = NULL;
    }
    if (x->rank < 0)
        return INFER_OK;
    INFER_TRY(infer_axis(p->axis, x->rank, &axis));
    if (axis == 0)
        return infer_fail(INFER_ERROR_VALUE, "axis 0 is the batch");
    if (update->rank >= 0 && update->rank != x->rank)
        return infer_fail(INFER_ERROR_SHAPE, "inputs of rank %d and %d", (int)x->rank,
                          (int)update->rank);
    for (int32_t i = 0; i < update->rank; i++)
        if (x->dim[i] >= 0 && update->dim[i] >= 0 &&
            (i == axis ? update->dim[i] > x->dim[i] : update->dim[i] != x->dim[i]))
            return infer_fail(INFER_ERROR_SHAPE, "axis %d has extents %lld and %lld", (int)i,
                              (long long)x->dim[i], (long long)update->dim[i]);
    if (at && ((at->rank >= 0 && at->rank != 1) ||
               (at->rank == 1 && at->dim[0] >= 0 && x->dim[0] >= 0 && at->dim[0] != x->dim[0])))
        return infer_fail(INFER_ERROR_SHAPE, "write_indices must have one number for each of %lld",
                          (long long)x->dim[0]);
    return INFER_OK;
}

static infer_status tensor_scatter_run(infer_op_env *env) {
    const scatter_params *p = env->params;
    const infer_view *x = env->in[0], *update = env->in[1];
    const infer_view *places = infer_has_input(env, 2) ? env->in[2] : NULL;
    int32_t axis = 0;
    if (!copy_data(env) || infer_view_count(update) == 0)
        return INFER_OK;
    INFER_TRY(infer_axis(p->axis, x->rank, &axis));
    int64_t extent = x->dim[axis], n = update->dim[axis];
    size_t inner = infer_type_size((infer_type)x->type) * (size_t)infer_span(x, axis + 1, x->rank);
    size_t middle = (size_t)infer_span(x, 1, axis);
    const char *from = update->data;
    char *to = env->out[0]->data;
    for (int64_t b = 0; b < x->dim[0]; b++) {
        int64_t at = places ? infer_index(places, b) : 0;
        if (at < 0 || (p->mode == 0 && at > extent - n))
            return infer_fail(INFER_ERROR_VALUE, "%lld elements at %lld of %lld", (long long)n,
                              (long long)at, (long long)extent);
        at %= extent;
        int64_t first = n < extent - at ? n : extent - at; /* before it wraps around */
        for (size_t m = 0; m < middle; m++) {
            memcpy(to + (size_t)at * inner, from, (size_t)first * inner);
            memcpy(to, from + (size_t)first * inner, (size_t)(n - first) * inner);
            from += (size_t)n * inner;
            to += (size_t)extent * inner;
        }
    }
    return INFER_OK;
}

const infer_op infer_op_tensor_scatter = {
    SCATTER_OP("TensorScatter", 24, 27, tensor_attrs),
    .min_in = 2,
    .max_in = 3,
    .types = {T_ALL, T_ALL | T_SAME, T(INT64)},
    .infer = tensor_scatter_infer,
    .run = tensor_scatter_run,
};
