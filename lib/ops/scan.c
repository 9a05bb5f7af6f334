/* Scan: a body over slices of tensors, with states that it hands on. */
#include "axes.h"
#include "control.h"
#include "movement.h"

#include <string.h>

typedef struct scan_params {
    infer_body body;
    int64_t num_scan_inputs, batched;
    infer_list scan_input_directions, scan_output_directions, scan_input_axes, scan_output_axes;
} scan_params;

/* batched, which no model sets, says that the node is of version 8: input 0 are the lengths of the
 * sequences, and everything else has a batch in front. */
static const infer_op_attr scan_attrs[] = {A_REQUIRED(scan_params, body, GRAPH),
                                           A_REQUIRED(scan_params, num_scan_inputs, INT),
                                           A_INT(scan_params, batched, 0),
                                           A_LIST(scan_params, scan_input_directions, INTS),
                                           A_LIST(scan_params, scan_output_directions, INTS),
                                           A_LIST(scan_params, scan_input_axes, INTS),
                                           A_LIST(scan_params, scan_output_axes, INTS)};

static infer_status scan_upgrade(infer_rewriter *rw) {
    if (rw->attr(rw, "batched"))
        return infer_fail(INFER_ERROR_UNSUPPORTED, "attribute batched is not known");
    if (rw->version >= 9)
        return INFER_OK;
    const infer_attr *directions = rw->attr(rw, "directions");
    if (directions) {
        infer_attr renamed = *directions;
        renamed.name = "scan_input_directions";
        INFER_TRY(rw->set_attr(rw, &renamed));
        rw->drop_attr(rw, "directions");
    }
    return infer_set_int(rw, "batched", 1);
}

typedef struct scan {
    uint32_t first;         /* input that is the first state */
    uint32_t states, scans; /* inputs */
    uint32_t stacked;       /* outputs behind the states */
    uint32_t batch;         /* axes in front: 0 or 1 */
} scan;

/* Entry number i of a list that may be shorter or missing. */
static int64_t entry(const infer_op_env *env, const infer_list *list, uint32_t i) {
    return i < list->count ? ((const int64_t *)infer_list_data(env, list))[i] : 0;
}

static infer_status read_counts(infer_op_env *env, scan *s) {
    const scan_params *p = env->params;
    uint32_t formal = 0, outputs = 0;
    infer_view view;
    INFER_TRY(infer_body_formal(env, &p->body, 1, &formal));
    s->batch = s->first = p->batched != 0;
    if (p->num_scan_inputs < 1 || formal < s->first ||
        p->num_scan_inputs > (int64_t)(formal - s->first))
        return infer_fail(INFER_ERROR_VALUE, "num_scan_inputs is %lld of %u inputs",
                          (long long)p->num_scan_inputs, formal);
    s->scans = (uint32_t)p->num_scan_inputs;
    s->states = formal - s->first - s->scans;
    while (env->body_port(env, p->body.graph, true, outputs, &view))
        outputs++;
    if (outputs < s->states || env->out_count != outputs)
        return infer_fail(INFER_ERROR_FORMAT, "%u outputs and %u states; the body gives %u values",
                          env->out_count, s->states, outputs);
    s->stacked = outputs - s->states;
    const infer_list *lists[] = {&p->scan_input_axes, &p->scan_output_axes,
                                 &p->scan_input_directions, &p->scan_output_directions};
    for (uint32_t i = 0; i < 4; i++)
        if (lists[i]->count && lists[i]->count != (i % 2 ? s->stacked : s->scans))
            return infer_fail(INFER_ERROR_VALUE, "a list has %llu entries for %u values",
                              (unsigned long long)lists[i]->count, i % 2 ? s->stacked : s->scans);
    return INFER_OK;
}

/* States and slices have the types of the inputs. */
static void scan_body_input(const infer_view *const *in, uint32_t in_count, const char *attr,
                            uint32_t index, infer_view *view) {
    (void)attr;
    if (index < in_count && in[index])
        *view = (infer_view){.kind = in[index]->kind, .type = in[index]->type, .rank = -1};
}

/* The axis that scan input number i is cut along, in a view with its batch. */
static infer_status input_axis(const infer_op_env *env, const scan *s, uint32_t i, int32_t *axis) {
    const scan_params *p = env->params;
    const infer_view *x = env->in[s->first + s->states + i];
    if (x->rank < 0 || x->rank <= (int32_t)s->batch)
        return infer_fail(INFER_ERROR_SHAPE, "scan input %u has rank %d", i, (int)x->rank);
    INFER_TRY(infer_axis(entry(env, &p->scan_input_axes, i), x->rank - (int32_t)s->batch, axis));
    *axis += (int32_t)s->batch;
    return INFER_OK;
}

