/* The Reduce operators: one walk over kept and reduced axes, one fold, one line an operator. */
#include "axes.h"
#include "chunk.h"
#include "moments.h"
#include "op.h"
#include "reduce_stacked.h"
#include "share.h"
#include "status.h"

#include <math.h>
#include <string.h>

typedef struct reduce_params {
    int64_t keepdims, noop_with_empty_axes;
} reduce_params;

static const infer_op_attr reduce_attrs[] = {A_INT(reduce_params, keepdims, 1),
                                             A_INT(reduce_params, noop_with_empty_axes, 0)};

enum fold { SUM, PROD, MAX, MIN, SUM_ABS, SUM_SQUARE, SUM_EXP };
enum finish { AS_IS, MEAN, ROOT, LOG };

/* ---- folding ---- */

/* Rows of cols elements into cols accumulators. Floats add up in double, integers modulo 2^64. */
#define FOLD(suffix, source, sum, ADD, MUL, ABS)                                                   \
    static void fold_##suffix(enum fold f, const source *x, size_t rows, size_t cols, sum *acc) {  \
        switch (f) {                                                                               \
        case SUM:                                                                                  \
            EACH(sum, ADD(a, v))                                                                   \
        case PROD:                                                                                 \
            EACH(sum, MUL(a, v))                                                                   \
        case MAX: /* a NaN stays */                                                                \
            EACH(sum, v != v ? v : v > a ? v : a)                                                  \
        case MIN:                                                                                  \
            EACH(sum, v != v ? v : v < a ? v : a)                                                  \
        case SUM_ABS:                                                                              \
            EACH(sum, ADD(a, ABS(v)))                                                              \
        case SUM_SQUARE:                                                                           \
            EACH(sum, ADD(a, MUL(v, v)))                                                           \
        case SUM_EXP:                                                                              \
            break;                                                                                 \
        }                                                                                          \
    }
#define EACH(sum, expr)                                                                            \
    for (size_t r = 0; r < rows; r++, x += cols)                                                   \
        for (size_t c = 0; c < cols; c++) {                                                        \
            sum a = acc[c], v = (sum)x[c];                                                         \
            acc[c] = expr;                                                                         \
        }                                                                                          \
    break;
#define ADD_F(a, b) ((a) + (b))
#define MUL_F(a, b) ((a) * (b))
#define ADD_I(a, b) (int64_t)((uint64_t)(a) + (uint64_t)(b))
#define MUL_I(a, b) (int64_t)((uint64_t)(a) * (uint64_t)(b))
#define ABS_I(v)    ((v) < 0 ? MUL_I(v, -1) : (v))
#define ABS_U(v)    (v)
FOLD(float, float, double, ADD_F, MUL_F, fabs)
FOLD(double, double, double, ADD_F, MUL_F, fabs)
FOLD(int, int64_t, int64_t, ADD_I, MUL_I, ABS_I)
FOLD(uint, uint64_t, uint64_t, ADD_F, MUL_F, ABS_U)

typedef double two __attribute__((vector_size(16)));

/* Two more elements, to two sums. */
static inline two add_two(two sums, const float *x) {
    return sums + (two){(double)x[0], (double)x[1]};
}

/* SUM of floats, the same: of eight columns all rows, so that their sums stay in registers. */
static void sum_floats(const float *x, size_t rows, size_t cols, double *acc) {
    size_t c = 0;
    for (two sum[4]; cols - c >= 8; c += 8) {
        memcpy(sum, acc + c, sizeof sum);
        two s0 = sum[0], s1 = sum[1], s2 = sum[2], s3 = sum[3];
        const float *at = x + c;
        for (size_t r = 0; r < rows; r++, at += cols) {
            s0 = add_two(s0, at);
            s1 = add_two(s1, at + 2);
            s2 = add_two(s2, at + 4);
            s3 = add_two(s3, at + 6);
        }
        sum[0] = s0, sum[1] = s1, sum[2] = s2, sum[3] = s3;
        memcpy(acc + c, sum, sizeof sum);
    }
    for (; c < cols; c++)
        for (size_t r = 0; r < rows; r++)
            acc[c] += (double)x[r * cols + c];
}

