/* com.microsoft's operators that converters emit: older or wider forms of those of ai.onnx,
 * distances, inverses, hashes. */
#include "axes.h"
#include "checked.h"
#include "chunk.h"
#include "elementwise.h"
#include "ms.h"

#include <math.h>

/* ---- other forms ---- */

static infer_status expand_dims_upgrade(infer_rewriter *rw) {
    return infer_expand(rw, "a = Cast<to=7>($1)\n"
                            "b = Reshape(a, [-1])\n"
                            "@0 = Unsqueeze($0, b)\n");
}

static infer_status gather_nd_upgrade(infer_rewriter *rw) {
    INFER_TRY(rw->set_input(rw, 1, ms_cast(rw, rw->input(rw, 1), INFER_TYPE_INT64)));
    return rw->become(rw, "", "GatherND");
}

typedef struct trilu_params {
    int64_t upper;
} trilu_params;

static const infer_op_attr trilu_attrs[] = {A_INT(trilu_params, upper, 1)};

static infer_status trilu_upgrade(infer_rewriter *rw) {
    return rw->become(rw, "", "Trilu");
}

/* Numbers may be lists of one. */
static uint32_t scalar(infer_rewriter *rw, uint32_t index) {
    const infer_named names[] = {{"x", rw->input(rw, index)}};
    return ms_text(rw, "@0 = Reshape(x, [])\n", names, 1);
}

static infer_status range_upgrade(infer_rewriter *rw) {
    enum { START, LIMIT, DELTA };
    const uint32_t in[] = {scalar(rw, START), scalar(rw, LIMIT),
                           ms_has(rw, DELTA)
                               ? scalar(rw, DELTA)
                               : ms_node(rw, "CastLike", ms_float(rw, 1), rw->input(rw, START))};
    return rw->replace(rw, 0, rw->add(rw, "", "Range", in, 3, NULL, 0));
}

typedef struct pad_params {
    int64_t mode;
} pad_params;

static const infer_op_attr pad_attrs[] = {A_ENUM(pad_params, mode, 0, "constant|reflect|edge")};

static infer_status pad_upgrade(infer_rewriter *rw) {
    enum { DATA, PADS, VALUE };
    static const int64_t flat[] = {-1};
    INFER_TRY(
        rw->set_input(rw, PADS, ms_node(rw, "Reshape", rw->input(rw, PADS), ms_list(rw, flat, 1))));
    if (ms_has(rw, VALUE))
        INFER_TRY(rw->set_input(rw, VALUE, scalar(rw, VALUE)));
    return rw->become(rw, "", "Pad");
}

static infer_status unique_upgrade(infer_rewriter *rw) {
    static const uint32_t which[] = {0, 2, 3}; /* without the places of the first ones */
    const infer_attr sorted = {.name = "sorted", .type = INFER_ATTR_INT, .i = 0};
    uint32_t x = rw->input(rw, 0), out[4];
    INFER_TRY(rw->add_many(rw, "", "Unique", &x, 1, &sorted, 1, out, 4));
    for (uint32_t i = 0; i < rw->out_count && i < 3; i++)
        INFER_TRY(rw->replace(rw, i, out[which[i]]));
    return INFER_OK;
}

/* ---- distances ---- */

enum metric { SQEUCLIDEAN, EUCLIDEAN };

typedef struct distance_params {
    int64_t metric;
} distance_params;

static const infer_op_attr distance_attrs[] = {
    A_ENUM(distance_params, metric, SQEUCLIDEAN, "sqeuclidean|euclidean")};

/* Squares of lengths and one product of matrices, as scikit-learn does it. */
static infer_status distance_upgrade(infer_rewriter *rw) {
    static const char text[] = "a = ReduceSumSquare<keepdims=1>($0, [1])\n"
                               "b = ReduceSumSquare<keepdims=0>($1, [1])\n"
                               "t = Transpose<perm=[1,0]>($1)\n"
                               "p = MatMul($0, t)\n"
                               "d = Mul(p, {-2.0})\n"
                               "e = Add(d, a)\n"
                               "f = Add(e, b)\n"
                               "@0 = Max(f, {0.0})\n";
    const distance_params *p = rw->params;
    uint32_t y = ms_text(rw, text, NULL, 0);
    return rw->replace(rw, 0, p->metric == EUCLIDEAN ? ms_node(rw, "Sqrt", y, INFER_NO_VALUE) : y);
}

