/* Transpose, and the strided copy that it and others are made of. */
#include "movement.h"

#include "axes.h"
#include "op.h"
#include "share.h"
#include "status.h"

#include <string.h>

/* ---- copying ---- */

/* A piece of constant size becomes one load and one store. */
#define PIECE_SIZES(X) X(1) X(2) X(4) X(8) X(16)

void infer_copy_pieces(char *to, ptrdiff_t to_step, const char *from, ptrdiff_t from_step, size_t n,
                       size_t size) {
    switch (size) {
#define CASE(bytes)                                                                                \
    case bytes:                                                                                    \
        for (size_t i = 0; i < n; i++, to += to_step, from += from_step)                           \
            memcpy(to, from, bytes);                                                               \
        break;
        PIECE_SIZES(CASE)
#undef CASE
    default:
        for (size_t i = 0; i < n; i++, to += to_step, from += from_step)
            memcpy(to, from, size);
    }
}

#define FILL_BLOCK 4096 /* bytes that stay in the first-level cache */

void infer_fill(void *to_, const void *from, size_t n, size_t size) {
    char *to = to_;
    if (n == 0 || size == 0)
        return;
    if (to != from)
        memcpy(to, from, size);
    /* What there is doubles until it is a block, which is then copied on. */
    size_t have = size, all = n * size;
    while (have < all) {
        size_t more = have < all - have ? have : all - have;
        if (have >= FILL_BLOCK && more > FILL_BLOCK / size * size && size <= FILL_BLOCK)
            more = FILL_BLOCK / size * size;
        memcpy(to + have, to, more);
        have += more;
    }
}

#define TILE   16
#define SQUARE 4 /* elements of 4 bytes that are turned in registers */

typedef uint32_t four __attribute__((vector_size(16)));
#ifdef __clang__
#define PICK(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define PICK(a, b, i, j, k, l) __builtin_shuffle(a, b, (four){i, j, k, l})
#endif

static inline four get_four(const char *from) {
    four x;
    memcpy(&x, from, sizeof x);
    return x;
}

static inline void put_four(char *to, four x) {
    memcpy(to, &x, sizeof x);
}

/* A square of elements of 4 bytes, or so many rows of it: of fewer, what lies behind them is read.
 * Rows have names: a loop over them would go through memory. */
static inline void turn_square(char *to, ptrdiff_t to_step, const char *from, ptrdiff_t from_step,
                               size_t rows) {
    const four x0 = get_four(from), x1 = get_four(from + from_step);
    const four x2 = get_four(from + 2 * from_step), x3 = get_four(from + 3 * from_step);
    const four a = PICK(x0, x1, 0, 4, 1, 5), b = PICK(x2, x3, 0, 4, 1, 5);
    const four c = PICK(x0, x1, 2, 6, 3, 7), d = PICK(x2, x3, 2, 6, 3, 7);
    put_four(to, PICK(a, b, 0, 1, 4, 5));
    if (rows > 1)
        put_four(to + to_step, PICK(a, b, 2, 3, 6, 7));
    if (rows > 2)
        put_four(to + 2 * to_step, PICK(c, d, 0, 1, 4, 5));
    if (rows > 3)
        put_four(to + 3 * to_step, PICK(c, d, 2, 3, 6, 7));
}

static void turn_rows(char *to, ptrdiff_t to_step, const char *from, ptrdiff_t from_step,
                      size_t rows, size_t columns, size_t size) {
    for (size_t r = 0; r < rows; r++, to += to_step)
        infer_copy_pieces(to, (ptrdiff_t)size, from + r * size, from_step, columns, size);
}

/* A matrix turned: column j of rows elements, contiguous at from, becomes row j at to. more: other
 * columns follow, so that what is behind the last one can be read. */
