/* Operators that draw random numbers: RandomNormal, RandomUniform and what is like them, Bernoulli,
 * Multinomial. With a seed every run gives the same numbers. */
#include "axes.h"
#include "checked.h"
#include "chunk.h"
#include "convert.h"
#include "op.h"
#include "random.h"
#include "status.h"

#include <math.h>
#include <string.h>

/* One record for all but Dropout; each operator has its own attributes of it. */
typedef struct noise_params {
    infer_list shape;
    int64_t dtype, sample_size;
    float seed, scale, mean, low, high;
} noise_params;

#define F(field, value) A_FLOAT(noise_params, field, value)
#define NO_SEED         F(seed, NAN)

static void start(infer_op_env *env, infer_random *r) {
    const noise_params *p = env->params;
    if (p->seed != p->seed)
        infer_random_seed_wide(r, env->entropy(env));
    else
        infer_random_seed(r, (uint32_t)infer_to_int64((double)p->seed));
}

/* ---- tensors of random numbers ---- */

static infer_status check_type(uint32_t type, uint64_t allowed) {
    if (allowed >> type & 1)
        return INFER_OK;
    return infer_fail(INFER_ERROR_TYPE, "the output cannot have elements of %s",
                      infer_type_name((infer_type)type));
}

static infer_status random_infer(infer_op_env *env) {
    const noise_params *p = env->params;
    INFER_TRY(check_type((uint32_t)p->dtype, T_FLOAT));
    if (p->shape.count > INFER_MAX_RANK)
        return infer_fail(INFER_ERROR_SHAPE, "a shape of %llu extents",
                          (unsigned long long)p->shape.count);
    infer_view spare, *y = infer_out(env, 0, (uint32_t)p->dtype, (int32_t)p->shape.count, &spare);
    const int64_t *shape = infer_list_data(env, &p->shape);
    for (int32_t i = 0; i < y->rank; i++) {
        if (shape[i] < 0)
            return infer_fail(INFER_ERROR_SHAPE, "extent %lld", (long long)shape[i]);
        y->dim[i] = shape[i];
    }
    return INFER_OK;
}

/* Input 0's shape; its type too where no other is asked for. */
static infer_status like_infer(infer_op_env *env, uint64_t allowed) {
    const noise_params *p = env->params;
    infer_view like = *env->in[0];
    like.type = p->dtype ? (uint8_t)p->dtype : like.type;
    like.data = NULL;
    INFER_TRY(check_type(like.type, allowed));
    if (env->out[0])
        *env->out[0] = like;
    return INFER_OK;
}

static infer_status random_like_infer(infer_op_env *env) {
    return like_infer(env, T_FLOAT);
}

/* y = add + factor * a number of each draw. */
static infer_status fill(infer_op_env *env, double (*draw)(infer_random *r), double add,
                         double factor) {
    infer_view *y = env->out[0];
    size_t count = y ? (size_t)infer_view_count(y) : 0;
    infer_random r;
    if (count == 0)
        return INFER_OK;
    start(env, &r);
    for (size_t at = 0; at < count; at += INFER_CHUNK) {
        infer_chunk chunk;
        size_t n = count - at < INFER_CHUNK ? count - at : INFER_CHUNK;
        for (size_t i = 0; i < n; i++)
            chunk.d[i] = draw(&r) * factor + add;
        infer_store_double((infer_type)y->type, chunk.d, y->data, at, n);
    }
    return INFER_OK;
}

static infer_status random_normal_run(infer_op_env *env) {
    const noise_params *p = env->params;
    return fill(env, infer_random_normal, (double)p->mean, (double)p->scale);
}

static infer_status random_uniform_run(infer_op_env *env) {
    const noise_params *p = env->params;
    return fill(env, infer_random_uniform, (double)p->low, (double)p->high - (double)p->low);
}

#define COUNT(list) .attr_count = sizeof list / sizeof *list, .attrs = list
#define NOISE_OP(op_name, first, inputs, attributes)                                               \
    .domain = "", .name = op_name, .since = first, .newest = 27,                                   \
    .params_size = sizeof(noise_params), .min_in = inputs, .max_in = inputs, .min_out = 1,         \
    .max_out = 1, .flags = INFER_OP_IMPURE, COUNT(attributes)

/* The attributes of an operator and of the one that takes its shape from an input. */
#define RANDOM_OPS(X)                                                                              \
    X("RandomNormal", random_normal, F(mean, 0), F(scale, 1))                                      \
    X("RandomUniform", random_uniform, F(low, 0), F(high, 1))
#define RANDOM_OP(op_name, snake, first, second)                                                   \
    static const infer_op_attr snake##_attrs[] = {A_REQUIRED(noise_params, shape, INTS),           \
                                                  A_TYPE(noise_params, dtype, INFER_TYPE_FLOAT),   \
                                                  NO_SEED, first, second};                         \
    static const infer_op_attr snake##_like_attrs[] = {A_TYPE(noise_params, dtype, 0), NO_SEED,    \
                                                       first, second};                             \
    const infer_op infer_op_##snake = {                                                            \
        NOISE_OP(op_name, 1, 0, snake##_attrs),                                                    \
        .infer = random_infer,                                                                     \
        .run = snake##_run,                                                                        \
    };                                                                                             \
    const infer_op infer_op_##snake##_like = {                                                     \
        NOISE_OP(op_name "Like", 1, 1, snake##_like_attrs),                                        \
        .types = {T_ALL},                                                                          \
        .infer = random_like_infer,                                                                \
        .run = snake##_run,                                                                        \
    };
