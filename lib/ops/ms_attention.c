/* com.microsoft's Attention, QAttention, MultiHeadAttention and RotaryEmbedding by those of
 * ai.onnx. */
#include "ms.h"
#include "status.h"

/* ---- heads ---- */

uint32_t infer_ms_heads(infer_rewriter *rw, uint32_t x, int64_t heads) {
    static const int64_t perm[] = {0, 2, 1, 3};
    const int64_t shape[] = {0, 0, heads, -1};
    return infer_ms_transpose(rw, ms_node(rw, "Reshape", x, ms_list(rw, shape, 4)), perm, 4);
}

uint32_t infer_ms_flat(infer_rewriter *rw, uint32_t x) {
    static const int64_t perm[] = {0, 2, 1, 3}, shape[] = {0, 0, -1};
    return ms_node(rw, "Reshape", infer_ms_transpose(rw, x, perm, 4), ms_list(rw, shape, 3));
}

/* ---- masks ---- */

/* What is added to the scores: a filter's value where a key is masked. x has the batch, `keys` is
 * their number, a list of one. */
static infer_status mask_of(infer_rewriter *rw, uint32_t mask, uint32_t x, uint32_t keys,
                            float filter, uint32_t *bias) {
    /* Numbers of keys of each sequence, and behind all of them, perhaps, the first keys. */
    static const char bounds_text[] = "b = Shape<start=0,end=1>(x)\n"
                                      "c = Concat<axis=0>([-1], b)\n"
                                      "r = Reshape(mask, c)\n"
                                      "e = Gather<axis=0>(r, [0])\n"
                                      "z = Sub(e, e)\n"
                                      "a = Concat<axis=0>(r, z)\n"
                                      "f = Gather<axis=0>(a, [1])\n"
                                      "end = Reshape(e, [-1,1,1,1])\n"
                                      "first = Reshape(f, [-1,1,1,1])\n"
                                      "i = Squeeze([0], [0])\n"
                                      "o = Squeeze([1], [0])\n"
                                      "n = Squeeze(keys, [0])\n"
                                      "w = Range(i, n, o)\n"
                                      "j = Cast<to=6>(w)\n"
                                      "l = Less(j, end)\n"
                                      "g = GreaterOrEqual(j, first)\n"
                                      "k = And(l, g)\n"
                                      "@0 = Where(k, none, filter)\n";
    static const char two_text[] = "u = Unsqueeze(mask, [1,2])\n"
                                   "k = Greater(u, zero)\n"
                                   "@0 = Where(k, none, filter)\n";
    static const char three_text[] = "u = Unsqueeze(mask, [1])\n"
                                     "k = Greater(u, zero)\n"
                                     "@0 = Where(k, none, filter)\n";
    static const char *const texts[] = {bounds_text, two_text, three_text};
    const infer_view *m = rw->view(rw, mask); /* gone once there is a new value */
    const int64_t batch = rw->view(rw, x)->rank > 0 ? rw->view(rw, x)->dim[0] : -1;
    const int32_t rank = m->rank;
    if (rank < 1 || rank > 3)
        return infer_fail(INFER_ERROR_UNSUPPORTED, "a mask of rank %d", (int)rank);
    if (rank == 1 && m->dim[0] >= 0 && batch >= 0 && m->dim[0] != batch && m->dim[0] != 2 * batch)
        return infer_fail(INFER_ERROR_UNSUPPORTED, "a mask of %lld numbers for %lld sequences",
                          (long long)m->dim[0], (long long)batch);
    const infer_named names[] = {{"mask", mask},
                                 {"x", x},
                                 {"keys", keys},
                                 {"zero", ms_int32(rw, 0)},
                                 {"none", ms_float(rw, 0)},
                                 {"filter", ms_float(rw, filter)}};
    *bias = ms_text(rw, texts[rank - 1], names, 6);
    return rw->failed;
}

/* ---- attention ---- */

typedef struct attend {
    uint32_t q, k, v, past_k, past_v; /* q [batch][rows][...]; past ones NO_VALUE where absent */
    uint32_t mask, bias;
    int64_t heads, causal;
    float scale, filter; /* scale 0: by the size of a head */
    bool apart;          /* q, k and v are [batch][heads][rows][size] */
} attend;

