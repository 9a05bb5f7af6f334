/* Slice: a start, an end and a step for some axes. */
#include "axes.h"
#include "movement.h"
#include "op.h"
#include "status.h"

/* Inputs 1 to 4. */
enum { STARTS = 1, ENDS, AXES, STEPS };
static const char *const list_names[] = {"", "starts", "ends", "axes", "steps"};

typedef struct cut {
    int64_t start, step, count;
} cut;

/* The cut along an axis of extent n, after ONNX: ends are clamped to what the direction can reach.
 */
static cut cut_axis(int64_t start, int64_t end, int64_t step, int64_t n) {
    if (n == 0)
        return (cut){0, 1, 0};
    int64_t low = step < 0 ? -1 : 0, high = step < 0 ? n - 1 : n;
    if (step < 0 && (end == INT32_MAX || end == INT64_MAX))
        end = INT64_MIN; /* onnxruntime takes them for "to the end" in this direction too */
    start += start < 0 ? n : 0;
    end += end < 0 ? n : 0;
    start = start < 0 ? 0 : start > high ? high : start;
    end = end < low ? low : end > high ? high : end;
    uint64_t way = step < 0 ? (start > end ? (uint64_t)(start - end) : 0)
                            : (end > start ? (uint64_t)(end - start) : 0);
    uint64_t stride = step < 0 ? -(uint64_t)step : (uint64_t)step;
    return (cut){start, step, (int64_t)(way / stride + (way % stride != 0))};
}

static infer_status slice_axis(infer_op_env *env, int64_t i, int32_t rank, int32_t *axis) {
    int64_t number = infer_has_input(env, AXES) ? infer_index(env->in[AXES], i) : i;
    return infer_axis(number, rank, axis);
}

/* The cut of every axis of x; an extent that is not known gives a count of -1. */
static infer_status read_cuts(infer_op_env *env, int64_t listed, cut *cuts) {
    const infer_view *x = env->in[0];
    for (int32_t i = 0; i < x->rank; i++)
        cuts[i] = (cut){0, 1, x->dim[i]};
    uint32_t seen = 0;
    for (int64_t i = 0; i < listed; i++) {
        int32_t axis = 0;
        INFER_TRY(slice_axis(env, i, x->rank, &axis));
        if (seen >> axis & 1)
            return infer_fail(INFER_ERROR_VALUE, "axis %d is named twice", (int)axis);
        seen |= 1u << axis;
        int64_t step = infer_has_input(env, STEPS) ? infer_index(env->in[STEPS], i) : 1;
        if (step == 0)
            return infer_fail(INFER_ERROR_VALUE, "a step of 0");
        if (x->dim[axis] < 0)
            cuts[axis].count = -1;
        else
            cuts[axis] = cut_axis(infer_index(env->in[STARTS], i), infer_index(env->in[ENDS], i),
                                  step, x->dim[axis]);
    }
    return INFER_OK;
}

/* How many axes the lists name: -1 where that or (*known) their elements are not known. */
static infer_status list_length(infer_op_env *env, int64_t *listed, bool *known) {
    *listed = -1;
    *known = true;
    for (uint32_t i = STARTS; i <= STEPS; i++) {
        if (!infer_has_input(env, i))
            continue;
        INFER_TRY(infer_check_list(env->in[i], list_names[i]));
        int64_t n = infer_view_count(env->in[i]);
        *known = *known && n >= 0 && env->in[i]->data;
        if (n >= 0 && *listed >= 0 && n != *listed)
            return infer_fail(INFER_ERROR_SHAPE, "%s has %lld entries, not %lld", list_names[i],
                              (long long)n, (long long)*listed);
        *listed = n >= 0 ? n : *listed;
    }
    return INFER_OK;
}

static infer_status slice_infer(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_view spare, *y = infer_out(env, 0, x->type, x->rank, &spare);
    int64_t listed;
    bool known;
    INFER_TRY(list_length(env, &listed, &known));
    if (x->rank < 0)
        return INFER_OK;
    if (listed > x->rank)
        return infer_fail(INFER_ERROR_SHAPE, "%lld axes are sliced of rank %d", (long long)listed,
                          (int)x->rank);
    if (known) {
        cut cuts[INFER_MAX_RANK];
        INFER_TRY(read_cuts(env, listed, cuts));
        for (int32_t i = 0; i < x->rank; i++)
            y->dim[i] = cuts[i].count;
        return INFER_OK;
    }
    /* Axes that are surely not sliced keep their extents. */
    bool have_axes = infer_has_input(env, AXES);
    if (listed < 0 || (have_axes && !env->in[AXES]->data))
        return INFER_OK;
    uint32_t sliced = 0;
    for (int64_t i = 0; i < listed; i++) {
        int32_t axis = 0;
        INFER_TRY(slice_axis(env, i, x->rank, &axis));
        sliced |= 1u << axis;
    }
    for (int32_t i = 0; i < x->rank; i++)
        y->dim[i] = sliced >> i & 1 ? -1 : x->dim[i];
    return INFER_OK;
}

static infer_status slice_run(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    int64_t listed;
    bool known;
    cut cuts[INFER_MAX_RANK];
    INFER_TRY(list_length(env, &listed, &known));
    INFER_TRY(read_cuts(env, listed, cuts));
    int64_t stride[INFER_MAX_RANK], step = (int64_t)infer_type_size((infer_type)x->type);
    const char *from = x->data;
    for (int32_t i = x->rank; i-- > 0; step *= x->dim[i]) {
        if (cuts[i].count != y->dim[i])
            return infer_fail(INFER_ERROR_VALUE, "the slice changed its extent");
        if (cuts[i].count == 0)
            return INFER_OK;
        from += cuts[i].start * step;
        /* With one element the step is not taken, and may be too large to multiply. */
        stride[i] = cuts[i].count > 1 ? cuts[i].step * step : step;
    }
    infer_copy_strided(y->data, from, y->rank, y->dim, stride,
                       infer_type_size((infer_type)x->type));
    return INFER_OK;
}

static infer_status slice_upgrade(infer_rewriter *rw) {
    if (rw->version >= 10)
        return INFER_OK;
    INFER_TRY(infer_attr_to_input(rw, "starts", STARTS));
    INFER_TRY(infer_attr_to_input(rw, "ends", ENDS));
    return infer_attr_to_input(rw, "axes", AXES);
}

const infer_op infer_op_slice = {
    .domain = "",
    .name = "Slice",
    .since = 1,
    .newest = 27,
    .min_in = 3,
    .max_in = 5,
    .min_out = 1,
    .max_out = 1,
    .types = {T_ALL, T_INDEX},
    .upgrade = slice_upgrade,
    .infer = slice_infer,
    .run = slice_run,
};
