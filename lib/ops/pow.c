/* Pow: a base of one type, an exponent of any, broadcast. */
#include "broadcast.h"
#include "chunk.h"
#include "convert.h"
#include "elementwise.h"
#include "moments.h"
#include "status.h"

#include <math.h>

/* Squares and cubes are what models have most. */
#define POW_LOOP(suffix, ctype, M)                                                                 \
    static void pow_##suffix(const ctype *a, size_t sa, const ctype *b, size_t sb, ctype *y,       \
                             size_t n) {                                                           \
        if (sa && !sb && *b == 2) {                                                                \
            for (size_t i = 0; i < n; i++)                                                         \
                y[i] = a[i] * a[i];                                                                \
        } else if (sa && !sb && *b == 3) {                                                         \
            for (size_t i = 0; i < n; i++)                                                         \
                y[i] = a[i] * a[i] * a[i];                                                         \
        } else {                                                                                   \
            for (size_t i = 0; i < n; i++)                                                         \
                y[i] = pow##M(a[sa * i], b[sb * i]);                                               \
        }                                                                                          \
    }
POW_LOOP(float, float, f)
POW_LOOP(double, double, )

/* Powers of integers wrap; what a negative exponent gives is truncated. */
static int64_t pow_int(int64_t base, bool negative, uint64_t exponent) {
    if (negative) {
        if (base == 0)
            return infer_to_int64((double)INFINITY);
        return base == 1 ? 1 : base == -1 ? (exponent & 1 ? -1 : 1) : 0;
    }
    uint64_t power = 1, factor = (uint64_t)base;
    for (; exponent; exponent >>= 1, factor *= factor)
        if (exponent & 1)
            power *= factor;
    return (int64_t)power;
}

/* n elements of y at `at`, from those of a and b, which advance by sa and sb. */
static void pow_chunk(const infer_view *a, size_t at_a, size_t sa, const infer_view *b, size_t at_b,
                      size_t sb, infer_view *y, size_t at, size_t n) {
    infer_type base = (infer_type)a->type, exponent = (infer_type)b->type;
    infer_chunk x, e, z;
    size_t na = sa ? n : 1, nb = sb ? n : 1;
    bool float_base = infer_type_kind(base) == INFER_CLASS_FLOATING;
    bool float_exponent = infer_type_kind(exponent) == INFER_CLASS_FLOATING;
    if (float_base && float_exponent && base != INFER_TYPE_DOUBLE &&
        exponent != INFER_TYPE_DOUBLE) {
        const float *fa = infer_load_float(base, a->data, at_a, na, &x);
        const float *fb = infer_load_float(exponent, b->data, at_b, nb, &e);
        float *to = base == INFER_TYPE_FLOAT ? (float *)y->data + at : z.f;
        pow_float(fa, sa, fb, sb, to, n);
        if (base != INFER_TYPE_FLOAT)
            infer_narrow(base, z.f, (char *)y->data + at * infer_type_size(base), n, false);
    } else if (float_base || float_exponent) {
        pow_double(infer_load_double(base, a->data, at_a, na, &x), sa,
                   infer_load_double(exponent, b->data, at_b, nb, &e), sb, z.d, n);
        if (float_base) {
            infer_store_double(base, z.d, y->data, at, n);
            return;
        }
        for (size_t i = 0; i < n; i++)
            z.i[i] = base == INFER_TYPE_INT32 ? infer_to_int32(z.d[i]) : infer_to_int64(z.d[i]);
        infer_store_int(base, z.i, y->data, at, n);
    } else {
        const int64_t *ia = infer_load_wide(base, a->data, at_a, na, &x);
        const int64_t *ib = infer_load_wide(exponent, b->data, at_b, nb, &e);
        bool is_signed = infer_wide_type(exponent) == INFER_TYPE_INT64;
        for (size_t i = 0; i < n; i++) {
            int64_t k = ib[sb * i];
            z.i[i] = pow_int(ia[sa * i], is_signed && k < 0, (uint64_t)k);
        }
        infer_store_int(base, z.i, y->data, at, n);
    }
}

static infer_status pow_infer(infer_op_env *env) {
    return infer_like_all(env, INFER_TYPE_UNDEFINED);
}

static infer_status pow_run(infer_op_env *env) {
    const infer_view *a = env->in[0], *b = env->in[1];
    infer_view *y = env->out[0];
    infer_broadcast walk;
    size_t at = 0;
    if (!y)
        return INFER_OK;
    infer_broadcast_begin(&walk, env->in, 2, y);
    if (walk.empty)
        return INFER_OK;
    do {
        for (size_t i = 0; i < walk.inner; i += INFER_CHUNK) {
            size_t n = walk.inner - i < INFER_CHUNK ? walk.inner - i : INFER_CHUNK;
            pow_chunk(a, walk.at[0] + i * walk.step[0], walk.step[0], b,
                      walk.at[1] + i * walk.step[1], walk.step[1], y, at + i, n);
        }
        at += walk.inner;
    } while (infer_broadcast_next(&walk));
    return INFER_OK;
}

/* Squares of floats become products, which have kernels: the bits are the same. */
static infer_status pow_prepare(infer_rewriter *rw) {
    const infer_view *b = rw->view(rw, rw->input(rw, 1));
    if (!b->data || infer_view_count(b) != 1 ||
        (b->type != INFER_TYPE_FLOAT && b->type != INFER_TYPE_DOUBLE) || infer_real(b, 0) != 2)
        return INFER_OK;
    const int32_t rank = b->rank;
    const infer_view *a = rw->view(rw, rw->input(rw, 0));
    if (infer_type_kind((infer_type)a->type) != INFER_CLASS_FLOATING || a->rank < rank)
        return INFER_OK;
    INFER_TRY(rw->set_input(rw, 1, rw->input(rw, 0)));
    return rw->become(rw, "", "Mul");
}

const infer_op infer_op_pow = {
    .domain = "",
    .name = "Pow",
    .since = 1,
    .newest = 27,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .types = {T_FLOAT | T(INT32) | T(INT64), T_NUMERIC},
    .upgrade = infer_upgrade_broadcast,
    .infer = pow_infer,
    .prepare = pow_prepare,
    .run = pow_run,
};
