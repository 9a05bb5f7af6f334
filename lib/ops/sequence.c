/* Sequences: making them, taking from them, putting into them. Members never change, so that
 * sequences share them. */
#include "axes.h"
#include "op.h"
#include "status.h"

#include <string.h>

static infer_status check_sequence(const infer_view *v) {
    if (v->kind != INFER_KIND_SEQUENCE)
        return infer_fail(INFER_ERROR_TYPE, "input 0 is no sequence");
    return INFER_OK;
}

/* Output 0 as a sequence of `count` members (-1: unknown) like that of view. */
static void sequence_out(infer_op_env *env, const infer_view *like, int64_t count) {
    if (!env->out[0])
        return;
    *env->out[0] =
        (infer_view){.kind = INFER_KIND_SEQUENCE,
                     .type = like->type,
                     .member = like->kind == INFER_KIND_SEQUENCE ? like->member : like->kind,
                     .value_type = like->value_type,
                     .rank = 1,
                     .dim = {count}};
}

static infer_view *new_members(infer_op_env *env, int64_t count) {
    size_t bytes;
    if (count < 0 || __builtin_mul_overflow((size_t)count, sizeof(infer_view), &bytes)) {
        infer_fail(INFER_ERROR_MEMORY, "a sequence of %lld does not fit memory", (long long)count);
        return NULL;
    }
    return env->alloc(env, bytes);
}

/* A position that may be counted from the end, in [0, count). */
static infer_status read_position(const infer_view *v, int64_t count, int64_t *at) {
    if (infer_view_count(v) != 1)
        return infer_fail(INFER_ERROR_SHAPE, "the position is no scalar");
    *at = infer_index(v, 0);
    if (*at < -count || *at >= count)
        return infer_fail(INFER_ERROR_VALUE, "position %lld of %lld members", (long long)*at,
                          (long long)count);
    *at += *at < 0 ? count : 0;
    return INFER_OK;
}

#define SEQUENCE_OP(op_name, version)                                                              \
    .domain = "", .name = op_name, .since = version, .newest = 27, .min_out = 1, .max_out = 1

/* ---- SequenceConstruct, SequenceEmpty ---- */

static infer_status construct_infer(infer_op_env *env) {
    for (uint32_t i = 0; i < env->in_count; i++)
        if (!env->in[i] || env->in[i]->type != env->in[0]->type)
            return infer_fail(INFER_ERROR_TYPE, "input %u has another type than input 0", i);
    sequence_out(env, env->in[0], env->in_count);
    return INFER_OK;
}

static infer_status construct_run(infer_op_env *env) {
    if (!env->out[0])
        return INFER_OK;
    infer_view *members = new_members(env, env->in_count);
    if (!members)
        return INFER_ERROR_MEMORY;
    for (uint32_t i = 0; i < env->in_count; i++)
        INFER_TRY(infer_view_copy(env, env->in[i], &members[i]));
    env->out[0]->data = members;
    return INFER_OK;
}

const infer_op infer_op_sequence_construct = {
    SEQUENCE_OP("SequenceConstruct", 11),
    .min_in = 1,
    .max_in = INFER_VARIADIC,
    .types = {T_ALL, T_ALL | T_SAME},
    .infer = construct_infer,
    .run = construct_run,
};

typedef struct empty_params {
    int64_t dtype;
} empty_params;

static const infer_op_attr empty_attrs[] = {A_TYPE(empty_params, dtype, INFER_TYPE_FLOAT)};

static infer_status empty_infer(infer_op_env *env) {
    const empty_params *p = env->params;
    const infer_view like = {.type = (uint8_t)(p->dtype ? p->dtype : INFER_TYPE_FLOAT)};
    sequence_out(env, &like, 0);
    return INFER_OK;
}

static infer_status empty_run(infer_op_env *env) {
    if (!env->out[0])
        return INFER_OK;
    return (env->out[0]->data = new_members(env, 0)) ? INFER_OK : INFER_ERROR_MEMORY;
}

const infer_op infer_op_sequence_empty = {
    SEQUENCE_OP("SequenceEmpty", 11),
    .params_size = sizeof(empty_params),
    .attr_count = 1,
    .attrs = empty_attrs,
    .infer = empty_infer,
    .run = empty_run,
};

/* ---- SequenceAt, SequenceLength ---- */

static infer_status at_infer(infer_op_env *env) {
    const infer_view *s = env->in[0];
    INFER_TRY(check_sequence(s));
    if (env->out[0])
        *env->out[0] = (infer_view){.kind = s->member,
                                    .type = s->type,
                                    .value_type = s->value_type,
                                    .rank = s->member == INFER_KIND_TENSOR ? -1 : 1,
                                    .dim = {s->member == INFER_KIND_MAP ? 2 : -1}};
    return INFER_OK;
}

