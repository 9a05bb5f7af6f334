/* RNN, LSTM and GRU, but for the cells (rnn.inc.h). */
#include "rnn.h"

#include "axes.h"
#include "bytes.h"
#include "checked.h"
#include "pack.h"
#include "product.h"
#include "scratch.h"
#include "share.h"
#include "status.h"
#include "widen.h"

#include <string.h>
#include <strings.h>
#include <tgmath.h>

#define CHUNK_ROWS 256 /* inputs that are multiplied together */

enum direction { FORWARD, REVERSE, BIDIRECTIONAL };

typedef struct rnn_params {
    infer_list activations, activation_alpha, activation_beta;
    int64_t hidden_size, direction, layout, input_forget, linear_before_reset;
    float clip, reserved;
} rnn_params;

#define RNN_ATTRS_OF                                                                               \
    A_LIST(rnn_params, activations, STRINGS), A_LIST(rnn_params, activation_alpha, FLOATS),        \
        A_LIST(rnn_params, activation_beta, FLOATS), A_INT(rnn_params, hidden_size, 0),            \
        A_ENUM(rnn_params, direction, FORWARD, "forward|reverse|bidirectional"),                   \
        A_FLOAT(rnn_params, clip, 0)
#define RNN_ATTRS RNN_ATTRS_OF, A_INT(rnn_params, layout, 0)

static const infer_op_attr rnn_attrs[] = {RNN_ATTRS};
static const infer_op_attr lstm_attrs[] = {RNN_ATTRS, A_INT(rnn_params, input_forget, 0)};
static const infer_op_attr gru_attrs[] = {RNN_ATTRS, A_INT(rnn_params, linear_before_reset, 0)};
static const infer_op_attr bytes_attrs[] = {RNN_ATTRS_OF, A_INT(rnn_params, input_forget, 0)};

/* Inputs. */
enum { X, W, R, B, LENGTHS, INITIAL_H, INITIAL_C, P };

static const size_t gates_of[] = {1, 4, 3}, functions_of[] = {1, 3, 2};

/* ---- activations ---- */

typedef struct activation_row {
    const char *name;
    bool has_alpha, has_beta;
    float alpha, beta;
} activation_row;

static const activation_row activations[] = {
#define ACTIVATION(name, has_alpha, alpha, has_beta, beta)                                         \
    {#name, has_alpha, has_beta, alpha, beta},
    INFER_RNN_ACTIVATIONS(ACTIVATION)
#undef ACTIVATION
};

static infer_status find_activation(infer_string name, enum infer_rnn_activation *kind) {
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++)
        if (strlen(activations[i].name) == name.size &&
            strncasecmp(activations[i].name, name.data, name.size) == 0) {
            *kind = (enum infer_rnn_activation)i;
            return INFER_OK;
        }
    return infer_fail(INFER_ERROR_VALUE, "the activation %.*s is not known", (int)name.size,
                      name.data);
}

/* alpha and beta are lists for those functions that have them, in order. */
static infer_status read_functions(const infer_op_env *env, infer_rnn *r) {
    const rnn_params *p = env->params;
    const float *alpha = infer_list_data(env, &p->activation_alpha);
    const float *beta = infer_list_data(env, &p->activation_beta);
    uint64_t alphas = 0, betas = 0, count = functions_of[r->cell], given = p->activations.count;
    if (given && given < count * r->directions)
        return infer_fail(INFER_ERROR_VALUE, "%llu activations instead of %llu",
                          (unsigned long long)given, (unsigned long long)(count * r->directions));
    for (uint64_t i = 0; i < count * r->directions; i++) {
        infer_rnn_function *f = &r->functions[i / count][i % count];
        f->kind = i % count == 0 && r->cell != INFER_RNN_PLAIN ? INFER_RNN_Sigmoid : INFER_RNN_Tanh;
        if (given)
            INFER_TRY(find_activation(infer_list_string(env, &p->activations, i), &f->kind));
        const activation_row *row = &activations[f->kind];
        f->alpha =
            row->has_alpha && alphas < p->activation_alpha.count ? alpha[alphas++] : row->alpha;
        f->beta = row->has_beta && betas < p->activation_beta.count ? beta[betas++] : row->beta;
    }
    return INFER_OK;
}

