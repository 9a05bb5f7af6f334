/* Unique: the different elements of a tensor, or the different slices along an axis. */
#include "axes.h"
#include "checked.h"
#include "movement.h"
#include "op.h"
#include "order.h"
#include "status.h"

#include <string.h>

typedef struct unique_params {
    int64_t axis, sorted;
} unique_params;

#define NO_AXIS INT64_MIN
static const infer_op_attr unique_attrs[] = {A_INT(unique_params, axis, -0x1p63),
                                             A_INT(unique_params, sorted, 1)};

enum { VALUES, INDICES, INVERSE, COUNTS };

/* ---- shapes ---- */

static infer_status unique_infer(infer_op_env *env) {
    const unique_params *p = env->params;
    const infer_view *x = env->in[0];
    bool flat = p->axis == NO_AXIS;
    infer_view spare, *y[4];
    for (uint32_t i = 0; i < 4; i++)
        y[i] = infer_out(env, i, i == VALUES ? x->type : INFER_TYPE_INT64, 1, &spare);
    y[VALUES]->rank = flat ? 1 : x->rank;
    if (x->rank < 0)
        return INFER_OK;
    int32_t axis = 0;
    int64_t items = infer_view_count(x), count = items;
    if (!flat) {
        INFER_TRY(infer_axis(p->axis, x->rank, &axis));
        items = x->dim[axis];
        for (int32_t i = 0; i < x->rank; i++)
            y[VALUES]->dim[i] = i == axis ? -1 : x->dim[i];
    }
    y[INVERSE]->dim[0] = items;
    if (count < 0)
        return INFER_OK;
    /* Keys of all numbers (two in a complex one), then three lists of items. */
    size_t keys, lists;
    if (!infer_mul((size_t)count, 2 * sizeof(uint64_t), &keys) ||
        !infer_mul((size_t)items, 3 * sizeof(int64_t), &lists) || !infer_add(keys, lists, &keys) ||
        !infer_add(keys, 64, &env->scratch_size)) /* never none */
        return infer_fail(INFER_ERROR_SHAPE, "%lld elements are too many", (long long)count);
    return INFER_OK;
}

/* ---- the order of items ---- */

typedef struct items {
    size_t n, outer, inner; /* numbers of an item: inner of them, outer times */
    const uint64_t *keys;
    const infer_string *text; /* instead of keys */
} items;

