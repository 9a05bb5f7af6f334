/* Functions of one number of 8 bits: what each of the 256 becomes. */
#include "elementwise.h"
#include "share.h"
#include "status.h"

enum { X, TABLE };

static infer_status lookup_infer(infer_op_env *env) {
    const infer_view *table = env->in[TABLE];
    if (table->rank != 1 || table->dim[0] != 256)
        return infer_fail(INFER_ERROR_SHAPE, "the table does not have 256 elements");
    return infer_like_first(env, (infer_type)table->type);
}

typedef struct lookup_job {
    const infer_op_env *env;
    size_t count, parts;
} lookup_job;

static void lookup_part(void *arg, size_t part, size_t worker) {
    const lookup_job *j = arg;
    const infer_op_env *env = j->env;
    size_t first, end;
    (void)worker;
    infer_part(j->count, 64, j->parts, part, &first, &end);
    env->kernels->lookup_8((const uint8_t *)env->in[X]->data + first, end - first,
                           env->in[TABLE]->data, (uint8_t *)env->out[0]->data + first);
}

static infer_status lookup_run(infer_op_env *env) {
    lookup_job j = {.env = env, .count = (size_t)infer_view_count(env->in[X])};
    if (!env->out[0] || !j.count)
        return INFER_OK;
    j.parts = infer_parts(env, j.count, 1 / 8.0);
    infer_parallel(env, j.parts, lookup_part, &j);
    return INFER_OK;
}

/* x, and the bytes that its bits name; the output has their type. */
const infer_op infer_op_infer_lookup_bytes = {
    .domain = "infer",
    .name = "LookupBytes",
    .since = 1,
    .newest = 1,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .flags = INFER_OP_INPLACE,
    .types = {T(INT8) | T(UINT8)},
    .infer = lookup_infer,
    .run = lookup_run,
};
