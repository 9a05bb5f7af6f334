/* Convolutions of bytes by Winograd's algorithm, where a tier has kernels for it: a block is some
 * rows of patches, whose terms stay in the second cache while the outputs' weights pass over them.
 */
#include "conv_quantized.h"

#include "checked.h"

/* Outputs whose sums are made together. */
#define OUTPUTS 24

/* Bytes of a block's terms and of these sums, which the second cache is to hold for the most part;
 * of the terms of a single row, which has its block where it is too long for that. */
#define BLOCK_BYTES 655360
#define MOST_BYTES  655360

#define TERMS 16

/* Four times a sum, which is what its last step has, is to fit 32 bits. */
#define MOST_CHANNELS (INT32_MAX / (4 * 9 * 255 * 255))

static infer_winograd8 shape_of(const infer_conv *c) {
    const infer_window *w = &c->window;
    infer_winograd8 s = {.channels = c->channels};
    for (size_t i = 0; i < 2; i++) {
        s.in[i] = (size_t)w->in[i];
        s.out[i] = (size_t)w->out[i];
        s.before[i] = (size_t)w->before[i];
    }
    s.columns = (s.out[1] + 1) / 2;
    return s;
}

static size_t bytes_of(const infer_winograd8 *s, size_t rows) {
    return TERMS * sizeof(int16_t) * infer_winograd8_gap(s, infer_winograd8_tiles(s, rows));
}

/* Of all outputs of a term, and what keeps it off the cache's lines of the next. */
static size_t weights_step(const infer_conv *c) {
    const size_t groups = (c->channels + INFER_GROUP - 1) / INFER_GROUP;
    return c->outputs * groups * INFER_GROUP + 2 * INFER_PANEL;
}

bool infer_is_winograd8(const infer_op_env *env, const infer_conv *c) {
    const infer_window *w = &c->window;
    if (!env->kernels->winograd_sums_8 || w->rank != 2 || c->group != 1 ||
        c->channels <= INFER_GROUP || c->channels > MOST_CHANNELS || c->outputs < INFER_GROUP ||
        c->places < 4 * INFER_PANEL || c->places > INT32_MAX || c->plane == 0)
        return false;
    for (int i = 0; i < 2; i++)
        if (w->kernel[i] != 3 || w->stride[i] != 1 || w->dilation[i] != 1)
            return false;
    const infer_winograd8 s = shape_of(c);
    return s.columns <= MOST_BYTES / TERMS && bytes_of(&s, 1) <= MOST_BYTES;
}

/* Rows of a block: as many as fit, or fewer where that leaves less of the last panels empty. */
static size_t block_rows(const infer_op_env *env, const infer_winograd8 *s) {
    const size_t all = (s->out[0] + 1) / 2, workers = infer_workers(env);
    size_t best = 1, least = SIZE_MAX;
    for (size_t rows = 1; rows <= (all + workers - 1) / workers; rows++) {
        const size_t cost = (all + rows - 1) / rows * infer_winograd8_tiles(s, rows);
        const size_t sums = infer_winograd8_sums_room(OUTPUTS, infer_winograd8_tiles(s, rows));
        if (rows > 1 && bytes_of(s, rows) + sums > BLOCK_BYTES)
            break;
        if (cost <= least) {
            least = cost;
            best = rows;
        }
    }
    return best;
}

infer_status infer_winograd_take(infer_op_env *env, const infer_conv *c, infer_winograd_plan *p) {
    const size_t outputs = c->outputs < OUTPUTS ? c->outputs : OUTPUTS;
    p->shape = shape_of(c);
    p->rows = block_rows(env, &p->shape);
    p->blocks = ((p->shape.out[0] + 1) / 2 + p->rows - 1) / p->rows;
    p->room = 0;
    const size_t tiles = infer_winograd8_tiles(&p->shape, p->rows);
    const size_t in = infer_winograd8_input_room(&p->shape, tiles);
    const size_t sums = infer_winograd8_sums_room(outputs, tiles);
    bool fits = infer_scratch_take(&p->room, bytes_of(&p->shape, p->rows), 1, 1, &p->x_at) &&
                infer_scratch_take(&p->room, outputs * 2 * p->rows, p->shape.out[1],
                                   sizeof(int32_t), &p->sums_at) &&
                infer_scratch_take(&p->room, in > sums ? in : sums, 1, 1, &p->work_at);
    if (!fits)
        return infer_fail(INFER_ERROR_SHAPE, "the convolution does not fit memory");
    INFER_TRY(infer_conv_take(env, TERMS, weights_step(c), sizeof(int16_t), &p->w_at));
    return infer_conv_take(env, infer_workers(env), p->room, 1, &p->room_at);
}

