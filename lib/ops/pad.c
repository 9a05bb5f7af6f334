/* Pad: elements before and after those of each axis: a constant, or others of the axis. And
 * CenterCropPad, which pads or cuts both ends alike. */
#include "axes.h"
#include "movement.h"
#include "op.h"
#include "status.h"

#include <string.h>

typedef struct pad_params {
    int64_t mode;
} pad_params;

enum { CONSTANT, REFLECT, EDGE, WRAP };
static const infer_op_attr pad_attrs[] = {
    A_ENUM(pad_params, mode, 0, "constant|reflect|edge|wrap")};

enum { PADS = 1, VALUE, AXES }; /* inputs */

/* ---- old versions ---- */

static infer_status pad_upgrade(infer_rewriter *rw) {
    if (rw->version >= 11)
        return INFER_OK;
    INFER_TRY(infer_attr_to_input(rw, rw->version < 2 ? "paddings" : "pads", PADS));
    return infer_float_to_input(rw, "value", VALUE);
}

/* ---- shapes ---- */

/* An axis: elements left out at both ends where pads are negative, kept, and added. */
typedef struct padding {
    int64_t skip, kept, before, after;
} padding;

static infer_status pad_axis(int64_t before, int64_t after, int64_t n, int64_t mode, padding *p) {
    int64_t cut_before = 0, cut_after = 0;
    *p = (padding){0, n, 0, 0};
    if (before < 0 && __builtin_sub_overflow(0, before, &cut_before))
        return infer_fail(INFER_ERROR_VALUE, "pads overflow");
    if (after < 0 && __builtin_sub_overflow(0, after, &cut_after))
        return infer_fail(INFER_ERROR_VALUE, "pads overflow");
    if (cut_before > n || cut_after > n - cut_before)
        return infer_fail(INFER_ERROR_VALUE, "pads %lld and %lld of an extent of %lld",
                          (long long)before, (long long)after, (long long)n);
    p->skip = cut_before;
    p->kept = n - cut_before - cut_after;
    p->before = before > 0 ? before : 0;
    p->after = after > 0 ? after : 0;
    if (mode != CONSTANT && p->kept == 0 && (p->before || p->after))
        return infer_fail(INFER_ERROR_VALUE, "an axis without elements has none to pad with");
    return INFER_OK;
}

/* Every axis of x, where *known. */
static infer_status read_pads(infer_op_env *env, padding *pads, bool *known) {
    const pad_params *p = env->params;
    const infer_view *x = env->in[0], *list = env->in[PADS];
    const infer_view *axes = infer_has_input(env, AXES) ? env->in[AXES] : NULL;
    *known = false;
    INFER_TRY(infer_check_list(list, "pads"));
    if (axes)
        INFER_TRY(infer_check_list(axes, "axes"));
    int64_t count = infer_view_count(list), named = axes ? infer_view_count(axes) : x->rank;
    if (x->rank < 0 || count < 0 || named < 0)
        return INFER_OK;
    if (named > x->rank || count != 2 * named)
        return infer_fail(INFER_ERROR_SHAPE, "%lld pads for %lld axes of rank %d", (long long)count,
                          (long long)named, (int)x->rank);
    if (count > 0 && (!list->data || (axes && !axes->data)))
        return INFER_OK;
    *known = true;
    for (int32_t i = 0; i < x->rank; i++)
        pads[i] = (padding){0, x->dim[i], 0, 0};
    uint32_t seen;
    if (axes)
        INFER_TRY(infer_axes(axes, x->rank, true, &seen));
    for (int64_t i = 0; i < named; i++) {
        int32_t axis = (int32_t)i;
        if (axes)
            INFER_TRY(infer_axis(infer_index(axes, i), x->rank, &axis));
        int64_t before = infer_index(list, i), after = infer_index(list, named + i);
        if (x->dim[axis] >= 0)
            INFER_TRY(pad_axis(before, after, x->dim[axis], p->mode, &pads[axis]));
        else if (before || after)
            pads[axis].kept = -2; /* neither known nor as before */
    }
    return INFER_OK;
}

