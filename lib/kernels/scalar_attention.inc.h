/* The reference of attention, in plain C: one query at a time, each score computed twice. */

static float attend_score(const infer_attend *a, size_t i, size_t j) {
    const float *q = a->q + i * a->ldq, *k = a->k + j * a->ldk;
    float sum = 0;
    for (size_t d = 0; d < a->size; d++)
        sum += q[d] * a->scale * k[d];
    if (a->softcap > 0)
        sum = tanhf(sum / a->softcap) * a->softcap;
    if (a->keep && !a->keep[i * a->keep_row + j * a->keep_key] != a->inverts)
        sum = a->fill;
    return a->add ? sum + a->add[i * a->add_row + j * a->add_key] : sum;
}

static void attend_f32(const infer_attend *a, float *scratch) {
    (void)scratch;
    for (size_t i = 0; i < a->queries; i++) {
        const size_t bound = infer_attend_bound(a, i);
        float *y = a->y + i * a->ldy, max = -INFINITY, sum = 0;
        for (size_t c = 0; c < a->value_size; c++)
            y[c] = 0;
        for (size_t j = 0; j < bound; j++) {
            const float score = attend_score(a, i, j);
            max = score > max ? score : max;
        }
        for (size_t j = 0; j < bound; j++) {
            const float p = max == -INFINITY ? 0 : expf(attend_score(a, i, j) - max);
            sum += p;
            for (size_t c = 0; c < a->value_size; c++)
                y[c] += p * a->v[j * a->ldv + c];
        }
        for (size_t c = 0; c < a->value_size; c++)
            y[c] = a->zeros && !(sum > 0) ? 0 : y[c] / sum;
    }
}
