/* Packing of a product's constant weights while a model is loaded. */
#include "pack_weights.h"

#include "axes.h"
#include "pack.h"
#include "status.h"

#include <math.h>
#include <string.h>

typedef struct pack_params {
    int64_t trans;
} pack_params;

static const infer_op_attr pack_attrs[] = {A_INT(pack_params, trans, 0)};

static infer_status pack_infer(infer_op_env *env) {
    const pack_params *p = env->params;
    const infer_view *b = env->in[0];
    infer_view spare, *y = infer_out(env, 0, b->type, 3, &spare);
    if (b->rank != 2)
        return infer_fail(INFER_ERROR_SHAPE, "weights of rank %d", (int)b->rank);
    if (!infer_view_concrete(b))
        return INFER_OK;
    y->dim[0] = infer_panels(b->dim[p->trans ? 0 : 1]);
    y->dim[1] = b->dim[p->trans ? 1 : 0];
    y->dim[2] = INFER_PANEL;
    return INFER_OK;
}

static infer_status pack_run(infer_op_env *env) {
    const pack_params *p = env->params;
    const infer_view *b = env->in[0];
    infer_view *y = env->out[0];
    size_t k = (size_t)b->dim[p->trans ? 1 : 0], n = (size_t)b->dim[p->trans ? 0 : 1];
    if (!y)
        return INFER_OK;
    if (b->type == INFER_TYPE_FLOAT)
        infer_pack_b_f32(k, n, b->data, (size_t)b->dim[1], p->trans != 0, y->data);
    else
        infer_pack_b_f64(k, n, b->data, (size_t)b->dim[1], p->trans != 0, y->data);
    return INFER_OK;
}

/* ---- weights that are integers times scales ---- */

#define LEAST_ROWS  16   /* fewer numbers may be such products by chance */
#define LEAST_COUNT 4096 /* fewer are not worth it */

/* Whether every number of a column is, to the last bit, an integer of 8 bits times the scale. */
static bool is_scaled(const infer_matrix *m, size_t j, float scale) {
    const float *x = m->data + j * m->column;
    for (size_t i = 0; i < m->k; i++) {
        float q = rintf(x[i * m->row] / scale);
        if (!(q >= -128 && q <= 127) || q * scale != x[i * m->row])
            return false;
    }
    return true;
}

/* The scale of a column: the one before it, or what makes the largest number 127 or 128. */
static bool find_scale(const infer_matrix *m, size_t j, float before, float *scale) {
    float largest = 0;
    for (size_t i = 0; i < m->k; i++)
        largest = fmaxf(largest, fabsf(m->data[j * m->column + i * m->row]));
    *scale = before;
    if (largest == 0 || is_scaled(m, j, before))
        return true;
    for (int most = 127; most <= 128; most++) {
        const float near = largest / (float)most;
        const float tries[] = {near, nextafterf(near, 0), nextafterf(near, INFINITY)};
        for (size_t i = 0; i < sizeof tries / sizeof *tries; i++)
            if (tries[i] > 0 && is_scaled(m, j, tries[i])) {
                *scale = tries[i];
                return true;
            }
    }
    return false;
}

static void pack_narrow(const infer_matrix *m, const float *scales, int8_t *packed) {
    for (size_t p = 0; p < m->n; p += INFER_PANEL) {
        float *to = (float *)(void *)packed; /* room is cleared: so are scales past the last */
        packed += INFER_SCALE_ROWS * INFER_PANEL;
        for (size_t j = 0; j < INFER_PANEL && p + j < m->n; j++)
            to[j] = scales[p + j];
        for (size_t i = 0; i < m->k; i++, packed += INFER_PANEL)
            for (size_t j = 0; j < INFER_PANEL && p + j < m->n; j++)
                packed[j] = (int8_t)rintf(m->data[i * m->row + (p + j) * m->column] / to[j]);
    }
}

/* ---- weights that bfloat16 holds ---- */

static bool is_half(const infer_matrix *m) {
    for (size_t i = 0; i < m->k * m->n; i++) {
        uint32_t bits;
        memcpy(&bits, &m->data[i], sizeof bits);
        if (bits & 0xffff)
            return false;
    }
    return true;
}

static void pack_half(const infer_matrix *m, uint16_t *packed) {
    for (size_t p = 0; p < m->n; p += INFER_PANEL)
        for (size_t i = 0; i < m->k; i++, packed += INFER_PANEL)
            for (size_t j = 0; j < INFER_PANEL && p + j < m->n; j++) {
                uint32_t bits;
                memcpy(&bits, &m->data[i * m->row + (p + j) * m->column], sizeof bits);
                packed[j] = (uint16_t)(bits >> 16);
            }
}

