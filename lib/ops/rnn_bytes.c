/* Products of recurrent cells with 8-bit weights: what they multiply is quantized on the way. */
#include "axes.h"
#include "bytes.h"
#include "checked.h"
#include "chunk.h"
#include "product.h"
#include "quantize.h"
#include "rnn.h"
#include "scratch.h"
#include "share.h"
#include "status.h"

/* Inputs of DynamicQuantizeLSTM. */
enum { X = 0, W = 1, R = 2, LENGTHS = 4, SCALE = 8, ZERO = 9 }; /* R's behind: 10 and 11 */

static const infer_view *scale_of(const infer_op_env *env, int side) {
    return env->in[SCALE + 2 * side];
}

static const infer_view *zero_of(const infer_op_env *env, int side) {
    return env->in[ZERO + 2 * side];
}

bool infer_rnn_bytes_size(size_t k, size_t n, size_t *bytes) {
    size_t sums;
    return infer_bytes_marked_size(k, n, bytes, &sums) && infer_mul(sums, sizeof(int32_t), &sums) &&
           infer_add(*bytes, sums, bytes);
}

infer_status infer_rnn_bytes_check(const infer_op_env *env, bool packed, int64_t directions,
                                   int64_t width) {
    if (env->in_count != 12)
        return infer_fail(INFER_ERROR_FORMAT, "%u inputs instead of 12", env->in_count);
    for (uint32_t i = LENGTHS + 1; i < SCALE; i++)
        if (env->in[i] && env->in[i]->type != INFER_TYPE_FLOAT)
            return infer_fail(INFER_ERROR_TYPE, "input %u has elements of %s", i,
                              infer_type_name((infer_type)env->in[i]->type));
    for (int i = 0; i < 4; i++) {
        const infer_view *v = env->in[SCALE + i];
        if (!v)
            return infer_fail(INFER_ERROR_FORMAT, "input %d is missing", SCALE + i);
        const infer_type of_w = (infer_type)env->in[W + i / 2]->type;
        const bool zero = i % 2, byte = v->type == INFER_TYPE_INT8 || v->type == INFER_TYPE_UINT8;
        if (zero ? (packed ? !byte : v->type != of_w) : v->type != INFER_TYPE_FLOAT)
            return infer_fail(INFER_ERROR_TYPE, "input %d has elements of %s", SCALE + i,
                              infer_type_name((infer_type)v->type));
        bool fits =
            v->rank < 0 ||
            ((v->rank == 1 || v->rank == 2) && (v->dim[0] < 0 || v->dim[0] == directions) &&
             (v->rank == 1 || v->dim[1] < 0 || v->dim[1] == 1 || width < 0 || v->dim[1] == width));
        if (!fits)
            return infer_fail(INFER_ERROR_SHAPE, "input %d does not fit the others", SCALE + i);
    }
    return INFER_OK;
}

/* One number for a direction, or one for each column. */
static void column_numbers(const infer_view *v, size_t number, size_t at, size_t n, float *to) {
    infer_chunk chunk;
    const bool many = v->rank == 2 && v->dim[1] != 1;
    const size_t first = many ? number * (size_t)v->dim[1] + at : number;
    const float *from = infer_load_float((infer_type)v->type, v->data, first, many ? n : 1, &chunk);
    for (size_t i = 0; i < n; i++)
        to[i] = from[many ? i : 0];
}

/* Where the parts of a packed side lie: its numbers and marks, then the sums of its columns. */
static const int32_t *sums_of(const uint8_t *packed, size_t k, size_t n) {
    size_t bytes = 0, sums;
    infer_bytes_marked_size(k, n, &bytes, &sums); /* fits: the scratch has it */
    return (const int32_t *)(packed + bytes);
}

void infer_rnn_bytes_pack(const infer_kernels *kernels, const infer_view *weights, size_t number,
                          void *packed) {
    const size_t k = (size_t)weights->dim[1], n = (size_t)weights->dim[2];
    kernels->pack_s8(k, n, (const uint8_t *)weights->data + number * k * n, n,
                     infer_flip_right(weights->type), packed, (int32_t *)sums_of(packed, k, n));
    infer_bytes_mark(k, n, packed);
}

infer_rnn_range infer_rnn_bytes_inputs(const infer_op_env *env) {
    const infer_view *x = env->in[X], *lengths = env->in[LENGTHS];
    size_t steps = lengths ? 0 : (size_t)x->dim[0];
    for (int64_t b = 0; lengths && b < x->dim[1]; b++) {
        size_t n = (size_t)((const int32_t *)lengths->data)[b];
        steps = n > steps ? n : steps;
    }
    return infer_rnn_bytes_range(env, x->data, steps * (size_t)x->dim[1] * (size_t)x->dim[2]);
}

infer_rnn_range infer_rnn_bytes_range(const infer_op_env *env, const float *x, size_t n) {
    infer_rnn_range r;
    infer_quantize_range(env->kernels, x, n, &r.scale, &r.zero);
    return r;
}

static bool is_uniform(const infer_view *v) {
    return v->rank == 1 || v->dim[1] == 1;
}

typedef struct product {
    const infer_op_env *env;
    infer_grid grid;
    int side;
    size_t number, k;
    infer_rnn_range range;
    const uint8_t *bytes; /* those that are multiplied */
    const void *packed;
    const float *bias;
    int32_t *sums;
    float *c;
} product;

/* A row of n of c's columns, from `at` on, from its sums, a chunk at a time where each has numbers
 * of its own. sum: that of a's numbers. */
