/* GroupQueryAttention: attention of a step of generation, with its key and value caches, by other
 * operators. */
#include "ms.h"
#include "status.h"

#include <math.h>

typedef struct group_params {
    int64_t num_heads, kv_num_heads, do_rotary, rotary_interleaved, local_window_size, causal;
    int64_t smooth_softmax, qk_output, kv_cache_bit_width, sliding_window_cache, k_quant_type,
        v_quant_type;
    float scale, softcap, qk_norm_epsilon, q_norm_epsilon, k_norm_epsilon, reserved;
} group_params;

static const infer_op_attr group_attrs[] = {A_REQUIRED(group_params, num_heads, INT),
                                            A_REQUIRED(group_params, kv_num_heads, INT),
                                            A_INT(group_params, do_rotary, 0),
                                            A_INT(group_params, rotary_interleaved, 0),
                                            A_INT(group_params, local_window_size, -1),
                                            A_INT(group_params, causal, 1),
                                            A_INT(group_params, smooth_softmax, -1),
                                            A_INT(group_params, qk_output, 0),
                                            A_INT(group_params, kv_cache_bit_width, 0),
                                            A_INT(group_params, sliding_window_cache, 0),
                                            A_ENUM(group_params, k_quant_type, 0, "NONE"),
                                            A_ENUM(group_params, v_quant_type, 0, "NONE"),
                                            A_FLOAT(group_params, scale, 0),
                                            A_FLOAT(group_params, softcap, 0),
                                            A_FLOAT(group_params, qk_norm_epsilon, 1e-6f),
                                            A_FLOAT(group_params, q_norm_epsilon, 0),
                                            A_FLOAT(group_params, k_norm_epsilon, 0)};

enum {
    QUERY,
    KEY,
    VALUE,
    PAST_KEY,
    PAST_VALUE,
    LENGTHS,
    TOTAL,
    COS,
    SIN,
    POSITIONS,
    SCORE_BIAS,
    SINK,
    K_SCALE,
    V_SCALE,
    Q_NORM,
    K_NORM,
    QUERY_LENGTHS
};

/* Query, key and value with their heads apart. */
static infer_status read_heads(infer_rewriter *rw, const group_params *p, uint32_t x[3]) {
    static const int64_t perm[] = {0, 2, 1, 3};
    if (ms_has(rw, KEY) != ms_has(rw, VALUE))
        return infer_fail(INFER_ERROR_FORMAT, "only one of key and value is given");
    if (ms_has(rw, KEY)) {
        for (uint32_t i = 0; i < 3; i++)
            x[i] = infer_ms_heads(rw, rw->input(rw, QUERY + i), i ? p->kv_num_heads : p->num_heads);
        return rw->failed;
    }
    const int64_t shape[] = {0, 0, p->num_heads + 2 * p->kv_num_heads, -1};
    const int64_t sizes[] = {p->num_heads, p->kv_num_heads, p->kv_num_heads};
    const infer_attr axis = {.name = "axis", .type = INFER_ATTR_INT, .i = 2};
    const uint32_t in[] = {ms_node(rw, "Reshape", rw->input(rw, QUERY), ms_list(rw, shape, 4)),
                           ms_list(rw, sizes, 3)};
    INFER_TRY(rw->add_many(rw, "", "Split", in, 2, &axis, 1, x, 3));
    for (uint32_t i = 0; i < 3; i++)
        x[i] = infer_ms_transpose(rw, x[i], perm, 4);
    return rw->failed;
}

static uint32_t normalized(infer_rewriter *rw, uint32_t x, uint32_t weight, float own,
                           float shared) {
    const infer_attr epsilon = {
        .name = "epsilon", .type = INFER_ATTR_FLOAT, .f = own > 0 ? own : shared};
    const uint32_t in[] = {x, rw->input(rw, weight)};
    return rw->add(rw, "", "RMSNormalization", in, 2, &epsilon, 1);
}

static uint32_t rotated(infer_rewriter *rw, const group_params *p, uint32_t x, uint32_t positions) {
    const infer_view *cos = rw->view(rw, rw->input(rw, COS)), *v = rw->view(rw, x);
    const bool known = cos->rank == 2 && cos->dim[1] > 0 && cos->dim[1] <= INT32_MAX;
    const bool whole = !known || (v->rank == 4 && v->dim[3] == 2 * cos->dim[1]);
    const infer_attr attrs[] = {
        {.name = "interleaved", .type = INFER_ATTR_INT, .i = p->rotary_interleaved},
        {.name = "rotary_embedding_dim", .type = INFER_ATTR_INT, .i = whole ? 0 : 2 * cos->dim[1]}};
    const uint32_t in[] = {x, rw->input(rw, COS), rw->input(rw, SIN), positions};
    return rw->add(rw, "", "RotaryEmbedding", in, 4, attrs, 2);
}

/* The cache, as long as it was or as all keys are, with the new rows behind the old ones of each
 * sequence. */
