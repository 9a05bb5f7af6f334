/* Template (real.h): the recurrent cells. */
#include "pack.h"
#include "product.h"
#include "rnn.h"
#include "scratch.h"
#include "share.h"

#include <string.h>
#include <tgmath.h>

/* ---- activations ---- */

static void NAME(activate)(const infer_kernels *k, const infer_rnn_function *f, double clip,
                           REAL *x, size_t n) {
    const REAL alpha = (REAL)f->alpha, beta = (REAL)f->beta, limit = (REAL)clip;
    if (clip < (double)INFINITY)
        for (size_t i = 0; i < n; i++)
            x[i] = x[i] > limit ? limit : x[i] < -limit ? -limit : x[i];
#define EACH(expr)                                                                                 \
    for (size_t i = 0; i < n; i++) {                                                               \
        const REAL v = x[i];                                                                       \
        x[i] = expr;                                                                               \
    }                                                                                              \
    break;
    switch (f->kind) {
    case INFER_RNN_Sigmoid:
        k->NAME(sigmoid)(x, x, n);
        break;
    case INFER_RNN_Tanh:
        k->NAME(tanh)(x, x, n);
        break;
    case INFER_RNN_Relu:
        EACH(v < 0 ? 0 : v)
    case INFER_RNN_Affine:
        EACH(alpha * v + beta)
    case INFER_RNN_LeakyRelu:
        EACH(v < 0 ? alpha * v : v)
    case INFER_RNN_ThresholdedRelu:
        EACH(v < alpha ? 0 : v)
    case INFER_RNN_ScaledTanh:
        EACH(alpha * tanh(beta * v))
    case INFER_RNN_HardSigmoid:
        EACH(fmin(fmax(alpha * v + beta, (REAL)0), (REAL)1))
    case INFER_RNN_Elu:
        EACH(v < 0 ? alpha * expm1(v) : v)
    case INFER_RNN_Softsign:
        EACH(v / (1 + fabs(v)))
    case INFER_RNN_Softplus:
        EACH(fmax(v, (REAL)0) + log1p(exp(-fabs(v))))
    }
#undef EACH
}

/* ---- one direction ---- */

typedef struct NAME(direction) {
    const infer_rnn *p;
    const infer_kernels *k;
    infer_op_env *env; /* whose threads share a product; NULL: this one does it alone */
    const infer_rnn_function *f;
    size_t number, row, batch;              /* of the samples those from `row` on, so many */
    const int32_t *lengths;                 /* theirs; NULL: all have all steps */
    REAL *bytes;                            /* scratch of products with 8-bit weights */
    const REAL *w, *r, *r_last, *peepholes; /* weights as they are given; GRU's last gate apart */
    const REAL *packed_w, *packed_r[2];     /* or packed */
    REAL *bias, *late; /* of the gates, and of GRU's Rh where it is reset late */
    REAL *z, *rec, *h, *c, *reset;
} NAME(direction);

/* A product with packed weights, which threads share. */
typedef struct NAME(product) {
    const infer_kernels *kernels;
    infer_grid grid;
    size_t k, ldc;
    const REAL *a, *packed, *bias;
    REAL *c;
} NAME(product);

static void NAME(product_part)(void *arg, size_t part, size_t worker) {
    const NAME(product) *p = arg;
    const infer_tile t = infer_grid_tile(&p->grid, part);
    (void)worker;
    p->kernels->NAME(gemm_packed)(t.rows, t.columns, p->k, p->a + t.row * p->k, p->k,
                                  p->packed + t.column * p->k, p->bias ? p->bias + t.column : NULL,
                                  p->c + t.row * p->ldc + t.column, p->ldc);
}

/* c = a * weights^T + bias for weights [n][k], which packed has as well if it is not NULL. */
static void NAME(multiply)(const NAME(direction) * d, size_t rows, size_t n, size_t k,
                           const REAL *a, const REAL *weights, const REAL *packed, const REAL *bias,
                           REAL *c, size_t ldc) {
    if (packed && d->env) {
        NAME(product) p = {d->k, infer_grid_of(d->env, rows, n, k), k, ldc, a, packed, bias, c};
        infer_parallel(d->env, p.grid.rows * p.grid.columns, NAME(product_part), &p);
    } else if (packed) {
        d->k->NAME(gemm_packed)(rows, n, k, a, k, packed, bias, c, ldc);
    } else {
        for (size_t i = 0; i < rows; i++)
            d->k->NAME(matvec)(n, k, weights, k, a + i * k, bias, c + i * ldc);
    }
}

static void NAME(plain_row)(const NAME(direction) * d, REAL *z, const REAL *rec, REAL *h) {
    const size_t n = d->p->hidden;
    for (size_t i = 0; i < n; i++)
        h[i] = z[i] + rec[i];
    NAME(activate)(d->k, &d->f[0], d->p->clip, h, n);
}