static void turn_tile(char *to, ptrdiff_t to_step, const char *from, ptrdiff_t from_step,
                      size_t rows, size_t columns, size_t size, bool more) {
    const ptrdiff_t element = (ptrdiff_t)size;
    if (size != sizeof(uint32_t)) {
        turn_rows(to, to_step, from, from_step, rows, columns, size);
        return;
    }
    const size_t whole = columns / SQUARE * SQUARE;
    for (size_t c = whole; c < columns; c++)
        infer_copy_pieces(to + c * size, to_step, from + (ptrdiff_t)c * from_step, element, rows,
                          size);
    for (size_t n, c, end; whole && rows > 0;
         rows -= n, to += (ptrdiff_t)n * to_step, from += n * size) {
        n = rows < SQUARE ? rows : SQUARE;
        end = n == SQUARE || more || whole < columns ? whole : whole - SQUARE;
        if (from_step < (ptrdiff_t)(SQUARE - n) * element)
            end = 0;
        for (c = 0; c < end; c += SQUARE)
            turn_square(to + c * size, to_step, from + (ptrdiff_t)c * from_step, from_step, n);
        if (end < whole)
            turn_rows(to + end * size, to_step, from + (ptrdiff_t)end * from_step, from_step, n,
                      whole - end, size);
    }
}

/* In tiles that keep both sides in the first-level cache. */
void infer_turn(char *to, ptrdiff_t to_step, const char *from, ptrdiff_t from_step, size_t rows,
                size_t columns, size_t size) {
    for (size_t r = 0; r < rows; r += TILE) {
        size_t nr = rows - r < TILE ? rows - r : TILE;
        for (size_t c = 0; c < columns; c += TILE) {
            size_t nc = columns - c < TILE ? columns - c : TILE;
            turn_tile(to + (ptrdiff_t)r * to_step + (ptrdiff_t)(c * size), to_step,
                      from + r * size + (ptrdiff_t)c * from_step, from_step, nr, nc, size,
                      c + nc < columns);
        }
    }
}

typedef struct axis {
    int64_t n;
    ptrdiff_t from, to; /* bytes to the next */
} axis;

/* Axes without extent go, axes that run on from one another become one. */
static int32_t merge_axes(int32_t rank, const int64_t *dim, const int64_t *stride, size_t size,
                          axis *axes) {
    int32_t n = 0;
    for (int32_t i = 0; i < rank; i++) {
        if (dim[i] == 1)
            continue;
        if (n > 0 && axes[n - 1].from == dim[i] * stride[i]) {
            axes[n - 1].n *= dim[i];
            axes[n - 1].from = (ptrdiff_t)stride[i];
        } else {
            axes[n++] = (axis){dim[i], (ptrdiff_t)stride[i], 0};
        }
    }
    ptrdiff_t step = (ptrdiff_t)size;
    for (int32_t i = n; i-- > 0; step *= axes[i].n)
        axes[i].to = step;
    return n;
}

void infer_copy_strided(void *dst, const void *src, int32_t rank, const int64_t *dim,
                        const int64_t *stride, size_t size) {
    for (int32_t i = 0; i < rank; i++)
        if (dim[i] == 0)
            return;
    axis axes[INFER_MAX_RANK + 1];
    int32_t n = merge_axes(rank, dim, stride, size, axes);
    if (n > 0 && axes[n - 1].from == (ptrdiff_t)size)
        size *= (size_t)axes[--n].n; /* a whole run is one piece */
    if (n == 0) {
        memcpy(dst, src, size);
        return;
    }
    axis inner = axes[--n];
    /* An axis along which the source is contiguous makes a matrix of it and the inner one, where it
     * is long enough for that to pay. */
    axis across = {1, 0, 0};
    for (int32_t i = 0; i < n && inner.from != 0; i++) {
        if (axes[i].from != (ptrdiff_t)size || axes[i].n < 2)
            continue;
        across = axes[i];
        memmove(axes + i, axes + i + 1, (size_t)(n - i - 1) * sizeof *axes);
        n--;
        break;
    }
    int64_t index[INFER_MAX_RANK] = {0};
    char *to = dst;
    const char *from = src;
    for (;;) {
        if (across.n > 1)
            infer_turn(to, across.to, from, inner.from, (size_t)across.n, (size_t)inner.n, size);
        else if (inner.from == 0) /* the innermost axis of dst: the next lies behind it */
            infer_fill(to, from, (size_t)inner.n, size);
        else
            infer_copy_pieces(to, inner.to, from, inner.from, (size_t)inner.n, size);
        int32_t i = n;
        while (i-- > 0) {
            to += axes[i].to;
            from += axes[i].from;
            if (++index[i] < axes[i].n)
                break;
            to -= axes[i].to * axes[i].n;
            from -= axes[i].from * axes[i].n;
            index[i] = 0;
        }
        if (i < 0)
            return;
    }
}

