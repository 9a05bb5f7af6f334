/*
 * The largest or smallest of stacked tensors, as exporters spell it: each gets an axis, they are
 * joined along it, and a Reduce takes the axis away. It is Max or Min of the tensors themselves.
 */
#include "reduce_stacked.h"

#include "axes.h"
#include "status.h"

#include <string.h>

#define MOST 8 /* tensors: what a node has room for */

static bool made_by(infer_rewriter *rw, uint32_t value, const char *op, infer_producer *p) {
    return value != INFER_NO_VALUE && rw->producer(rw, value, p) && p->op->domain[0] == 0 &&
           strcmp(p->op->name, op) == 0;
}

/* Whether a value is a list of this one axis of so many. */
static bool is_axis(infer_rewriter *rw, uint32_t value, int32_t rank, int64_t axis) {
    const infer_view *v = value == INFER_NO_VALUE ? NULL : rw->view(rw, value);
    if (!v || !v->data || infer_view_count(v) != 1)
        return false;
    const int64_t at = infer_index(v, 0);
    return (at < 0 ? at + rank : at) == axis;
}

/* Of extents that are known and unknown at the same places. */
static bool same_extents(const infer_view *a, const infer_view *b) {
    return a->rank == b->rank && a->rank >= 0 &&
           memcmp(a->dim, b->dim, (size_t)a->rank * sizeof *a->dim) == 0;
}

infer_status infer_reduce_stacked(infer_rewriter *rw, const char *op) {
    const infer_attr *keep = rw->attr(rw, "keepdims");
    infer_producer stack, part;
    uint32_t values[MOST];
    int64_t axis = 0;
    if (!keep || keep->i || rw->in_count != 2 || !made_by(rw, rw->input(rw, 0), "Concat", &stack) ||
        stack.in_count > MOST)
        return INFER_OK;
    const infer_view all = *rw->view(rw, rw->input(rw, 0));
    for (uint32_t i = 0; i < stack.attr_count; i++)
        if (strcmp(stack.attrs[i].name, "axis") == 0)
            axis = stack.attrs[i].i;
    axis += axis < 0 ? all.rank : 0;
    if (all.rank < 1 || infer_type_kind((infer_type)all.type) != INFER_CLASS_FLOATING ||
        !is_axis(rw, rw->input(rw, 1), all.rank, axis))
        return INFER_OK;
    for (uint32_t i = 0; i < stack.in_count; i++) {
        if (!made_by(rw, stack.in[i], "Unsqueeze", &part) ||
            !is_axis(rw, part.in[1], all.rank, axis) ||
            !same_extents(rw->view(rw, stack.in[i]), rw->view(rw, stack.in[0])))
            return INFER_OK;
        values[i] = part.in[0];
    }
    for (uint32_t i = 0; i < stack.in_count; i++)
        INFER_TRY(rw->set_input(rw, i, values[i]));
    rw->drop_attr(rw, "keepdims");
    rw->drop_attr(rw, "noop_with_empty_axes");
    return rw->become(rw, "", op);
}