/* Output, present key and value, scores: those that are wanted. */
static infer_status attend_with(infer_rewriter *rw, const attend *a, uint32_t *out,
                                uint32_t wanted) {
    static const char keys_text[] = "n = Shape<start=1,end=2>(k)\n"
                                    "p = Shape<start=2,end=3>(past)\n"
                                    "@0 = Add(n, p)\n";
    const infer_named names[] = {{"k", a->k}, {"past", a->past_k}};
    uint32_t bias = a->bias;
    if (a->mask != INFER_NO_VALUE) {
        uint32_t added = INFER_NO_VALUE, keys;
        if (a->apart)
            keys = ms_text(rw, "@0 = Shape<start=2,end=3>(k)\n", names, 1);
        else if (a->past_k == INFER_NO_VALUE)
            keys = ms_text(rw, "@0 = Shape<start=1,end=2>(k)\n", names, 1);
        else
            keys = ms_text(rw, keys_text, names, 2);
        INFER_TRY(mask_of(rw, a->mask, a->q, keys, a->filter, &added));
        bias = bias == INFER_NO_VALUE
                   ? added
                   : ms_node(rw, "Add", ms_cast(rw, bias, INFER_TYPE_FLOAT), added);
    }
    infer_attr attrs[5] = {
        {.name = "q_num_heads", .type = INFER_ATTR_INT, .i = a->heads},
        {.name = "kv_num_heads", .type = INFER_ATTR_INT, .i = a->heads},
        {.name = "is_causal", .type = INFER_ATTR_INT, .i = a->causal != 0},
        {.name = "qk_matmul_output_mode", .type = INFER_ATTR_INT, .i = 3},
        {.name = "scale", .type = INFER_ATTR_FLOAT, .f = a->scale},
    };
    const uint32_t in[] = {a->q, a->k, a->v, bias, a->past_k, a->past_v};
    return rw->add_many(rw, "", "Attention", in, 6, attrs, a->scale != 0 ? 5 : 4, out, wanted);
}

typedef struct attention_params {
    int64_t num_heads, unidirectional, do_rotary, rotary_embedding_dim, past_present_share_buffer;
    float scale, mask_filter_value;
    infer_list qkv_hidden_sizes;
} attention_params;

#define ATTENTION_ATTRS                                                                            \
    A_REQUIRED(attention_params, num_heads, INT), A_INT(attention_params, unidirectional, 0),      \
        A_INT(attention_params, do_rotary, 0), A_FLOAT(attention_params, scale, 0),                \
        A_INT(attention_params, past_present_share_buffer, 0),                                     \
        A_FLOAT(attention_params, mask_filter_value, -10000)

static const infer_op_attr attention_attrs[] = {ATTENTION_ATTRS,
                                                A_INT(attention_params, rotary_embedding_dim, 0),
                                                A_LIST(attention_params, qkv_hidden_sizes, INTS)};
static const infer_op_attr q_attention_attrs[] = {ATTENTION_ATTRS};