static infer_status stacked_shape(infer_op_env *env, const scan *s, uint32_t i, infer_view *view,
                                  int64_t turns) {
    const scan_params *p = env->params;
    int32_t axis = 0;
    if (view->rank < 0)
        return INFER_OK;
    if (view->kind != INFER_KIND_TENSOR || view->rank >= INFER_MAX_RANK)
        return infer_fail(INFER_ERROR_TYPE, "output %u of the body cannot be stacked",
                          s->states + i);
    INFER_TRY(infer_axis(entry(env, &p->scan_output_axes, i), view->rank + 1, &axis));
    memmove(view->dim + axis + 1, view->dim + axis,
            (size_t)(view->rank - axis) * sizeof *view->dim);
    view->dim[axis] = turns;
    view->rank++;
    return INFER_OK;
}

static infer_status add_batch(infer_view *view, int64_t batch) {
    if (view->rank >= INFER_MAX_RANK)
        return infer_fail(INFER_ERROR_SHAPE, "rank %d and a batch are too many", (int)view->rank);
    if (view->rank < 0)
        return INFER_OK;
    memmove(view->dim + 1, view->dim, (size_t)view->rank++ * sizeof *view->dim);
    view->dim[0] = batch;
    return INFER_OK;
}

/* Number of turns and the batch, -1 where not known; all inputs agree on them. */
static infer_status read_extents(infer_op_env *env, const scan *s, int64_t *turns, int64_t *batch) {
    *turns = *batch = -1;
    for (uint32_t i = 0; i < s->states + s->scans; i++) {
        const infer_view *x = env->in[s->first + i];
        if (!x || x->kind != INFER_KIND_TENSOR)
            return infer_fail(INFER_ERROR_TYPE, "input %u is no tensor", s->first + i);
        if (x->rank < 0)
            continue;
        if (s->batch) {
            if (x->rank < 1 || (*batch >= 0 && x->dim[0] >= 0 && x->dim[0] != *batch))
                return infer_fail(INFER_ERROR_SHAPE, "input %u has another batch", s->first + i);
            *batch = x->dim[0] >= 0 ? x->dim[0] : *batch;
        }
        if (i < s->states)
            continue;
        int32_t axis = 0;
        INFER_TRY(input_axis(env, s, i - s->states, &axis));
        if (x->dim[axis] >= 0 && *turns >= 0 && x->dim[axis] != *turns)
            return infer_fail(INFER_ERROR_SHAPE, "scan inputs have %lld and %lld slices",
                              (long long)*turns, (long long)x->dim[axis]);
        *turns = x->dim[axis] >= 0 ? x->dim[axis] : *turns;
    }
    return INFER_OK;
}

static infer_status scan_infer(infer_op_env *env) {
    const scan_params *p = env->params;
    scan s;
    int64_t turns, batch;
    INFER_TRY(read_counts(env, &s));
    INFER_TRY(read_extents(env, &s, &turns, &batch));
    const infer_view *lengths = s.first ? env->in[0] : NULL;
    if (lengths && (lengths->kind != INFER_KIND_TENSOR || lengths->type != INFER_TYPE_INT64))
        return infer_fail(INFER_ERROR_TYPE, "input 0 has no elements of int64");
    for (uint32_t i = 0; i < env->out_count; i++) {
        infer_view view;
        env->body_port(env, p->body.graph, true, i, &view);
        if (i < s.states && !s.batch)
            infer_merge_shape(&view, env->in[i]);
        if (i >= s.states)
            INFER_TRY(stacked_shape(env, &s, i - s.states, &view, turns));
        if (s.batch)
            INFER_TRY(add_batch(&view, batch));
        if (env->out[i])
            *env->out[i] = view;
    }
    return INFER_OK;
}

/* ---- running ---- */

/* A tensor without its first axis, at one place of it. */
static infer_view at_batch(const infer_view *v, int64_t index) {
    infer_view part = *v;
    part.rank--;
    memmove(part.dim, part.dim + 1, (size_t)part.rank * sizeof *part.dim);
    part.data = (char *)v->data + (size_t)index * infer_view_bytes(&part);
    return part;
}

/* Slice number turn of x along an axis, in memory that is used again for the next one. */
static infer_status cut(infer_op_env *env, const infer_view *x, int32_t axis, int64_t turn,
                        infer_view *slice) {
    size_t size = infer_type_size((infer_type)x->type);
    size_t outer = (size_t)infer_span(x, 0, axis),
           inner = size * (size_t)infer_span(x, axis + 1, x->rank);
    void *room = slice->data;
    *slice = *x;
    slice->rank--;
    memmove(slice->dim + axis, slice->dim + axis + 1,
            (size_t)(slice->rank - axis) * sizeof *slice->dim);
    const char *from = (const char *)x->data + (size_t)turn * inner;
    slice->data = (void *)from;
    if (outer == 1)
        return INFER_OK;
    if (!room && !(room = env->alloc(env, infer_view_bytes(slice))))
        return INFER_ERROR_MEMORY;
    slice->data = room;
    infer_copy_pieces(room, (ptrdiff_t)inner, from, (ptrdiff_t)((size_t)x->dim[axis] * inner),
                      outer, inner);
    return INFER_OK;
}

