/* Einsum: sums of products over labelled axes. Inputs are contracted one after another, each pair
 * as a batch of matrix products; a walk over the steps without data tells how much scratch they
 * need. */
#include "axes.h"
#include "checked.h"
#include "chunk.h"
#include "movement.h"
#include "op.h"
#include "product.h"
#include "status.h"

#include <string.h>

typedef struct einsum_params {
    infer_list equation;
} einsum_params;

static const infer_op_attr einsum_attrs[] = {
    {"equation", INFER_ATTR_STRING, true, offsetof(einsum_params, equation), 0, ""}};

/* ---- the equation ---- */

/* Labels in the order of an output that is not given: axes of the ellipsis, A-Z, a-z. */
#define ELLIPSIS_LABELS INFER_MAX_RANK
#define LABELS          (ELLIPSIS_LABELS + 52)

typedef struct label_list {
    int32_t count; /* -1: the ellipsis has an unknown number */
    uint8_t label[INFER_MAX_RANK];
} label_list;

typedef struct parser {
    const char *at, *end;
} parser;

static int next_char(parser *p) {
    while (p->at < p->end && *p->at == ' ')
        p->at++;
    return p->at < p->end ? (unsigned char)*p->at : -1;
}

static bool take_text(parser *p, const char *text) {
    size_t n = strlen(text);
    if (next_char(p) != text[0] || (size_t)(p->end - p->at) < n || memcmp(p->at, text, n) != 0)
        return false;
    p->at += n;
    return true;
}

static infer_status add_label(label_list *list, size_t label) {
    if (list->count == INFER_MAX_RANK)
        return infer_fail(INFER_ERROR_VALUE, "the equation has too many axes");
    list->label[list->count++] = (uint8_t)label;
    return INFER_OK;
}

/* One term. ellipsis: how many axes it stands for; -1 where that is not known. */
static infer_status read_term(parser *p, int32_t ellipsis, bool *dots, label_list *list) {
    bool unknown = false;
    list->count = 0;
    *dots = false;
    for (int c; (c = next_char(p)) >= 0;) {
        if (c == '.') {
            if (*dots || !take_text(p, "..."))
                return infer_fail(INFER_ERROR_VALUE, "a misplaced dot in the equation");
            *dots = true;
            unknown = ellipsis < 0;
            for (int32_t i = 0; i < ellipsis; i++)
                INFER_TRY(add_label(list, (size_t)(ELLIPSIS_LABELS - ellipsis + i)));
        } else if (c >= 'A' && c <= 'Z') {
            p->at++;
            INFER_TRY(add_label(list, (size_t)(ELLIPSIS_LABELS + c - 'A')));
        } else if (c >= 'a' && c <= 'z') {
            p->at++;
            INFER_TRY(add_label(list, (size_t)(ELLIPSIS_LABELS + 26 + c - 'a')));
        } else {
            break;
        }
    }
    if (unknown)
        list->count = -1;
    return INFER_OK;
}

/* Axes of an input that the term's letters do not name. */
static infer_status ellipsis_of(parser p, const infer_view *x, int32_t *axes) {
    label_list list;
    bool dots;
    *axes = -1;
    INFER_TRY(read_term(&p, 0, &dots, &list));
    if (x->rank < 0)
        return INFER_OK;
    *axes = x->rank - list.count;
    if (*axes < 0 || (!dots && *axes > 0))
        return infer_fail(INFER_ERROR_SHAPE, "a term of %d axes for an input of rank %d",
                          (int)list.count, (int)x->rank);
    return INFER_OK;
}

typedef struct equation {
    parser terms; /* the text; inputs are read from it one after another */
    label_list out;
    int64_t extent[LABELS]; /* -1: not known */
    uint32_t last[LABELS];  /* number of the last input that has the label, plus one */
} equation;

