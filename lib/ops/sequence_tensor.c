/* Between sequences and tensors: ConcatFromSequence, SplitToSequence; and SequenceMap. */
#include "axes.h"
#include "control.h"
#include "movement.h"

#include <string.h>

static infer_view *new_views(infer_op_env *env, uint64_t count) {
    size_t bytes;
    if (__builtin_mul_overflow(count, sizeof(infer_view), &bytes)) {
        infer_fail(INFER_ERROR_MEMORY, "a sequence of %llu does not fit memory",
                   (unsigned long long)count);
        return NULL;
    }
    return env->alloc(env, bytes);
}

/* ---- ConcatFromSequence ---- */

typedef struct join_params {
    int64_t axis, new_axis;
} join_params;

static const infer_op_attr join_attrs[] = {A_REQUIRED(join_params, axis, INT),
                                           A_INT(join_params, new_axis, 0)};

static infer_status join_infer(infer_op_env *env) {
    const join_params *p = env->params;
    const infer_view *s = env->in[0];
    infer_view spare;
    if (s->kind != INFER_KIND_SEQUENCE || s->member != INFER_KIND_TENSOR)
        return infer_fail(INFER_ERROR_TYPE, "input 0 is no sequence of tensors");
    if (p->new_axis < 0 || p->new_axis > 1)
        return infer_fail(INFER_ERROR_VALUE, "new_axis is %lld", (long long)p->new_axis);
    infer_out(env, 0, s->type, -1, &spare);
    return INFER_OK;
}

/* The shape of all members together, and the axis they follow one another along. */
static infer_status joined_shape(infer_op_env *env, infer_view *y, int32_t *axis) {
    const join_params *p = env->params;
    const infer_view *s = env->in[0], *members = s->data;
    if (s->dim[0] < 1)
        return infer_fail(INFER_ERROR_VALUE, "the sequence is empty");
    *y = members[0];
    if (p->new_axis && y->rank >= INFER_MAX_RANK)
        return infer_fail(INFER_ERROR_SHAPE, "rank %d and an axis are too many", (int)y->rank);
    INFER_TRY(infer_axis(p->axis, y->rank + p->new_axis, axis));
    int64_t extent = p->new_axis ? s->dim[0] : 0;
    for (int64_t i = 0; i < s->dim[0]; i++) {
        const infer_view *m = &members[i];
        bool fits = m->rank == members[0].rank;
        for (int32_t d = 0; fits && d < m->rank; d++)
            fits = m->dim[d] == members[0].dim[d] || (!p->new_axis && d == *axis);
        if (!fits)
            return infer_fail(INFER_ERROR_SHAPE, "member %lld does not fit the first",
                              (long long)i);
        if (!p->new_axis && __builtin_add_overflow(extent, m->dim[*axis], &extent))
            return infer_fail(INFER_ERROR_SHAPE, "extents overflow");
    }
    if (p->new_axis) {
        memmove(y->dim + *axis + 1, y->dim + *axis, (size_t)(y->rank - *axis) * sizeof *y->dim);
        y->rank++;
    }
    y->dim[*axis] = extent;
    return INFER_OK;
}

static infer_status join_run(infer_op_env *env) {
    infer_view shape;
    int32_t axis = 0;
    INFER_TRY(joined_shape(env, &shape, &axis));
    if (!env->out[0])
        return INFER_OK;
    INFER_TRY(infer_place(env, 0, &shape));
    const infer_view *y = env->out[0], *members = env->in[0]->data;
    size_t outer = (size_t)infer_span(y, 0, axis);
    size_t step = infer_view_bytes(y) / (outer ? outer : 1);
    char *to = y->data;
    for (int64_t i = 0; i < env->in[0]->dim[0]; i++) {
        size_t piece = infer_view_bytes(&members[i]) / (outer ? outer : 1);
        if (piece == 0)
            continue;
        infer_copy_pieces(to, (ptrdiff_t)step, members[i].data, (ptrdiff_t)piece, outer, piece);
        to += piece;
    }
    return INFER_OK;
}

const infer_op infer_op_concat_from_sequence = {
    .domain = "",
    .name = "ConcatFromSequence",
    .since = 11,
    .newest = 27,
    .params_size = sizeof(join_params),
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .flags = INFER_OP_PLACES,
    .attr_count = 2,
    .attrs = join_attrs,
    .types = {T_COMPOSITE},
    .infer = join_infer,
    .run = join_run,
};

