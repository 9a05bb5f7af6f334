/* Functions of one number of 8 bits: what each of the 256 becomes. */
#include "elementwise.h"
#include "share.h"
#include "status.h"

enum { X, TABLE };

#define TABLE_SIZE 256

/* One table, or one for each channel. */
static infer_status lookup_infer(infer_op_env *env) {
    const infer_view *x = env->in[X], *table = env->in[TABLE];
    const bool one = table->rank == 1, each = table->rank == 2;
    if ((!one && !each) || table->dim[table->rank - 1] != TABLE_SIZE ||
        (each && x->rank >= 0 &&
         (x->rank < 2 || table->dim[0] < 0 || (x->dim[1] >= 0 && x->dim[1] != table->dim[0]))))
        return infer_fail(INFER_ERROR_SHAPE, "the table does not fit");
    return infer_like_first(env, (infer_type)table->type);
}

/* Rows of elements that have a table. */
typedef struct lookup_job {
    const infer_op_env *env;
    size_t rows, inner, tables, parts;
} lookup_job;

static void lookup_part(void *arg, size_t part, size_t worker) {
    const lookup_job *j = arg;
    const infer_op_env *env = j->env;
    const uint8_t *x = env->in[X]->data, *table = env->in[TABLE]->data;
    uint8_t *y = env->out[0]->data;
    size_t first, end, to;
    (void)worker;
    infer_part(j->rows * j->inner, 64, j->parts, part, &first, &end);
    for (; first < end; first = to) {
        const size_t row = first / j->inner;
        to = (row + 1) * j->inner < end ? (row + 1) * j->inner : end;
        env->kernels->lookup_8(x + first, to - first, table + row % j->tables * TABLE_SIZE,
                               y + first);
    }
}

static infer_status lookup_run(infer_op_env *env) {
    const infer_view *x = env->in[X], *table = env->in[TABLE];
    const size_t count = (size_t)infer_view_count(x);
    lookup_job j = {env, 1, count, 1, 1};
    if (!env->out[0] || !count)
        return INFER_OK;
    if (table->rank == 2) {
        j.tables = (size_t)table->dim[0];
        j.rows = (size_t)x->dim[0] * j.tables;
        j.inner = count / j.rows;
    }
    j.parts = infer_parts(env, count, 1 / 8.0);
    infer_parallel(env, j.parts, lookup_part, &j);
    return INFER_OK;
}

/* x, and the bytes that its bits name, for all or for each channel; the output has their type. */
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