static double sum_of(const double *x, size_t n) {
    double sum = x[0];
    for (size_t i = 1; i < n; i++)
        sum += x[i];
    return sum;
}

/* The sum of exp(x - shift). */
static void fold_exp(const double *x, size_t rows, size_t cols, const double *shift, double *acc) {
    for (size_t r = 0; r < rows; r++, x += cols)
        for (size_t c = 0; c < cols; c++)
            acc[c] += exp(x[c] - shift[c]);
}

/* ---- the walk ---- */

#define LANES 32 /* accumulators of a contiguous run, where it is long */

typedef struct reduction {
    enum fold fold;
    infer_type type, source; /* of the elements, and what they are folded from */
    const infer_view *x;
    infer_region kept, reduced;
    int64_t run; /* contiguous elements: reduced together, or kept beside one another */
    bool run_kept;
    int64_t stride; /* of outputs beside one another */
    size_t lanes;   /* accumulators of a run that is reduced together */
    int64_t terms;  /* per output */
    infer_chunk acc, shift;
} reduction;

/* Splits the axes of x into the innermost run and the two walks; adjacent axes of a kind are one.
 */
static void plan_walks(reduction *r, uint32_t set) {
    const infer_view *x = r->x;
    int64_t n[INFER_MAX_RANK], step = 1;
    bool gone[INFER_MAX_RANK];
    int32_t count = 0;
    r->terms = 1;
    for (int32_t i = 0; i < x->rank; i++) {
        bool reduced = set >> i & 1;
        if (reduced)
            r->terms *= x->dim[i];
        if (x->dim[i] == 1)
            continue;
        if (count > 0 && gone[count - 1] == reduced) {
            n[count - 1] *= x->dim[i];
        } else {
            n[count] = x->dim[i];
            gone[count++] = reduced;
        }
    }
    r->run = count > 0 ? n[count - 1] : 1;
    r->run_kept = count == 0 || !gone[count - 1];
    r->lanes = r->run >= 4 * LANES ? LANES : r->run >= LANES ? LANES / 4 : 1;
    r->kept.count = r->reduced.count = 0;
    int64_t steps[INFER_MAX_RANK];
    for (int32_t i = count; i-- > 0; step *= n[i])
        steps[i] = step;
    for (int32_t i = 0; i < count - 1; i++)
        infer_region_add(gone[i] ? &r->reduced : &r->kept, n[i], steps[i]);
}

/* Short runs of floats that lie side by side: they are reduced together, term by term. */
static void plan_short(reduction *r) {
    bool all = r->kept.count == 1 && r->reduced.count == 0 && !r->run_kept;
    if (!all || r->run >= LANES || r->type != INFER_TYPE_FLOAT || r->source != INFER_TYPE_FLOAT)
        return;
    r->stride = r->run;
    infer_region_add(&r->reduced, r->run, 1);
    r->run = r->kept.n[0];
    r->run_kept = true;
    r->kept.count = 0;
}

static void fold_rows(reduction *r, enum fold fold, infer_type source, const void *x, size_t rows,
                      size_t cols) {
    if (fold == SUM_EXP)
        fold_exp(x, rows, cols, r->shift.d, r->acc.d);
    else if (source == INFER_TYPE_FLOAT && fold == SUM)
        sum_floats(x, rows, cols, r->acc.d);
    else if (source == INFER_TYPE_FLOAT)
        fold_float(fold, x, rows, cols, r->acc.d);
    else if (source == INFER_TYPE_DOUBLE)
        fold_double(fold, x, rows, cols, r->acc.d);
    else if (source == INFER_TYPE_INT64)
        fold_int(fold, x, rows, cols, r->acc.i);
    else
        fold_uint(fold, x, rows, cols, r->acc.u);
}

static infer_type sum_type(const reduction *r) {
    return r->source == INFER_TYPE_FLOAT ? INFER_TYPE_DOUBLE : r->source;
}

