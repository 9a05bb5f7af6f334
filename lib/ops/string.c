/* StringConcat and StringSplit. */
#define _GNU_SOURCE /* memmem */
#include "axes.h"
#include "broadcast.h"
#include "checked.h"
#include "elementwise.h"
#include "op.h"
#include "status.h"

#include <string.h>

/* ---- StringConcat ---- */

static infer_status concat_infer(infer_op_env *env) {
    return infer_like_all(env, INFER_TYPE_STRING);
}

/* One after another, each with its text at *at. Without at only sizes are set. */
static void concat_all(infer_op_env *env, char *at) {
    const infer_string *x = env->in[0]->data, *y = env->in[1]->data;
    infer_string *z = env->out[0]->data;
    infer_broadcast walk;
    infer_broadcast_begin(&walk, env->in, 2, env->out[0]);
    if (walk.empty)
        return;
    do {
        for (size_t i = 0; i < walk.inner; i++, z++) {
            infer_string a = x[walk.at[0] + i * walk.step[0]], b = y[walk.at[1] + i * walk.step[1]];
            if (!at) {
                /* Both lie in memory, but what comes of them need not. */
                if (!infer_add(a.size, b.size, &z->size))
                    z->size = SIZE_MAX;
                continue;
            }
            z->data = at;
            if (a.size)
                memcpy(at, a.data, a.size);
            if (b.size)
                memcpy(at + a.size, b.data, b.size);
            at += z->size;
        }
    } while (infer_broadcast_next(&walk));
}

static infer_status concat_run(infer_op_env *env) {
    if (!env->out[0])
        return INFER_OK;
    const infer_string *z = env->out[0]->data;
    int64_t n = infer_view_count(env->out[0]);
    size_t size = 0;
    concat_all(env, NULL);
    for (int64_t i = 0; i < n; i++)
        if (!infer_add(size, z[i].size, &size))
            return infer_fail(INFER_ERROR_MEMORY, "the texts do not fit memory");
    char *room = env->alloc(env, size);
    if (!room)
        return INFER_ERROR_MEMORY;
    concat_all(env, room);
    return INFER_OK;
}

const infer_op infer_op_string_concat = {
    .domain = "",
    .name = "StringConcat",
    .since = 20,
    .newest = 27,
    .min_in = 2,
    .max_in = 2,
    .min_out = 1,
    .max_out = 1,
    .types = {T(STRING)},
    .infer = concat_infer,
    .run = concat_run,
};

/* ---- StringSplit ---- */

typedef struct split_params {
    infer_list delimiter;
    int64_t maxsplit; /* negative: as many as there are */
} split_params;

static const infer_op_attr split_attrs[] = {A_STRING(split_params, delimiter, ""),
                                            A_INT(split_params, maxsplit, -1)};

/* The parts have one axis more than the texts; how many there are at most shows when running. */
static infer_status split_infer(infer_op_env *env) {
    const infer_view *x = env->in[0];
    if (x->rank >= INFER_MAX_RANK)
        return infer_fail(INFER_ERROR_SHAPE, "rank %d leaves no axis for the parts", (int)x->rank);
    infer_view spare,
        *y = infer_out(env, 0, INFER_TYPE_STRING, x->rank < 0 ? -1 : x->rank + 1, &spare);
    infer_view other, *z = infer_out(env, 1, INFER_TYPE_INT64, x->rank, &other);
    for (int32_t i = 0; i < x->rank; i++)
        y->dim[i] = z->dim[i] = x->dim[i];
    return INFER_OK;
}

/* Bytes of the white space that s begins with, 0 where it is none: Unicode's, and the four
 * separators among the control characters. */
static size_t space_at(infer_string s) {
    const uint8_t *p = (const uint8_t *)s.data;
    if (!s.size)
        return 0;
    if (p[0] < 0x80)
        return (p[0] >= 0x09 && p[0] <= 0x0d) || (p[0] >= 0x1c && p[0] <= 0x20);
    if (p[0] == 0xc2)
        return s.size > 1 && (p[1] == 0x85 || p[1] == 0xa0) ? 2 : 0;
    if (s.size < 3 || p[0] < 0xe1 || p[0] > 0xe3)
        return 0;
    uint32_t c = (uint32_t)(p[0] & 15) << 12 | (uint32_t)(p[1] & 63) << 6 | (p[2] & 63);
    return (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
                   c == 0x205f || c == 0x1680 || c == 0x3000
               ? 3
               : 0;
}

static infer_string skip_bytes(infer_string s, size_t n) {
    return (infer_string){s.data + n, s.size - n};
}

static infer_string skip_space(infer_string s) {
    for (size_t n; (n = space_at(s)) > 0;)
        s = skip_bytes(s, n);
    return s;
}

/* The part that s begins with, and s without it; false where nothing is left. */
static bool next_word(infer_string *s, bool rest, infer_string *part) {
    *part = *s = skip_space(*s);
    if (!s->size)
        return false;
    size_t n = s->size;
    if (!rest)
        for (n = 1; n < s->size && !space_at(skip_bytes(*s, n));)
            n++;
    part->size = n;
    *s = skip_bytes(*s, n);
    return true;
}

/* The same between delimiters. *s has no data once the last part was read. */
static bool next_part(infer_string *s, infer_string delimiter, bool rest, infer_string *part) {
    if (!s->data)
        return false;
    const char *at = rest ? NULL : memmem(s->data, s->size, delimiter.data, delimiter.size);
    *part = *s;
    if (!at) {
        *s = (infer_string){NULL, 0};
        return true;
    }
    part->size = (size_t)(at - s->data);
    *s = skip_bytes(*s, part->size + delimiter.size);
    return true;
}

/* How many parts s has; they go to parts[] where it is given. */
static int64_t split_one(infer_string s, infer_string delimiter, int64_t maxsplit,
                         infer_string *parts) {
    int64_t count = 0;
    infer_string part;
    if (!s.data)
        s.data = "";
    while (delimiter.size ? next_part(&s, delimiter, count == maxsplit, &part)
                          : next_word(&s, count == maxsplit, &part)) {
        if (parts)
            parts[count] = part;
        count++;
    }
    return count;
}

static infer_status split_run(infer_op_env *env) {
    const split_params *p = env->params;
    const infer_view *x = env->in[0];
    const infer_string *from = x->data;
    infer_string delimiter = {infer_list_data(env, &p->delimiter), (size_t)p->delimiter.count};
    int64_t n = infer_view_count(x), most = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t count = split_one(from[i], delimiter, p->maxsplit, NULL);
        most = count > most ? count : most;
        if (env->out_count > 1 && env->out[1])
            ((int64_t *)env->out[1]->data)[i] = count;
    }
    if (!env->out[0])
        return INFER_OK;
    infer_view shape = *env->out[0];
    shape.dim[shape.rank - 1] = most;
    INFER_TRY(infer_place(env, 0, &shape));
    infer_string *to = env->out[0]->data;
    for (int64_t i = 0; i < n; i++, to += most)
        for (int64_t count = split_one(from[i], delimiter, p->maxsplit, to); count < most; count++)
            to[count] = (infer_string){"", 0};
    return INFER_OK;
}

const infer_op infer_op_string_split = {
    .domain = "",
    .name = "StringSplit",
    .since = 20,
    .newest = 27,
    .params_size = sizeof(split_params),
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 2,
    .flags = INFER_OP_PLACES,
    .attr_count = sizeof split_attrs / sizeof *split_attrs,
    .attrs = split_attrs,
    .types = {T(STRING)},
    .infer = split_infer,
    .run = split_run,
};