typedef struct winograd_job {
    const infer_op_env *env;
    const infer_conv_roles *r;
    const infer_conv *c;
    const infer_winograd_plan *p;
    const uint8_t *w, *x;
    size_t to, parts;
} winograd_job;

static void weights_part(void *arg, size_t part, size_t worker) {
    const winograd_job *j = arg;
    const infer_conv *c = j->c;
    const size_t groups = (c->channels + INFER_GROUP - 1) / INFER_GROUP;
    const size_t whole = groups * INFER_GROUP;
    const infer_view *zeros = infer_conv_role(j->env, j->r->w_zero);
    int16_t *to = infer_scratch_at(j->env->scratch, j->p->w_at);
    size_t i, end;
    (void)worker;
    infer_part(c->outputs, 1, j->parts, part, &i, &end);
    for (; i < end; i++)
        j->env->kernels->winograd_weights_8(groups, j->w + i * whole * c->taps,
                                            infer_byte_of(zeros, i) +
                                                infer_flip_left(j->env->in[j->r->w]->type),
                                            weights_step(c), to + i * whole);
}

static void block_part(void *arg, size_t part, size_t worker) {
    const winograd_job *j = arg;
    const infer_winograd_plan *p = j->p;
    const infer_winograd8 *s = &p->shape;
    const infer_kernels *k = j->env->kernels;
    const size_t whole = (s->channels + INFER_GROUP - 1) / INFER_GROUP * INFER_GROUP;
    const size_t first = part * p->rows, all = (s->out[0] + 1) / 2, outputs = j->c->outputs;
    const size_t rows = all - first < p->rows ? all - first : p->rows;
    const size_t left = s->out[0] - 2 * first, high = left < 2 * rows ? left : 2 * rows;
    const size_t n = high * s->out[1];
    const int16_t *w = infer_scratch_at(j->env->scratch, p->w_at);
    uint8_t *room = (uint8_t *)infer_scratch_at(j->env->scratch, p->room_at) + worker * p->room;
    int16_t *x = (int16_t *)(room + p->x_at);
    int32_t *sums = (int32_t *)(room + p->sums_at);
    k->winograd_input_8(s, j->x, first, rows, x, room + p->work_at);
    for (size_t i = 0, some; i < outputs; i += some) {
        some = outputs - i < OUTPUTS ? outputs - i : OUTPUTS;
        k->winograd_sums_8(s, some, first, rows, w + i * whole, weights_step(j->c), x, sums, n,
                           room + p->work_at);
        for (size_t q = 0; q < some; q++)
            infer_conv_finish(j->env, j->r, sums + q * n, n, i + q, 0,
                              j->to + (i + q) * j->c->places + 2 * first * s->out[1]);
    }
}

void infer_winograd_run(infer_op_env *env, const infer_conv_roles *r, const infer_conv *c,
                        infer_winograd_plan *p, const uint8_t *w) {
    const infer_view *x = env->in[r->x];
    winograd_job job = {.env = env, .r = r, .c = c, .p = p, .w = w};
    p->shape.flip = infer_flip_left(x->type);
    p->shape.zero = (uint8_t)(infer_byte_of(infer_conv_role(env, r->x_zero), 0) + p->shape.flip);
    job.parts = infer_parts(env, c->outputs, (double)c->channels * TERMS);
    infer_parallel(env, job.parts, weights_part, &job);
    for (size_t n = 0; n < c->batch; n++, job.to += c->outputs * c->places) {
        job.x = (const uint8_t *)x->data + n * c->channels * c->plane;
        infer_parallel(env, p->blocks, block_part, &job);
    }
}