/* The least and largest value of an integer or boolean type, in 64 bits. */
static void limits(infer_type type, uint64_t *low, uint64_t *high) {
    unsigned spare = 64 - infer_type_bits(type);
    bool sign = infer_type_kind(type) == INFER_CLASS_SIGNED;
    *high = type == INFER_TYPE_BOOL ? 1 : (sign ? (uint64_t)INT64_MAX : UINT64_MAX) >> spare;
    *low = sign ? ~*high : 0;
}

/* The value that changes nothing; of integers the least or largest of their own type. */
static void clear(reduction *r, size_t n) {
    double d = r->fold == MAX ? -INFINITY : r->fold == MIN ? INFINITY : r->fold == PROD;
    uint64_t low, high;
    limits(r->type, &low, &high);
    uint64_t u = r->fold == MAX ? low : r->fold == MIN ? high : r->fold == PROD;
    bool is_float = sum_type(r) == INFER_TYPE_DOUBLE;
    for (size_t i = 0; i < n; i++)
        if (is_float)
            r->acc.d[i] = d;
        else
            r->acc.u[i] = u;
}

static const void *load(const reduction *r, int64_t at, size_t n, infer_chunk *chunk) {
    if (r->stride > 1) {
        const float *x = (const float *)r->x->data + at;
        for (size_t i = 0; i < n; i++)
            chunk->f[i] = x[(int64_t)i * r->stride];
        return chunk->f;
    }
    if (r->source == INFER_TYPE_DOUBLE)
        return infer_load_double(r->type, r->x->data, (size_t)at, n, chunk);
    return infer_load_wide(r->type, r->x->data, (size_t)at, n, chunk);
}

/* The run at `at`, reduced into the lanes. */
static void fold_run(reduction *r, int64_t at) {
    infer_chunk chunk;
    for (int64_t i = 0; i < r->run; i += INFER_CHUNK) {
        size_t n = (size_t)(r->run - i < INFER_CHUNK ? r->run - i : INFER_CHUNK);
        const char *x = load(r, at + i, n, &chunk);
        size_t full = n / r->lanes * r->lanes;
        fold_rows(r, r->fold, r->source, x, full / r->lanes, r->lanes);
        fold_rows(r, r->fold, r->source, x + full * infer_type_size(r->source), 1, n - full);
    }
}

/* All terms of the outputs at `at`: one where the run is reduced, else `count` beside one another.
 * The results are in the first accumulators. */
static void fold_outputs(reduction *r, int64_t at, size_t count) {
    clear(r, r->run_kept ? count : r->lanes);
    if (r->terms == 0)
        return;
    do {
        infer_chunk chunk;
        if (r->run_kept)
            fold_rows(r, r->fold, r->source, load(r, at, count, &chunk), 1, count);
        else
            fold_run(r, at);
    } while (infer_region_next(&r->reduced, &at));
    if (!r->run_kept) {
        enum fold join = r->fold >= SUM_ABS ? SUM : r->fold;
        if (join == SUM && sum_type(r) == INFER_TYPE_DOUBLE)
            r->acc.d[0] = sum_of(r->acc.d, r->lanes);
        else
            fold_rows(r, join, sum_type(r), r->acc.u + 1, r->lanes - 1, 1);
    }
}

/* The sum of exponentials is taken from the largest term on, which keeps it in range. */
static void fold_shifted(reduction *r, int64_t at, size_t count) {
    r->fold = MAX;
    fold_outputs(r, at, count);
    for (size_t i = 0; i < (r->run_kept ? count : r->lanes); i++) {
        double max = r->acc.d[r->run_kept ? i : 0];
        r->shift.d[i] = isfinite(max) ? max : 0;
    }
    r->fold = SUM_EXP;
    fold_outputs(r, at, count);
}

/* ---- results ---- */

/* A number as an integer of this type, the nearest one that there is. */
static int64_t saturate(infer_type type, double d) {
    uint64_t low, high;
    limits(type, &low, &high);
    bool sign = infer_type_kind(type) == INFER_CLASS_SIGNED;
    double least = sign ? (double)(int64_t)low : 0, most = (double)high;
    if (!(d > least))
        return (int64_t)low;
    if (d >= most)
        return (int64_t)high;
    return sign ? (int64_t)d : (int64_t)(uint64_t)d;
}

