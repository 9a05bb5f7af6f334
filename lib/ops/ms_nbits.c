/* MatMulNBits: products with weights of few bits, which stay packed but for a few columns at a
 * time. */
#include "axes.h"
#include "checked.h"
#include "chunk.h"
#include "ms.h"
#include "pack.h"
#include "widen.h"

#define FEW_ROWS 4 /* that are multiplied without packing the columns */

typedef struct nbits_params {
    int64_t K, N, bits, block_size, accuracy_level, weight_prepacked;
} nbits_params;

static const infer_op_attr nbits_attrs[] = {
    A_REQUIRED(nbits_params, K, INT),       A_REQUIRED(nbits_params, N, INT),
    A_INT(nbits_params, bits, 4),           A_REQUIRED(nbits_params, block_size, INT),
    A_INT(nbits_params, accuracy_level, 0), A_INT(nbits_params, weight_prepacked, 0)};

enum { A, B, SCALES, ZEROS, GROUPS, BIAS };

typedef struct nbits {
    size_t k, n, blocks, block, blob, bits, zero_row; /* bytes of a block, of a row's zero points */
    size_t columns_at, panel_at, size;
} nbits;

static const infer_view *given(const infer_op_env *env, uint32_t index) {
    return infer_has_input(env, index) ? env->in[index] : NULL;
}

static infer_status check_count(const infer_op_env *env, uint32_t index, size_t count) {
    const infer_view *v = given(env, index);
    if (!v || !infer_view_concrete(v) || infer_view_count(v) == (int64_t)count)
        return INFER_OK;
    return infer_fail(INFER_ERROR_SHAPE, "input %u has %lld elements instead of %zu", index,
                      (long long)infer_view_count(v), count);
}

static infer_status plan(const infer_op_env *env, nbits *w) {
    const nbits_params *p = env->params;
    const infer_view *zeros = given(env, ZEROS), *groups = given(env, GROUPS);
    if (p->bits != 2 && p->bits != 4 && p->bits != 8)
        return infer_fail(INFER_ERROR_VALUE, "bits is %lld", (long long)p->bits);
    if (p->block_size < 16 || p->block_size > INT32_MAX || p->block_size & (p->block_size - 1))
        return infer_fail(INFER_ERROR_VALUE, "block_size is %lld", (long long)p->block_size);
    if (p->K < 1 || p->K > INT32_MAX || p->N < 1 || p->N > INT32_MAX)
        return infer_fail(INFER_ERROR_VALUE, "weights of %lld x %lld", (long long)p->K,
                          (long long)p->N);
    if (p->weight_prepacked)
        return infer_fail(INFER_ERROR_UNSUPPORTED, "weights are packed for one processor");
    *w = (nbits){.k = (size_t)p->K,
                 .n = (size_t)p->N,
                 .block = (size_t)p->block_size,
                 .bits = (size_t)p->bits};
    size_t each, bytes, scales, zero_bytes, columns, panel;
    w->blocks = (w->k + w->block - 1) / w->block;
    w->blob = w->block / 8 * w->bits;
    w->zero_row = (w->blocks * w->bits + 7) / 8;
    bool fits = infer_mul(w->n, w->blocks, &scales) && infer_mul(scales, w->blob, &bytes) &&
                infer_mul(w->n, w->zero_row, &zero_bytes) &&
                infer_mul(w->k, sizeof(float) * INFER_PANEL, &each) &&
                infer_round_up(each, 64, &columns) && infer_add(columns, columns, &panel);
    if (!fits)
        return infer_fail(INFER_ERROR_SHAPE, "the weights do not fit memory");
    w->panel_at = columns;
    w->size = panel;
    INFER_TRY(check_count(env, B, bytes));
    INFER_TRY(check_count(env, SCALES, scales));
    INFER_TRY(
        check_count(env, ZEROS, zeros && zeros->type == INFER_TYPE_UINT8 ? zero_bytes : scales));
    INFER_TRY(check_count(env, BIAS, w->n));
    if (groups && infer_view_concrete(groups) && infer_view_count(groups) < p->K)
        return infer_fail(INFER_ERROR_SHAPE, "g_idx has %lld elements for %lld rows",
                          (long long)infer_view_count(groups), (long long)p->K);
    return INFER_OK;
}

static infer_status nbits_infer(infer_op_env *env) {
    const infer_view *a = env->in[A], *zeros = given(env, ZEROS), *groups = given(env, GROUPS);
    infer_view spare, *y = infer_out(env, 0, a->type, a->rank, &spare);
    nbits w;
    INFER_TRY(plan(env, &w));
    if (a->rank == 0)
        return infer_fail(INFER_ERROR_SHAPE, "a scalar is no matrix");
    if (env->in[SCALES]->type != a->type || (given(env, BIAS) && env->in[BIAS]->type != a->type) ||
        (zeros && zeros->type != INFER_TYPE_UINT8 && zeros->type != a->type) ||
        (groups && groups->type != INFER_TYPE_INT32))
        return infer_fail(INFER_ERROR_TYPE, "inputs have different types");
    for (int32_t i = 0; i < a->rank; i++)
        y->dim[i] = a->dim[i];
    if (a->rank > 0 && a->dim[a->rank - 1] >= 0 && a->dim[a->rank - 1] != (int64_t)w.k)
        return infer_fail(INFER_ERROR_SHAPE, "%lld columns of A meet %zu rows of B",
                          (long long)a->dim[a->rank - 1], w.k);
    if (a->rank > 0)
        y->dim[a->rank - 1] = (int64_t)w.n;
    for (uint32_t i = 0; i < env->in_count; i++)
        if (env->in[i] && !infer_view_concrete(env->in[i]))
            return INFER_OK;
    env->scratch_size = w.size;
    return infer_widen_plan(env);
}

