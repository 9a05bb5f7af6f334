/*
 * Shapes that exporters compute from a Shape, of which some extents are known: picks of these are
 * constants, and a Reshape whose list has one entry that is not knows the others. Without that a
 * batch of unknown size hides all that comes behind.
 */
#include "known_shape.h"

#include "axes.h"
#include "status.h"

#include <string.h>

static int64_t int_attr(const infer_producer *p, const char *name, int64_t otherwise) {
    for (uint32_t i = 0; i < p->attr_count; i++)
        if (strcmp(p->attrs[i].name, name) == 0)
            return p->attrs[i].i;
    return otherwise;
}

static bool made_by(infer_rewriter *rw, uint32_t value, const char *op, infer_producer *p) {
    return value != INFER_NO_VALUE && rw->producer(rw, value, p) && p->op->domain[0] == 0 &&
           strcmp(p->op->name, op) == 0;
}

infer_status infer_known_extent(infer_rewriter *rw) {
    const uint32_t from = rw->input(rw, 0), pick = rw->input(rw, 1);
    infer_producer shape;
    if (pick == INFER_NO_VALUE || !rw->view(rw, pick)->data ||
        infer_view_count(rw->view(rw, pick)) != 1 || !made_by(rw, from, "Shape", &shape))
        return INFER_OK;
    const infer_view index = *rw->view(rw, pick), x = *rw->view(rw, shape.in[0]);
    if ((index.type != INFER_TYPE_INT64 && index.type != INFER_TYPE_INT32) || x.rank < 0)
        return INFER_OK;
    const int64_t first = int_attr(&shape, "start", 0), count = rw->view(rw, from)->dim[0];
    int64_t at = infer_index(&index, 0);
    at += at < 0 ? count : 0;
    if (at < 0 || at >= count)
        return INFER_OK; /* an error, which is said when it runs */
    at += first >= 0 ? first : first + x.rank > 0 ? first + x.rank : 0;
    if (at >= x.rank || x.dim[at] < 0)
        return INFER_OK;
    infer_view extent = index;
    extent.type = INFER_TYPE_INT64;
    extent.data = (void *)&x.dim[at];
    return rw->replace(rw, 0, rw->constant(rw, &extent));
}

infer_status infer_known_list(infer_rewriter *rw, uint32_t index) {
    int64_t list[INFER_MAX_RANK], count = 0;
    bool unknown = false;
    infer_producer join;
    if (!made_by(rw, rw->input(rw, index), "Concat", &join))
        return INFER_OK;
    for (uint32_t i = 0; i < join.in_count; i++) {
        const infer_view *part = rw->view(rw, join.in[i]);
        const int64_t n = infer_view_count(part);
        if (part->type != INFER_TYPE_INT64 || part->rank != 1 || n < 0 ||
            n > INFER_MAX_RANK - count || (!part->data && (n != 1 || unknown)))
            return INFER_OK;
        unknown = unknown || !part->data;
        for (int64_t k = 0; k < n; k++) {
            list[count] = part->data ? infer_index(part, k) : -1;
            if (part->data && list[count] <= 0)
                return INFER_OK; /* these have meanings of their own */
            count++;
        }
    }
    if (!unknown)
        return INFER_OK;
    const infer_view shape = {.type = INFER_TYPE_INT64, .rank = 1, .dim = {count}, .data = list};
    return rw->set_input(rw, index, rw->constant(rw, &shape));
}