static void finish_and_store(reduction *r, enum finish finish, void *data, size_t at, size_t n) {
    bool log_shift = r->fold == SUM_EXP;
    if (r->source == INFER_TYPE_INT64 || r->source == INFER_TYPE_UINT64) {
        for (size_t i = 0; i < n && finish == MEAN; i++)
            r->acc.i[i] = r->source == INFER_TYPE_INT64
                              ? r->acc.i[i] / r->terms
                              : (int64_t)(r->acc.u[i] / (uint64_t)r->terms);
        infer_store_int(r->type, r->acc.i, data, at, n);
        return;
    }
    double *d = r->acc.d;
    for (size_t i = 0; i < n; i++)
        d[i] = finish == MEAN   ? d[i] / (double)r->terms
               : finish == ROOT ? sqrt(d[i])
               : finish == LOG  ? log(d[i]) + (log_shift ? r->shift.d[i] : 0)
                                : d[i];
    if (infer_type_kind(r->type) == INFER_CLASS_FLOATING) {
        infer_store_double(r->type, d, data, at, n);
        return;
    }
    infer_chunk whole;
    for (size_t i = 0; i < n; i++)
        whole.i[i] = saturate(r->type, d[i]);
    infer_store_int(r->type, whole.i, data, at, n);
}

/* ---- the operators ---- */

/* The axes to reduce; *known is false where they depend on data that is not there. */
static infer_status reduced_axes(infer_op_env *env, uint32_t *set, bool *known) {
    const reduce_params *p = env->params;
    const infer_view *x = env->in[0], *axes = infer_has_input(env, 1) ? env->in[1] : NULL;
    int64_t n = axes ? infer_view_count(axes) : 0;
    *set = 0;
    *known = x->rank >= 0 && n >= 0 && (n == 0 || axes->data);
    if (axes)
        INFER_TRY(infer_check_list(axes, "axes"));
    if (!*known)
        return INFER_OK;
    if (n > 0)
        return infer_axes(axes, x->rank, false, set);
    *set = p->noop_with_empty_axes ? 0 : (1u << x->rank) - 1;
    return INFER_OK;
}

static infer_status reduce_infer(infer_op_env *env) {
    const reduce_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_view spare, *y = infer_out(env, 0, x->type, -1, &spare);
    uint32_t set;
    bool known;
    INFER_TRY(reduced_axes(env, &set, &known));
    if (!known) {
        y->rank = p->keepdims ? x->rank : -1;
        return INFER_OK;
    }
    y->rank = 0;
    for (int32_t i = 0; i < x->rank; i++) {
        if (!(set >> i & 1))
            y->dim[y->rank++] = x->dim[i];
        else if (p->keepdims)
            y->dim[y->rank++] = 1;
    }
    return INFER_OK;
}

typedef struct reduce_work {
    reduction plan;
    enum finish finish;
    void *y;
    size_t outputs, width, parts; /* width: outputs that lie beside one another in x */
} reduce_work;

/* Some of the outputs, each of which is folded as if there were no others. */
static void reduce_part(void *arg, size_t part, size_t worker) {
    const reduce_work *w = arg;
    reduction r = w->plan;
    const enum fold fold = r.fold;
    size_t done, end;
    (void)worker;
    infer_part(w->outputs, 1, w->parts, part, &done, &end);
    int64_t at = done < end ? infer_region_start(&r.kept, (int64_t)(done / w->width)) : 0;
    for (size_t i = done % w->width, n; done < end; done += n) {
        n = w->width - i < INFER_CHUNK ? w->width - i : INFER_CHUNK;
        n = n < end - done ? n : end - done;
        if (fold == SUM_EXP)
            fold_shifted(&r, at + (int64_t)i * r.stride, n);
        else
            fold_outputs(&r, at + (int64_t)i * r.stride, n);
        finish_and_store(&r, w->finish, w->y, done, n);
        i += n;
        if (i == w->width) {
            infer_region_next(&r.kept, &at);
            i = 0;
        }
    }
}