/* ---- running ---- */

static unsigned bits_at(const uint8_t *from, size_t bits, size_t index) {
    const size_t bit = index * bits;
    return (unsigned)from[bit / 8] >> (bit % 8) & ((1u << bits) - 1);
}

static float zero_of(const infer_op_env *env, const nbits *w, size_t column, size_t block) {
    const infer_view *zeros = given(env, ZEROS);
    if (!zeros)
        return (float)(1u << (w->bits - 1));
    if (zeros->type == INFER_TYPE_UINT8)
        return (float)bits_at((const uint8_t *)zeros->data + column * w->zero_row, w->bits, block);
    return ((const float *)zeros->data)[column * w->blocks + block];
}

/* n numbers of a block, apart from one another. */
static void spread(const uint8_t *from, size_t bits, size_t n, float zero, float scale, float *to) {
    if (bits == 8) {
        for (size_t i = 0; i < n; i++)
            to[i] = ((float)from[i] - zero) * scale;
    } else if (bits == 4) {
        for (size_t i = 0; i < n / 2; i++) {
            to[2 * i] = ((float)(from[i] & 15) - zero) * scale;
            to[2 * i + 1] = ((float)(from[i] >> 4) - zero) * scale;
        }
        if (n % 2)
            to[n - 1] = ((float)(from[n / 2] & 15) - zero) * scale;
    } else {
        for (size_t i = 0; i < n; i++)
            to[i] = ((float)bits_at(from, bits, i) - zero) * scale;
    }
}

/* Column number `column` of the weights, as it lies in B: k numbers. */
static void read_column(const infer_op_env *env, const nbits *w, size_t column, float *to) {
    const infer_view *groups = given(env, GROUPS);
    const uint8_t *from = (const uint8_t *)env->in[B]->data + column * w->blocks * w->blob;
    const float *scales = (const float *)env->in[SCALES]->data + column * w->blocks;
    if (groups) {
        const int32_t *group = groups->data;
        for (size_t i = 0; i < w->k; i++) {
            const size_t block = (size_t)group[i];
            to[i] =
                ((float)bits_at(from, w->bits, i) - zero_of(env, w, column, block)) * scales[block];
        }
        return;
    }
    for (size_t b = 0; b < w->blocks; b++) {
        const size_t at = b * w->block, n = w->k - at < w->block ? w->k - at : w->block;
        spread(from + b * w->blob, w->bits, n, zero_of(env, w, column, b), scales[b], to + at);
    }
}

static infer_status check_groups(const infer_op_env *env, const nbits *w) {
    const infer_view *groups = given(env, GROUPS);
    for (size_t i = 0; groups && i < w->k; i++) {
        int32_t group = ((const int32_t *)groups->data)[i];
        if (group < 0 || (size_t)group >= w->blocks)
            return infer_fail(INFER_ERROR_VALUE, "g_idx names block %d of %zu", (int)group,
                              w->blocks);
    }
    return INFER_OK;
}

static infer_status nbits_body(infer_op_env *env) {
    nbits w;
    INFER_TRY(plan(env, &w));
    INFER_TRY(check_groups(env, &w));
    const float *a = env->in[A]->data, *bias = given(env, BIAS) ? env->in[BIAS]->data : NULL;
    float *y = env->out[0]->data, *columns = env->scratch;
    float *panel = (float *)((char *)env->scratch + w.panel_at);
    const size_t rows = (size_t)infer_view_count(env->in[A]) / w.k;
    for (size_t j = 0; rows && j < w.n; j += INFER_PANEL) {
        const size_t n = w.n - j < INFER_PANEL ? w.n - j : INFER_PANEL;
        const float *add = bias ? bias + j : NULL;
        for (size_t c = 0; c < n; c++)
            read_column(env, &w, j + c, columns + c * w.k);
        if (rows > FEW_ROWS) {
            infer_pack_b_f32(w.k, n, columns, w.k, true, panel);
            env->kernels->gemm_packed_f32(rows, n, w.k, a, w.k, panel, add, y + j, w.n);
            continue;
        }
        for (size_t row = 0; row < rows; row++)
            env->kernels->matvec_f32(n, w.k, columns, w.k, a + row * w.k, add, y + row * w.n + j);
    }
    return INFER_OK;
}

static infer_status nbits_run(infer_op_env *env) {
    return env->out[0] ? infer_widen_run(env, nbits_body) : INFER_OK;
}

const infer_op infer_op_ms_mat_mul_n_bits = {
    MS_OP("MatMulNBits", 3, 6, 1, 1, nbits_infer, nbits_run),
    .work = infer_work_rows,
    .types = {T_REAL, T(UINT8), T_REAL, T_REAL | T(UINT8), T(INT32), T_REAL},
    .params_size = sizeof(nbits_params),
    MS_ATTRS(nbits_attrs),
};
