/* FlexAttention: attention whose scores and probabilities pass through graphs of the model's;
 * written as other operators, the graphs among them. */
#include "op.h"
#include "status.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct flex_params {
    infer_body score_mod, prob_mod;
    int64_t softmax_precision;
    float scale;
} flex_params;

static const infer_op_attr flex_attrs[] = {
    {"score_mod", INFER_ATTR_GRAPH, false, offsetof(flex_params, score_mod), 0, NULL},
    {"prob_mod", INFER_ATTR_GRAPH, false, offsetof(flex_params, prob_mod), 0, NULL},
    A_TYPE(flex_params, softmax_precision, 0),
    A_FLOAT(flex_params, scale, 0)};

/* Key and value heads, each repeated for the queries that share it. */
static const char repeat_text[] = "n = Shape<start=1,end=2>(q)\n"
                                  "m = Shape<start=1,end=2>(kv)\n"
                                  "b = Shape<start=0,end=1>(kv)\n"
                                  "t = Shape<start=2,end=4>(kv)\n"
                                  "r = Div(n, m)\n"
                                  "s = Concat<axis=0>(b, m, r, t)\n"
                                  "u = Unsqueeze(kv, [2])\n"
                                  "e = Expand(u, s)\n"
                                  "o = Concat<axis=0>(b, n, t)\n"
                                  "@0 = Reshape(e, o)\n";

static const char scale_text[] = "d = Shape<start=3,end=4>(q)\n"
                                 "f = Cast<to=1>(d)\n"
                                 "s = Sqrt(f)\n"
                                 "t = Sqrt(s)\n"
                                 "@0 = Reciprocal(t)\n";

/* Both factors get the root of the scale, so that narrow types keep in range. */
static const char score_text[] = "w = CastLike(root, q)\n"
                                 "a = Mul(q, w)\n"
                                 "b = Mul(k, w)\n"
                                 "t = Transpose<perm=[0,1,3,2]>(b)\n"
                                 "@0 = MatMul(a, t)\n";

static infer_status check_heads(infer_rewriter *rw) {
    const infer_view *q = rw->view(rw, rw->input(rw, 0));
    for (uint32_t i = 0; i < 3; i++) {
        const infer_view *v = rw->view(rw, rw->input(rw, i));
        if (v->rank >= 0 && v->rank != 4)
            return infer_fail(INFER_ERROR_SHAPE, "input %u has rank %d, not 4", i, (int)v->rank);
        if (v->rank == 4 && q->rank == 4 && v->dim[1] > 0 && q->dim[1] >= 0 &&
            q->dim[1] % v->dim[1])
            return infer_fail(INFER_ERROR_SHAPE, "%lld query heads for %lld of input %u",
                              (long long)q->dim[1], (long long)v->dim[1], i);
    }
    return INFER_OK;
}

static infer_status read_scale(infer_rewriter *rw, uint32_t q, uint32_t *root) {
    const infer_attr *scale = rw->attr(rw, "scale");
    if (!scale) {
        const infer_named names[] = {{"q", q}};
        return infer_expand_with(rw, scale_text, names, 1, NULL, root);
    }
    if (scale->type != INFER_ATTR_FLOAT || !(scale->f >= 0))
        return infer_fail(INFER_ERROR_VALUE, "scale is no number from 0 on");
    float value = sqrtf(scale->f);
    infer_view scalar = {.type = INFER_TYPE_FLOAT, .data = &value};
    *root = rw->constant(rw, &scalar);
    return rw->failed;
}

static infer_status modify(infer_rewriter *rw, const char *name, uint32_t *value) {
    uint32_t in = *value;
    return rw->attr(rw, name) ? rw->inline_body(rw, name, &in, 1, value, 1) : INFER_OK;
}

static uint32_t cast(infer_rewriter *rw, uint32_t value, int64_t type) {
    infer_attr to = {.name = "to", .type = INFER_ATTR_INT, .i = type};
    return rw->add(rw, "", "Cast", &value, 1, &to, 1);
}

static infer_status flex_upgrade(infer_rewriter *rw) {
    INFER_TRY(check_heads(rw));
    uint32_t q = rw->input(rw, 0), kv[2], root, score;
    int64_t type = rw->view(rw, q)->type;
    const infer_attr *precision = rw->attr(rw, "softmax_precision");
    int64_t wide = precision                   ? precision->i
                   : type == INFER_TYPE_DOUBLE ? INFER_TYPE_DOUBLE
                                               : INFER_TYPE_FLOAT;
    for (uint32_t i = 0; i < 2; i++) {
        const infer_named names[] = {{"q", q}, {"kv", rw->input(rw, 1 + i)}};
        INFER_TRY(infer_expand_with(rw, repeat_text, names, 2, NULL, &kv[i]));
    }
    INFER_TRY(read_scale(rw, q, &root));
    const infer_named names[] = {{"q", q}, {"k", kv[0]}, {"root", root}};
    INFER_TRY(infer_expand_with(rw, score_text, names, 3, NULL, &score));
    score = cast(rw, score, wide);
    INFER_TRY(modify(rw, "score_mod", &score));
    infer_attr axis = {.name = "axis", .type = INFER_ATTR_INT, .i = 3};
    uint32_t prob = rw->add(rw, "", "Softmax", &score, 1, &axis, 1);
    INFER_TRY(rw->failed);
    INFER_TRY(modify(rw, "prob_mod", &prob));
    uint32_t factors[] = {prob, cast(rw, kv[1], wide)};
    return rw->replace(rw, 0, cast(rw, rw->add(rw, "", "MatMul", factors, 2, NULL, 0), type));
}

const infer_op infer_op_flex_attention = {
    .domain = "ai.onnx.preview",
    .name = "FlexAttention",
    .since = 1,
    .newest = 1,
    .params_size = sizeof(flex_params),
    .min_in = 3,
    .max_in = 3,
    .min_out = 1,
    .max_out = 1,
    .flags = INFER_OP_BODIES,
    .attr_count = sizeof flex_attrs / sizeof *flex_attrs,
    .attrs = flex_attrs,
    .types = {T_FLOAT, T_FLOAT | T_SAME},
    .upgrade = flex_upgrade,
    .infer = infer_expanded,
    .run = infer_expanded,
};
