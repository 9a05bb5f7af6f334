/* What follows a product of bytes with packed weights becomes part of it: the cast of its sums and
 * their scale, and a bias. */
#include "bytes.h"

/* Inputs of infer.MatMulBytes. */
enum { A_SCALE = 5, B_SCALE, Y_SCALE, Y_ZERO, BIAS, INPUTS };

extern const infer_op infer_op_cast, infer_op_infer_mat_mul_bytes;

static bool has(const infer_producer *p, uint32_t index) {
    return index < p->in_count && p->in[index] != INFER_NO_VALUE;
}

/* The product that makes a value, of n columns. */
static bool find(infer_rewriter *rw, uint32_t value, infer_producer *p, int64_t *n) {
    if (!rw->producer(rw, value, p) || p->op != &infer_op_infer_mat_mul_bytes || p->attr_count != 1)
        return false;
    *n = p->attrs[0].i;
    return true;
}

/* One number or one for each column, in a shape that leaves the product's as it is. */
static bool fits(const infer_view *v, int64_t n) {
    return v->type == INFER_TYPE_FLOAT && (v->rank == 0 || (v->rank == 1 && v->dim[0] == n));
}

static infer_status again(infer_rewriter *rw, const infer_producer *p,
                          const uint32_t more[INPUTS]) {
    uint32_t in[INPUTS];
    for (uint32_t i = 0; i < INPUTS; i++)
        in[i] = more[i] != INFER_NO_VALUE ? more[i] : i < p->in_count ? p->in[i] : INFER_NO_VALUE;
    return rw->replace(rw, 0,
                       rw->add(rw, "infer", "MatMulBytes", in, INPUTS, p->attrs, p->attr_count));
}

static void nothing(uint32_t more[INPUTS]) {
    for (uint32_t i = 0; i < INPUTS; i++)
        more[i] = INFER_NO_VALUE;
}

infer_status infer_bytes_fuse_scale(infer_rewriter *rw) {
    for (uint32_t side = 0; side < 2; side++) {
        const uint32_t x = rw->input(rw, side), scale = rw->input(rw, 1 - side);
        const infer_view *v = rw->view(rw, scale);
        infer_producer cast, product;
        float one = 1;
        int64_t n;
        if (v->rank > 1 || v->rank < 0 || rw->view(rw, x)->type != INFER_TYPE_FLOAT ||
            !rw->producer(rw, x, &cast) || cast.op != &infer_op_cast ||
            !find(rw, cast.in[0], &product, &n) || has(&product, A_SCALE) || !fits(v, n))
            continue;
        uint32_t more[INPUTS];
        nothing(more);
        more[A_SCALE] =
            rw->constant(rw, &(infer_view){.type = INFER_TYPE_FLOAT, .rank = 0, .data = &one});
        more[B_SCALE] = scale;
        return again(rw, &product, more);
    }
    return INFER_OK;
}

infer_status infer_bytes_fuse_bias(infer_rewriter *rw) {
    for (uint32_t side = 0; side < 2; side++) {
        const uint32_t x = rw->input(rw, side), bias = rw->input(rw, 1 - side);
        const infer_view *v = rw->view(rw, bias);
        infer_producer product;
        int64_t n;
        if (!v->data || v->rank != 1 || !find(rw, x, &product, &n) || !has(&product, A_SCALE) ||
            has(&product, Y_ZERO) || has(&product, BIAS) || !fits(v, n))
            continue;
        uint32_t more[INPUTS];
        nothing(more);
        more[BIAS] = bias;
        return again(rw, &product, more);
    }
    return INFER_OK;
}
