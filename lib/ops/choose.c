/* Compress and NonZero: how much there is in their outputs depends on the data. */
#include "axes.h"
#include "chunk.h"
#include "movement.h"
#include "op.h"
#include "status.h"

#include <string.h>

/* ---- Compress ---- */

typedef struct compress_params {
    int64_t axis;
} compress_params;

#define NO_AXIS INT64_MIN
static const infer_op_attr compress_attrs[] = {A_INT(compress_params, axis, -0x1p63)};

static infer_status compress_infer(infer_op_env *env) {
    const compress_params *p = env->params;
    const infer_view *x = env->in[0];
    bool flat = p->axis == NO_AXIS;
    infer_view spare, *y = infer_out(env, 0, x->type, flat ? 1 : x->rank, &spare);
    INFER_TRY(infer_check_list(env->in[1], "condition"));
    if (flat || x->rank < 0)
        return INFER_OK;
    int32_t axis = 0;
    INFER_TRY(infer_axis(p->axis, x->rank, &axis));
    for (int32_t i = 0; i < x->rank; i++)
        y->dim[i] = i == axis ? -1 : x->dim[i];
    return INFER_OK;
}

static infer_status compress_run(infer_op_env *env) {
    const compress_params *p = env->params;
    const infer_view *x = env->in[0];
    const uint8_t *keep = env->in[1]->data;
    infer_view shape = {.type = x->type, .rank = 1};
    bool flat = p->axis == NO_AXIS;
    int32_t axis = 0;
    int64_t n = flat ? infer_view_count(x) : 0, length = infer_view_count(env->in[1]), kept = 0;
    if (!env->out[0])
        return INFER_OK;
    if (!flat) {
        INFER_TRY(infer_axis(p->axis, x->rank, &axis));
        n = x->dim[axis];
        shape = *x;
    }
    for (int64_t i = 0; i < length; i++) {
        if (keep[i] && i >= n)
            return infer_fail(INFER_ERROR_VALUE, "the condition keeps element %lld of %lld",
                              (long long)i, (long long)n);
        kept += keep[i] != 0;
    }
    shape.dim[axis] = kept;
    INFER_TRY(infer_place(env, 0, &shape));
    if (infer_view_count(&shape) == 0)
        return INFER_OK;
    size_t outer = flat ? 1 : (size_t)infer_span(x, 0, axis);
    size_t piece = infer_type_size((infer_type)x->type);
    piece *= flat ? 1 : (size_t)infer_span(x, axis + 1, x->rank);
    const char *from = x->data;
    char *to = env->out[0]->data;
    for (int64_t i = 0; i < length; i++, from += piece) {
        if (!keep[i])
            continue;
        infer_copy_pieces(to, (ptrdiff_t)piece * kept, from, (ptrdiff_t)piece * n, outer, piece);
        to += piece;
    }
    return INFER_OK;
}

const infer_op infer_op_compress = {
    .domain = "",
    .name = "Compress",
    .since = 9,
    .newest = 27,
    .params_size = sizeof(compress_params),
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .flags = INFER_OP_PLACES,
    .attr_count = 1,
    .attrs = compress_attrs,
    .types = {T_ALL, T(BOOL)},
    .infer = compress_infer,
    .run = compress_run,
};

/* ---- NonZero ---- */

static infer_status non_zero_infer(infer_op_env *env) {
    infer_view spare, *y = infer_out(env, 0, INFER_TYPE_INT64, 2, &spare);
    y->dim[0] = env->in[0]->rank;
    return INFER_OK;
}

/* Whether n elements from `at` on are not zero (n is at most a chunk); gives how many. */
static size_t truth(const infer_view *x, size_t at, size_t n, bool *is) {
    infer_type type = (infer_type)x->type, wide = infer_wide_type(type);
    infer_chunk chunk;
    size_t count = 0;
    const void *from = NULL;
    if (infer_type_kind(type) != INFER_CLASS_COMPLEX && type != INFER_TYPE_STRING)
        from = infer_load_wide(type, x->data, at, n, &chunk);
    for (size_t i = 0; i < n; i++, at++) {
        if (type == INFER_TYPE_STRING)
            is[i] = ((const infer_string *)x->data)[at].size != 0;
        else if (type == INFER_TYPE_COMPLEX64)
            is[i] = ((const float *)x->data)[2 * at] != 0 || ((const float *)x->data)[2 * at + 1];
        else if (type == INFER_TYPE_COMPLEX128)
            is[i] = ((const double *)x->data)[2 * at] != 0 || ((const double *)x->data)[2 * at + 1];
        else if (wide == INFER_TYPE_FLOAT)
            is[i] = ((const float *)from)[i] != 0;
        else if (wide == INFER_TYPE_DOUBLE)
            is[i] = ((const double *)from)[i] != 0;
        else
            is[i] = ((const uint64_t *)from)[i] != 0;
        count += is[i];
    }
    return count;
}

static infer_status non_zero_run(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_view shape = {.type = INFER_TYPE_INT64, .rank = 2, .dim = {x->rank}};
    size_t count = (size_t)infer_view_count(x), found = 0;
    bool is[INFER_CHUNK];
    if (!env->out[0])
        return INFER_OK;
    for (size_t at = 0; at < count; at += INFER_CHUNK)
        found += truth(x, at, count - at < INFER_CHUNK ? count - at : INFER_CHUNK, is);
    shape.dim[1] = (int64_t)found;
    INFER_TRY(infer_place(env, 0, &shape));
    int64_t *to = env->out[0]->data;
    for (size_t at = 0; at < count; at += INFER_CHUNK) {
        size_t n = count - at < INFER_CHUNK ? count - at : INFER_CHUNK;
        if (truth(x, at, n, is) == 0)
            continue;
        for (size_t i = 0; i < n; i++) {
            if (!is[i])
                continue;
            size_t place = at + i;
            for (int32_t axis = x->rank; axis-- > 0; place /= (size_t)x->dim[axis])
                to[(size_t)axis * found] = (int64_t)(place % (size_t)x->dim[axis]);
            to++;
        }
    }
    return INFER_OK;
}

const infer_op infer_op_non_zero = {
    .domain = "",
    .name = "NonZero",
    .since = 9,
    .newest = 27,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .flags = INFER_OP_PLACES,
    .types = {T_ALL},
    .infer = non_zero_infer,
    .run = non_zero_run,
};