static void NAME(lstm_row)(const NAME(direction) * d, REAL *z, const REAL *rec, REAL *h, REAL *c) {
    const size_t n = d->p->hidden;
    const REAL *p = d->peepholes;
    const double clip = d->p->clip;
    REAL *in = z, *out = z + n, *forget = z + 2 * n, *cell = z + 3 * n;
    for (size_t i = 0; i < 4 * n; i++)
        z[i] += rec[i];
    for (size_t i = 0; p && i < n; i++) {
        in[i] += p[i] * c[i];
        forget[i] += p[2 * n + i] * c[i];
    }
    NAME(activate)(d->k, &d->f[0], clip, in, n);
    NAME(activate)(d->k, &d->f[1], clip, cell, n);
    if (d->p->coupled)
        for (size_t i = 0; i < n; i++)
            forget[i] = 1 - in[i];
    else
        NAME(activate)(d->k, &d->f[0], clip, forget, n);
    for (size_t i = 0; i < n; i++)
        h[i] = c[i] = forget[i] * c[i] + in[i] * cell[i];
    for (size_t i = 0; p && i < n; i++)
        out[i] += p[n + i] * c[i];
    NAME(activate)(d->k, &d->f[0], clip, out, n);
    NAME(activate)(d->k, &d->f[2], (double)INFINITY, h, n); /* as onnxruntime, without the clip */
    for (size_t i = 0; i < n; i++)
        h[i] *= out[i];
}

/* Update and reset gates of all samples, and what the reset gate leaves of the state. */
static void NAME(gru_gates)(const NAME(direction) * d, REAL *z) {
    const size_t n = d->p->hidden;
    for (size_t b = 0; b < d->batch; b++) {
        REAL *gate = z + b * 3 * n;
        for (size_t i = 0; i < 2 * n; i++)
            gate[i] += d->rec[b * 3 * n + i];
        NAME(activate)(d->k, &d->f[0], d->p->clip, gate, 2 * n);
        for (size_t i = 0; i < n; i++)
            d->reset[b * n + i] = gate[n + i] * d->h[b * n + i];
    }
}

static void NAME(gru_row)(const NAME(direction) * d, REAL *z, const REAL *rec, REAL *h) {
    const size_t n = d->p->hidden;
    const bool late = d->p->late_reset;
    for (size_t i = 0; i < n; i++)
        z[2 * n + i] += (late ? z[n + i] : 1) * rec[2 * n + i];
    NAME(activate)(d->k, &d->f[1], d->p->clip, z + 2 * n, n);
    for (size_t i = 0; i < n; i++)
        h[i] = (1 - z[i]) * z[2 * n + i] + z[i] * h[i];
}

/* One step of all samples; those whose sequence has ended keep their state. */
static void NAME(step)(const NAME(direction) * d, size_t s, REAL *z) {
    const infer_rnn *p = d->p;
    const size_t n = p->hidden, width = p->gates * n;
    const bool gru = p->cell == INFER_RNN_GRU;
    const size_t first = gru ? 2 * n : width; /* rows of R in the first product */
    if (p->bytes)
        infer_rnn_bytes_multiply(p->bytes, d->env, 1, d->number, d->batch, n, width, (void *)d->h,
                                 infer_rnn_bytes_range(p->bytes, (void *)d->h, d->batch * n),
                                 (const void *)d->packed_r[0], NULL, (void *)d->bytes,
                                 (void *)d->rec);
    else
        NAME(multiply)(d, d->batch, first, n, d->h, d->r, d->packed_r[0], NULL, d->rec, width);
    if (gru && p->late_reset)
        NAME(multiply)
    (d, d->batch, n, n, d->h, d->r_last, d->packed_r[1], d->late, d->rec + first, width);
    if (gru)
        NAME(gru_gates)(d, z);
    if (gru && !p->late_reset)
        NAME(multiply)
    (d, d->batch, n, n, d->reset, d->r_last, d->packed_r[1], NULL, d->rec + first, width);
    for (size_t b = 0; b < d->batch; b++) {
        if (d->lengths && s >= (size_t)d->lengths[b])
            continue;
        REAL *gates = z + b * width, *h = d->h + b * n;
        const REAL *rec = d->rec + b * width;
        if (gru)
            NAME(gru_row)(d, gates, rec, h);
        else if (p->cell == INFER_RNN_LSTM)
            NAME(lstm_row)(d, gates, rec, h, d->c + b * n);
        else
            NAME(plain_row)(d, gates, rec, h);
    }
}

/* ---- all of it ---- */

