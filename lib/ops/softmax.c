/* Softmax, LogSoftmax and Hardmax along any axis. */
#include "axes.h"
#include "checked.h"
#include "chunk.h"
#include "op.h"
#include "scratch.h"
#include "share.h"
#include "status.h"

#include <string.h>

typedef struct softmax_params {
    int64_t axis;
} softmax_params;

static const infer_op_attr softmax_attrs[] = {A_INT(softmax_params, axis, -1)};

#define TILE 16 /* rows that are gathered together where the axis is not the last */

/* ---- old versions ---- */

static infer_status axis_of(infer_rewriter *rw, int64_t *axis) {
    const infer_attr *a = rw->attr(rw, "axis");
    if (a && a->type != INFER_ATTR_INT)
        return infer_fail(INFER_ERROR_FORMAT, "attribute axis has the wrong type (%d)",
                          (int)a->type);
    *axis = a ? a->i : 1;
    return INFER_OK;
}

/* Before version 13 all axes from the given one on are one: flatten, compute, restore the shape. */
static infer_status flat_upgrade(infer_rewriter *rw, const char *op) {
    int64_t axis = 0;
    uint32_t x = rw->input(rw, 0);
    if (rw->version >= 13 || x == INFER_NO_VALUE)
        return INFER_OK;
    INFER_TRY(axis_of(rw, &axis));
    int32_t rank = rw->view(rw, x)->rank;
    if (axis == -1 || (rank > 0 && axis == rank - 1))
        return infer_set_int(rw, "axis", -1);
    infer_attr flat = {.name = "axis", .type = INFER_ATTR_INT, .i = axis};
    infer_attr last = {.name = "axis", .type = INFER_ATTR_INT, .i = -1};
    infer_attr zeros = {.name = "allowzero", .type = INFER_ATTR_INT, .i = 1};
    uint32_t shape = rw->add(rw, "", "Shape", &x, 1, NULL, 0);
    uint32_t y = rw->add(rw, "", "Flatten", &x, 1, &flat, 1);
    y = rw->add(rw, "", op, &y, 1, &last, 1);
    uint32_t inputs[] = {y, shape};
    return rw->replace(rw, 0, rw->add(rw, "", "Reshape", inputs, 2, &zeros, 1));
}

static infer_status softmax_upgrade(infer_rewriter *rw) {
    return flat_upgrade(rw, "Softmax");
}

static infer_status log_softmax_upgrade(infer_rewriter *rw) {
    return flat_upgrade(rw, "LogSoftmax");
}

static infer_status hardmax_upgrade(infer_rewriter *rw) {
    return flat_upgrade(rw, "Hardmax");
}

/* ---- shapes ---- */

/* The extent of the axis and the distance of its elements; a scalar is its own axis. */
static infer_status locate(const infer_view *x, int64_t given, size_t *n, size_t *stride) {
    int32_t axis = 0;
    INFER_TRY(infer_axis(given, x->rank > 0 ? x->rank : 1, &axis));
    *n = x->rank > 0 ? (size_t)x->dim[axis] : 1;
    *stride = x->rank > 0 ? (size_t)infer_span(x, axis + 1, x->rank) : 1;
    return INFER_OK;
}

/* Whether rows can be given to the kernels where they lie. */
static bool is_straight(const infer_view *x, size_t stride) {
    return stride == 1 && (x->type == INFER_TYPE_FLOAT || x->type == INFER_TYPE_DOUBLE);
}

/* Of rows that are gathered. */
static size_t room_element(const infer_view *x) {
    return x->type == INFER_TYPE_DOUBLE ? sizeof(double) : sizeof(float);
}

static infer_status softmax_infer(infer_op_env *env) {
    const softmax_params *p = env->params;
    const infer_view *x = env->in[0];
    if (env->out[0]) {
        *env->out[0] = *x;
        env->out[0]->data = NULL;
    }
    if (x->rank < 0)
        return INFER_OK;
    size_t n = 0, stride = 0;
    INFER_TRY(locate(x, p->axis, &n, &stride));
    if (!infer_view_concrete(x) || is_straight(x, stride))
        return INFER_OK;
    if (!infer_mul(n, TILE * room_element(x), &env->scratch_size) ||
        !infer_mul(env->scratch_size, infer_workers(env), &env->scratch_size))
        return infer_fail(INFER_ERROR_SHAPE, "an axis of %zu elements is too long", n);
    return INFER_OK;
}

/* ---- running ---- */

typedef struct row_kernels {
    void (*f32)(const float *x, float *y, size_t n);
    void (*f64)(const double *x, double *y, size_t n);
    const infer_kernels *together; /* for short rows, or NULL */
} row_kernels;