/* What input number i adds to the extents. */
static infer_status add_extents(equation *e, uint32_t i, const infer_view *x,
                                const label_list *list) {
    for (int32_t a = 0; a < list->count; a++) {
        size_t label = list->label[a];
        int64_t n = x->rank < 0 ? -1 : x->dim[a], *have = &e->extent[label];
        if (!e->last[label] || *have == 1)
            *have = n;
        else if (n != 1 && n >= 0 && *have >= 0 && n != *have)
            return infer_fail(INFER_ERROR_SHAPE, "an axis has extents %lld and %lld",
                              (long long)*have, (long long)n);
        else if (*have < 0 && n > 1)
            *have = n;
        e->last[label] = i + 1;
    }
    return INFER_OK;
}

/* Without an arrow: the ellipsis, then letters that stand there once, sorted. */
static infer_status implicit_output(equation *e, const uint32_t *times, bool unknown) {
    e->out.count = 0;
    for (size_t label = 0; label < LABELS; label++)
        if (label < ELLIPSIS_LABELS ? times[label] > 0 : times[label] == 1)
            INFER_TRY(add_label(&e->out, label));
    if (unknown)
        e->out.count = -1;
    return INFER_OK;
}

static infer_status explicit_output(equation *e, parser *p, int32_t ellipsis) {
    bool dots;
    uint8_t seen[LABELS] = {0};
    INFER_TRY(read_term(p, ellipsis, &dots, &e->out));
    for (int32_t i = 0; i < e->out.count; i++) {
        size_t label = e->out.label[i];
        if (seen[label]++ || !e->last[label])
            return infer_fail(INFER_ERROR_VALUE, "the output has an axis twice, or one of its own");
    }
    return INFER_OK;
}

static infer_status read_equation(infer_op_env *env, equation *e) {
    const einsum_params *params = env->params;
    const char *text = params->equation.count ? infer_list_data(env, &params->equation) : "";
    parser p = {text, text + params->equation.count};
    uint32_t times[LABELS] = {0};
    int32_t widest = 0;
    bool unknown = false;
    e->terms = p;
    memset(e->last, 0, sizeof e->last);
    for (size_t i = 0; i < LABELS; i++)
        e->extent[i] = 1;
    for (uint32_t i = 0; i < env->in_count; i++) {
        label_list list;
        int32_t axes;
        bool dots;
        if (!env->in[i])
            return infer_fail(INFER_ERROR_FORMAT, "input %u is absent", i);
        if (i > 0 && !take_text(&p, ","))
            return infer_fail(INFER_ERROR_VALUE, "the equation has %u terms for %u inputs", i,
                              env->in_count);
        INFER_TRY(ellipsis_of(p, env->in[i], &axes));
        INFER_TRY(read_term(&p, axes, &dots, &list));
        unknown = unknown || (dots && axes < 0);
        widest = dots && axes > widest ? axes : widest;
        INFER_TRY(add_extents(e, i, env->in[i], &list));
        for (int32_t a = 0; a < list.count; a++)
            times[list.label[a]]++;
    }
    if (take_text(&p, "->"))
        INFER_TRY(explicit_output(e, &p, unknown ? -1 : widest));
    else
        INFER_TRY(implicit_output(e, times, unknown));
    if (next_char(&p) >= 0)
        return infer_fail(INFER_ERROR_VALUE, "the equation does not end where its terms do");
    return INFER_OK;
}

/* ---- tensors while they are contracted ---- */

/* Axes have labels and strides; every label once, no extent of 1. */
typedef struct operand {
    infer_type type;
    const void *data;
    int32_t rank;
    uint8_t label[INFER_MAX_RANK];
    int64_t dim[INFER_MAX_RANK], stride[INFER_MAX_RANK]; /* in bytes */
} operand;

typedef struct work {
    infer_op_env *env;
    const equation *e;
    infer_type type; /* that is computed in: float, double or int64 */
    char *scratch;   /* NULL: only sizes are asked for */
    size_t used;
} work;