typedef struct NAME(tensors) {
    const REAL *x, *w, *r, *b, *h, *c, *p; /* NULL where absent */
    const int32_t *lengths;
    REAL *y, *y_h, *y_c;
} NAME(tensors);

/* Elements of the packed rows of R in the first product. */
static size_t NAME(first_part)(const infer_rnn *p) {
    size_t elements = 0;
    infer_pack_size(p->hidden, (p->cell == INFER_RNN_GRU ? 2 : p->gates) * p->hidden, &elements);
    return elements; /* it fits: the whole did */
}

/* Weights of a direction, packed where that pays, and its biases. */
static void NAME(begin)(NAME(direction) * d, const NAME(tensors) * t, size_t number,
                        void *scratch) {
    const infer_rnn *p = d->p;
    const size_t n = p->hidden, width = p->gates * n;
    if (p->packed && p->bytes) {
        d->packed_w = (const void *)((const uint8_t *)t->w + number * p->w_elements);
        d->packed_r[0] = (const void *)((const uint8_t *)t->r + number * p->r_elements);
    } else if (p->packed) {
        d->packed_w = t->w + number * p->w_elements;
        d->packed_r[0] = t->r + number * p->r_elements;
        d->packed_r[1] = d->packed_r[0] + NAME(first_part)(p);
    } else if (!p->bytes) {
        d->w = t->w + number * width * p->input;
        d->r = t->r + number * width * n;
        d->r_last = d->r + (width - n) * n;
    }
    d->peepholes = t->p ? t->p + number * 3 * n : NULL;
    if (p->pack_w) {
        REAL *to = infer_scratch_at(scratch, p->w_at);
        if (p->bytes)
            infer_rnn_bytes_pack(d->k, p->bytes->in[1], number, (void *)to);
        else
            NAME(infer_pack_b)(p->input, width, d->w, p->input, true, to);
        d->packed_w = to;
    }
    if (p->pack_r) {
        REAL *to = infer_scratch_at(scratch, p->r_at);
        size_t first = p->cell == INFER_RNN_GRU ? 2 * n : width, used = NAME(first_part)(p);
        if (p->bytes)
            infer_rnn_bytes_pack(d->k, p->bytes->in[2], number, (void *)to);
        else
            NAME(infer_pack_b)(n, first, d->r, n, true, to);
        d->packed_r[0] = to;
        if (first < width)
            NAME(infer_pack_b)(n, width - first, d->r + first * n, n, true, to + used);
        d->packed_r[1] = to + used;
    }
    d->bias = infer_scratch_at(scratch, p->bias_at);
    d->late = d->bias + width;
    const REAL *b = t->b ? t->b + number * 2 * width : NULL;
    const bool late = p->cell == INFER_RNN_GRU && p->late_reset;
    const size_t both = late ? 2 * n : width; /* gates of which both biases are added at once */
    memset(d->bias, 0, (width + n) * sizeof *d->bias);
    if (!b)
        return;
    for (size_t i = 0; i < both; i++)
        d->bias[i] = b[i] + b[width + i];
    memcpy(d->bias + both, b + both, (width - both) * sizeof *b);
    memcpy(d->late, b + width + both, (width - both) * sizeof *b);
}

/* States between [directions][batch] or, batch first, [batch][directions] and our own. */
static void NAME(states)(const NAME(direction) * d, const REAL *from, REAL *to, bool in) {
    const infer_rnn *p = d->p;
    for (size_t b = 0; b < d->batch; b++) {
        size_t sample = d->row + b;
        size_t place =
            p->batch_first ? sample * p->directions + d->number : d->number * p->batch + sample;
        const REAL *source = from ? from + (in ? place : b) * p->hidden : NULL;
        REAL *target = to + (in ? b : place) * p->hidden;
        if (source)
            memcpy(target, source, p->hidden * sizeof *target);
        else
            memset(target, 0, p->hidden * sizeof *target);
    }
}

/* When step s of sample b is. */
static size_t NAME(time_of)(const NAME(direction) * d, size_t s, size_t b) {
    size_t length = d->lengths ? (size_t)d->lengths[b] : d->p->steps;
    bool reverse = d->p->reverse || d->number == 1;
    return reverse && s < length ? length - 1 - s : s;
}

/* What the inputs of so many steps from s on give the gates. x: room for them in the walk's order.
 */