/* One pass over a sequence: of the batch or the only one. */
typedef struct pass {
    const scan *s;
    const infer_view **in; /* of the body */
    infer_view *values, *out;
    void **rooms;          /* for slices that do not lie together */
    infer_view *x;         /* scan inputs of this pass */
    char **to;             /* where stacked outputs of this pass lie; NULL before the first turn */
    int64_t turns, extent; /* extent: turns that the outputs have room for */
} pass;

/* Allocates output i after the first turn has shown its shape. Nothing is there where a sequence
 * is shorter than others. */
static infer_status place_stacked(infer_op_env *env, const pass *p, uint32_t i,
                                  const infer_view *each, int64_t batch) {
    uint32_t index = p->s->states + i;
    infer_view shape = *each;
    INFER_TRY(stacked_shape(env, p->s, i, &shape, p->extent));
    if (p->s->batch)
        INFER_TRY(add_batch(&shape, batch));
    INFER_TRY(infer_place(env, index, &shape));
    memset(env->out[index]->data, 0, infer_view_bytes(env->out[index]));
    return INFER_OK;
}

static infer_status store(infer_op_env *env, const pass *p, uint32_t i, int64_t turn, int64_t at,
                          int64_t batch) {
    const scan_params *params = env->params;
    infer_view each = p->out[p->s->states + i];
    infer_view *out = env->out[p->s->states + i];
    if (!out)
        return INFER_OK;
    if (each.type == INFER_TYPE_STRING)
        INFER_TRY(infer_view_copy(env, &each, &each));
    if (!out->data || !infer_view_concrete(out) || (turn == 0 && at == 0))
        INFER_TRY(place_stacked(env, p, i, &each, batch));
    infer_view whole = p->s->batch ? at_batch(out, at) : *out, expected = each;
    INFER_TRY(stacked_shape(env, p->s, i, &expected, p->extent));
    for (int32_t d = 0; d < expected.rank; d++)
        if (expected.rank != whole.rank || expected.dim[d] != whole.dim[d])
            return infer_fail(INFER_ERROR_SHAPE, "a stacked value changes its shape");
    int32_t axis = 0;
    INFER_TRY(infer_axis(entry(env, &params->scan_output_axes, i), whole.rank, &axis));
    if (entry(env, &params->scan_output_directions, i))
        turn = p->turns - 1 - turn;
    size_t outer = (size_t)infer_span(&whole, 0, axis);
    size_t inner = infer_view_bytes(&each) / (outer ? outer : 1);
    infer_copy_pieces((char *)whole.data + (size_t)turn * inner,
                      (ptrdiff_t)((size_t)p->extent * inner), each.data, (ptrdiff_t)inner, outer,
                      inner);
    return INFER_OK;
}

static infer_status run_pass(infer_op_env *env, pass *p, int64_t at, int64_t batch) {
    const scan_params *params = env->params;
    const scan *s = p->s;
    for (int64_t turn = 0; turn < p->turns; turn++) {
        for (uint32_t i = 0; i < s->scans; i++) {
            bool reverse = entry(env, &params->scan_input_directions, i) != 0;
            infer_view *slice = &p->values[s->states + i];
            int32_t axis = 0;
            INFER_TRY(input_axis(env, s, i, &axis));
            slice->data = p->rooms[i];
            INFER_TRY(cut(env, &p->x[i], axis - (int32_t)s->batch,
                          reverse ? p->turns - 1 - turn : turn, slice));
            if (infer_span(&p->x[i], 0, axis - (int32_t)s->batch) != 1)
                p->rooms[i] = slice->data;
        }
        INFER_TRY(env->call(env, params->body.graph, p->in,
                            s->states + s->scans + params->body.captures, p->out,
                            s->states + s->stacked, true));
        memcpy(p->values, p->out, s->states * sizeof *p->values);
        for (uint32_t i = 0; i < s->stacked; i++)
            INFER_TRY(store(env, p, i, turn, at, batch));
    }
    return INFER_OK;
}

