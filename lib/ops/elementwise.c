/* Elementwise operators: the walks over their elements, their shapes, their old versions. */
#include "elementwise.h"

#include "broadcast.h"
#include "chunk.h"
#include "share.h"
#include "status.h"

#include <string.h>

/* ---- running ---- */

static bool is_rare(const infer_view *v) {
    return infer_type_kind((infer_type)v->type) == INFER_CLASS_FLOATING &&
           infer_compute_type((infer_type)v->type) != (infer_type)v->type;
}

static size_t chunk_of(size_t left) {
    return left < INFER_CHUNK ? left : INFER_CHUNK;
}

/* What an element of most functions costs. */
#define COST 2

typedef struct unary_work {
    infer_op_env *env;
    infer_unary_loop loop;
    size_t parts;
} unary_work;

static void unary_part(void *arg, size_t part, size_t worker) {
    const unary_work *w = arg;
    const infer_view *x = w->env->in[0], *y = w->env->out[0];
    infer_type type = (infer_type)x->type;
    size_t size = infer_type_size(type), out_size = infer_type_size((infer_type)y->type);
    size_t first, end;
    (void)worker;
    infer_part((size_t)infer_view_count(x), INFER_CHUNK, w->parts, part, &first, &end);
    if (!is_rare(x)) {
        w->loop(w->env, infer_behind(x->data, first * size),
                infer_behind(y->data, first * out_size), end - first);
        return;
    }
    for (size_t i = first; i < end; i += INFER_CHUNK) {
        infer_chunk chunk;
        size_t m = chunk_of(end - i);
        infer_widen(type, (const char *)x->data + i * size, chunk.f, m);
        void *to = (char *)y->data + i * out_size;
        bool same = y->type == x->type;
        w->loop(w->env, chunk.f, same ? chunk.f : to, m);
        if (same)
            infer_narrow(type, chunk.f, to, m, false);
    }
}

infer_status infer_unary_run(infer_op_env *env, infer_unary_loop loop) {
    if (!env->out[0])
        return INFER_OK;
    unary_work w = {env, loop, infer_parts(env, (size_t)infer_view_count(env->in[0]), COST)};
    infer_parallel(env, w.parts, unary_part, &w);
    return INFER_OK;
}

/* One inner loop over elements of a rare type; a and b advance by sa and sb. */
static void rare_run(infer_type type, const char *a, size_t sa, const char *b, size_t sb,
                     const infer_view *out, size_t at, size_t n, infer_binary_loop loop) {
    size_t size = infer_type_size(type);
    for (size_t i = 0; i < n; i += INFER_CHUNK) {
        infer_chunk x, y, z;
        size_t m = chunk_of(n - i);
        infer_widen(type, a + i * sa * size, x.f, sa ? m : 1);
        infer_widen(type, b + i * sb * size, y.f, sb ? m : 1);
        if (out->type == type) {
            loop(x.f, sa, y.f, sb, z.f, m);
            infer_narrow(type, z.f, (char *)out->data + (at + i) * size, m, false);
        } else {
            size_t out_size = infer_type_size((infer_type)out->type);
            loop(x.f, sa, y.f, sb, (char *)out->data + (at + i) * out_size, m);
        }
    }
}

/* Of which operand the inner loop is a short row that the innermost of the outer axes repeats,
 * while the other goes on: 0 or 1, and -1 where none is. */
static int repeated(const infer_broadcast *w, size_t size) {
    const int32_t last = w->rank - 1;
    for (int k = 0; k < 2 && last >= 0 && size <= sizeof(double); k++)
        if (w->step[k] == 1 && w->step[1 - k] == 1 && w->stride[k][last] == 0 &&
            w->stride[1 - k][last] == w->inner && w->inner <= INFER_CHUNK / 4 && w->dim[last] >= 4)
            return k;
    return -1;
}