/* ---- Transpose ---- */

typedef struct transpose_params {
    infer_list perm;
} transpose_params;

static const infer_op_attr transpose_attrs[] = {A_LIST(transpose_params, perm, INTS)};

/* perm as given, or the axes reversed. */
static infer_status read_perm(infer_op_env *env, int32_t rank, int32_t *perm) {
    const transpose_params *p = env->params;
    if (p->perm.type == INFER_TYPE_UNDEFINED) {
        for (int32_t i = 0; i < rank; i++)
            perm[i] = rank - 1 - i;
        return INFER_OK;
    }
    if (p->perm.count != (uint64_t)rank)
        return infer_fail(INFER_ERROR_SHAPE, "perm has %llu entries for rank %d",
                          (unsigned long long)p->perm.count, (int)rank);
    const int64_t *list = infer_list_data(env, &p->perm);
    uint32_t seen = 0;
    for (int32_t i = 0; i < rank; i++) {
        if (list[i] < 0 || list[i] >= rank || seen >> list[i] & 1)
            return infer_fail(INFER_ERROR_VALUE, "perm is no permutation of %d axes", (int)rank);
        seen |= 1u << list[i];
        perm[i] = (int32_t)list[i];
    }
    return INFER_OK;
}

static infer_status transpose_infer(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_view spare, *y = infer_out(env, 0, x->type, x->rank, &spare);
    if (x->rank < 0)
        return INFER_OK;
    int32_t perm[INFER_MAX_RANK];
    INFER_TRY(read_perm(env, x->rank, perm));
    for (int32_t i = 0; i < x->rank; i++)
        y->dim[i] = x->dim[perm[i]];
    return INFER_OK;
}

typedef struct transpose_work {
    const infer_view *x, *y;
    infer_rows rows; /* of y */
    size_t parts, size;
    int64_t stride[INFER_MAX_RANK]; /* of y's axes in x, in bytes */
} transpose_work;

static void transpose_part(void *arg, size_t part, size_t worker) {
    const transpose_work *w = arg;
    size_t first, end;
    (void)worker;
    infer_part(w->rows.count, 1, w->parts, part, &first, &end);
    const infer_view y = infer_rows_cut(w->y, w->y, w->rows, first, end);
    const char *from = w->x->data;
    if (w->rows.axis < y.rank)
        from += (int64_t)first * w->stride[w->rows.axis];
    infer_copy_strided(y.data, from, y.rank, y.dim, w->stride, w->size);
}

static infer_status transpose_run(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    int32_t perm[INFER_MAX_RANK];
    INFER_TRY(read_perm(env, x->rank, perm));
    transpose_work w = {
        .x = x, .y = y, .rows = infer_rows_of(y), .size = infer_type_size((infer_type)x->type)};
    int64_t from[INFER_MAX_RANK], step = (int64_t)w.size;
    for (int32_t i = x->rank; i-- > 0; step *= x->dim[i])
        from[i] = step;
    for (int32_t i = 0; i < x->rank; i++)
        w.stride[i] = from[perm[i]];
    const double row = (double)infer_view_count(y) / (double)w.rows.count;
    w.parts = infer_parts(env, w.rows.count, row);
    infer_parallel(env, w.parts, transpose_part, &w);
    return INFER_OK;
}

const infer_op infer_op_transpose = {
    .domain = "",
    .name = "Transpose",
    .since = 1,
    .newest = 27,
    .params_size = sizeof(transpose_params),
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 1,
    .attr_count = 1,
    .attrs = transpose_attrs,
    .types = {T_ALL},
    .infer = transpose_infer,
    .run = transpose_run,
};
