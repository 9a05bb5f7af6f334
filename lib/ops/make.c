/* Tensors that are made: ConstantOfShape, Range, EyeLike, OneHot; and Trilu, which keeps a part. */
#include "axes.h"
#include "chunk.h"
#include "convert.h"
#include "movement.h"
#include "op.h"
#include "status.h"

#include <math.h>
#include <string.h>

/* ---- ConstantOfShape ---- */

typedef struct fill_params {
    infer_list value;
} fill_params;

static const infer_op_attr fill_attrs[] = {A_LIST(fill_params, value, TENSOR)};
#define T_FILL (T_NUMERIC | T_FLOAT8 | T_SUBBYTE | T(BOOL))

static infer_status constant_of_shape_infer(infer_op_env *env) {
    const fill_params *p = env->params;
    uint32_t type = p->value.type;
    if (type == INFER_TYPE_UNDEFINED)
        type = INFER_TYPE_FLOAT;
    else if (p->value.count != 1 || !(T_FILL >> type & 1))
        return infer_fail(INFER_ERROR_VALUE, "the value is not one number");
    infer_view spare, *y = infer_out(env, 0, type, -1, &spare);
    return infer_read_shape(env->in[0], y);
}

static infer_status constant_of_shape_run(infer_op_env *env) {
    static const float zero = 0;
    const fill_params *p = env->params;
    infer_view *y = env->out[0];
    bool given = p->value.type != INFER_TYPE_UNDEFINED;
    if (y)
        infer_fill(y->data, given ? infer_list_data(env, &p->value) : &zero,
                   (size_t)infer_view_count(y), infer_type_size((infer_type)y->type));
    return INFER_OK;
}

const infer_op infer_op_constant_of_shape = {
    .domain = "",
    .name = "ConstantOfShape",
    .since = 9,
    .newest = 27,
    .params_size = sizeof(fill_params),
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .attr_count = 1,
    .attrs = fill_attrs,
    .types = {T(INT64)},
    .infer = constant_of_shape_infer,
    .run = constant_of_shape_run,
};

/* ---- Range ---- */

typedef struct range_params {
    int64_t stash_type;
} range_params;

/* Float16 and bfloat16 are computed in float or, which rounds to the same, in double. */
static const infer_op_attr range_attrs[] = {A_TYPE(range_params, stash_type, INFER_TYPE_FLOAT)};

/* How often delta goes into the way from start to limit, rounded up. */
static infer_status count_floats(double way, double delta, int64_t *n) {
    double count = ceil(way / delta);
    *n = 0;
    if (!(count < 0x1p62))
        return infer_fail(INFER_ERROR_VALUE, "the range has no end");
    if (count > 0)
        *n = (int64_t)count;
    return INFER_OK;
}

static infer_status count_integers(int64_t start, int64_t limit, int64_t delta, int64_t *n) {
    *n = 0;
    if (delta == 0)
        return infer_fail(INFER_ERROR_VALUE, "delta is 0");
    if (delta > 0 ? limit <= start : limit >= start)
        return INFER_OK;
    uint64_t way =
        delta > 0 ? (uint64_t)limit - (uint64_t)start : (uint64_t)start - (uint64_t)limit;
    uint64_t step = delta > 0 ? (uint64_t)delta : -(uint64_t)delta;
    uint64_t count = way / step + (way % step != 0);
    if (count > INT64_MAX)
        return infer_fail(INFER_ERROR_SHAPE, "%llu elements", (unsigned long long)count);
    *n = (int64_t)count;
    return INFER_OK;
}

static infer_status range_count(infer_op_env *env, int64_t *n) {
    infer_type type = (infer_type)env->in[0]->type;
    infer_chunk c[3];
    const void *v[3];
    for (uint32_t i = 0; i < 3; i++)
        v[i] = infer_load_wide(type, env->in[i]->data, 0, 1, &c[i]);
    if (infer_wide_type(type) == INFER_TYPE_INT64)
        return count_integers(*(const int64_t *)v[0], *(const int64_t *)v[1],
                              *(const int64_t *)v[2], n);
    if (type == INFER_TYPE_DOUBLE)
        return count_floats(*(const double *)v[1] - *(const double *)v[0], *(const double *)v[2],
                            n);
    return count_floats((double)(*(const float *)v[1] - *(const float *)v[0]),
                        (double)*(const float *)v[2], n);
}