/* Attention of Q, K and V that lie side by side, with both pasts in one tensor. */
static infer_status attend_joined(infer_rewriter *rw, uint32_t joined, uint32_t mask, uint32_t past,
                                  uint32_t bias) {
    static const char past_text[] = "i = Squeeze([0], [0])\n"
                                    "j = Squeeze([1], [0])\n"
                                    "@0 = Gather<axis=0>(past, i)\n"
                                    "@1 = Gather<axis=0>(past, j)\n";
    static const char present_text[] = "a = Unsqueeze(k, [0])\n"
                                       "b = Unsqueeze(v, [0])\n"
                                       "@0 = Concat<axis=0>(a, b)\n";
    const attention_params *p = rw->params;
    uint32_t pasts[2] = {INFER_NO_VALUE, INFER_NO_VALUE}, parts[3], out[3];
    size_t count;
    const int64_t *sizes = ms_ints(rw, "qkv_hidden_sizes", &count);
    if (p->do_rotary || p->past_present_share_buffer)
        return infer_fail(INFER_ERROR_UNSUPPORTED,
                          "do_rotary and past_present_share_buffer are not supported");
    if (count != 0 && count != 3)
        return infer_fail(INFER_ERROR_VALUE, "qkv_hidden_sizes has %zu numbers", count);
    const infer_attr axis[] = {{.name = "axis", .type = INFER_ATTR_INT, .i = 2},
                               {.name = "num_outputs", .type = INFER_ATTR_INT, .i = 3}};
    const uint32_t in[] = {joined, count ? ms_list(rw, sizes, 3) : INFER_NO_VALUE};
    INFER_TRY(rw->add_many(rw, "", "Split", in, count ? 2 : 1, axis, count ? 1 : 2, parts, 3));
    if (past != INFER_NO_VALUE) {
        const infer_named names[] = {{"past", past}};
        INFER_TRY(infer_expand_with(rw, past_text, names, 1, NULL, pasts));
    }
    const attend a = {.q = parts[0],
                      .k = parts[1],
                      .v = parts[2],
                      .past_k = pasts[0],
                      .past_v = pasts[1],
                      .mask = mask,
                      .bias = bias,
                      .heads = p->num_heads,
                      .causal = p->unidirectional,
                      .scale = p->scale,
                      .filter = p->mask_filter_value};
    INFER_TRY(attend_with(rw, &a, out, ms_wants(rw, 1) ? 3 : 1));
    INFER_TRY(rw->replace(rw, 0, out[0]));
    if (!ms_wants(rw, 1))
        return INFER_OK;
    const infer_named names[] = {{"k", out[1]}, {"v", out[2]}};
    return rw->replace(rw, 1, ms_text(rw, present_text, names, 2));
}

static infer_status attention_upgrade(infer_rewriter *rw) {
    enum { INPUT, WEIGHTS, BIAS, MASK, PAST, SCORE_BIAS, PAST_LENGTH };
    uint32_t x = ms_node(rw, "MatMul", rw->input(rw, INPUT), rw->input(rw, WEIGHTS));
    if (ms_has(rw, PAST_LENGTH))
        return infer_fail(INFER_ERROR_UNSUPPORTED, "past_sequence_length is not supported");
    if (ms_has(rw, BIAS))
        x = ms_node(rw, "Add", x, rw->input(rw, BIAS));
    return attend_joined(rw, x, rw->input(rw, MASK), rw->input(rw, PAST),
                         rw->input(rw, SCORE_BIAS));
}

static infer_status q_attention_upgrade(infer_rewriter *rw) {
    enum { INPUT, WEIGHT, BIAS, SCALE, WEIGHT_SCALE, MASK, ZERO, WEIGHT_ZERO, PAST };
    const uint32_t in[] = {rw->input(rw, INPUT), rw->input(rw, WEIGHT), rw->input(rw, ZERO),
                           rw->input(rw, WEIGHT_ZERO)};
    uint32_t scale = ms_node(rw, "Mul", rw->input(rw, SCALE), rw->input(rw, WEIGHT_SCALE));
    return attend_joined(rw, infer_ms_product(rw, in, scale, rw->input(rw, BIAS)),
                         rw->input(rw, MASK), rw->input(rw, PAST), INFER_NO_VALUE);
}

/* ---- MultiHeadAttention ---- */

typedef struct multi_params {
    int64_t num_heads, unidirectional;
    float scale, mask_filter_value;
} multi_params;

static const infer_op_attr multi_attrs[] = {
    A_REQUIRED(multi_params, num_heads, INT), A_INT(multi_params, unidirectional, 0),
    A_FLOAT(multi_params, scale, 0), A_FLOAT(multi_params, mask_filter_value, -10000)};

enum { QUERY, KEY, VALUE, BIAS, MASK, SCORE_BIAS, PAST_KEY, PAST_VALUE, PAST_LENGTH, INDIRECTION };