/* Inner loops over several rows at a time: the row lies in a chunk as often as it fits. */
static void repeat_walk(infer_broadcast *walk, int row, size_t size, const char *a, const char *b,
                        char *y, infer_binary_loop loop) {
    const size_t piece = walk->inner * size, count = walk->dim[--walk->rank];
    const size_t fits = INFER_CHUNK / walk->inner, most = fits < count ? fits : count;
    do {
        const char *from[] = {a + walk->at[0] * size, b + walk->at[1] * size};
        infer_chunk chunk;
        for (size_t i = 0; i < most; i++)
            memcpy((char *)&chunk + i * piece, from[row], piece);
        from[row] = (const char *)&chunk;
        for (size_t i = 0, n; i < count; i += n) {
            n = count - i < most ? count - i : most;
            loop(from[0], 1, from[1], 1, y, n * walk->inner);
            from[1 - row] += n * piece;
            y += n * piece;
        }
    } while (infer_broadcast_next(walk));
}

static void binary_walk(const infer_view *a, const infer_view *b, const infer_view *y,
                        infer_binary_loop loop) {
    const infer_view *const in[] = {a, b};
    infer_type type = (infer_type)a->type;
    size_t size = infer_type_size(type), out_size = infer_type_size((infer_type)y->type), at = 0;
    bool rare = is_rare(a);
    infer_broadcast walk;
    infer_broadcast_begin(&walk, in, 2, y);
    if (walk.empty)
        return;
    const int row = rare || size != out_size ? -1 : repeated(&walk, size);
    if (row >= 0) {
        repeat_walk(&walk, row, size, a->data, b->data, y->data, loop);
        return;
    }
    do {
        const char *from_a = (const char *)a->data + walk.at[0] * size;
        const char *from_b = (const char *)b->data + walk.at[1] * size;
        if (rare)
            rare_run(type, from_a, walk.step[0], from_b, walk.step[1], y, at, walk.inner, loop);
        else
            loop(from_a, walk.step[0], from_b, walk.step[1], (char *)y->data + at * out_size,
                 walk.inner);
        at += walk.inner;
    } while (infer_broadcast_next(&walk));
}

typedef struct binary_work {
    infer_op_env *env;
    infer_binary_loop loop;
    infer_rows rows;
    size_t parts;
} binary_work;

static void binary_part(void *arg, size_t part, size_t worker) {
    const binary_work *w = arg;
    const infer_view *y = w->env->out[0];
    size_t first, end;
    (void)worker;
    infer_part(w->rows.count, 1, w->parts, part, &first, &end);
    infer_view a = infer_rows_cut(w->env->in[0], y, w->rows, first, end);
    infer_view b = infer_rows_cut(w->env->in[1], y, w->rows, first, end);
    infer_view to = infer_rows_cut(y, y, w->rows, first, end);
    binary_walk(&a, &b, &to, w->loop);
}

/* How far an operand goes for each element of y: 1 where it has y's shape, 0 where it is one
 * number, -1 otherwise. Small tensors are many: it is told without a walk. */
static int stride_of(const infer_view *v, const infer_view *y) {
    bool same = v->rank == y->rank, one = v->rank <= y->rank;
    for (int32_t i = 0; (same || one) && i < v->rank; i++) {
        same = same && v->dim[i] == y->dim[i];
        one = one && v->dim[i] == 1;
    }
    return same ? 1 : one ? 0 : -1;
}

infer_status infer_binary_run(infer_op_env *env, infer_binary_loop loop) {
    const infer_view *a = env->in[0], *b = env->in[1];
    const infer_view *y = env->out[0];
    if (!y)
        return INFER_OK;
    size_t n = (size_t)infer_view_count(y);
    if (infer_workers(env) == 1 && n > 0 && (a->type == INFER_TYPE_FLOAT || !is_rare(a))) {
        int sa = stride_of(a, y), sb = stride_of(b, y);
        if (sa >= 0 && sb >= 0) {
            loop(a->data, (size_t)sa, b->data, (size_t)sb, y->data, n);
            return INFER_OK;
        }
    }
    binary_work w = {.env = env, .loop = loop, .parts = 1};
    if (infer_workers(env) > 1 && n > 0) {
        w.rows = infer_rows_of(y);
        w.parts = infer_parts(env, w.rows.count, (double)n / (double)w.rows.count);
    }
    if (w.parts > 1)
        infer_parallel(env, w.parts, binary_part, &w);
    else
        binary_walk(a, b, y, loop);
    return INFER_OK;
}

/* ---- shapes ---- */