static infer_status range_infer(infer_op_env *env) {
    static const char *const names[] = {"start", "limit", "delta"};
    infer_view spare, *y = infer_out(env, 0, env->in[0]->type, 1, &spare);
    bool known = true;
    for (uint32_t i = 0; i < 3; i++) {
        INFER_TRY(infer_check_scalar(env->in[i], names[i]));
        known = known && env->in[i]->data && infer_view_concrete(env->in[i]);
    }
    return known ? range_count(env, &y->dim[0]) : INFER_OK;
}

static infer_status range_run(infer_op_env *env) {
    infer_view *y = env->out[0];
    infer_chunk c[3];
    if (!y)
        return INFER_OK;
    infer_type type = (infer_type)y->type, wide = infer_wide_type(type);
    const void *start = infer_load_wide(type, env->in[0]->data, 0, 1, &c[0]);
    const void *delta = infer_load_wide(type, env->in[2]->data, 0, 1, &c[2]);
    size_t count = (size_t)y->dim[0];
    for (size_t at = 0; at < count; at += INFER_CHUNK) {
        infer_chunk chunk;
        size_t n = count - at < INFER_CHUNK ? count - at : INFER_CHUNK;
        if (wide == INFER_TYPE_INT64) {
            uint64_t s = *(const uint64_t *)start, d = *(const uint64_t *)delta;
            for (size_t i = 0; i < n; i++)
                chunk.u[i] = s + (at + i) * d;
            infer_store_int(type, chunk.i, y->data, at, n);
        } else if (wide == INFER_TYPE_DOUBLE) {
            double s = *(const double *)start, d = *(const double *)delta;
            for (size_t i = 0; i < n; i++)
                ((double *)y->data)[at + i] = s + (double)(at + i) * d;
        } else {
            float s = *(const float *)start, d = *(const float *)delta;
            for (size_t i = 0; i < n; i++)
                chunk.d[i] = (double)(s + (float)(at + i) * d);
            infer_store_double(type, chunk.d, y->data, at, n);
        }
    }
    return INFER_OK;
}

#define T_RANGE (T_FLOAT | T(INT16) | T(INT32) | T(INT64))
const infer_op infer_op_range = {
    .domain = "",
    .name = "Range",
    .since = 11,
    .newest = 27,
    .params_size = sizeof(range_params),
    .min_in = 3,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .attr_count = 1,
    .attrs = range_attrs,
    .types = {T_RANGE, T_RANGE | T_SAME},
    .infer = range_infer,
    .run = range_run,
};

/* ---- EyeLike ---- */

typedef struct eye_params {
    int64_t dtype, k;
} eye_params;

static const infer_op_attr eye_attrs[] = {A_TYPE(eye_params, dtype, 0), A_INT(eye_params, k, 0)};
#define T_EYE (T_NUMERIC | T(BOOL))

static infer_status eye_like_infer(infer_op_env *env) {
    const eye_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_type type = p->dtype ? (infer_type)p->dtype : (infer_type)x->type;
    if (!(T_EYE >> type & 1))
        return infer_fail(INFER_ERROR_TYPE, "the output cannot have elements of %s",
                          infer_type_name(type));
    if (x->rank >= 0 && x->rank != 2)
        return infer_fail(INFER_ERROR_SHAPE, "the input has rank %d instead of 2", (int)x->rank);
    infer_view spare, *y = infer_out(env, 0, type, 2, &spare);
    for (int32_t i = 0; i < x->rank; i++)
        y->dim[i] = x->dim[i];
    return INFER_OK;
}