static infer_status reduce_run(infer_op_env *env, enum fold fold, enum finish finish) {
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    uint32_t set;
    bool known;
    INFER_TRY(reduced_axes(env, &set, &known));
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    reduce_work w = {.finish = finish, .y = y->data, .outputs = (size_t)infer_view_count(y)};
    reduction *r = &w.plan;
    r->fold = fold;
    r->x = x;
    r->stride = 1;
    r->type = (infer_type)x->type;
    r->source = finish == ROOT || finish == LOG ? INFER_TYPE_DOUBLE : infer_wide_type(r->type);
    size_t elements = (size_t)infer_view_count(x);
    w.width = w.outputs;
    if (elements > 0) {
        plan_walks(r, set);
        plan_short(r);
        w.width = r->run_kept ? (size_t)r->run : 1;
        if (w.outputs != elements / (size_t)r->terms)
            return infer_fail(INFER_ERROR_VALUE, "the axes changed");
    } else { /* all outputs are alike: no place in x belongs to them */
        r->run_kept = true;
        r->terms = r->kept.count = 0;
        if (finish == MEAN && sum_type(r) != INFER_TYPE_DOUBLE)
            return infer_fail(INFER_ERROR_VALUE, "no integers have no mean");
    }
    w.parts = infer_parts(env, w.outputs, 2 * (double)elements / (double)w.outputs);
    infer_parallel(env, w.parts, reduce_part, &w);
    return INFER_OK;
}

/* Axes were an attribute until this version; of stacked tensors it is that operator. */
static infer_status reduce_upgrade(infer_rewriter *rw, int moved, const char *of_stacked) {
    if (rw->version < moved)
        INFER_TRY(infer_attr_to_input(rw, "axes", 1));
    return of_stacked ? infer_reduce_stacked(rw, of_stacked) : INFER_OK;
}

/* X(Name, name, version that moved axes to an input, fold, finish, more types, of stacked) */
#define REDUCE_OPS(X)                                                                              \
    X(ReduceSum, reduce_sum, 13, SUM, AS_IS, 0, NULL)                                              \
    X(ReduceMean, reduce_mean, 18, SUM, MEAN, 0, NULL)                                             \
    X(ReduceProd, reduce_prod, 18, PROD, AS_IS, 0, NULL)                                           \
    X(ReduceMax, reduce_max, 18, MAX, AS_IS, T(BOOL), "Max")                                       \
    X(ReduceMin, reduce_min, 18, MIN, AS_IS, T(BOOL), "Min")                                       \
    X(ReduceL1, reduce_l1, 18, SUM_ABS, AS_IS, 0, NULL)                                            \
    X(ReduceL2, reduce_l2, 18, SUM_SQUARE, ROOT, 0, NULL)                                          \
    X(ReduceSumSquare, reduce_sum_square, 18, SUM_SQUARE, AS_IS, 0, NULL)                          \
    X(ReduceLogSum, reduce_log_sum, 18, SUM, LOG, 0, NULL)                                         \
    X(ReduceLogSumExp, reduce_log_sum_exp, 18, SUM_EXP, LOG, 0, NULL)

#define REDUCE_OP(op_name, snake, moved, fold, finish, more, of_stacked)                           \
    static infer_status snake##_upgrade(infer_rewriter *rw) {                                      \
        return reduce_upgrade(rw, moved, of_stacked);                                              \
    }                                                                                              \
    static infer_status snake##_run(infer_op_env *env) {                                           \
        return reduce_run(env, fold, finish);                                                      \
    }                                                                                              \
    const infer_op infer_op_##snake = {                                                            \
        .domain = "",                                                                              \
        .name = #op_name,                                                                          \
        .since = 1,                                                                                \
        .newest = 27,                                                                              \
        .params_size = sizeof(reduce_params),                                                      \
        .min_in = 1,                                                                               \
        .max_in = 2,                                                                               \
        .min_out = 1,                                                                              \
        .max_out = 1,                                                                              \
        .attr_count = 2,                                                                           \
        .attrs = reduce_attrs,                                                                     \
        .types = {T_NUMERIC | (more), T(INT64)},                                                   \
        .upgrade = snake##_upgrade,                                                                \
        .infer = reduce_infer,                                                                     \
        .run = snake##_run,                                                                        \
    };
REDUCE_OPS(REDUCE_OP)