/* ---- shapes ---- */

static int64_t extent(const infer_view *v, int32_t axis) {
    return v->rank == 3 ? v->dim[axis] : -1;
}

/* Weights of 8 bits are transposed. */
static bool has_bytes(const infer_op_env *env) {
    return infer_type_kind((infer_type)env->in[W]->type) != INFER_CLASS_FLOATING;
}

/* Panels of so many columns, -1 where unknown. */
static int64_t panels(int64_t columns) {
    return columns < 0 ? -1 : columns / INFER_PANEL + (columns % INFER_PANEL != 0);
}

/* Of R^T, whose last part is packed apart where GRU multiplies it with something else. */
static int64_t panels_of_r(infer_rnn_cell cell, int64_t hidden) {
    if (hidden < 0)
        return -1;
    return cell == INFER_RNN_GRU ? panels(2 * hidden) + panels(hidden)
                                 : panels((int64_t)gates_of[cell] * hidden);
}

/* Bytes of a direction's packed 8-bit weights; of none where it is not known how many. */
static infer_status packed_bytes(int64_t k, int64_t n, int64_t *bytes) {
    size_t size;
    *bytes = -1;
    if (n < 0 || k < 0)
        return INFER_OK;
    if (!infer_rnn_bytes_size((size_t)k, (size_t)n, &size) || size > INT64_MAX)
        return infer_fail(INFER_ERROR_SHAPE, "the weights do not fit memory");
    *bytes = (int64_t)size;
    return INFER_OK;
}

/* The extents; -1 where unknown. */
typedef struct extents {
    int64_t steps, batch, input, hidden, directions;
} extents;

static infer_status read_extents(const infer_op_env *env, infer_rnn_cell cell, bool packed,
                                 extents *e) {
    const rnn_params *p = env->params;
    const bool bytes = has_bytes(env);
    const size_t gates = gates_of[cell];
    const infer_view *x = env->in[X];
    const int32_t rank = !packed ? 3 : bytes ? 2 : 4;
    if (p->layout != 0 && p->layout != 1)
        return infer_fail(INFER_ERROR_VALUE, "layout is %lld", (long long)p->layout);
    for (uint32_t i = X; i <= R; i++)
        if (env->in[i]->rank >= 0 && env->in[i]->rank != (i == X ? 3 : rank))
            return infer_fail(INFER_ERROR_SHAPE, "input %u has rank %d", i, (int)env->in[i]->rank);
    e->steps = extent(x, p->layout ? 1 : 0);
    e->batch = extent(x, p->layout ? 0 : 1);
    e->input = extent(x, 2);
    e->hidden = rank > 2 && env->in[R]->rank == rank ? env->in[R]->dim[bytes ? 1 : 2] : -1;
    e->directions = p->direction == BIDIRECTIONAL ? 2 : 1;
    if (p->hidden_size && e->hidden >= 0 && p->hidden_size != e->hidden)
        return infer_fail(INFER_ERROR_SHAPE, "hidden_size is %lld, but R has %lld",
                          (long long)p->hidden_size, (long long)e->hidden);
    e->hidden = p->hidden_size ? p->hidden_size : e->hidden;
    if (e->hidden > INT32_MAX || e->hidden < -1)
        return infer_fail(INFER_ERROR_SHAPE, "hidden_size is %lld", (long long)e->hidden);
    int64_t n = e->hidden, d = e->directions, width = n < 0 ? -1 : n * (int64_t)gates;
    int64_t w[] = {d, bytes ? e->input : width, bytes ? width : e->input};
    int64_t r[] = {d, bytes ? n : width, bytes ? width : n}, b[] = {d, n < 0 ? -1 : 2 * width};
    int64_t lengths[] = {e->batch}, peepholes[] = {d, n < 0 ? -1 : 3 * n};
    int64_t state[] = {p->layout ? e->batch : d, p->layout ? d : e->batch, n};
    int64_t packed_w[] = {d, panels(width), e->input, INFER_PANEL};
    int64_t packed_r[] = {d, panels_of_r(cell, n), n, INFER_PANEL};
    if (bytes)
        INFER_TRY(infer_rnn_bytes_check(env, packed, d, width));
    if (bytes && packed) {
        INFER_TRY(packed_bytes(e->input, width, &packed_w[1]));
        INFER_TRY(packed_bytes(n, width, &packed_r[1]));
    }
    INFER_TRY(infer_expect(infer_input(env, W), "W", rank, packed ? packed_w : w));
    INFER_TRY(infer_expect(infer_input(env, R), "R", rank, packed ? packed_r : r));
    INFER_TRY(infer_expect(infer_input(env, B), "B", 2, b));
    INFER_TRY(infer_expect(infer_input(env, LENGTHS), "sequence_lens", 1, lengths));
    INFER_TRY(infer_expect(infer_input(env, INITIAL_H), "initial_h", 3, state));
    INFER_TRY(infer_expect(infer_input(env, INITIAL_C), "initial_c", 3, state));
    return infer_expect(infer_input(env, P), "P", 2, peepholes);
}