static infer_status take_scratch(work *w, int64_t count, size_t size, void **out) {
    size_t bytes, at = w->used;
    *out = NULL;
    if (!infer_mul((size_t)count, size, &bytes) || !infer_round_up(bytes, 64, &bytes) ||
        !infer_add(at, bytes, &w->used))
        return infer_fail(INFER_ERROR_SHAPE, "the sums do not fit memory");
    *out = w->scratch ? w->scratch + at : NULL;
    return INFER_OK;
}

static int32_t axis_of(const operand *t, size_t label) {
    for (int32_t i = 0; i < t->rank; i++)
        if (t->label[i] == label)
            return i;
    return -1;
}

/* An input, its repeated labels made diagonals. */
static infer_status read_operand(const infer_view *x, const label_list *list, operand *t) {
    *t = (operand){.type = (infer_type)x->type, .data = x->data};
    int64_t step = (int64_t)infer_type_size(t->type), stride[INFER_MAX_RANK];
    for (int32_t i = x->rank; i-- > 0; step *= x->dim[i])
        stride[i] = step;
    for (int32_t i = 0; i < x->rank; i++) {
        int32_t same = axis_of(t, list->label[i]);
        if (same >= 0 && t->dim[same] != x->dim[i])
            return infer_fail(INFER_ERROR_SHAPE, "a diagonal of extents %lld and %lld",
                              (long long)t->dim[same], (long long)x->dim[i]);
        if (same >= 0) {
            t->stride[same] += stride[i];
            continue;
        }
        t->label[t->rank] = list->label[i];
        t->dim[t->rank] = x->dim[i];
        t->stride[t->rank++] = stride[i];
    }
    int32_t kept = 0;
    for (int32_t i = 0; i < t->rank; i++) {
        if (t->dim[i] == 1)
            continue;
        t->label[kept] = t->label[i];
        t->dim[kept] = t->dim[i];
        t->stride[kept++] = t->stride[i];
    }
    t->rank = kept;
    return INFER_OK;
}

static bool is_dense(const operand *t) {
    int64_t step = (int64_t)infer_type_size(t->type);
    for (int32_t i = t->rank; i-- > 0; step *= t->dim[i])
        if (t->stride[i] != step)
            return false;
    return true;
}

static int64_t count_of(const operand *t) {
    int64_t n = 1;
    for (int32_t i = 0; i < t->rank; i++)
        n *= t->dim[i];
    return n;
}

static void set_dense(operand *t) {
    int64_t step = (int64_t)infer_type_size(t->type);
    for (int32_t i = t->rank; i-- > 0; step *= t->dim[i])
        t->stride[i] = step;
}

/* n numbers of any type into the type that is computed in. */
static void widen(const work *w, infer_type type, const void *from, void *to, size_t n) {
    for (size_t at = 0; at < n; at += INFER_CHUNK) {
        infer_chunk chunk;
        size_t m = n - at < INFER_CHUNK ? n - at : INFER_CHUNK, size = infer_type_size(w->type);
        const void *wide = infer_load_wide(type, from, at, m, &chunk);
        memcpy((char *)to + at * size, wide, m * size);
    }
}

/* The operand with its axes in this order, contiguous, in the type that is computed in. */
static infer_status arrange(work *w, operand *t, const uint8_t *order) {
    operand from = *t;
    for (int32_t i = 0; i < t->rank; i++) {
        int32_t axis = axis_of(&from, order[i]);
        t->label[i] = order[i];
        t->dim[i] = from.dim[axis];
        t->stride[i] = from.stride[axis];
    }
    void *room;
    int64_t count = count_of(t);
    if (!is_dense(t)) {
        size_t size = infer_type_size(t->type);
        INFER_TRY(take_scratch(w, count, size, &room));
        if (w->scratch)
            infer_copy_strided(room, t->data, t->rank, t->dim, t->stride, size);
        t->data = room;
        set_dense(t);
    }
    if (t->type != w->type) {
        INFER_TRY(take_scratch(w, count, infer_type_size(w->type), &room));
        if (w->scratch)
            widen(w, t->type, t->data, room, (size_t)count);
        t->data = room;
        t->type = w->type;
        set_dense(t);
    }
    return INFER_OK;
}

