/* infer.PackRecurrent: constant weights of RNN, LSTM and GRU, packed while a model is loaded. */
#include "rnn.h"

#include "axes.h"
#include "pack.h"
#include "pack_weights.h"
#include "status.h"

typedef struct pack_params {
    int64_t rows; /* what are packed together of the rows of a direction's weights, then the rest */
} pack_params;

static const infer_op_attr pack_attrs[] = {A_INT(pack_params, rows, 0)};

static infer_status pack_infer(infer_op_env *env) {
    const pack_params *p = env->params;
    const infer_view *w = env->in[0];
    infer_view spare, *y = infer_out(env, 0, w->type, 4, &spare);
    if (w->rank != 3)
        return infer_fail(INFER_ERROR_SHAPE, "weights of rank %d", (int)w->rank);
    if (!infer_view_concrete(w))
        return INFER_OK;
    if (p->rows < 0 || p->rows > w->dim[1])
        return infer_fail(INFER_ERROR_VALUE, "%lld rows of %lld", (long long)p->rows,
                          (long long)w->dim[1]);
    y->dim[0] = w->dim[0];
    y->dim[1] = infer_panels(p->rows) + infer_panels(w->dim[1] - p->rows);
    y->dim[2] = w->dim[2];
    y->dim[3] = INFER_PANEL;
    return INFER_OK;
}

#define PACK_PART(S, ctype)                                                                        \
    static void pack_part_##S(const infer_view *w, int64_t row, int64_t rows, int64_t d,           \
                              ctype **to) {                                                        \
        size_t k = (size_t)w->dim[2];                                                              \
        const infer_loose_##S *from =                                                              \
            (const infer_loose_##S *)w->data + (size_t)(d * w->dim[1] + row) * k;                  \
        infer_pack_b_##S(k, (size_t)rows, from, k, true, *to);                                     \
        *to += (size_t)infer_panels(rows) * k * INFER_PANEL;                                       \
    }                                                                                              \
    static void pack_##S(const infer_view *w, int64_t rows, ctype *to) {                           \
        for (int64_t d = 0; d < w->dim[0]; d++) {                                                  \
            pack_part_##S(w, 0, rows, d, &to);                                                     \
            pack_part_##S(w, rows, w->dim[1] - rows, d, &to);                                      \
        }                                                                                          \
    }
PACK_PART(f32, float)
PACK_PART(f64, double)

static infer_status pack_run(infer_op_env *env) {
    const pack_params *p = env->params;
    infer_view *y = env->out[0];
    if (y && y->type == INFER_TYPE_FLOAT)
        pack_f32(env->in[0], p->rows, y->data);
    else if (y)
        pack_f64(env->in[0], p->rows, y->data);
    return INFER_OK;
}

infer_status infer_rnn_prepare(infer_rewriter *rw, infer_rnn_cell cell, const char *become) {
    enum { W = 1, R };
    infer_attr rows = {.name = "rows", .type = INFER_ATTR_INT};
    for (uint32_t i = W; i <= R; i++) {
        const infer_view *w = rw->shape(rw, rw->input(rw, i));
        if (!rw->is_constant(rw, rw->input(rw, i)) || w->rank != 3 || infer_view_count(w) <= 0 ||
            (w->type != INFER_TYPE_FLOAT && w->type != INFER_TYPE_DOUBLE))
            return INFER_OK;
    }
    for (uint32_t i = W; i <= R; i++) {
        uint32_t w = rw->input(rw, i);
        int64_t all = rw->shape(rw, w)->dim[1];
        rows.i = cell == INFER_RNN_GRU && i == R ? all / 3 * 2 : all;
        INFER_TRY(rw->set_input(rw, i, rw->add(rw, "infer", "PackRecurrent", &w, 1, &rows, 1)));
    }
    return rw->become(rw, "infer", become);
}

const infer_op infer_op_infer_pack_recurrent = {
    .domain = "infer",
    .name = "PackRecurrent",
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
