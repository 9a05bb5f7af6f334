/* Calling an operator without a graph: as the engine does, infer, then run. Include after cmocka.
 */
#ifndef INFER_TESTS_OP_CALL_H
#define INFER_TESTS_OP_CALL_H

#include "kernels.h"
#include "op.h"
#include "types.h"

#include <stdlib.h>

typedef struct call {
    infer_op_env env;
    infer_kernels kernels;
    infer_view in[9], out;
    const infer_view *in_at[9];
    infer_view *out_at[1];
    void *memory[4];
    size_t memory_count;
} call;

static inline void *take(infer_op_env *env, size_t size) {
    call *c = env->owner;
    assert_true(c->memory_count < 4);
    return c->memory[c->memory_count++] = malloc(size ? size : 1);
}

static inline void begin(call *c, const void *params) {
    *c = (call){.env = {.params = params, .out_count = 1, .alloc = take}};
    infer_kernels_init(&c->kernels, 0);
    infer_kernels_init_blocked(&c->kernels, 0);
    c->env.kernels = &c->kernels;
    c->env.in = c->in_at;
    c->env.out = c->out_at;
    c->env.owner = c;
    c->out_at[0] = &c->out;
}

static inline void end(call *c) {
    for (size_t i = 0; i < c->memory_count; i++)
        free(c->memory[i]);
}

static inline void set_in(call *c, uint32_t index, infer_type type, int32_t rank,
                          const int64_t *dim, const void *data) {
    c->in[index] = (infer_view){.type = (uint8_t)type, .rank = rank, .data = (void *)data};
    for (int32_t i = 0; i < rank; i++)
        c->in[index].dim[i] = dim[i];
    c->in_at[index] = &c->in[index];
    if (c->env.in_count <= index)
        c->env.in_count = index + 1;
}

/* Infers and runs; what run may not touch around the output and scratch is left to sanitizers. */
static inline void run(call *c, const char *domain, const char *name) {
    const infer_op *op = infer_op_find(domain, name);
    assert_non_null(op);
    assert_int_equal(infer_op_infer(op, &c->env), INFER_OK);
    assert_true(infer_view_concrete(&c->out));
    c->out.data = take(&c->env, infer_view_bytes(&c->out));
    c->env.scratch = c->env.scratch_size ? take(&c->env, c->env.scratch_size) : NULL;
    assert_int_equal(op->run(&c->env), INFER_OK);
}

#endif