/* Query, key and value as [batch][rows][heads * size], wherever they are packed. */
static infer_status unpack(infer_rewriter *rw, uint32_t parts[3]) {
    static const char two[] = "a, b = Split<axis=3,num_outputs=2>(x)\n"
                              "@0 = Reshape(a, [0,0,-1])\n"
                              "@1 = Reshape(b, [0,0,-1])\n";
    static const char three[] = "a, b, c = Split<axis=3,num_outputs=3>(x)\n"
                                "@0 = Reshape(a, [0,0,-1])\n"
                                "@1 = Reshape(b, [0,0,-1])\n"
                                "@2 = Reshape(c, [0,0,-1])\n";
    for (uint32_t i = 0; i < 3; i++)
        parts[i] = rw->input(rw, QUERY + i);
    const infer_named q[] = {{"x", parts[0]}}, kv[] = {{"x", parts[1]}};
    if (rw->view(rw, parts[0])->rank == 5)
        return infer_expand_with(rw, three, q, 1, NULL, parts);
    if (parts[1] != INFER_NO_VALUE && rw->view(rw, parts[1])->rank == 5)
        return infer_expand_with(rw, two, kv, 1, NULL, parts + 1);
    return parts[1] != INFER_NO_VALUE && parts[2] != INFER_NO_VALUE
               ? INFER_OK
               : infer_fail(INFER_ERROR_FORMAT, "key or value is missing");
}

/* Each gets its part of the bias; a key that has its heads apart already has had it. */
static infer_status add_bias(infer_rewriter *rw, bool apart, uint32_t parts[3]) {
    static const char text[] = "h = Shape<start=2,end=3>(q)\n"
                               "i = Shape<start=2,end=3>(k)\n"
                               "j = Shape<start=2,end=3>(v)\n"
                               "s = Concat<axis=0>(h, i, j)\n"
                               "a, b, c = Split<axis=0>(bias, s)\n"
                               "@0 = Add(q, a)\n"
                               "@1 = Add(k, b)\n"
                               "@2 = Add(v, c)\n";
    static const char query_text[] = "h = Shape<start=2,end=3>(q)\n"
                                     "a = Slice(bias, [0], h)\n"
                                     "@0 = Add(q, a)\n";
    const infer_named names[] = {
        {"q", parts[0]}, {"bias", rw->input(rw, BIAS)}, {"k", parts[1]}, {"v", parts[2]}};
    return ms_has(rw, BIAS)
               ? infer_expand_with(rw, apart ? query_text : text, names, apart ? 2 : 4, NULL, parts)
               : INFER_OK;
}

static infer_status multi_upgrade(infer_rewriter *rw) {
    const multi_params *p = rw->params;
    uint32_t parts[3], out[4];
    if (ms_has(rw, PAST_LENGTH) || ms_has(rw, INDIRECTION))
        return infer_fail(INFER_ERROR_UNSUPPORTED, "shared buffers are not supported");
    INFER_TRY(unpack(rw, parts));
    const bool apart = rw->view(rw, parts[1])->rank == 4;
    INFER_TRY(add_bias(rw, apart, parts));
    if (apart)
        parts[0] = infer_ms_heads(rw, parts[0], p->num_heads);
    const attend a = {.q = parts[0],
                      .k = parts[1],
                      .v = parts[2],
                      .past_k = rw->input(rw, PAST_KEY),
                      .past_v = rw->input(rw, PAST_VALUE),
                      .mask = rw->input(rw, MASK),
                      .bias = rw->input(rw, SCORE_BIAS),
                      .heads = p->num_heads,
                      .causal = p->unidirectional,
                      .scale = p->scale,
                      .filter = p->mask_filter_value,
                      .apart = apart};
    INFER_TRY(attend_with(rw, &a, out, rw->out_count));
    if (apart)
        out[0] = infer_ms_flat(rw, out[0]);
    for (uint32_t i = 0; i < rw->out_count; i++)
        INFER_TRY(rw->replace(rw, i, out[i]));
    return INFER_OK;
}

/* ---- RotaryEmbedding ---- */

typedef struct rotary_params {
    int64_t num_heads, rotary_embedding_dim, interleaved, is_packed_batching;
    float scale, reserved;
} rotary_params;

static const infer_op_attr rotary_attrs[] = {
    A_INT(rotary_params, num_heads, 0), A_INT(rotary_params, rotary_embedding_dim, 0),
    A_INT(rotary_params, interleaved, 0), A_INT(rotary_params, is_packed_batching, 0),
    A_FLOAT(rotary_params, scale, 1)};