static void finish(const product *p, size_t at, size_t n, uint32_t sum, int32_t *sums, float *c) {
    const infer_view *scale = scale_of(p->env, p->side), *zero = zero_of(p->env, p->side);
    const int32_t flip = infer_flip_right(zero->type);
    const bool uniform = is_uniform(scale) && is_uniform(zero);
    const uint32_t by = (uint32_t)p->k * p->range.zero - sum;
    for (size_t j = 0, m; j < n; j += m) {
        float scales[INFER_CHUNK], zeros[INFER_CHUNK];
        int32_t shifts[INFER_CHUNK];
        m = uniform ? n : n - j < INFER_CHUNK ? n - j : INFER_CHUNK;
        const size_t numbers = uniform ? 1 : m;
        column_numbers(scale, p->number, at + j, numbers, scales);
        column_numbers(zero, p->number, at + j, numbers, zeros);
        for (size_t i = 0; i < numbers; i++) {
            scales[i] *= p->range.scale;
            shifts[i] = (int32_t)zeros[i] - flip;
        }
        if (!uniform)
            p->env->kernels->axpy_i32(m, by, shifts, sums + j);
        p->env->kernels->rescale_f32(sums + j, m, uniform ? (int32_t)(by * (uint32_t)*shifts) : 0,
                                     scales, !uniform, p->bias ? p->bias + at + j : NULL, c + j);
    }
}

static void product_part(void *arg, size_t part, size_t worker) {
    const product *p = arg;
    const infer_tile t = infer_grid_tile(&p->grid, part);
    const size_t n = p->grid.n, deep = (p->k + 3) / 4 * 4;
    const int32_t *columns = sums_of(p->packed, p->k, n) + t.column;
    const uint8_t *a = p->bytes + t.row * p->k;
    int32_t *sums = p->sums + t.row * n + t.column;
    float *c = p->c + t.row * n + t.column;
    /* What the zero point adds is the same for all rows; until c has its numbers there is room. */
    const bool start = p->range.zero && t.columns % INFER_PANEL == 0;
    (void)worker;
    if (start)
        infer_bytes_start(p->env->kernels, columns, t.columns, p->range.zero, (void *)c);
    p->env->kernels->gemm_u8s8(
        t.rows, t.columns, p->k, a, p->k, (const int8_t *)p->packed + t.column * deep,
        infer_bytes_marks(p->packed, p->k, n, t.column), start ? (const void *)c : NULL, sums, n);
    for (size_t row = 0; row < t.rows; row++, a += p->k, sums += n, c += n) {
        if (p->range.zero && !start)
            p->env->kernels->axpy_i32(t.columns, -(uint32_t)p->range.zero, columns, sums);
        finish(p, t.column, t.columns, infer_sum_bytes(a, p->k), sums, c);
    }
}

void infer_rnn_bytes_multiply(const infer_op_env *env, infer_op_env *shared, int side,
                              size_t number, size_t rows, size_t k, size_t n, const float *a,
                              infer_rnn_range range, const void *packed, const float *bias,
                              void *room, float *c) {
    product p = {.env = env,
                 .grid = {rows, n, 1, 1},
                 .side = side,
                 .number = number,
                 .k = k,
                 .range = range,
                 .bytes = room,
                 .packed = packed,
                 .bias = bias,
                 .sums = infer_scratch_at(room, (rows * k + 63) / 64 * 64),
                 .c = c};
    env->kernels->quantize_8(a, rows * k, range.scale, range.zero, false, room);
    if (shared)
        p.grid = infer_grid_of(shared, rows, n, k / 4);
    if (p.grid.rows * p.grid.columns > 1)
        infer_parallel(shared, p.grid.rows * p.grid.columns, product_part, &p);
    else
        product_part(&p, 0, 0);
}

/* ---- packed weights ---- */

infer_status infer_rnn_bytes_prepare(infer_rewriter *rw) {
    for (uint32_t i = W; i <= R; i++) {
        const infer_view *w = rw->view(rw, rw->input(rw, i));
        if (!w->data || w->rank != 3 || infer_view_count(w) == 0)
            return INFER_OK;
    }
    INFER_TRY(infer_set_int(rw, "hidden_size", rw->view(rw, rw->input(rw, R))->dim[1]));
    for (uint32_t i = W; i <= R; i++) {
        uint32_t w = rw->input(rw, i);
        w = rw->add(rw, "infer", "PackRecurrentBytes", &w, 1, NULL, 0);
        INFER_TRY(rw->set_input(rw, i, w));
    }
    return rw->become(rw, "infer", "DynamicQuantizeLSTMPacked");
}

static infer_status pack_infer(infer_op_env *env) {
    const infer_view *w = env->in[0];
    infer_view spare, *y = infer_out(env, 0, INFER_TYPE_UINT8, 2, &spare);
    size_t bytes;
    if (w->rank != 3)
        return infer_fail(INFER_ERROR_SHAPE, "weights of rank %d", (int)w->rank);
    if (!infer_view_concrete(w))
        return INFER_OK;
    if (!infer_rnn_bytes_size((size_t)w->dim[1], (size_t)w->dim[2], &bytes) || bytes > INT64_MAX)
        return infer_fail(INFER_ERROR_SHAPE, "the weights do not fit memory");
    y->dim[0] = w->dim[0];
    y->dim[1] = (int64_t)bytes;
    return infer_view_check(y, false);
}

static infer_status pack_run(infer_op_env *env) {
    const infer_view *w = env->in[0], *y = env->out[0];
    for (int64_t d = 0; y && d < w->dim[0]; d++)
        infer_rnn_bytes_pack(env->kernels, w, (size_t)d, (uint8_t *)y->data + d * y->dim[1]);
    return INFER_OK;
}

const infer_op infer_op_infer_pack_recurrent_bytes = {
    .domain = "infer",
    .name = "PackRecurrentBytes",
    .since = 1,
    .newest = 1,
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .types = {T(INT8) | T(UINT8)},
    .infer = pack_infer,
    .run = pack_run,
};