static infer_status pad_infer(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_view spare, *y = infer_out(env, 0, x->type, x->rank, &spare);
    padding pads[INFER_MAX_RANK];
    bool known;
    if (infer_has_input(env, VALUE))
        INFER_TRY(infer_check_scalar(env->in[VALUE], "constant_value"));
    INFER_TRY(read_pads(env, pads, &known));
    for (int32_t i = 0; known && i < x->rank; i++) {
        int64_t n = pads[i].kept;
        if (n < 0)
            continue;
        if (__builtin_add_overflow(n, pads[i].before, &n) ||
            __builtin_add_overflow(n, pads[i].after, &n))
            return infer_fail(INFER_ERROR_SHAPE, "extents overflow");
        y->dim[i] = n;
    }
    return INFER_OK;
}

/* ---- running ---- */

typedef struct pad_walk {
    int64_t mode;
    const void *value;
    size_t size;  /* of an element */
    int32_t axes; /* that are walked; those behind are blocks */
    size_t block; /* bytes of one */
    padding pads[INFER_MAX_RANK];
    size_t from[INFER_MAX_RANK], to[INFER_MAX_RANK]; /* bytes of an element of each axis */
} pad_walk;

/* The element of n that stands at place k, which may be before or behind them. */
static int64_t source_of(int64_t mode, int64_t k, int64_t n) {
    if (k >= 0 && k < n)
        return k;
    if (mode == EDGE)
        return k < 0 ? 0 : n - 1;
    int64_t period = mode == WRAP ? n : n > 1 ? 2 * (n - 1) : 1;
    k %= period;
    k = k < 0 ? k + period : k;
    return k < n ? k : period - k;
}

/* Elements [k, end) around the n at core, copies of these: neighbours in either direction, or the
 * same, go at once. */
static void surround(const pad_walk *w, char *core, size_t size, int64_t k, int64_t end,
                     int64_t n) {
    for (int64_t run; k < end; k += run) {
        const int64_t from = source_of(w->mode, k, n);
        const int64_t step = k + 1 < end ? source_of(w->mode, k + 1, n) - from : 0;
        run = step == 1 ? n - from : step == -1 ? from + 1 : step == 0 ? end - k : 1;
        run = run < end - k ? run : end - k;
        infer_copy_pieces(core + k * (int64_t)size, (ptrdiff_t)size, core + from * (int64_t)size,
                          (ptrdiff_t)size * step, (size_t)run, size);
    }
}

/* The elements that the axis keeps, each with its own axes done, then copies of them around. */
static void pad_from(const pad_walk *w, int32_t axis, const char *from, char *to) {
    if (axis == w->axes) {
        memcpy(to, from, w->block);
        return;
    }
    const padding *p = &w->pads[axis];
    size_t in = w->from[axis], out = w->to[axis];
    char *core = to + (size_t)p->before * out;
    from += (size_t)p->skip * in;
    if (axis + 1 == w->axes)
        memcpy(core, from, (size_t)p->kept * out);
    else
        for (int64_t i = 0; i < p->kept; i++)
            pad_from(w, axis + 1, from + (size_t)i * in, core + (size_t)i * out);
    if (w->mode == CONSTANT) {
        infer_fill(to, w->value, (size_t)p->before * (out / w->size), w->size);
        infer_fill(core + (size_t)p->kept * out, w->value, (size_t)p->after * (out / w->size),
                   w->size);
        return;
    }
    surround(w, core, out, -p->before, 0, p->kept);
    surround(w, core, out, p->kept, p->kept + p->after, p->kept);
}

/* The walk with its mode and pads set; value is NULL where it is not given. */
static infer_status pad_all(pad_walk *w, const infer_view *x, infer_view *y, const void *value) {
    static const infer_string empty = {"", 0};
    static const char zeros[16];
    const void *none = x->type == INFER_TYPE_STRING ? (const void *)&empty : zeros;
    w->axes = x->rank;
    w->size = w->block = infer_type_size((infer_type)x->type);
    w->value = value ? value : none;
    for (int32_t i = 0; i < x->rank; i++)
        if (w->pads[i].before + w->pads[i].kept + w->pads[i].after != y->dim[i])
            return infer_fail(INFER_ERROR_VALUE, "the pads changed");
    while (w->axes > 0 && x->dim[w->axes - 1] == w->pads[w->axes - 1].kept &&
           w->pads[w->axes - 1].kept == y->dim[w->axes - 1])
        w->block *= (size_t)x->dim[--w->axes];
    size_t from = w->block, to = w->block;
    for (int32_t i = w->axes; i-- > 0; from *= (size_t)x->dim[i], to *= (size_t)y->dim[i]) {
        w->from[i] = from;
        w->to[i] = to;
    }
    pad_from(w, 0, x->data, y->data);
    return INFER_OK;
}