/* Room for packed weights: k rows of n columns, and of some more in panels of their own; bytes have
 * the sums of their columns behind them. */
static bool take_weights(infer_rnn *r, bool packs, size_t k, size_t n, size_t more, size_t element,
                         size_t *count, size_t *at) {
    size_t first, last;
    if (!r->bytes)
        return infer_pack_size(k, n, &first) && infer_pack_size(k, more, &last) &&
               infer_add(first, last, count) &&
               infer_scratch_take(&r->size, packs, *count, element, at);
    return infer_rnn_bytes_size(k, n, count) && infer_scratch_take(&r->size, packs, *count, 1, at);
}

/* The greatest common divisor. */
static size_t common(size_t a, size_t b) {
    while (b) {
        size_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* How threads share the work. Directions and groups of samples meet but once, at the end; products
 * that are shared meet at each step, which pays where there are too few of the others. A single
 * sample is multiplied in another order than several, so groups have two or more; a step's bytes
 * have a range of all samples, so they have one group. */
static void share(infer_op_env *env, infer_rnn *r) {
    const size_t workers = infer_workers(env);
    const double width = (double)r->gates * (double)r->hidden, rows = (double)r->batch;
    const double step = infer_product_cost(rows, width, (double)r->hidden);
    const double inputs = infer_product_cost(rows * (double)r->steps, width, (double)r->input);
    r->groups = r->at_once = 1;
    const size_t worth = infer_parts_worth(
        env, (double)r->directions * (inputs + (double)r->steps * step) / (r->bytes ? 4 : 1));
    if (worth == 1)
        return;
    if (r->packed && !r->bytes && r->batch >= 2) {
        size_t wanted = workers / common(workers, r->directions);
        r->groups = wanted < r->batch / 2 ? wanted : r->batch / 2;
    }
    size_t by_step = infer_parts_worth(env, step / (r->bytes ? 4 : 1));
    by_step = by_step < workers ? by_step : workers;
    if (r->directions * r->groups >= by_step)
        r->at_once = r->directions * r->groups;
    else
        r->groups = 1;
}

static infer_status plan(infer_op_env *env, infer_rnn_cell cell, bool packed, const extents *e,
                         infer_rnn *r) {
    const rnn_params *p = env->params;
    size_t element = infer_type_size(infer_widen_type(env)), width, rows, sums_at, batch;
    *r = (infer_rnn){.cell = cell,
                     .gates = gates_of[cell],
                     .directions = (size_t)e->directions,
                     .steps = (size_t)e->steps,
                     .batch = (size_t)e->batch,
                     .input = (size_t)e->input,
                     .hidden = (size_t)e->hidden,
                     .batch_first = p->layout == 1,
                     .reverse = p->direction == REVERSE,
                     .coupled = p->input_forget != 0,
                     .late_reset = p->linear_before_reset != 0,
                     .packed = packed,
                     .bytes = has_bytes(env) ? env : NULL,
                     .clip = p->clip > 0 ? (double)p->clip : (double)INFINITY};
    INFER_TRY(read_functions(env, r));
    width = r->gates * r->hidden;
    r->pack_r = !packed && (r->bytes || r->batch > 1);
    r->pack_w =
        !packed && (r->bytes || r->batch > 2 || r->batch * (r->steps < 3 ? r->steps : 3) > 2);
    share(env, r);
    batch = r->batch / r->groups + (r->batch % r->groups != 0);
    r->chunk = batch && batch < CHUNK_ROWS ? CHUNK_ROWS / batch : 1;
    r->chunk = r->chunk > r->steps ? r->steps : r->chunk;
    bool fits =
        take_weights(r, r->pack_w, r->input, width, 0, element, &r->w_elements, &r->w_at) &&
        take_weights(r, r->pack_r, r->hidden, cell == INFER_RNN_GRU ? 2 * r->hidden : width,
                     cell == INFER_RNN_GRU ? r->hidden : 0, element, &r->r_elements, &r->r_at) &&
        infer_mul(r->chunk, batch, &rows) &&
        infer_scratch_take(&r->size, rows, r->input, element, &r->x_at) &&
        infer_scratch_take(&r->size, rows, width, element, &r->z_at) &&
        infer_scratch_take(&r->size, batch, width, element, &r->rec_at) &&
        infer_scratch_take(&r->size, batch, r->hidden, element, &r->h_at) &&
        infer_scratch_take(&r->size, batch, r->hidden, element, &r->c_at) &&
        infer_scratch_take(&r->size, batch, r->hidden, element, &r->reset_at) &&
        infer_scratch_take(&r->size, width + r->hidden, 1, element, &r->bias_at) &&
        (!r->bytes ||
         (infer_scratch_take(&r->size, rows, r->input > r->hidden ? r->input : r->hidden, 1,
                             &r->bytes_at) &&
          infer_scratch_take(&r->size, rows, width, 4, &sums_at)));
    return fits ? INFER_OK : infer_fail(INFER_ERROR_SHAPE, "the cells do not fit memory");
}

static infer_status cell_infer(infer_op_env *env, infer_rnn_cell cell, bool packed) {
    const rnn_params *p = env->params;
    infer_view spare;
    extents e;
    infer_rnn r;
    INFER_TRY(read_extents(env, cell, packed, &e));
    for (uint32_t i = 0; i < env->out_count; i++) {
        infer_view *y = infer_out(env, i, env->in[X]->type, i == 0 ? 4 : 3, &spare);
        int64_t sequence[] = {e.steps, e.directions, e.batch, e.hidden};
        int64_t batched[] = {e.batch, e.steps, e.directions, e.hidden};
        int64_t state[] = {p->layout ? e.batch : e.directions, p->layout ? e.directions : e.batch,
                           e.hidden};
        memcpy(y->dim,
               i           ? state
               : p->layout ? batched
                           : sequence,
               (size_t)y->rank * sizeof *y->dim);
        INFER_TRY(infer_view_check(y, true));
    }
    for (uint32_t i = 0; i < env->in_count; i++)
        if (env->in[i] && !infer_view_concrete(env->in[i]))
            return INFER_OK;
    INFER_TRY(plan(env, cell, packed, &e, &r));
    if (!infer_mul(r.size, r.at_once, &env->scratch_size))
        return infer_fail(INFER_ERROR_SHAPE, "the cells do not fit memory");
    return infer_widen_plan(env);
}

/* ---- running ---- */

static infer_status cell_body(infer_op_env *env, infer_rnn_cell cell, bool packed) {
    extents e;
    infer_rnn r;
    INFER_TRY(read_extents(env, cell, packed, &e));
    INFER_TRY(plan(env, cell, packed, &e, &r));
    for (int64_t b = 0; infer_has_input(env, LENGTHS) && b < e.batch; b++) {
        int32_t n = ((const int32_t *)env->in[LENGTHS]->data)[b];
        if (n < 0 || n > e.steps)
            return infer_fail(INFER_ERROR_VALUE, "sequence %lld has the length %d of %lld",
                              (long long)b, (int)n, (long long)e.steps);
    }
    if (e.batch == 0 || e.hidden == 0)
        return INFER_OK;
    return env->in[X]->type == INFER_TYPE_DOUBLE ? infer_rnn_f64(env, &r) : infer_rnn_f32(env, &r);
}

/* ---- the operators ---- */

/* Before version 7 an attribute told whether the first output was wanted; the graph tells. */
static infer_status cell_upgrade(infer_rewriter *rw) {
    if (rw->version < 7)
        rw->drop_attr(rw, "output_sequence");
    return INFER_OK;
}

/* All weights, for each step and row. */
static double cell_work(const infer_op_env *env) {
    const infer_view *x = env->in[X];
    double weights = (double)infer_view_count(env->in[W]) + (double)infer_view_count(env->in[R]);
    return 2 * (double)(x->dim[0] * x->dim[1]) * weights;
}

#define CELL_OP_OF(op_domain, last, op_name, snake, which, packed, inputs, outputs, list, w, rest, \
                   prepare_)                                                                       \
    static infer_status snake##_infer(infer_op_env *env) {                                         \
        return cell_infer(env, which, packed);                                                     \
    }                                                                                              \
    static infer_status snake##_body(infer_op_env *env) {                                          \
        return cell_body(env, which, packed);                                                      \
    }                                                                                              \
    static infer_status snake##_run(infer_op_env *env) {                                           \
        return infer_widen_run(env, snake##_body);                                                 \
    }                                                                                              \
    const infer_op infer_op_##snake = {                                                            \
        .domain = op_domain,                                                                       \
        .name = op_name,                                                                           \
        .since = 1,                                                                                \
        .newest = last,                                                                            \
        .params_size = sizeof(rnn_params),                                                         \
        .min_in = 3,                                                                               \
        .max_in = inputs,                                                                          \
        .min_out = 0,                                                                              \
        .max_out = outputs,                                                                        \
        .attr_count = sizeof list / sizeof *list,                                                  \
        .attrs = list,                                                                             \
        .types = {rest, w, w, rest, T(INT32), (rest) | (w)},                                       \
        .upgrade = cell_upgrade,                                                                   \
        .infer = snake##_infer,                                                                    \
        .prepare = prepare_,                                                                       \
        .run = snake##_run,                                                                        \
        .work = cell_work,                                                                         \
    };