static uint32_t extended(infer_rewriter *rw, uint32_t past, const infer_named *names) {
    static const char fresh_text[] = "b = Shape<start=0,end=2>(x)\n"
                                     "h = Shape<start=3,end=4>(x)\n"
                                     "s = Concat<axis=0>(b, total, h)\n"
                                     "z = ConstantOfShape(s)\n"
                                     "c = CastLike(z, x)\n"
                                     "@0 = TensorScatter<axis=2>(c, x, before)\n";
    static const char longer_text[] = "b = Shape<start=0,end=2>(x)\n"
                                      "h = Shape<start=3,end=4>(x)\n"
                                      "n = Shape<start=2,end=3>(past)\n"
                                      "d = Sub(total, n)\n"
                                      "m = Max(d, [0])\n"
                                      "s = Concat<axis=0>(b, m, h)\n"
                                      "z = ConstantOfShape(s)\n"
                                      "f = CastLike(z, x)\n"
                                      "c = Concat<axis=2>(past, f)\n"
                                      "@0 = TensorScatter<axis=2>(c, x, before)\n";
    const infer_named all[] = {names[0], names[1], names[2], {"past", past}};
    return past == INFER_NO_VALUE ? ms_text(rw, fresh_text, all, 3)
                                  : ms_text(rw, longer_text, all, 4);
}

/* Which keys a query sees: those up to itself, or all there are, and of these the last ones. */
static uint32_t visible(infer_rewriter *rw, const group_params *p, uint32_t places, uint32_t before,
                        uint32_t total, uint32_t count) {
    static const char text[] = "i = Squeeze([0], [0])\n"
                               "o = Squeeze([1], [0])\n"
                               "n = Squeeze(total, [0])\n"
                               "j = Range(i, n, o)\n"
                               "p = Unsqueeze(places, [1,3])\n";
    static const char causal[] = "@0 = LessOrEqual(j, p)\n";
    static const char window[] = "k = LessOrEqual(j, p)\n"
                                 "f = Sub(p, window)\n"
                                 "g = Greater(j, f)\n"
                                 "@0 = And(k, g)\n";
    static const char all[] = "e = Reshape(count, [-1,1,1,1])\n"
                              "@0 = Less(j, e)\n";
    char whole[sizeof text + sizeof window];
    const char *rest = p->causal == 0 ? all : p->local_window_size > 0 ? window : causal;
    const infer_named names[] = {{"places", places},
                                 {"before", before},
                                 {"total", total},
                                 {"count", count},
                                 {"window", ms_list(rw, &p->local_window_size, 1)}};
    memcpy(whole, text, sizeof text - 1);
    memcpy(whole + sizeof text - 1, rest, strlen(rest) + 1);
    return ms_text(rw, whole, names, 5);
}

/* The sink is a key before all others with a score of its own and a value of zeros. */
static infer_status add_sink(infer_rewriter *rw, const group_params *p, uint32_t *mask,
                             uint32_t kv[2]) {
    static const char mask_text[] = "b = Shape<start=0,end=1>(q)\n"
                                    "r = Shape<start=1,end=2>(q)\n"
                                    "s = Concat<axis=0>(b, heads, r, [1])\n"
                                    "f = Cast<to=1>(sink)\n"
                                    "v = Reshape(f, [1,-1,1,1])\n"
                                    "c = Expand(v, s)\n"
                                    "t = Concat<axis=0>(b, heads, [1], [1])\n"
                                    "e = Expand(mask, t)\n"
                                    "@0 = Concat<axis=3>(c, e)\n";
    static const char key_text[] = "b = Shape<start=0,end=2>(x)\n"
                                   "h = Shape<start=3,end=4>(x)\n"
                                   "s = Concat<axis=0>(b, [1], h)\n"
                                   "z = ConstantOfShape(s)\n"
                                   "c = CastLike(z, x)\n"
                                   "@0 = Concat<axis=2>(c, x)\n";
    const infer_named names[] = {{"q", rw->input(rw, QUERY)},
                                 {"heads", ms_list(rw, &p->num_heads, 1)},
                                 {"sink", ms_has(rw, SINK) ? rw->input(rw, SINK) : ms_float(rw, 0)},
                                 {"mask", *mask}};
    *mask = ms_text(rw, mask_text, names, 4);
    for (int i = 0; i < 2; i++) {
        const infer_named x[] = {{"x", kv[i]}};
        kv[i] = ms_text(rw, key_text, x, 1);
    }
    return rw->failed;
}