static infer_status eye_like_run(infer_op_env *env) {
    const eye_params *p = env->params;
    infer_view *y = env->out[0];
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    infer_type type = (infer_type)y->type;
    size_t size = infer_type_size(type);
    const double one = 1;
    const int64_t whole = 1;
    char value[sizeof(double)];
    if (infer_type_kind(type) == INFER_CLASS_FLOATING)
        infer_store_double(type, &one, value, 0, 1);
    else
        infer_store_int(type, &whole, value, 0, 1);
    memset(y->data, 0, infer_view_bytes(y));
    int64_t rows = y->dim[0], columns = y->dim[1];
    if (p->k >= columns || p->k <= -rows)
        return INFER_OK;
    for (int64_t i = p->k < 0 ? -p->k : 0; i < rows && i + p->k < columns; i++)
        memcpy((char *)y->data + (size_t)(i * columns + i + p->k) * size, value, size);
    return INFER_OK;
}

const infer_op infer_op_eye_like = {
    .domain = "",
    .name = "EyeLike",
    .since = 9,
    .newest = 27,
    .params_size = sizeof(eye_params),
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .flags = INFER_OP_READS_SHAPE,
    .attr_count = 2,
    .attrs = eye_attrs,
    .types = {T_ALL},
    .infer = eye_like_infer,
    .run = eye_like_run,
};

/* ---- OneHot ---- */

typedef struct one_hot_params {
    int64_t axis;
} one_hot_params;

static const infer_op_attr one_hot_attrs[] = {A_INT(one_hot_params, axis, -1)};

/* n numbers of any type from `at` on as integers; what is too large for any becomes the largest. */
static void load_integers(const infer_view *v, size_t at, size_t n, int64_t *to) {
    infer_type type = (infer_type)v->type, wide = infer_wide_type(type);
    infer_chunk chunk;
    const void *from = infer_load_wide(type, v->data, at, n, &chunk);
    for (size_t i = 0; i < n; i++)
        switch (wide) {
        case INFER_TYPE_FLOAT:
            to[i] = infer_to_int64((double)((const float *)from)[i]);
            break;
        case INFER_TYPE_DOUBLE:
            to[i] = infer_to_int64(((const double *)from)[i]);
            break;
        case INFER_TYPE_INT64:
            to[i] = ((const int64_t *)from)[i];
            break;
        default: {
            uint64_t u = ((const uint64_t *)from)[i];
            to[i] = u > INT64_MAX ? INT64_MAX : (int64_t)u;
        }
        }
}

enum { INDICES, DEPTH, VALUES };

static infer_status one_hot_infer(infer_op_env *env) {
    const one_hot_params *p = env->params;
    const infer_view *x = env->in[INDICES], *depth = env->in[DEPTH], *values = env->in[VALUES];
    infer_view spare, *y = infer_out(env, 0, values->type, -1, &spare);
    int32_t axis = 0;
    INFER_TRY(infer_check_scalar(depth, "depth"));
    int64_t count = infer_view_count(values);
    if (count >= 0 && count != 2)
        return infer_fail(INFER_ERROR_SHAPE, "%lld values instead of two", (long long)count);
    if (x->rank < 0)
        return INFER_OK;
    if (x->rank == INFER_MAX_RANK)
        return infer_fail(INFER_ERROR_SHAPE, "rank %d and an axis are too many", (int)x->rank);
    y->rank = x->rank + 1;
    INFER_TRY(infer_axis(p->axis, y->rank, &axis));
    for (int32_t i = 0, from = 0; i < y->rank; i++)
        if (i != axis)
            y->dim[i] = x->dim[from++];
    if (!depth->data)
        return INFER_OK;
    load_integers(depth, 0, 1, &y->dim[axis]);
    if (y->dim[axis] < 0)
        return infer_fail(INFER_ERROR_VALUE, "depth is %lld", (long long)y->dim[axis]);
    return INFER_OK;
}