RANDOM_OPS(RANDOM_OP)

/* ---- Bernoulli ---- */

static const infer_op_attr bernoulli_attrs[] = {A_TYPE(noise_params, dtype, 0), NO_SEED};
#define T_BERNOULLI (T_NUMERIC | T(BOOL))

static infer_status bernoulli_infer(infer_op_env *env) {
    return like_infer(env, T_BERNOULLI);
}

static infer_status bernoulli_run(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    size_t count = y ? (size_t)infer_view_count(y) : 0;
    infer_random r;
    if (count == 0)
        return INFER_OK;
    start(env, &r);
    for (size_t at = 0; at < count; at += INFER_CHUNK) {
        infer_chunk chunk, draws;
        size_t n = count - at < INFER_CHUNK ? count - at : INFER_CHUNK;
        const double *chance = infer_load_double((infer_type)x->type, x->data, at, n, &chunk);
        bool whole = infer_type_kind((infer_type)y->type) != INFER_CLASS_FLOATING;
        for (size_t i = 0; i < n; i++) {
            bool one = infer_random_uniform(&r) < chance[i];
            if (whole)
                draws.i[i] = one;
            else
                draws.d[i] = one;
        }
        if (whole)
            infer_store_int((infer_type)y->type, draws.i, y->data, at, n);
        else
            infer_store_double((infer_type)y->type, draws.d, y->data, at, n);
    }
    return INFER_OK;
}

const infer_op infer_op_bernoulli = {
    NOISE_OP("Bernoulli", 15, 1, bernoulli_attrs),
    .types = {T_FLOAT},
    .infer = bernoulli_infer,
    .run = bernoulli_run,
};

/* ---- Multinomial ---- */

static const infer_op_attr multinomial_attrs[] = {A_TYPE(noise_params, dtype, INFER_TYPE_INT32),
                                                  A_INT(noise_params, sample_size, 1), NO_SEED};

static infer_status multinomial_infer(infer_op_env *env) {
    const noise_params *p = env->params;
    const infer_view *x = env->in[0];
    INFER_TRY(check_type((uint32_t)p->dtype, T_INDEX));
    infer_view spare, *y = infer_out(env, 0, (uint32_t)p->dtype, 2, &spare);
    if (p->sample_size < 0)
        return infer_fail(INFER_ERROR_VALUE, "sample_size is %lld", (long long)p->sample_size);
    y->dim[1] = p->sample_size;
    if (x->rank < 0)
        return INFER_OK;
    if (x->rank != 2)
        return infer_fail(INFER_ERROR_SHAPE, "the input has rank %d instead of 2", (int)x->rank);
    if (x->dim[1] == 0)
        return infer_fail(INFER_ERROR_SHAPE, "there is no class to draw");
    y->dim[0] = x->dim[0];
    if (x->dim[1] > INT32_MAX ||
        !infer_mul((size_t)(x->dim[1] < 0 ? 0 : x->dim[1]), sizeof(double), &env->scratch_size))
        return infer_fail(INFER_ERROR_SHAPE, "%lld classes", (long long)x->dim[1]);
    return INFER_OK;
}

/* The running sums of e^(x - max) of a row of log-probabilities. */
static void running_sums(const infer_view *x, size_t row, size_t classes, double *sums) {
    double max = -INFINITY, sum = 0;
    for (size_t at = 0; at < classes; at += INFER_CHUNK) {
        infer_chunk chunk;
        size_t n = classes - at < INFER_CHUNK ? classes - at : INFER_CHUNK;
        const double *from =
            infer_load_double((infer_type)x->type, x->data, row * classes + at, n, &chunk);
        for (size_t i = 0; i < n; i++) {
            sums[at + i] = from[i];
            max = from[i] > max ? from[i] : max;
        }
    }
    for (size_t i = 0; i < classes; i++)
        sums[i] = sum += exp(sums[i] - max);
}

/* The first class whose sum is above what was drawn; the last one where none is. */
static size_t pick(const double *sums, size_t classes, double drawn) {
    size_t low = 0, high = classes - 1;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sums[middle] > drawn)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static infer_status multinomial_run(infer_op_env *env) {
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0];
    infer_random r;
    if (!y || infer_view_count(y) == 0)
        return INFER_OK;
    start(env, &r);
    size_t classes = (size_t)x->dim[1], samples = (size_t)y->dim[1];
    double *sums = env->scratch;
    for (size_t row = 0; row < (size_t)x->dim[0]; row++) {
        running_sums(x, row, classes, sums);
        for (size_t s = 0; s < samples; s++) {
            double drawn = infer_random_uniform(&r) * sums[classes - 1];
            int64_t class = (int64_t)pick(sums, classes, drawn);
            infer_store_int((infer_type)y->type, &class, y->data, row * samples + s, 1);
        }
    }
    return INFER_OK;
}

const infer_op infer_op_multinomial = {
    NOISE_OP("Multinomial", 7, 1, multinomial_attrs),
    .types = {T_FLOAT},
    .infer = multinomial_infer,
    .run = multinomial_run,
};