/* One position stands for that of the first row. */
static uint32_t positions_of(infer_rewriter *rw, int32_t rank) {
    static const char flat[] = "@0 = Shape<start=1,end=2>($0)\n";
    static const char apart[] = "@0 = Shape<start=2,end=3>($0)\n";
    static const char text[] = "n = Squeeze(rows, [0])\n"
                               "a = Squeeze([0], [0])\n"
                               "o = Squeeze([1], [0])\n"
                               "r = Range(a, n, o)\n"
                               "p = Add(r, $1)\n"
                               "b = Shape<start=0,end=1>($0)\n"
                               "s = Concat<axis=0>(b, rows)\n"
                               "@0 = Expand(p, s)\n";
    const infer_named names[] = {{"rows", ms_text(rw, rank == 4 ? apart : flat, NULL, 0)}};
    return ms_text(rw, text, names, 1);
}

static infer_status rotary_upgrade(infer_rewriter *rw) {
    enum { INPUT, POSITIONS, COS, SIN };
    const rotary_params *p = rw->params;
    uint32_t x = rw->input(rw, INPUT);
    const infer_view *cos = rw->view(rw, rw->input(rw, COS));
    const int32_t rank = rw->view(rw, x)->rank, form = rw->view(rw, rw->input(rw, POSITIONS))->rank;
    if (p->is_packed_batching || p->scale != 1 || (rank != 3 && rank != 4) || form < 1)
        return infer_fail(INFER_ERROR_UNSUPPORTED,
                          "packed batches, scales and inputs of an unknown rank are not supported");
    const bool split = rank == 3 && p->num_heads == 0; /* the caches tell a head's size */
    if (split) {
        static const int64_t perm[] = {0, 2, 1, 3};
        if (cos->rank != 2 || cos->dim[1] < 1 || cos->dim[1] > INT32_MAX)
            return infer_fail(INFER_ERROR_UNSUPPORTED, "the size of a head is not known");
        const int64_t shape[] = {0, 0, -1, 2 * cos->dim[1]};
        x = infer_ms_transpose(rw, ms_node(rw, "Reshape", x, ms_list(rw, shape, 4)), perm, 4);
    }
    const infer_attr attrs[] = {
        {.name = "interleaved", .type = INFER_ATTR_INT, .i = p->interleaved},
        {.name = "num_heads", .type = INFER_ATTR_INT, .i = split ? 0 : p->num_heads},
        {.name = "rotary_embedding_dim", .type = INFER_ATTR_INT, .i = p->rotary_embedding_dim}};
    const uint32_t in[] = {x, rw->input(rw, COS), rw->input(rw, SIN),
                           form == 1 ? positions_of(rw, rank) : rw->input(rw, POSITIONS)};
    uint32_t y = rw->add(rw, "", "RotaryEmbedding", in, 4, attrs, 3);
    return rw->replace(rw, 0, split ? infer_ms_flat(rw, y) : y);
}

/* ---- the operators ---- */

const infer_op infer_op_ms_attention = {
    MS_EXPANDED("Attention", 2, 7, 1, 2, attention_upgrade),
    .types = {T_REAL, T_SAME, T_SAME, T(INT32), T_SAME, T_REAL | T(INT32)},
    .params_size = sizeof(attention_params), MS_ATTRS(attention_attrs)};
const infer_op infer_op_ms_q_attention = {
    MS_EXPANDED("QAttention", 5, 9, 1, 2, q_attention_upgrade),
    .types = {T_BYTE, T_BYTE, T(FLOAT), T(FLOAT), T(FLOAT), T(INT32) | T_BYTE | T(FLOAT)},
    .params_size = sizeof(attention_params), MS_ATTRS(q_attention_attrs)};
const infer_op infer_op_ms_multi_head_attention = {
    MS_EXPANDED("MultiHeadAttention", 1, 10, 1, 4, multi_upgrade),
    .types = {T_REAL, T_SAME, T_SAME, T_SAME, T(INT32), T_REAL | T(INT32)},
    .params_size = sizeof(multi_params), MS_ATTRS(multi_attrs)};
const infer_op infer_op_ms_rotary_embedding = {
    MS_EXPANDED("RotaryEmbedding", 4, 4, 1, 1, rotary_upgrade), .types = {T_REAL, T(INT64), T_REAL},
    .params_size = sizeof(rotary_params), MS_ATTRS(rotary_attrs)};