static infer_status one_hot_run(infer_op_env *env) {
    const one_hot_params *p = env->params;
    const infer_view *x = env->in[INDICES], *values = env->in[VALUES];
    infer_view *y = env->out[0];
    int32_t axis = 0;
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    INFER_TRY(infer_axis(p->axis, y->rank, &axis));
    size_t size = infer_type_size((infer_type)y->type), count = (size_t)infer_view_count(x);
    size_t inner = (size_t)infer_span(y, axis + 1, y->rank);
    int64_t depth = y->dim[axis];
    const char *on = (const char *)values->data + size;
    infer_fill(y->data, values->data, (size_t)infer_view_count(y), size);
    for (size_t at = 0; at < count; at += INFER_CHUNK) {
        infer_chunk chunk;
        size_t n = count - at < INFER_CHUNK ? count - at : INFER_CHUNK;
        load_integers(x, at, n, chunk.i);
        for (size_t i = 0; i < n; i++) {
            int64_t hot = chunk.i[i];
            if (hot < -depth || hot >= depth)
                continue;
            size_t row = (at + i) / inner * (size_t)depth + (size_t)(hot < 0 ? hot + depth : hot);
            memcpy((char *)y->data + (row * inner + (at + i) % inner) * size, on, size);
        }
    }
    return INFER_OK;
}

const infer_op infer_op_one_hot = {
    .domain = "",
    .name = "OneHot",
    .since = 9,
    .newest = 27,
    .params_size = sizeof(one_hot_params),
    .min_in = 3,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .attr_count = 1,
    .attrs = one_hot_attrs,
    .types = {T_NUMERIC, T_NUMERIC, T_ALL},
    .infer = one_hot_infer,
    .run = one_hot_run,
};

/* ---- Trilu ---- */

typedef struct trilu_params {
    int64_t upper;
} trilu_params;

static const infer_op_attr trilu_attrs[] = {A_INT(trilu_params, upper, 1)};

static infer_status trilu_infer(infer_op_env *env) {
    const infer_view *x = env->in[0];
    if (infer_has_input(env, 1))
        INFER_TRY(infer_check_scalar(env->in[1], "k"));
    if (x->rank >= 0 && x->rank < 2)
        return infer_fail(INFER_ERROR_SHAPE, "rank %d has no matrices", (int)x->rank);
    if (env->out[0]) {
        *env->out[0] = *x;
        env->out[0]->data = NULL;
    }
    return INFER_OK;
}

static infer_status trilu_run(infer_op_env *env) {
    static const infer_string empty = {"", 0};
    static const char zeros[16];
    const trilu_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    int64_t k = infer_has_input(env, 1) ? *(const int64_t *)env->in[1]->data : 0;
    int64_t rows = x->dim[x->rank - 2], columns = x->dim[x->rank - 1];
    /* What lies outside of the matrix does not matter. */
    k = k < -rows ? -rows : k > columns ? columns : k;
    size_t size = infer_type_size((infer_type)x->type), bytes = (size_t)columns * size;
    const void *zero = x->type == INFER_TYPE_STRING ? (const void *)&empty : zeros;
    const char *from = x->data;
    char *to = y->data;
    for (int64_t m = infer_span(x, 0, x->rank - 2); m > 0; m--)
        for (int64_t i = 0; i < rows; i++, from += bytes, to += bytes) {
            int64_t edge =
                i + k + !p->upper; /* the first that the upper part keeps, the lower not */
            size_t low = (size_t)(edge < 0 ? 0 : edge > columns ? columns : edge), at = low * size;
            if (p->upper) {
                infer_fill(to, zero, low, size);
                memcpy(to + at, from + at, bytes - at);
            } else {
                memcpy(to, from, at);
                infer_fill(to + at, zero, (size_t)columns - low, size);
            }
        }
    return INFER_OK;
}

const infer_op infer_op_trilu = {
    .domain = "",
    .name = "Trilu",
    .since = 14,
    .newest = 27,
    .params_size = sizeof(trilu_params),
    .min_in = 1,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .attr_count = 1,
    .attrs = trilu_attrs,
    .types = {T_ALL, T(INT64)},
    .infer = trilu_infer,
    .run = trilu_run,
};