/* Transposes between `columns` neighbours, `stride` elements apart along the axis, and rows of
 * scratch. */
#define TILE_FUNCTIONS(suffix, ctype)                                                              \
    static void gather_##suffix(const ctype *x, size_t n, size_t stride, size_t columns,           \
                                ctype *rows) {                                                     \
        for (size_t i = 0; i < n; i++)                                                             \
            for (size_t c = 0; c < columns; c++)                                                   \
                rows[c * n + i] = x[i * stride + c];                                               \
    }                                                                                              \
    static void scatter_##suffix(const ctype *rows, size_t n, size_t stride, size_t columns,       \
                                 ctype *y) {                                                       \
        for (size_t i = 0; i < n; i++)                                                             \
            for (size_t c = 0; c < columns; c++)                                                   \
                y[i * stride + c] = rows[c * n + i];                                               \
    }
INFER_FLOAT_TYPES(TILE_FUNCTIONS)

static void gather_rare(infer_type type, const char *x, size_t n, size_t stride, size_t columns,
                        float *rows) {
    float some[TILE];
    size_t size = infer_type_size(type);
    for (size_t i = 0; i < n; i++) {
        infer_widen(type, x + i * stride * size, some, columns);
        for (size_t c = 0; c < columns; c++)
            rows[c * n + i] = some[c];
    }
}

static void scatter_rare(infer_type type, const float *rows, size_t n, size_t stride,
                         size_t columns, char *y) {
    float some[TILE];
    size_t size = infer_type_size(type);
    for (size_t i = 0; i < n; i++) {
        for (size_t c = 0; c < columns; c++)
            some[c] = rows[c * n + i];
        infer_narrow(type, some, y + i * stride * size, columns, false);
    }
}

/* Rows that are shorter than a few vectors: the exponentials of many at once, which no call of a
 * kernel for each row would pay for. */
#define SHORT 8

static void short_rows(const infer_kernels *k, const float *x, float *y, size_t n, size_t rows) {
    const size_t most = INFER_CHUNK / n;
    for (size_t some; rows; rows -= some, x += some * n, y += some * n) {
        float less[INFER_CHUNK];
        some = rows < most ? rows : most;
        for (size_t r = 0; r < some; r++) {
            const float *row = x + r * n;
            float max = row[0];
            for (size_t i = 1; i < n; i++)
                max = row[i] > max ? row[i] : max; /* a NaN shows up in the sum */
            for (size_t i = 0; i < n; i++)
                less[r * n + i] = row[i] - max;
        }
        k->exp_f32(less, less, some * n);
        for (size_t r = 0; r < some; r++) {
            float sum = 0;
            for (size_t i = 0; i < n; i++)
                sum += less[r * n + i];
            for (size_t i = 0; i < n; i++)
                y[r * n + i] = less[r * n + i] / sum;
        }
    }
}

static void rows_f32(row_kernels k, const float *x, float *y, size_t n, size_t rows) {
    if (k.together && n <= SHORT)
        short_rows(k.together, x, y, n, rows);
    else
        for (size_t r = 0; r < rows; r++)
            k.f32(x + r * n, y + r * n, n);
}

static void tile_run(infer_type type, const char *x, char *y, size_t n, size_t stride,
                     size_t columns, void *rows, row_kernels k) {
    if (type == INFER_TYPE_DOUBLE) {
        double *d = rows;
        gather_DOUBLE((const void *)x, n, stride, columns, d);
        for (size_t c = 0; c < columns; c++)
            k.f64(d + c * n, d + c * n, n);
        scatter_DOUBLE(d, n, stride, columns, (void *)y);
        return;
    }
    float *f = rows;
    if (type == INFER_TYPE_FLOAT)
        gather_FLOAT((const void *)x, n, stride, columns, f);
    else
        gather_rare(type, x, n, stride, columns, f);
    rows_f32(k, f, f, n, columns);
    if (type == INFER_TYPE_FLOAT)
        scatter_FLOAT(f, n, stride, columns, (void *)y);
    else
        scatter_rare(type, f, n, stride, columns, y);
}

/* Rows that lie as they are. */
typedef struct rows_job {
    const infer_op_env *env;
    row_kernels k;
    size_t n, rows, parts;
} rows_job;

static void rows_part(void *arg, size_t part, size_t worker) {
    const rows_job *j = arg;
    const infer_view *x = j->env->in[0], *y = j->env->out[0];
    size_t first, end;
    (void)worker;
    infer_part(j->rows, 1, j->parts, part, &first, &end);
    if (x->type == INFER_TYPE_FLOAT)
        rows_f32(j->k, (const float *)x->data + first * j->n, (float *)y->data + first * j->n, j->n,
                 end - first);
    else
        for (size_t at = first * j->n; at < end * j->n; at += j->n)
            j->k.f64((const double *)x->data + at, (double *)y->data + at, j->n);
}