/* ---- which ---- */

static uint32_t halved(infer_rewriter *rw, const infer_matrix *m) {
    const infer_view shape = {.kind = INFER_KIND_TENSOR,
                              .type = INFER_TYPE_BFLOAT16,
                              .rank = 3,
                              .dim = {infer_panels((int64_t)m->n), (int64_t)m->k, INFER_PANEL}};
    void *data = NULL;
    uint32_t packed = is_half(m) ? rw->room(rw, &shape, &data) : INFER_NO_VALUE;
    if (packed != INFER_NO_VALUE)
        pack_half(m, data);
    return packed;
}

static uint32_t narrow_room(infer_rewriter *rw, size_t k, size_t n, void **data) {
    const infer_view shape = {
        .kind = INFER_KIND_TENSOR,
        .type = INFER_TYPE_INT8,
        .rank = 3,
        .dim = {infer_panels((int64_t)n), (int64_t)k + INFER_SCALE_ROWS, INFER_PANEL}};
    return rw->room(rw, &shape, data);
}

/* Those that the model has as integers need not be found. */
static uint32_t repacked(infer_rewriter *rw, uint32_t b, bool trans, const infer_quantized *q) {
    const infer_matrix m = infer_matrix_of(rw->shape(rw, b), trans); /* but for its data */
    const int8_t *from = rw->view(rw, q->integers)->data;
    const float *scales = rw->view(rw, q->scales)->data;
    int8_t *to = NULL;
    uint32_t packed = narrow_room(rw, m.k, m.n, (void **)&to);
    for (size_t p = 0; to && from && scales && p < m.n; p += INFER_PANEL) {
        const size_t columns = m.n - p < INFER_PANEL ? m.n - p : INFER_PANEL;
        float *scale = (float *)(void *)to;
        to += INFER_SCALE_ROWS * INFER_PANEL;
        for (size_t j = 0; j < columns; j++)
            scale[j] = scales[q->axis < 0 ? 0 : p + j];
        for (size_t i = 0; i < m.k; i++, to += INFER_PANEL)
            for (size_t j = 0; j < columns; j++)
                to[j] = from[i * m.row + (p + j) * m.column];
    }
    return packed;
}

/* NO_VALUE where the weights are no such products. */
static uint32_t narrowed(infer_rewriter *rw, uint32_t b, bool trans) {
    infer_view w = *rw->shape(rw, b);
    if (w.type != INFER_TYPE_FLOAT || w.rank != 2 || infer_view_count(&w) < LEAST_COUNT ||
        w.dim[trans ? 1 : 0] < LEAST_ROWS)
        return INFER_NO_VALUE;
    infer_quantized q;
    if (rw->quantized(rw, b, &q) && (q.axis < 0 || q.axis == !trans))
        return repacked(rw, b, trans, &q);
    if (!(w.data = (void *)rw->elements(rw, b)))
        return INFER_NO_VALUE;
    const infer_matrix m = infer_matrix_of(&w, trans);
    float first;
    if (!find_scale(&m, 0, 1, &first))
        return halved(rw, &m);
    float *scales = rw->alloc(rw, m.n * sizeof *scales);
    for (size_t j = 0; scales && j < m.n; j++)
        if (!find_scale(&m, j, j ? scales[j - 1] : 1, &scales[j]))
            return halved(rw, &m);
    void *data = NULL;
    uint32_t packed = scales ? narrow_room(rw, m.k, m.n, &data) : INFER_NO_VALUE;
    if (packed != INFER_NO_VALUE)
        pack_narrow(&m, scales, data);
    return packed;
}

uint32_t infer_pack_weights(infer_rewriter *rw, uint32_t b, bool trans) {
    const infer_attr attr = {.name = "trans", .type = INFER_ATTR_INT, .i = trans};
    uint32_t packed = narrowed(rw, b, trans);
    return packed != INFER_NO_VALUE ? packed : rw->add(rw, "infer", "PackWeights", &b, 1, &attr, 1);
}

/* B, [k][n] or with trans [n][k], as panels for the kernels. */
const infer_op infer_op_infer_pack_weights = {
    .domain = "infer",
    .name = "PackWeights",
    .since = 1,
    .newest = 1,
    .params_size = sizeof(pack_params),
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .flags = INFER_OP_PACKS,
    .attr_count = 1,
    .attrs = pack_attrs,
    .types = {T(FLOAT) | T(DOUBLE)},
    .infer = pack_infer,
    .run = pack_run,
};