/* ---- sums ---- */

#define SUM_ROWS(suffix, ctype, sum)                                                               \
    static void sum_rows_##suffix(const ctype *x, ctype *y, size_t rows, size_t n) {               \
        for (size_t r = 0; r < rows; r++, x += n) {                                                \
            sum total = 0;                                                                         \
            for (size_t i = 0; i < n; i++)                                                         \
                total += (sum)x[i];                                                                \
            y[r] = (ctype)total;                                                                   \
        }                                                                                          \
    }
SUM_ROWS(float, float, double)
SUM_ROWS(double, double, double)
SUM_ROWS(int, uint64_t, uint64_t)

/* Sums out what neither the other operand nor anything after it needs. */
static infer_status sum_out(work *w, operand *t, const uint8_t *needed) {
    uint8_t order[INFER_MAX_RANK];
    int32_t kept = 0, at = 0;
    int64_t n = 1;
    for (int32_t i = 0; i < t->rank; i++)
        if (needed[t->label[i]])
            order[at++] = t->label[i];
    kept = at;
    for (int32_t i = 0; i < t->rank; i++)
        if (!needed[t->label[i]]) {
            order[at++] = t->label[i];
            n *= t->dim[i];
        }
    if (kept == t->rank)
        return INFER_OK;
    INFER_TRY(arrange(w, t, order));
    int64_t rows = count_of(t) / n;
    void *room;
    INFER_TRY(take_scratch(w, rows, infer_type_size(w->type), &room));
    if (w->scratch && w->type == INFER_TYPE_FLOAT)
        sum_rows_float(t->data, room, (size_t)rows, (size_t)n);
    else if (w->scratch && w->type == INFER_TYPE_DOUBLE)
        sum_rows_double(t->data, room, (size_t)rows, (size_t)n);
    else if (w->scratch)
        sum_rows_int(t->data, room, (size_t)rows, (size_t)n);
    t->data = room;
    t->rank = kept;
    set_dense(t);
    return INFER_OK;
}

/* ---- a pair ---- */

typedef struct pair {
    int64_t batch, m, n, k;
} pair;

/* Each c[b] = the sum of a[b][i] * b[b][i]. */
static void dots(const work *w, const void *a, const void *b, void *c, pair s) {
    size_t k = (size_t)s.k;
    for (size_t i = 0; i < (size_t)s.batch; i++) {
        if (w->type == INFER_TYPE_FLOAT && k > 1) {
            ((float *)c)[i] =
                w->env->kernels->dot_f32((const float *)a + i * k, (const float *)b + i * k, k);
        } else if (w->type == INFER_TYPE_FLOAT) {
            ((float *)c)[i] = ((const float *)a)[i] * ((const float *)b)[i];
        } else if (w->type == INFER_TYPE_DOUBLE) {
            ((double *)c)[i] =
                w->env->kernels->dot_f64((const double *)a + i * k, (const double *)b + i * k, k);
        } else {
            uint64_t sum = 0;
            for (size_t j = 0; j < k; j++)
                sum += ((const uint64_t *)a)[i * k + j] * ((const uint64_t *)b)[i * k + j];
            ((uint64_t *)c)[i] = sum;
        }
    }
}

/* A lies as [batch][m][k], B as [batch][n][k], C becomes [batch][m][n]. */
static infer_status multiply(work *w, const operand *a, const operand *b, void *c, pair s) {
    if (s.m == 1 && s.n == 1) {
        if (w->scratch)
            dots(w, a->data, b->data, c, s);
        return INFER_OK;
    }
    infer_product p = {
        .type = w->type, .m = (size_t)s.m, .n = (size_t)s.n, .k = (size_t)s.k, .trans_b = true};
    void *room;
    INFER_TRY(infer_product_plan(&p));
    INFER_TRY(take_scratch(w, (int64_t)p.scratch, 1, &room));
    if (!w->scratch)
        return INFER_OK;
    size_t size = infer_type_size(w->type);
    for (size_t i = 0; i < (size_t)s.batch; i++) {
        infer_product_set_b(&p, (const char *)b->data + i * p.n * p.k * size, room);
        infer_product_run(&p, w->env, (const char *)a->data + i * p.m * p.k * size,
                          (char *)c + i * p.m * p.n * size, room);
    }
    return INFER_OK;
}