/* Rows across others: tiles of neighbours. */
typedef struct tiles_job {
    const infer_op_env *env;
    row_kernels k;
    size_t n, stride, room; /* room: bytes of a worker's rows */
    size_t across, tiles, parts;
} tiles_job;

static void tiles_part(void *arg, size_t part, size_t worker) {
    const tiles_job *j = arg;
    const infer_view *x = j->env->in[0], *y = j->env->out[0];
    const size_t size = infer_type_size((infer_type)x->type);
    size_t tile, end;
    infer_part(j->tiles, 1, j->parts, part, &tile, &end);
    for (; tile < end; tile++) {
        const size_t c = tile % j->across * TILE, at = tile / j->across * j->n * j->stride + c;
        tile_run((infer_type)x->type, (const char *)x->data + at * size,
                 (char *)y->data + at * size, j->n, j->stride,
                 j->stride - c < TILE ? j->stride - c : TILE,
                 infer_scratch_at(j->env->scratch, worker * j->room), j->k);
    }
}

static infer_status run_rows(infer_op_env *env, row_kernels k) {
    const softmax_params *p = env->params;
    const infer_view *x = env->in[0];
    size_t n = 0, stride = 0;
    if (!env->out[0])
        return INFER_OK;
    INFER_TRY(locate(x, p->axis, &n, &stride));
    size_t count = (size_t)infer_view_count(x);
    if (count == 0)
        return INFER_OK;
    if (is_straight(x, stride)) {
        rows_job job = {.env = env, .k = k, .n = n, .rows = count / n};
        job.parts = infer_parts(env, job.rows, 2 * (double)n);
        infer_parallel(env, job.parts, rows_part, &job);
        return INFER_OK;
    }
    tiles_job job = {.env = env, .k = k, .n = n, .stride = stride};
    job.room = n * TILE * room_element(x);
    job.across = stride / TILE + (stride % TILE != 0);
    job.tiles = count / (n * stride) * job.across;
    job.parts =
        infer_parts(env, job.tiles, 4 * (double)n * (double)(stride < TILE ? stride : TILE));
    infer_parallel(env, job.parts, tiles_part, &job);
    return INFER_OK;
}

static infer_status softmax_run(infer_op_env *env) {
    return run_rows(
        env, (row_kernels){env->kernels->softmax_f32, env->kernels->softmax_f64, env->kernels});
}

static infer_status log_softmax_run(infer_op_env *env) {
    return run_rows(
        env, (row_kernels){env->kernels->log_softmax_f32, env->kernels->log_softmax_f64, NULL});
}

/* 1 where the first of the largest elements stands, a NaN being larger than numbers; else 0. */
#define HARDMAX_ROW(suffix, ctype)                                                                 \
    static void hardmax_##suffix(const ctype *x, ctype *y, size_t n) {                             \
        size_t best = 0;                                                                           \
        for (size_t i = 1; i < n; i++)                                                             \
            if (x[i] > x[best] || (x[i] != x[i] && x[best] == x[best]))                            \
                best = i;                                                                          \
        for (size_t i = 0; i < n; i++)                                                             \
            y[i] = i == best;                                                                      \
    }
INFER_FLOAT_TYPES(HARDMAX_ROW)

static infer_status hardmax_run(infer_op_env *env) {
    return run_rows(env, (row_kernels){hardmax_FLOAT, hardmax_DOUBLE, NULL});
}

#define SOFTMAX_OP(op_name, snake)                                                                 \
    const infer_op infer_op_##snake = {                                                            \
        .domain = "",                                                                              \
        .name = op_name,                                                                           \
        .since = 1,                                                                                \
        .newest = 27,                                                                              \
        .params_size = sizeof(softmax_params),                                                     \
        .min_in = 1,                                                                               \
        .max_in = 1,                                                                               \
        .min_out = 1,                                                                              \
        .max_out = 1,                                                                              \
        .flags = INFER_OP_INPLACE,                                                                 \
        .attr_count = 1,                                                                           \
        .attrs = softmax_attrs,                                                                    \
        .types = {T_FLOAT},                                                                        \
        .upgrade = snake##_upgrade,                                                                \
        .infer = softmax_infer,                                                                    \
        .run = snake##_run,                                                                        \
    };
SOFTMAX_OP("Softmax", softmax)
SOFTMAX_OP("LogSoftmax", log_softmax)
SOFTMAX_OP("Hardmax", hardmax)
