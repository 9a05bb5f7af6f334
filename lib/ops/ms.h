/* com.microsoft: operators that exporters and quantization tools emit. Most are written as others
 * of ai.onnx while a model is loaded. */
#ifndef INFER_OPS_MS_H
#define INFER_OPS_MS_H

#include "op.h"

#include <string.h>

#define T_BYTE      (T(INT8) | T(UINT8))
#define T_REAL      (T(FLOAT) | T(FLOAT16) | T(BFLOAT16))
#define MS_ATTRS(a) .attr_count = sizeof(a) / sizeof *(a), .attrs = (a)

/* An operator that `upgrade` always replaces. */
#define MS_EXPANDED(op_name, ins_min, ins_max, outs_min, outs_max, upgrade_)                       \
    .domain = "com.microsoft", .name = op_name, .since = 1, .newest = 1, .min_in = ins_min,        \
    .max_in = ins_max, .min_out = outs_min, .max_out = outs_max, .upgrade = upgrade_,              \
    .infer = infer_expanded, .run = infer_expanded

/* One with a body of its own. */
#define MS_OP(op_name, ins_min, ins_max, outs_min, outs_max, infer_, run_)                         \
    .domain = "com.microsoft", .name = op_name, .since = 1, .newest = 1, .min_in = ins_min,        \
    .max_in = ins_max, .min_out = outs_min, .max_out = outs_max, .infer = infer_, .run = run_

/* A list attribute of the node: its numbers, or NULL with *count 0. */
static inline const int64_t *ms_ints(infer_rewriter *rw, const char *name, size_t *count) {
    const infer_attr *a = rw->attr(rw, name);
    *count = a ? a->count : 0;
    return a ? a->data : NULL;
}

static inline uint32_t ms_float(infer_rewriter *rw, float value) {
    infer_view v = {.type = INFER_TYPE_FLOAT, .data = &value};
    return rw->constant(rw, &v);
}

static inline uint32_t ms_list(infer_rewriter *rw, const int64_t *values, size_t count) {
    infer_view v = {.type = INFER_TYPE_INT64,
                    .rank = 1,
                    .dim = {(int64_t)count},
                    .data = (void *)(intptr_t)values};
    return rw->constant(rw, &v);
}

static inline uint32_t ms_int32(infer_rewriter *rw, int32_t value) {
    infer_view v = {.type = INFER_TYPE_INT32, .data = &value};
    return rw->constant(rw, &v);
}

static inline uint32_t ms_cast(infer_rewriter *rw, uint32_t value, int64_t type) {
    infer_attr to = {.name = "to", .type = INFER_ATTR_INT, .i = type};
    return rw->add(rw, "", "Cast", &value, 1, &to, 1);
}

/* A node of two inputs without attributes; of one where b is absent. */
static inline uint32_t ms_node(infer_rewriter *rw, const char *op, uint32_t a, uint32_t b) {
    uint32_t in[] = {a, b};
    return rw->add(rw, "", op, in, b == INFER_NO_VALUE ? 1 : 2, NULL, 0);
}

static inline bool ms_has(infer_rewriter *rw, uint32_t index) {
    return rw->input(rw, index) != INFER_NO_VALUE;
}

/* The nodes of a text (see infer_expand_with) with the names given; its @0. */
static inline uint32_t ms_text(infer_rewriter *rw, const char *text, const infer_named *names,
                               size_t count) {
    uint32_t results[4] = {INFER_NO_VALUE, INFER_NO_VALUE, INFER_NO_VALUE, INFER_NO_VALUE};
    if (rw->failed == INFER_OK)
        rw->failed = infer_expand_with(rw, text, names, count, NULL, results);
    return results[0];
}

/* Whether the model wants output number index. */
static inline bool ms_wants(const infer_rewriter *rw, uint32_t index) {
    return index < rw->out_count;
}

/* The product of quantized matrices (A, B, their zero points) times scale, plus bias. */
uint32_t infer_ms_product(infer_rewriter *rw, const uint32_t in[4], uint32_t scale, uint32_t bias);

/* [batch][rows][heads * size] as [batch][heads][rows][size], and back. */
uint32_t infer_ms_heads(infer_rewriter *rw, uint32_t x, int64_t heads);
uint32_t infer_ms_flat(infer_rewriter *rw, uint32_t x);

/* The channels of [batch][...][channels] become the second axis, or the way back. Needs a rank. */
infer_status infer_ms_channels(infer_rewriter *rw, int32_t rank, bool first, uint32_t *value);

/* x with axes permuted. */
uint32_t infer_ms_transpose(infer_rewriter *rw, uint32_t x, const int64_t *perm, size_t rank);

#endif
