/* QLinearConv whose sums become bytes in registers, where the processor has a kernel for it and
 * weights are signed without zero points. Windows are read where they lie, one row of the padded
 * input behind the other, unless too many places would be computed for nothing. */
#include "conv_quantized.h"

/* What gathering the windows of a place costs, as so many outputs. */
#define GATHER_OUTPUTS 4

/* Places of a tile of the kernel. */
#define TILE_PLACES (2 * INFER_PANEL)

/* How an image's places are taken. */
typedef enum manner {
    JOINED, /* all rows at once, and what lies between them */
    ROWS,   /* row by row */
    GATHERED
} manner;

static manner manner_of(const infer_conv *c, const infer_columns *q) {
    const infer_window *w = &c->window;
    if (q->direct || w->rank != 2)
        return GATHERED;
    const bool joined = w->stride[0] == 1 && w->stride[1] == 1;
    const int64_t tiles = (w->out[1] + TILE_PLACES - 1) / TILE_PLACES;
    const double taken = joined ? (double)q->padded[1] : (double)tiles * TILE_PLACES;
    const double outputs = (double)c->outputs;
    if (taken * outputs > (double)w->out[1] * (outputs + GATHER_OUTPUTS))
        return GATHERED;
    return joined ? JOINED : ROWS;
}

static bool has_kernel(const infer_op_env *env, const infer_conv_roles *r) {
    return env->kernels->conv_8 && r->y_scale != INFER_NO_ROLE;
}

bool infer_is_direct8(const infer_op_env *env, const infer_conv_roles *r, const infer_conv *c) {
    const infer_view *zeros = infer_conv_role(env, r->w_zero);
    const int32_t flip = infer_flip_left(env->in[r->w]->type);
    bool signs = has_kernel(env, r);
    for (size_t i = 0; signs && i < c->outputs * c->group; i++)
        signs = infer_byte_of(zeros, i) + flip == 128;
    return signs;
}

infer_status infer_direct_take(infer_op_env *env, const infer_conv_roles *r, const infer_conv *c,
                               const infer_columns *q, infer_direct_plan *d) {
    const size_t n = has_kernel(env, r) ? c->outputs * c->group : 0;
    INFER_TRY(infer_conv_take(env, n, q->depth, 1, &d->w_at));
    INFER_TRY(infer_conv_take(env, n, 1, sizeof(float), &d->scale_at));
    return infer_conv_take(env, n ? q->depth / INFER_GROUP : 0, 1, sizeof(size_t), &d->steps_at);
}

/* ---- weights ---- */

typedef struct weights_job {
    const infer_conv *c;
    const uint8_t *from;
    uint8_t *to;
    size_t depth, parts;
} weights_job;

/* Unsigned weights as signed ones; those of absent channels stay zero. */
static void weights_part(void *arg, size_t part, size_t worker) {
    const weights_job *j = arg;
    const size_t rest = j->c->channels % INFER_GROUP, group = j->c->taps * INFER_GROUP;
    size_t i, end;
    (void)worker;
    infer_part(j->c->outputs * j->c->group, 1, j->parts, part, &i, &end);
    infer_flip_bytes(j->from + i * j->depth, (end - i) * j->depth, 128, j->to + i * j->depth);
    for (; rest && i < end; i++)
        for (size_t k = j->depth - group; k < j->depth; k++)
            if (k % INFER_GROUP >= rest)
                j->to[i * j->depth + k] = 0;
}

/* Where each step of a sum reads: windows as they lie, or gathered ones. */
static void find_steps(const infer_op_env *env, const infer_conv *c, const infer_columns *q,
                       bool gathered, size_t *at) {
    const size_t *tap = infer_scratch_at(env->scratch, q->taps_at);
    for (size_t g = 0, s = 0; g < q->groups; g++)
        for (size_t t = 0; t < c->taps; t++, s++)
            at[s] =
                INFER_GROUP * (gathered ? s * INFER_PANEL : g * q->plane) + (gathered ? 0 : tap[t]);
}

