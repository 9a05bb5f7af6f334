/* Template (real.h): the columns of DeformConv, sampled linearly between the elements of x. */

/* Where the corners around a position lie, and their weights; 0 corners outside. */
static size_t NAME(corners)(const infer_window *w, const REAL *position, size_t *at, REAL *weight) {
    int64_t low[DEFORM_RANK];
    REAL part[DEFORM_RANK];
    size_t count = 0;
    for (int32_t i = 0; i < w->rank; i++) {
        if (!(position[i] > -1 && position[i] < (REAL)w->in[i]))
            return 0;
        REAL whole = floor(position[i]);
        low[i] = (int64_t)whole;
        part[i] = position[i] - whole;
    }
    for (uint32_t corner = 0; corner < 1u << w->rank; corner++) {
        REAL factor = 1;
        size_t offset = 0;
        bool inside = true;
        for (int32_t i = 0; i < w->rank && inside; i++) {
            bool high = corner >> i & 1;
            int64_t k = low[i] + high;
            factor *= high ? part[i] : 1 - part[i];
            inside = k >= 0 && k < w->in[i];
            offset = offset * (size_t)w->in[i] + (size_t)k;
        }
        if (!inside)
            continue;
        at[count] = offset;
        weight[count++] = factor;
    }
    return count;
}

/* As `columns`; x is a sample's first channel of the group, number `channel` of all. offset and
 * mask are the sample's. */
static void NAME(deformed)(const deform_plan *p, const REAL *x, size_t channel, const REAL *offset,
                           const REAL *mask, size_t first, size_t count, REAL *packed) {
    const infer_conv *c = &p->c;
    const infer_window *w = &c->window;
    int64_t place[DEFORM_RANK];
    size_t rest = first;
    for (int32_t i = w->rank; i-- > 0; rest /= (size_t)w->out[i])
        place[i] = (int64_t)(rest % (size_t)w->out[i]);
    memset(packed, 0,
           (count + INFER_PANEL - 1) / INFER_PANEL * INFER_PANEL * c->depth * sizeof(REAL));
    for (size_t j = 0; j < count; j++) {
        REAL *to = packed + j / INFER_PANEL * INFER_PANEL * c->depth + j % INFER_PANEL;
        for (size_t k = 0; k < c->channels; k++) {
            size_t set = (channel + k) / p->of_offset;
            /* Channels of an offset group share their positions. */
            size_t shared = (set + 1) * p->of_offset - channel - k;
            shared = shared < c->channels - k ? shared : c->channels - k;
            int64_t tap[DEFORM_RANK] = {0};
            for (size_t t = 0; t < c->taps; t++) {
                REAL position[DEFORM_RANK], weight[1 << DEFORM_RANK];
                size_t at[1 << DEFORM_RANK], row = set * c->taps + t;
                for (int32_t i = 0; i < w->rank; i++)
                    position[i] =
                        (REAL)(place[i] * w->stride[i] - w->before[i] + tap[i] * w->dilation[i]) +
                        offset[(row * (size_t)w->rank + (size_t)i) * c->places + first + j];
                size_t corners = NAME(corners)(w, position, at, weight);
                REAL scale = mask ? mask[row * c->places + first + j] : 1;
                for (size_t s = k; s < k + shared; s++) {
                    REAL sum = 0;
                    for (size_t q = 0; q < corners; q++)
                        sum += weight[q] * x[s * c->plane + at[q]];
                    to[(s * c->taps + t) * INFER_PANEL] = sum * scale;
                }
                infer_window_next(tap, w->kernel, w->rank);
            }
            k += shared - 1;
        }
        infer_window_next(place, w->out, w->rank);
    }
}

static void NAME(deform)(const deform_plan *p, const infer_kernels *k, const REAL *x,
                         const REAL *weights, const REAL *offset, const REAL *bias,
                         const REAL *mask, REAL *y, REAL *packed) {
    const infer_conv *c = &p->c;
    size_t masks = p->sets * c->taps * c->places, offsets = masks * (size_t)c->window.rank;
    for (size_t n = 0; n < c->batch * c->group; n++, x += c->channels * c->plane) {
        size_t m = n % c->group * c->outputs, sample = n / c->group;
        for (size_t first = 0; first < c->places; first += c->block) {
            size_t count = c->places - first < c->block ? c->places - first : c->block;
            NAME(deformed)
            (p, x, n % c->group * c->channels, offset + sample * offsets,
             mask ? mask + sample * masks : NULL, first, count, packed);
            k->NAME(gemm_packed)(c->outputs, count, c->depth, weights + m * c->depth, c->depth,
                                 packed, NULL, y + first, c->places);
            for (size_t i = 0; bias && i < c->outputs; i++)
                for (size_t j = first; j < first + count; j++)
                    y[i * c->places + j] += bias[m + i];
        }
        y += c->outputs * c->places;
    }
}

#undef REAL
#undef S