static int compare_text(infer_string a, infer_string b) {
    size_t n = a.size < b.size ? a.size : b.size;
    int order = n ? memcmp(a.data, b.data, n) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

static int compare(const items *s, int64_t a, int64_t b) {
    for (size_t o = 0; o < s->outer; o++)
        for (size_t i = 0; i < s->inner; i++) {
            size_t at_a = (o * s->n + (size_t)a) * s->inner + i;
            size_t at_b = (o * s->n + (size_t)b) * s->inner + i;
            int order = s->text ? compare_text(s->text[at_a], s->text[at_b])
                                : (s->keys[at_a] > s->keys[at_b]) - (s->keys[at_a] < s->keys[at_b]);
            if (order)
                return order;
        }
    return 0;
}

/* Numbers of items in their order, equal ones in that of the tensor: a merge sort, its runs doubled
 * from list to list. Gives the list that has them. */
static int64_t *sort_items(const items *s, int64_t *order, int64_t *spare) {
    for (size_t i = 0; i < s->n; i++)
        order[i] = (int64_t)i;
    for (size_t run = 1; run < s->n; run *= 2) {
        for (size_t at = 0; at < s->n; at += 2 * run) {
            size_t middle = s->n - at < run ? s->n : at + run;
            size_t end = s->n - middle < run ? s->n : middle + run, a = at, b = middle;
            for (size_t to = at; to < end; to++)
                spare[to] = b == end || (a < middle && compare(s, order[a], order[b]) <= 0)
                                ? order[a++]
                                : order[b++];
        }
        int64_t *sorted = spare;
        spare = order;
        order = sorted;
    }
    return order;
}

/* ---- running ---- */

static infer_status place_list(infer_op_env *env, uint32_t index, int64_t n, int64_t **out) {
    infer_view shape = {.type = INFER_TYPE_INT64, .rank = 1, .dim = {n}};
    *out = NULL;
    if (index >= env->out_count || !env->out[index])
        return INFER_OK;
    INFER_TRY(infer_place(env, index, &shape));
    *out = env->out[index]->data;
    return INFER_OK;
}

/* The first item of each group into first[], the group of each item into group[]; how many there
 * are. order is sorted. Groups are numbered as they come, or as their first items do. */
static size_t find_groups(const items *s, const int64_t *order, bool sorted, int64_t *first,
                          int64_t *group) {
    size_t groups = 0;
    for (size_t i = 0; i < s->n; i++) {
        bool starts = i == 0 || compare(s, order[i - 1], order[i]) != 0;
        if (starts)
            first[groups++] = order[i];
        group[order[i]] = sorted ? (int64_t)groups - 1 : first[groups - 1];
    }
    if (sorted)
        return groups;
    /* Until the loop below numbers them, group[] names the first item of each item's group. */
    groups = 0;
    for (size_t i = 0; i < s->n; i++) {
        int64_t leader = group[i];
        if (leader == (int64_t)i) {
            first[groups] = leader;
            group[i] = (int64_t)groups++;
        } else {
            group[i] = group[leader];
        }
    }
    return groups;
}

static infer_status write_outputs(infer_op_env *env, const items *s, const int64_t *first,
                                  const int64_t *group, size_t groups, int32_t axis, bool flat) {
    const infer_view *x = env->in[0];
    int64_t *indices, *inverse, *counts;
    INFER_TRY(place_list(env, INDICES, (int64_t)groups, &indices));
    INFER_TRY(place_list(env, INVERSE, (int64_t)s->n, &inverse));
    INFER_TRY(place_list(env, COUNTS, (int64_t)groups, &counts));
    if (indices && groups)
        memcpy(indices, first, groups * sizeof *first);
    if (inverse && s->n)
        memcpy(inverse, group, s->n * sizeof *group);
    if (counts && groups) {
        memset(counts, 0, groups * sizeof *counts);
        for (size_t i = 0; i < s->n; i++)
            counts[group[i]]++;
    }
    if (!env->out[VALUES])
        return INFER_OK;
    infer_view shape = {.type = x->type, .rank = 1};
    if (!flat)
        shape = *x;
    shape.dim[axis] = (int64_t)groups;
    INFER_TRY(infer_place(env, VALUES, &shape));
    if (infer_view_count(&shape) == 0)
        return INFER_OK;
    size_t outer = flat ? 1 : (size_t)infer_span(x, 0, axis);
    size_t piece = infer_type_size((infer_type)x->type);
    piece *= flat ? 1 : (size_t)infer_span(x, axis + 1, x->rank);
    for (size_t i = 0; i < groups; i++)
        infer_copy_pieces((char *)env->out[VALUES]->data + i * piece, (ptrdiff_t)(piece * groups),
                          (const char *)x->data + (size_t)first[i] * piece,
                          (ptrdiff_t)(piece * s->n), outer, piece);
    return INFER_OK;
}

static infer_status unique_run(infer_op_env *env) {
    const unique_params *p = env->params;
    const infer_view *x = env->in[0];
    infer_type type = (infer_type)x->type;
    bool flat = p->axis == NO_AXIS, complex = infer_type_kind(type) == INFER_CLASS_COMPLEX;
    size_t count = (size_t)infer_view_count(x);
    int32_t axis = 0;
    items s = {.n = count, .outer = 1, .inner = 1};
    if (!flat) {
        INFER_TRY(infer_axis(p->axis, x->rank, &axis));
        s.n = (size_t)x->dim[axis];
        s.outer = (size_t)infer_span(x, 0, axis);
        s.inner = (size_t)infer_span(x, axis + 1, x->rank);
    }
    static uint64_t nothing[1]; /* of no elements */
    uint64_t *keys = env->scratch ? env->scratch : nothing;
    int64_t *lists = (int64_t *)(keys + 2 * count), *order;
    if (complex) { /* the real parts decide, then the imaginary ones */
        type = type == INFER_TYPE_COMPLEX64 ? INFER_TYPE_FLOAT : INFER_TYPE_DOUBLE;
        count *= 2;
        s.inner *= 2;
    }
    if (type == INFER_TYPE_STRING)
        s.text = x->data;
    else
        infer_order_keys(type, x->data, 0, 1, count, false, keys);
    s.keys = keys;
    order = sort_items(&s, lists, lists + s.n);
    int64_t *first = order == lists ? lists + s.n : lists, *group = lists + 2 * s.n;
    size_t groups = find_groups(&s, order, p->sorted != 0, first, group);
    return write_outputs(env, &s, first, group, groups, axis, flat);
}

const infer_op infer_op_unique = {
    .domain = "",
    .name = "Unique",
    .since = 11,
    .newest = 27,
    .params_size = sizeof(unique_params),
    .min_in = 1,
    .max_in = 1,
    .min_out = 1,
    .max_out = 4,
    .flags = INFER_OP_PLACES,
    .attr_count = 2,
    .attrs = unique_attrs,
    .types = {T_ALL},
    .infer = unique_infer,
    .run = unique_run,
};