/* ---- Inverse ---- */

static infer_status inverse_infer(infer_op_env *env) {
    const infer_view *x = env->in[0];
    INFER_TRY(infer_like_input(env));
    if (x->rank < 0)
        return INFER_OK;
    if (x->rank < 2)
        return infer_fail(INFER_ERROR_SHAPE, "rank %d has no matrices", (int)x->rank);
    const int64_t rows = x->dim[x->rank - 2], columns = x->dim[x->rank - 1];
    if (rows >= 0 && columns >= 0 && rows != columns)
        return infer_fail(INFER_ERROR_SHAPE, "matrices of %lld x %lld", (long long)rows,
                          (long long)columns);
    size_t n = (size_t)(rows < 0 || columns < 0 ? 0 : rows), cells;
    if (!infer_mul(n, n, &cells) || !infer_mul(cells, 2 * sizeof(double), &env->scratch_size))
        return infer_fail(INFER_ERROR_SHAPE, "matrices of %zu rows are too large", n);
    return INFER_OK;
}

static void swap_rows(double *a, double *b, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double other = a[i];
        a[i] = b[i];
        b[i] = other;
    }
}

/* Elimination with the largest pivot of each column; what has no inverse becomes NaN. */
static void invert(double *a, double *b, size_t n) {
    for (size_t i = 0; i < n * n; i++)
        b[i] = i % (n + 1) == 0;
    for (size_t c = 0; c < n; c++) {
        size_t pivot = c;
        for (size_t r = c + 1; r < n; r++)
            if (fabs(a[r * n + c]) > fabs(a[pivot * n + c]))
                pivot = r;
        if (pivot != c) {
            swap_rows(a + c * n, a + pivot * n, n);
            swap_rows(b + c * n, b + pivot * n, n);
        }
        const double top = a[c * n + c], part = top == 0 ? (double)NAN : 1 / top;
        for (size_t i = 0; i < n; i++) {
            a[c * n + i] *= part;
            b[c * n + i] *= part;
        }
        for (size_t r = 0; r < n; r++) {
            const double factor = a[r * n + c];
            if (r == c || factor == 0)
                continue;
            for (size_t i = 0; i < n; i++) {
                a[r * n + i] -= factor * a[c * n + i];
                b[r * n + i] -= factor * b[c * n + i];
            }
        }
    }
}

static infer_status inverse_run(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    const infer_type type = (infer_type)x->type;
    const size_t n = (size_t)x->dim[x->rank - 1], cells = n * n;
    double *a = env->scratch, *b = a + cells;
    const size_t count = y && cells ? (size_t)infer_view_count(x) / cells : 0;
    for (size_t m = 0; m < count; m++) {
        for (size_t i = 0; i < cells; i += INFER_CHUNK) {
            infer_chunk chunk;
            const size_t part = cells - i < INFER_CHUNK ? cells - i : INFER_CHUNK;
            memcpy(a + i, infer_load_double(type, x->data, m * cells + i, part, &chunk),
                   part * sizeof *a);
        }
        invert(a, b, n);
        for (size_t i = 0; i < cells; i += INFER_CHUNK) {
            const size_t part = cells - i < INFER_CHUNK ? cells - i : INFER_CHUNK;
            infer_store_double(type, b + i, y->data, m * cells + i, part);
        }
    }
    return INFER_OK;
}

/* ---- MurmurHash3 ---- */

typedef struct hash_params {
    int64_t seed, positive;
} hash_params;

static const infer_op_attr hash_attrs[] = {A_INT(hash_params, seed, 0),
                                           A_INT(hash_params, positive, 1)};

static infer_status hash_infer(infer_op_env *env) {
    const hash_params *p = env->params;
    return infer_like_first(env, p->positive ? INFER_TYPE_UINT32 : INFER_TYPE_INT32);
}

static uint32_t rotate(uint32_t x, int by) {
    return x << by | x >> (32 - by);
}

static uint32_t mixed(uint32_t k) {
    return rotate(k * 0xcc9e2d51u, 15) * 0x1b873593u;
}