/* ---- SplitToSequence ---- */

typedef struct split_params {
    int64_t axis, keepdims;
} split_params;

static const infer_op_attr split_attrs[] = {A_INT(split_params, axis, 0),
                                            A_INT(split_params, keepdims, 1)};

/* Number of pieces, -1 where not known. */
static infer_status count_pieces(infer_op_env *env, int32_t axis, int64_t *pieces) {
    const infer_view *x = env->in[0], *split = infer_has_input(env, 1) ? env->in[1] : NULL;
    *pieces = -1;
    if (!split)
        *pieces = x->dim[axis];
    else if (split->rank > 1)
        return infer_fail(INFER_ERROR_SHAPE, "split has rank %d", (int)split->rank);
    else if (split->rank == 1)
        *pieces = split->dim[0];
    else if (split->rank == 0 && split->data && x->dim[axis] >= 0) {
        int64_t size = infer_index(split, 0);
        if (size < 1)
            return infer_fail(INFER_ERROR_VALUE, "split is %lld", (long long)size);
        *pieces = x->dim[axis] / size + (x->dim[axis] % size != 0);
    }
    return INFER_OK;
}

static infer_status split_infer(infer_op_env *env) {
    const split_params *p = env->params;
    const infer_view *x = env->in[0];
    int32_t axis = 0;
    int64_t pieces = -1;
    if (x->rank >= 0) {
        INFER_TRY(infer_axis(p->axis, x->rank, &axis));
        INFER_TRY(count_pieces(env, axis, &pieces));
    }
    if (env->out[0])
        *env->out[0] =
            (infer_view){.kind = INFER_KIND_SEQUENCE, .type = x->type, .rank = 1, .dim = {pieces}};
    return INFER_OK;
}

/* Extent of piece number i; the last of equal ones is what is left. */
static int64_t piece_extent(infer_op_env *env, int64_t i, int64_t left) {
    const infer_view *split = infer_has_input(env, 1) ? env->in[1] : NULL;
    int64_t size = split ? infer_index(split, split->rank ? i : 0) : 1;
    return split && !split->rank && size > left ? left : size;
}

static infer_status split_run(infer_op_env *env) {
    const split_params *p = env->params;
    const infer_view *x = env->in[0];
    int32_t axis = 0;
    int64_t pieces, at = 0;
    INFER_TRY(infer_axis(p->axis, x->rank, &axis));
    INFER_TRY(count_pieces(env, axis, &pieces));
    infer_view *members = new_views(env, (uint64_t)pieces);
    if (!members)
        return INFER_ERROR_MEMORY;
    bool drop = !infer_has_input(env, 1) && !p->keepdims;
    size_t outer = (size_t)infer_span(x, 0, axis);
    size_t inner = infer_type_size((infer_type)x->type) * (size_t)infer_span(x, axis + 1, x->rank);
    for (int64_t i = 0; i < pieces; i++) {
        int64_t extent = piece_extent(env, i, x->dim[axis] - at);
        if (extent < 0 || extent > x->dim[axis] - at)
            return infer_fail(INFER_ERROR_VALUE, "piece %lld has extent %lld", (long long)i,
                              (long long)extent);
        infer_view *m = &members[i];
        *m = *x;
        m->dim[axis] = extent;
        if (!(m->data = env->alloc(env, infer_view_bytes(m))))
            return INFER_ERROR_MEMORY;
        size_t bytes = (size_t)extent * inner;
        if (bytes)
            infer_copy_pieces(m->data, (ptrdiff_t)bytes, (const char *)x->data + (size_t)at * inner,
                              (ptrdiff_t)((size_t)x->dim[axis] * inner), outer, bytes);
        if (drop) {
            m->rank--;
            memmove(m->dim + axis, m->dim + axis + 1, (size_t)(m->rank - axis) * sizeof *m->dim);
        }
        at += extent;
    }
    if (at != x->dim[axis])
        return infer_fail(INFER_ERROR_VALUE, "the pieces have %lld of %lld slices", (long long)at,
                          (long long)x->dim[axis]);
    if (env->out[0]) {
        env->out[0]->dim[0] = pieces;
        env->out[0]->data = members;
    }
    return INFER_OK;
}

