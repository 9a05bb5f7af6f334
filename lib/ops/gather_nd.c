/* GatherElements and GatherND: elements, or slices, from the places that indices name. */
#include "axes.h"
#include "chunk.h"
#include "indexed.h"
#include "op.h"
#include "status.h"

#include <string.h>

/* ---- GatherElements ---- */

typedef struct gather_elements_params {
    int64_t axis;
} gather_elements_params;

static const infer_op_attr gather_elements_attrs[] = {A_INT(gather_elements_params, axis, 0)};

static infer_status gather_elements_infer(infer_op_env *env) {
    const gather_elements_params *p = env->params;
    infer_view *y = env->out[0];
    INFER_TRY(infer_element_check(env->in[0], env->in[1], p->axis));
    if (!y)
        return INFER_OK;
    *y = *env->in[1];
    y->type = env->in[0]->type;
    y->data = NULL;
    return INFER_OK;
}

/* n elements of size bytes from the places given. */
static void pick(char *to, const char *from, const int64_t *places, size_t n, size_t size) {
    switch (size) {
#define CASE(bytes)                                                                                \
    case bytes:                                                                                    \
        for (size_t i = 0; i < n; i++)                                                             \
            memcpy(to + i * bytes, from + (size_t)places[i] * bytes, bytes);                       \
        break;
        CASE(1)
        CASE(2)
        CASE(4)
        CASE(8)
        CASE(16)
#undef CASE
    default:
        for (size_t i = 0; i < n; i++)
            memcpy(to + i * size, from + (size_t)places[i] * size, size);
    }
}

static infer_status gather_elements_run(infer_op_env *env) {
    const gather_elements_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    infer_element_walk w;
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    INFER_TRY(infer_element_begin(&w, x, env->in[1], p->axis));
    size_t size = infer_type_size((infer_type)x->type);
    char *to = y->data;
    do {
        for (int64_t i = 0; i < w.n; i += INFER_CHUNK) {
            int64_t places[INFER_CHUNK];
            size_t n = (size_t)(w.n - i < INFER_CHUNK ? w.n - i : INFER_CHUNK);
            INFER_TRY(infer_element_row(&w, i, n, places));
            pick(to, x->data, places, n, size);
            to += n * size;
        }
    } while (infer_element_next(&w));
    return INFER_OK;
}

const infer_op infer_op_gather_elements = {
    .domain = "",
    .name = "GatherElements",
    .since = 11,
    .newest = 27,
    .params_size = sizeof(gather_elements_params),
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .attr_count = 1,
    .attrs = gather_elements_attrs,
    .types = {T_ALL, T_INDEX},
    .infer = gather_elements_infer,
    .run = gather_elements_run,
};

/* ---- GatherND ---- */

typedef struct gather_nd_params {
    int64_t batch_dims;
} gather_nd_params;

static const infer_op_attr gather_nd_attrs[] = {A_INT(gather_nd_params, batch_dims, 0)};

static infer_status gather_nd_infer(infer_op_env *env) {
    const gather_nd_params *p = env->params;
    infer_view spare, *y = infer_out(env, 0, env->in[0]->type, -1, &spare);
    return infer_tuple_shape(env->in[0], env->in[1], p->batch_dims, y);
}

static infer_status gather_nd_run(infer_op_env *env) {
    const gather_nd_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    infer_tuple_walk w;
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    infer_tuple_begin(&w, x, env->in[1], p->batch_dims);
    size_t size = infer_type_size((infer_type)x->type), bytes = size * w.slice;
    char *to = y->data;
    for (int64_t b = 0; b < w.batches; b++)
        for (int64_t i = 0; i < w.tuples; i += INFER_CHUNK) {
            int64_t places[INFER_CHUNK];
            size_t n = (size_t)(w.tuples - i < INFER_CHUNK ? w.tuples - i : INFER_CHUNK);
            INFER_TRY(infer_tuple_row(&w, b, i, n, places));
            if (w.slice == 1)
                pick(to, x->data, places, n, size);
            for (size_t k = 0; k < n && w.slice > 1; k++)
                memcpy(to + k * bytes, (const char *)x->data + (size_t)places[k] * size, bytes);
            to += n * bytes;
        }
    return INFER_OK;
}

const infer_op infer_op_gather_nd = {
    .domain = "",
    .name = "GatherND",
    .since = 11,
    .newest = 27,
    .params_size = sizeof(gather_nd_params),
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .attr_count = 1,
    .attrs = gather_nd_attrs,
    .types = {T_ALL, T(INT64)},
    .infer = gather_nd_infer,
    .run = gather_nd_run,
};
