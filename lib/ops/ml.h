/* What the ai.onnx.ml operators share: their input types and the rows of a [N, C] or [C] tensor. */
#ifndef INFER_OPS_ML_H
#define INFER_OPS_ML_H

#include "axes.h"
#include "chunk.h"
#include "op.h"
#include "status.h"

#define T_ML (T(FLOAT) | T(DOUBLE) | T(INT32) | T(INT64))

/* Rows and columns of a [N, C] tensor, or of [C] as one row; -1 where unknown. */
static inline infer_status infer_ml_rows(const infer_view *x, int64_t *rows, int64_t *columns) {
    *rows = *columns = -1;
    if (x->rank < 0)
        return INFER_OK;
    if (x->rank != 1 && x->rank != 2)
        return infer_fail(INFER_ERROR_SHAPE, "an input of rank %d instead of 1 or 2", (int)x->rank);
    *rows = x->rank == 2 ? x->dim[0] : 1;
    *columns = x->dim[x->rank - 1];
    return INFER_OK;
}

static inline bool infer_list_given(const infer_list *list) {
    return list->type != INFER_TYPE_UNDEFINED;
}

/* The output has the input's shape. */
static inline infer_status infer_ml_like(infer_op_env *env, uint32_t type) {
    const infer_view *x = env->in[0];
    infer_view spare, *y = infer_out(env, 0, type, x->rank, &spare);
    for (int32_t i = 0; i < x->rank; i++)
        y->dim[i] = x->dim[i];
    return INFER_OK;
}

/* The fields that every operator of the domain sets alike. */
#define INFER_ML_OP(op_name, inputs_min, inputs_max, outputs_max, params, attributes)              \
    .domain = "ai.onnx.ml", .name = op_name, .since = 1, .newest = 5,                              \
    .params_size = sizeof(params), .min_in = inputs_min, .max_in = inputs_max, .min_out = 1,       \
    .max_out = outputs_max, .attr_count = sizeof(attributes) / sizeof(attributes)[0],              \
    .attrs = attributes

#endif
