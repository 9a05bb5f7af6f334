/* Template (real.h): Conv as matrix products over blocks of columns, or directly where each output
 * channel has one input channel. */
#define SOURCE REAL
#include "columns.inc.h"
#undef SOURCE

/* y, which starts at the bias, of one channel. */
static void NAME(direct)(const infer_conv *c, const REAL *x, const REAL *weights, REAL *y) {
    const infer_window *w = &c->window;
    const int32_t last = w->rank - 1;
    int64_t tap[INFER_WINDOW_RANK] = {0};
    do {
        int64_t first[INFER_WINDOW_RANK], n[INFER_WINDOW_RANK], index[INFER_WINDOW_RANK] = {0};
        const REAL scale = *weights++;
        bool empty = false;
        for (int32_t i = 0; i < w->rank; i++) {
            infer_window_range(w, i, tap[i], &first[i], &n[i]);
            n[i] -= first[i];
            empty = empty || n[i] == 0;
        }
        if (empty)
            continue;
        do {
            int64_t from = 0, to = 0;
            for (int32_t i = 0; i < w->rank; i++) {
                int64_t o = first[i] + (i < last ? index[i] : 0);
                to = to * w->out[i] + o;
                from = from * w->in[i] + o * w->stride[i] + tap[i] * w->dilation[i] - w->before[i];
            }
            const REAL *a = x + from;
            REAL *b = y + to;
            const int64_t step = w->stride[last], count = n[last];
            if (step == 1)
                for (int64_t i = 0; i < count; i++)
                    b[i] += scale * a[i];
            else
                for (int64_t i = 0; i < count; i++)
                    b[i] += scale * a[i * step];
        } while (infer_window_next(index, n, last));
    } while (infer_window_next(tap, w->kernel, w->rank));
}

static void NAME(direct_run)(const infer_conv *c, const REAL *x, const REAL *weights,
                             const REAL *bias, REAL *y) {
    for (size_t n = 0; n < c->batch * c->group; n++, x += c->plane) {
        size_t m = n % c->group * c->outputs;
        for (size_t i = m; i < m + c->outputs; i++, y += c->places) {
            for (size_t j = 0; j < c->places; j++)
                y[j] = bias ? bias[i] : 0;
            NAME(direct)(c, x, weights + i * c->taps, y);
        }
    }
}

static void NAME(product_run)(const infer_conv *c, const infer_kernels *k, const REAL *x,
                              const REAL *weights, const REAL *bias, REAL *y, REAL *packed) {
    const bool plain = is_plain(&c->window);
    for (size_t n = 0; n < c->batch * c->group; n++, x += c->channels * c->plane) {
        size_t m = n % c->group * c->outputs;
        for (size_t first = 0; first < c->places; first += c->block) {
            size_t count = c->places - first < c->block ? c->places - first : c->block;
            if (plain)
                NAME(infer_pack_b)(c->depth, count, x + first, c->plane, false, packed);
            else
                NAME(columns)(c, x, first, count, 0, packed);
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
