/* The attributes of ensembles of trees, and how their nodes become infer.Trees. */
#include "trees_read.h"

#include <string.h>

/* ---- attributes ---- */

infer_status infer_trees_wrong_kind(const char *name) {
    return infer_fail(INFER_ERROR_FORMAT, "%s is of the wrong kind", name);
}

/* Lists of integers are INTS, or narrow tensors (INFER_OP_NARROW). */
infer_status infer_trees_ints(infer_rewriter *rw, const char *name, infer_integers *list) {
    const infer_attr *a = rw->attr(rw, name);
    const uint64_t narrow = T(UINT8) | T(UINT16) | T(INT32) | T(INT64);
    *list = (infer_integers){.type = INFER_TYPE_INT64};
    if (!a)
        return INFER_OK;
    if (a->type == INFER_ATTR_INTS)
        *list = (infer_integers){a->data, a->count, INFER_TYPE_INT64};
    else if (a->type == INFER_ATTR_TENSOR && narrow >> a->tensor.type & 1)
        *list = (infer_integers){a->tensor.data, (uint64_t)infer_view_count(&a->tensor),
                                 (infer_type)a->tensor.type};
    else
        return infer_trees_wrong_kind(name);
    return INFER_OK;
}

infer_status infer_trees_tensor(infer_rewriter *rw, const char *name, uint64_t types,
                                infer_numbers *list) {
    const infer_attr *a = rw->attr(rw, name);
    *list = (infer_numbers){.type = INFER_TYPE_FLOAT};
    if (!a)
        return INFER_OK;
    if (a->type != INFER_ATTR_TENSOR || !(types >> a->tensor.type & 1))
        return infer_trees_wrong_kind(name);
    *list = (infer_numbers){a->tensor.data, (uint64_t)infer_view_count(&a->tensor),
                            (infer_type)a->tensor.type};
    return INFER_OK;
}

infer_status infer_trees_int(infer_rewriter *rw, const char *name, int64_t *value) {
    const infer_attr *a = rw->attr(rw, name);
    if (!a)
        return INFER_OK;
    if (a->type != INFER_ATTR_INT)
        return infer_trees_wrong_kind(name);
    *value = a->i;
    return INFER_OK;
}

infer_status infer_trees_same_count(uint64_t count, uint64_t expected, const char *name) {
    return count == expected
               ? INFER_OK
               : infer_fail(INFER_ERROR_FORMAT, "%s has %llu entries instead of %llu", name,
                            (unsigned long long)count, (unsigned long long)expected);
}

/* A list of floats, or from version 3 on a tensor of another name. */
infer_status infer_trees_numbers(infer_rewriter *rw, const char *name, const char *tensor,
                                 infer_numbers *list) {
    const infer_attr *a = rw->attr(rw, name);
    if (rw->attr(rw, tensor) && (a || rw->version < 3))
        return infer_fail(INFER_ERROR_FORMAT, "%s must not be set", tensor);
    if (!a)
        return infer_trees_tensor(rw, tensor, T(FLOAT) | T(DOUBLE), list);
    if (a->type == INFER_ATTR_TENSOR)
        return infer_trees_tensor(rw, name, T(FLOAT), list);
    if (a->type != INFER_ATTR_FLOATS)
        return infer_trees_wrong_kind(name);
    *list = (infer_numbers){a->data, a->count, INFER_TYPE_FLOAT};
    return INFER_OK;
}

infer_status infer_trees_check_targets(const infer_tree_source *s) {
    if (s->targets < 1 || s->targets > INT32_MAX)
        return infer_fail(INFER_ERROR_VALUE, "%lld targets", (long long)s->targets);
    for (uint32_t v = 0; v < s->vote_count; v++) {
        int64_t target = infer_integer_at(&s->vote_targets, v);
        if (target < 0 || target >= s->targets)
            return infer_fail(INFER_ERROR_VALUE, "a vote is for number %lld of %lld",
                              (long long)target, (long long)s->targets);
    }
    return INFER_OK;
}

/* ---- what all have in common ---- */

infer_status infer_trees_begin(infer_rewriter *rw) {
    static const char *const own[] = {"kind",    "targets", "aggregate", "features",
                                      "flagged", "missing", "first",     "type"};
    if (rw->in_count != 1)
        return infer_fail(INFER_ERROR_FORMAT, "%u inputs instead of 1", rw->in_count);
    for (size_t i = 0; i < COUNT(own); i++)
        if (rw->attr(rw, own[i]))
            return infer_fail(INFER_ERROR_UNSUPPORTED, "attribute %s is not known", own[i]);
    return INFER_OK;
}

static infer_status set_base(infer_rewriter *rw, const infer_numbers *base) {
    rw->drop_attr(rw, "base_values");
    if (!base->count)
        return INFER_OK;
    infer_attr attr = {
        .name = "base_values",
        .type = INFER_ATTR_TENSOR,
        .tensor = {.type = INFER_TYPE_DOUBLE, .rank = 1, .dim = {(int64_t)base->count}}};
    double *to = attr.tensor.data = rw->alloc(rw, (size_t)base->count * sizeof *to);
    if (!to)
        return rw->failed;
    for (uint64_t i = 0; i < base->count; i++)
        to[i] = infer_number_at(base, i);
    return rw->set_attr(rw, &attr);
}

infer_status infer_trees_become(const infer_tree_source *s, const char *const *names, size_t count,
                                infer_numbers base, int64_t kind, int64_t post, int64_t type) {
    infer_rewriter *rw = s->rw;
    const struct {
        const char *name;
        int64_t value, usual;
    } numbers[] = {{"kind", kind, INFER_TREES_REGRESSOR},
                   {"targets", s->targets, 1},
                   {"aggregate", s->aggregate, INFER_TREES_SUM},
                   {"post_transform", post, INFER_POST_NONE},
                   {"type", type, INFER_TYPE_FLOAT}};
    /* What the builder reads of attributes stays in memory when they are dropped. */
    for (size_t i = 0; i < count; i++)
        rw->drop_attr(rw, names[i]);
    for (size_t i = 0; i < COUNT(numbers); i++)
        if (numbers[i].value != numbers[i].usual)
            INFER_TRY(infer_set_int(rw, numbers[i].name, numbers[i].value));
    INFER_TRY(set_base(rw, &base));
    INFER_TRY(infer_trees_build(s));
    return rw->become(rw, "infer", "Trees");
}

const infer_op_attr infer_trees_labels[2] = {
    A_LIST(infer_trees_params, classlabels_int64s, INTS),
    A_LIST(infer_trees_params, classlabels_strings, STRINGS),
};

infer_status infer_trees_never(infer_op_env *env) {
    (void)env;
    return infer_fail(INFER_ERROR_UNSUPPORTED, "trees are run by infer.Trees");
}