static void NAME(inputs)(const NAME(direction) * d, const NAME(tensors) * t, infer_rnn_range range,
                         size_t s, size_t count, REAL *x) {
    const infer_rnn *p = d->p;
    const size_t rows = count * d->batch, width = p->gates * p->hidden;
    for (size_t i = 0; i < rows; i++) {
        size_t sample = d->row + i % d->batch;
        size_t at = NAME(time_of)(d, s + i / d->batch, i % d->batch);
        at = p->batch_first ? sample * p->steps + at : at * p->batch + sample;
        memcpy(x + i * p->input, t->x + at * p->input, p->input * sizeof *x);
    }
    if (p->bytes)
        infer_rnn_bytes_multiply(p->bytes, d->env, 0, d->number, rows, p->input, width, (void *)x,
                                 range, (const void *)d->packed_w, (void *)d->bias,
                                 (void *)d->bytes, (void *)d->z);
    else
        NAME(multiply)(d, rows, width, p->input, x, d->w, d->packed_w, d->bias, d->z, width);
}

/* The states after step s. */
static void NAME(outputs)(const NAME(direction) * d, REAL *y, size_t s) {
    const infer_rnn *p = d->p;
    for (size_t b = 0; b < d->batch; b++) {
        size_t t = NAME(time_of)(d, s, b), sample = d->row + b;
        size_t row = p->batch_first ? (sample * p->steps + t) * p->directions + d->number
                                    : (t * p->directions + d->number) * p->batch + sample;
        REAL *to = y + row * p->hidden;
        if (d->lengths && s >= (size_t)d->lengths[b])
            memset(to, 0, p->hidden * sizeof *to);
        else
            memcpy(to, d->h + b * p->hidden, p->hidden * sizeof *to);
    }
}

typedef struct NAME(job) {
    const infer_rnn *p;
    infer_op_env *env;
    NAME(tensors) t;
    infer_rnn_range range; /* of all inputs, where they become bytes */
} NAME(job);

/* All steps of one direction and some samples. */
static void NAME(part)(void *arg, size_t part, size_t worker) {
    const NAME(job) *job = arg;
    const infer_rnn *p = job->p;
    const NAME(tensors) *t = &job->t;
    char *scratch = infer_scratch_at(job->env->scratch, p->at_once > 1 ? part * p->size : 0);
    const size_t number = part / p->groups;
    (void)worker;
    NAME(direction)
    d = {.p = p,
         .k = job->env->kernels,
         .env = p->at_once > 1 ? NULL : job->env,
         .f = p->functions[number],
         .number = number,
         .bytes = infer_scratch_at(scratch, p->bytes_at),
         .z = infer_scratch_at(scratch, p->z_at),
         .rec = infer_scratch_at(scratch, p->rec_at),
         .h = infer_scratch_at(scratch, p->h_at),
         .c = infer_scratch_at(scratch, p->c_at),
         .reset = infer_scratch_at(scratch, p->reset_at)};
    infer_part(p->batch, 1, p->groups, part % p->groups, &d.row, &d.batch);
    d.batch -= d.row;
    d.lengths = t->lengths ? t->lengths + d.row : NULL;
    NAME(begin)(&d, t, number, scratch);
    NAME(states)(&d, t->h, d.h, true);
    if (p->cell == INFER_RNN_LSTM)
        NAME(states)(&d, t->c, d.c, true);
    for (size_t s = 0; s < p->steps; s++) {
        size_t in_chunk = s % p->chunk;
        if (in_chunk == 0)
            NAME(inputs)
        (&d, t, job->range, s, p->steps - s < p->chunk ? p->steps - s : p->chunk,
         infer_scratch_at(scratch, p->x_at));
        NAME(step)(&d, s, d.z + in_chunk * d.batch * p->gates * p->hidden);
        if (t->y)
            NAME(outputs)(&d, t->y, s);
    }
    if (t->y_h)
        NAME(states)(&d, d.h, t->y_h, false);
    if (t->y_c)
        NAME(states)(&d, d.c, t->y_c, false);
}

infer_status NAME(infer_rnn)(infer_op_env *env, const infer_rnn *p) {
    const void *in[8] = {NULL};
    void *out[3] = {NULL};
    for (uint32_t i = 0; i < env->in_count && i < 8; i++)
        in[i] = env->in[i] ? env->in[i]->data : NULL;
    for (uint32_t i = 0; i < env->out_count; i++)
        out[i] = env->out[i] ? env->out[i]->data : NULL;
    NAME(job)
    job = {.p = p,
           .env = env,
           .t = {.x = in[0],
                 .w = in[1],
                 .r = in[2],
                 .b = in[3],
                 .lengths = in[4],
                 .h = in[5],
                 .c = in[6],
                 .p = in[7],
                 .y = out[0],
                 .y_h = out[1],
                 .y_c = out[2]},
           .range = p->bytes ? infer_rnn_bytes_inputs(p->bytes) : (infer_rnn_range){0}};
    const size_t parts = p->directions * p->groups;
    if (p->at_once > 1)
        infer_parallel(env, parts, NAME(part), &job);
    else
        for (size_t i = 0; i < parts; i++)
            NAME(part)(&job, i, 0);
    return INFER_OK;
}

#undef REAL
#undef S