/* An operator, and what it becomes where its weights are constant. */
#define CELL_OP(op_name, snake, which, inputs, outputs, list)                                      \
    static infer_status snake##_prepare(infer_rewriter *rw) {                                      \
        return infer_rnn_prepare(rw, which, op_name "Packed");                                     \
    }                                                                                              \
    CELL_OP_OF("", 27, op_name, snake, which, false, inputs, outputs, list, T_FLOAT | T_SAME,      \
               T_FLOAT, snake##_prepare)                                                           \
    CELL_OP_OF("infer", 1, op_name "Packed", infer_##snake##_packed, which, true, inputs, outputs, \
               list, T(FLOAT) | T(DOUBLE) | T_SAME, T(FLOAT) | T(DOUBLE), NULL)
CELL_OP("RNN", rnn, INFER_RNN_PLAIN, 6, 2, rnn_attrs)
CELL_OP("LSTM", lstm, INFER_RNN_LSTM, 8, 3, lstm_attrs)
CELL_OP("GRU", gru, INFER_RNN_GRU, 6, 2, gru_attrs)
CELL_OP_OF("com.microsoft", 1, "DynamicQuantizeLSTM", ms_dynamic_quantize_lstm, INFER_RNN_LSTM,
           false, 12, 3, bytes_attrs, T(INT8) | T(UINT8), T(FLOAT), infer_rnn_bytes_prepare)
CELL_OP_OF("infer", 1, "DynamicQuantizeLSTMPacked", infer_dynamic_quantize_lstm_packed,
           INFER_RNN_LSTM, true, 12, 3, bytes_attrs, T(INT8) | T(UINT8), T(FLOAT), NULL)