/* The state that a pass ends with: an output of its own, or one place of it. */
static infer_status give_state(infer_op_env *env, const pass *p, uint32_t i, int64_t at,
                               int64_t batch) {
    infer_view state = p->values[i];
    if (!env->out[i])
        return INFER_OK;
    if (!p->s->batch) {
        if (p->turns == 0)
            INFER_TRY(infer_view_copy(env, &p->values[i], &state));
        return infer_give(env, i, &state);
    }
    if (at == 0) {
        infer_view all = state;
        INFER_TRY(add_batch(&all, batch));
        INFER_TRY(infer_place(env, i, &all));
    }
    infer_view whole = at_batch(env->out[i], at);
    if (infer_view_bytes(&whole) != infer_view_bytes(&state) || whole.type != state.type)
        return infer_fail(INFER_ERROR_SHAPE, "state %u changes its shape", i);
    if (state.type == INFER_TYPE_STRING)
        INFER_TRY(infer_view_copy(env, &state, &state));
    memcpy(whole.data, state.data, infer_view_bytes(&state));
    return INFER_OK;
}

static infer_status scan_begin(infer_op_env *env, const scan *s, pass *p) {
    const scan_params *params = env->params;
    uint32_t own = s->states + s->scans, captures = params->body.captures;
    p->s = s;
    p->in = env->alloc(env, (own + captures) * sizeof(infer_view *));
    p->values = env->alloc(env, own * sizeof *p->values);
    p->out = env->alloc(env, (s->states + s->stacked) * sizeof *p->out);
    p->rooms = env->alloc(env, s->scans * sizeof *p->rooms);
    p->x = env->alloc(env, s->scans * sizeof *p->x);
    if (!p->in || !p->values || !p->out || !p->rooms || !p->x)
        return INFER_ERROR_MEMORY;
    memset(p->rooms, 0, s->scans * sizeof *p->rooms);
    for (uint32_t i = 0; i < own; i++)
        p->in[i] = &p->values[i];
    for (uint32_t i = 0; i < captures; i++)
        p->in[own + i] = env->in[s->first + own + i];
    return INFER_OK;
}

/* Stacked outputs that no turn has placed. */
static infer_status give_empty(infer_op_env *env, const pass *p, int64_t batch) {
    const scan_params *params = env->params;
    for (uint32_t i = 0; i < p->s->stacked; i++) {
        infer_view each, *out = env->out[p->s->states + i];
        if (!out || (out->data && infer_view_concrete(out)))
            continue;
        env->body_port(env, params->body.graph, true, p->s->states + i, &each);
        each.rank = each.rank < 0 ? 0 : each.rank;
        for (int32_t d = 0; d < each.rank; d++)
            each.dim[d] = each.dim[d] < 0 ? 0 : each.dim[d];
        INFER_TRY(place_stacked(env, p, i, &each, batch));
    }
    return INFER_OK;
}

static infer_status scan_run(infer_op_env *env) {
    scan s;
    pass p = {0};
    int64_t batch;
    INFER_TRY(read_counts(env, &s));
    INFER_TRY(read_extents(env, &s, &p.extent, &batch));
    INFER_TRY(scan_begin(env, &s, &p));
    const infer_view *lengths = s.first ? env->in[0] : NULL;
    if (lengths && infer_view_count(lengths) != batch)
        return infer_fail(INFER_ERROR_SHAPE, "sequence_lens has not one length a sequence");
    for (int64_t at = 0; at < (s.batch ? batch : 1); at++) {
        p.turns = lengths ? ((const int64_t *)lengths->data)[at] : p.extent;
        if (p.turns < 0 || p.turns > p.extent)
            return infer_fail(INFER_ERROR_VALUE, "a sequence has %lld of %lld slices",
                              (long long)p.turns, (long long)p.extent);
        for (uint32_t i = 0; i < s.states + s.scans; i++) {
            const infer_view *x = env->in[s.first + i];
            infer_view part = s.batch ? at_batch(x, at) : *x;
            if (i < s.states)
                p.values[i] = part;
            else
                p.x[i - s.states] = part;
        }
        INFER_TRY(run_pass(env, &p, at, batch));
        for (uint32_t i = 0; i < s.states; i++)
            INFER_TRY(give_state(env, &p, i, at, batch));
    }
    return give_empty(env, &p, batch);
}

const infer_op infer_op_scan = {
    .domain = "",
    .name = "Scan",
    .since = 8,
    .newest = 27,
    .params_size = sizeof(scan_params),
    .min_in = 0,
    .max_in = INFER_VARIADIC,
    .min_out = 1,
    .max_out = INFER_VARIADIC,
    .flags = INFER_OP_BODIES | INFER_OP_PLACES,
    .attr_count = 7,
    .attrs = scan_attrs,
    .types = {T_ALL | T_COMPOSITE},
    .upgrade = scan_upgrade,
    .infer = scan_infer,
    .run = scan_run,
    .body_input = scan_body_input,
};
