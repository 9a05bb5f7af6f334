/* Where: elements of one input or of another, by a condition; by size, not by type. */
#include "broadcast.h"
#include "elementwise.h"
#include "status.h"

/* Elements of a size; they may be read as such whatever they are. */
typedef uint8_t __attribute__((may_alias)) size_1;
typedef uint16_t __attribute__((may_alias)) size_2;
typedef uint32_t __attribute__((may_alias)) size_4;
typedef uint64_t __attribute__((may_alias)) size_8;
typedef struct __attribute__((may_alias)) size_16 {
    uint64_t part[2];
} size_16;

#define WHERE_LOOP(name, ctype)                                                                    \
    static void name(const uint8_t *c, size_t sc, const void *x_, size_t sx, const void *y_,       \
                     size_t sy, void *z_, size_t n) {                                              \
        const ctype *x = x_, *y = y_;                                                              \
        ctype *z = z_;                                                                             \
        for (size_t i = 0; i < n; i++)                                                             \
            z[i] = c[sc * i] ? x[sx * i] : y[sy * i];                                              \
    }
WHERE_LOOP(where_1, size_1)
WHERE_LOOP(where_2, size_2)
WHERE_LOOP(where_4, size_4)
WHERE_LOOP(where_8, size_8)
WHERE_LOOP(where_16, size_16)

typedef void (*where_loop)(const uint8_t *c, size_t sc, const void *x, size_t sx, const void *y,
                           size_t sy, void *z, size_t n);

static where_loop loop_for(size_t size) {
    switch (size) {
    case 1:
        return where_1;
    case 2:
        return where_2;
    case 4:
        return where_4;
    case 8:
        return where_8;
    default:
        return where_16;
    }
}

static infer_status where_infer(infer_op_env *env) {
    if (env->in[1]->type != env->in[2]->type)
        return infer_fail(INFER_ERROR_TYPE, "elements of %s and of %s cannot be mixed",
                          infer_type_name((infer_type)env->in[1]->type),
                          infer_type_name((infer_type)env->in[2]->type));
    return infer_like_all(env, (infer_type)env->in[1]->type);
}

static infer_status where_run(infer_op_env *env) {
    const infer_view *c = env->in[0], *x = env->in[1], *y = env->in[2];
    infer_view *z = env->out[0];
    if (!z)
        return INFER_OK;
    size_t size = infer_type_size((infer_type)x->type);
    where_loop loop = loop_for(size);
    char *to = z->data;
    infer_broadcast walk;
    infer_broadcast_begin(&walk, env->in, 3, z);
    if (walk.empty)
        return INFER_OK;
    do {
        loop((const uint8_t *)c->data + walk.at[0], walk.step[0],
             (const char *)x->data + walk.at[1] * size, walk.step[1],
             (const char *)y->data + walk.at[2] * size, walk.step[2], to, walk.inner);
        to += walk.inner * size;
    } while (infer_broadcast_next(&walk));
    return INFER_OK;
}

const infer_op infer_op_where = {
    .domain = "",
    .name = "Where",
    .since = 9,
    .newest = 27,
    .min_in = 3,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .types = {T(BOOL), T_ALL, T_ALL},
    .infer = where_infer,
    .run = where_run,
};