/* MurmurHash3_x86_32; words are little-endian. */
static uint32_t hash(const uint8_t *data, size_t size, uint32_t seed) {
    uint32_t h = seed, last = 0;
    for (size_t i = 0; i + 4 <= size; i += 4) {
        const uint32_t k = (uint32_t)data[i] | (uint32_t)data[i + 1] << 8 |
                           (uint32_t)data[i + 2] << 16 | (uint32_t)data[i + 3] << 24;
        h = rotate(h ^ mixed(k), 13) * 5 + 0xe6546b64u;
    }
    for (size_t i = size % 4; i-- > 0;)
        last = last << 8 | data[size - size % 4 + i];
    if (size % 4)
        h ^= mixed(last);
    h ^= (uint32_t)size;
    h = (h ^ h >> 16) * 0x85ebca6bu;
    h = (h ^ h >> 13) * 0xc2b2ae35u;
    return h ^ h >> 16;
}

static infer_status hash_run(infer_op_env *env) {
    const hash_params *p = env->params;
    const infer_view *x = env->in[0];
    const size_t n = (size_t)infer_view_count(x), size = infer_type_size((infer_type)x->type);
    const infer_string *texts = x->data;
    const uint8_t *bytes = x->data;
    if (!env->out[0])
        return INFER_OK;
    uint32_t *y = env->out[0]->data, seed = (uint32_t)(uint64_t)p->seed;
    for (size_t i = 0; i < n; i++)
        y[i] = x->type == INFER_TYPE_STRING
                   ? hash((const uint8_t *)texts[i].data, texts[i].size, seed)
                   : hash(bytes + i * size, size, seed);
    return INFER_OK;
}

/* ---- the operators ---- */

#define T_COMMON (T_ALL & ~(T_FLOAT8 | T_SUBBYTE))

const infer_op infer_op_ms_expand_dims = {
    MS_EXPANDED("ExpandDims", 2, 2, 1, 1, expand_dims_upgrade), .types = {T_COMMON, T(INT32)}};
const infer_op infer_op_ms_gather_nd = {MS_EXPANDED("GatherND", 2, 2, 1, 1, gather_nd_upgrade),
                                        .types = {T_COMMON, T_INDEX}};
const infer_op infer_op_ms_trilu = {MS_EXPANDED("Trilu", 1, 2, 1, 1, trilu_upgrade),
                                    .types = {T_NUMERIC | T(BOOL), T(INT64)},
                                    .params_size = sizeof(trilu_params), MS_ATTRS(trilu_attrs)};
const infer_op infer_op_ms_range = {
    MS_EXPANDED("Range", 2, 3, 1, 1, range_upgrade),
    .types = {T(FLOAT) | T(DOUBLE) | T(INT16) | T(INT32) | T(INT64), T_SAME, T_SAME}};
const infer_op infer_op_ms_pad = {MS_EXPANDED("Pad", 2, 3, 1, 1, pad_upgrade),
                                  .types = {T_FLOAT, T(INT64), T_SAME},
                                  .params_size = sizeof(pad_params), MS_ATTRS(pad_attrs)};
const infer_op infer_op_ms_unique = {MS_EXPANDED("Unique", 1, 1, 3, 3, unique_upgrade),
                                     .types = {T_COMMON}};
const infer_op infer_op_ms_c_dist = {
    MS_EXPANDED("CDist", 2, 2, 1, 1, distance_upgrade), .types = {T(FLOAT) | T(DOUBLE), T_SAME},
    .params_size = sizeof(distance_params), MS_ATTRS(distance_attrs)};
const infer_op infer_op_ms_inverse = {MS_OP("Inverse", 1, 1, 1, 1, inverse_infer, inverse_run),
                                      .types = {T(FLOAT) | T(DOUBLE) | T(FLOAT16)}};
const infer_op infer_op_ms_murmur_hash3 = {
    MS_OP("MurmurHash3", 1, 1, 1, 1, hash_infer, hash_run),
    .types = {T(FLOAT) | T(DOUBLE) | T(INT32) | T(INT64) | T(UINT32) | T(UINT64) | T(STRING)},
    .params_size = sizeof(hash_params), MS_ATTRS(hash_attrs)};