static infer_status pad_run(infer_op_env *env) {
    const pad_params *p = env->params;
    infer_view *y = env->out[0];
    bool known;
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    pad_walk w = {.mode = p->mode};
    INFER_TRY(read_pads(env, w.pads, &known));
    return pad_all(&w, env->in[0], y, infer_has_input(env, VALUE) ? env->in[VALUE]->data : NULL);
}

const infer_op infer_op_pad = {
    .domain = "",
    .name = "Pad",
    .since = 1,
    .newest = 27,
    .params_size = sizeof(pad_params),
    .min_in = 2,
    .max_in = 4,
    .min_out = 1,
    .max_out = 1,
    .attr_count = 1,
    .attrs = pad_attrs,
    .types = {T_ALL, T(INT64), T_ALL | T_SAME, T_INDEX},
    .upgrade = pad_upgrade,
    .infer = pad_infer,
    .run = pad_run,
};

/* ---- CenterCropPad ---- */

typedef struct center_params {
    infer_list axes;
} center_params;

static const infer_op_attr center_attrs[] = {A_LIST(center_params, axes, INTS)};

/* What becomes of every axis, where *known; of axes whose extents are given only in y. */
static infer_status read_center(infer_op_env *env, padding *pads, infer_view *y, bool *known) {
    const center_params *p = env->params;
    const infer_view *x = env->in[0], *shape = env->in[1];
    int64_t count = infer_view_count(shape);
    bool listed = p->axes.type != INFER_TYPE_UNDEFINED;
    const int64_t *list = listed ? infer_list_data(env, &p->axes) : NULL;
    INFER_TRY(infer_check_list(shape, "shape"));
    *known = false;
    if (x->rank < 0 || count < 0)
        return INFER_OK;
    if (count > x->rank || (uint64_t)count != (listed ? p->axes.count : (uint64_t)x->rank))
        return infer_fail(INFER_ERROR_SHAPE, "%lld extents for the axes of rank %d",
                          (long long)count, (int)x->rank);
    *known = shape->data || count == 0;
    for (int32_t i = 0; i < x->rank; i++) {
        pads[i] = (padding){0, x->dim[i], 0, 0};
        y->dim[i] = x->dim[i];
    }
    uint32_t seen = 0;
    for (int64_t i = 0; i < count; i++) {
        int32_t axis = 0;
        INFER_TRY(infer_axis(listed ? list[i] : i, x->rank, &axis));
        if (seen >> axis & 1)
            return infer_fail(INFER_ERROR_VALUE, "axis %d is named twice", (int)axis);
        seen |= 1u << axis;
        int64_t to = *known ? infer_index(shape, i) : -1, from = x->dim[axis];
        if (*known && to < 0)
            return infer_fail(INFER_ERROR_VALUE, "extent %lld in shape", (long long)to);
        y->dim[axis] = to;
        if (to < 0 || from < 0)
            continue;
        if (to < from)
            pads[axis] = (padding){(from - to) / 2, to, 0, 0};
        else
            pads[axis] = (padding){0, from, (to - from) / 2, to - from - (to - from) / 2};
    }
    return INFER_OK;
}

static infer_status center_crop_pad_infer(infer_op_env *env) {
    infer_view spare, *y = infer_out(env, 0, env->in[0]->type, env->in[0]->rank, &spare);
    padding pads[INFER_MAX_RANK];
    bool known;
    return read_center(env, pads, y, &known);
}

static infer_status center_crop_pad_run(infer_op_env *env) {
    infer_view *y = env->out[0], shape;
    pad_walk w = {.mode = CONSTANT};
    bool known;
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    INFER_TRY(read_center(env, w.pads, &shape, &known));
    return pad_all(&w, env->in[0], y, NULL);
}

const infer_op infer_op_center_crop_pad = {
    .domain = "",
    .name = "CenterCropPad",
    .since = 18,
    .newest = 27,
    .params_size = sizeof(center_params),
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .attr_count = 1,
    .attrs = center_attrs,
    .types = {T_ALL, T_INDEX},
    .infer = center_crop_pad_infer,
    .run = center_crop_pad_run,
};