static infer_status check(infer_rewriter *rw, const group_params *p) {
    static const uint32_t others[] = {K_SCALE, V_SCALE, QUERY_LENGTHS};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (ms_has(rw, others[i]))
            return infer_fail(INFER_ERROR_UNSUPPORTED, "input %u is not supported", others[i]);
    if (p->kv_cache_bit_width || p->sliding_window_cache || p->qk_output)
        return infer_fail(INFER_ERROR_UNSUPPORTED,
                          "quantized and sliding caches and output_qk are not supported");
    if (!ms_has(rw, LENGTHS) || !ms_has(rw, TOTAL) ||
        ms_has(rw, PAST_KEY) != ms_has(rw, PAST_VALUE))
        return infer_fail(INFER_ERROR_FORMAT, "an input is missing");
    if (p->do_rotary && (!ms_has(rw, COS) || !ms_has(rw, SIN)))
        return infer_fail(INFER_ERROR_FORMAT, "do_rotary needs cos_cache and sin_cache");
    const bool fits = p->num_heads > 0 && p->kv_num_heads > 0 && p->num_heads <= INT32_MAX &&
                      p->kv_num_heads <= INT32_MAX && p->num_heads % p->kv_num_heads == 0;
    return fits ? INFER_OK
                : infer_fail(INFER_ERROR_VALUE, "%lld heads for %lld of keys",
                             (long long)p->num_heads, (long long)p->kv_num_heads);
}

static infer_status group_upgrade(infer_rewriter *rw) {
    /* @0: rows of each sequence before the new ones; @1: places of the new ones; @2: rows of the
     * longest sequence; @3: of each. */
    static const char text[] = "l = Cast<to=7>($5)\n"
                               "f = Reshape(l, [-1])\n"
                               "c = Add(f, [1])\n"
                               "s = Shape<start=1,end=2>($0)\n"
                               "d = Sub(c, s)\n"
                               "b = Max(d, [0])\n"
                               "i = Squeeze([0], [0])\n"
                               "o = Squeeze([1], [0])\n"
                               "n = Squeeze(s, [0])\n"
                               "r = Range(i, n, o)\n"
                               "u = Unsqueeze(b, [1])\n"
                               "t = Cast<to=7>($6)\n"
                               "@0 = Identity(b)\n"
                               "@1 = Add(u, r)\n"
                               "@2 = Reshape(t, [1])\n"
                               "@3 = Identity(c)\n";
    const group_params *p = rw->params;
    uint32_t x[3], steps[4], kv[2];
    INFER_TRY(check(rw, p));
    INFER_TRY(read_heads(rw, p, x));
    INFER_TRY(infer_expand_with(rw, text, NULL, 0, NULL, steps));
    const uint32_t norms[] = {Q_NORM, K_NORM};
    const float epsilons[] = {p->q_norm_epsilon, p->k_norm_epsilon};
    for (int i = 0; i < 2; i++) {
        if (ms_has(rw, norms[i]))
            x[i] = normalized(rw, x[i], norms[i], epsilons[i], p->qk_norm_epsilon);
        if (p->do_rotary)
            x[i] =
                rotated(rw, p, x[i], ms_has(rw, POSITIONS) ? rw->input(rw, POSITIONS) : steps[1]);
    }
    for (uint32_t i = 0; i < 2; i++) {
        const infer_named names[] = {{"x", x[1 + i]}, {"before", steps[0]}, {"total", steps[2]}};
        kv[i] = extended(rw, rw->input(rw, PAST_KEY + i), names);
        if (ms_wants(rw, 1 + i))
            INFER_TRY(rw->replace(rw, 1 + i, kv[i]));
    }
    uint32_t mask = visible(rw, p, steps[1], steps[0], steps[2], steps[3]);
    const bool sink = ms_has(rw, SINK) || p->smooth_softmax == 1;
    if (sink || ms_has(rw, SCORE_BIAS)) {
        const infer_named names[] = {
            {"mask", mask},
            {"bias", ms_has(rw, SCORE_BIAS)
                         ? ms_cast(rw, rw->input(rw, SCORE_BIAS), INFER_TYPE_FLOAT)
                         : ms_float(rw, 0)},
            {"never", ms_float(rw, -INFINITY)}};
        mask = ms_text(rw, "@0 = Where(mask, bias, never)\n", names, 3);
    }
    if (sink)
        INFER_TRY(add_sink(rw, p, &mask, kv));
    const infer_attr attrs[] = {{.name = "softcap", .type = INFER_ATTR_FLOAT, .f = p->softcap},
                                {.name = "scale", .type = INFER_ATTR_FLOAT, .f = p->scale}};
    const uint32_t in[] = {x[0], kv[0], kv[1], mask};
    uint32_t y = rw->add(rw, "", "Attention", in, 4, attrs, p->scale != 0 ? 2 : 1);
    return rw->replace(rw, 0, infer_ms_flat(rw, y));
}

const infer_op infer_op_ms_group_query_attention = {
    MS_EXPANDED("GroupQueryAttention", 1, 17, 1, 4, group_upgrade),
    .types = {T_REAL, T_SAME, T_SAME, T_SAME, T_SAME, T_REAL | T(INT32) | T(INT64)},
    .params_size = sizeof(group_params),
    MS_ATTRS(group_attrs),
};