infer_conv8 infer_direct_begin(infer_op_env *env, const infer_conv_roles *r, const infer_conv *c,
                               const infer_columns *q, const infer_direct_plan *d, const uint8_t *w,
                               int32_t *add) {
    const size_t n = c->outputs * c->group;
    const infer_view *bias = infer_conv_role(env, r->bias), *y_zero = env->in[r->y_zero];
    const bool gathered = manner_of(c, q) == GATHERED;
    size_t *steps = infer_scratch_at(env->scratch, d->steps_at);
    float *scale = infer_scratch_at(env->scratch, d->scale_at);
    weights_job job = {.c = c,
                       .from = w,
                       .to = infer_scratch_at(env->scratch, d->w_at),
                       .depth = q->depth,
                       .parts = infer_parts(env, n, (double)q->depth / sizeof(uint64_t))};
    infer_parallel(env, job.parts, weights_part, &job);
    for (size_t i = 0; i < n; i++) {
        scale[i] = infer_conv_scale(env, r, i);
        if (bias)
            add[i] = (int32_t)((uint32_t)add[i] + (uint32_t)((const int32_t *)bias->data)[i]);
    }
    find_steps(env, c, q, gathered, steps);
    return (infer_conv8){.steps = q->depth / INFER_GROUP,
                         .panel = INFER_PANEL * (gathered ? q->depth : INFER_GROUP),
                         .at = steps,
                         .w = (const int8_t *)job.to,
                         .add = add,
                         .scale = scale,
                         .zero = infer_byte_of(y_zero, 0),
                         .sign = y_zero->type == INFER_TYPE_INT8};
}

/* The outputs from number m on. */
static infer_conv8 outputs_from(const infer_conv8 *all, size_t m) {
    infer_conv8 k = *all;
    k.w += m * k.steps * INFER_GROUP;
    k.add += m;
    k.scale += m;
    return k;
}

/* ---- running ---- */

void infer_direct_columns(const infer_op_env *env, const infer_conv8 *all, const infer_conv *c,
                          size_t m, size_t outputs, size_t count, const int8_t *packed, size_t to) {
    infer_conv8 k = outputs_from(all, m);
    k.width = k.across = count;
    env->kernels->conv_8(&k, outputs, count, (const uint8_t *)packed,
                         (uint8_t *)env->out[0]->data + to, c->places);
}

typedef struct rows_job {
    const infer_op_env *env;
    const infer_conv *c;
    infer_conv8 kernel;
    const uint8_t *x;
    uint8_t *y;
    size_t step, many, parts; /* bytes from a row's windows to the next one's; rows at once */
} rows_job;

static void rows_part(void *arg, size_t part, size_t worker) {
    const rows_job *j = arg;
    const infer_conv8 *k = &j->kernel;
    size_t row, end;
    (void)worker;
    infer_part((size_t)j->c->window.out[0], 1, j->parts, part, &row, &end);
    for (size_t many; row < end; row += many) {
        many = end - row < j->many ? end - row : j->many;
        j->env->kernels->conv_8(k, j->c->outputs, (many - 1) * k->across + k->width,
                                j->x + row * j->step, j->y + row * k->width, j->c->places);
    }
}

bool infer_direct_rows(infer_op_env *env, const infer_conv8 *all, const infer_conv *c,
                       const infer_columns *q, size_t m, size_t to) {
    const manner how = manner_of(c, q);
    if (how == GATHERED)
        return false;
    const size_t rows = (size_t)c->window.out[0], across = (size_t)q->padded[1];
    rows_job job = {.env = env,
                    .c = c,
                    .kernel = outputs_from(all, m),
                    .x = infer_scratch_at(env->scratch, q->padded_at),
                    .y = (uint8_t *)env->out[0]->data + to,
                    .step = (size_t)c->window.stride[0] * across * INFER_GROUP,
                    .many = how == JOINED ? rows : 1};
    job.kernel.width = (size_t)c->window.out[1];
    job.kernel.across = how == JOINED ? across : job.kernel.width;
    const double product = (double)job.kernel.width * (double)q->depth * INFER_PRODUCT_COST;
    job.parts = infer_parts(env, rows, (double)c->outputs * product);
    infer_parallel(env, job.parts, rows_part, &job);
    return true;
}