/* Labels of t that stand in both or in t alone, and that are needed or not, behind *at of order. */
static int64_t gather_labels(const operand *t, const operand *other, const uint8_t *needed,
                             bool shared, bool kept, uint8_t *order, int32_t *at) {
    int64_t n = 1;
    for (int32_t i = 0; i < t->rank; i++) {
        size_t label = t->label[i];
        if ((axis_of(other, label) >= 0) != shared || (needed[label] != 0) != kept)
            continue;
        order[(*at)++] = (uint8_t)label;
        n *= t->dim[i];
    }
    return n;
}

/* a becomes the contraction of a and b: what is not needed is summed up. */
static infer_status contract(work *w, operand *a, operand *b, const uint8_t *needed) {
    uint8_t wanted[LABELS], order_a[INFER_MAX_RANK], order_b[INFER_MAX_RANK];
    for (size_t i = 0; i < LABELS; i++)
        wanted[i] = needed[i] || axis_of(b, i) >= 0;
    INFER_TRY(sum_out(w, a, wanted));
    for (size_t i = 0; i < LABELS; i++)
        wanted[i] = needed[i] || axis_of(a, i) >= 0;
    INFER_TRY(sum_out(w, b, wanted));
    int32_t at_a = 0, at_b = 0;
    pair s;
    s.batch = gather_labels(a, b, needed, true, true, order_a, &at_a);
    memcpy(order_b, order_a, (size_t)at_a);
    at_b = at_a;
    s.m = gather_labels(a, b, needed, false, true, order_a, &at_a);
    int32_t kept_a = at_a, batches = at_b;
    s.n = gather_labels(b, a, needed, false, true, order_b, &at_b);
    int32_t kept_b = at_b;
    s.k = gather_labels(a, b, needed, true, false, order_a, &at_a);
    memcpy(order_b + at_b, order_a + kept_a, (size_t)(at_a - kept_a));
    if (kept_a + kept_b - batches > INFER_MAX_RANK)
        return infer_fail(INFER_ERROR_UNSUPPORTED, "a contraction has more than %d axes",
                          INFER_MAX_RANK);
    INFER_TRY(arrange(w, a, order_a));
    INFER_TRY(arrange(w, b, order_b));
    operand c = {.type = w->type};
    for (int32_t i = 0; i < kept_a; i++, c.rank++) {
        c.label[c.rank] = a->label[i];
        c.dim[c.rank] = a->dim[i];
    }
    for (int32_t i = batches; i < kept_b; i++, c.rank++) {
        c.label[c.rank] = b->label[i];
        c.dim[c.rank] = b->dim[i];
    }
    set_dense(&c);
    void *room;
    int64_t rows, count;
    if (__builtin_mul_overflow(s.batch, s.m, &rows) || __builtin_mul_overflow(rows, s.n, &count))
        return infer_fail(INFER_ERROR_SHAPE, "the products do not fit memory");
    INFER_TRY(take_scratch(w, count, infer_type_size(w->type), &room));
    c.data = room;
    INFER_TRY(multiply(w, a, b, room, s));
    *a = c;
    return INFER_OK;
}

/* ---- the whole ---- */

