/* Template (real.h): Resize by weights, one axis after the other. */

/* The weights of an output place along an axis: of so many elements from `first` on. No elements:
 * it lies outside, and has the extrapolation value. */
typedef struct NAME(tap_list) {
    int64_t first, count;
    REAL *weight;
} NAME(tap_list);

static void NAME(taps_at)(const infer_resize_plan *p, int32_t axis, int64_t place,
                          NAME(tap_list) * list) {
    const infer_resize_axis *a = &p->axis[axis];
    bool outside;
    double x = infer_resize_original(p, axis, place, &outside), base = ceil(x) - 1, sum = 0;
    double stretch = p->antialias && a->scale < 1 ? a->scale : 1;
    int64_t start = 1 - a->taps / 2, at = (int64_t)base + start, last = a->in - 1;
    list->first = list->count = 0;
    if (outside)
        return;
    double total = 0, kept = 0;
    for (int64_t k = 0; k < a->taps; k++) {
        double weight = kernel(p, ((double)(start + k) - (x - base)) * stretch);
        bool inside = at + k >= 0 && at + k <= last;
        total += weight;
        kept += inside ? weight : 0;
    }
    sum = p->exclude_outside ? kept : p->antialias ? total : 1;
    sum = sum == 0 ? 1 : sum;
    list->first = at < 0 ? 0 : at > last ? last : at;
    for (int64_t k = 0; k < a->taps; k++) { /* what lies outside is the edge's */
        int64_t i = at + k, near = i < 0 ? 0 : i > last ? last : i;
        double weight = kernel(p, ((double)(start + k) - (x - base)) * stretch) / sum;
        if (near - list->first >= list->count)
            list->weight[list->count++] = 0;
        if (i == near || !p->exclude_outside)
            list->weight[near - list->first] += (REAL)weight;
    }
}

/* y [outer][a->out][inner] from x [outer][a->in][inner]. lists and weights have room for all places
 * of the axis. */
static void NAME(along_axis)(const infer_resize_plan *p, int32_t axis, const REAL *x, size_t outer,
                             size_t inner, REAL *y, NAME(tap_list) * lists, REAL *weights) {
    const infer_resize_axis *a = &p->axis[axis];
    for (int64_t i = 0; i < a->out; i++, weights += a->taps) {
        lists[i].weight = weights;
        NAME(taps_at)(p, axis, i, &lists[i]);
    }
    for (size_t o = 0; o < outer; o++, x += (size_t)a->in * inner) {
        for (int64_t i = 0; i < a->out; i++, y += inner) {
            const NAME(tap_list) *list = &lists[i];
            const REAL *weight = list->weight, *from = x + (size_t)list->first * inner;
            if (list->count == 0) {
                for (size_t j = 0; j < inner; j++)
                    y[j] = (REAL)p->extrapolation_value;
            } else if (list->count == 2) { /* linear */
                for (size_t j = 0; j < inner; j++)
                    y[j] = weight[0] * from[j] + weight[1] * from[inner + j];
            } else {
                for (size_t j = 0; j < inner; j++)
                    y[j] = weight[0] * from[j];
                for (int64_t k = 1; k < list->count; k++)
                    for (size_t j = 0; j < inner; j++)
                        y[j] += weight[k] * from[(size_t)k * inner + j];
            }
        }
    }
}

/* All axes, those first that shrink. x and y are of REAL; buffers as large as what lies between. */
static void NAME(resize_all)(const infer_resize_plan *p, const REAL *x, REAL *y, REAL *buffer[2],
                             void *lists, REAL *weights) {
    int64_t extent[INFER_MAX_RANK];
    int32_t order[INFER_MAX_RANK], count = axis_order(p, order);
    for (int32_t i = 0; i < p->rank; i++)
        extent[i] = p->axis[i].in;
    for (int32_t pass = 0; pass < count; pass++) {
        int32_t axis = order[pass];
        REAL *to = pass == count - 1 ? y : buffer[pass % 2];
        size_t outer = infer_window_count(extent, axis);
        size_t inner = infer_window_count(extent + axis + 1, p->rank - axis - 1);
        NAME(along_axis)(p, axis, x, outer, inner, to, lists, weights);
        extent[axis] = p->axis[axis].out;
        x = to;
    }
    if (count == 0)
        memcpy(y, x, infer_window_count(extent, p->rank) * sizeof *y);
}

#undef REAL
#undef S
