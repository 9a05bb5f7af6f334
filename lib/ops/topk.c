/* TopK: the largest or smallest elements along an axis, and where they stand. */
#include "axes.h"
#include "checked.h"
#include "op.h"
#include "order.h"
#include "status.h"

#include <string.h>

typedef struct top_k_params {
    int64_t axis, largest, sorted;
} top_k_params;

/* What is not sorted may come in any order, so in this one. */
static const infer_op_attr top_k_attrs[] = {
    A_INT(top_k_params, axis, -1), A_INT(top_k_params, largest, 1), A_INT(top_k_params, sorted, 1)};

/* ---- shapes ---- */

static infer_status top_k_upgrade(infer_rewriter *rw) {
    return rw->version < 10 ? infer_attr_to_input(rw, "k", 1) : INFER_OK;
}

static infer_status top_k_infer(infer_op_env *env) {
    const top_k_params *p = env->params;
    const infer_view *x = env->in[0], *k = env->in[1];
    infer_view spare[2], *y[2];
    int32_t axis = 0;
    y[0] = infer_out(env, 0, x->type, x->rank, &spare[0]);
    y[1] = infer_out(env, 1, INFER_TYPE_INT64, x->rank, &spare[1]);
    INFER_TRY(infer_check_scalar(k, "K"));
    if (x->rank < 0)
        return INFER_OK;
    INFER_TRY(infer_axis(p->axis, x->rank, &axis));
    int64_t n = k->data && infer_view_concrete(k) ? infer_index(k, 0) : -1;
    if (k->data && (n < 0 || (x->dim[axis] >= 0 && n > x->dim[axis])))
        return infer_fail(INFER_ERROR_VALUE, "K is %lld for an extent of %lld", (long long)n,
                          (long long)x->dim[axis]);
    for (int32_t i = 0; i < x->rank; i++)
        y[0]->dim[i] = y[1]->dim[i] = i == axis ? n : x->dim[i];
    size_t keys = (size_t)(x->dim[axis] < 0 ? 0 : x->dim[axis]);
    if (!infer_mul(n < 0 ? 0 : (size_t)n, sizeof(infer_keyed), &env->scratch_size) ||
        !infer_mul(keys, sizeof(uint64_t), &keys) ||
        !infer_add(env->scratch_size, keys, &env->scratch_size))
        return infer_fail(INFER_ERROR_SHAPE, "an axis of %lld elements is too long",
                          (long long)x->dim[axis]);
    return INFER_OK;
}

/* ---- running ---- */

/* The first k of n keys, in order; the heap's root is the last of them so far. */
static void select_first(const uint64_t *keys, size_t n, infer_keyed *heap, size_t k) {
    for (size_t i = 0; i < k; i++) {
        heap[i] = (infer_keyed){keys[i], (int64_t)i};
        infer_heap_rise(heap, i);
    }
    for (size_t i = k; i < n; i++)
        if (keys[i] > heap[0].key) { /* of equals the first stays */
            heap[0] = (infer_keyed){keys[i], (int64_t)i};
            infer_heap_sink(heap, k);
        }
    for (size_t left = k; left-- > 1;) {
        infer_keyed last = heap[0];
        heap[0] = heap[left];
        heap[left] = last;
        infer_heap_sink(heap, left);
    }
}

static infer_status top_k_run(infer_op_env *env) {
    const top_k_params *p = env->params;
    const infer_view *x = env->in[0], *any = env->out[0] ? env->out[0] : env->out[1];
    int32_t axis = 0;
    if (!any || infer_view_count(any) == 0)
        return INFER_OK;
    INFER_TRY(infer_axis(p->axis, x->rank, &axis));
    size_t n = (size_t)x->dim[axis], k = (size_t)any->dim[axis];
    size_t outer = (size_t)infer_span(x, 0, axis), inner = (size_t)infer_span(x, axis + 1, x->rank);
    size_t size = infer_type_size((infer_type)x->type);
    char *values = env->out[0] ? env->out[0]->data : NULL;
    int64_t *places = env->out_count > 1 && env->out[1] ? env->out[1]->data : NULL;
    infer_keyed *heap = env->scratch;
    uint64_t *keys = (uint64_t *)(heap + k);
    for (size_t row = 0; row < outer * inner; row++) {
        size_t first = row / inner * n * inner + row % inner;
        size_t to = row / inner * k * inner + row % inner;
        infer_order_keys((infer_type)x->type, x->data, first, inner, n, !p->largest, keys);
        select_first(keys, n, heap, k);
        for (size_t i = 0; i < k; i++, to += inner) {
            if (values)
                memcpy(values + to * size,
                       (const char *)x->data + (first + (size_t)heap[i].at * inner) * size, size);
            if (places)
                places[to] = heap[i].at;
        }
    }
    return INFER_OK;
}

const infer_op infer_op_top_k = {
    .domain = "",
    .name = "TopK",
    .since = 1,
    .newest = 27,
    .params_size = sizeof(top_k_params),
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 2,
    .attr_count = sizeof top_k_attrs / sizeof *top_k_attrs,
    .attrs = top_k_attrs,
    .types = {T_NUMERIC, T(INT64)},
    .upgrade = top_k_upgrade,
    .infer = top_k_infer,
    .run = top_k_run,
};
