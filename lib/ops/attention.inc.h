/* Template (real.h): Attention for rows of queries at a time. */

typedef struct NAME(head) {
    const REAL *k, *v; /* of a key and value head: rows apart by ldk and ldv */
    size_t ldk, ldv;
    const REAL *packed_k, *packed_v; /* NULL where queries are few */
} NAME(head);

/* Past and new rows of a head behind one another; both may be apart by strides. */
static void NAME(join)(REAL *to, const REAL *past, size_t past_rows, const REAL *rows, size_t count,
                       size_t ld, size_t n) {
    if (past_rows)
        memcpy(to, past, past_rows * n * sizeof *to);
    for (size_t i = 0; i < count; i++)
        memcpy(to + (past_rows + i) * n, rows + i * ld, n * sizeof *to);
}

/* Keys or values of a head as one matrix: as they lie, or joined in `to`. Returns the distance of
 * rows. */
static size_t NAME(side)(const infer_view *x, const infer_view *past, size_t b, size_t h,
                         size_t heads, size_t n, REAL *to, const REAL **rows) {
    bool flat = x->rank == 3; /* heads lie within the rows */
    size_t count = (size_t)x->dim[flat ? 1 : 2], ld = flat ? heads * n : n;
    size_t at = flat ? b * count * ld + h * n : (b * heads + h) * count * n;
    size_t past_rows = past ? (size_t)past->dim[2] : 0;
    *rows = (const REAL *)x->data + at;
    if (!to)
        return ld;
    const REAL *before = past ? (const REAL *)past->data + (b * heads + h) * past_rows * n : NULL;
    NAME(join)(to, before, past_rows, *rows, count, ld, n);
    *rows = to;
    return n;
}

/* What is added to the scores of a query; true where all are left out. */
static void NAME(bias)(const attention *a, const attention_mask *m, size_t b, size_t h, size_t i,
                       REAL *scores) {
    const infer_view *mask = m->mask;
    size_t width = mask ? m->width : a->keys, end = a->keys;
    for (size_t j = 0; mask && j < width; j += INFER_CHUNK) {
        infer_chunk chunk;
        size_t n = width - j < INFER_CHUNK ? width - j : INFER_CHUNK;
        size_t at = b * m->batch_step + h * m->head_step + i * m->row_step + j;
        if (mask->type == INFER_TYPE_BOOL) {
            const uint8_t *keep = (const uint8_t *)mask->data + at;
            for (size_t k = 0; k < n; k++)
                scores[j + k] = keep[k] ? scores[j + k] : -(REAL)INFINITY;
        } else {
            const REAL *add = NAME(load)((infer_type)mask->type, mask->data, at, n, &chunk);
            for (size_t k = 0; k < n; k++)
                scores[j + k] += add[k];
        }
    }
    if (width < end)
        end = width;
    if (a->causal && i + a->past + 1 < end)
        end = i + a->past + 1;
    if (m->lengths && m->lengths[b] < (int64_t)end)
        end = m->lengths[b] > 0 ? (size_t)m->lengths[b] : 0;
    for (size_t j = end; j < a->keys; j++)
        scores[j] = -(REAL)INFINITY;
}

static void NAME(emit)(const attention *a, int64_t mode, REAL *qk, const REAL *scores) {
    if (qk && a->output_mode == mode)
        memcpy(qk, scores, a->keys * sizeof *qk);
}