static infer_status at_run(infer_op_env *env) {
    int64_t at = 0;
    INFER_TRY(read_position(env->in[1], env->in[0]->dim[0], &at));
    return infer_give(env, 0, (const infer_view *)env->in[0]->data + at);
}

const infer_op infer_op_sequence_at = {
    SEQUENCE_OP("SequenceAt", 11),   .min_in = 2,       .max_in = 2,   .flags = INFER_OP_PLACES,
    .types = {T_COMPOSITE, T_INDEX}, .infer = at_infer, .run = at_run,
};

static infer_status length_infer(infer_op_env *env) {
    infer_view spare;
    INFER_TRY(check_sequence(env->in[0]));
    infer_out(env, 0, INFER_TYPE_INT64, 0, &spare);
    return INFER_OK;
}

static infer_status length_run(infer_op_env *env) {
    if (env->out[0])
        *(int64_t *)env->out[0]->data = env->in[0]->dim[0];
    return INFER_OK;
}

const infer_op infer_op_sequence_length = {
    SEQUENCE_OP("SequenceLength", 11),
    .min_in = 1,
    .max_in = 1,
    .flags = INFER_OP_READS_SHAPE,
    .types = {T_COMPOSITE},
    .infer = length_infer,
    .run = length_run,
};

/* ---- SequenceInsert, SequenceErase ---- */

static infer_status insert_infer(infer_op_env *env) {
    const infer_view *s = env->in[0], *v = env->in[1];
    INFER_TRY(check_sequence(s));
    if (v->kind != s->member || v->type != s->type)
        return infer_fail(INFER_ERROR_TYPE, "a sequence of %s takes no %s",
                          infer_type_name((infer_type)s->type),
                          infer_type_name((infer_type)v->type));
    sequence_out(env, s, s->dim[0] < 0 ? -1 : s->dim[0] + 1);
    return INFER_OK;
}

static infer_status insert_run(infer_op_env *env) {
    const infer_view *s = env->in[0];
    int64_t count = s->dim[0], at = count;
    if (!env->out[0])
        return INFER_OK;
    if (infer_has_input(env, 2)) {
        /* One place more than there are members. */
        if (infer_view_count(env->in[2]) != 1)
            return infer_fail(INFER_ERROR_SHAPE, "the position is no scalar");
        at = infer_index(env->in[2], 0);
        if (at < -count || at > count)
            return infer_fail(INFER_ERROR_VALUE, "position %lld of %lld members", (long long)at,
                              (long long)count);
        at += at < 0 ? count : 0;
    }
    infer_view *members = new_members(env, count + 1);
    if (!members)
        return INFER_ERROR_MEMORY;
    const infer_view *from = s->data;
    memcpy(members, from, (size_t)at * sizeof *members);
    memcpy(members + at + 1, from + at, (size_t)(count - at) * sizeof *members);
    INFER_TRY(infer_view_copy(env, env->in[1], &members[at]));
    env->out[0]->dim[0] = count + 1;
    env->out[0]->data = members;
    return INFER_OK;
}

const infer_op infer_op_sequence_insert = {
    SEQUENCE_OP("SequenceInsert", 11),
    .min_in = 2,
    .max_in = 3,
    .types = {T_COMPOSITE, T_ALL | T_COMPOSITE, T_INDEX},
    .infer = insert_infer,
    .run = insert_run,
};

static infer_status erase_infer(infer_op_env *env) {
    const infer_view *s = env->in[0];
    INFER_TRY(check_sequence(s));
    sequence_out(env, s, s->dim[0] < 1 ? -1 : s->dim[0] - 1);
    return INFER_OK;
}

static infer_status erase_run(infer_op_env *env) {
    const infer_view *s = env->in[0], *from = s->data;
    int64_t count = s->dim[0], at = count - 1;
    if (count < 1)
        return infer_fail(INFER_ERROR_VALUE, "the sequence is empty");
    if (infer_has_input(env, 1))
        INFER_TRY(read_position(env->in[1], count, &at));
    if (!env->out[0])
        return INFER_OK;
    infer_view *members = new_members(env, count - 1);
    if (!members)
        return INFER_ERROR_MEMORY;
    memcpy(members, from, (size_t)at * sizeof *members);
    memcpy(members + at, from + at + 1, (size_t)(count - 1 - at) * sizeof *members);
    env->out[0]->dim[0] = count - 1;
    env->out[0]->data = members;
    return INFER_OK;
}

const infer_op infer_op_sequence_erase = {
    SEQUENCE_OP("SequenceErase", 11), .min_in = 1,          .max_in = 2,
    .types = {T_COMPOSITE, T_INDEX},  .infer = erase_infer, .run = erase_run,
};
