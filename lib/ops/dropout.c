/* Dropout: what it is given, or while training some of it, at random. */
#include "axes.h"
#include "chunk.h"
#include "op.h"
#include "random.h"
#include "status.h"

#include <string.h>

typedef struct dropout_params {
    int64_t seed;
    int64_t mask_type; /* infer_type; 0: bool. Of the library, no attribute of ONNX. */
} dropout_params;

#define NO_SEED (-0x1p63)

static const infer_op_attr dropout_attrs[] = {A_INT(dropout_params, seed, NO_SEED),
                                              A_TYPE(dropout_params, mask_type, 0)};

enum { RATIO = 1, TRAINING };

/* ---- old versions ---- */

/* Before version 7 a node trains unless it says is_test; before 12 none does. Before 10 the mask
 * has the input's type. */
static infer_status dropout_upgrade(infer_rewriter *rw) {
    if (rw->attr(rw, "mask_type"))
        return infer_fail(INFER_ERROR_UNSUPPORTED, "attribute mask_type is not known");
    if (rw->version >= 12)
        return INFER_OK;
    const infer_attr *is_test = rw->attr(rw, "is_test");
    uint8_t trains = rw->version < 7 && !(is_test && is_test->i != 0);
    infer_view scalar = {.type = INFER_TYPE_BOOL, .data = &trains};
    if (rw->version < 7) {
        rw->drop_attr(rw, "consumed_inputs");
        rw->drop_attr(rw, "is_test");
    }
    INFER_TRY(infer_float_to_input(rw, "ratio", RATIO));
    if (trains)
        INFER_TRY(rw->set_input(rw, TRAINING, rw->constant(rw, &scalar)));
    uint32_t x = rw->input(rw, 0);
    if (rw->version >= 10 || x == INFER_NO_VALUE)
        return INFER_OK;
    return infer_set_int(rw, "mask_type", rw->view(rw, x)->type);
}

/* ---- shapes ---- */

static infer_status dropout_infer(infer_op_env *env) {
    const dropout_params *p = env->params;
    for (uint32_t i = RATIO; i <= TRAINING; i++) {
        int64_t count = infer_has_input(env, i) ? infer_view_count(env->in[i]) : 1;
        if (count >= 0 && count != 1)
            return infer_fail(INFER_ERROR_SHAPE, "input %u has %lld elements instead of one", i,
                              (long long)count);
    }
    for (uint32_t i = 0; i < env->out_count; i++) {
        if (!env->out[i])
            continue;
        *env->out[i] = *env->in[0];
        env->out[i]->data = NULL;
        if (i == 1)
            env->out[i]->type = p->mask_type ? (uint8_t)p->mask_type : INFER_TYPE_BOOL;
    }
    return INFER_OK;
}

/* ---- running ---- */

static void store_mask(infer_view *mask, const double *kept, size_t at, size_t n) {
    infer_chunk bits;
    if (infer_type_kind((infer_type)mask->type) == INFER_CLASS_FLOATING) {
        infer_store_double((infer_type)mask->type, kept, mask->data, at, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        bits.i[i] = kept[i] != 0;
    infer_store_int((infer_type)mask->type, bits.i, mask->data, at, n);
}

/* The share of elements to drop; 0 where the node does not train. */
static infer_status read_ratio(infer_op_env *env, double *ratio) {
    infer_chunk chunk;
    const infer_view *trains = infer_has_input(env, TRAINING) ? env->in[TRAINING] : NULL;
    *ratio = 0;
    if (!trains || !*(const uint8_t *)trains->data)
        return INFER_OK;
    const infer_view *v = infer_has_input(env, RATIO) ? env->in[RATIO] : NULL;
    *ratio = v ? *infer_load_double((infer_type)v->type, v->data, 0, 1, &chunk) : 0.5;
    if (!(*ratio >= 0 && *ratio < 1))
        return infer_fail(INFER_ERROR_VALUE, "a ratio of %g is not in [0, 1)", *ratio);
    return INFER_OK;
}

static infer_status dropout_run(infer_op_env *env) {
    const dropout_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_view *y = env->out[0], *mask = env->out_count > 1 ? env->out[1] : NULL;
    size_t count = (size_t)infer_view_count(x);
    double ratio;
    INFER_TRY(read_ratio(env, &ratio));
    infer_random r;
    if (ratio > 0 && p->seed == INT64_MIN)
        infer_random_seed_wide(&r, env->entropy(env));
    else if (ratio > 0)
        infer_random_seed(&r, (uint32_t)p->seed);
    else if (y && count && y->data != x->data)
        memcpy(y->data, x->data, infer_view_bytes(x));
    if (ratio == 0 && !mask)
        return INFER_OK;
    for (size_t at = 0; at < count; at += INFER_CHUNK) {
        infer_chunk chunk, kept, scaled;
        size_t n = count - at < INFER_CHUNK ? count - at : INFER_CHUNK;
        for (size_t i = 0; i < n; i++)
            kept.d[i] = ratio > 0 ? infer_random_uniform(&r) >= ratio : 1;
        if (mask)
            store_mask(mask, kept.d, at, n);
        if (ratio == 0 || !y)
            continue;
        const double *from = infer_load_double((infer_type)x->type, x->data, at, n, &chunk);
        for (size_t i = 0; i < n; i++)
            scaled.d[i] = kept.d[i] * from[i] * (1 / (1 - ratio));
        infer_store_double((infer_type)y->type, scaled.d, y->data, at, n);
    }
    return INFER_OK;
}

const infer_op infer_op_dropout = {
    .domain = "",
    .name = "Dropout",
    .since = 1,
    .newest = 27,
    .params_size = sizeof(dropout_params),
    .min_in = 1,
    .max_in = 3,
    .min_out = 1,
    .max_out = 2,
    .flags = INFER_OP_INPLACE | INFER_OP_IMPURE,
    .attr_count = sizeof dropout_attrs / sizeof *dropout_attrs,
    .attrs = dropout_attrs,
    .types = {T_FLOAT | T_FLOAT8, T_FLOAT | T_FLOAT8, T(BOOL)},
    .upgrade = dropout_upgrade,
    .infer = dropout_infer,
    .run = dropout_run,
};