/* Queries [first, first + count) of a head. */
static void NAME(block)(const attention *a, const attention_mask *m, const infer_op_env *env,
                        const NAME(head) * head, size_t b, size_t h, size_t first, size_t count) {
    const infer_kernels *k = env->kernels;
    const infer_view *q = env->in[Q];
    infer_view *y = env->out[Y], *qk = env->out_count > QK ? env->out[QK] : NULL;
    void *scratch = env->scratch;
    REAL *rows = infer_scratch_at(scratch, a->rows_at),
         *scores = infer_scratch_at(scratch, a->scores_at);
    bool flat = q->rank == 3;
    size_t ldq = flat ? a->heads * a->size : a->size;
    size_t ldy = flat ? a->heads * a->value_size : a->value_size;
    size_t row = flat ? b * a->queries : (b * a->heads + h) * a->queries;
    const REAL *from = (const REAL *)q->data + (row + first) * ldq + (flat ? h * a->size : 0);
    REAL *to = y ? (REAL *)y->data + (row + first) * ldy + (flat ? h * a->value_size : 0) : NULL;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < a->size; j++)
            rows[i * a->size + j] = from[i * ldq + j] * (REAL)a->scale;
    if (head->packed_k)
        k->NAME(gemm_packed)(count, a->keys, a->size, rows, a->size, head->packed_k, NULL, scores,
                             a->keys);
    for (size_t i = 0; i < count; i++) {
        REAL *s = scores + i * a->keys;
        REAL *out =
            qk ? (REAL *)qk->data + ((b * a->heads + h) * a->queries + first + i) * a->keys : NULL;
        if (!head->packed_k)
            k->NAME(matvec)(a->keys, a->size, head->k, head->ldk, rows + i * a->size, NULL, s);
        NAME(emit)(a, 0, out, s);
        if (a->softcap > 0) {
            for (size_t j = 0; j < a->keys; j++)
                s[j] /= (REAL)a->softcap;
            k->NAME(tanh)(s, s, a->keys);
            for (size_t j = 0; j < a->keys; j++)
                s[j] *= (REAL)a->softcap;
        }
        NAME(emit)(a, 1, out, s);
        NAME(bias)(a, m, b, h, first + i, s);
        NAME(emit)(a, 2, out, s);
        k->NAME(softmax)(s, s, a->keys);
        NAME(emit)(a, 3, out, s);
    }
    if (to && head->packed_v)
        k->NAME(gemm_packed)(count, a->value_size, a->keys, scores, a->keys, head->packed_v, NULL,
                             to, ldy);
    for (size_t i = 0; to && !head->packed_v && i < count; i++) {
        REAL *sum = to + i * ldy;
        for (size_t c = 0; c < a->value_size; c++)
            sum[c] = 0;
        for (size_t j = 0; j < a->keys; j++) {
            const REAL part = scores[i * a->keys + j], *value = head->v + j * head->ldv;
            for (size_t c = 0; c < a->value_size; c++)
                sum[c] += part * value[c];
        }
    }
}

/* Keys and values of head n of them all, with what is past before them. */
static NAME(head) NAME(read_head)(const attention *a, const infer_op_env *env, size_t n) {
    const infer_view *past_k = infer_input(env, PAST_KEY), *past_v = infer_input(env, PAST_VALUE);
    infer_view *present_k = env->out_count > PRESENT_KEY ? env->out[PRESENT_KEY] : NULL;
    infer_view *present_v = env->out_count > PRESENT_VALUE ? env->out[PRESENT_VALUE] : NULL;
    size_t b = n / a->kv_heads, h = n % a->kv_heads;
    NAME(head) head = {.k = NULL};
    REAL *joined_k = present_k ? (REAL *)present_k->data + n * a->keys * a->size
                     : past_k  ? infer_scratch_at(env->scratch, a->k_at)
                               : NULL;
    REAL *joined_v = present_v ? (REAL *)present_v->data + n * a->keys * a->value_size
                     : past_v  ? infer_scratch_at(env->scratch, a->v_at)
                               : NULL;
    head.ldk = NAME(side)(env->in[K], past_k, b, h, a->kv_heads, a->size, joined_k, &head.k);
    head.ldv = NAME(side)(env->in[V], past_v, b, h, a->kv_heads, a->value_size, joined_v, &head.v);
    return head;
}

static void NAME(attend)(const attention *a, const attention_mask *m, const infer_op_env *env) {
    void *scratch = env->scratch;
    for (size_t n = 0; n < a->batch * a->kv_heads; n++) {
        size_t b = n / a->kv_heads, h = n % a->kv_heads, group = a->heads / a->kv_heads;
        NAME(head) head = NAME(read_head)(a, env, n);
        if (a->packs) {
            REAL *packed_k = infer_scratch_at(scratch, a->packed_k_at);
            REAL *packed_v = infer_scratch_at(scratch, a->packed_v_at);
            NAME(infer_pack_b)(a->size, a->keys, head.k, head.ldk, true, packed_k);
            NAME(infer_pack_b)(a->keys, a->value_size, head.v, head.ldv, false, packed_v);
            head.packed_k = packed_k;
            head.packed_v = packed_v;
        }
        for (size_t g = h * group; g < (h + 1) * group; g++)
            for (size_t i = 0; i < a->queries; i += a->block) {
                size_t count = a->queries - i < a->block ? a->queries - i : a->block;
                NAME(block)(a, m, env, &head, b, g, i, count);
            }
    }
}

#undef REAL
#undef S