const infer_op infer_op_split_to_sequence = {
    .domain = "",
    .name = "SplitToSequence",
    .since = 11,
    .newest = 27,
    .params_size = sizeof(split_params),
    .min_in = 1,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .attr_count = 2,
    .attrs = split_attrs,
    .types = {T_ALL, T_INDEX},
    .infer = split_infer,
    .run = split_run,
};

/* ---- SequenceMap ---- */

typedef struct map_params {
    infer_body body;
} map_params;

static const infer_op_attr map_attrs[] = {A_REQUIRED(map_params, body, GRAPH)};

static void map_body_input(const infer_view *const *in, uint32_t in_count, const char *attr,
                           uint32_t index, infer_view *view) {
    (void)attr;
    if (index >= in_count || !in[index])
        return;
    *view = *in[index];
    if (view->kind == INFER_KIND_SEQUENCE)
        *view = (infer_view){.kind = in[index]->member, .type = in[index]->type, .rank = -1};
}

static infer_status map_infer(infer_op_env *env) {
    const map_params *p = env->params;
    uint32_t formal = 0;
    int64_t count = -1;
    INFER_TRY(infer_body_formal(env, &p->body, 1, &formal));
    if (formal < 1 || env->in[0]->kind != INFER_KIND_SEQUENCE)
        return infer_fail(INFER_ERROR_TYPE, "input 0 is no sequence");
    for (uint32_t i = 0; i < formal; i++) {
        const infer_view *v = env->in[i];
        if (!v)
            return infer_fail(INFER_ERROR_FORMAT, "input %u is missing", i);
        if (v->kind != INFER_KIND_SEQUENCE || v->dim[0] < 0)
            continue;
        if (count >= 0 && v->dim[0] != count)
            return infer_fail(INFER_ERROR_SHAPE, "the sequences have %lld and %lld members",
                              (long long)count, (long long)v->dim[0]);
        count = v->dim[0];
    }
    for (uint32_t i = 0; i < env->out_count; i++) {
        infer_view view;
        if (!env->body_port(env, p->body.graph, true, i, &view) || view.kind != INFER_KIND_TENSOR)
            return infer_fail(INFER_ERROR_TYPE, "output %u of the body is no tensor", i);
        if (env->out[i])
            *env->out[i] = (infer_view){
                .kind = INFER_KIND_SEQUENCE, .type = view.type, .rank = 1, .dim = {count}};
    }
    return INFER_OK;
}

static infer_status map_run(infer_op_env *env) {
    const map_params *p = env->params;
    uint32_t formal = 0, outputs = env->out_count;
    INFER_TRY(infer_body_formal(env, &p->body, 1, &formal));
    int64_t count = env->in[0]->dim[0];
    const infer_view **in = env->alloc(env, env->in_count * sizeof *in);
    infer_view *out = new_views(env, outputs),
               **members = env->alloc(env, outputs * sizeof *members);
    if (!in || !out || !members)
        return INFER_ERROR_MEMORY;
    for (uint32_t i = 0; i < outputs; i++)
        if (!(members[i] = new_views(env, (uint64_t)count)))
            return INFER_ERROR_MEMORY;
    memcpy(in, env->in, env->in_count * sizeof *in);
    for (int64_t at = 0; at < count; at++) {
        for (uint32_t i = 0; i < formal; i++)
            if (env->in[i]->kind == INFER_KIND_SEQUENCE)
                in[i] = (const infer_view *)env->in[i]->data + at;
        INFER_TRY(env->call(env, p->body.graph, in, env->in_count, out, outputs, true));
        for (uint32_t i = 0; i < outputs; i++)
            INFER_TRY(infer_view_copy(env, &out[i], &members[i][at]));
    }
    for (uint32_t i = 0; i < outputs; i++)
        if (env->out[i]) {
            env->out[i]->dim[0] = count;
            env->out[i]->data = members[i];
        }
    return INFER_OK;
}

const infer_op infer_op_sequence_map = {
    .domain = "",
    .name = "SequenceMap",
    .since = 17,
    .newest = 27,
    .params_size = sizeof(map_params),
    .min_in = 1,
    .max_in = INFER_VARIADIC,
    .min_out = 1,
    .max_out = INFER_VARIADIC,
    .flags = INFER_OP_BODIES,
    .attr_count = 1,
    .attrs = map_attrs,
    .types = {T_COMPOSITE, T_ALL | T_COMPOSITE},
    .infer = map_infer,
    .run = map_run,
    .body_input = map_body_input,
};