infer_status infer_like_first(infer_op_env *env, infer_type type) {
    infer_view *y = env->out[0];
    if (!y)
        return INFER_OK;
    *y = *env->in[0];
    y->data = NULL;
    if (type != INFER_TYPE_UNDEFINED)
        y->type = (uint8_t)type;
    return INFER_OK;
}

infer_status infer_like_input(infer_op_env *env) {
    return infer_like_first(env, INFER_TYPE_UNDEFINED);
}

infer_status infer_like_all(infer_op_env *env, infer_type type) {
    infer_view shape = {.rank = -1};
    INFER_TRY(infer_broadcast_shape(env->in, env->in_count, &shape));
    shape.type = type != INFER_TYPE_UNDEFINED ? (uint8_t)type : env->in[0]->type;
    if (env->out[0])
        *env->out[0] = shape;
    return INFER_OK;
}

/* ---- old versions ---- */

infer_status infer_drop_consumed(infer_rewriter *rw) {
    if (rw->version < 6)
        rw->drop_attr(rw, "consumed_inputs");
    return INFER_OK;
}

static infer_status read_int(infer_rewriter *rw, const char *name, int64_t absent, int64_t *out) {
    const infer_attr *a = rw->attr(rw, name);
    if (a && a->type != INFER_ATTR_INT)
        return infer_fail(INFER_ERROR_FORMAT, "attribute %s has the wrong type (%d)", name,
                          (int)a->type);
    *out = a ? a->i : absent;
    rw->drop_attr(rw, name);
    return INFER_OK;
}

/* Without the attribute broadcast the shapes must be equal. */
static infer_status check_equal(const infer_view *a, const infer_view *b) {
    bool differ = a->rank >= 0 && b->rank >= 0 && a->rank != b->rank;
    for (int32_t i = 0; !differ && i < a->rank && i < b->rank; i++)
        differ = a->dim[i] >= 0 && b->dim[i] >= 0 && a->dim[i] != b->dim[i];
    return differ ? infer_fail(INFER_ERROR_SHAPE, "the shapes differ and broadcast is not set")
                  : INFER_OK;
}

/* B gets axes of extent 1 until its first axis meets the given one of A. */
static infer_status align(infer_rewriter *rw, const infer_view *a, const infer_view *b,
                          int64_t axis) {
    if (a->rank < 0 || b->rank < 0)
        return infer_fail(INFER_ERROR_UNSUPPORTED,
                          "attribute axis needs inputs of a rank that the model tells");
    if (axis < 0 || axis > a->rank - b->rank)
        return infer_fail(INFER_ERROR_VALUE, "axis %lld does not fit ranks %d and %d",
                          (long long)axis, (int)a->rank, (int)b->rank);
    int64_t count = a->rank - axis - b->rank, axes[INFER_MAX_RANK];
    if (count == 0)
        return INFER_OK;
    for (int64_t i = 0; i < count; i++)
        axes[i] = b->rank + i;
    infer_view list = {.type = INFER_TYPE_INT64, .rank = 1, .dim = {count}, .data = axes};
    uint32_t inputs[] = {rw->input(rw, 1), rw->constant(rw, &list)};
    return rw->set_input(rw, 1, rw->add(rw, "", "Unsqueeze", inputs, 2, NULL, 0));
}

infer_status infer_upgrade_broadcast(infer_rewriter *rw) {
    INFER_TRY(infer_drop_consumed(rw));
    if (rw->version >= 7)
        return INFER_OK;
    bool has_axis = rw->attr(rw, "axis") != NULL;
    int64_t broadcast = 0, axis = 0;
    INFER_TRY(read_int(rw, "broadcast", 0, &broadcast));
    INFER_TRY(read_int(rw, "axis", 0, &axis));
    if (rw->input(rw, 0) == INFER_NO_VALUE || rw->input(rw, 1) == INFER_NO_VALUE)
        return infer_fail(INFER_ERROR_FORMAT, "an input is missing");
    infer_view a = *rw->view(rw, rw->input(rw, 0)), b = *rw->view(rw, rw->input(rw, 1));
    if (!broadcast)
        return check_equal(&a, &b);
    return has_axis ? align(rw, &a, &b, axis) : INFER_OK;
}