/* The output: axes in its order, those that were of extent 1 in every input repeated, narrowed. */
static infer_status finish(work *w, const operand *t) {
    const infer_view *x = w->env->in[0];
    infer_view *y = w->env->out[0];
    int64_t stride[INFER_MAX_RANK], dim[INFER_MAX_RANK], count = 1;
    int32_t rank = w->e->out.count;
    infer_type type = (infer_type)x->type;
    for (int32_t i = 0; i < rank; i++) {
        size_t label = w->e->out.label[i];
        int32_t axis = axis_of(t, label);
        dim[i] = w->e->extent[label];
        stride[i] = axis < 0 ? 0 : t->stride[axis];
        count *= dim[i];
    }
    size_t size = infer_type_size(t->type);
    if (t->type == type) {
        if (w->scratch)
            infer_copy_strided(y->data, t->data, rank, dim, stride, size);
        return INFER_OK;
    }
    void *room;
    INFER_TRY(take_scratch(w, count, size, &room));
    if (!w->scratch)
        return INFER_OK;
    infer_copy_strided(room, t->data, rank, dim, stride, size);
    if (w->type == INFER_TYPE_FLOAT)
        infer_narrow(type, room, y->data, (size_t)count, false);
    else
        infer_store_int(type, room, y->data, 0, (size_t)count);
    return INFER_OK;
}

static infer_status contract_all(work *w) {
    infer_op_env *env = w->env;
    const equation *e = w->e;
    parser p = e->terms;
    operand sum, next;
    uint8_t needed[LABELS];
    for (uint32_t i = 0; i < env->in_count; i++) {
        label_list list;
        int32_t axes;
        bool dots;
        if (i > 0)
            take_text(&p, ",");
        INFER_TRY(ellipsis_of(p, env->in[i], &axes));
        INFER_TRY(read_term(&p, axes, &dots, &list));
        INFER_TRY(read_operand(env->in[i], &list, i ? &next : &sum));
        for (size_t label = 0; label < LABELS; label++)
            needed[label] = e->last[label] > i + 1;
        for (int32_t a = 0; a < e->out.count; a++)
            needed[e->out.label[a]] = 1;
        if (i == 0)
            INFER_TRY(sum_out(w, &sum, needed));
        else
            INFER_TRY(contract(w, &sum, &next, needed));
    }
    return finish(w, &sum);
}

static infer_type compute_type(infer_type type) {
    infer_type wide = infer_wide_type(type);
    return wide == INFER_TYPE_UINT64 ? INFER_TYPE_INT64 : wide;
}

static infer_status einsum_infer(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_view spare, *y = infer_out(env, 0, x ? x->type : 0, -1, &spare);
    equation e;
    INFER_TRY(read_equation(env, &e));
    bool concrete = e.out.count >= 0, empty = false;
    y->rank = e.out.count;
    for (int32_t i = 0; i < y->rank; i++)
        y->dim[i] = e.extent[e.out.label[i]];
    for (uint32_t i = 0; i < env->in_count; i++) {
        concrete = concrete && infer_view_concrete(env->in[i]);
        empty = empty || infer_view_count(env->in[i]) == 0;
    }
    INFER_TRY(infer_view_check(y, true));
    if (!concrete || empty)
        return INFER_OK;
    work w = {.env = env, .e = &e, .type = compute_type((infer_type)x->type)};
    INFER_TRY(contract_all(&w));
    env->scratch_size = w.used ? w.used : 64;
    return INFER_OK;
}

static infer_status einsum_run(infer_op_env *env) {
    infer_view *y = env->out[0];
    equation e;
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    for (uint32_t i = 0; i < env->in_count; i++)
        if (infer_view_count(env->in[i]) == 0) { /* sums of nothing */
            memset(y->data, 0, infer_view_bytes(y));
            return INFER_OK;
        }
    INFER_TRY(read_equation(env, &e));
    work w = {
        .env = env, .e = &e, .type = compute_type((infer_type)y->type), .scratch = env->scratch};
    return contract_all(&w);
}

const infer_op infer_op_einsum = {
    .domain = "",
    .name = "Einsum",
    .since = 12,
    .newest = 27,
    .params_size = sizeof(einsum_params),
    .min_in = 1,
    .max_in = INFER_VARIADIC,
    .min_out = 1,
    .max_out = 1,
    .attr_count = 1,
    .attrs = einsum_attrs,
    .types = {T_NUMERIC, T_NUMERIC | T_SAME},
    .infer = einsum_infer,
    .run = einsum_run,
};
